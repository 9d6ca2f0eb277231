//! `console-check` on a panel's database that is wrong.

use std::fs;

use harness::database::{Database, Engine, Host, Panel, PanelDatabase, Sqlite};
use harness::{ProxyBuilder, Result};
use sqlx::{Connection as _, Executor as _};

use crate::check_bench::{Bench, Fault, Shared, Well, broken, warned};

pub(crate) const FAULTS: &[Fault] = &[
    broken("the database's file is not there", "inventory.database"),
    broken("the database's file is something else", "inventory.database"),
    broken("the service's user may not read the database's file", "inventory.database"),
    broken("another program has locked the database", "inventory.database"),
    broken("the database is no panel's", "inventory.database"),
    broken("PostgreSQL is switched off", "inventory.database"),
    broken("the database's password is wrong", "inventory.database"),
    broken("a number is a host of the file and another of the database", "inventory.numbers"),
    broken("a host's row has an unknown connection type", "inventory.rows"),
    broken("a host's row has no hostname", "inventory.rows"),
    warned("a guest's row has no uuid", "inventory.rows"),
    warned("a uuid is listed twice", "inventory.uuids"),
    broken("the token's host is not in the database", "host.known"),
    broken("the guest's row is missing", "domain.listed"),
    warned("a guest runs that the panel does not list", "domain.listed"),
    broken("the guest has another uuid than the panel has", "domain.uuid"),
    warned("the panel lists a guest that libvirt does not have", "domain.known"),
];

/// The number of this machine's row.
const LOCAL: i64 = 40;

const THIS_MACHINE: Host<'static> =
    Host { name: "local", hostname: "localhost", login: "", password: None, kind: 4 };

