//! A panel's SQLite database, which its web application writes while we read.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use console_inventory::{
    DatabaseError, DatabaseUrl, Host, Inventory, InventoryError, Panel, PanelDatabase, SshConfig,
    SshOptions,
};
use console_token::ConsoleToken;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, SqliteConnection};

const GUEST: &str = "0a000000-0000-4000-8000-000000000001";
const SCHEMA: &str = "CREATE TABLE computes_compute (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, name varchar(64) NOT NULL UNIQUE, \
     hostname varchar(64) NOT NULL, login varchar(20) NOT NULL, password varchar(14) NULL, details varchar(64) NULL, type integer NOT NULL); \
     CREATE TABLE instances_instance (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, name varchar(120) NOT NULL, uuid varchar(36) NOT NULL, \
     is_template bool NOT NULL, created datetime NOT NULL, drbd varchar(24) NOT NULL, \
     compute_id bigint NOT NULL REFERENCES computes_compute (id) DEFERRABLE INITIALLY DEFERRED); \
     INSERT INTO computes_compute VALUES (3, 'kvm-3', 'kvm-3', 'root', NULL, NULL, 2); \
     INSERT INTO instances_instance VALUES (1, 'web', '0a000000-0000-4000-8000-000000000001', 0, '2026-01-01', 'None', 3);";

/// As Django does it: a connection for each request, which waits 5 s for a lock.
async fn open(file: &Path, mode: SqliteJournalMode) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
    options.journal_mode(mode).busy_timeout(Duration::from_secs(5)).connect().await.unwrap()
}

async fn create(file: &Path, mode: SqliteJournalMode) {
    let mut app = open(file, mode).await;
    app.execute(SCHEMA).await.unwrap();
    app.close().await.unwrap();
}

fn inventory(file: &Path, limit: Duration) -> Inventory {
    let url = format!("sqlite://{}", file.display()).replace('%', "%25").replace('?', "%3F");
    let url: DatabaseUrl = url.parse().unwrap();
    let (ssh, options) = (SshConfig::default(), SshOptions::default());
    Inventory::default().with_database(PanelDatabase::new(url, limit, ssh, options))
}

async fn host(inventory: &Inventory, token: &str) -> Result<Arc<Host>, InventoryError> {
    let token: ConsoleToken = token.parse().unwrap();
    inventory.host(token).await
}

async fn found(inventory: &Inventory) -> Result<String, InventoryError> {
    host(inventory, &format!("3-{GUEST}")).await.map(|host| host.libvirt_uri().to_owned())
}

const LONG: Duration = Duration::from_secs(20);
const BOTH: [SqliteJournalMode; 2] = [SqliteJournalMode::Delete, SqliteJournalMode::Wal];

#[tokio::test]
async fn a_token_needs_its_host_and_its_guest_there_and_the_next_one_sees_changes() {
    let folder = tempfile::tempdir().unwrap();
    // Its path is a path, whatever SQLite's URIs would make of it.
    let file = folder.path().join("a b?mode=memory#%41.sqlite3");
    create(&file, SqliteJournalMode::Delete).await;
    let inventory = inventory(&file, LONG);
    assert_eq!(found(&inventory).await.unwrap(), "qemu+ssh://root@kvm-3/system?no_tty=1");
    assert_eq!(inventory.check().await.unwrap().unwrap().panel, Panel::WebVirtCloud);
    let error = host(&inventory, &format!("4-{GUEST}")).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no host 4");
    let other = GUEST.replace("01", "02");
    let error = host(&inventory, &format!("3-{other}")).await.unwrap_err();
    assert_eq!(error.to_string(), "WebVirtCloud's database lists no such guest on host kvm-3 (3)");
    let error = host(&inventory, &format!("{}-{GUEST}", u64::MAX)).await.unwrap_err();
    assert!(matches!(error, InventoryError::UnknownHost { asked_database: true, .. }));

    let mut app = open(&file, SqliteJournalMode::Delete).await;
    let change = "UPDATE computes_compute SET type = 1, hostname = '192.0.2.7'";
    app.execute(change).await.unwrap();
    assert_eq!(found(&inventory).await.unwrap(), "qemu+tcp://192.0.2.7/system");
    app.execute("UPDATE computes_compute SET hostname = 'a b'").await.unwrap();
    let error = found(&inventory).await.unwrap_err();
    assert!(matches!(error, InventoryError::UnusableRow { .. }), "{error}");
    let checked = inventory.check().await.unwrap().unwrap();
    assert_eq!((checked.hosts.len(), checked.unusable), (1, vec![error]));
    app.execute("DELETE FROM instances_instance").await.unwrap();
    let error = found(&inventory).await.unwrap_err();
    assert!(matches!(error, InventoryError::UnknownGuest { .. }), "{error}");
}

