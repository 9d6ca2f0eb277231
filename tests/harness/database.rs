//! Databases as the web panels have them: a SQLite file, a PostgreSQL or a MariaDB of one's own, and the panels' schemas in them.
//!
//! The servers are real and run beside whatever the machine runs: in a folder of their own, on a port and a UNIX socket of their own,
//! without the machine's configuration. Nothing is kept when they go, so nothing is synced to the disk either.
//!
//! Starting is synchronous, as all of the test bed is; asking them anything goes through sqlx and is not.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

mod access;
mod client;
mod daemon;
mod mariadb;
mod panel;
mod postgres;
mod server;
mod sqlite;

pub use access::Access;
pub use client::{Row, Value};
pub use panel::{Host, Panel, PanelDatabase};
pub use server::Server;
pub use sqlite::Sqlite;

/// What Django can keep a panel's tables in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A file.
    Sqlite,
    /// A server, `django.db.backends.postgresql`.
    Postgres,
    /// A server, `django.db.backends.mysql`.
    MariaDb,
}

impl Engine {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sqlite, Self::Postgres, Self::MariaDb];
}

/// A database that is there until it is dropped.
#[derive(Debug)]
pub enum Database {
    /// A file.
    Sqlite(Sqlite),
    /// A server.
    Server(Box<Server>),
}

impl Database {
    /// An empty one, its files in a new folder in `dir`.
    ///
    /// # Errors
    ///
    /// See [`Server::postgres`] and [`Server::mariadb`].
    pub fn start(engine: Engine, dir: &Path) -> Result<Self> {
        Ok(match engine {
            Engine::Sqlite => Self::Sqlite(Sqlite::create(
                &new_folder(dir, "sqlite")?.join("webvirtcloud.sqlite3"),
            )?),
            Engine::Postgres => Self::Server(Box::new(Server::postgres(dir)?)),
            Engine::MariaDb => Self::Server(Box::new(Server::mariadb(dir)?)),
        })
    }

    /// Which engine it is.
    pub fn engine(&self) -> Engine {
        match self {
            Self::Sqlite(_) => Engine::Sqlite,
            Self::Server(server) => server.engine(),
        }
    }

    /// Its URL, with the password: what a program is given that is to read it.
    pub fn url(&self) -> String {
        match self {
            Self::Sqlite(file) => file.url(),
            Self::Server(server) => server.url(),
        }
    }

    /// The server, to switch it off or to look behind its URL.
    ///
    /// # Errors
    ///
    /// It is a file.
    pub fn server(&mut self) -> Result<&mut Server> {
        match self {
            Self::Sqlite(_) => bail!("a SQLite file has no server"),
            Self::Server(server) => Ok(server),
        }
    }

    /// Runs statements, separated by semicolons, over a connection of their own.
    ///
    /// Dropping it leaves open how many of them were run.
    ///
    /// # Errors
    ///
    /// It cannot be reached, refuses one, or takes longer than 20 s.
    pub async fn run(&self, sql: &str) -> Result<()> {
        client::run(&self.url(), sql).await
    }

    /// Runs one statement with a value for each `?` in it.
    ///
    /// # Errors
    ///
    /// See [`run`](Self::run).
    pub async fn run_with(&self, sql: &str, values: &[Value<'_>]) -> Result<()> {
        client::run_with(&self.url(), sql, values).await
    }

    /// The rows that a query gives, every value as text.
    ///
    /// # Errors
    ///
    /// See [`run`](Self::run).
    pub async fn rows(&self, sql: &str) -> Result<Vec<Row>> {
        client::rows(&self.url(), sql).await
    }
}

/// A new folder `NAME-NUMBER` in `dir`.
fn new_folder(dir: &Path, name: &str) -> Result<PathBuf> {
    for number in 0.. {
        let folder = dir.join(format!("{name}-{number}"));
        match std::fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            // Another thread's, or an older one.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => bail!("cannot make {}: {error}", folder.display()),
        }
    }
    bail!("no name is free in {}", dir.display())
}
