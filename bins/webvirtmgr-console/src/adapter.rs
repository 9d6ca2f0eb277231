//! Where the server's question meets console-resolve's answer.

use console_config::{HostSettings, Settings};
use console_inventory::{Connection, Host, Inventory};
use console_libvirt::{Libvirt, LibvirtSettings};
use console_proxy::{ConsoleToken, Fault, Refusal, Resolve, Target};
use console_resolve::{ResolveError, ResolveFault, Resolver};

/// [`Resolver`] as the proxy asks for it.
#[derive(Debug)]
pub(crate) struct Adapter(Resolver);

/// The resolver that the settings describe.
pub(crate) fn resolver(settings: &Settings) -> Adapter {
    let libvirt =
        LibvirtSettings { timeout: settings.server.lookup_timeout, ..LibvirtSettings::default() };
    Adapter(Resolver::new(Inventory::new(settings.hosts.iter().map(host)), Libvirt::new(libvirt)))
}

fn host(settings: &HostSettings) -> Host {
    let connection = match &settings.connection {
        console_config::Connection::Tcp { hostname } => {
            Connection::Tcp { hostname: hostname.clone() }
        }
        console_config::Connection::Socket => Connection::Socket,
    };
    let host = Host::new(settings.id, &settings.name, connection);
    match &settings.uri {
        Some(uri) => host.with_uri(uri),
        None => host,
    }
}

impl Resolve for Adapter {
    async fn resolve(&self, token: ConsoleToken) -> Result<Target, Refusal> {
        let console = self.0.resolve(token).await.map_err(refusal)?;
        Ok(Target { guest_name: console.domain, kind: console.kind, route: console.route })
    }
}

fn refusal(error: ResolveError) -> Refusal {
    let fault = match error.fault() {
        ResolveFault::NotFound => Fault::NotFound,
        ResolveFault::NoConsole => Fault::NoConsole,
        ResolveFault::Unavailable => Fault::Unavailable,
    };
    Refusal { fault, reason: error.public_reason(), remedy: error.remedy(), cause: error.into() }
}
