//! Why an SSH server does not carry a console: which step failed, and what to do.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Why an SSH server does not carry a console. `server` is its address, `hv1.example.org:22`.
///
/// The texts are for the log; [`public_reason`](Self::public_reason) is for the person in front of the browser.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SshError {
    /// The server's name leads to no address.
    #[error("the SSH server's name {name} cannot be resolved")]
    Resolve {
        /// Its name.
        name: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The server's port cannot be reached.
    #[error("the SSH server {server} cannot be reached")]
    Connect {
        /// Its address.
        server: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A step took too long.
    #[error("the SSH server {server} {step} within {limit:?}")]
    TimedOut {
        /// Its address.
        server: String,
        /// What did not happen.
        step: SshStep,
        /// The time-out.
        limit: Duration,
    },
    /// ssh_config has a `ProxyCommand` for it.
    #[error("the SSH server {server} is behind a ProxyCommand, which this program does not run")]
    ProxyCommand {
        /// Its address.
        server: String,
    },
    /// What answers is no SSH server, or one with which there is no common algorithm.
    #[error("the SSH server {server} does not get through the key exchange")]
    Handshake {
        /// Its address.
        server: String,
        /// What libssh2 said.
        #[source]
        source: Lost,
    },
    /// A file of known host keys cannot be read or written.
    #[error("{} cannot be {}", file.display(), if *writing { "written" } else { "read" })]
    KnownHosts {
        /// The file.
        file: PathBuf,
        /// Whether a new key was to be written.
        writing: bool,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No key of the server is known.
    #[error(
        "no host key is known for the SSH server {name}; it shows {key}, and none is in {}",
        list(files)
    )]
    HostKeyUnknown {
        /// The name that was looked for, `host` or `[host]:port`.
        name: String,
        /// Type and fingerprint of its key.
        key: String,
        /// The files of known keys.
        files: Vec<PathBuf>,
        /// The command that adds the key.
        scan: String,
    },
    /// The server shows another key than the known ones.
    #[error(
        "THE HOST KEY OF {name} HAS CHANGED: it shows {key}, but {} line {line} says {known}; somebody may be in between",
        file.display()
    )]
    HostKeyChanged {
        /// The name that was looked for.
        name: String,
        /// Type and fingerprint of its key.
        key: String,
        /// Those of the known one.
        known: String,
        /// Where that stands.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The command that adds the key.
        scan: Box<str>,
    },
    /// The server shows a key that is marked `@revoked`.
    #[error("the host key of {name}, {key}, is revoked in {} line {line}; somebody may be in between", file.display())]
    HostKeyRevoked {
        /// The name that was looked for.
        name: String,
        /// Type and fingerprint of its key.
        key: String,
        /// Where it is revoked.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// No way of logging in was accepted.
    #[error(
        "the SSH server {server} refuses the login {user}: it accepts {accepts}; {}",
        tried(attempts)
    )]
    Authentication {
        /// Its address.
        server: String,
        /// The login.
        user: String,
        /// The methods that it accepts.
        accepts: String,
        /// What was tried, in order.
        attempts: Vec<Attempt>,
    },
    /// All connections are full.
    #[error(
        "{connections} connections with {channels} channels each to the SSH server {server} are in use"
    )]
    Full {
        /// Its address.
        server: String,
        /// `connections_per_host`.
        connections: usize,
        /// `channels_per_connection`.
        channels: usize,
    },
    /// The server cannot be reached through the one before it.
    #[error("the SSH server {server} cannot be reached through its jump host")]
    Jump {
        /// Its address.
        server: String,
        /// What happened at or before the jump host.
        #[source]
        source: Arc<Self>,
    },
    /// The server does not tunnel.
    #[error("the SSH server {server} forbids a tunnel to {target}")]
    Forbidden {
        /// Its address.
        server: String,
        /// Where it should have led.
        target: String,
    },
    /// The server could not connect to where it should.
    #[error("the SSH server {server} could not connect to {target}")]
    Refused {
        /// Its address.
        server: String,
        /// Where the tunnel should have led, as the server sees it.
        target: String,
        /// Whether that is a UNIX socket, of which OpenSSH's server does not tell a refusal from its own prohibition.
        is_socket: bool,
    },
    /// The connection broke.
    #[error("the connection to the SSH server {server} was lost")]
    Lost {
        /// Its address.
        server: String,
        /// What happened.
        #[source]
        source: Lost,
    },
}

/// What an SSH server did not do in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SshStep {
    /// TCP's connection.
    Connect,
    /// The key exchange.
    Handshake,
    /// The login.
    Authentication,
    /// The way to the console.
    Channel,
}

impl fmt::Display for SshStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "did not take the connection",
            Self::Handshake => "did not finish the key exchange",
            Self::Authentication => "did not finish the login",
            Self::Channel => "did not reach the console",
        })
    }
}

/// How a connection broke.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Lost {
    /// The server closed it.
    #[error("the server closed it")]
    Closed,
    /// The server closed it and said why.
    #[error("the server closed it: {0}")]
    Goodbye(String),
    /// We closed it: nobody needed it any more.
    #[error("it was no longer needed")]
    Unused,
    /// The network's error.
    #[error(transparent)]
    Io(Arc<io::Error>),
    /// What libssh2 said.
    #[error("{0}")]
    Protocol(String),
    /// The server answered no keep-alive for so long.
    #[error("no answer for {0:?}")]
    Silent(Duration),
}

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}

impl From<ssh2::Error> for Lost {
    fn from(error: ssh2::Error) -> Self {
        Self::Protocol(error.message().to_owned())
    }
}

/// One way of logging in and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// `key /root/.ssh/id_ed25519`, `the agent's key x`, `password`.
    pub what: String,
    /// `refused`, or why it was not tried.
    pub outcome: String,
}

fn tried(attempts: &[Attempt]) -> String {
    if attempts.is_empty() {
        return "there is no key, agent or password to try".into();
    }
    let each: Vec<String> =
        attempts.iter().map(|Attempt { what, outcome }| format!("{what} {outcome}")).collect();
    format!("tried: {}", each.join(", "))
}

fn list(files: &[PathBuf]) -> String {
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    if names.is_empty() { "any file, since none is configured".into() } else { names.join(" or ") }
}
