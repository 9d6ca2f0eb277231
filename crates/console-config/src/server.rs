//! The server's settings and their defaults.

use std::path::PathBuf;
use std::time::Duration;

use crate::public_host::PublicHost;

/// The settings of the server itself. [`Default`] is what an empty configuration means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// Address or name to listen on, IPv6 without brackets. Key `host`, `WS_HOST`; default [`DEFAULT_HOST`].
    pub host: String,
    /// TCP port to listen on; 0 lets the system choose. Key `port`, `WS_PORT`; default [`DEFAULT_PORT`].
    pub port: u16,
    /// The name (and port) that browsers reach this server by, where it is not the one they loaded the page from. Key `public_host`,
    /// `WS_PUBLIC_HOST`; default none.
    pub public_host: Option<PublicHost>,
    /// The folder with noVNC's files (it has `core/rfb.js`). Key `web_root`; by default it is looked for.
    pub web_root: Option<PathBuf>,
    /// The most sessions at the same time, 1 to 1,000,000; one more is closed with 1013. Key `max_sessions`; default [`DEFAULT_MAX_SESSIONS`].
    pub max_sessions: usize,
    /// The most connections at the same time, 1 to 1,000,000; one more waits in the system's queue. Key `max_connections`;
    /// default [`DEFAULT_MAX_CONNECTIONS`].
    pub max_connections: usize,
    /// The largest message from a client in bytes, 64 KiB to 64 MiB. Key `max_message_size`; default [`DEFAULT_MAX_MESSAGE_SIZE`].
    pub max_message_size: usize,
    /// How many of a client's bytes are kept until its console is open, 1 KiB to 16 MiB. Key `early_bytes`; default [`DEFAULT_EARLY_BYTES`].
    pub early_bytes: usize,
    /// How long a client may take for the head of a request. Key `header_timeout`; default [`DEFAULT_HEADER_TIMEOUT`].
    pub header_timeout: Duration,
    /// How long libvirt may take for its answer, the opening of the connection included. Key `lookup_timeout`; default
    /// [`DEFAULT_LOOKUP_TIMEOUT`].
    pub lookup_timeout: Duration,
    /// How long opening a console may take. Key `connect_timeout`; default [`DEFAULT_CONNECT_TIMEOUT`].
    pub connect_timeout: Duration,
    /// How often a client is pinged. Key `ping_interval`; default [`DEFAULT_PING_INTERVAL`].
    pub ping_interval: Duration,
    /// A client that is not heard for so long (pongs included) is given up, and so is a console that takes no byte; more than
    /// `ping_interval`. Key `client_timeout`; default [`DEFAULT_CLIENT_TIMEOUT`].
    pub client_timeout: Duration,
    /// How long the WebSocket's closing handshake and the draining of both sides may take. Key `close_timeout`; default
    /// [`DEFAULT_CLOSE_TIMEOUT`].
    pub close_timeout: Duration,
    /// How long sessions may take to end after SIGTERM before they are cut off. Key `shutdown_timeout`; default [`DEFAULT_SHUTDOWN_TIMEOUT`].
    pub shutdown_timeout: Duration,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            host: DEFAULT_HOST.into(),
            port: DEFAULT_PORT,
            public_host: None,
            web_root: None,
            max_sessions: DEFAULT_MAX_SESSIONS,
            max_connections: DEFAULT_MAX_CONNECTIONS,
            max_message_size: DEFAULT_MAX_MESSAGE_SIZE,
            early_bytes: DEFAULT_EARLY_BYTES,
            header_timeout: DEFAULT_HEADER_TIMEOUT,
            lookup_timeout: DEFAULT_LOOKUP_TIMEOUT,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            ping_interval: DEFAULT_PING_INTERVAL,
            client_timeout: DEFAULT_CLIENT_TIMEOUT,
            close_timeout: DEFAULT_CLOSE_TIMEOUT,
            shutdown_timeout: DEFAULT_SHUTDOWN_TIMEOUT,
        }
    }
}

/// All IPv4 addresses, as WebVirtMgr's script listens.
pub const DEFAULT_HOST: &str = "0.0.0.0";
/// WebVirtMgr's port, in the configuration of every web panel and firewall that uses it.
pub const DEFAULT_PORT: u16 = 6080;
/// Some hundred people with some consoles each; about 50 MiB of memory (`cargo xtask bench`).
pub const DEFAULT_MAX_SESSIONS: usize = 1000;
/// Every session, and as many pages being loaded.
pub const DEFAULT_MAX_CONNECTIONS: usize = 2000;
/// The longest clipboard text that a client sends in practice.
pub const DEFAULT_MAX_MESSAGE_SIZE: usize = 1024 * 1024;
/// A SPICE client's first message has about 100 bytes, a VNC client's none.
pub const DEFAULT_EARLY_BYTES: usize = 64 * 1024;
/// A browser sends its request at once; this is for the slowest lines.
pub const DEFAULT_HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// libvirt answers in milliseconds, and opens a connection within one second.
pub const DEFAULT_LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);
/// Longer than three lost SYN packets take.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Reverse proxies cut what is silent for 60 s.
pub const DEFAULT_PING_INTERVAL: Duration = Duration::from_secs(25);
/// Three pings.
pub const DEFAULT_CLIENT_TIMEOUT: Duration = Duration::from_secs(75);
/// A browser answers within one round trip.
pub const DEFAULT_CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Twice the closing of one session; systemd waits 90 s.
pub const DEFAULT_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);