fn with(well: &Well, url: &str) -> ProxyBuilder {
    let sockets = well.bed.libvirtd().dir().join("run");
    let url = format!("database_url = \"{url}\"");
    well.settings().without_hosts().setting(&url).setting("database_timeout = 2").libvirt(&sockets)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_of_the_database_is_the_first_finding() -> Result<()> {
    let well = Well::start()?;
    let (bench, port) = (Bench::new(FAULTS), well.port());
    let uuid = well.guest.uuid().to_string();
    let token = format!("{LOCAL}-{uuid}");

    for engine in Engine::ALL {
        for panel in Panel::ALL {
            let database = PanelDatabase::start(engine, panel, well.bed.dir()).await?;
            database.add_host(LOCAL, THIS_MACHINE).await?;
            database.add_instance(LOCAL, "well", &uuid).await?;
            let settings = with(&well, &database.url());
            let all = settings.check(port, &[])?;
            all.expect_well()?;
            let found = all.expect("inventory.database", "ok")?;
            let expected = format!("{panel:?}'s, with 1 host and 1 guest");
            assert_eq!(found.text, expected, "{engine:?}");
            settings.check(port, &[&token])?.expect_well()?;
        }
    }

    let check = |url: &str, args: &[&str]| with(&well, url).check(port, args);
    let missing = check("sqlite:///nonexistent/db.sqlite3", &[])?;
    bench.finds("the database's file is not there", &missing)?;
    let text = well.file("text.sqlite3");
    fs::write(&text, "CREATE TABLE servers_compute")?;
    let text = check(&format!("sqlite://{}", text.display()), &[])?;
    bench.finds("the database's file is something else", &text)?;
    let empty = Sqlite::create(&well.file("empty.sqlite3"))?;
    let empty = Database::Sqlite(empty);
    empty.run("CREATE TABLE django_migrations (id INTEGER)").await?;
    bench.finds("the database is no panel's", &check(&empty.url(), &[])?)?;

    let panel = PanelDatabase::start(Engine::Sqlite, Panel::WebVirtCloud, well.bed.dir()).await?;
    panel.add_host(LOCAL, THIS_MACHINE).await?;
    panel.add_instance(LOCAL, "well", &uuid).await?;
    let url = panel.url();
    // The bed's folder is open to its own user alone, so the configuration lies elsewhere.
    let shared = Shared::new(&well.bed, "panel")?;
    let config =
        shared.write("console.toml", &format!("port = {port}\ndatabase_url = \"{url}\"\n"))?;
    let settings =
        with(&well, &url).without_file().arg("--config").arg(&config.display().to_string());
    let denied = settings.check(port, &["--user", "nobody"])?;
    let found = bench.finds("the service's user may not read the database's file", &denied)?;
    assert!(found.text.contains("denied"), "{found:?}");

    // Somebody in the middle of a write.
    let mut lock = sqlx::SqliteConnection::connect(&url).await?;
    lock.execute("BEGIN EXCLUSIVE").await?;
    let locked = check(&url, &[]);
    lock.close().await?;
    bench.finds("another program has locked the database", &locked?)?;

    let mut postgres =
        PanelDatabase::start(Engine::Postgres, Panel::WebVirtMgr, well.bed.dir()).await?;
    let server = postgres.url();
    let (before, after) = server.split_once("://").unwrap_or_default();
    let (login, place) = after.rsplit_once('@').unwrap_or_default();
    let name = login.split(':').next().unwrap_or_default();
    let wrong = check(&format!("{before}://{name}:wr0ng-one@{place}"), &[])?;
    bench.finds("the database's password is wrong", &wrong)?;
    assert!(
        !wrong.shown().contains("wr0ng-one") && !wrong.report.to_string().contains("wr0ng-one")
    );
    postgres.database_mut().server()?.stop()?;
    bench.finds("PostgreSQL is switched off", &check(&server, &[])?)?;

    let clash = with(&well, &url)
        .host_with(40, &["connection = \"socket\"", "name = \"ours\""].map(str::to_owned));
    bench.finds(
        "a number is a host of the file and another of the database",
        &clash.check(port, &[])?,
    )?;
    for (planted, row) in [
        (
            "a host's row has an unknown connection type",
            Host { name: "odd", kind: 7, ..THIS_MACHINE },
        ),
        (
            "a host's row has no hostname",
            Host { name: "odd", hostname: " ", kind: 1, ..THIS_MACHINE },
        ),
    ] {
        panel.add_host(41, row).await?;
        bench.finds(planted, &check(&url, &[])?)?;
        panel.remove_host(41).await?;
    }
    panel.add_instance(LOCAL, "odd", "").await?;
    bench.finds("a guest's row has no uuid", &check(&url, &[])?)?;
    panel.remove_instance("").await?;
    panel.add_instance(LOCAL, "copy", &uuid).await?;
    bench.finds("a uuid is listed twice", &check(&url, &[])?)?;
    panel.remove_instance(&uuid).await?;

    let other = check(&url, &[&format!("99-{uuid}")])?;
    bench.finds("the token's host is not in the database", &other)?;
    bench.finds("the guest's row is missing", &check(&url, &[&token])?)?;
    bench.finds("a guest runs that the panel does not list", &check(&url, &[])?)?;
    panel.add_host(42, Host { name: "other", ..THIS_MACHINE }).await?;
    panel.add_instance(42, "well", &uuid).await?;
    let elsewhere = check(&url, &[&token])?;
    let found = elsewhere.expect("domain.listed", "error")?;
    assert!(found.text.contains("host 42 (other)"), "{found:?}");
    panel.remove_host(42).await?;
    let old = "0a000000-0000-4000-8000-00000000abcd";
    panel.add_instance(LOCAL, "well", old).await?;
    let planted = "the guest has another uuid than the panel has";
    for token in [&token, &format!("{LOCAL}-{old}")] {
        let found = bench.finds(planted, &check(&url, &[token])?)?;
        assert!(found.text.contains(&old[32..]) && found.text.contains(&uuid[..8]), "{found:?}");
        assert!(!found.text.contains(&uuid), "{found:?}");
    }
    bench.finds(planted, &check(&url, &[])?)?;
    panel.remove_instance(old).await?;
    panel.add_instance(LOCAL, "well", &uuid).await?;
    panel.add_instance(LOCAL, "gone", old).await?;
    bench.finds("the panel lists a guest that libvirt does not have", &check(&url, &[])?)?;
    bench.finish()
}
