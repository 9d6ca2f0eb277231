//! The keys `ssh_…` outside of `[[hosts]]`: the bounds of SSH connections.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::reader::{Reader, seconds, whole};
use crate::server::TIMEOUT;
use crate::{KIB, MIB};

/// Default of [`SshLimits::connect_timeout`]: three of TCP's connection requests (after 0, 1, 3 and 7 s).
pub const DEFAULT_SSH_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Default of [`SshLimits::handshake_timeout`]: a slow machine takes a second for its key exchange.
pub const DEFAULT_SSH_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Default of [`SshLimits::auth_timeout`]: PAM waits some seconds after each wrong password.
pub const DEFAULT_SSH_AUTH_TIMEOUT: Duration = Duration::from_secs(20);

/// Default of [`SshLimits::channel_timeout`]: consoles are near their SSH server.
pub const DEFAULT_SSH_CHANNEL_TIMEOUT: Duration = Duration::from_secs(10);

/// Default of [`SshLimits::idle_timeout`]: who closes one console often opens the next.
pub const DEFAULT_SSH_IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Default of [`SshLimits::keepalive_interval`]: twice within the time after which many firewalls forget a connection.
pub const DEFAULT_SSH_KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// Default of [`SshLimits::keepalive_count`]: ssh_config's `ServerAliveCountMax`.
pub const DEFAULT_SSH_KEEPALIVE_COUNT: u32 = 3;

/// Default of [`SshLimits::channels_per_connection`]: a connection uses one processor core at most.
pub const DEFAULT_SSH_CHANNELS_PER_CONNECTION: usize = 64;

/// Default of [`SshLimits::connections_per_host`]: with 64 channels each, a thousand consoles on one host.
pub const DEFAULT_SSH_CONNECTIONS_PER_HOST: usize = 16;

/// Default of [`SshLimits::channel_buffer`]: 256 KiB, some 12 MiB/s over a line with a round trip of 20 ms.
pub const DEFAULT_SSH_CHANNEL_BUFFER: usize = 256 * KIB;

/// The bounds of SSH connections. The file's keys are the field's names with `ssh_` in front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshLimits {
    /// How long a server's name and TCP connection may take, 0.1 s to 1 h; ssh_config's `ConnectTimeout` comes before it. Default
    /// [`DEFAULT_SSH_CONNECT_TIMEOUT`].
    pub connect_timeout: Duration,
    /// How long the key exchange may take, 0.1 s to 1 h. Default [`DEFAULT_SSH_HANDSHAKE_TIMEOUT`].
    pub handshake_timeout: Duration,
    /// How long logging in may take, all methods together, 0.1 s to 1 h. Default [`DEFAULT_SSH_AUTH_TIMEOUT`].
    pub auth_timeout: Duration,
    /// How long the server may take to reach a console, 0.1 s to 1 h. Default [`DEFAULT_SSH_CHANNEL_TIMEOUT`].
    pub channel_timeout: Duration,
    /// How long a connection without a console is kept, 0.1 s to 1 h. Default [`DEFAULT_SSH_IDLE_TIMEOUT`].
    pub idle_timeout: Duration,
    /// A server that is silent for so long is probed, 2 s to 1 h. Default [`DEFAULT_SSH_KEEPALIVE_INTERVAL`].
    pub keepalive_interval: Duration,
    /// After how many probes without an answer, an interval each, a connection is given up, 1 to 100. Default
    /// [`DEFAULT_SSH_KEEPALIVE_COUNT`].
    pub keepalive_count: u32,
    /// The most consoles in one connection, 1 to 1000; a SPICE console counts for each of its channels. Default
    /// [`DEFAULT_SSH_CHANNELS_PER_CONNECTION`].
    pub channels_per_connection: usize,
    /// The most connections to one host, 1 to 1000. Default [`DEFAULT_SSH_CONNECTIONS_PER_HOST`].
    pub connections_per_host: usize,
    /// How many bytes of one console may be under way or wait in memory, 64 KiB to 16 MiB in bytes: SSH's window. Default
    /// [`DEFAULT_SSH_CHANNEL_BUFFER`].
    pub channel_buffer: usize,
}

impl Default for SshLimits {
    fn default() -> Self {
        Self {
            connect_timeout: DEFAULT_SSH_CONNECT_TIMEOUT,
            handshake_timeout: DEFAULT_SSH_HANDSHAKE_TIMEOUT,
            auth_timeout: DEFAULT_SSH_AUTH_TIMEOUT,
            channel_timeout: DEFAULT_SSH_CHANNEL_TIMEOUT,
            idle_timeout: DEFAULT_SSH_IDLE_TIMEOUT,
            keepalive_interval: DEFAULT_SSH_KEEPALIVE_INTERVAL,
            keepalive_count: DEFAULT_SSH_KEEPALIVE_COUNT,
            channels_per_connection: DEFAULT_SSH_CHANNELS_PER_CONNECTION,
            connections_per_host: DEFAULT_SSH_CONNECTIONS_PER_HOST,
            channel_buffer: DEFAULT_SSH_CHANNEL_BUFFER,
        }
    }
}

impl SshLimits {
    /// What the sources say over it.
    pub(crate) fn read(&mut self, from: &mut Reader<'_>) {
        let Self {
            connect_timeout,
            handshake_timeout,
            auth_timeout,
            channel_timeout,
            idle_timeout,
            keepalive_interval,
            keepalive_count,
            channels_per_connection,
            connections_per_host,
            channel_buffer,
        } = self;
        from.set("ssh_connect_timeout", connect_timeout, &seconds(TIMEOUT));
        from.set("ssh_handshake_timeout", handshake_timeout, &seconds(TIMEOUT));
        from.set("ssh_auth_timeout", auth_timeout, &seconds(TIMEOUT));
        from.set("ssh_channel_timeout", channel_timeout, &seconds(TIMEOUT));
        from.set("ssh_idle_timeout", idle_timeout, &seconds(TIMEOUT));
        from.set("ssh_keepalive_interval", keepalive_interval, &seconds(KEEPALIVE_INTERVAL));
        from.set("ssh_keepalive_count", keepalive_count, &whole(1..=100));
        from.set("ssh_channels_per_connection", channels_per_connection, &whole(1..=1000));
        from.set("ssh_connections_per_host", connections_per_host, &whole(1..=1000));
        from.set("ssh_channel_buffer", channel_buffer, &whole(64 * KIB..=16 * MIB));
    }
}

/// libssh2 sends no keep-alive sooner.
const KEEPALIVE_INTERVAL: RangeInclusive<f64> = 2.0..=3600.0;
