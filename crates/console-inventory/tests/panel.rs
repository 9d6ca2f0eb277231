//! All that a panel's database says of hosts and guests, odd rows included.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use console_inventory::{
    Connection as Reached, DatabaseError, Host, HostId, Inventory, InventoryError,
    MAX_CHECKED_GUESTS, Panel, PanelDatabase, SshConfig, SshOptions,
};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection, Executor};

const GUEST: &str = "0a000000-0000-4000-8000-000000000001";
const LONG: Duration = Duration::from_secs(20);

/// WebVirtCloud's tables, without NOT NULL: what a database was filled with by hand or by another program is no better.
const CLOUD: &str = "CREATE TABLE computes_compute (id integer NOT NULL PRIMARY KEY, name varchar(64), hostname varchar(64), \
     login varchar(20), password varchar(14), type integer); \
     CREATE TABLE instances_instance (id integer NOT NULL PRIMARY KEY, compute_id bigint, name varchar(120), uuid varchar(36));";

/// WebVirtMgr's.
const MGR: &str = "CREATE TABLE servers_compute (id integer NOT NULL PRIMARY KEY, name varchar(20) NOT NULL, hostname varchar(20) NOT NULL, \
     login varchar(20) NOT NULL, password varchar(14), type integer NOT NULL); \
     CREATE TABLE instance_instance (id integer NOT NULL PRIMARY KEY, compute_id integer NOT NULL, name varchar(20) NOT NULL, \
     uuid varchar(36) NOT NULL);";

async fn run(file: &Path, statements: &'static str) {
    let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
    let mode = SqliteJournalMode::Wal;
    let mut app = options.journal_mode(mode).connect().await.unwrap();
    app.execute(statements).await.unwrap();
    app.close().await.unwrap();
}

fn database(file: &Path) -> PanelDatabase {
    let url = format!("sqlite://{}", file.display()).parse().unwrap();
    PanelDatabase::new(url, LONG, SshConfig::default(), SshOptions::default())
}

