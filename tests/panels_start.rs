//! How the program comes up with a panel's database: what it needs to be let in, what is wrong with it, and what passes.

use std::path::Path;

use anyhow::{Context as _, ensure};
use harness::bed::Folder;
use harness::database::{Engine, Host, Panel, PanelDatabase, Server};
use harness::websocket::{Client, http};
use harness::{ProxyBuilder, Result};

use crate::PATIENCE;

const GUEST: &str = "0a000000-0000-4000-8000-000000000001";

/// A database with one host, which nothing answers at, and one guest.
async fn database(engine: Engine, dir: &Path) -> Result<PanelDatabase> {
    let database = PanelDatabase::start(engine, Panel::WebVirtCloud, dir).await?;
    let host = Host { name: "far", hostname: "127.0.0.1:1", login: "", password: None, kind: 1 };
    database.add_host(1, host).await?;
    database.add_instance(1, "web", GUEST).await?;
    Ok(database)
}

/// What the program says with this database before it gives up, which it must with exit code 64.
fn refused(dir: &Path, url: &str, setting: &str) -> Result<String> {
    let started = ProxyBuilder::new(dir).env("WS_DATABASE_URL", url).setting(setting).start();
    let said = format!("{:#}", started.err().context("it starts")?);
    ensure!(said.contains("exit status: 64"), "{said}");
    ensure!(said.contains("remedy="), "{said}");
    Ok(said)
}

/// How the console of the one guest does not open.
async fn code(proxy: &harness::Proxy) -> Result<(u16, String)> {
    let path = format!("/?token=1-{GUEST}");
    let closed = Client::open(proxy.address(), &path, &[]).await?.closed().await?;
    Ok((closed.code, closed.reason))
}

/// The host was found: it is libvirt there that does not answer.
const FOUND: (u16, &str) = (4503, "the hypervisor cannot be asked");

#[tokio::test(flavor = "multi_thread")]
async fn a_servers_doors_are_told_apart() -> Result<()> {
    for engine in [Engine::Postgres, Engine::MariaDb] {
        let folder = Folder::new()?;
        let dir = folder.path();
        let mut database = database(engine, dir).await?;
        let server = database.database_mut().server()?;
        let url = server.url();
        let password = server.access().password().to_owned();
        let wrong = url.replace(&password, "wr0ng-secret");
        let said = refused(dir, &wrong, "")?;
        ensure!(said.contains("lets us not in: ") && !said.contains("wr0ng"), "{said}");
        let said = refused(dir, &url.replace("/webvirtcloud", "/nothing"), "")?;
        ensure!(said.contains("lets us not in: ") && said.contains("nothing"), "{said}");
        ensure!(!said.contains(&password), "{said}");

        // Encrypted, the certificate checked; by the UNIX socket; the password in a file.
        let file = dir.join("password");
        std::fs::write(&file, format!("{password}\n"))?;
        let without = url.replace(&format!(":{password}"), "");
        let from_file = format!("database_password_file = \"{}\"", file.display());
        for (url, setting) in [
            (server.access().verified_url(), ""),
            (server.access().socket_url(), ""),
            (without, from_file.as_str()),
        ] {
            let proxy = ProxyBuilder::new(dir)
                .env("WS_DATABASE_URL", &url)
                .setting(setting)
                .arg("-d")
                .start()?;
            let (code, reason) = code(&proxy).await?;
            assert_eq!((code, reason.as_str()), FOUND, "{}", proxy.log());
            ensure!(!proxy.log().contains(&password), "{}", proxy.log());
        }
        // Another authority's word counts for nothing.
        let stranger = server.access().verified_url();
        let (address, _) = stranger.split_once('?').context("no parameters")?;
        let said = refused(dir, &format!("{address}?sslmode=verify-full"), "")?;
        ensure!(said.contains("TLS failed: "), "{said}");
    }
    Ok(())
}

