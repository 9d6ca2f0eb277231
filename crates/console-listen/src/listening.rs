//! From addresses to sockets.

use std::fmt;
use std::net::TcpListener;

use crate::address::Address;
use crate::error::ListenError;
use crate::passed::Passed;
use crate::unix_socket::UnixSocket;
use crate::{tcp, unix};

/// Opens every address, in their order.
///
/// If systemd passed sockets and no address is [`Address::Systemd`], the passed ones are used in place of all addresses: a unit with
/// a socket unit beside it needs no other setting. Otherwise each passed socket must have an entry, and each entry a passed socket.
///
/// Blocks while names are resolved, and for at most [`LOCK_TIMEOUT`](crate::LOCK_TIMEOUT) for each UNIX socket.
///
/// # Errors
///
/// The first address that fails, in full; what was open by then is closed again.
pub fn open(addresses: &[Address], passed: Passed) -> Result<Vec<Listening>, ListenError> {
    let by_name = addresses.iter().any(|address| matches!(address, Address::Systemd { .. }));
    if !by_name && !passed.is_empty() {
        return passed.all();
    }
    if addresses.is_empty() {
        return Err(ListenError::Nothing);
    }
    let mut opened = passed.assign(addresses)?;
    opened.extend(tcp::open(addresses)?);
    for (index, address) in addresses.iter().enumerate() {
        if let Address::Unix { path, mode } = address {
            let socket = Socket::Unix(unix::open(path, *mode)?);
            opened.push(Listening { origin: Origin::Address(index), socket });
        }
    }
    opened.sort_by_key(|listening| match listening.origin {
        Origin::Address(index) => index,
        Origin::Passed(_) => usize::MAX,
    });
    Ok(opened)
}

/// A socket that listens.
#[derive(Debug)]
#[non_exhaustive]
pub struct Listening {
    /// Why it does.
    pub origin: Origin,
    /// The socket.
    pub socket: Socket,
}

/// On whose behalf a socket listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// That of the addresses given to [`open`], counted from 0. A name, or an entry for systemd, may stand for several sockets.
    Address(usize),
    /// systemd passed it under this `FileDescriptorName=`, and it stands in place of all addresses.
    Passed(String),
}

/// A listening socket: non-blocking, and closed when another program is executed.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(TcpListener),
    /// UNIX, with its file.
    Unix(UnixSocket),
}

/// Where it listens, with the port that the system chose: `127.0.0.1:6080`, `unix:/run/x.sock`.
impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(listener) => match listener.local_addr() {
                Ok(address) => address.fmt(f),
                Err(_) => f.write_str("a TCP socket"),
            },
            Self::Unix(socket) => match socket.listener().local_addr() {
                Ok(address) => match address.as_pathname() {
                    Some(path) => write!(f, "unix:{}", path.to_string_lossy().escape_debug()),
                    None => f.write_str("a UNIX socket without a path"),
                },
                Err(_) => f.write_str("a UNIX socket"),
            },
        }
    }
}

/// How many connections may wait to be accepted. A browser opens some six for a page; the system cuts it to net.core.somaxconn.
pub const BACKLOG: i32 = 1024;