#[tokio::test]
async fn hosts_are_those_of_a_lookup_and_odd_rows_hide_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("db");
    run(&file, CLOUD).await;
    run(
        &file,
        "INSERT INTO computes_compute VALUES (3, 'kvm-3', 'hv3', 'admin', 's3cret', 1), (2, 'kvm-2', 'hv2', 'root', NULL, 2), \
         (5, 'kvm-5', 'a b', 'root', 's3cret', 1), (-1, 'kvm--1', 'hv1', '', NULL, 1); \
         INSERT INTO instances_instance VALUES (9, 3, 'last', '0a000000-0000-4000-8000-000000000009'), \
         (1, 3, 'web', '0a000000-0000-4000-8000-000000000001'), (2, 3, NULL, NULL), (3, 2, 'short', '0a000000-0000-4000'), \
         (4, 4, 'stray', '0a000000-0000-4000-8000-000000000004'), (5, NULL, 'nowhere', '0a000000-0000-4000-8000-000000000005'), \
         (6, 5, 'lost', '0a000000-0000-4000-8000-000000000006'), (7, 3, 'number', 7), (8, 3, 'blob', x'ff00ff'), \
         (10, 3, CAST(x'ff' AS TEXT), '0a000000-0000-4000-8000-00000000000a'), \
         (11, 3, 'two\nlines', '0a000000-0000-4000-8000-00000000000b'), (12, -1, 'below', '0a000000-0000-4000-8000-00000000000c')",
    )
    .await;
    let inventory = Inventory::default().with_database(database(&file));
    let content = inventory.panel().await.unwrap().unwrap();
    assert_eq!(content.panel, Panel::WebVirtCloud);

    let hosts: Vec<_> = content
        .hosts
        .iter()
        .map(|host| (host.id().get(), host.name(), host.libvirt_uri()))
        .collect();
    assert_eq!(
        hosts,
        [
            (2, "kvm-2", "qemu+ssh://root@hv2/system?no_tty=1"),
            (3, "kvm-3", "qemu+tcp://hv3/system")
        ]
    );
    let looked_up = inventory.host(format!("3-{GUEST}").parse().unwrap()).await.unwrap();
    assert_eq!(format!("{:?}", content.hosts[1]), format!("{looked_up:?}"));
    assert!(content.hosts[1].login().password.is_some());
    let unusable: Vec<_> = content.unusable.iter().map(ToString::to_string).collect();
    assert!(unusable[0].contains("kvm--1") && unusable[0].contains("negative"), "{unusable:?}");
    assert!(unusable[1].contains("kvm-5 (5)") && unusable[1].contains("a b"), "{unusable:?}");
    assert_eq!(unusable.len(), 2);

    let guests: Vec<_> = content
        .guests
        .iter()
        .map(|guest| (guest.host.get(), guest.name.as_str(), guest.uuid.as_u128() & 0xff))
        .collect();
    assert_eq!(
        guests,
        [(3, "web", 1), (5, "lost", 6), (3, "last", 9), (3, "guest 10", 10), (3, "guest 11", 11)]
    );
    assert_eq!(
        content.odd_guests,
        [
            "the guest of row 2 has no uuid",
            "guest short (row 3) has something else in its uuid's place (length 18)",
            "guest stray (row 4) is on host 4, which does not exist",
            "guest nowhere (row 5) has no host",
            // The column's affinity made a text of it.
            "guest number (row 7) has something else in its uuid's place (length 1)",
            "guest blob (row 8) has no uuid",
            "guest below (row 12) is on host -1, which does not exist",
        ]
    );
    let printed = format!("{content:?}");
    assert!(!printed.contains("s3cret"), "{printed}");
    // Still nothing of ours beside the panel's file.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_number_that_means_two_hosts_is_no_error_here() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("db");
    run(&file, MGR).await;
    run(
        &file,
        "INSERT INTO servers_compute VALUES (3, 'kvm-3', 'hv3', 'admin', '', 4); \
         INSERT INTO instance_instance VALUES (1, 3, 'web', '0a000000-0000-4000-8000-000000000001')",
    )
    .await;
    let ssh = SshConfig::default();
    let ours = Host::new(HostId::new(3), "ours", &Reached::Socket, Default::default(), &ssh, None);
    let inventory = Inventory::new([ours.unwrap()]).with_database(database(&file));
    let content = inventory.panel().await.unwrap().unwrap();
    assert_eq!((content.panel, content.hosts[0].name()), (Panel::WebVirtMgr, "kvm-3"));
    assert_eq!(content.guests.len(), 1);
    assert!(matches!(inventory.check().await, Err(InventoryError::Clash { .. })));
    assert_eq!(inventory.hosts().map(|host| host.name()).collect::<Vec<_>>(), ["ours"]);
}

#[tokio::test]
async fn how_much_is_read_and_how_much_is_said_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("db");
    run(&file, MGR).await;
    // Every even one is odd.
    run(
        &file,
        "INSERT INTO servers_compute VALUES (3, 'kvm-3', 'hv3', 'admin', '', 4); \
         WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 100010) \
         INSERT INTO instance_instance SELECT n, 3 + (n + 1) % 2, 'x', '0a000000-0000-4000-8000-000000000001' FROM n",
    )
    .await;
    let inventory = Inventory::default().with_database(database(&file));
    let content = inventory.panel().await.unwrap().unwrap();
    assert_eq!(content.guests.len(), MAX_CHECKED_GUESTS / 2);
    assert_eq!(content.odd_guests.len(), 100);
    assert!(content.odd_guests[98].starts_with("guest x (row 198) is on host 4"));
    let untold = MAX_CHECKED_GUESTS / 2 - 99;
    assert_eq!(content.odd_guests[99], format!("and {untold} further guests are odd"));
}

#[tokio::test]
async fn no_database_and_none_of_a_panels_are_told() {
    assert!(Inventory::default().panel().await.unwrap().is_none());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("db");
    let inventory = Inventory::default().with_database(database(&file));
    let missing = inventory.panel().await.unwrap_err();
    assert_eq!(missing, DatabaseError::Missing { path: file.clone() }.into());
    run(&file, "CREATE TABLE other (id integer)").await;
    let error = inventory.panel().await.unwrap_err();
    assert!(matches!(error, InventoryError::Database(DatabaseError::NoPanel { .. })), "{error:?}");
}
