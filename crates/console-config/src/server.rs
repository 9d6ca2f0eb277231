//! What the server itself is told.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use crate::listen::{self, Listen};
use crate::origin::{self, OriginPolicy};
use crate::paths::absolute_rule;
use crate::public_address::{self, PublicAddress};
use crate::reader::{Reader, seconds, whole};
use crate::ssh_limits::SshLimits;
use crate::tls::{self, TlsFiles};
use crate::trusted_proxies::{self, TrustedProxies};
use crate::{KIB, MIB};

/// Default of [`ServerSettings::max_sessions`]: some hundred people with some consoles each; about 50 MiB of memory (`cargo xtask bench`).
pub const DEFAULT_MAX_SESSIONS: usize = 1000;

/// Default of [`ServerSettings::max_connections`]: every session, and as many pages that are being loaded.
pub const DEFAULT_MAX_CONNECTIONS: usize = 2000;

/// Default of [`ServerSettings::max_message_size`]: 1 MiB holds the longest clipboard text that HTML5 clients send in practice.
pub const DEFAULT_MAX_MESSAGE_SIZE: usize = MIB;

/// Default of [`ServerSettings::early_bytes`]: 64 KiB; a SPICE client's first message has about 100 bytes, a VNC client's none.
pub const DEFAULT_EARLY_BYTES: usize = 64 * KIB;

/// Default of [`ServerSettings::header_timeout`]: enough for a request of some KiB over the worst of lines.
pub const DEFAULT_HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Default of [`ServerSettings::lookup_timeout`]: opening libvirt over ssh takes half a second; whoever waits ten gives up.
pub const DEFAULT_LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);

/// Default of [`ServerSettings::connect_timeout`]: three of TCP's connection requests (after 0, 1, 3 and 7 s).
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Default of [`ServerSettings::ping_interval`]: twice within the 60 s after which nginx and others cut a silent connection.
pub const DEFAULT_PING_INTERVAL: Duration = Duration::from_secs(25);

/// Default of [`ServerSettings::client_timeout`]: three pings without an answer.
pub const DEFAULT_CLIENT_TIMEOUT: Duration = Duration::from_secs(75);

/// Default of [`ServerSettings::close_timeout`]: a browser answers a close frame within one round trip.
pub const DEFAULT_CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Default of [`ServerSettings::shutdown_timeout`]: time for every session's closing handshake, and well below the 90 s after which
/// systemd kills.
pub const DEFAULT_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// How the server listens, and its bounds. The field's names are the file's keys.
///
/// The ranges are those that the sources are held to; the type itself does not enforce them, so that tests and other programs can
/// be quicker or smaller than is sensible in earnest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// Keys `host` and `port`, or `listen`: where connections are accepted. Default [`DEFAULT_HOST`](crate::DEFAULT_HOST) and
    /// [`DEFAULT_PORT`](crate::DEFAULT_PORT). May be empty.
    pub listen: Vec<Listen>,
    /// The keys of TLS. Default none: plain only.
    pub tls: Option<TlsFiles>,
    /// What does not come encrypted is refused. Default no.
    pub ssl_only: bool,
    /// Keys `public_…`: the address that browsers connect to.
    pub public: PublicAddress,
    /// Keys `origin_check` and `allowed_origins`: whose pages may open consoles.
    pub origins: OriginPolicy,
    /// Reverse proxies whose word about the client is believed. Default none.
    pub trusted_proxies: TrustedProxies,
    /// The folder of the HTML5 client's files, an absolute path. Default none: it is looked for in the usual places.
    pub web_root: Option<PathBuf>,
    /// The same for the folder of spice-html5's files. Default none.
    pub spice_root: Option<PathBuf>,
    /// The most sessions at a time, 1 to 1 000 000 and no more than `max_connections`. Default [`DEFAULT_MAX_SESSIONS`].
    pub max_sessions: usize,
    /// The most TCP connections at a time, sessions included, 1 to 1 000 000. Default [`DEFAULT_MAX_CONNECTIONS`].
    pub max_connections: usize,
    /// The largest WebSocket message from a client, 64 KiB to 64 MiB in bytes. Default [`DEFAULT_MAX_MESSAGE_SIZE`].
    pub max_message_size: usize,
    /// How many of a client's bytes are kept until its backend is open, 1 KiB to 16 MiB in bytes. Default [`DEFAULT_EARLY_BYTES`].
    pub early_bytes: usize,
    /// How long the head of an HTTP request may take as a whole, 0.1 s to 1 h. Default [`DEFAULT_HEADER_TIMEOUT`].
    pub header_timeout: Duration,
    /// How long libvirt may take to answer, opening the connection to it included, 0.1 s to 1 h. Default
    /// [`DEFAULT_LOOKUP_TIMEOUT`].
    pub lookup_timeout: Duration,
    /// How long opening a backend may take, 0.1 s to 1 h. Default [`DEFAULT_CONNECT_TIMEOUT`].
    pub connect_timeout: Duration,
    /// How often an idle client is pinged, 0.1 s to 50 s. Default [`DEFAULT_PING_INTERVAL`].
    pub ping_interval: Duration,
    /// A session whose client sends no byte for so long ends, 0.1 s to 1 h and longer than `ping_interval`. Default
    /// [`DEFAULT_CLIENT_TIMEOUT`].
    pub client_timeout: Duration,
    /// How long the closing handshake and the draining of a session may take, 0.1 s to 1 h. Default [`DEFAULT_CLOSE_TIMEOUT`].
    pub close_timeout: Duration,
    /// How long sessions may take to end when the server stops, 0.1 s to 1 h. Default [`DEFAULT_SHUTDOWN_TIMEOUT`].
    pub shutdown_timeout: Duration,
    /// The keys `ssh_…`: the bounds of the connections to hosts' SSH servers.
    pub ssh: SshLimits,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            listen: listen::default(),
            tls: None,
            ssl_only: false,
            public: PublicAddress::default(),
            origins: OriginPolicy::default(),
            trusted_proxies: TrustedProxies::default(),
            web_root: None,
            spice_root: None,
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
            ssh: SshLimits::default(),
        }
    }
}

