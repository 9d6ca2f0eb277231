//! Host ids and the hosts behind them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use console_token::HostId;

use crate::host::Host;

/// The known hypervisors.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    hosts: HashMap<HostId, Arc<Host>>,
}

impl Inventory {
    /// An inventory of these hosts; of several with one id the first counts.
    pub fn new(hosts: impl IntoIterator<Item = Host>) -> Self {
        let mut known = HashMap::new();
        for host in hosts {
            if let Entry::Vacant(place) = known.entry(host.id()) {
                place.insert(Arc::new(host));
            }
        }
        Self { hosts: known }
    }

    /// The host with this number.
    ///
    /// # Errors
    ///
    /// [`InventoryError::UnknownHost`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn host(&self, id: HostId) -> Result<Arc<Host>, InventoryError> {
        self.hosts.get(&id).cloned().ok_or(InventoryError::UnknownHost { id })
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
    },
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
        assert_eq!(inventory.host(HostId::new(1)).await.unwrap().name(), "a");
        assert_eq!(inventory.host(HostId::new(2)).await.unwrap().name(), "b");
        let error = inventory.host(HostId::new(3)).await.unwrap_err();
        assert_eq!(error.to_string(), "there is no host 3");
    }
}
