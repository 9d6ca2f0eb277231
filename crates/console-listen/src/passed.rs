//! The sockets that systemd passed (sd_listen_fds(3)).

use std::env;
use std::os::fd::AsFd;

use listenfd::ListenFd;
use rustix::net::sockopt::socket_acceptconn;

use crate::address::Address;
use crate::error::ListenError;
use crate::listening::{Listening, Origin, Socket};
use crate::unix_socket::UnixSocket;

/// The listening sockets that systemd passed to this process.
#[derive(Debug, Default)]
pub struct Passed(Vec<Given>);

impl Passed {
    /// Takes what `LISTEN_FDS`, `LISTEN_PID` and `LISTEN_FDNAMES` announce, and removes the first two, so that no child takes it for its
    /// own. What is meant for another process is left alone.
    ///
    /// This is for the start of a program's `main`: once, and before there is another thread (it changes the environment) or another
    /// open file (whose descriptor it might take for a passed one).
    ///
    /// # Errors
    ///
    /// `LISTEN_FDS` is not a number up to [`MAX_PASSED`], or a descriptor is not a TCP or UNIX stream socket that listens.
    pub fn from_environment() -> Result<Self, ListenError> {
        // listenfd would take sockets without LISTEN_PID, too; systemd's own library does not.
        let for_us =
            read("LISTEN_PID").and_then(|pid| pid.parse().ok()) == Some(std::process::id());
        let Some(count) = read(COUNT).filter(|_| for_us) else { return Ok(Self::none()) };
        if !count.parse().is_ok_and(|count: usize| count <= MAX_PASSED) {
            return Err(ListenError::Environment { variable: COUNT, value: count });
        }
        // An extension of listenfd's.
        let first = read("LISTEN_FDS_FIRST_FD").and_then(|first| first.parse().ok());
        let numbers = first.unwrap_or(FIRST)..;
        let names = read("LISTEN_FDNAMES").unwrap_or_default();
        let names = names.split(':').map(Some).chain(std::iter::repeat(None));
        let mut descriptors = ListenFd::from_env();
        let mut all = Vec::new();
        for ((index, number), name) in (0..descriptors.len()).zip(numbers).zip(names) {
            let name = name.filter(|name| !name.is_empty()).unwrap_or(NAMELESS).to_owned();
            match take(&mut descriptors, index) {
                Ok(socket) => all.push(Given { number, name, socket }),
                Err(found) => return Err(ListenError::NotAListener { number, name, found }),
            }
        }
        Ok(Self(all))
    }

    /// None: for programs that systemd does not start.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In place of all addresses.
    pub(crate) fn all(self) -> Result<Vec<Listening>, ListenError> {
        self.0
            .into_iter()
            .map(|given| {
                let origin = Origin::Passed(given.name.clone());
                Ok(Listening { origin, socket: given.ready()? })
            })
            .collect()
    }

    /// Each to the entry with its name, or to the one without a name.
    pub(crate) fn assign(self, addresses: &[Address]) -> Result<Vec<Listening>, ListenError> {
        let entries: Vec<(usize, Option<&str>)> = addresses
            .iter()
            .enumerate()
            .filter_map(|(index, address)| match address {
                Address::Systemd { name } => Some((index, name.as_deref())),
                _ => None,
            })
            .collect();
        let shown = |index| addresses.get(index).map(ToString::to_string).unwrap_or_default();
        for (count, (index, name)) in entries.iter().enumerate() {
            if entries.iter().take(count).any(|(_, other)| other == name) {
                return Err(ListenError::Twice { address: shown(*index) });
            }
        }
        let passed: Vec<String> = self.0.iter().map(|given| given.name.clone()).collect();
        let mut opened = Vec::new();
        for given in self.0 {
            let named = |name| entries.iter().find(|(_, entry)| *entry == name);
            let Some((index, _)) = named(Some(given.name.as_str())).or_else(|| named(None)) else {
                return Err(ListenError::NotAsked { number: given.number, name: given.name });
            };
            let origin = Origin::Address(*index);
            opened.push(Listening { origin, socket: given.ready()? });
        }
        for (index, _) in entries {
            if !opened.iter().any(|listening| listening.origin == Origin::Address(index)) {
                return Err(ListenError::NotPassed { address: shown(index), passed });
            }
        }
        Ok(opened)
    }
}

#[derive(Debug)]
struct Given {
    number: i32,
    name: String,
    socket: Socket,
}

impl Given {
    fn ready(self) -> Result<Socket, ListenError> {
        let done = match &self.socket {
            Socket::Tcp(listener) => listener.set_nonblocking(true),
            Socket::Unix(socket) => socket.listener().set_nonblocking(true),
        };
        let place = || format!("systemd:{}", self.name);
        done.map_err(|source| ListenError::Failed { place: place(), source })?;
        Ok(self.socket)
    }
}

/// The socket, which is now closed when another program is executed; or what it is instead.
fn take(descriptors: &mut ListenFd, index: usize) -> Result<Socket, &'static str> {
    if let Ok(Some(listener)) = descriptors.take_tcp_listener(index) {
        listens(&listener)?;
        return Ok(Socket::Tcp(listener));
    }
    if let Ok(Some(listener)) = descriptors.take_unix_listener(index) {
        listens(&listener)?;
        return Ok(Socket::Unix(UnixSocket::passed(listener)));
    }
    if let Ok(Some(_)) = descriptors.take_udp_socket(index) {
        return Err("a UDP socket");
    }
    if let Ok(Some(_)) = descriptors.take_unix_datagram(index) {
        return Err("a UNIX datagram socket");
    }
    // listenfd has left it in its place. Its name in proc(5), /proc/PID/fd, says what it is.
    let Ok(Some(number)) = descriptors.take_raw_fd(index) else { return Err("not there") };
    let Ok(name) = std::fs::read_link(format!("/proc/self/fd/{number}")) else {
        return Err("not open");
    };
    match name.to_string_lossy().split_once(':') {
        Some(("pipe", _)) => Err("a pipe"),
        Some(("socket", _)) => Err("a socket of another kind"),
        _ => Err("a file or a device"),
    }
}

fn listens(socket: &impl AsFd) -> Result<(), &'static str> {
    match socket_acceptconn(socket) {
        Ok(true) => Ok(()),
        _ => Err("a stream socket that does not listen"),
    }
}

fn read(variable: &str) -> Option<String> {
    env::var(variable).ok()
}

const COUNT: &str = "LISTEN_FDS";

/// `SD_LISTEN_FDS_START`.
const FIRST: i32 = 3;

/// What sd_listen_fds_with_names(3) calls a socket without a name.
const NAMELESS: &str = "unknown";

/// More than any unit has.
pub const MAX_PASSED: usize = 256;
