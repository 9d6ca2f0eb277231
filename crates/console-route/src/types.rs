//! What goes into the decision and what comes out.

use alloc::string::String;
use core::fmt;
use core::num::NonZeroU16;

/// How this machine reaches a hypervisor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HostAccess {
    /// It is this machine (libvirt's UNIX socket).
    Local,
    /// Another machine, over the network (libvirt over TCP or TLS).
    Remote {
        /// Its name or address, without a port and without brackets.
        hostname: String,
    },
}

/// A console that a browser client exists for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConsoleKind {
    /// RFB (RFC 6143); noVNC.
    Vnc,
    /// SPICE; spice-html5.
    Spice,
}

impl fmt::Display for ConsoleKind {
    /// libvirt's word: `vnc` or `spice`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vnc => "vnc",
            Self::Spice => "spice",
        })
    }
}

/// Where a console is, seen from this machine. It prints as the log shows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Route {
    /// A TCP port.
    Tcp {
        /// A name or address, IPv6 without brackets.
        host: String,
        /// The console's port.
        port: NonZeroU16,
    },
    /// A UNIX socket of this machine.
    Unix {
        /// Its absolute path.
        path: String,
    },
    /// A TCP port that the hypervisor reaches, through its SSH server.
    SshTcp {
        /// The hypervisor's SSH name.
        via: String,
        /// The name or address as the hypervisor sees it.
        host: String,
        /// The console's port.
        port: NonZeroU16,
    },
    /// A UNIX socket of the hypervisor, through its SSH server.
    SshUnix {
        /// The hypervisor's SSH name.
        via: String,
        /// Its absolute path there.
        path: String,
    },
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } => write!(f, "tcp {}", HostPort(host, *port)),
            Self::Unix { path } => write!(f, "unix {path}"),
            Self::SshTcp { via, host, port } => {
                write!(f, "ssh {via} tcp {}", HostPort(host, *port))
            }
            Self::SshUnix { via, path } => write!(f, "ssh {via} unix {path}"),
        }
    }
}

/// The decision's outcome.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Routed {
    /// Which protocol the console speaks.
    pub kind: ConsoleKind,
    /// Where it is.
    pub route: Route,
}

/// `host:port`, an IPv6 address in brackets (RFC 3986 section 3.2.2).
struct HostPort<'a>(&'a str, NonZeroU16);

impl fmt::Display for HostPort<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(host, port) = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}
