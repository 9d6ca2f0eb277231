//! The settings of the console proxy: from where they come, what they may be, and what they are when nobody says anything.
//!
//! What it is: [`Settings::load`] lays built-in defaults, the panel's Django settings, a TOML file, the environment and flags over each
//! other (the later the stronger) and checks the result: [`ServerSettings`] for the server and one [`HostSettings`] for each
//! hypervisor. [`KEYS`] defines them all, and [`Effective`] says what holds and where it comes from.
//!
//! What it is not: it reads neither the process's environment nor its arguments (the caller hands both in), it runs no Python, and it opens
//! nothing but the one file, and the Django settings and password files that it names. Whether a host can be reached, a port be bound or a
//! certificate be read is not its business.
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
//! use console_config::{Flag, Settings, Sources};
//!
//! let loaded = Settings::load(Sources {
//!     file: "/nonexistent/config.toml".into(),
//!     file_required: false,
//!     environment: vec![("WS_PORT".into(), "6081".into()), ("WS_HOST".into(), "::1".into())],
//!     flags: vec![Flag { key: "port", value: "6082".into() }],
//! })?;
//! assert_eq!(loaded.settings.server.listen[0].address.to_string(), "[::1]:6082");
//! assert!(loaded.settings.hosts.is_empty());
//! assert!(loaded.effective.to_string().contains("port = 6082  # flag -p, --port"));
//!
//! let wrong = Sources { environment: vec![("WS_PORT".into(), "65536".into())], ..Sources::default() };
//! assert_eq!(
//!     Settings::load(wrong).unwrap_err().to_string(),
//!     "environment variable WS_PORT: port is 65536, allowed is 0 to 65535",
//! );
//! # Ok::<(), console_config::ConfigError>(())
//! ```

#![forbid(unsafe_code)]

mod database;
mod django;
mod effective;
mod error;
mod host;
mod keys;
mod layer;
mod libvirt_uri;
mod listen;
mod origin;
mod password;
mod paths;
mod public_address;
mod public_host;
mod reader;
mod server;
mod settings;
mod sources;
mod ssh;
mod ssh_limits;
mod tls;
mod trusted_proxies;

pub use database::{DEFAULT_DATABASE_TIMEOUT, DatabaseSettings};
pub use database_url::DatabaseUrl;
pub use django::Note;
pub use effective::Effective;
pub use error::{ConfigError, Problem};
pub use host::{Connection, HostSettings};
pub use host_endpoint::Endpoint;
pub use keys::{KEYS, Key, KeyFlag, Kind};
pub use listen::{DEFAULT_HOST, DEFAULT_PORT, DEFAULT_SOCKET_MODE, Listen, ListenAddress};
pub use origin::{AllowedOrigin, OriginCheck, OriginPolicy};
pub use password::Password;
pub use public_address::{PublicAddress, PublicPath, PublicPathError};
pub use public_host::{PublicHost, PublicHostError};
pub use server::{
    DEFAULT_CLIENT_TIMEOUT, DEFAULT_CLOSE_TIMEOUT, DEFAULT_CONNECT_TIMEOUT, DEFAULT_EARLY_BYTES,
    DEFAULT_HEADER_TIMEOUT, DEFAULT_LOOKUP_TIMEOUT, DEFAULT_MAX_CONNECTIONS,
    DEFAULT_MAX_MESSAGE_SIZE, DEFAULT_MAX_SESSIONS, DEFAULT_PING_INTERVAL,
    DEFAULT_SHUTDOWN_TIMEOUT, ServerSettings,
};
pub use settings::{Loaded, Settings};
pub use sources::{DEFAULT_CONFIG_FILE, Flag, MAX_FILE_SIZE, Sources};
pub use ssh::{SshHostKeys, SshSettings, SshTunnel};
pub use ssh_limits::{
    DEFAULT_SSH_AUTH_TIMEOUT, DEFAULT_SSH_CHANNEL_BUFFER, DEFAULT_SSH_CHANNEL_TIMEOUT,
    DEFAULT_SSH_CHANNELS_PER_CONNECTION, DEFAULT_SSH_CONNECT_TIMEOUT,
    DEFAULT_SSH_CONNECTIONS_PER_HOST, DEFAULT_SSH_HANDSHAKE_TIMEOUT, DEFAULT_SSH_IDLE_TIMEOUT,
    DEFAULT_SSH_KEEPALIVE_COUNT, DEFAULT_SSH_KEEPALIVE_INTERVAL, SshLimits,
};
pub use tls::{ClientCa, MinTlsVersion, TlsFiles};
pub use trusted_proxies::TrustedProxies;

pub(crate) const KIB: usize = 1024;
pub(crate) const MIB: usize = 1024 * KIB;
