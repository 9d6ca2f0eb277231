//! Every key outside of `[[hosts]]`: the one definition that the environment, the flags, `--print-config`, the manual page and
//! docs/operations.md are made of.

/// One key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name in the file. In the environment and in Django's settings it is called `WS_` and this in capitals.
    pub name: &'static str,
    /// How its text is read where a source knows no types.
    pub kind: Kind,
    /// Its flag, if it has one.
    pub flag: Option<KeyFlag>,
    /// Its default as TOML; empty where there is none.
    pub default: &'static str,
    /// What its value may be, for people.
    pub allowed: &'static str,
    /// What it does, for people.
    pub what: &'static str,
}

/// A key's flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyFlag {
    /// The letter, if there is one; the long form is the key's name with dashes.
    pub short: Option<char>,
    /// What its value is called; none for a switch.
    pub value: Option<&'static str>,
}

/// How a text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As it is.
    Text,
    /// As a number.
    Number,
    /// As `true`, `yes`, `on` or `1`, or `false`, `no`, `off` or `0`.
    Switch,
    /// As texts with commas in between.
    List,
}

impl Key {
    /// The name in the environment and in Django's settings: `WS_PUBLIC_HOST`.
    pub fn variable(&self) -> String {
        format!("WS_{}", self.name.to_ascii_uppercase())
    }

    /// The long flag without its dashes, whether there is one or not: `public-host`.
    pub fn long(&self) -> String {
        self.name.replace('_', "-")
    }

    /// The flag as people write it: `-H, --host`.
    pub fn flag_text(&self) -> Option<String> {
        let flag = self.flag?;
        let long = format!("--{}", self.long());
        Some(match flag.short {
            Some(short) => format!("-{short}, {long}"),
            None => long,
        })
    }

    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name)
    }
}

const fn key(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    allowed: &'static str,
    what: &'static str,
) -> Key {
    Key { name, kind, flag: None, default, allowed, what }
}

const fn flag(key: Key, short: Option<char>, value: Option<&'static str>) -> Key {
    Key { flag: Some(KeyFlag { short, value }), ..key }
}

use Kind::{List, Number, Switch, Text};

const SECONDS: &str = "0.1 to 3600 seconds";

