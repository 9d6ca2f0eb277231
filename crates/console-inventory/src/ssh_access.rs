//! What an SSH client needs to know of a host: ssh_config's word, and the host's own settings over it.

use std::fmt;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use host_endpoint::Endpoint;
use secrecy::SecretString;

use crate::host::{HostKeys, Login, SSH_PORT, SshOptions};
use crate::ssh_config::SshConfig;
use crate::ssh_host::SshHost;

/// All that it takes to log in at a host's SSH server. The names are those of ssh_config(5) where it has them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SshAccess {
    /// What the host's settings or `ProxyJump` call it.
    pub name: String,
    /// `HostName`, IPv6 without brackets.
    pub hostname: String,
    /// `Port`.
    pub port: NonZeroU16,
    /// `User`; the service's own user where nobody says.
    pub user: String,
    /// The host's own key, then `IdentityFile`.
    pub keys: Vec<PathBuf>,
    /// Without any of these: the usual keys of `~/.ssh`.
    pub usual_keys: Vec<PathBuf>,
    /// `IdentityAgent`, or `SSH_AUTH_SOCK`.
    pub agent: Option<PathBuf>,
    /// `IdentitiesOnly`.
    pub identities_only: bool,
    /// The host's password.
    pub password: Option<SecretString>,
    /// The host's own file, or `UserKnownHostsFile`.
    pub known_hosts: Vec<PathBuf>,
    /// Without a file of the host's own: `GlobalKnownHostsFile`.
    pub global_known_hosts: Vec<PathBuf>,
    /// `RevokedHostKeys`.
    pub revoked_host_keys: Vec<PathBuf>,
    /// `HostKeyAlias`.
    pub host_key_alias: Option<String>,
    /// The host's own setting, or `StrictHostKeyChecking`.
    pub host_keys: HostKeys,
    /// `ConnectTimeout`.
    pub connect_timeout: Option<Duration>,
    /// What is in between.
    pub proxy: SshProxy,
}

/// What is between this machine and an SSH server.
#[derive(Clone, Debug)]
pub enum SshProxy {
    /// Nothing but the network.
    None,
    /// `ProxyJump`.
    Jump(Arc<SshAccess>),
    /// `ProxyCommand`.
    Command,
}

/// Its name.
impl fmt::Display for SshAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name.escape_debug())
    }
}

impl SshAccess {
    /// The host `at`, of which `config` says `found`. Nothing if its jump hosts lead in a circle, or are too many.
    pub(crate) fn new(
        at: &Endpoint,
        login: &Login,
        options: &SshOptions,
        config: &SshConfig,
        found: SshHost,
    ) -> Option<Self> {
        let proxy = proxy(config, &found, options, MAX_JUMPS)?;
        let mut access = Self::of(&at.host, found, config, proxy, options.host_keys);
        access.keys.splice(0..0, options.key.clone());
        if !access.keys.is_empty() {
            access.usual_keys.clear();
        }
        if let Some(file) = &options.known_hosts {
            access.known_hosts = vec![file.clone()];
            access.global_known_hosts.clear();
        }
        access.password.clone_from(&login.password);
        Some(access)
    }

    fn of(
        name: &str,
        found: SshHost,
        config: &SshConfig,
        proxy: SshProxy,
        host_keys: Option<HostKeys>,
    ) -> Self {
        let host_keys = host_keys.unwrap_or(found.host_keys);
        Self {
            name: name.to_owned(),
            hostname: found.hostname,
            port: found.port.unwrap_or(SSH_PORT),
            user: found.user.unwrap_or_else(|| config.user().name.clone()),
            keys: found.given_keys,
            usual_keys: found.usual_keys,
            agent: found.agent,
            identities_only: found.identities_only,
            password: None,
            known_hosts: found.known_hosts,
            global_known_hosts: found.global_known_hosts,
            revoked_host_keys: found.revoked_host_keys,
            host_key_alias: found.host_key_alias,
            host_keys,
            connect_timeout: found.connect_timeout,
            proxy,
        }
    }
}

/// `depth` is how many jump hosts there may still be.
fn proxy(
    config: &SshConfig,
    found: &SshHost,
    options: &SshOptions,
    depth: usize,
) -> Option<SshProxy> {
    if found.jumps.is_empty() {
        return Some(if found.proxied { SshProxy::Command } else { SshProxy::None });
    }
    let mut before = None;
    for (passed, jump) in found.jumps.iter().enumerate() {
        let left = depth.checked_sub(passed + 1)?;
        let (user, name, port) = parts(jump)?;
        let found = config.host(&name, user.as_deref(), port);
        // The first one has its own way; each of the others is reached through the one before.
        let proxy = match before {
            None => proxy(config, &found, options, left)?,
            Some(before) => SshProxy::Jump(Arc::new(before)),
        };
        let mut access = SshAccess::of(&name, found, config, proxy, options.host_keys);
        // The host's own file may know them, too.
        access.known_hosts.extend(options.known_hosts.clone());
        before = Some(access);
    }
    before.map(|jump| SshProxy::Jump(Arc::new(jump)))
}

