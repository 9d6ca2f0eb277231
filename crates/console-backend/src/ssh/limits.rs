//! The bounds of SSH connections.

use std::time::Duration;

/// The bounds of SSH connections and their channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshLimits {
    /// How long a server's name and TCP connection may take, where its own settings do not say. Default 10 s.
    pub connect_timeout: Duration,
    /// How long the key exchange may take. Default 10 s.
    pub handshake_timeout: Duration,
    /// How long logging in may take, all methods together. Default 20 s.
    pub auth_timeout: Duration,
    /// How long the server may take to reach a console. Default 10 s.
    pub channel_timeout: Duration,
    /// How long a connection without a channel is kept. Default 60 s.
    pub idle_timeout: Duration,
    /// A server that is silent for so long is probed, 2 s at least. Default 15 s.
    pub keepalive_interval: Duration,
    /// After how many probes without an answer, an interval each, a connection is given up. Default 3.
    pub keepalive_count: u32,
    /// The most channels in one connection, each of them a console (or a part of one, for SPICE). Default 64.
    pub channels_per_connection: usize,
    /// The most connections to one server. Default 16.
    pub connections_per_host: usize,
    /// How much of one channel may be under way or wait to be read, in bytes: SSH's window (RFC 4254 section 5.2). A channel that nobody
    /// reads costs so much and 64 KiB more, twice that at the worst. The window limits a channel to its size for each round trip (256 KiB in 20 ms are
    /// 12 MiB/s), and what waits in all of them is what a key press has to wait behind. Default 256 KiB.
    pub channel_window: u32,
}

impl Default for SshLimits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(10),
            auth_timeout: Duration::from_secs(20),
            channel_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            keepalive_interval: Duration::from_secs(15),
            keepalive_count: 3,
            channels_per_connection: 64,
            connections_per_host: 16,
            channel_window: 256 * 1024,
        }
    }
}
