//! Why a token leads to no console, sorted by whose fault it is.

use std::sync::Arc;

use console_inventory::{DatabaseError, InventoryError};
use console_libvirt::LookupError;
use console_route::{ConsoleKind, RouteError};
use libvirt_graphics::XmlError;

/// Why a token leads to no console.
///
/// The texts are for the log; [`public_reason`](Self::public_reason) is for the person in front of the browser.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// The inventory does not know the host, or cannot be asked.
    #[error(transparent)]
    Inventory(InventoryError),
    /// libvirt on that host does not know the domain, or cannot be asked.
    #[error("on {host}")]
    Lookup {
        /// The host's name.
        host: String,
        /// What libvirt said.
        #[source]
        source: LookupError,
    },
    /// libvirt's XML cannot be understood.
    #[error("{host} describes the domain in a way that cannot be read")]
    Xml {
        /// The host's name.
        host: String,
        /// What is wrong with it.
        #[source]
        source: Arc<XmlError>,
    },
    /// The domain has no console that can be reached.
    #[error("domain {domain} on {host}")]
    Route {
        /// The domain's name.
        domain: String,
        /// The host's name.
        host: String,
        /// What is in the way.
        #[source]
        source: RouteError,
    },
}

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResolveFault {
    /// The host or the domain does not exist.
    NotFound,
    /// The domain has no console that can be reached as it is now.
    NoConsole,
    /// The inventory or libvirt does not answer as it should.
    Unavailable,
}

impl ResolveError {
    /// Whose fault it is.
    pub fn fault(&self) -> ResolveFault {
        match self {
            Self::Inventory(
                InventoryError::UnknownHost { .. } | InventoryError::UnknownGuest { .. },
            )
            | Self::Lookup { source: LookupError::NoSuchDomain { .. }, .. } => {
                ResolveFault::NotFound
            }
            Self::Route { .. } => ResolveFault::NoConsole,
            _ => ResolveFault::Unavailable,
        }
    }

    /// Which protocol the client speaks most likely, where the failure tells.
    pub const fn kind(&self) -> Option<ConsoleKind> {
        match self {
            Self::Route { source, .. } => source.kind(),
            _ => None,
        }
    }

    /// Whether the console would be there for a client that speaks TLS.
    pub const fn needs_tls(&self) -> bool {
        matches!(self, Self::Route { source: RouteError::TlsOnly { .. }, .. })
    }

    /// A short text for the person in front of the browser: no host name, no path, none of libvirt's words.
    pub fn public_reason(&self) -> String {
        match self {
            Self::Inventory(InventoryError::UnknownHost { .. }) => {
                "the console proxy does not know this host".into()
            }
            Self::Inventory(InventoryError::UnknownGuest { .. }) => {
                "the panel lists no such guest on this host".into()
            }
            Self::Inventory(InventoryError::UnusableRow { .. }) => {
                "the panel's entry of this host cannot be used".into()
            }
            Self::Inventory(InventoryError::Database(DatabaseError::TimedOut { .. })) => {
                "the panel's database did not answer in time".into()
            }
            Self::Inventory(_) => "the panel's database cannot be asked".into(),
            Self::Lookup { source: LookupError::NoSuchDomain { .. }, .. } => {
                "the hypervisor has no such guest".into()
            }
            Self::Lookup { source: LookupError::TimedOut { .. }, .. } => {
                "the hypervisor did not answer in time".into()
            }
            Self::Lookup { .. } => "the hypervisor cannot be asked".into(),
            Self::Xml { .. } => "the hypervisor's answer cannot be understood".into(),
            Self::Route { source, .. } => source.to_string(),
        }
    }

    /// What an administrator can do about it; empty where nothing is known.
    pub fn remedy(&self) -> String {
        match self {
            Self::Inventory(source) => source.remedy().into(),
            Self::Lookup { source, .. } => source.remedy().unwrap_or_default().to_owned(),
            Self::Xml { .. } => "see the domain's XML: virsh dumpxml".into(),
            Self::Route { source, .. } => source.remedy().to_owned(),
        }
    }
}
