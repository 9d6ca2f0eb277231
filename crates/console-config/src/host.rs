//! `[[hosts]]`: the hypervisors.

use std::path::PathBuf;

use console_token::HostId;
use figment::value::Value;

use crate::libvirt_uri::{self, Machine};
use crate::password::{self, Password};
use crate::paths::absolute;
use crate::reader::{Reader, Rule, text, whole};
use crate::ssh::{self, SshSettings};
use host_endpoint::{Endpoint, is_login};

/// One entry of `[[hosts]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSettings {
    /// Key `id`: the number in front of a token's dash, 0 to 2^63 - 1 (TOML has no larger ones); unique, required.
    pub id: HostId,
    /// Key `name`: for logs, 1 to 100 characters; default `host <id>`.
    pub name: String,
    /// Keys `connection` (required) and `hostname`: how libvirt there is reached.
    pub connection: Connection,
    /// Key `uri`: the libvirt URI instead of the one that `connection` implies, at most 1000 characters without blanks. It names the
    /// machine that `connection` and `hostname` name, and has no password in it.
    pub uri: Option<String>,
    /// Key `login`: who we are there, for SASL or SSH.
    pub login: Option<String>,
    /// Key `password`, or what the file `password_file` holds.
    pub password: Option<Password>,
    /// The keys `ssh_…`; defaults for other connections.
    pub ssh: SshSettings,
}

/// How libvirt on a hypervisor is reached: WebVirtMgr's four ways.
///
/// Exhaustive on purpose: who translates it must not overlook a new way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// `socket`: libvirt's UNIX socket on this machine.
    Socket,
    /// `tcp`: libvirt's TCP port.
    Tcp(Endpoint),
    /// `tls`: libvirt's TLS port.
    Tls(Endpoint),
    /// `ssh`: through the hypervisor's SSH server.
    Ssh(Endpoint),
}

impl HostSettings {
    /// One table; nothing if anything that it needs is wrong.
    pub(crate) fn read(from: &mut Reader<'_>, usual: &SshSettings) -> Option<Self> {
        let id = from.required("id", &whole(0..=MAX_ID)).map(HostId::new);
        let name =
            from.optional("name", &text(NAME, |text| is_name(text).then(|| text.to_owned())));
        let way = from.required("connection", &text(CONNECTION, way));
        let hostname = from
            .optional("hostname", &discreet('@', HOSTNAME, |text| text.parse::<Endpoint>().ok()));
        let uri = from.optional("uri", &uri());
        let login = from.optional("login", &discreet(':', LOGIN, login));
        let password = password(from);
        let ssh = ssh::read(from, way.map(|way| way == Way::Ssh), usual);
        let connection = connection(from, way?, hostname)?;
        let id = id?;
        let settings = Self {
            id,
            name: name.unwrap_or_else(|| format!("host {id}")),
            connection,
            uri,
            login,
            password,
            ssh,
        };
        settings.compare(from).then_some(settings)
    }

    /// What only several keys together can break; `false` if they do.
    fn compare(&self, from: &mut Reader<'_>) -> bool {
        let complaints = from.complaints();
        let is_ssh = matches!(self.connection, Connection::Ssh(_));
        if self.connection == Connection::Socket {
            for key in ["login", "password", "password_file"] {
                if from.has(key) {
                    from.refuse(key, |key| format!("{key} is of no use: {SOCKET_ASKS_NOBODY}"));
                }
            }
        } else if self.password.is_some() && self.login.is_none() && !is_ssh {
            let key = if from.has("password") { "password" } else { "password_file" };
            from.refuse(key, |key| format!("{key} needs login beside it"));
        }
        if is_ssh && self.login.as_ref().is_some_and(|login| login.contains('@')) {
            from.reject("login", "an SSH login has no @");
        }
        if let Some(uri) = self.uri.as_deref().and_then(libvirt_uri::parse) {
            // SSH to localhost may be a forwarded port of another machine.
            let same = uri.machine == self.machine()
                && (uri.is_ssh || !is_ssh || uri.machine != Machine::This);
            if uri.machine != Machine::None && !same {
                let ours = match self.machine() {
                    Machine::Other(name) => name,
                    _ if is_ssh => {
                        "an SSH server on this machine, which may be another's".to_owned()
                    }
                    _ => "this machine".to_owned(),
                };
                let theirs = match uri.machine {
                    Machine::Other(name) => name,
                    _ => "this machine".to_owned(),
                };
                from.refuse("uri", |key| {
                    format!(
                        "{key} leads to {theirs}, but connection and hostname say {ours}: the guest would be looked up on one machine and its console opened on another"
                    )
                });
            }
            if let (Some(theirs), Some(ours)) = (&uri.login, &self.login)
                && theirs != ours
            {
                from.refuse("uri", |key| {
                    format!("{key} has another login than login; write it in one of them")
                });
            }
        }
        from.complaints() == complaints
    }

