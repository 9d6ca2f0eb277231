//! The web panels' tables, with the rows that a test wants in them.
//!
//! The schemas in the files beside this one are what Django makes of the panels' models, for each engine: what the panels' users have.

use std::path::Path;

use anyhow::Result;

use super::client::Row;
use super::{Database, Engine, Value};

/// A web panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Panel {
    /// WebVirtMgr, on Django 1.5.
    WebVirtMgr,
    /// WebVirtCloud, on Django 4.2.
    WebVirtCloud,
}

impl Panel {
    /// Both.
    pub const ALL: [Self; 2] = [Self::WebVirtMgr, Self::WebVirtCloud];

    /// Its tables of hosts and of instances.
    pub fn tables(self) -> (&'static str, &'static str) {
        match self {
            Self::WebVirtMgr => ("servers_compute", "instance_instance"),
            Self::WebVirtCloud => ("computes_compute", "instances_instance"),
        }
    }

    /// Its schema in an engine's dialect.
    pub fn schema(self, engine: Engine) -> &'static str {
        match (self, engine) {
            (Self::WebVirtMgr, Engine::Sqlite) => include_str!("webvirtmgr.sqlite.sql"),
            (Self::WebVirtMgr, Engine::Postgres) => include_str!("webvirtmgr.postgres.sql"),
            (Self::WebVirtMgr, Engine::MariaDb) => include_str!("webvirtmgr.mysql.sql"),
            (Self::WebVirtCloud, Engine::Sqlite) => include_str!("webvirtcloud.sqlite.sql"),
            (Self::WebVirtCloud, Engine::Postgres) => include_str!("webvirtcloud.postgres.sql"),
            (Self::WebVirtCloud, Engine::MariaDb) => include_str!("webvirtcloud.mysql.sql"),
        }
    }

    /// Makes its tables in an empty database.
    ///
    /// # Errors
    ///
    /// The database cannot be reached, or has them already.
    pub async fn create_schema(self, database: &Database) -> Result<()> {
        database.run(self.schema(database.engine())).await
    }
}

/// A row of the table of hosts.
#[derive(Clone, Copy, Debug)]
pub struct Host<'a> {
    /// What the panel calls it.
    pub name: &'a str,
    /// Where it is.
    pub hostname: &'a str,
    /// Who logs in there.
    pub login: &'a str,
    /// And how.
    pub password: Option<&'a str>,
    /// 1 is TCP, 2 SSH, 3 TLS, 4 the UNIX socket.
    pub kind: i64,
}

/// A database with a panel's tables.
#[derive(Debug)]
pub struct PanelDatabase {
    database: Database,
    panel: Panel,
}

impl PanelDatabase {
    /// Starts a database in `dir` and makes the tables in it.
    ///
    /// # Errors
    ///
    /// See [`Database::start`] and [`Panel::create_schema`].
    pub async fn start(engine: Engine, panel: Panel, dir: &Path) -> Result<Self> {
        let database = Database::start(engine, dir)?;
        panel.create_schema(&database).await?;
        Ok(Self { database, panel })
    }

    /// The database.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// The database, to switch it off.
    pub fn database_mut(&mut self) -> &mut Database {
        &mut self.database
    }

    /// Whose tables they are.
    pub fn panel(&self) -> Panel {
        self.panel
    }

    /// The database's URL.
    pub fn url(&self) -> String {
        self.database.url()
    }

    /// Runs statements; see [`Database::run`].
    ///
    /// # Errors
    ///
    /// See [`Database::run`].
    pub async fn run(&self, sql: &str) -> Result<()> {
        self.database.run(sql).await
    }

    /// The rows that a query gives; see [`Database::rows`].
    ///
    /// # Errors
    ///
    /// See [`Database::run`].
    pub async fn rows(&self, sql: &str) -> Result<Vec<Row>> {
        self.database.rows(sql).await
    }

    /// Adds a host under a number of the test's choice.
    ///
    /// # Errors
    ///
    /// The number is taken, in WebVirtCloud the name as well, or a value is too long for its column.
    pub async fn add_host(&self, id: i64, host: Host<'_>) -> Result<()> {
        let (hosts, _) = self.panel.tables();
        // `type` is no reserved word in any of the three.
        let sql = format!(
            "INSERT INTO {hosts} (id, name, hostname, login, password, type) VALUES (?, ?, ?, ?, ?, ?)"
        );
        let values = [&[Value::Integer(id)], &host.values()[..]].concat();
        self.database.run_with(&sql, &values).await
    }

    /// Gives a host other values.
    ///
    /// # Errors
    ///
    /// A value is too long for its column.
    pub async fn change_host(&self, id: i64, host: Host<'_>) -> Result<()> {
        let (hosts, _) = self.panel.tables();
        let sql = format!(
            "UPDATE {hosts} SET name = ?, hostname = ?, login = ?, password = ?, type = ? WHERE id = ?"
        );
        let values = [&host.values()[..], &[Value::Integer(id)]].concat();
        self.database.run_with(&sql, &values).await
    }

    /// Removes a host with its instances, as Django's cascade does.
    ///
    /// # Errors
    ///
    /// The database cannot be reached.
    pub async fn remove_host(&self, id: i64) -> Result<()> {
        let (hosts, instances) = self.panel.tables();
        let id = [Value::Integer(id)];
        let sql = format!("DELETE FROM {instances} WHERE compute_id = ?");
        self.database.run_with(&sql, &id).await?;
        self.database.run_with(&format!("DELETE FROM {hosts} WHERE id = ?"), &id).await
    }

    /// Adds an instance to a host.
    ///
    /// # Errors
    ///
    /// There is no such host, or a value is too long for its column.
    pub async fn add_instance(&self, host: i64, name: &str, uuid: &str) -> Result<()> {
        let (_, instances) = self.panel.tables();
        let values = [Value::Integer(host), Value::Text(Some(name)), Value::Text(Some(uuid))];
        // Django gives the defaults itself: the columns have none.
        let (columns, rest) = match self.panel {
            Panel::WebVirtMgr => ("", ""),
            Panel::WebVirtCloud => {
                (", is_template, created, drbd", ", false, CURRENT_TIMESTAMP, 'None'")
            }
        };
        let sql = format!(
            "INSERT INTO {instances} (compute_id, name, uuid{columns}) VALUES (?, ?, ?{rest})"
        );
        self.database.run_with(&sql, &values).await
    }

    /// Removes all instances of this UUID.
    ///
    /// # Errors
    ///
    /// The database cannot be reached.
    pub async fn remove_instance(&self, uuid: &str) -> Result<()> {
        let (_, instances) = self.panel.tables();
        let sql = format!("DELETE FROM {instances} WHERE uuid = ?");
        self.database.run_with(&sql, &[Value::Text(Some(uuid))]).await
    }
}

impl<'a> Host<'a> {
    /// In the order of the columns.
    fn values(self) -> [Value<'a>; 5] {
        let Self { name, hostname, login, password, kind } = self;
        let text = [Some(name), Some(hostname), Some(login), password].map(Value::Text);
        let [name, hostname, login, password] = text;
        [name, hostname, login, password, Value::Integer(kind)]
    }
}
