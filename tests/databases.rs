//! The test bed's databases: they start, keep the panels' tables, go off and on, stand still, and leave nothing behind.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use harness::bed::Folder;
use harness::database::{Host, Server, Sqlite};
use harness::{Engine, Panel, PanelDatabase, Result};

use crate::{SOON, running};

/// Long beside an answer, short beside a person's patience.
const SILENCE: Duration = Duration::from_millis(500);

#[tokio::test]
async fn postgres_starts_goes_off_and_on_and_stands_still() -> Result<()> {
    let folder = Folder::new()?;
    let (one, two) = (Server::postgres(folder.path())?, Server::postgres(folder.path())?);
    server_behaves(one, two, folder.path(), "PostgreSQL").await
}

#[tokio::test]
async fn mariadb_starts_goes_off_and_on_and_stands_still() -> Result<()> {
    let folder = Folder::new()?;
    let (one, two) = (Server::mariadb(folder.path())?, Server::mariadb(folder.path())?);
    server_behaves(one, two, folder.path(), "MariaDB").await
}

async fn server_behaves(mut one: Server, two: Server, dir: &Path, name: &str) -> Result<()> {
    // Two beside each other, each with its own rows.
    assert_ne!(one.access().port(), two.access().port());
    for server in [&one, &two] {
        let told = format!("{:?}", server.rows("SELECT version()").await?);
        assert!(told.contains(name), "{told}");
    }
    one.run("CREATE TABLE kept (word varchar(9)); INSERT INTO kept VALUES ('first')").await?;
    let missing = failure(two.rows("SELECT word FROM kept").await);
    assert!(missing.contains("kept"), "{missing}");

    // Passwords count, over every way there is.
    let access = one.access().clone();
    for url in [access.url(), access.verified_url(), access.socket_url()] {
        let rows = Server::rows_over(&url, "SELECT word FROM kept").await?;
        assert_eq!(rows, [[Some("first".to_owned())]], "{url}");
        for password in [two.access().password(), ""] {
            let wrong = url.replace(access.password(), password);
            let refused = failure(Server::rows_over(&wrong, "SELECT 1").await);
            assert!(refused.contains("panel"), "{wrong}: {refused}");
        }
    }
    for other in [&two.access().authority().display().to_string(), "/dev/null"] {
        let wrong = access.verified_url().replace(&access.authority().display().to_string(), other);
        let told = failure(Server::rows_over(&wrong, "SELECT 1").await).to_lowercase();
        assert!(told.contains("certificate") || told.contains("tls"), "{told}");
    }
    one.run_as_admin("CREATE DATABASE another").await?;
    assert!(one.run("CREATE DATABASE third").await.is_err(), "the owner may do everything");

    // Standing still is silence: it is connected to and says nothing.
    one.pause()?;
    TcpStream::connect((access.host(), access.port()))?;
    let silent = tokio::time::timeout(SILENCE, one.rows("SELECT word FROM kept")).await;
    assert!(silent.is_err(), "{silent:?}");
    assert!(one.pause().is_err(), "it stands still already");
    one.resume()?;
    assert_eq!(one.rows("SELECT word FROM kept").await?.len(), 1);
    assert!(one.resume().is_err(), "it goes on already");

    // Off with somebody connected, and on again where it was.
    let _idle = TcpStream::connect((access.host(), access.port()))?;
    one.stop()?;
    assert_eq!(refusal(&access), Some(ErrorKind::ConnectionRefused));
    assert!(one.rows("SELECT 1").await.is_err());
    assert!(one.stop().is_err() && one.pause().is_err(), "it is off");
    one.start_again()?;
    assert!(one.start_again().is_err(), "it runs");
    assert_eq!(one.access().url(), access.url());
    assert_eq!(one.rows("SELECT word FROM kept").await?, [[Some("first".to_owned())]]);

    // Dropped while it stands still, and the other one in passing.
    assert!(!running(dir).is_empty());
    one.pause()?;
    let started = Instant::now();
    drop(one);
    assert!(started.elapsed() < SOON, "it had to be killed");
    assert_eq!(refusal(&access), Some(ErrorKind::ConnectionRefused));
    drop(two);
    assert_eq!(running(dir), Vec::<String>::new());
    Ok(())
}

