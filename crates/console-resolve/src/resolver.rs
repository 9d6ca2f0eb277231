//! The way from a token to a route.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use console_inventory::{Host, Inventory, InventoryError, PanelHosts, SshAccess};
use console_libvirt::{Endpoint, Libvirt};
use console_route::{ConsoleKind, Route, Routed, route};
use console_token::ConsoleToken;
use libvirt_graphics::Domain;
use uuid::Uuid;

use crate::error::ResolveError;
use crate::flights::Flights;
use crate::shared::SharedLookups;

/// A console that was found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Console {
    /// The domain's name in libvirt.
    pub domain: String,
    /// VNC or SPICE.
    pub kind: ConsoleKind,
    /// How to reach it from this machine.
    pub route: Route<Arc<SshAccess>>,
}

/// Whose lookup it is: the domain, and the libvirt that is asked. Not the host's number, which may lead elsewhere a moment later.
type Key = (Uuid, String);

/// Inventory, libvirt and the decision table in one call. Cheap to share behind an `Arc`.
pub struct Resolver {
    inventory: Inventory,
    libvirt: Arc<Libvirt>,
    flights: Flights<Key, Result<Arc<Domain>, ResolveError>>,
    shared: SharedLookups<Key, Arc<Domain>>,
}

impl Resolver {
    /// A resolver over `inventory` that asks through `libvirt`.
    pub fn new(inventory: Inventory, libvirt: Libvirt) -> Self {
        Self {
            inventory,
            libvirt: Arc::new(libvirt),
            flights: Flights::new(),
            shared: SharedLookups::new(),
        }
    }

    /// Where the console of the token's domain is, now. Of several consoles it is the first, or the first of the `wanted` kind.
    ///
    /// The channels of a SPICE console open one after the other, so they share a lookup for [`SPICE_SHARE`](crate::SPICE_SHARE), until
    /// [`forget`](Self::forget).
    ///
    /// # Errors
    ///
    /// [`ResolveError`]: unknown host or domain, libvirt out of reach, XML that cannot be read, no console to reach.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the lookup, unless others wait for the same one.
    pub async fn resolve(
        &self,
        token: ConsoleToken,
        wanted: Option<ConsoleKind>,
    ) -> Result<Console, ResolveError> {
        let host = self.inventory.host(token).await.map_err(ResolveError::Inventory)?;
        let uuid = token.domain().as_uuid();
        let key = (uuid, host.libvirt_uri().to_owned());
        let asked_at = Instant::now();
        if let Some(domain) = self.shared.get(&key, asked_at)
            && let Ok(routed) = route(host.access(), &domain, wanted)
            && routed.kind == ConsoleKind::Spice
        {
            return Ok(console(&domain, routed));
        }
        let look_up = || look_up(self.libvirt.clone(), host.clone(), uuid);
        let domain = self.flights.join(key.clone(), look_up).await?;
        let routed =
            route(host.access(), &domain, wanted).map_err(|source| ResolveError::Route {
                domain: domain.name().to_owned(),
                host: host.name().to_owned(),
                source,
            })?;
        if routed.kind == ConsoleKind::Spice {
            self.shared.keep(key, domain.clone(), asked_at);
        }
        Ok(console(&domain, routed))
    }

    /// Makes the next [`resolve`](Self::resolve) of this token ask libvirt: what the last one said has proved wrong.
    pub fn forget(&self, token: ConsoleToken) {
        let uuid = token.domain().as_uuid();
        self.shared.forget(|(other, _)| *other == uuid);
    }

    /// Looks at the panel's database, if there is one ([`Inventory::check`]).
    ///
    /// # Errors
    ///
    /// [`InventoryError`]: it cannot be used, or not now.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn check(&self) -> Result<Option<PanelHosts>, InventoryError> {
        self.inventory.check().await
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
        .domain_xml(&endpoint(&host), uuid)
        .await
        .map_err(|source| ResolveError::Lookup { host: host.name().to_owned(), source })?;
    let domain = Domain::from_xml(xml.as_bytes()).map_err(|source| ResolveError::Xml {
        host: host.name().to_owned(),
        source: Arc::new(source),
    })?;
    Ok(Arc::new(domain))
}

fn console(domain: &Domain, routed: Routed<Arc<SshAccess>>) -> Console {
    Console { domain: domain.name().to_owned(), kind: routed.kind, route: routed.route }
}

/// The libvirt of a host, and who we are there.
pub fn endpoint(host: &Host) -> Endpoint {
    let mut endpoint = Endpoint::new(host.libvirt_uri());
    if let Some((address, port)) = host.libvirt_address() {
        endpoint = endpoint.listening_on(address, port);
    }
    let login = host.login();
    match &login.password {
        Some(password) => endpoint.with_password(login.name.clone(), password.clone()),
        None => endpoint,
    }
}