/// All keys outside of `[[hosts]]`, in the order in which people read them.
pub const KEYS: &[Key] = &[
    // Where it listens.
    flag(
        key(
            "host",
            Text,
            "\"0.0.0.0\"",
            "address or name",
            "listens on this address; `::` is every IPv4 and IPv6 address",
        ),
        Some('H'),
        Some("HOST"),
    ),
    flag(
        key(
            "port",
            Number,
            "6080",
            "0 to 65535",
            "listens on this TCP port; 0 lets the system choose, and the log says which",
        ),
        Some('p'),
        Some("PORT"),
    ),
    flag(
        key(
            "listen",
            List,
            "",
            "addresses, see below",
            "listens on all of these, in place of `host` and `port`",
        ),
        None,
        Some("ADDRESS,..."),
    ),
    // TLS.
    flag(
        key(
            "cert",
            Text,
            "",
            "absolute path",
            "PEM file with the certificate, its chain and, unless `key` is set, the private key; without it there is no TLS",
        ),
        Some('c'),
        Some("FILE"),
    ),
    flag(
        key("key", Text, "", "absolute path", "PEM file with the private key"),
        Some('k'),
        Some("FILE"),
    ),
    flag(
        key(
            "ssl_only",
            Switch,
            "false",
            "true, false",
            "refuses connections that are not encrypted",
        ),
        None,
        None,
    ),
    key("tls_min_version", Text, "\"1.2\"", "1.2, 1.3", "the oldest version of TLS"),
    key(
        "client_ca",
        Text,
        "",
        "absolute path",
        "asks clients for certificates that are signed by an authority in this PEM file",
    ),
    key(
        "client_certificate",
        Text,
        "",
        "required, optional",
        "with `client_ca`: whether a client without a certificate is refused; by default it is",
    ),
    // The address that browsers connect to.
    flag(
        key(
            "public_host",
            Text,
            "",
            "name or address, with `:port` if need be",
            "the name that browsers connect to, if not the one they loaded the page from",
        ),
        None,
        Some("HOST"),
    ),
    flag(
        key("public_port", Number, "", "1 to 65535", "the port that browsers connect to"),
        None,
        Some("PORT"),
    ),
    flag(
        key(
            "public_path",
            Text,
            "",
            "path, as in `/novncd/`",
            "the path that browsers connect to, which a reverse proxy leads here",
        ),
        None,
        Some("PATH"),
    ),
    // Who may talk to it.
    key(
        "origin_check",
        Text,
        "",
        "enforce, warn, off",
        "what is done about pages of other sites; by default `enforce` with `public_host` or `allowed_origins`, else `warn`",
    ),
    key(
        "allowed_origins",
        List,
        "[]",
        "names, as in `panel.example.org`, or with `https://`",
        "sites whose pages may open consoles, besides the proxy's own names",
    ),
    key(
        "trusted_proxies",
        List,
        "[]",
        "addresses, networks (`10.0.0.0/8`), `unix`",
        "reverse proxies whose X-Forwarded-For, X-Forwarded-Proto and PROXY protocol are believed",
    ),
    // The application.
    flag(
        key(
            "django_settings",
            Text,
            "",
            "absolute path",
            "reads the `WS_...` of WebVirtMgr's or WebVirtCloud's settings.py; all other sources are stronger",
        ),
        None,
        Some("FILE"),
    ),
    // The hypervisors.
    flag(
        key(
            "database_url",
            Text,
            "",
            "`sqlite:///path`, `postgresql://…`, `mysql://…`",
            "WebVirtMgr's or WebVirtCloud's database, where the hypervisors and their guests are",
        ),
        None,
        Some("URL"),
    ),
    key(
        "database_password_file",
        Text,
        "",
        "absolute path",
        "the database's password: the whole file but for one line end, read at start",
    ),
    key("database_timeout", Number, "5", SECONDS, "for the database's answer, connecting included"),
    key(
        "ssh_key",
        Text,
        "",
        "absolute path",
        "as in `[[hosts]]`, for the database's hosts and those without their own",
    ),
    key("ssh_known_hosts", Text, "", "absolute path", "likewise"),
    key("ssh_config", Text, "", "absolute path", "likewise"),
    key("ssh_tunnel", Text, "\"when-needed\"", "when-needed, always", "likewise"),
    key(
        "ssh_host_keys",
        Text,
        "",
        "strict, accept-new",
        "likewise; by default as ssh_config's `StrictHostKeyChecking` says",
    ),
    // The page.
    key(
        "web_root",
        Text,
        "",
        "absolute path",
        "noVNC's folder (it has `core/rfb.js`); found by itself in the usual places",
    ),
    key(
        "spice_root",
        Text,
        "",
        "absolute path",
        "spice-html5's folder (it has `spiceconn.js`); found by itself in the usual places",
    ),
    // Bounds.
    key(
        "max_sessions",
        Number,
        "1000",
        "1 to 1000000, at most `max_connections`",
        "one more is closed with 1013",
    ),
    key("max_connections", Number, "2000", "1 to 1000000", "one more waits for a place"),
    key(
        "max_message_size",
        Number,
        "1048576",
        "65536 to 67108864 bytes",
        "the largest message from a client",
    ),
    key(
        "early_bytes",
        Number,
        "65536",
        "1024 to 16777216 bytes",
        "what is kept of a client until its console is open",
    ),
    key(
        "header_timeout",
        Number,
        "10",
        SECONDS,
        "for each: a PROXY header and the first byte, a TLS handshake, the head of a request",
    ),
    key(
        "lookup_timeout",
        Number,
        "10",
        SECONDS,
        "for libvirt's answer, opening the connection included",
    ),
    key("connect_timeout", Number, "10", SECONDS, "for opening a console by TCP or a UNIX socket"),
    key(
        "ping_interval",
        Number,
        "25",
        "0.1 to 50 seconds",
        "between pings; reverse proxies cut what is silent for 60 s",
    ),
    key(
        "client_timeout",
        Number,
        "75",
        "0.1 to 3600 seconds, more than `ping_interval`",
        "a client not heard for so long is given up, and a console that takes nothing",
    ),
    key("close_timeout", Number, "5", SECONDS, "for the closing handshake and draining"),
    key("shutdown_timeout", Number, "10", SECONDS, "for the sessions' end after SIGTERM"),
    key(
        "ssh_connect_timeout",
        Number,
        "10",
        SECONDS,
        "for an SSH server's name and TCP connection; ssh_config's `ConnectTimeout` comes before it",
    ),
    key("ssh_handshake_timeout", Number, "10", SECONDS, "for SSH's key exchange"),
    key("ssh_auth_timeout", Number, "20", SECONDS, "for logging in, all methods together"),
    key("ssh_channel_timeout", Number, "10", SECONDS, "for an SSH server to reach a console"),
    key(
        "ssh_idle_timeout",
        Number,
        "60",
        SECONDS,
        "an SSH connection without a console is kept so long",
    ),
    key(
        "ssh_keepalive_interval",
        Number,
        "15",
        "2 to 3600 seconds",
        "an SSH server that is silent for so long is probed",
    ),
    key(
        "ssh_keepalive_count",
        Number,
        "3",
        "1 to 100",
        "so many probes without an answer end the connection and its sessions",
    ),
    key(
        "ssh_channels_per_connection",
        Number,
        "64",
        "1 to 1000",
        "one more console opens a further SSH connection; a SPICE console counts for each of its channels",
    ),
    key(
        "ssh_connections_per_host",
        Number,
        "16",
        "1 to 1000",
        "when all are full, a further console is refused with 4502",
    ),
    key(
        "ssh_channel_buffer",
        Number,
        "262144",
        "65536 to 16777216 bytes",
        "what of one console may be under way or wait in memory; see below",
    ),
];
