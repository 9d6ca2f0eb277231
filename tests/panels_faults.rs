//! The panel's database is changed, switched off, locked, stopped and replaced while consoles are opened all the time: open sessions stay, new ones
//! see what is there now or are told why not, and nobody ever sees another guest than the database says.

use std::fs;

use anyhow::{Context as _, ensure};
use harness::Result;
use harness::database::Engine;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};

use crate::panels::SOCKET;
use crate::panels_load::{DOWN, MOVING, Rig, UNKNOWN, guest};

/// What every engine goes through.
async fn everything(engine: Engine) -> Result<()> {
    let mut rig = Rig::start(engine).await?;
    let staying = || guest("staying");
    rig.settled(guest("here"), staying()).await?;

    // Another host gets the number.
    rig.changing(&[guest("here"), guest("there")], &[staying()]);
    rig.database.change_host(MOVING, rig.host_there()).await?;
    rig.settled(guest("there"), staying()).await?;

    // The guest is struck off the list, and put on it again.
    let uuid = rig.moving.to_string();
    rig.changing(&[guest("there"), UNKNOWN], &[staying()]);
    rig.database.remove_instance(&uuid).await?;
    rig.settled(UNKNOWN, staying()).await?;
    rig.changing(&[guest("there"), UNKNOWN], &[staying()]);
    rig.database.add_instance(MOVING, "there", &uuid).await?;
    rig.settled(guest("there"), staying()).await?;

    // Switched off and on; then it hangs.
    let both = [guest("there"), DOWN];
    rig.changing(&both, &[staying(), DOWN]);
    switch_off(&mut rig)?;
    rig.settled(DOWN, DOWN).await?;
    rig.changing(&both, &[staying(), DOWN]);
    switch_on(&mut rig)?;
    rig.settled(guest("there"), staying()).await?;
    if engine != Engine::Sqlite {
        rig.changing(&both, &[staying(), DOWN]);
        rig.database.database_mut().server()?.pause()?;
        rig.settled(DOWN, DOWN).await?;
        rig.changing(&both, &[staying(), DOWN]);
        rig.database.database_mut().server()?.resume()?;
        // Those that wait for it go on.
        rig.settled(guest("there"), staying()).await?;
    }

    // Somebody locks the table of hosts for longer than we wait.
    let url = rig.database.url();
    rig.changing(&both, &[staying(), DOWN]);
    let mut lock = Lock::take(engine, &url).await?;
    for _ in 0..3 {
        rig.settled(DOWN, DOWN).await?;
    }
    let waiting = lock.waiting().await?;
    ensure!(waiting <= MAX_WAITING, "{waiting} lookups wait for the lock");
    rig.changing(&both, &[staying(), DOWN]);
    lock.release().await?;
    rig.settled(guest("there"), staying()).await?;

    // Another one is put in its place, where the number is the first host's again.
    // MariaDB's list of tables has neither for a moment.
    rig.changing(&[guest("there"), guest("here"), DOWN], &[staying(), DOWN]);
    replace(&rig).await?;
    rig.settled(guest("here"), staying()).await?;

    let log = rig.proxy.log();
    let seen = rig.end().await?;
    assert_eq!(seen.len(), 5, "{seen:?}");
    let down: Vec<_> = log.lines().filter(|line| line.contains("code=4503")).collect();
    for line in &down {
        let is_told =
            line.contains("the panel's database cannot be asked: ") && line.contains("remedy=\"");
        ensure!(is_told, "{line}");
    }
    ensure!(!down.is_empty());
    Ok(())
}

fn moved(rig: &Rig) -> Result<[std::path::PathBuf; 2]> {
    let url = rig.database.url();
    let path = url.strip_prefix("sqlite://").context("no file")?;
    Ok([path.into(), format!("{path}.moved").into()])
}

fn switch_off(rig: &mut Rig) -> Result<()> {
    if let Ok(server) = rig.database.database_mut().server() {
        return server.stop();
    }
    let [place, other] = moved(rig)?;
    Ok(fs::rename(place, other)?)
}

