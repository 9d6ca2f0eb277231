//! `host` and `port`, or `listen`: where connections are accepted.

use std::fmt;
use std::path::PathBuf;

use figment::value::Value;

use crate::paths::absolute;
use crate::reader::{Reader, Rule, found, shown, text, whole};
use host_endpoint::{Endpoint, host_name};

/// Default of `host`: every IPv4 address, as the Python script listens.
pub const DEFAULT_HOST: &str = "0.0.0.0";

/// Default of `port`: where WebVirtMgr, WebVirtCloud and websockify expect a console proxy.
pub const DEFAULT_PORT: u16 = 6080;

/// Default of a UNIX socket's `mode`: for the service's user and group.
pub const DEFAULT_SOCKET_MODE: u32 = 0o660;

/// One place to accept connections at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Where.
    pub address: ListenAddress,
    /// Whether each connection begins with a PROXY protocol header. Default no.
    pub proxy_protocol: bool,
}

/// Where connections are accepted.
///
/// Exhaustive on purpose: who opens it must not overlook a new way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// A TCP port.
    Tcp {
        /// An address, or a name, all of whose addresses are meant; IPv6 without brackets.
        host: String,
        /// 0 lets the system choose.
        port: u16,
    },
    /// A UNIX socket, made anew.
    Unix {
        /// An absolute path.
        path: PathBuf,
        /// Its permissions, 0 to 0o777.
        mode: u32,
    },
    /// What systemd passes (`LISTEN_FDS`).
    Systemd {
        /// Only the socket that is called so (`FileDescriptorName=`).
        name: Option<String>,
    },
}

/// As `listen` has it: `[::1]:6080`, `unix:/run/console.sock`, `systemd`, `systemd:name`.
impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix { path, .. } => write!(f, "unix:{}", path.display()),
            Self::Systemd { name: None } => f.write_str("systemd"),
            Self::Systemd { name: Some(name) } => write!(f, "systemd:{name}"),
        }
    }
}

impl From<ListenAddress> for Listen {
    fn from(address: ListenAddress) -> Self {
        Self { address, proxy_protocol: false }
    }
}

/// What `host` and `port` mean by default.
pub(crate) fn default() -> Vec<Listen> {
    vec![ListenAddress::Tcp { host: DEFAULT_HOST.to_owned(), port: DEFAULT_PORT }.into()]
}

/// The three keys together.
pub(crate) fn read(from: &mut Reader<'_>) -> Vec<Listen> {
    let mut name = DEFAULT_HOST.to_owned();
    let mut port = DEFAULT_PORT;
    from.set("host", &mut name, &text(HOST, host_name));
    from.set("port", &mut port, &whole(0..=u16::MAX));
    let listed = from.list("listen", ENTRIES, &entry(), |table| {
        let at = table.required("address", &text(ADDRESS, address));
        let mode = table.optional("mode", &mode());
        let mut proxy_protocol = false;
        table.set("proxy_protocol", &mut proxy_protocol, &crate::reader::switch());
        let address = match (at?, mode) {
            (ListenAddress::Unix { path, .. }, Some(mode)) => ListenAddress::Unix { path, mode },
            (other, mode) => {
                if mode.is_some() && !matches!(other, ListenAddress::Unix { .. }) {
                    table.reject("mode", "only a UNIX socket has one");
                }
                other
            }
        };
        Some(Listen { address, proxy_protocol })
    });
    if !from.has("listen") {
        return vec![ListenAddress::Tcp { host: name, port }.into()];
    }
    if from.has("host") || from.has("port") {
        from.refuse("listen", |key| {
            format!(
                "{key} and host or port exclude each other; write the address and port into {key}"
            )
        });
    }
    listed
}

/// An entry that is no table.
fn entry() -> Rule<'static, Listen> {
    text(ADDRESS, |text| address(text).map(Listen::from))
}

fn address(text: &str) -> Option<ListenAddress> {
    if let Some(path) = text.strip_prefix("unix:") {
        let path = absolute(path).filter(|path| path.file_name().is_some())?;
        return Some(ListenAddress::Unix { path, mode: DEFAULT_SOCKET_MODE });
    }
    if let Some(name) = text.strip_prefix("systemd") {
        let name = match name.strip_prefix(':') {
            None if name.is_empty() => None,
            // systemd.socket(5), FileDescriptorName=.
            Some(name)
                if (1..=255).contains(&name.len())
                    && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':') =>
            {
                Some(name.to_owned())
            }
            _ => return None,
        };
        return Some(ListenAddress::Systemd { name });
    }
    // Port 0 is no endpoint, but may be listened on.
    if let Some(name) = text.strip_suffix(":0")
        && (name.starts_with('[') || !name.contains(':'))
    {
        return Some(ListenAddress::Tcp { host: host_name(name)?, port: 0 });
    }
    let at: Endpoint = text.parse().ok()?;
    Some(ListenAddress::Tcp { host: at.host, port: at.port?.get() })
}

/// As chmod(1) has it. A bare number would be read as decimal by some and as octal by others.
fn mode() -> Rule<'static, u32> {
    Box::new(|value: &Value| {
        let what = match value.as_str() {
            Some(text) => shown(text),
            None => found(value),
        };
        value
            .as_str()
            .filter(|text| {
                (3..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
            })
            .and_then(|text| u32::from_str_radix(text, 8).ok())
            .filter(|mode| *mode <= 0o777)
            .ok_or_else(|| {
                format!("{what}, allowed is an octal number in quotes, \"0000\" to \"0777\"")
            })
    })
}

const HOST: &str = "an address or a name, without a port";
const ADDRESS: &str = "an address with a port, as in 192.0.2.1:6080 or [::]:6080, a socket, as in unix:/run/console.sock, or systemd, as in systemd or systemd:NAME";
const ENTRIES: &str = "an array of addresses and tables, as in [\"[::]:6080\", {address = \"127.0.0.1:6081\", proxy_protocol = true}]";
