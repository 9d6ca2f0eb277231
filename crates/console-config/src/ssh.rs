//! How SSH is used for hosts: the keys `ssh_…` of `[[hosts]]`, and the same above them for all that have none of their own.

use std::path::PathBuf;

use crate::paths::absolute_rule;
use crate::reader::{Reader, text};

/// How SSH is used for a host. Whatever is not said here, the service user's own ssh_config says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SshSettings {
    /// Key `ssh_key`: the private key, an absolute path.
    pub key: Option<PathBuf>,
    /// Key `ssh_known_hosts`: the file of known host keys, an absolute path.
    pub known_hosts: Option<PathBuf>,
    /// Key `ssh_config`: the configuration instead of the service user's and the system's, an absolute path.
    pub config: Option<PathBuf>,
    /// Key `ssh_tunnel`.
    pub tunnel: SshTunnel,
    /// Key `ssh_host_keys`; without it ssh_config's `StrictHostKeyChecking` decides.
    pub host_keys: Option<SshHostKeys>,
}

/// Which consoles go through a tunnel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SshTunnel {
    /// `when-needed`: those on the host's loopback and on UNIX sockets, and all behind a jump host.
    #[default]
    WhenNeeded,
    /// `always`: all.
    Always,
}

/// What is done about a host whose key is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SshHostKeys {
    /// `strict`: it is refused.
    Strict,
    /// `accept-new`: its key is believed and remembered; a changed key is refused all the same.
    AcceptNew,
}

/// `is_ssh` is none where the connection itself is wrong, which says enough. What is not there is as `usual`.
pub(crate) fn read(
    from: &mut Reader<'_>,
    is_ssh: Option<bool>,
    usual: &SshSettings,
) -> SshSettings {
    let path = |from: &mut Reader<'_>, key, usual: &Option<PathBuf>| {
        from.optional(key, &absolute_rule()).or_else(|| usual.clone())
    };
    let settings = SshSettings {
        key: path(from, "ssh_key", &usual.key),
        known_hosts: path(from, "ssh_known_hosts", &usual.known_hosts),
        config: path(from, "ssh_config", &usual.config),
        tunnel: from
            .optional(
                "ssh_tunnel",
                &text("when-needed or always", |word| match word {
                    "when-needed" => Some(SshTunnel::WhenNeeded),
                    "always" => Some(SshTunnel::Always),
                    _ => None,
                }),
            )
            .unwrap_or(usual.tunnel),
        host_keys: from
            .optional(
                "ssh_host_keys",
                &text("strict or accept-new", |word| match word {
                    "strict" => Some(SshHostKeys::Strict),
                    "accept-new" => Some(SshHostKeys::AcceptNew),
                    _ => None,
                }),
            )
            .or(usual.host_keys),
    };
    for key in KEYS {
        if is_ssh == Some(false) && from.has(key) {
            from.refuse(key, |key| format!("{key} is of no use without connection = \"ssh\""));
        }
    }
    if is_ssh == Some(true) { settings } else { SshSettings::default() }
}

const KEYS: [&str; 5] = ["ssh_key", "ssh_known_hosts", "ssh_config", "ssh_tunnel", "ssh_host_keys"];
