//! Values against their ranges.

use std::collections::HashSet;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use console_token::HostId;
use figment::Figment;

use crate::error::shorten;
use crate::hosts::{Connection, HostSettings};
use crate::load::Settings;
use crate::public_host::is_name;
use crate::raw::{Raw, RawHost};
use crate::server::ServerSettings;

/// Collects every value that is out of its range.
pub(crate) struct Check<'a> {
    pub(crate) figment: &'a Figment,
    pub(crate) problems: Vec<String>,
}

impl Check<'_> {
    /// The settings; where `problems` is not empty they are not to be used.
    pub(crate) fn settings(&mut self, raw: Raw) -> Settings {
        let default = ServerSettings::default();
        let server = ServerSettings {
            host: self.host(raw.host, default.host),
            port: self.number("port", raw.port, default.port, 0..=65535),
            public_host: raw.public_host.and_then(|text| {
                text.parse().map_err(|error| self.note("public_host", &text, &error)).ok()
            }),
            web_root: raw.web_root.map(PathBuf::from).filter(|folder| {
                let absolute = folder.is_absolute();
                if !absolute {
                    self.note("web_root", &folder.display(), &"allowed is an absolute path");
                }
                absolute
            }),
            max_sessions: self.number(
                "max_sessions",
                raw.max_sessions,
                default.max_sessions,
                1..=MILLION,
            ),
            max_connections: self.number(
                "max_connections",
                raw.max_connections,
                default.max_connections,
                1..=MILLION,
            ),
            max_message_size: self.number(
                "max_message_size",
                raw.max_message_size,
                default.max_message_size,
                64 * KIB..=64 * KIB * KIB,
            ),
            early_bytes: self.number(
                "early_bytes",
                raw.early_bytes,
                default.early_bytes,
                KIB..=16 * KIB * KIB,
            ),
            header_timeout: self.seconds(
                "header_timeout",
                raw.header_timeout,
                default.header_timeout,
            ),
            lookup_timeout: self.seconds(
                "lookup_timeout",
                raw.lookup_timeout,
                default.lookup_timeout,
            ),
            connect_timeout: self.seconds(
                "connect_timeout",
                raw.connect_timeout,
                default.connect_timeout,
            ),
            ping_interval: self.seconds("ping_interval", raw.ping_interval, default.ping_interval),
            client_timeout: self.seconds(
                "client_timeout",
                raw.client_timeout,
                default.client_timeout,
            ),
            close_timeout: self.seconds("close_timeout", raw.close_timeout, default.close_timeout),
            shutdown_timeout: self.seconds(
                "shutdown_timeout",
                raw.shutdown_timeout,
                default.shutdown_timeout,
            ),
        };
        if server.client_timeout <= server.ping_interval {
            let found = server.client_timeout.as_secs_f64();
            let interval = server.ping_interval.as_secs_f64();
            self.note(
                "client_timeout",
                &found,
                &format!("it must be more than ping_interval, {interval}"),
            );
        }
        let mut known = HashSet::new();
        let hosts = raw.hosts.into_iter().enumerate();
        Settings {
            server,
            hosts: hosts
                .filter_map(|(index, raw)| self.hypervisor(index, raw, &mut known))
                .collect(),
        }
    }

    fn host(&mut self, raw: Option<String>, default: String) -> String {
        let Some(found) = raw else { return default };
        plain_host(&found).unwrap_or_else(|| {
            self.note("host", &found, &"allowed is an address or a name, without a port");
            default
        })
    }

    fn hypervisor(
        &mut self,
        index: usize,
        raw: RawHost,
        known: &mut HashSet<HostId>,
    ) -> Option<HostSettings> {
        let key = |name: &str| format!("hosts[{index}].{name}");
        let id = match u64::try_from(raw.id) {
            Ok(id) => HostId::new(id),
            Err(_) => return self.wrong(&key("id"), &raw.id, &"allowed is 0 or more"),
        };
        if !known.insert(id) {
            return self.wrong(&key("id"), &id, &"another host has this id already");
        }
        let uri = raw.uri;
        if let Some(found) = uri.as_ref().filter(|uri| !is_uri(uri)) {
            return self.wrong(
                &key("uri"),
                found,
                &"allowed is a libvirt URI such as qemu:///system, without blanks",
            );
        }
        let connection = match (raw.connection.as_str(), raw.hostname) {
            ("socket", None) => Connection::Socket,
            ("socket", Some(found)) => {
                return self.wrong(
                    &key("hostname"),
                    &found,
                    &"a host with connection = \"socket\" is this machine; remove hostname, or write connection = \"tcp\"",
                );
            }
            ("tcp", Some(found)) => match plain_host(&found) {
                Some(hostname) => Connection::Tcp { hostname },
                None => {
                    return self.wrong(
                        &key("hostname"),
                        &found,
                        &"allowed is an address or a name, without a port",
                    );
                }
            },
            ("tcp", None) => {
                return self.wrong(
                    &key("connection"),
                    &"tcp",
                    &"it needs hostname, the hypervisor's name or address",
                );
            }
            ("tls" | "ssh", _) => {
                return self.wrong(
                    &key("connection"),
                    &raw.connection,
                    &"this version supports socket and tcp only",
                );
            }
            _ => {
                return self.wrong(
                    &key("connection"),
                    &raw.connection,
                    &"allowed is socket, tcp, tls or ssh",
                );
            }
        };
        let name = raw.name.filter(|name| !name.trim().is_empty());
        Some(HostSettings {
            id,
            name: name.unwrap_or_else(|| format!("host {id}")),
            connection,
            uri,
        })
    }

    fn number<T>(
        &mut self,
        key: &str,
        raw: Option<i64>,
        default: T,
        allowed: RangeInclusive<i64>,
    ) -> T
    where
        T: TryFrom<i64>,
    {
        let Some(found) = raw else { return default };
        match T::try_from(found) {
            Ok(number) if allowed.contains(&found) => number,
            _ => {
                let range = format!("allowed is {} to {}", allowed.start(), allowed.end());
                self.wrong(key, &found, &range).unwrap_or(default)
            }
        }
    }

    fn seconds(&mut self, key: &str, raw: Option<f64>, default: Duration) -> Duration {
        let Some(found) = raw else { return default };
        match Duration::try_from_secs_f64(found) {
            Ok(duration) if SECONDS.contains(&found) => duration,
            _ => {
                let range = format!("allowed is {} to {} seconds", SECONDS.start(), SECONDS.end());
                self.wrong(key, &found, &range).unwrap_or(default)
            }
        }
    }

    /// Notes a fault where a value was wanted.
    fn wrong<T>(&mut self, key: &str, found: &dyn Display, allowed: &dyn Display) -> Option<T> {
        self.note(key, found, allowed);
        None
    }

    fn note(&mut self, key: &str, found: &dyn Display, allowed: &dyn Display) {
        let top = key.split('[').next().unwrap_or(key);
        let source = self.figment.find_metadata(top).map(|metadata| metadata.name.as_ref());
        let found = shorten(&found.to_string());
        let source = source.map(|source| format!("{source}: ")).unwrap_or_default();
        self.problems.push(format!("{source}{key} is {found}, {allowed}"));
    }
}

/// An address, with or without brackets, or a name.
fn plain_host(text: &str) -> Option<String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let valid = bare.parse::<std::net::IpAddr>().is_ok() || (bare == text && is_name(text));
    valid.then(|| bare.to_owned())
}

/// A scheme and what follows it; libvirt itself knows the rest.
fn is_uri(text: &str) -> bool {
    let scheme = text.split_once(":").map(|(scheme, _)| scheme).unwrap_or_default();
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

const SECONDS: RangeInclusive<f64> = 0.1..=3600.0;
const KIB: i64 = 1024;
const MILLION: i64 = 1_000_000;
