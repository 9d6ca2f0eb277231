//! Where an SSH server shall connect to.

use std::fmt;

use super::wire::{put_string, put_u32};

/// Where an SSH server shall connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A TCP port, the name or address as the server sees it.
    Tcp { host: String, port: u16 },
    /// A UNIX socket of the server.
    Unix { path: String },
}

impl Target {
    /// The channel's type.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Tcp { .. } => "direct-tcpip",
            Self::Unix { .. } => "direct-streamlocal@openssh.com",
        }
    }

    /// What a request for such a channel says beyond its type (RFC 4254 section 7.2; PROTOCOL of OpenSSH, section 2.4).
    pub(crate) fn message(&self) -> Vec<u8> {
        let mut message = Vec::new();
        match self {
            Self::Tcp { host, port } => {
                put_string(&mut message, host.as_bytes());
                put_u32(&mut message, u32::from(*port));
                // Whose connection it is: ours.
                put_string(&mut message, b"127.0.0.1");
                put_u32(&mut message, 0);
            }
            Self::Unix { path } => {
                put_string(&mut message, path.as_bytes());
                put_string(&mut message, b"");
                put_u32(&mut message, 0);
            }
        }
        message
    }

    pub(crate) const fn is_socket(&self) -> bool {
        matches!(self, Self::Unix { .. })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } => write!(f, "{}:{port}", host.escape_debug()),
            Self::Unix { path } => write!(f, "{}", path.escape_debug()),
        }
    }
}