fn switch_on(rig: &mut Rig) -> Result<()> {
    if let Ok(server) = rig.database.database_mut().server() {
        return server.start_again();
    }
    let [place, other] = moved(rig)?;
    Ok(fs::rename(other, place)?)
}

/// A file for a file; on a server, what a restored dump does.
async fn replace(rig: &Rig) -> Result<()> {
    let change = format!(
        "UPDATE computes_compute SET hostname = 'localhost', type = {SOCKET} WHERE id = {MOVING}"
    );
    match rig.database.database().engine() {
        Engine::Sqlite => {
            let [place, other] = moved(rig)?;
            fs::copy(&place, &other)?;
            let url = format!("sqlite://{}", other.display());
            let mut new = sqlx::SqliteConnection::connect(&url).await?;
            // The kind of file that leaves others beside it.
            new.execute("PRAGMA journal_mode = WAL").await?;
            new.execute(AssertSqlSafe(change)).await?;
            new.close().await?;
            fs::rename(other, place)?;
        }
        Engine::Postgres => {
            let swap = "BEGIN; ALTER TABLE computes_compute RENAME TO old; ALTER TABLE new RENAME TO computes_compute; COMMIT";
            let new = "CREATE TABLE new AS SELECT * FROM computes_compute";
            rig.database.run(new).await?;
            rig.database.run(&change.replace("computes_compute", "new")).await?;
            rig.database.run(swap).await?;
        }
        Engine::MariaDb => {
            rig.database.run("CREATE TABLE new AS SELECT * FROM computes_compute").await?;
            rig.database.run(&change.replace("computes_compute", "new")).await?;
            rig.database
                .run("RENAME TABLE computes_compute TO old, new TO computes_compute")
                .await?;
        }
    }
    Ok(())
}

/// Eight are asked at once; as many may be on their way out.
const MAX_WAITING: i64 = 16;

/// A lock that readers wait for, too.
enum Lock {
    Sqlite(sqlx::SqliteConnection),
    Postgres(sqlx::PgConnection),
    MariaDb(sqlx::MySqlConnection),
}

impl Lock {
    async fn take(engine: Engine, url: &str) -> Result<Self> {
        Ok(match engine {
            Engine::Sqlite => {
                let mut connection = sqlx::SqliteConnection::connect(url).await?;
                connection.execute("BEGIN EXCLUSIVE").await?;
                Self::Sqlite(connection)
            }
            Engine::Postgres => {
                let mut connection = sqlx::PgConnection::connect(url).await?;
                connection
                    .execute("BEGIN; LOCK TABLE computes_compute IN ACCESS EXCLUSIVE MODE")
                    .await?;
                Self::Postgres(connection)
            }
            Engine::MariaDb => {
                let mut connection = sqlx::MySqlConnection::connect(url).await?;
                connection.execute("LOCK TABLES computes_compute WRITE").await?;
                Self::MariaDb(connection)
            }
        })
    }

    /// How many of our connections the server still has: the panel needs what there is of them.
    async fn waiting(&mut self) -> Result<i64> {
        let ours = "application_name = 'webvirtmgr-console'";
        Ok(match self {
            Self::Sqlite(_) => 0,
            Self::Postgres(connection) => {
                let count = format!("SELECT count(*) FROM pg_stat_activity WHERE {ours}");
                sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(connection).await?
            }
            Self::MariaDb(connection) => {
                let count = "SELECT count(*) FROM information_schema.processlist WHERE id <> connection_id()";
                sqlx::query_scalar(count).fetch_one(connection).await?
            }
        })
    }

    async fn release(self) -> Result<()> {
        match self {
            Self::Sqlite(connection) => connection.close().await?,
            Self::Postgres(connection) => connection.close().await?,
            Self::MariaDb(connection) => connection.close().await?,
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sqlite_file_under_load() -> Result<()> {
    everything(Engine::Sqlite).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_under_load() -> Result<()> {
    everything(Engine::Postgres).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mariadb_under_load() -> Result<()> {
    everything(Engine::MariaDb).await
}