/// A login of its own that may read two tables is enough, and with less the error says what is missing.
#[tokio::test(flavor = "multi_thread")]
async fn the_right_to_read_two_tables_is_enough() -> Result<()> {
    for engine in [Engine::Postgres, Engine::MariaDb] {
        let folder = Folder::new()?;
        let mut database = database(engine, folder.path()).await?;
        let server: &Server = database.database_mut().server()?;
        let (login, grant) = match engine {
            Engine::Postgres => (
                "CREATE ROLE console LOGIN PASSWORD 's3cret'",
                "GRANT SELECT ON computes_compute, instances_instance TO console",
            ),
            _ => (
                "CREATE USER console IDENTIFIED BY 's3cret'; GRANT USAGE ON *.* TO console",
                "GRANT SELECT ON webvirtcloud.computes_compute TO console; \
                 GRANT SELECT ON webvirtcloud.instances_instance TO console",
            ),
        };
        server.run_as_admin(login).await?;
        let (before, after) = server.url().split_once("://").map(split).context("no URL")?;
        let url = format!("{before}://console:s3cret@{after}");
        let said = refused(folder.path(), &url, "")?;
        let is_told =
            said.contains("lets us not in: ") || said.contains("has neither WebVirtMgr's");
        ensure!(is_told && said.contains("remedy="), "{said}");
        // PostgreSQL's grants are the owner's to give.
        database.run(grant).await.or(database
            .database_mut()
            .server()?
            .run_as_admin(grant)
            .await)?;
        let proxy = ProxyBuilder::new(folder.path()).env("WS_DATABASE_URL", &url).start()?;
        let (code, reason) = code(&proxy).await?;
        assert_eq!((code, reason.as_str()), FOUND, "{}", proxy.log());
    }
    Ok(())
}

fn split((scheme, rest): (&str, &str)) -> (String, String) {
    let after = rest.split_once('@').map_or(rest, |(_, after)| after);
    (scheme.to_owned(), after.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_at_the_start_is_waited_for() -> Result<()> {
    let folder = Folder::new()?;
    let mut database = database(Engine::MariaDb, folder.path()).await?;
    let url = database.url();
    database.database_mut().server()?.stop()?;
    // Host 1 is in the configuration, too, which cannot be seen yet.
    let proxy = ProxyBuilder::new(folder.path())
        .env("WS_DATABASE_URL", &url)
        .host(1, "clashing", "test:///default")
        .start()?;
    proxy.wait_for_log("the panel's database cannot be asked now: ", PATIENCE)?;
    let other = format!("/console?token=2-{GUEST}");
    let answer = http(proxy.address(), "GET", &other, &[]).await?;
    ensure!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    database.database_mut().server()?.start_again()?;
    let answer = http(proxy.address(), "GET", &other, &[]).await?;
    ensure!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    proxy.wait_for_log(
        "host 1 is clashing in the configuration and far in the panel's database",
        PATIENCE,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_file_is_told_at_the_start() -> Result<()> {
    let folder = Folder::new()?;
    let dir = folder.path();
    let database = database(Engine::Sqlite, dir).await?;
    let url = database.url();
    let clash = "[[hosts]]\nid = 1\nconnection = \"socket\"\nname = \"mine\"\n";
    let said = refused(dir, &url, clash)?;
    ensure!(
        said.contains("host 1 is mine in the configuration and far in the panel's database"),
        "{said}"
    );
    let said = refused(dir, &format!("{url}x"), "")?;
    ensure!(said.contains("there is no such file"), "{said}");
    std::fs::write(dir.join("empty"), "")?;
    let said = refused(dir, &format!("sqlite://{}/empty", dir.display()), "")?;
    ensure!(said.contains("has neither WebVirtMgr's tables"), "{said}");
    // Beside each other both kinds of hosts are found; a row that makes no sense is named.
    let host = Host { name: "odd", hostname: "a b", login: "", password: None, kind: 1 };
    database.add_host(2, host).await?;
    let proxy = ProxyBuilder::new(dir)
        .env("WS_DATABASE_URL", &url)
        .host(7, "mine", "qemu+unix:///system?socket=/nonexistent")
        .start()?;
    let (code, reason) = code(&proxy).await?;
    assert_eq!((code, reason.as_str()), FOUND, "{}", proxy.log());
    let path = format!("/?token=7-{GUEST}");
    let closed = Client::open(proxy.address(), &path, &[]).await?.closed().await?;
    assert_eq!((closed.code, closed.reason.as_str()), FOUND);
    proxy.wait_for_log("host odd (2) in the panel's database: its hostname is \"a b\"", PATIENCE)
}
