//! What OpenSSH's client configuration (ssh_config(5)) says of a host.

use std::io::{self, Cursor};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use ssh2_config::{HostParams, ParseRule, SshConfig as Parsed, SshParserError};

use crate::ssh_config_text;

/// One or more client configurations; of an option's values the first counts, as for ssh(1).
#[derive(Debug, Default)]
pub struct SshConfig {
    home: PathBuf,
    files: Vec<Parsed>,
}

/// What it says of one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SshHost {
    /// `HostName`, or the name that was asked for.
    pub(crate) hostname: String,
    pub(crate) port: Option<NonZeroU16>,
    pub(crate) user: Option<String>,
    /// The first `IdentityFile` that is there, or the first of the usual keys.
    pub(crate) identity: Option<PathBuf>,
    /// The first `UserKnownHostsFile`; without one `~/.ssh/known_hosts`.
    pub(crate) known_hosts: PathBuf,
    /// Behind a `ProxyJump` or a `ProxyCommand`.
    pub(crate) proxied: bool,
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
    /// The service user's own configuration and the system's, those of them that are there. `home` is that user's folder.
    ///
    /// # Errors
    ///
    /// A file is there and cannot be used.
    pub fn of_user(home: &Path) -> Result<Self, SshConfigError> {
        let mut files = Vec::new();
        for path in [home.join(".ssh/config"), PathBuf::from(SYSTEM)] {
            match read(&path, home) {
                Ok(file) => files.push(file),
                Err(SshConfigError::Read { source, .. })
                    if source.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self { home: home.to_owned(), files })
    }

    /// This file alone, as for `ssh -F`.
    ///
    /// # Errors
    ///
    /// It cannot be used.
    pub fn of_file(path: &Path, home: &Path) -> Result<Self, SshConfigError> {
        Ok(Self { home: home.to_owned(), files: vec![read(path, home)?] })
    }

    pub(crate) fn host(&self, name: &str) -> SshHost {
        let found: Vec<HostParams> = self.files.iter().map(|file| file.query(name)).collect();
        let other = |option: &str| -> Option<String> {
            let values = found.iter().find_map(|params| params.unsupported_fields.get(option));
            values
                .or_else(|| found.iter().find_map(|params| params.ignored_fields.get(option)))?
                .first()
                .cloned()
        };
        let is_set = |value: &str| !value.eq_ignore_ascii_case("none");
        let jump = found.iter().find_map(|params| params.proxy_jump.as_ref()?.first().cloned());
        let hostname = found.iter().find_map(|params| params.host_name.clone());
        SshHost {
            // ssh_config(5), TOKENS: of those that HostName takes, the one that is in use.
            hostname: hostname.map_or_else(|| name.to_owned(), |found| found.replace("%h", name)),
            port: found.iter().find_map(|params| params.port).and_then(NonZeroU16::new),
            user: found.iter().find_map(|params| params.user.clone()),
            identity: self.identity(&found),
            known_hosts: other("userknownhostsfile")
                .filter(|path| is_set(path))
                .map_or_else(|| self.home.join(".ssh/known_hosts"), |path| self.absolute(&path)),
            proxied: jump.is_some_and(|jump| is_set(&jump))
                || other("proxycommand").is_some_and(|command| is_set(&command)),
        }
    }

    /// ssh skips keys that are not there, and libssh2 stumbles over them.
    fn identity(&self, found: &[HostParams]) -> Option<PathBuf> {
        let given: Vec<&PathBuf> =
            found.iter().filter_map(|params| params.identity_file.as_ref()).flatten().collect();
        let is_none = |path: &Path| path.file_name().is_some_and(|name| name == "none");
        let keys: Vec<PathBuf> = if given.is_empty() {
            DEFAULT_KEYS.iter().map(|name| self.home.join(".ssh").join(name)).collect()
        } else {
            let given = given.into_iter().filter(|path| !is_none(path));
            given.map(|path| self.absolute(&path.to_string_lossy())).collect()
        };
        keys.into_iter().find(|key| key.is_file())
    }

    fn absolute(&self, path: &str) -> PathBuf {
        match path.strip_prefix("~/").or_else(|| path.strip_prefix("%d/")) {
            Some(inside) => self.home.join(inside),
            None => PathBuf::from(path),
        }
    }
}

