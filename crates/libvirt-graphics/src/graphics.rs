//! One `<graphics>` element.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::num::NonZeroU16;

use roxmltree::Node;
use secrecy::SecretString;

use crate::domain::{attribute, is};
use crate::error::{XmlError, printable};

/// One `<graphics>` element (libvirt, "Domain XML format", "Graphical framebuffers").
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Graphics {
    /// Attribute `type`.
    pub kind: GraphicsKind,
    /// Attribute `port`: VNC, or SPICE without TLS.
    pub port: Port,
    /// Attribute `tlsPort`: SPICE with TLS.
    pub tls_port: Port,
    /// Attribute `websocket`: QEMU's own WebSocket server.
    pub websocket: Port,
    /// Attribute `autoport`: libvirt chooses the ports at start.
    pub autoport: bool,
    /// Attribute `listen`: the address of the first `<listen>`, or of its own in old XML.
    pub listen: Option<String>,
    /// The `<listen>` children, in document order.
    pub listens: Vec<Listen>,
    /// Attribute `socket`: the old form of `<listen type='socket'>`.
    pub socket: Option<String>,
    /// Attribute `passwd`, which libvirt shows only with `VIR_DOMAIN_XML_SECURE`. Never printed.
    pub password: Option<SecretString>,
    /// Attribute `passwdValidTo`: UTC in ISO 8601 without a zone, as libvirt writes it.
    pub password_valid_to: Option<String>,
}

impl Graphics {
    pub(crate) fn from_node(node: &Node<'_, '_>) -> Result<Self, XmlError> {
        let kind = attribute(node, "type").ok_or(XmlError::NoType { element: "graphics" })?;
        let port = |name| Port::from_attribute(node, kind, name);
        let owned = |name| attribute(node, name).map(ToOwned::to_owned);
        Ok(Self {
            kind: GraphicsKind::from_type(kind),
            port: port("port")?,
            tls_port: port("tlsPort")?,
            websocket: port("websocket")?,
            autoport: attribute(node, "autoport") == Some("yes"),
            listen: owned("listen"),
            listens: node
                .children()
                .filter(|child| is(child, "listen"))
                .map(|child| Listen::from_node(&child))
                .collect::<Result<_, _>>()?,
            socket: owned("socket"),
            password: attribute(node, "passwd").map(SecretString::from),
            password_valid_to: owned("passwdValidTo"),
        })
    }
}

/// The kind of a graphics device.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GraphicsKind {
    /// `vnc`: RFB (RFC 6143).
    Vnc,
    /// `spice`.
    Spice,
    /// Another one by libvirt's name: `sdl`, `rdp`, `desktop`, `egl-headless`, `dbus`.
    Other(String),
}

impl GraphicsKind {
    fn from_type(name: &str) -> Self {
        match name {
            "vnc" => Self::Vnc,
            "spice" => Self::Spice,
            other => Self::Other(printable(other)),
        }
    }
}

impl fmt::Display for GraphicsKind {
    /// libvirt's own word.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vnc => "vnc",
            Self::Spice => "spice",
            Self::Other(name) => name,
        })
    }
}

/// A port attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Port {
    /// There is no such attribute: the device has no such port.
    Missing,
    /// `-1` (or `0`): libvirt allocates it when the domain starts.
    Unallocated,
    /// A port, 1 to 65535.
    Number(NonZeroU16),
}

impl Port {
    /// The number, if there is one.
    pub const fn number(self) -> Option<NonZeroU16> {
        match self {
            Self::Number(port) => Some(port),
            Self::Missing | Self::Unallocated => None,
        }
    }

    fn from_attribute(
        node: &Node<'_, '_>,
        kind: &str,
        name: &'static str,
    ) -> Result<Self, XmlError> {
        let Some(value) = attribute(node, name) else { return Ok(Self::Missing) };
        // Rust's parser would take a `+`, which libvirt never writes.
        let number = if value.starts_with('+') { None } else { value.parse().ok() };
        match (value, number) {
            ("-1" | "0", _) => Ok(Self::Unallocated),
            (_, Some(number)) => Ok(Self::Number(number)),
            (_, None) => Err(XmlError::Port {
                kind: printable(kind),
                attribute: name,
                found: printable(value),
            }),
        }
    }
}

/// One `<listen>` element.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Listen {
    /// `type='address'`; without an address libvirt's default applies.
    Address {
        /// An IPv4 or IPv6 address, or a name.
        address: Option<String>,
    },
    /// `type='network'`.
    Network {
        /// The network's name.
        network: Option<String>,
        /// In live XML the address that libvirt resolved it to.
        address: Option<String>,
    },
    /// `type='socket'`: a UNIX socket.
    Socket {
        /// Its path; inactive XML may have none yet.
        path: Option<String>,
    },
    /// `type='none'`: the console listens nowhere.
    None,
    /// A type that libvirt may add one day, by its name.
    Other(String),
}

impl Listen {
    fn from_node(node: &Node<'_, '_>) -> Result<Self, XmlError> {
        let kind = attribute(node, "type").ok_or(XmlError::NoType { element: "listen" })?;
        let owned = |name| attribute(node, name).map(ToOwned::to_owned);
        Ok(match kind {
            "address" => Self::Address { address: owned("address") },
            "network" => Self::Network { network: owned("network"), address: owned("address") },
            "socket" => Self::Socket { path: owned("socket") },
            "none" => Self::None,
            other => Self::Other(printable(other)),
        })
    }
}