#[tokio::test]
async fn a_number_that_means_two_hosts_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("db");
    create(&file, SqliteJournalMode::Delete).await;
    let ssh = SshConfig::default();
    let of = |id| {
        let (id, at) = (console_inventory::HostId::new(id), console_inventory::Connection::Socket);
        Host::new(id, "ours", &at, Default::default(), &ssh, None).unwrap()
    };
    let database = || {
        let url = format!("sqlite://{}", file.display()).parse().unwrap();
        PanelDatabase::new(url, LONG, SshConfig::default(), SshOptions::default())
    };
    let error = Inventory::new([of(1), of(3)]).with_database(database()).check().await.unwrap_err();
    let expected = "host 3 is ours in the configuration and kvm-3 in the panel's database";
    assert_eq!(error.to_string(), expected);
    // Beside each other they are both found.
    let both = Inventory::new([of(1)]).with_database(database());
    both.check().await.unwrap();
    assert_eq!(found(&both).await.unwrap(), "qemu+ssh://root@kvm-3/system?no_tty=1");
    let ours = host(&both, &format!("1-{GUEST}")).await.unwrap();
    assert_eq!(ours.libvirt_uri(), "qemu:///system");
}

#[tokio::test]
async fn in_wal_mode_nothing_is_created_and_what_is_committed_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("db");
    create(&file, SqliteJournalMode::Wal).await;
    let names = || {
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(), ["db"], "not at rest");
    let inventory = inventory(&file, LONG);
    found(&inventory).await.unwrap();
    // A reader's -wal and -shm would belong to us, and the application could write no more.
    assert_eq!(names(), ["db"]);
    let mut app = open(&file, SqliteJournalMode::Wal).await;
    app.execute("UPDATE computes_compute SET type = 4").await.unwrap();
    assert_eq!(names(), ["db", "db-shm", "db-wal"]);
    assert_eq!(found(&inventory).await.unwrap(), "qemu:///system");
    // What is not committed yet is not there yet.
    app.execute("BEGIN IMMEDIATE; UPDATE computes_compute SET type = 5").await.unwrap();
    assert_eq!(found(&inventory).await.unwrap(), "qemu:///system");
    app.execute("COMMIT").await.unwrap();
    found(&inventory).await.unwrap_err();
    app.close().await.unwrap();
    assert_eq!(names(), ["db"], "we kept the application from clearing up");
}

/// Each write connects, changes both tables in one transaction and disconnects, while we read all the time: with an even number the host is
/// right and has its guest, with an odd one neither is true. A host that is wrong and has its guest was never there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_applications_writes_go_on_and_no_half_of_one_is_seen() {
    for mode in BOTH {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("db");
        create(&file, mode).await;
        let mut app = open(&file, mode).await;
        // The guest is the last one, so it is looked for long enough for a write in between.
        app.execute(
            "WITH RECURSIVE n(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM n WHERE n < 20000) \
             INSERT INTO instances_instance SELECT n, 'other', 'other', 0, '2026-01-01', 'None', 3 FROM n; \
             DELETE FROM instances_instance WHERE id = 1; UPDATE computes_compute SET type = 3, login = 'u0'; \
             UPDATE instances_instance SET uuid = '0a000000-0000-4000-8000-000000000001' WHERE id = 20000",
        )
        .await
        .unwrap();
        app.close().await.unwrap();
        let inventory = Arc::new(inventory(&file, LONG));
        let (stop, reads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let (inventory, stop, reads) = (inventory.clone(), stop.clone(), reads.clone());
                tokio::spawn(async move {
                    let mut last = 0;
                    while !stop.load(Relaxed) {
                        match found(&inventory).await {
                            Ok(uri) => {
                                let number = uri.trim_start_matches("qemu+tls://u");
                                let now: u32 = number.split('@').next().unwrap().parse().unwrap();
                                assert!(
                                    now >= last && now.is_multiple_of(2),
                                    "{now} came after {last}"
                                );
                                last = now;
                            }
                            Err(InventoryError::UnknownGuest { .. }) => {}
                            Err(other) => panic!("{other}"),
                        }
                        reads.fetch_add(1, Relaxed);
                    }
                })
            })
            .collect();
        let mut slowest = Duration::ZERO;
        let mut number = 0;
        while number < 400 || number % 2 == 1 || reads.load(Relaxed) < 200 {
            assert!(readers.iter().all(|reader| !reader.is_finished()), "a reader failed");
            number += 1;
            let (kind, uuid) = if number % 2 == 0 { (3, GUEST) } else { (9, "gone") };
            let start = Instant::now();
            let mut app = open(&file, mode).await;
            // In WAL mode each commit then writes to the file itself, beside which nothing lay when a reader looked.
            app.execute("PRAGMA wal_autocheckpoint = 1").await.unwrap();
            let sql = format!(
                "BEGIN IMMEDIATE; UPDATE computes_compute SET login = 'u{number}', type = {kind}; \
                 UPDATE instances_instance SET uuid = '{uuid}' WHERE id = 20000; COMMIT"
            );
            app.execute(AssertSqlSafe(sql)).await.unwrap();
            app.close().await.unwrap();
            slowest = slowest.max(start.elapsed());
        }
        let last = format!("qemu+tls://u{number}@kvm-3/system");
        assert_eq!(found(&inventory).await.unwrap(), last, "the last write is not seen");
        stop.store(true, Relaxed);
        for reader in readers {
            reader.await.unwrap();
        }
        // Below the 5 s after which Django's write would have failed.
        assert!(slowest < Duration::from_secs(4), "{mode:?}: a write took {slowest:?}");
    }
}

