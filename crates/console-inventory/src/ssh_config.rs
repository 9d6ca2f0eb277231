//! What OpenSSH's client configuration (ssh_config(5)) says of a host.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use ssh2_config::{HostParams, ParseRule, SshConfig as Parsed, SshParserError};

/// The largest file that is read, in bytes.
pub const MAX_SSH_CONFIG_SIZE: u64 = 1024 * 1024;

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
    /// The first `IdentityFile`.
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
    /// The file cannot be read, or is larger than [`MAX_SSH_CONFIG_SIZE`].
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
            identity: found
                .iter()
                .find_map(|params| params.identity_file.as_ref()?.first().cloned()),
            known_hosts: other("userknownhostsfile")
                .filter(|path| is_set(path))
                .map_or_else(|| self.home.join(".ssh/known_hosts"), |path| self.absolute(&path)),
            proxied: jump.is_some_and(|jump| is_set(&jump))
                || other("proxycommand").is_some_and(|command| is_set(&command)),
        }
    }

    fn absolute(&self, path: &str) -> PathBuf {
        match path.strip_prefix("~/").or_else(|| path.strip_prefix("%d/")) {
            Some(inside) => self.home.join(inside),
            None => PathBuf::from(path),
        }
    }
}

fn read(path: &Path, home: &Path) -> Result<Parsed, SshConfigError> {
    let failed = |source| SshConfigError::Read { path: path.to_owned(), source };
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_SSH_CONFIG_SIZE + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > MAX_SSH_CONFIG_SIZE {
        return Err(failed(io::Error::other(format!(
            "it is larger than {MAX_SSH_CONFIG_SIZE} bytes"
        ))));
    }
    let rules = ParseRule::ALLOW_UNKNOWN_FIELDS | ParseRule::ALLOW_UNSUPPORTED_FIELDS;
    Parsed::default()
        .home_dir(home)
        .parse(&mut Cursor::new(without_match(&text)), rules)
        .map_err(|source| SshConfigError::Syntax { path: path.to_owned(), source })
}

/// The parser knows no `Match`, and would take its options for those of the `Host` above. Of its criteria, `all` and `host` (or
/// `originalhost`) alone are understood; a block with others counts for no host.
fn without_match(text: &str) -> String {
    let mut lines = String::with_capacity(text.len());
    for line in text.lines() {
        let words: Vec<&str> = line
            .split(|c: char| c.is_whitespace() || c == '=')
            .filter(|word| !word.is_empty())
            .collect();
        match words.as_slice() {
            [keyword, criteria @ ..] if keyword.eq_ignore_ascii_case("match") => {
                lines.push_str("Host ");
                match criteria {
                    [all] if all.eq_ignore_ascii_case("all") => lines.push('*'),
                    [host, patterns]
                        if host.eq_ignore_ascii_case("host")
                            || host.eq_ignore_ascii_case("originalhost") =>
                    {
                        lines.push_str(&patterns.replace(',', " "));
                    }
                    _ => lines.push_str(NO_HOST),
                }
            }
            _ => lines.push_str(line),
        }
        lines.push('\n');
    }
    lines
}

const SYSTEM: &str = "/etc/ssh/ssh_config";

/// No host is called so.
const NO_HOST: &str = "match.invalid";

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> SshConfig {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        std::fs::write(&path, text).unwrap();
        SshConfig::of_file(&path, Path::new("/home/console")).unwrap()
    }

    #[test]
    fn a_host_is_what_its_blocks_say_the_first_value_counts() {
        let config = config(
            "Host hv1\n  HostName hv1.example.org\n  Port 2222\n  User libvirt\n  IdentityFile ~/.ssh/hv\n\
             Host hv*\n  User root\n  UserKnownHostsFile ~/.ssh/known_hv\n\
             Host behind\n  ProxyJump gate\n\
             Host command\n  ProxyCommand nc %h %p\n\
             Host free\n  ProxyJump none\n\
             Host short\n  HostName %h.example.org\n",
        );
        assert_eq!(
            config.host("hv1"),
            SshHost {
                hostname: "hv1.example.org".into(),
                port: NonZeroU16::new(2222),
                user: Some("libvirt".into()),
                identity: Some("/home/console/.ssh/hv".into()),
                known_hosts: "/home/console/.ssh/known_hv".into(),
                proxied: false,
            }
        );
        assert_eq!(config.host("hv2").user.as_deref(), Some("root"));
        let unknown = config.host("other.example.org");
        assert_eq!(unknown.hostname, "other.example.org");
        assert_eq!(unknown.known_hosts, Path::new("/home/console/.ssh/known_hosts"));
        assert_eq!((unknown.port, unknown.user, unknown.proxied), (None, None, false));
        assert!(config.host("behind").proxied && config.host("command").proxied);
        assert!(!config.host("free").proxied);
        assert_eq!(config.host("short").hostname, "short.example.org");
    }

    #[test]
    fn a_match_block_is_not_its_neighbours() {
        let config = config(
            "Host hv1\n  Port 22\nMatch exec \"true\"\n  ProxyJump gate\nMatch host hv2,hv3\n  Port 2022\n\
             Match all\n  User root\n",
        );
        assert!(!config.host("hv1").proxied);
        assert_eq!(config.host("hv3").port, NonZeroU16::new(2022));
        assert_eq!(config.host("hv1").user.as_deref(), Some("root"));
    }

    #[test]
    fn missing_files_of_the_user_are_no_error_but_a_named_one_is() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(SshConfig::of_user(home.path()).unwrap().host("x").hostname, "x");
        let missing = home.path().join("config");
        let error = SshConfig::of_file(&missing, home.path()).unwrap_err();
        assert_eq!(error.to_string(), format!("{}: cannot be read", missing.display()));
    }
}
