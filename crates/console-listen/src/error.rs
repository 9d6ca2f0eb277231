//! Why there is no listening socket.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::folder::LOCK_TIMEOUT;
use crate::holder::Holder;
use permission_denied::Denied;

/// Why an address cannot be listened on. The text says what is in the way, [`remedy`](Self::remedy) what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The list is empty, and systemd passed nothing.
    #[error("there is no address to listen on")]
    Nothing,
    /// A name that has no address.
    #[error("the name {} cannot be resolved", host.escape_debug())]
    Unresolved {
        /// The name.
        host: String,
        /// What the resolver said.
        #[source]
        source: io::Error,
    },
    /// Two entries of the list that mean the same address, or one of them all addresses.
    #[error("{first} and {second} both mean {place}")]
    Overlap {
        /// The first of them, as it prints.
        first: String,
        /// The other.
        second: String,
        /// The address that both have.
        place: SocketAddr,
    },
    /// Somebody listens there.
    #[error("{} port {} is taken{}", place.ip(), place.port(), by(holders))]
    Taken {
        /// The address.
        place: SocketAddr,
        /// Who has it; empty if that cannot be seen from here.
        holders: Vec<Holder>,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A low port, and we are not root.
    #[error("{} port {} is not for us: on this machine ports below {lowest} take root or CAP_NET_BIND_SERVICE", place.ip(), place.port())]
    Privileged {
        /// The address.
        place: SocketAddr,
        /// The first port that is for everybody (`net.ipv4.ip_unprivileged_port_start`).
        lowest: u16,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another machine's address, or nobody's.
    #[error("{} is not an address of this machine", place.ip())]
    NotOurs {
        /// The address.
        place: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The kernel has no IPv6, or no IPv4.
    #[error("{place}: this kernel has no {}", if place.is_ipv6() { "IPv6" } else { "IPv4" })]
    NoFamily {
        /// The address.
        place: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A UNIX socket's path that does not start at the root, or names no file.
    #[error("unix socket {} is not the absolute path of a file", shown(path))]
    NotAbsolute {
        /// The path.
        path: PathBuf,
    },
    /// A path that does not fit into a socket's address.
    #[error(
        "unix socket {} has a path of {length} bytes, and 107 is the system's limit",
        shown(path)
    )]
    PathTooLong {
        /// The path.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
    },
    /// The folder is missing.
    #[error("unix socket {}: there is no folder {}: {above}", shown(path), shown(folder))]
    NoFolder {
        /// The socket.
        path: PathBuf,
        /// Its folder.
        folder: PathBuf,
        /// The nearest folder that there is.
        above: Box<Denied>,
    },
    /// A socket is there that we may not connect to, to see whether somebody listens.
    #[error("unix socket {}: another one is there already: {denied}", shown(path))]
    ForeignSocket {
        /// The socket.
        path: PathBuf,
        /// Whose it is, and who we are.
        denied: Box<Denied>,
    },
    /// The folder is not for us.
    #[error("unix socket {}: permission denied: {denied}", shown(path))]
    Denied {
        /// The socket.
        path: PathBuf,
        /// What is in the way, whose it is, and who we are.
        denied: Box<Denied>,
    },
    /// Something else has the name. It is left as it is.
    #[error("unix socket {}: there is {found} already, and no socket", shown(path))]
    NotASocket {
        /// The socket.
        path: PathBuf,
        /// What it is: `a file`, `a symbolic link`.
        found: &'static str,
    },
    /// Somebody listens on the socket.
    #[error("unix socket {} is taken{}", shown(path), by(holders))]
    TakenPath {
        /// The socket.
        path: PathBuf,
        /// Who has it; empty if that cannot be seen from here.
        holders: Vec<Holder>,
    },
    /// Another process holds flock(2) on the folder, as this crate does while it looks and binds.
    #[error(
        "unix socket {}: another process has had its folder locked for {LOCK_TIMEOUT:?}",
        shown(path)
    )]
    Locked {
        /// The socket.
        path: PathBuf,
    },
    /// `LISTEN_FDS` is not what sd_listen_fds(3) says.
    #[error("the environment's {variable} is {}, allowed is a number up to {}", value.escape_debug(), crate::MAX_PASSED)]
    Environment {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
    },
    /// A descriptor that is no listening stream socket.
    #[error("descriptor {number}, passed by systemd as {}, is {found}, not a TCP or UNIX stream socket that listens", name.escape_debug())]
    NotAListener {
        /// The descriptor's number.
        number: i32,
        /// Its `FileDescriptorName=`.
        name: String,
        /// What it is: `a pipe`, `a UDP socket`.
        found: &'static str,
    },
    /// An entry for which systemd passed nothing.
    #[error("{address}: systemd passed no such socket; it passed {}", list(passed))]
    NotPassed {
        /// The entry as it prints.
        address: String,
        /// The names of what it did pass.
        passed: Vec<String>,
    },
    /// A passed socket without an entry.
    #[error("descriptor {number}, passed by systemd as {}, is of no entry of the list", name.escape_debug())]
    NotAsked {
        /// The descriptor's number.
        number: i32,
        /// Its `FileDescriptorName=`.
        name: String,
    },
    /// Two entries for the same passed sockets.
    #[error("{address} is in the list twice")]
    Twice {
        /// The entry as it prints.
        address: String,
    },
    /// Anything else.
    #[error("{place} cannot be listened on")]
    Failed {
        /// The address as it prints.
        place: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().escape_debug().to_string()
}

/// ` by nginx (pid 1234, user www-data) and 4 other processes`.
fn by(holders: &[Holder]) -> String {
    let Some((first, others)) = holders.split_first() else {
        return ", and by whom cannot be seen from here".into();
    };
    let hidden = if first.pid.is_none() && first.program.is_none() {
        " (its name is hidden from us)"
    } else {
        ""
    };
    match others.len() {
        0 => format!(" by {first}{hidden}"),
        1 => format!(" by {first}{hidden} and 1 other process"),
        more => format!(" by {first}{hidden} and {more} other processes"),
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "none at all".into();
    }
    let names: Vec<String> = names.iter().map(|name| name.escape_debug().to_string()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_says_who_is_in_the_way() {
        let taken = |holders: &[Holder]| {
            let place = "0.0.0.0:6080".parse().unwrap();
            let source = io::ErrorKind::AddrInUse.into();
            ListenError::Taken { place, holders: holders.to_vec(), source }.to_string()
        };
        let nginx = Holder {
            user: Some("www-data".into()),
            pid: Some(1234),
            program: Some("nginx".into()),
        };
        let hidden = Holder { user: Some("root".into()), pid: None, program: None };
        assert_eq!(
            taken(std::slice::from_ref(&nginx)),
            "0.0.0.0 port 6080 is taken by nginx (pid 1234, user www-data)"
        );
        assert_eq!(
            taken(&[nginx.clone(), nginx.clone(), nginx]),
            "0.0.0.0 port 6080 is taken by nginx (pid 1234, user www-data) and 2 other processes"
        );
        assert_eq!(
            taken(&[hidden]),
            "0.0.0.0 port 6080 is taken by a process of user root (its name is hidden from us)"
        );
        assert_eq!(taken(&[]), "0.0.0.0 port 6080 is taken, and by whom cannot be seen from here");
    }
}
