//! The way from a token to a route.

use std::fmt;
use std::sync::Arc;

use console_inventory::{Host, Inventory};
use console_libvirt::Libvirt;
use console_route::{ConsoleKind, Route, route};
use console_token::{ConsoleToken, HostId};
use libvirt_graphics::Domain;
use uuid::Uuid;

use crate::error::ResolveError;
use crate::flights::Flights;

/// A console that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Console {
    /// The domain's name in libvirt.
    pub domain: String,
    /// VNC or SPICE.
    pub kind: ConsoleKind,
    /// How to reach it from this machine.
    pub route: Route,
}

/// Inventory, libvirt and the decision table in one call. Cheap to share behind an `Arc`.
pub struct Resolver {
    inventory: Inventory,
    libvirt: Arc<Libvirt>,
    flights: Flights<(HostId, Uuid), Result<Arc<Domain>, ResolveError>>,
}

impl Resolver {
    /// A resolver over `inventory` that asks through `libvirt`.
    pub fn new(inventory: Inventory, libvirt: Libvirt) -> Self {
        Self { inventory, libvirt: Arc::new(libvirt), flights: Flights::new() }
    }

    /// Where the console of the token's domain is, now.
    ///
    /// # Errors
    ///
    /// [`ResolveError`]: unknown host or domain, libvirt out of reach, XML that cannot be read, no console to reach.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the lookup, unless others wait for the same one.
    pub async fn resolve(&self, token: ConsoleToken) -> Result<Console, ResolveError> {
        let host = self.inventory.host(token.host()).await.map_err(ResolveError::Inventory)?;
        let uuid = token.domain().as_uuid();
        let domain = self
            .flights
            .join((host.id(), uuid), || look_up(self.libvirt.clone(), host.clone(), uuid))
            .await?;
        let routed = route(host.access(), &domain, None).map_err(|source| ResolveError::Route {
            domain: domain.name().to_owned(),
            host: host.name().to_owned(),
            source,
        })?;
        Ok(Console { domain: domain.name().to_owned(), kind: routed.kind, route: routed.route })
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

async fn look_up(
    libvirt: Arc<Libvirt>,
    host: Arc<Host>,
    uuid: Uuid,
) -> Result<Arc<Domain>, ResolveError> {
    let xml = libvirt
        .domain_xml(&host.libvirt_uri(), uuid)
        .await
        .map_err(|source| ResolveError::Lookup { host: host.name().to_owned(), source })?;
    let domain = Domain::from_xml(xml.as_bytes()).map_err(|source| ResolveError::Xml {
        host: host.name().to_owned(),
        source: Arc::new(source),
    })?;
    Ok(Arc::new(domain))
}
