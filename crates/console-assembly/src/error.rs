//! Why the settings make no whole.

use console_inventory::{HostError, SshConfigError};

/// Why the settings make no whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AssemblyError {
    /// An ssh_config that a host's settings need cannot be read.
    #[error("host {host}")]
    SshConfig {
        /// The host's name.
        host: String,
        /// What is wrong with it.
        #[source]
        source: SshConfigError,
    },
    /// The ssh_config for the database's hosts cannot be read.
    #[error(transparent)]
    UsualSshConfig(#[from] SshConfigError),
    /// A host's settings contradict ssh_config.
    #[error(transparent)]
    Host(#[from] HostError),
}