fn read(path: &Path, home: &Path) -> Result<Parsed, SshConfigError> {
    let text = ssh_config_text::read(path, home)
        .map_err(|source| SshConfigError::Read { path: path.to_owned(), source })?;
    let rules = ParseRule::ALLOW_UNKNOWN_FIELDS | ParseRule::ALLOW_UNSUPPORTED_FIELDS;
    Parsed::default()
        .home_dir(home)
        .parse(&mut Cursor::new(text), rules)
        .map_err(|source| SshConfigError::Syntax { path: path.to_owned(), source })
}

const SYSTEM: &str = "/etc/ssh/ssh_config";

/// The keys that ssh and libvirt look for in `~/.ssh` where no `IdentityFile` is given, the best first.
const DEFAULT_KEYS: [&str; 4] = ["id_ed25519", "id_ecdsa", "id_rsa", "id_dsa"];

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
        let config = SshConfig::of_user(home.path()).unwrap();
        assert_eq!(
            config.host("hv1"),
            SshHost {
                hostname: "hv1.example.org".into(),
                port: NonZeroU16::new(2222),
                user: Some("libvirt".into()),
                identity: Some(ssh.join("hv")),
                known_hosts: ssh.join("known_hv"),
                proxied: false,
            }
        );
        assert_eq!(config.host("hv2").user.as_deref(), Some("root"));
        let unknown = config.host("other.example.org");
        assert_eq!(unknown.hostname, "other.example.org");
        assert_eq!(unknown.known_hosts, ssh.join("known_hosts"));
        assert_eq!(unknown.identity, Some(ssh.join("id_rsa")));
        assert_eq!((unknown.port, unknown.user, unknown.proxied), (None, None, false));
        assert!(config.host("behind").proxied && config.host("command").proxied);
        assert!(!config.host("free").proxied && config.host("free").identity.is_none());
        assert_eq!(config.host("short").hostname, "short.example.org");
    }

    #[test]
    fn what_others_write_into_their_files_does_no_harm() {
        let config = "AddKeysToAgent confirm\nConnectTimeout 10s\nServerAliveInterval 1m\nPort ssh\nInclude conf.d/*\n\
             Host hv1\n  Port = 2222 # SSH\n  ForwardAgent $SSH_AUTH_SOCK\n  Include more\n  User root\n";
        let home = home(&[("config", config), ("more", "Host hv2\n  Port 22\n")]);
        std::fs::create_dir(home.path().join(".ssh/conf.d")).unwrap();
        let included = "Match exec false\n  ProxyJump gate\n  User stranger\nMatch originalhost \"hv3,hv4\"\n  Port 2022\nMatch all\n  User all\n";
        std::fs::write(home.path().join(".ssh/conf.d/x"), included).unwrap();
        let config = SshConfig::of_user(home.path()).unwrap();
        let hv1 = config.host("hv1");
        assert_eq!(
            (hv1.port, hv1.user.as_deref(), hv1.proxied),
            (NonZeroU16::new(2222), Some("all"), false)
        );
        assert_eq!(config.host("hv4").port, NonZeroU16::new(2022));
        assert_eq!(config.host("hv2").port, NonZeroU16::new(22));
        assert_eq!(config.host("hv5").port, None);
    }

    #[test]
    fn missing_files_of_the_user_are_no_error_but_a_named_one_is() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(SshConfig::of_user(home.path()).unwrap().host("x").hostname, "x");
        let missing = home.path().join("config");
        let error = SshConfig::of_file(&missing, home.path()).unwrap_err();
        assert_eq!(error.to_string(), format!("{}: cannot be read", missing.display()));
        // It includes itself.
        std::fs::write(&missing, format!("Include {}\n", missing.display())).unwrap();
        assert!(SshConfig::of_file(&missing, home.path()).is_err());
    }
}