    fn machine(&self) -> Machine {
        match &self.connection {
            Connection::Socket => Machine::This,
            Connection::Tcp(at) | Connection::Tls(at) | Connection::Ssh(at) => {
                Machine::called(&at.host)
            }
        }
    }
}

fn connection(from: &mut Reader<'_>, way: Way, hostname: Option<Endpoint>) -> Option<Connection> {
    let to: fn(Endpoint) -> Connection = match way {
        Way::Socket if from.has("hostname") => {
            from.reject("hostname", NOT_WITH_SOCKET);
            return None;
        }
        Way::Socket => return Some(Connection::Socket),
        Way::Tcp => Connection::Tcp,
        Way::Tls => Connection::Tls,
        Way::Ssh => Connection::Ssh,
    };
    if !from.has("hostname") {
        from.reject("connection", "it needs hostname, the hypervisor's name or address");
    }
    hostname.map(to)
}

/// `password`, or what `password_file` holds.
fn password(from: &mut Reader<'_>) -> Option<Password> {
    let password = from.optional("password", &password::rule());
    let Some(file) = from.optional("password_file", &password_file()) else {
        return password;
    };
    if from.has("password") {
        from.refuse("password_file", |key| format!("{key} and password exclude each other"));
        return None;
    }
    let read = password::read(&file);
    if let Err(why) = &read {
        from.reject("password_file", why);
    }
    read.ok()
}

/// A text that may have a password after a colon (`root:secret`, `root:secret@hv1`): then it is not repeated.
fn discreet<T: 'static>(
    mark: char,
    allowed: &'static str,
    parse: fn(&str) -> Option<T>,
) -> Rule<'static, T> {
    Box::new(move |value: &Value| match value.as_str() {
        Some(found) if parse(found).is_none() && found.contains(mark) => {
            let start = found.split([':', '@']).next().unwrap_or_default();
            text(allowed, |_| None::<T>)(&Value::from(format!("{start}...")))
        }
        _ => text(allowed, parse)(value),
    })
}

/// The likeliest slip is the password itself.
pub(crate) fn password_file() -> Rule<'static, PathBuf> {
    Box::new(|value: &Value| {
        let path = value.as_str().and_then(absolute);
        path.ok_or_else(|| format!("something else (not shown), allowed is {ABSOLUTE}"))
    })
}

/// WebVirtMgr's four ways to a hypervisor.
#[derive(Clone, Copy, PartialEq, Eq)]
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

fn login(text: &str) -> Option<String> {
    is_login(text).then(|| text.to_owned())
}

/// A URI may hold a password, so nothing before its `@` is repeated.
fn uri() -> Rule<'static, String> {
    Box::new(|value: &Value| {
        let Some(text) = value.as_str() else { return Err(format!("no string, allowed is {URI}")) };
        match libvirt_uri::parse(text) {
            Some(uri) if uri.has_password => Err(
                "a URI with a password in it; write login and password (or password_file) instead"
                    .to_owned(),
            ),
            Some(_) => Ok(text.to_owned()),
            None if text.contains('@') => Err(format!("malformed, allowed is {URI}")),
            None => text_of(text),
        }
    })
}

fn text_of(uri: &str) -> Result<String, String> {
    text(URI, |_| None::<String>)(&Value::from(uri))
}

/// The largest whole number in TOML.
const MAX_ID: u64 = i64::MAX.unsigned_abs();

const NAME: &str = "1 to 100 characters, none of them a control character";
const CONNECTION: &str = "socket, tcp, tls or ssh";
const HOSTNAME: &str = "an address or a name, with or without libvirt's or SSH's port, as in hv1, hv1:2222 or [2001:db8::1]:2222";
const LOGIN: &str =
    "1 to 100 characters that do not begin with - and have no blanks, quotes or any of :/?#[]\\";
const URI: &str = "a libvirt URI such as qemu:///system, without blanks";
const ABSOLUTE: &str = "an absolute path";
const NOT_WITH_SOCKET: &str = "a host with connection = \"socket\" is this machine; remove hostname, or write connection = \"tcp\"";
const SOCKET_ASKS_NOBODY: &str = "a host with connection = \"socket\" asks for no login";
