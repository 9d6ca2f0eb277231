//! A database server, of either kind: switching it off and on, making it hang, asking it.

use std::path::Path;

use anyhow::Result;

use super::access::Access;
use super::client::{self, Row};
use super::daemon::Daemon;
use super::{Engine, mariadb, postgres};

/// A running PostgreSQL or MariaDB with one empty database, whose owner is `panel`. Dropping it ends it.
#[derive(Debug)]
pub struct Server {
    pub(super) daemon: Daemon,
    pub(super) access: Access,
    pub(super) admin: Access,
}

impl Server {
    /// A PostgreSQL in a new folder in `dir`; it answers when this returns.
    ///
    /// # Errors
    ///
    /// The package is missing, or it does not start; the error has the end of its log.
    pub fn postgres(dir: &Path) -> Result<Self> {
        postgres::start(dir)
    }

    /// A MariaDB in a new folder in `dir`; it answers when this returns.
    ///
    /// # Errors
    ///
    /// The package is missing, or it does not start; the error has the end of its log.
    pub fn mariadb(dir: &Path) -> Result<Self> {
        mariadb::start(dir)
    }

    /// Which engine it is.
    pub fn engine(&self) -> Engine {
        self.access.engine
    }

    /// The login that owns the database: host, port, login, password, socket.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// The login that may do everything, to make others.
    pub fn admin(&self) -> &Access {
        &self.admin
    }

    /// The URL of the login that owns the database.
    pub fn url(&self) -> String {
        self.access.url()
    }

    /// Switches it off: connections end, further ones are refused. Its data and its port stay.
    ///
    /// # Errors
    ///
    /// It had to be killed.
    pub fn stop(&mut self) -> Result<()> {
        self.daemon.stop()
    }

    /// Switches it on again, on the same port; it answers when this returns.
    ///
    /// # Errors
    ///
    /// It runs, or it does not start.
    pub fn start_again(&mut self) -> Result<()> {
        self.daemon.start_again()
    }

    /// Makes it hang: all its processes stop where they are. Its sockets stay open, and the kernel goes on taking connections for it.
    ///
    /// # Errors
    ///
    /// It does not run.
    pub fn pause(&mut self) -> Result<()> {
        self.daemon.pause()
    }

    /// Lets it go on.
    ///
    /// # Errors
    ///
    /// It was not paused.
    pub fn resume(&mut self) -> Result<()> {
        self.daemon.resume()
    }

    /// What it said since it was started last.
    pub fn log(&self) -> String {
        self.daemon.log()
    }

    /// Runs statements as the database's owner; see [`Database::run`](super::Database::run).
    ///
    /// # Errors
    ///
    /// It cannot be reached, or refuses one.
    pub async fn run(&self, sql: &str) -> Result<()> {
        client::run(&self.url(), sql).await
    }

    /// Runs statements as the login that may do everything.
    ///
    /// # Errors
    ///
    /// It cannot be reached, or refuses one.
    pub async fn run_as_admin(&self, sql: &str) -> Result<()> {
        client::run(&self.admin.url(), sql).await
    }

    /// The rows that a query gives, every value as text.
    ///
    /// # Errors
    ///
    /// It cannot be reached, or refuses the query.
    pub async fn rows(&self, sql: &str) -> Result<Vec<Row>> {
        client::rows(&self.url(), sql).await
    }

    /// The same over another URL: another login, with TLS, over the UNIX socket.
    ///
    /// # Errors
    ///
    /// It cannot be reached that way, or refuses the query.
    pub async fn rows_over(url: &str, sql: &str) -> Result<Vec<Row>> {
        client::rows(url, sql).await
    }
}