/// `[user@]host[:port]` or `ssh://[user@]host[:port]` (ssh_config(5), ProxyJump).
fn parts(jump: &str) -> Option<(Option<String>, String, Option<NonZeroU16>)> {
    let jump = jump.strip_prefix("ssh://").unwrap_or(jump).trim_end_matches('/');
    let (user, at) = match jump.rsplit_once('@') {
        Some((user, at)) => (Some(user.to_owned()), at),
        None => (None, jump),
    };
    let (host, port) = match at.strip_prefix('[') {
        Some(inside) => {
            let (host, rest) = inside.split_once(']')?;
            (host, rest.strip_prefix(':'))
        }
        None if at.matches(':').count() > 1 => (at, None),
        None => at.split_once(':').map_or((at, None), |(host, port)| (host, Some(port))),
    };
    let port = match port {
        Some(port) => Some(port.parse().ok()?),
        None => None,
    };
    (!host.is_empty()).then(|| (user, host.to_owned(), port))
}

/// More jump hosts than this are a circle.
const MAX_JUMPS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssh_config::SshUser;

    fn access(config: &str, options: &SshOptions, login: &Login) -> Option<SshAccess> {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("config"), config).unwrap();
        let user =
            SshUser { name: "console".into(), agent: Some("/agent".into()), home: "/h".into() };
        let config = SshConfig::of_file(&home.path().join("config"), &user).unwrap();
        let at = Endpoint { host: "hv1".into(), port: None };
        let found = config.host("hv1", login.name.as_deref(), None);
        SshAccess::new(&at, login, options, &config, found)
    }

    /// `hv1:22<-gate:2222<-…`, the farthest first.
    fn way(access: &SshAccess) -> String {
        let me = format!("{}@{}:{}", access.user, access.hostname, access.port);
        match &access.proxy {
            SshProxy::None => me,
            SshProxy::Command => format!("{me}<-command"),
            SshProxy::Jump(jump) => format!("{me}<-{}", way(jump)),
        }
    }

    #[test]
    fn jumps_are_followed_as_ssh_does() {
        for (config, expected) in [
            ("", "console@hv1:22"),
            ("Host hv1\nProxyCommand nc %h %p\n", "console@hv1:22<-command"),
            (
                "Host hv1\nProxyJump gate\nHost gate\nPort 2222\nUser g\n",
                "console@hv1:22<-g@gate:2222",
            ),
            // The first jump's own way comes before it; the last one is next to the host.
            (
                "Host hv1\nProxyJump a@one:1,ssh://two:2,[2001:db8::1]:3\nHost one\nProxyJump zero\n",
                "console@hv1:22<-console@2001:db8::1:3<-console@two:2<-a@one:1<-console@zero:22",
            ),
        ] {
            let access = access(config, &SshOptions::default(), &Login::default()).unwrap();
            assert_eq!(way(&access), expected);
        }
        let circle = "Host hv1\nProxyJump gate\nHost gate\nProxyJump hv1\n";
        assert!(access(circle, &SshOptions::default(), &Login::default()).is_none());
    }

    #[test]
    fn the_hosts_settings_come_before_ssh_config() {
        let config = "Host hv1\nHostName 192.0.2.1\nIdentityFile /config\nUser c\nConnectTimeout 3\nHostKeyAlias alias\n\
             IdentitiesOnly yes\nIdentityAgent none\nRevokedHostKeys ~/gone\nUserKnownHostsFile /a /b\nGlobalKnownHostsFile none\n";
        let plain = access(config, &SshOptions::default(), &Login::default()).unwrap();
        assert_eq!((plain.user.as_str(), plain.keys.clone()), ("c", vec!["/config".into()]));
        assert_eq!(plain.known_hosts, [PathBuf::from("/a"), "/b".into()]);
        assert_eq!(plain.revoked_host_keys, [PathBuf::from("/h/gone")]);
        assert_eq!(plain.connect_timeout, Some(Duration::from_secs(3)));
        assert_eq!(plain.host_key_alias.as_deref(), Some("alias"));
        assert!(plain.identities_only && plain.agent.is_none() && plain.usual_keys.is_empty());
        let options = SshOptions {
            key: Some("/own".into()),
            known_hosts: Some("/known".into()),
            host_keys: Some(HostKeys::AcceptNew),
            ..SshOptions::default()
        };
        let login = Login { name: Some("root".into()), password: Some("s3cret".into()) };
        let own = access(config, &options, &login).unwrap();
        assert_eq!(own.keys, [PathBuf::from("/own"), "/config".into()]);
        assert_eq!(own.known_hosts, [PathBuf::from("/known")]);
        assert_eq!(own.revoked_host_keys, plain.revoked_host_keys);
        assert_eq!((own.user.as_str(), own.host_keys), ("root", HostKeys::AcceptNew));
        let usual = access("", &SshOptions::default(), &Login::default()).unwrap();
        assert_eq!(usual.usual_keys.first(), Some(&"/h/.ssh/id_rsa".into()));
        assert_eq!(usual.agent, Some("/agent".into()));
        assert_eq!(
            usual.known_hosts,
            ["/h/.ssh/known_hosts", "/h/.ssh/known_hosts2"].map(PathBuf::from)
        );
    }
}
