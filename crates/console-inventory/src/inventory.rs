//! Host ids and the hosts behind them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use console_token::{ConsoleToken, HostId};

use crate::database::{DatabaseError, Panel, PanelContent, PanelDatabase, PanelHosts};
use crate::host::Host;

/// The known hypervisors: a fixed list, and a panel's database.
#[derive(Debug, Default)]
pub struct Inventory {
    hosts: BTreeMap<HostId, Arc<Host>>,
    database: Option<PanelDatabase>,
}

impl Inventory {
    /// An inventory of these hosts; of several with one id the first counts.
    pub fn new(hosts: impl IntoIterator<Item = Host>) -> Self {
        let mut known = BTreeMap::new();
        for host in hosts {
            if let Entry::Vacant(place) = known.entry(host.id()) {
                place.insert(Arc::new(host));
            }
        }
        Self { hosts: known, database: None }
    }

    /// The same with the hosts of a panel's database, as they are when they are asked for.
    #[must_use]
    pub fn with_database(self, database: PanelDatabase) -> Self {
        Self { database: Some(database), ..self }
    }

    /// The hosts of the fixed list, by their number. Those of a database are not among them: see [`panel`](Self::panel).
    pub fn hosts(&self) -> impl Iterator<Item = &Arc<Host>> {
        self.hosts.values()
    }

    /// The host of a token. One of the fixed list is taken as it is, and for all of its guests; one of the database must have the token's
    /// guest, too.
    ///
    /// # Errors
    ///
    /// [`InventoryError`]: nobody knows it, its row makes no sense, or the database cannot be asked.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn host(&self, token: ConsoleToken) -> Result<Arc<Host>, InventoryError> {
        let id = token.host();
        match (self.hosts.get(&id), &self.database) {
            (Some(host), _) => Ok(host.clone()),
            (None, Some(database)) => database.host(token).await.map(Arc::new),
            (None, None) => Err(InventoryError::UnknownHost { id, asked_database: false }),
        }
    }

    /// Looks at the database, if there is one: what it holds, and that no host of its own has the number of one of the fixed list.
    ///
    /// # Errors
    ///
    /// [`InventoryError`]: it cannot be asked, is no panel's, or has such a host.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn check(&self) -> Result<Option<PanelHosts>, InventoryError> {
        let Some(database) = &self.database else { return Ok(None) };
        let found = database.hosts().await?;
        let clash = |(id, theirs): &(HostId, String)| {
            let ours = self.hosts.get(id)?.name().to_owned();
            Some(InventoryError::Clash { id: *id, ours, theirs: theirs.clone() })
        };
        found.hosts.iter().find_map(clash).map_or(Ok(Some(found)), Err)
    }

    /// The panel's hosts, whole and as [`host`](Self::host) would return them, and its guests, as the database has them now; nothing without a
    /// database. That a number means two hosts is no error here, but in [`check`](Self::check); the fixed list's counts.
    ///
    /// It takes up to twice the database's limit, since hosts and guests are asked for one after the other: what the panel writes between the
    /// two may be in one and not in the other.
    ///
    /// # Errors
    ///
    /// [`InventoryError::Database`]: it cannot be asked, or is no panel's. Rows that make no sense are no errors, but part of the answer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn panel(&self) -> Result<Option<PanelContent>, InventoryError> {
        let Some(database) = &self.database else { return Ok(None) };
        Ok(Some(database.content().await?))
    }
}

/// Why a host was not found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InventoryError {
    /// There is no host with this number.
    #[error("there is no host {id}")]
    UnknownHost {
        /// The number that was asked for.
        id: HostId,
        /// Whether a panel's database was asked, too.
        asked_database: bool,
    },
    /// The panel's database does not list the guest on this host.
    #[error("{panel}'s database lists no such guest on host {host} ({id})")]
    UnknownGuest {
        /// The host's number.
        id: HostId,
        /// Its name.
        host: String,
        /// Whose database it is.
        panel: Panel,
    },
    /// The host's row cannot be used.
    #[error("host {host} ({id}) in the panel's database: {what}")]
    UnusableRow {
        /// The host's number.
        id: HostId,
        /// Its name.
        host: String,
        /// What is wrong with it.
        what: String,
    },
    /// A number that means two hosts.
    #[error("host {id} is {ours} in the configuration and {theirs} in the panel's database")]
    Clash {
        /// The number.
        id: HostId,
        /// The configuration's host.
        ours: String,
        /// The panel's host.
        theirs: String,
    },
    /// The panel's database cannot be asked.
    #[error("the panel's database cannot be asked: {0}")]
    Database(DatabaseError),
}

impl From<DatabaseError> for InventoryError {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}

impl InventoryError {
    /// What an administrator can do about it.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::UnknownHost { asked_database: false, .. } => {
                "add the host to the configuration ([[hosts]] with this id), or set database_url"
            }
            Self::UnknownHost { .. } => {
                "add the host to the panel or to the configuration ([[hosts]] with this id)"
            }
            Self::UnknownGuest { .. } => {
                "open the host's page in the panel, which lists its guests anew; the guest may have been moved or removed"
            }
            Self::UnusableRow { .. } => "correct the host in the panel",
            Self::Clash { .. } => {
                "give the host in the configuration another id, or remove it there"
            }
            Self::Database(error) => error.remedy(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Connection, Login};
    use crate::ssh_config::SshConfig;

    #[tokio::test]
    async fn finds_by_id_and_says_which_is_unknown() {
        let ssh = SshConfig::default();
        let host = |id, name: &str| {
            let login = Login::default();
            Host::new(HostId::new(id), name, &Connection::Socket, login, &ssh, None).unwrap()
        };
        let inventory = Inventory::new([host(1, "a"), host(2, "b"), host(1, "c")]);
        let token = |id| ConsoleToken::new(HostId::new(id), uuid::Uuid::nil().into());
        assert_eq!(inventory.host(token(1)).await.unwrap().name(), "a");
        assert_eq!(inventory.host(token(2)).await.unwrap().name(), "b");
        let error = inventory.host(token(3)).await.unwrap_err();
        assert_eq!(error.to_string(), "there is no host 3");
        assert!(inventory.panel().await.unwrap().is_none());
        let sorted = Inventory::new([host(10, "j"), host(2, "b"), host(10, "k"), host(1, "a")]);
        let sorted: Vec<_> = sorted.hosts().map(|host| (host.id().get(), host.name())).collect();
        assert_eq!(sorted, [(1, "a"), (2, "b"), (10, "j")]);
    }
}
