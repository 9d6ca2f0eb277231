//! SSH: whose configuration counts, and what an SSH client is told.

use std::path::PathBuf;
use std::sync::Arc;

use console_backend::{HostKeys, Opener, SshHost, SshLimits, SshProxy};
use console_config::{ServerSettings, SshHostKeys, SshSettings, SshTunnel};
use console_inventory::{SshAccess, SshConfig, SshConfigError, SshOptions, SshUser, Tunnel};
use nix::unistd::{Uid, User};

/// Who this process runs as. `home` (`HOME`) is for users that the user database does not know; `agent` is `SSH_AUTH_SOCK`.
pub fn service_user(home: Option<PathBuf>, agent: Option<PathBuf>) -> SshUser {
    // As ssh does it: HOME may still be that of who started us.
    let user = User::from_uid(Uid::effective()).ok().flatten();
    let (name, known) = user.map(|user| (user.name, user.dir)).unzip();
    let home = known.or(home).unwrap_or_else(|| "/nonexistent".into());
    SshUser { name: name.unwrap_or_default(), home, agent }
}

/// What opens consoles, within the settings' bounds.
pub fn opener(settings: &ServerSettings) -> Opener {
    Opener::new(settings.connect_timeout, ssh_limits(&settings.ssh))
}

/// The bounds of SSH connections.
pub fn ssh_limits(settings: &console_config::SshLimits) -> SshLimits {
    let &console_config::SshLimits {
        connect_timeout,
        handshake_timeout,
        auth_timeout,
        channel_timeout,
        idle_timeout,
        keepalive_interval,
        keepalive_count,
        channels_per_connection,
        connections_per_host,
        channel_buffer,
    } = settings;
    let channel_window = channel_buffer.try_into().unwrap_or(u32::MAX);
    SshLimits {
        connect_timeout,
        handshake_timeout,
        auth_timeout,
        channel_timeout,
        idle_timeout,
        keepalive_interval,
        keepalive_count,
        channels_per_connection,
        connections_per_host,
        channel_window,
    }
}

/// What the inventory knows of an SSH server, as the SSH client takes it.
pub fn ssh_host(access: SshAccess) -> SshHost {
    SshHost {
        name: access.name,
        hostname: access.hostname,
        port: access.port,
        user: access.user,
        keys: access.keys,
        usual_keys: access.usual_keys,
        agent: access.agent,
        identities_only: access.identities_only,
        password: access.password,
        known_hosts: access.known_hosts,
        global_known_hosts: access.global_known_hosts,
        revoked_host_keys: access.revoked_host_keys,
        host_key_alias: access.host_key_alias,
        host_keys: match access.host_keys {
            console_inventory::HostKeys::Strict => HostKeys::Strict,
            console_inventory::HostKeys::AcceptNew => HostKeys::AcceptNew,
            console_inventory::HostKeys::Unchecked => HostKeys::Unchecked,
        },
        connect_timeout: access.connect_timeout,
        proxy: match access.proxy {
            console_inventory::SshProxy::None => SshProxy::None,
            console_inventory::SshProxy::Command => SshProxy::Command,
            console_inventory::SshProxy::Jump(jump) => {
                SshProxy::Jump(Arc::new(ssh_host(Arc::unwrap_or_clone(jump))))
            }
        },
    }
}

pub(crate) fn ssh_config(
    settings: &SshSettings,
    user: &SshUser,
) -> Result<SshConfig, SshConfigError> {
    match &settings.config {
        Some(file) => SshConfig::of_file(file, user),
        None => SshConfig::of_user(user),
    }
}

pub(crate) fn ssh_options(settings: &SshSettings) -> SshOptions {
    SshOptions {
        key: settings.key.clone(),
        known_hosts: settings.known_hosts.clone(),
        own_config: settings.config.is_some(),
        host_keys: settings.host_keys.map(|keys| match keys {
            SshHostKeys::Strict => console_inventory::HostKeys::Strict,
            SshHostKeys::AcceptNew => console_inventory::HostKeys::AcceptNew,
        }),
        tunnel: match settings.tunnel {
            SshTunnel::WhenNeeded => Tunnel::WhenNeeded,
            SshTunnel::Always => Tunnel::Always,
        },
    }
}
