//! `[[hosts]]`: the hypervisors.

use console_token::HostId;

use crate::host_name::host;
use crate::reader::{Reader, text, whole};

/// One entry of `[[hosts]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSettings {
    /// Key `id`: the number in front of a token's dash, 0 to 2^63 - 1 (TOML has no larger ones); unique, required.
    pub id: HostId,
    /// Key `name`: for logs, 1 to 100 characters; default `host <id>`.
    pub name: String,
    /// Keys `connection` (required) and `hostname`: how libvirt there is reached.
    pub connection: Connection,
    /// Key `uri`: the libvirt URI instead of the one that `connection` implies, at most 1000 characters without blanks.
    pub uri: Option<String>,
}

/// How libvirt on a hypervisor is reached. WebVirtMgr's other two, `tls` and `ssh`, are to come.
///
/// Exhaustive on purpose: who translates it must not overlook a new way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// `socket`: libvirt's UNIX socket on this machine.
    Socket,
    /// `tcp`: libvirt's TCP port.
    Tcp {
        /// Key `hostname`: a name or address, IPv6 without brackets.
        hostname: String,
    },
}

impl HostSettings {
    /// One table; nothing if anything that it needs is wrong.
    pub(crate) fn read(from: &mut Reader<'_>) -> Option<Self> {
        let id = from.required("id", &whole(0..=MAX_ID)).map(HostId::new);
        let name =
            from.optional("name", &text(NAME, |text| is_name(text).then(|| text.to_owned())));
        let connection = from.required("connection", &text(CONNECTION, way));
        let hostname = from.optional("hostname", &text(HOSTNAME, host));
        let uri = from.optional("uri", &text(URI, |text| is_uri(text).then(|| text.to_owned())));
        let connection = match connection? {
            Way::Socket if from.has("hostname") => {
                from.reject("hostname", NOT_WITH_SOCKET);
                return None;
            }
            Way::Socket => Connection::Socket,
            Way::Tcp if !from.has("hostname") => {
                from.reject("connection", "it needs hostname, the hypervisor's name or address");
                return None;
            }
            Way::Tcp => Connection::Tcp { hostname: hostname? },
            Way::Tls | Way::Ssh => {
                from.reject("connection", "this version supports socket and tcp only");
                return None;
            }
        };
        let id = id?;
        Some(Self { id, name: name.unwrap_or_else(|| format!("host {id}")), connection, uri })
    }
}

/// WebVirtMgr's four ways to a hypervisor.
enum Way {
    Socket,
    Tcp,
    Tls,
    Ssh,
}

fn way(text: &str) -> Option<Way> {
    match text {
        "socket" => Some(Way::Socket),
        "tcp" => Some(Way::Tcp),
        "tls" => Some(Way::Tls),
        "ssh" => Some(Way::Ssh),
        _ => None,
    }
}

fn is_name(text: &str) -> bool {
    (1..=100).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// RFC 3986 section 3.1 for the scheme; libvirt itself judges the rest (<https://libvirt.org/uri.html>).
fn is_uri(text: &str) -> bool {
    let scheme = |scheme: &str| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    };
    text.chars().count() <= 1000
        && !text.chars().any(|one| one.is_control() || one.is_whitespace())
        && text.split_once("://").is_some_and(|(start, rest)| scheme(start) && !rest.is_empty())
}

/// The largest whole number in TOML.
const MAX_ID: u64 = i64::MAX.unsigned_abs();

const NAME: &str = "1 to 100 characters, none of them a control character";
const CONNECTION: &str = "socket, tcp, tls or ssh";
const HOSTNAME: &str = "an address or a name, without a port";
const URI: &str = "a libvirt URI such as qemu:///system, without blanks";
const NOT_WITH_SOCKET: &str = "a host with connection = \"socket\" is this machine; remove hostname, or write connection = \"tcp\"";