#[tokio::test]
async fn a_lock_is_waited_for_within_the_bound_and_passes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("db");
    create(&file, SqliteJournalMode::Delete).await;
    let mut app = open(&file, SqliteJournalMode::Delete).await;
    app.execute("BEGIN EXCLUSIVE").await.unwrap();
    let impatient = inventory(&file, Duration::from_millis(300));
    let start = Instant::now();
    // Others wait for the first one's place, and no longer than it does.
    let mut told = Vec::new();
    let all = (0..20).map(|_| found(&impatient));
    for error in futures_util::future::join_all(all).await {
        let InventoryError::Database(error) = error.unwrap_err() else { panic!() };
        told.push(error.clone());
        assert!(error.may_pass(), "{error}");
    }
    let locked = told.iter().filter(|error| matches!(error, DatabaseError::Locked { .. })).count();
    assert!(locked > 0, "{told:?}");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let patient = inventory(&file, LONG);
    let (waiting, ()) = tokio::join!(found(&patient), async {
        app.execute("COMMIT").await.unwrap();
    });
    waiting.unwrap();
    found(&impatient).await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_moved_replaced_or_no_database_is_told_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("db");
    let moved = folder.path().join("moved");
    create(&file, SqliteJournalMode::Delete).await;
    let inventory = inventory(&file, LONG);
    found(&inventory).await.unwrap();
    let told = |error: InventoryError| match error {
        InventoryError::Database(error) => error,
        other => panic!("{other}"),
    };
    fs::rename(&file, &moved).unwrap();
    let missing = told(found(&inventory).await.unwrap_err());
    assert_eq!(missing, DatabaseError::Missing { path: file.clone() });
    for (text, expected) in
        [("", "has neither WebVirtMgr's"), ("-- a dump", "is no SQLite database")]
    {
        fs::write(&file, text).unwrap();
        let error = told(found(&inventory).await.unwrap_err()).to_string();
        assert!(error.contains(expected), "{error}");
    }
    // Another database is put in its place.
    let other = folder.path().join("other");
    create(&other, SqliteJournalMode::Wal).await;
    let mut app = open(&other, SqliteJournalMode::Wal).await;
    app.execute("UPDATE computes_compute SET type = 4").await.unwrap();
    app.close().await.unwrap();
    fs::rename(&other, &file).unwrap();
    assert_eq!(found(&inventory).await.unwrap(), "qemu:///system");
    // A link is followed to where SQLite has its other files.
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink(&moved, &file).unwrap();
    assert_eq!(found(&inventory).await.unwrap(), "qemu+ssh://root@kvm-3/system?no_tty=1");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(matches!(told(found(&inventory).await.unwrap_err()), DatabaseError::NotSqlite { .. }));
}

#[tokio::test]
async fn whose_database_it_is_the_tables_tell() {
    let folder = tempfile::tempdir().unwrap();
    let file: PathBuf = folder.path().join("db");
    let mut app = open(&file, SqliteJournalMode::Delete).await;
    app.execute(
        "CREATE TABLE servers_compute (id integer NOT NULL PRIMARY KEY, name varchar(20) NOT NULL, hostname varchar(20) NOT NULL, \
         login varchar(20) NOT NULL, password varchar(14), type integer NOT NULL); \
         INSERT INTO servers_compute VALUES (3, 'a', 'hv', 'admin', 'pw', 1);",
    )
    .await
    .unwrap();
    let inventory = inventory(&file, LONG);
    let error = found(&inventory).await.unwrap_err();
    assert!(
        error.to_string().ends_with(
            "nor WebVirtCloud's (computes_compute, instances_instance), only servers_compute"
        ),
        "{error}"
    );
    app.execute(
        "CREATE TABLE instance_instance (id integer NOT NULL PRIMARY KEY, compute_id integer NOT NULL, name varchar(20) NOT NULL, \
         uuid varchar(36) NOT NULL); INSERT INTO instance_instance VALUES (1, 3, 'web', '0a000000-0000-4000-8000-000000000001');",
    )
    .await
    .unwrap();
    assert_eq!(found(&inventory).await.unwrap(), "qemu+tcp://hv/system");
    assert_eq!(inventory.check().await.unwrap().unwrap().panel, Panel::WebVirtMgr);
    app.execute(SCHEMA).await.unwrap();
    let error = found(&inventory).await.unwrap_err();
    assert!(error.to_string().contains("the tables of both"), "{error}");
}
