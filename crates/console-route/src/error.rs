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
    /// A UNIX socket of another machine.
    #[error("the guest's {kind} console is a UNIX socket of another machine")]
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
    /// What to write in the domain's XML, or to do, instead.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::ShutOff => "start it: virsh start",
            Self::NoGraphics | Self::Unsupported { .. } | Self::NotThisKind { .. } => {
                "give it a console: <graphics type='vnc' port='-1' autoport='yes'/> in <devices>, then start it anew"
            }
            Self::ListensNowhere { .. } | Self::UnknownListen { .. } => {
                "replace the <listen> of its <graphics> by <listen type='address' address='127.0.0.1'/>, then start it anew"
            }
            Self::NoPort { .. } => {
                "write port='-1' autoport='yes' at its <graphics>, then start it anew"
            }
            Self::TlsOnly { .. } => {
                "let it listen without TLS, too: remove defaultMode='secure' at its <graphics type='spice'>, then start it anew"
            }
            Self::NoSocketPath { .. } => {
                "start it anew, or write socket='/path' at its <listen type='socket'>"
            }
            Self::RemoteSocket { .. } => {
                "only that host's own processes can open it: reach the host by SSH, or let the console listen on an address"
            }
            Self::RemoteLoopback { .. } => {
                "set listen of its <graphics> to an address that this machine reaches, or reach the host by SSH"
            }
        }
    }
}
