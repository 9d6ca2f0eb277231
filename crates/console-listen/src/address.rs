//! Where to listen, as a configuration says it.

use std::fmt;
use std::path::PathBuf;

/// One place to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address {
    /// A TCP port. A name stands for all of its addresses; with port 0 each of them gets a port of its own.
    Tcp {
        /// A name or an address, IPv6 without brackets. `::` takes IPv4 as well, unless an IPv4 address with the same port is in the
        /// list.
        host: String,
        /// 0 lets the system choose.
        port: u16,
    },
    /// A UNIX stream socket.
    Unix {
        /// Absolute; at most 107 bytes (unix(7)).
        path: PathBuf,
        /// The permissions of the file, as chmod(1) has them: who may write may connect. The umask has no part in it.
        mode: u32,
    },
    /// Sockets that systemd passed (sd_listen_fds(3)).
    Systemd {
        /// Their `FileDescriptorName=`; without one, all that no other entry names.
        name: Option<String>,
    },
}

/// `0.0.0.0:6080`, `[::]:6080`, `unix:/run/x.sock`, `systemd`, `systemd:NAME`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix { path, .. } => write!(f, "unix:{}", path.to_string_lossy().escape_debug()),
            Self::Systemd { name: Some(name) } => write!(f, "systemd:{name}"),
            Self::Systemd { name: None } => f.write_str("systemd"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_prints_as_it_is_written() {
        let tcp = |host: &str| Address::Tcp { host: host.into(), port: 6080 };
        assert_eq!(tcp("0.0.0.0").to_string(), "0.0.0.0:6080");
        assert_eq!(tcp("::").to_string(), "[::]:6080");
        assert_eq!(tcp("console.example.org").to_string(), "console.example.org:6080");
        let unix = Address::Unix { path: "/run/x\n.sock".into(), mode: 0o660 };
        assert_eq!(unix.to_string(), "unix:/run/x\\n.sock");
        assert_eq!(Address::Systemd { name: None }.to_string(), "systemd");
        assert_eq!(Address::Systemd { name: Some("web".into()) }.to_string(), "systemd:web");
    }
}