/// What an error says; nothing if there is none.
fn failure<T>(result: Result<T>) -> String {
    result.err().map(|error| format!("{error:#}")).unwrap_or_default()
}

fn refusal(access: &harness::database::Access) -> Option<ErrorKind> {
    TcpStream::connect((access.host(), access.port())).err().map(|error| error.kind())
}

#[tokio::test]
async fn sqlite_keeps_the_panels_tables() -> Result<()> {
    let folder = Folder::new()?;
    let file = Sqlite::create(&folder.path().join("panel.sqlite3"))?;
    file.run("CREATE TABLE kept (word varchar(9)); INSERT INTO kept VALUES ('first')").await?;
    assert_eq!(file.rows("SELECT word FROM kept").await?, [[Some("first".to_owned())]]);
    assert!(fs::read(file.path())?.starts_with(b"SQLite format 3\0"));
    Sqlite::create(file.path()).expect_err("the file is there");
    keeps_panels(Engine::Sqlite, folder.path()).await
}

#[tokio::test]
async fn postgres_keeps_the_panels_tables() -> Result<()> {
    keeps_panels(Engine::Postgres, Folder::new()?.path()).await
}

#[tokio::test]
async fn mariadb_keeps_the_panels_tables() -> Result<()> {
    keeps_panels(Engine::MariaDb, Folder::new()?.path()).await
}

async fn keeps_panels(engine: Engine, dir: &Path) -> Result<()> {
    for panel in Panel::ALL {
        let panels = PanelDatabase::start(engine, panel, dir).await?;
        let (hosts, instances) = panel.tables();
        let host = Host {
            name: "ka'n`\"to; --",
            hostname: "10.0.0.1:16509",
            login: "wärter",
            password: Some("?$1' OR ''='"),
            kind: 1,
        };
        panels.add_host(7, host).await?;
        panels.add_host(3, Host { name: "local", password: None, kind: 4, ..host }).await?;
        let uuid = "0b4ea0d8-3b1c-4a57-9d0a-4f1a0a5f7c11";
        panels.add_instance(7, "web 1", uuid).await?;
        panels.add_instance(7, "web 2", "e2b1").await?;
        let astray = failure(panels.add_instance(99, "astray", "e2b2").await).to_lowercase();
        assert!(astray.contains("foreign key"), "{astray}");

        let read_hosts =
            format!("SELECT id, name, hostname, login, password, type FROM {hosts} ORDER BY id");
        let read_instances = format!("SELECT compute_id, name, uuid FROM {instances} ORDER BY id");
        let text = |values: &[&str]| -> Vec<Option<String>> {
            values.iter().map(|value| (*value != "NULL").then(|| (*value).to_owned())).collect()
        };
        assert_eq!(
            panels.rows(&read_hosts).await?,
            [
                text(&["3", "local", "10.0.0.1:16509", "wärter", "NULL", "4"]),
                text(&["7", "ka'n`\"to; --", "10.0.0.1:16509", "wärter", "?$1' OR ''='", "1"]),
            ],
            "{engine:?} {panel:?}"
        );
        let instance = [text(&["7", "web 1", uuid]), text(&["7", "web 2", "e2b1"])];
        assert_eq!(panels.rows(&read_instances).await?, instance);

        panels.change_host(7, Host { name: "moved", hostname: "[::1]", kind: 2, ..host }).await?;
        panels.remove_instance("e2b1").await?;
        let moved = &panels.rows(&read_hosts).await?[1];
        assert_eq!(*moved, text(&["7", "moved", "[::1]", "wärter", "?$1' OR ''='", "2"]));
        assert_eq!(panels.rows(&read_instances).await?, instance[..1]);
        panels.remove_host(7).await?;
        assert_eq!(panels.rows(&read_hosts).await?.len(), 1);
        assert_eq!(panels.rows(&read_instances).await?, Vec::<Vec<_>>::new());

        // What tells the panels apart.
        let migrations = panels.rows("SELECT app FROM django_migrations").await;
        assert_eq!(migrations.is_ok(), panel == Panel::WebVirtCloud);
        let twin = panels.add_host(4, Host { name: "local", ..host }).await;
        assert_eq!(twin.is_ok(), panel == Panel::WebVirtMgr, "{twin:?}");
    }
    Ok(())
}
