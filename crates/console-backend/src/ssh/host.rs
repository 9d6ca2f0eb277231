//! Whom to log in at, and as whom.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::known_hosts::KnownAs;
use secrecy::{ExposeSecret, SecretString};

/// All that it takes to log in at an SSH server; the names are those of ssh_config(5) where it has them.
///
/// Two that are equal share their connections.
#[derive(Clone, Debug)]
pub struct SshHost {
    /// What the server is called in the configuration, for logs.
    pub name: String,
    /// `HostName`: its name or address, IPv6 without brackets.
    pub hostname: String,
    /// `Port`.
    pub port: NonZeroU16,
    /// `User`.
    pub user: String,
    /// Private keys to try first, in this order. Keys with a passphrase are skipped: nobody is there to type it.
    pub keys: Vec<PathBuf>,
    /// Private keys to try after the agent's; those that are not there are skipped in silence.
    pub usual_keys: Vec<PathBuf>,
    /// The agent's socket (`IdentityAgent`, `SSH_AUTH_SOCK`).
    pub agent: Option<PathBuf>,
    /// `IdentitiesOnly`: of the agent's keys only those that `keys` and `usual_keys` name, too.
    pub identities_only: bool,
    /// The password, tried last, also where the server asks for it in a dialogue (keyboard-interactive).
    pub password: Option<SecretString>,
    /// `UserKnownHostsFile`; those that are not there are skipped. A new key is written to the first.
    pub known_hosts: Vec<PathBuf>,
    /// `GlobalKnownHostsFile`: the same, but never written.
    pub global_known_hosts: Vec<PathBuf>,
    /// `RevokedHostKeys`: files of public keys that no server may have, one a line; each has to be there.
    pub revoked_host_keys: Vec<PathBuf>,
    /// `HostKeyAlias`: the name to look for in `known_hosts` instead of `hostname` and `port`.
    pub host_key_alias: Option<String>,
    /// What is done about a server whose key is not known.
    pub host_keys: HostKeys,
    /// `ConnectTimeout`: instead of the one in the limits.
    pub connect_timeout: Option<Duration>,
    /// What is between us and the server.
    pub proxy: SshProxy,
}

/// What is done about a server of which no key is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HostKeys {
    /// It is refused.
    #[default]
    Strict,
    /// Its key is believed and written down. A key other than the known ones is refused all the same.
    AcceptNew,
    /// The same, but that it is no failure if the key cannot be written down: ssh_config's `StrictHostKeyChecking no`.
    Unchecked,
}

/// What is between us and an SSH server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum SshProxy {
    /// Nothing but the network.
    #[default]
    None,
    /// `ProxyJump`: another SSH server, through which its port is reached.
    Jump(Arc<SshHost>),
    /// `ProxyCommand`, which is not run: opening fails and says so.
    Command,
}

impl SshHost {
    /// A server on port 22, strict about its key, with no key, agent, password or known host yet.
    pub fn new(hostname: impl Into<String>, user: impl Into<String>) -> Self {
        let hostname = hostname.into();
        Self {
            name: hostname.clone(),
            hostname,
            port: PORT,
            user: user.into(),
            keys: Vec::new(),
            usual_keys: Vec::new(),
            agent: None,
            identities_only: false,
            password: None,
            known_hosts: Vec::new(),
            global_known_hosts: Vec::new(),
            revoked_host_keys: Vec::new(),
            host_key_alias: None,
            host_keys: HostKeys::default(),
            connect_timeout: None,
            proxy: SshProxy::default(),
        }
    }

    /// The name under which known_hosts files have it: `[host]:port` unless the port is 22.
    pub(crate) fn known_as(&self) -> KnownAs {
        let host = self.hostname.to_lowercase();
        match &self.host_key_alias {
            Some(alias) => KnownAs { name: alias.to_lowercase(), without_port: None },
            None if self.port == PORT => KnownAs { name: host, without_port: None },
            None => KnownAs { name: format!("[{host}]:{}", self.port), without_port: Some(host) },
        }
    }

