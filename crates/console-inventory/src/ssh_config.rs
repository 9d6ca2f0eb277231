//! What OpenSSH's client configuration (ssh_config(5)) says of a host.

use std::io;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use ssh2_config::{HostParams, SshParserError};

use crate::host::HostKeys;
use crate::ssh_config_text::{self, Entry};
use crate::ssh_host::SshHost;
use crate::ssh_query;
use crate::ssh_tokens;

/// The user whose `ssh` we stand in for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SshUser {
    /// The login name, which is the remote one, too, where nobody says another.
    pub name: String,
    /// The home folder.
    pub home: PathBuf,
    /// The agent's socket, from `SSH_AUTH_SOCK`.
    pub agent: Option<PathBuf>,
}

/// One or more client configurations; of an option's values the first counts, as for ssh(1).
#[derive(Debug, Default)]
pub struct SshConfig {
    user: SshUser,
    files: Vec<Vec<Entry>>,
}

/// Why a client configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SshConfigError {
    /// The file, or one that it includes, cannot be read, or they are larger than [`MAX_SSH_CONFIG_SIZE`](crate::MAX_SSH_CONFIG_SIZE).
    #[error("{}: cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is not as ssh_config(5) says.
    #[error("{}: is no ssh_config", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: SshParserError,
    },
}

impl SshConfig {
    /// The service user's own configuration and the system's, those of them that are there.
    ///
    /// # Errors
    ///
    /// A file is there and cannot be used.
    pub fn of_user(user: &SshUser) -> Result<Self, SshConfigError> {
        let mut files = Vec::new();
        for path in [user.home.join(".ssh/config"), PathBuf::from(SYSTEM)] {
            match read(&path, &user.home) {
                Ok(file) => files.push(file),
                Err(SshConfigError::Read { source, .. })
                    if source.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self { user: user.clone(), files })
    }

    /// This file alone, as for `ssh -F`.
    ///
    /// # Errors
    ///
    /// It cannot be used.
    pub fn of_file(path: &Path, user: &SshUser) -> Result<Self, SshConfigError> {
        Ok(Self { user: user.clone(), files: vec![read(path, &user.home)?] })
    }

    pub(crate) fn user(&self) -> &SshUser {
        &self.user
    }

    /// What it says of the host that is called `name`; a login and a port that are known otherwise come before its own.
    pub(crate) fn host(&self, name: &str, user: Option<&str>, port: Option<NonZeroU16>) -> SshHost {
        let found: Vec<HostParams> =
            self.files.iter().map(|file| ssh_query::query(file, name, &self.user.home)).collect();
        let values = |option: &str| -> Option<&Vec<String>> {
            found.iter().find_map(|params| {
                params.unsupported_fields.get(option).or_else(|| params.ignored_fields.get(option))
            })
        };
        let other = |option: &str| values(option)?.first().cloned();
        let is_set = |value: &str| !value.eq_ignore_ascii_case("none");
        let jumps = found.iter().find_map(|params| params.proxy_jump.clone()).unwrap_or_default();
        let jumps: Vec<String> = jumps.into_iter().filter(|jump| is_set(jump)).collect();
        let hostname = found.iter().find_map(|params| params.host_name.clone());
        let proxied =
            !jumps.is_empty() || other("proxycommand").is_some_and(|command| is_set(&command));
        let mut host = SshHost {
            // ssh_config(5), TOKENS: of those that HostName takes, the one that is in use.
            hostname: hostname.map_or_else(|| name.to_owned(), |found| found.replace("%h", name)),
            port: port
                .or_else(|| found.iter().find_map(|params| params.port).and_then(NonZeroU16::new)),
            user: user
                .map(str::to_owned)
                .or_else(|| found.iter().find_map(|params| params.user.clone())),
            identities_only: other("identitiesonly").is_some_and(|value| {
                value.eq_ignore_ascii_case("yes") || value.eq_ignore_ascii_case("true")
            }),
            host_key_alias: other("hostkeyalias"),
            host_keys: match other("stricthostkeychecking").map(|word| word.to_ascii_lowercase()) {
                Some(word) if word == "accept-new" => HostKeys::AcceptNew,
                Some(word) if word == "no" || word == "off" => HostKeys::Unchecked,
                // Without a terminal there is nobody to ask.
                _ => HostKeys::Strict,
            },
            connect_timeout: found.iter().find_map(|params| params.connect_timeout),
            jumps,
            proxied,
            ..SshHost::default()
        };
        let paths = |option: &str, usual: &[PathBuf]| match values(option) {
            Some(paths) => paths
                .iter()
                .filter(|path| is_set(path))
                .map(|path| ssh_tokens::path(path, name, &host, &self.user))
                .collect(),
            None => usual.to_vec(),
        };
        let of_user =
            ["known_hosts", "known_hosts2"].map(|file| self.user.home.join(".ssh").join(file));
        let known_hosts = paths("userknownhostsfile", &of_user);
        let global_known_hosts = paths("globalknownhostsfile", &GLOBAL.map(PathBuf::from));
        let revoked_host_keys = paths("revokedhostkeys", &[]);
        let agent = match other("identityagent").as_deref() {
            None | Some("SSH_AUTH_SOCK" | "$SSH_AUTH_SOCK") => self.user.agent.clone(),
            Some(path) => {
                Some(ssh_tokens::path(path, name, &host, &self.user)).filter(|_| is_set(path))
            }
        };
        let is_none = |path: &Path| path.file_name().is_some_and(|name| name == "none");
        let given: Vec<&PathBuf> =
            found.iter().filter_map(|params| params.identity_file.as_ref()).flatten().collect();
        if given.is_empty() {
            host.usual_keys =
                USUAL_KEYS.iter().map(|name| self.user.home.join(".ssh").join(name)).collect();
        } else {
            let given = given.into_iter().filter(|path| !is_none(path));
            let given = given
                .map(|path| ssh_tokens::path(&path.to_string_lossy(), name, &host, &self.user))
                .collect();
            host.given_keys = given;
        }
        host.known_hosts = known_hosts;
        host.global_known_hosts = global_known_hosts;
        host.revoked_host_keys = revoked_host_keys;
        host.agent = agent;
        host
    }
}

fn read(path: &Path, home: &Path) -> Result<Vec<Entry>, SshConfigError> {
    let entries = ssh_config_text::read(path, home)
        .map_err(|source| SshConfigError::Read { path: path.to_owned(), source })?;
    // What is wrong with it is said now, not when a host is asked for.
    ssh_query::parse(entries.iter(), home)
        .map_err(|source| SshConfigError::Syntax { path: path.to_owned(), source })?;
    Ok(entries)
}

const SYSTEM: &str = "/etc/ssh/ssh_config";

/// `GlobalKnownHostsFile`, where nobody says another.
const GLOBAL: [&str; 2] = ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"];

/// The keys that ssh looks for in `~/.ssh` where no `IdentityFile` is given, in its order.
const USUAL_KEYS: [&str; 3] = ["id_rsa", "id_ecdsa", "id_ed25519"];

#[cfg(test)]
mod tests {
    use super::*;

