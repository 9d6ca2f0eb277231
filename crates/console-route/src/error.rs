//! Why a domain has no console that can be reached.

use alloc::string::String;

use crate::types::ConsoleKind;

/// Why a domain has no console that can be reached. The texts name neither hosts nor paths nor addresses, so a person in front of
/// a browser may read them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// The domain does not run.
    #[error("the guest is shut off")]
    ShutOff,
    /// It has no `<graphics>` at all.
    #[error("the guest has no graphics device")]
    NoGraphics,
    /// Its graphics devices are of types that no browser client exists for.
    #[error("the guest's graphics ({found}) cannot be shown in a browser")]
    Unsupported {
        /// Their types, by libvirt's names.
        found: String,
    },
    /// It has no device of the kind that was asked for.
    #[error("the guest has no {wanted} console")]
    NotThisKind {
        /// The kind.
        wanted: ConsoleKind,
    },
    /// `<listen type='none'>`.
    #[error("the guest's {kind} console listens nowhere (listen type none)")]
    ListensNowhere {
        /// The console's kind.
        kind: ConsoleKind,
    },
    /// A kind of `<listen>` that is not known.
    #[error("the guest's {kind} console listens in an unknown way ({found})")]
    UnknownListen {
        /// The console's kind.
        kind: ConsoleKind,
        /// The type, by libvirt's name.
        found: String,
    },
    /// No `port`, or -1: libvirt has not allocated one.
    #[error("the guest's {kind} console has no port")]
    NoPort {
        /// The console's kind.
        kind: ConsoleKind,
    },
    /// SPICE with a `tlsPort` only.
    #[error("the guest's {kind} console accepts TLS only")]
    TlsOnly {
        /// The console's kind.
        kind: ConsoleKind,
    },
    /// `<listen type='socket'>` without a path.
    #[error("the guest's {kind} console has no socket path yet")]
    NoSocketPath {
        /// The console's kind.
        kind: ConsoleKind,
    },
    /// A socket path that does not begin with `/`: relative to what, only QEMU knows.
    #[error("the guest's {kind} console has a socket path that is not absolute")]
    RelativeSocketPath {
        /// The console's kind.
        kind: ConsoleKind,
    },
    /// A UNIX socket on a host that is reached over the network.
    #[error("the guest's {kind} console is a UNIX socket that only its own machine can open")]
    RemoteSocket {
        /// The console's kind.
        kind: ConsoleKind,
    },
    /// Loopback of another machine.
    #[error("the guest's {kind} console listens on its own machine's loopback only")]
    RemoteLoopback {
        /// The console's kind.
        kind: ConsoleKind,
    },
}

impl RouteError {
    /// The kind of console that was found, or asked for in vain; `None` where nothing tells.
    pub const fn kind(&self) -> Option<ConsoleKind> {
        match *self {
            Self::ShutOff | Self::NoGraphics | Self::Unsupported { .. } => None,
            Self::NotThisKind { wanted: kind }
            | Self::ListensNowhere { kind }
            | Self::UnknownListen { kind, .. }
            | Self::NoPort { kind }
            | Self::TlsOnly { kind }
            | Self::NoSocketPath { kind }
            | Self::RelativeSocketPath { kind }
            | Self::RemoteSocket { kind }
            | Self::RemoteLoopback { kind } => Some(kind),
        }
    }