    /// The command that adds its key to `file`.
    pub(crate) fn scan(&self, file: &str) -> String {
        // ssh-keyscan knows no jump hosts, but they know it.
        let from = match &self.proxy {
            SshProxy::Jump(jump) => format!("ssh {} ", jump.name),
            SshProxy::None | SshProxy::Command => String::new(),
        };
        let port = if self.port == PORT { String::new() } else { format!("-p {} ", self.port) };
        let alias = self.host_key_alias.as_ref();
        let rename = alias.map_or_else(String::new, |alias| format!(" | sed 's/^[^ ]*/{alias}/'"));
        format!("{from}ssh-keyscan {port}{}{rename} >> {file}", self.hostname)
    }

    /// Where it listens, for errors: `hv1.example.org:22`.
    pub(crate) fn address(&self) -> String {
        let host = self.hostname.escape_debug();
        if self.hostname.contains(':') {
            format!("[{host}]:{}", self.port)
        } else {
            format!("{host}:{}", self.port)
        }
    }

    /// All that tells two servers or logins apart; the compiler asks for new fields here.
    fn identity(&self) -> impl Hash + Eq + '_ {
        let Self {
            name,
            hostname,
            port,
            user,
            keys,
            usual_keys,
            agent,
            identities_only,
            password,
            known_hosts,
            global_known_hosts,
            revoked_host_keys,
            host_key_alias,
            host_keys,
            connect_timeout,
            proxy,
        } = self;
        let password = password.as_ref().map(ExposeSecret::expose_secret);
        (
            (name, hostname, port, user, keys, usual_keys, agent),
            (
                identities_only,
                password,
                (known_hosts, global_known_hosts, revoked_host_keys),
                host_key_alias,
                host_keys,
                connect_timeout,
                proxy,
            ),
        )
    }
}

impl PartialEq for SshHost {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for SshHost {}

impl Hash for SshHost {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

/// Its name.
impl fmt::Display for SshHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name.escape_debug())
    }
}

/// SSH's port (RFC 4251 section 4).
const PORT: NonZeroU16 = NonZeroU16::new(22).expect("22 is not zero");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_password_is_another_host_and_is_not_printed() {
        let one = SshHost::new("hv1", "root");
        let with = |password: &str| SshHost { password: Some(password.into()), ..one.clone() };
        assert_eq!(with("s3cret"), with("s3cret"));
        assert_ne!(with("s3cret"), with("other"));
        assert_ne!(with("s3cret"), one);
        assert!(!format!("{:?}", with("s3cret")).contains("s3cret"));
    }

    #[test]
    fn known_hosts_files_have_a_port_that_is_not_22() {
        let mut host = SshHost::new("HV1.example.org", "root");
        assert_eq!(host.known_as().name, "hv1.example.org");
        host.port = NonZeroU16::new(2222).unwrap();
        assert_eq!(host.known_as().name, "[hv1.example.org]:2222");
        assert_eq!(host.known_as().without_port.as_deref(), Some("hv1.example.org"));
        assert_eq!(host.scan("/k"), "ssh-keyscan -p 2222 HV1.example.org >> /k");
        host.host_key_alias = Some("Alias".into());
        assert_eq!(host.known_as(), KnownAs { name: "alias".into(), without_port: None });
        assert_eq!(
            host.scan("/k"),
            "ssh-keyscan -p 2222 HV1.example.org | sed 's/^[^ ]*/Alias/' >> /k"
        );
        host.proxy = SshProxy::Jump(Arc::new(SshHost::new("gate", "root")));
        assert!(host.scan("/k").starts_with("ssh gate ssh-keyscan -p 2222 "));
        host.hostname = "2001:db8::1".into();
        assert_eq!(host.address(), "[2001:db8::1]:2222");
    }
}
