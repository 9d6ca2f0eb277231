//! The settings of the console proxy: from where they come, what they may be, and what they are when nobody says anything.
//!
//! What it is: [`Settings::load`] lays built-in defaults, a TOML file, the environment and flags over each other (the later the
//! stronger) and checks the result: [`ServerSettings`] for the server and one [`HostSettings`] for each hypervisor.
//!
//! What it is not: it reads neither the process's environment nor its arguments (the caller hands both in), and it opens nothing but
//! the one file and the password files that it names. Whether a host can be reached, a port be bound or a folder be read is not its business.
//!
//! Invariants:
//!
//! - An unknown key, a wrong type and a value out of range are errors, never ignored and never corrected.
//! - All that is wrong with the values is reported at once, each with its source, its key, what was found (cut at 60 characters) and
//!   what is allowed.
//! - No password, nor a part of one, is in a message or in `Debug`.
//! - What passes is safe to use as it is: a [`PublicHost`] can stand in a header, a hostname in a URI.
//!
//! # Example
//!
//! ```
//! use console_config::{Flags, Settings, Sources};
//!
//! let settings = Settings::load(Sources {
//!     file: "/nonexistent/config.toml".into(),
//!     file_required: false,
//!     environment: vec![("WS_PORT".into(), "6081".into()), ("WS_HOST".into(), "::1".into())],
//!     flags: Flags { port: Some("6082".into()), ..Flags::default() },
//! })?;
//! assert_eq!((settings.server.host.as_str(), settings.server.port), ("::1", 6082));
//! assert!(settings.hosts.is_empty());
//!
//! let wrong = Sources { environment: vec![("WS_PORT".into(), "65536".into())], ..Sources::default() };
//! assert_eq!(
//!     Settings::load(wrong).unwrap_err().to_string(),
//!     "environment variable WS_PORT: port is 65536, allowed is 0 to 65535",
//! );
//! # Ok::<(), console_config::ConfigError>(())
//! ```

#![forbid(unsafe_code)]

mod endpoint;
mod error;
mod host;
mod host_name;
mod libvirt_uri;
mod password;
mod public_host;
mod reader;
mod server;
mod settings;
mod sources;
mod ssh;
mod ssh_limits;

pub use endpoint::Endpoint;
pub use error::{ConfigError, Problem};
pub use host::{Connection, HostSettings};
pub use password::Password;
pub use public_host::{PublicHost, PublicHostError};
pub use server::{
    DEFAULT_CLIENT_TIMEOUT, DEFAULT_CLOSE_TIMEOUT, DEFAULT_CONNECT_TIMEOUT, DEFAULT_EARLY_BYTES,
    DEFAULT_HEADER_TIMEOUT, DEFAULT_HOST, DEFAULT_LOOKUP_TIMEOUT, DEFAULT_MAX_CONNECTIONS,
    DEFAULT_MAX_MESSAGE_SIZE, DEFAULT_MAX_SESSIONS, DEFAULT_PING_INTERVAL, DEFAULT_PORT,
    DEFAULT_SHUTDOWN_TIMEOUT, ServerSettings,
};
pub use settings::Settings;
pub use sources::{DEFAULT_CONFIG_FILE, Flags, MAX_FILE_SIZE, Sources};
pub use ssh::{SshHostKeys, SshSettings, SshTunnel};
pub use ssh_limits::{
    DEFAULT_SSH_AUTH_TIMEOUT, DEFAULT_SSH_CHANNEL_BUFFER, DEFAULT_SSH_CHANNEL_TIMEOUT,
    DEFAULT_SSH_CHANNELS_PER_CONNECTION, DEFAULT_SSH_CONNECT_TIMEOUT,
    DEFAULT_SSH_CONNECTIONS_PER_HOST, DEFAULT_SSH_HANDSHAKE_TIMEOUT, DEFAULT_SSH_IDLE_TIMEOUT,
    DEFAULT_SSH_KEEPALIVE_COUNT, DEFAULT_SSH_KEEPALIVE_INTERVAL, SshLimits,
};

pub(crate) const KIB: usize = 1024;
pub(crate) const MIB: usize = 1024 * KIB;
