//! The decision table.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use libvirt_graphics::{Domain, Graphics, GraphicsKind, Listen, Port};

use crate::address::{Scope, scope};
use crate::error::RouteError;
use crate::types::{ConsoleKind, HostAccess, Route, Routed};

/// Decides how the console of `domain` is reached on a host that is reached by `access`.
///
/// Of several devices the first VNC or SPICE one in document order is taken, as WebVirtMgr does; `wanted` narrows the choice.
///
/// # Errors
///
/// [`RouteError`]: what is in the way, and with [`RouteError::remedy`] what to change.
pub fn route(
    access: &HostAccess,
    domain: &Domain,
    wanted: Option<ConsoleKind>,
) -> Result<Routed, RouteError> {
    if !domain.is_active() {
        return Err(RouteError::ShutOff);
    }
    let (kind, graphics) = choose(domain.graphics(), wanted)?;
    // libvirt keeps the attributes equal to the first child; a child says more.
    let route = match graphics.listens.first() {
        Some(Listen::None) => return Err(RouteError::ListensNowhere { kind }),
        Some(Listen::Other(found)) => {
            return Err(RouteError::UnknownListen { kind, found: found.clone() });
        }
        Some(Listen::Socket { path }) => {
            socket(access, kind, path.as_ref().or(graphics.socket.as_ref()))
        }
        Some(Listen::Address { address } | Listen::Network { address, .. }) => {
            tcp(access, kind, graphics, address.as_ref().or(graphics.listen.as_ref()))
        }
        _ if graphics.socket.is_some() => socket(access, kind, graphics.socket.as_ref()),
        _ => tcp(access, kind, graphics, graphics.listen.as_ref()),
    }?;
    Ok(Routed { kind, route })
}

fn choose(
    devices: &[Graphics],
    wanted: Option<ConsoleKind>,
) -> Result<(ConsoleKind, &Graphics), RouteError> {
    let consoles = devices.iter().filter_map(|device| Some((kind_of(device)?, device)));
    let chosen = consoles.clone().find(|(kind, _)| wanted.is_none_or(|wanted| wanted == *kind));
    match (chosen, wanted) {
        (Some(chosen), _) => Ok(chosen),
        (None, _) if devices.is_empty() => Err(RouteError::NoGraphics),
        (None, Some(wanted)) if consoles.count() > 0 => Err(RouteError::NotThisKind { wanted }),
        _ => {
            let names: Vec<&str> = devices
                .iter()
                .filter_map(|device| match &device.kind {
                    GraphicsKind::Other(name) => Some(name.as_str()),
                    _ => None,
                })
                .take(MAX_NAMES)
                .collect();
            Err(RouteError::Unsupported { found: names.join(", ") })
        }
    }
}

const fn kind_of(device: &Graphics) -> Option<ConsoleKind> {
    match device.kind {
        GraphicsKind::Vnc => Some(ConsoleKind::Vnc),
        GraphicsKind::Spice => Some(ConsoleKind::Spice),
        _ => None,
    }
}

fn socket(
    access: &HostAccess,
    kind: ConsoleKind,
    path: Option<&String>,
) -> Result<Route, RouteError> {
    if *access != HostAccess::Local {
        return Err(RouteError::RemoteSocket { kind });
    }
    match path.map(String::as_str) {
        None | Some("") => Err(RouteError::NoSocketPath { kind }),
        Some(path) if path.starts_with('/') => Ok(Route::Unix { path: path.to_owned() }),
        Some(_) => Err(RouteError::RelativeSocketPath { kind }),
    }
}

fn tcp(
    access: &HostAccess,
    kind: ConsoleKind,
    graphics: &Graphics,
    listen: Option<&String>,
) -> Result<Route, RouteError> {
    let port = match (graphics.port, graphics.tls_port) {
        (Port::Number(port), _) => port,
        (_, Port::Number(_)) => return Err(RouteError::TlsOnly { kind }),
        _ => return Err(RouteError::NoPort { kind }),
    };
    let listen = listen.map(String::as_str).unwrap_or_default();
    let host = match (here(access), scope(listen)) {
        (None, Scope::Loopback) | (None, Scope::Specific) => listen,
        (None, Scope::Any(loopback)) => loopback,
        (Some(_), Scope::Loopback) => return Err(RouteError::RemoteLoopback { kind }),
        (Some(hostname), Scope::Any(_) | Scope::Specific) => hostname,
    };
    Ok(Route::Tcp { host: host.to_owned(), port })
}

/// The name of another machine; `None` for this one, also when it is reached over the network.
fn here(access: &HostAccess) -> Option<&str> {
    match access {
        HostAccess::Remote { hostname } if scope(hostname) == Scope::Specific => Some(hostname),
        _ => None,
    }
}

/// How many foreign types an error lists.
const MAX_NAMES: usize = 4;
