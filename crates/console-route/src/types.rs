//! What goes into the decision and what comes out.

use alloc::string::String;
use core::fmt::{self, Write};
use core::net::IpAddr;
use core::num::NonZeroU16;

/// How this machine reaches a hypervisor. `Via` is what the caller knows an SSH server by: a name, or all that it takes to log in there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HostAccess<Via = String> {
    /// It is this machine (libvirt's UNIX socket).
    Local,
    /// Another machine, over the network (libvirt over TCP or TLS).
    Remote {
        /// Its name or address, without a port and without brackets. `localhost`, a loopback address or none at all (which libvirt's URIs
        /// take for localhost) is this machine: consoles on its loopback are opened here.
        hostname: String,
    },
    /// Another machine, through its SSH server.
    Ssh {
        /// Its SSH server, for [`Route::SshTcp`] and [`Route::SshUnix`].
        via: Via,
        /// Its name or address as the network knows it (ssh_config's `HostName`), without a port and without brackets. A loopback address
        /// may be a forwarded port of some other machine, so then every console is tunnelled.
        hostname: String,
        /// Which consoles go through the tunnel.
        tunnel: Tunnel,
    },
}

/// Which consoles of an SSH host go through its tunnel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Tunnel {
    /// Those that cannot be reached otherwise: on loopback and on UNIX sockets.
    #[default]
    WhenNeeded,
    /// All of them: the host is behind a jump host, or its consoles' ports behind a firewall.
    Always,
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

/// Where a console is, seen from this machine.
///
/// It prints on one line, as the log shows it: what a terminal or a log would obey is escaped.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Route<Via = String> {
    /// A TCP port.
    Tcp {
        /// A name or address, IPv6 without brackets. A name's addresses are tried in order.
        host: String,
        /// The console's port.
        port: NonZeroU16,
        /// The address that the console listens on: if it is among those that `host` resolves to, it is the only one to try.
        prefer: Option<IpAddr>,
    },
    /// A UNIX socket of this machine.
    Unix {
        /// Its absolute path.
        path: String,
    },
    /// A TCP port that the hypervisor reaches, through its SSH server.
    SshTcp {
        /// The hypervisor's SSH server.
        via: Via,
        /// The name or address as the hypervisor sees it.
        host: String,
        /// The console's port.
        port: NonZeroU16,
    },
    /// A UNIX socket of the hypervisor, through its SSH server.
    SshUnix {
        /// The hypervisor's SSH server.
        via: Via,
        /// Its absolute path there.
        path: String,
    },
}

impl<Via> Route<Via> {
    /// The same route with something else known of its SSH server.
    pub fn map_via<Other>(self, map: impl FnOnce(Via) -> Other) -> Route<Other> {
        match self {
            Self::Tcp { host, port, prefer } => Route::Tcp { host, port, prefer },
            Self::Unix { path } => Route::Unix { path },
            Self::SshTcp { via, host, port } => Route::SshTcp { via: map(via), host, port },
            Self::SshUnix { via, path } => Route::SshUnix { via: map(via), path },
        }
    }
}

impl<Via: fmt::Display> fmt::Display for Route<Via> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port, prefer } => {
                write!(f, "tcp {}", HostPort(host, *port))?;
                prefer.map_or(Ok(()), |address| write!(f, " (if possible at {address})"))
            }
            Self::Unix { path } => write!(f, "unix {}", Printable(path)),
            Self::SshTcp { via, host, port } => {
                write!(f, "ssh {via} tcp {}", HostPort(host, *port))
            }
            Self::SshUnix { via, path } => write!(f, "ssh {via} unix {}", Printable(path)),
        }
    }
}

/// The decision's outcome.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Routed<Via = String> {
    /// Which protocol the console speaks.
    pub kind: ConsoleKind,
    /// Where it is.
    pub route: Route<Via>,
}

/// `host:port`, an IPv6 address in brackets (RFC 3986 section 3.2.2).
struct HostPort<'a>(&'a str, NonZeroU16);

impl fmt::Display for HostPort<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(host, port) = self;
        let shown = Printable(host);
        if host.contains(':') { write!(f, "[{shown}]:{port}") } else { write!(f, "{shown}:{port}") }
    }
}

/// Text out of domain XML, where a character reference may stand for a line's end or a terminal's command.
struct Printable<'a>(&'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for found in self.0.chars() {
            if matches!(found, '"' | '\'' | '\\') {
                f.write_char(found)?;
            } else {
                write!(f, "{}", found.escape_debug())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn routes_print_on_one_line() {
        let port = NonZeroU16::MAX;
        let via = || "hv1";
        let unix = |path: &str| Route::Unix { path: path.into() };
        let tcp = |host: &str, prefer: Option<&str>| Route::Tcp {
            host: host.into(),
            port,
            prefer: prefer.map(|address| address.parse().unwrap()),
        };
        for (route, expected) in [
            (tcp("127.0.0.1", None), "tcp 127.0.0.1:65535"),
            (tcp("::1", None), "tcp [::1]:65535"),
            (tcp("fe80::1%eth0", None), "tcp [fe80::1%eth0]:65535"),
            (tcp("a\nb", None), "tcp a\\nb:65535"),
            (tcp("hv1", Some("::7")), "tcp hv1:65535 (if possible at ::7)"),
            (unix("/s/ä 'b'"), "unix /s/ä 'b'"),
            (unix("/s\u{9b}2J\u{202e}"), "unix /s\\u{9b}2J\\u{202e}"),
            (Route::SshTcp { via: via(), host: "::1".into(), port }, "ssh hv1 tcp [::1]:65535"),
            (Route::SshUnix { via: via(), path: "/s".into() }, "ssh hv1 unix /s"),
        ] {
            assert_eq!(route.to_string(), expected);
        }
    }
}