    /// What to write in the domain's XML, or to do, instead.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::ShutOff => "start it: virsh start",
            Self::NoGraphics
            | Self::Unsupported { .. }
            | Self::NotThisKind { wanted: ConsoleKind::Vnc } => {
                "give it a console: <graphics type='vnc' port='-1' autoport='yes'/> in <devices>, then start it anew"
            }
            Self::NotThisKind { wanted: ConsoleKind::Spice } => {
                "open the console that it has, or give it <graphics type='spice' port='-1' autoport='yes'/> in <devices>, then start it anew"
            }
            Self::ListensNowhere { .. } | Self::UnknownListen { .. } => {
                "replace the <listen> of its <graphics> by <listen type='address' address='127.0.0.1'/> (or an address that this machine reaches), then start it anew"
            }
            Self::NoPort { .. } => {
                "write port='-1' autoport='yes' at its <graphics>, then start it anew"
            }
            Self::TlsOnly { .. } => {
                "let it listen without TLS, too: at its <graphics type='spice'> remove defaultMode='secure' and write port='-1' autoport='yes', then start it anew"
            }
            Self::NoSocketPath { .. } | Self::RelativeSocketPath { .. } => {
                "write socket='/absolute/path' at its <listen type='socket'>, then start it anew"
            }
            Self::RemoteSocket { .. } => {
                "reach the host by SSH (or by libvirt's own socket, if it is this machine), or write <listen type='address' address='...'/> instead of <listen type='socket'>"
            }
            Self::RemoteLoopback { .. } => {
                "write <listen type='address' address='0.0.0.0'/> (or the host's own address) at its <graphics>, shut it off and start it anew; or reach the host by SSH"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    /// Every variant; the compiler asks for new ones at [`number`].
    fn table() -> [(RouteError, &'static str, &'static str); 13] {
        let kind = ConsoleKind::Vnc;
        [
            (RouteError::ShutOff, "the guest is shut off", "virsh start"),
            (
                RouteError::NoGraphics,
                "the guest has no graphics device",
                "<graphics type='vnc' port='-1' autoport='yes'/>",
            ),
            (
                RouteError::Unsupported { found: "sdl, dbus".into() },
                "the guest's graphics (sdl, dbus) cannot be shown in a browser",
                "<graphics type='vnc' port='-1' autoport='yes'/>",
            ),
            (
                RouteError::NotThisKind { wanted: kind },
                "the guest has no vnc console",
                "<graphics type='vnc' port='-1' autoport='yes'/>",
            ),
            (
                RouteError::NotThisKind { wanted: ConsoleKind::Spice },
                "the guest has no spice console",
                "<graphics type='spice' port='-1' autoport='yes'/>",
            ),
            (
                RouteError::ListensNowhere { kind },
                "the guest's vnc console listens nowhere (listen type none)",
                "<listen type='address' address='127.0.0.1'/>",
            ),
            (
                RouteError::UnknownListen { kind, found: "vsock".into() },
                "the guest's vnc console listens in an unknown way (vsock)",
                "<listen type='address' address='127.0.0.1'/>",
            ),
            (
                RouteError::NoPort { kind },
                "the guest's vnc console has no port",
                "port='-1' autoport='yes'",
            ),
            (
                RouteError::TlsOnly { kind: ConsoleKind::Spice },
                "the guest's spice console accepts TLS only",
                "remove defaultMode='secure'",
            ),
            (
                RouteError::NoSocketPath { kind },
                "the guest's vnc console has no socket path yet",
                "socket='/absolute/path'",
            ),
            (
                RouteError::RelativeSocketPath { kind },
                "the guest's vnc console has a socket path that is not absolute",
                "socket='/absolute/path'",
            ),
            (
                RouteError::RemoteSocket { kind },
                "the guest's vnc console is a UNIX socket that only its own machine can open",
                "<listen type='address' address='...'/>",
            ),
            (
                RouteError::RemoteLoopback { kind },
                "the guest's vnc console listens on its own machine's loopback only",
                "<listen type='address' address='0.0.0.0'/>",
            ),
        ]
    }

    const fn number(error: &RouteError) -> usize {
        match error {
            RouteError::ShutOff => 0,
            RouteError::NoGraphics => 1,
            RouteError::Unsupported { .. } => 2,
            RouteError::NotThisKind { wanted: ConsoleKind::Vnc } => 3,
            RouteError::NotThisKind { wanted: ConsoleKind::Spice } => 4,
            RouteError::ListensNowhere { .. } => 5,
            RouteError::UnknownListen { .. } => 6,
            RouteError::NoPort { .. } => 7,
            RouteError::TlsOnly { .. } => 8,
            RouteError::NoSocketPath { .. } => 9,
            RouteError::RelativeSocketPath { .. } => 10,
            RouteError::RemoteSocket { .. } => 11,
            RouteError::RemoteLoopback { .. } => 12,
        }
    }

    #[test]
    fn every_error_says_what_is_wrong_and_what_to_write_instead() {
        for (place, (error, text, remedy)) in table().into_iter().enumerate() {
            assert_eq!((number(&error), error.to_string().as_str()), (place, text));
            assert!(error.remedy().contains(remedy), "{text}: {}", error.remedy());
            // Short and plain enough for a WebSocket's close reason (RFC 6455 section 5.5).
            assert!(text.len() <= 123 && !text.contains(['<', '>', '&']), "{text}");
        }
    }
}