    /// A home with these files in `.ssh`.
    fn home(files: &[(&str, &str)]) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".ssh")).unwrap();
        for (name, text) in files {
            std::fs::write(home.path().join(".ssh").join(name), text).unwrap();
        }
        home
    }

    fn user(home: &Path) -> SshUser {
        SshUser { name: "me".into(), home: home.to_owned(), agent: None }
    }

    #[test]
    fn a_host_is_what_its_blocks_say_the_first_value_counts() {
        let config = "Host hv1\n  HostName hv1.example.org\n  Port 2222\n  User libvirt\n  IdentityFile ~/.ssh/gone\n  IdentityFile %d/.ssh/hv\n\
             Host hv*\n  User root\n  UserKnownHostsFile ~/.ssh/known_hv\n\
             Host behind\n  ProxyJump gate\n\
             Host command\n  ProxyCommand nc %h %p\n\
             Host free\n  ProxyJump none\n  IdentityFile none\n\
             Host short\n  HostName %h.example.org\n";
        let home = home(&[("config", config), ("hv", ""), ("id_rsa", "")]);
        let ssh = home.path().join(".ssh");
        let user = user(home.path());
        let config = SshConfig::of_user(&user).unwrap();
        let hv1 = config.host("hv1", None, None);
        assert_eq!(hv1.hostname, "hv1.example.org");
        assert_eq!((hv1.port, hv1.user.as_deref()), (NonZeroU16::new(2222), Some("libvirt")));
        assert_eq!(hv1.given_keys, [ssh.join("gone"), ssh.join("hv")]);
        assert_eq!(hv1.identity(), Some(ssh.join("hv").as_path()));
        assert_eq!(hv1.known_hosts.first(), Some(&ssh.join("known_hv")));
        assert!(!hv1.proxied);
        assert_eq!(config.host("hv2", None, None).user.as_deref(), Some("root"));
        let unknown = config.host("other.example.org", None, None);
        assert_eq!(unknown.hostname, "other.example.org");
        assert_eq!(unknown.known_hosts.first(), Some(&ssh.join("known_hosts")));
        assert_eq!(unknown.identity(), Some(ssh.join("id_rsa").as_path()));
        assert_eq!((unknown.port, unknown.user.as_deref(), unknown.proxied), (None, None, false));
        assert!(
            config.host("behind", None, None).proxied && config.host("command", None, None).proxied
        );
        assert!(
            !config.host("free", None, None).proxied
                && config.host("free", None, None).identity().is_none()
        );
        assert_eq!(config.host("short", None, None).hostname, "short.example.org");
        let own = config.host("hv1", Some("root"), NonZeroU16::new(7));
        assert_eq!((own.user.as_deref(), own.port), (Some("root"), NonZeroU16::new(7)));
    }

    #[test]
    fn what_others_write_into_their_files_does_no_harm() {
        let config = "AddKeysToAgent confirm\nConnectTimeout 10s\nServerAliveInterval 1m\nPort ssh\nInclude conf.d/*\n\
             Host hv1\n  Port = 2222 # SSH\n  ForwardAgent $SSH_AUTH_SOCK\n  Include more\n  User root\n";
        let home = home(&[("config", config), ("more", "Host hv2\n  Port 22\n")]);
        std::fs::create_dir(home.path().join(".ssh/conf.d")).unwrap();
        let included = "Match exec false\n  ProxyJump gate\n  User stranger\nMatch originalhost \"hv3,hv4\"\n  Port 2022\nMatch all\n  User all\n";
        std::fs::write(home.path().join(".ssh/conf.d/x"), included).unwrap();
        let config = SshConfig::of_user(&user(home.path())).unwrap();
        let hv1 = config.host("hv1", None, None);
        assert_eq!(
            (hv1.port, hv1.user.as_deref(), hv1.proxied),
            (NonZeroU16::new(2222), Some("all"), false)
        );
        assert_eq!(config.host("hv4", None, None).port, NonZeroU16::new(2022));
        // Included under hv1 alone.
        assert_eq!(config.host("hv2", None, None).port, None);
        assert_eq!(config.host("hv5", None, None).port, None);
    }

    /// As `ssh -G` has it.
    #[test]
    fn the_first_value_counts_and_includes_keep_to_their_block() {
        let config = "Host hv1\n  User a\n  User b\n  IdentityFile /1\n  Include more\n  ProxyCommand none\n\
             Host *.lab\n  Include lab\n\
             Match exec false\n  Include lab\n\
             Host *\n  IdentityFile /3\n  ProxyJump gate\n  Include globals\n";
        let home = home(&[
            ("config", config),
            ("more", "User c\nIdentityFile /2\n"),
            ("lab", "Host *\n  ProxyJump labgate\n  UserKnownHostsFile /lab\n"),
            ("globals", "User g\nHostKeyAlias x\nHostKeyAlias y\n"),
        ]);
        let config = SshConfig::of_user(&user(home.path())).unwrap();
        let of = |name: &str| config.host(name, None, None);
        let hv1 = of("hv1");
        assert_eq!(hv1.user.as_deref(), Some("a"));
        assert_eq!(hv1.given_keys, ["/1", "/2", "/3"].map(PathBuf::from));
        // A ProxyCommand before it, if only "none", keeps the jump host away.
        assert!(!hv1.proxied && hv1.jumps.is_empty());
        assert_eq!(of("one.lab").jumps, ["labgate"]);
        let other = of("other");
        assert_eq!(
            (other.user.as_deref(), other.host_key_alias.as_deref()),
            (Some("g"), Some("x"))
        );
        assert_eq!(other.jumps, ["gate"]);
        assert_ne!(other.known_hosts, [PathBuf::from("/lab")]);
    }

    #[test]
    fn unknown_host_keys_are_treated_as_it_says() {
        let config = "Host new\n  StrictHostKeyChecking accept-new\nHost no\n  StrictHostKeyChecking=no\nHost off\n  StrictHostKeyChecking OFF\n\
             Host yes\n  StrictHostKeyChecking yes\n  StrictHostKeyChecking no\nHost ask\n  StrictHostKeyChecking ask\n";
        let home = home(&[("config", config)]);
        let config = SshConfig::of_user(&user(home.path())).unwrap();
        for (name, expected) in [
            ("new", HostKeys::AcceptNew),
            ("no", HostKeys::Unchecked),
            ("off", HostKeys::Unchecked),
            ("yes", HostKeys::Strict),
            ("ask", HostKeys::Strict),
            ("other", HostKeys::Strict),
        ] {
            assert_eq!(config.host(name, None, None).host_keys, expected, "{name}");
        }
    }

    #[test]
    fn missing_files_of_the_user_are_no_error_but_a_named_one_is() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(
            SshConfig::of_user(&user(home.path())).unwrap().host("x", None, None).hostname,
            "x"
        );
        let missing = home.path().join("config");
        let error = SshConfig::of_file(&missing, &user(home.path())).unwrap_err();
        assert_eq!(error.to_string(), format!("{}: cannot be read", missing.display()));
        // It includes itself.
        std::fs::write(&missing, format!("Include {}\n", missing.display())).unwrap();
        assert!(SshConfig::of_file(&missing, &user(home.path())).is_err());
    }
}
