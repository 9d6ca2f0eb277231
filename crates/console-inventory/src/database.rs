//! The hosts and guests of a web panel, straight from its database.
//!
//! Every lookup opens a connection of its own and closes it again, as the panels themselves do: what was changed, moved, replaced or restarted
//! meanwhile is seen by the next one, and nothing of ours stays behind that could be in the panel's way.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use console_token::{ConsoleToken, HostId};
use database_url::DatabaseUrl;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::host::{Host, SshOptions};
use crate::inventory::InventoryError;
use crate::ssh_config::SshConfig;

mod content;
mod error;
mod guest;
mod mysql;
mod postgres;
mod question;
mod row;
mod sqlite;

pub use content::{MAX_CHECKED_GUESTS, PanelContent};
pub use error::DatabaseError;
pub use guest::PanelGuest;
pub use question::Panel;

use question::{Found, Question};

/// How many connections to a database server there are at a time; further lookups wait for one of them.
pub const MAX_DATABASE_CONNECTIONS: usize = 8;

/// How many hosts are looked at when the database is checked.
pub const MAX_CHECKED_HOSTS: usize = 10_000;

/// A panel's database, asked anew for each guest.
///
/// It is only ever read: SQLite's file is opened for reading (and never with a lock that would hold up the panel's writes for longer than one
/// query), servers are asked in transactions that cannot write.
pub struct PanelDatabase {
    url: DatabaseUrl,
    limit: Duration,
    ssh: SshConfig,
    options: SshOptions,
    places: Arc<Semaphore>,
}

/// What a panel's database holds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PanelHosts {
    /// Whose database it is.
    pub panel: Panel,
    /// The number and name of each host, at most [`MAX_CHECKED_HOSTS`].
    pub hosts: Vec<(HostId, String)>,
    /// Those that cannot be used as they are, and why.
    pub unusable: Vec<InventoryError>,
}

impl PanelDatabase {
    /// The database at `url`, which may take `limit` for each answer, waiting for others included. Connects to nothing yet. Its SSH hosts are
    /// reached as `ssh` and `options` say.
    pub fn new(url: DatabaseUrl, limit: Duration, ssh: SshConfig, options: SshOptions) -> Self {
        // One at a time for SQLite: see there.
        let places = match url {
            DatabaseUrl::Sqlite { .. } => 1,
            _ => MAX_DATABASE_CONNECTIONS,
        };
        Self { url, limit, ssh, options, places: Arc::new(Semaphore::new(places)) }
    }

    /// The host of the token, if the panel knows the token's guest there, too.
    ///
    /// # Errors
    ///
    /// [`InventoryError`]: one of them is not in the database, the host's row makes no sense, or the database cannot be asked.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the query.
    pub(crate) async fn host(&self, token: ConsoleToken) -> Result<Host, InventoryError> {
        let id = token.host();
        let unknown = InventoryError::UnknownHost { id, asked_database: true };
        // Its primary keys are no larger.
        let Ok(number) = i64::try_from(id.get()) else { return Err(unknown) };
        let uuid = token.domain().as_uuid().hyphenated().to_string();
        let found = self.ask(Question::Guest { host: number, uuid }).await?;
        let Some(row) = found.hosts.into_iter().next() else { return Err(unknown) };
        if row.instances == 0 {
            let host = row.shown_name();
            return Err(InventoryError::UnknownGuest { id, host, panel: found.panel });
        }
        row.into_host(&self.ssh, &self.options)
    }

    /// What the database holds now.
    ///
    /// # Errors
    ///
    /// It cannot be asked, or is no panel's.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the query.
    pub async fn hosts(&self) -> Result<PanelHosts, DatabaseError> {
        let found = self.ask(Question::Hosts).await?;
        let (mut hosts, mut unusable) = (Vec::new(), Vec::new());
        for row in found.hosts {
            hosts.extend(row.host_id().map(|id| (id, row.shown_name())));
            unusable.extend(row.into_host(&self.ssh, &self.options).err());
        }
        Ok(PanelHosts { panel: found.panel, hosts, unusable })
    }

    /// All that the database says of hosts and guests: two questions, one after the other, each within the limit. What is written between them may
    /// be in one answer and not in the other.
    ///
    /// # Errors
    ///
    /// It cannot be asked, or is no panel's.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the query.
    pub(crate) async fn content(&self) -> Result<PanelContent, DatabaseError> {
        let Found { panel, hosts, .. } = self.ask(Question::Hosts).await?;
        let Found { guests, .. } = self.ask(Question::Guests).await?;
        Ok(PanelContent::new(panel, hosts, guests, &self.ssh, &self.options))
    }

    async fn ask(&self, question: Question) -> Result<Found, DatabaseError> {
        let database = || self.url.to_string();
        let until = Instant::now() + self.limit;
        let asking = async {
            // It is never closed.
            let place = self.places.clone().acquire_owned().await.map_err(|_| {
                DatabaseError::Failed { database: database(), text: "shutting down".into() }
            })?;
            match &self.url {
                DatabaseUrl::Sqlite { path } => {
                    sqlite::ask(path.into(), until, question, place).await
                }
                DatabaseUrl::Postgres(server) => postgres::ask(server, self.limit, &question).await,
                DatabaseUrl::MySql(server) => mysql::ask(server, self.limit, &question).await,
            }
            .map_err(|error| error.at(database(), self.limit))
        };
        timeout_at(until, asking).await.unwrap_or_else(|_| {
            Err(DatabaseError::TimedOut { database: database(), limit: self.limit })
        })
    }
}

impl fmt::Debug for PanelDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PanelDatabase").field("url", &self.url).finish_non_exhaustive()
    }
}
