//! What ssh_config says of one host.

use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::host::HostKeys;

/// What it says of one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SshHost {
    /// `HostName`, or the name that was asked for.
    pub(crate) hostname: String,
    pub(crate) port: Option<NonZeroU16>,
    pub(crate) user: Option<String>,
    /// `IdentityFile`.
    pub(crate) given_keys: Vec<PathBuf>,
    /// The usual ones, if there is no `IdentityFile`.
    pub(crate) usual_keys: Vec<PathBuf>,
    /// `IdentityAgent`, or the user's.
    pub(crate) agent: Option<PathBuf>,
    pub(crate) identities_only: bool,
    /// `UserKnownHostsFile`, or the usual ones.
    pub(crate) known_hosts: Vec<PathBuf>,
    /// `GlobalKnownHostsFile`, or the usual ones.
    pub(crate) global_known_hosts: Vec<PathBuf>,
    /// `RevokedHostKeys`.
    pub(crate) revoked_host_keys: Vec<PathBuf>,
    pub(crate) host_key_alias: Option<String>,
    /// `StrictHostKeyChecking`.
    pub(crate) host_keys: HostKeys,
    pub(crate) connect_timeout: Option<Duration>,
    /// `ProxyJump`, the nearest first.
    pub(crate) jumps: Vec<String>,
    /// Behind a `ProxyJump` or a `ProxyCommand`.
    pub(crate) proxied: bool,
}

impl SshHost {
    /// The first key that is there: libssh2 in libvirt takes one, and stumbles over a missing one.
    pub(crate) fn identity(&self) -> Option<&Path> {
        let mut keys = self.given_keys.iter().chain(&self.usual_keys);
        keys.find(|key| key.is_file()).map(PathBuf::as_path)
    }
}