impl ServerSettings {
    /// Defaults, and what the sources say over them.
    pub(crate) fn read(from: &mut Reader<'_>) -> Self {
        let mut settings = Self::default();
        let Self {
            listen,
            tls,
            ssl_only,
            public,
            origins,
            trusted_proxies,
            web_root,
            spice_root,
            max_sessions,
            max_connections,
            max_message_size,
            early_bytes,
            header_timeout,
            lookup_timeout,
            connect_timeout,
            ping_interval,
            client_timeout,
            close_timeout,
            shutdown_timeout,
            ssh,
        } = &mut settings;
        *listen = listen::read(from);
        (*tls, *ssl_only) = tls::read(from);
        *public = public_address::read(from);
        *origins = origin::read(from);
        *trusted_proxies = trusted_proxies::read(from);
        tls::compare(from, *ssl_only, trusted_proxies);
        // Read with the sources; here it only counts as known.
        from.optional("django_settings", &absolute_rule());
        *web_root = from.optional("web_root", &absolute_rule());
        *spice_root = from.optional("spice_root", &absolute_rule());
        from.set("max_sessions", max_sessions, &whole(1..=1_000_000));
        from.set("max_connections", max_connections, &whole(1..=1_000_000));
        from.set("max_message_size", max_message_size, &whole(64 * KIB..=64 * MIB));
        from.set("early_bytes", early_bytes, &whole(KIB..=16 * MIB));
        from.set("header_timeout", header_timeout, &seconds(TIMEOUT));
        from.set("lookup_timeout", lookup_timeout, &seconds(TIMEOUT));
        from.set("connect_timeout", connect_timeout, &seconds(TIMEOUT));
        from.set("ping_interval", ping_interval, &seconds(PING_INTERVAL));
        from.set("client_timeout", client_timeout, &seconds(TIMEOUT));
        from.set("close_timeout", close_timeout, &seconds(TIMEOUT));
        from.set("shutdown_timeout", shutdown_timeout, &seconds(TIMEOUT));
        ssh.read(from);
        settings.compare(from);
        settings
    }

    /// What only two values together can break, if each of them is right; the complaint goes to the one that somebody wrote.
    fn compare(&self, from: &mut Reader<'_>) {
        if !from.is_faultless() {
            return;
        }
        let (ping, client) = (self.ping_interval.as_secs_f64(), self.client_timeout.as_secs_f64());
        if client <= ping {
            let (key, what) = if from.has("client_timeout") {
                ("client_timeout", format!("it must be more than ping_interval, {ping}"))
            } else {
                ("ping_interval", format!("it must be less than client_timeout, {client}"))
            };
            from.reject(key, &what);
        }
        let (sessions, connections) = (self.max_sessions, self.max_connections);
        if sessions > connections {
            let (key, what) = if from.has("max_sessions") {
                ("max_sessions", format!("it must not be more than max_connections, {connections}"))
            } else {
                ("max_connections", format!("it must not be less than max_sessions, {sessions}"))
            };
            from.reject(key, &what);
        }
        let is_proxied = self.listen.iter().any(|listen| listen.proxy_protocol);
        if is_proxied && self.trusted_proxies.is_empty() {
            from.refuse("listen", |key| {
                format!(
                    "{key} expects the PROXY protocol, but nobody is trusted to speak it; write the reverse proxy's address into trusted_proxies"
                )
            });
        }
    }
}

/// Seconds that a wait may have as its bound: below, nothing would ever succeed, and above, it would be no bound.
pub(crate) const TIMEOUT: RangeInclusive<f64> = 0.1..=3600.0;

/// Proxies cut what is silent for 60 s; some room is left for a slow line.
const PING_INTERVAL: RangeInclusive<f64> = 0.1..=50.0;
