//! The decision table.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::num::NonZeroU16;

use libvirt_graphics::{Domain, Graphics, GraphicsKind, Listen, Port};

use crate::address::{Scope, scope};
use crate::error::RouteError;
use crate::types::{ConsoleKind, HostAccess, Route, Routed, Tunnel};

/// Decides how the console of `domain` is reached on a host that is reached by `access`.
///
/// Of several devices the first VNC or SPICE one in document order is taken, as WebVirtMgr does; `wanted` narrows the choice.
///
/// # Errors
///
/// [`RouteError`]: what is in the way, and with [`RouteError::remedy`] what to change.
pub fn route<Via: Clone>(
    access: &HostAccess<Via>,
    domain: &Domain,
    wanted: Option<ConsoleKind>,
) -> Result<Routed<Via>, RouteError> {
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

fn socket<Via: Clone>(
    access: &HostAccess<Via>,
    kind: ConsoleKind,
    path: Option<&String>,
) -> Result<Route<Via>, RouteError> {
    if matches!(access, HostAccess::Remote { .. }) {
        return Err(RouteError::RemoteSocket { kind });
    }
    let path = match path.map(String::as_str) {
        None | Some("") => return Err(RouteError::NoSocketPath { kind }),
        Some(path) if path.starts_with('/') => path.to_owned(),
        Some(_) => return Err(RouteError::RelativeSocketPath { kind }),
    };
    Ok(match access {
        HostAccess::Ssh { via, .. } => Route::SshUnix { via: via.clone(), path },
        _ => Route::Unix { path },
    })
}

fn tcp<Via: Clone>(
    access: &HostAccess<Via>,
    kind: ConsoleKind,
    graphics: &Graphics,
    listen: Option<&String>,
) -> Result<Route<Via>, RouteError> {
    let port = match (graphics.port, graphics.tls_port) {
        (Port::Number(port), _) => port,
        (_, Port::Number(_)) => return Err(RouteError::TlsOnly { kind }),
        _ => return Err(RouteError::NoPort { kind }),
    };
    let listen = listen.map(String::as_str).unwrap_or_default();
    match (access, scope(listen)) {
        (HostAccess::Ssh { via, hostname, tunnel }, scope) => {
            if scope != Scope::Loopback && *tunnel == Tunnel::WhenNeeded && !is_here(hostname) {
                return Ok(elsewhere(hostname, listen, port));
            }
            Ok(Route::SshTcp { via: via.clone(), host: on_itself(listen).to_owned(), port })
        }
        (HostAccess::Remote { hostname }, scope) if !is_here(hostname) => match scope {
            Scope::Loopback => Err(RouteError::RemoteLoopback { kind }),
            Scope::Any(_) | Scope::Specific => Ok(elsewhere(hostname, listen, port)),
        },
        _ => Ok(Route::Tcp { host: on_itself(listen).to_owned(), port, prefer: None }),
    }
}

/// Where a console that listens on `listen` is opened by its own machine.
fn on_itself(listen: &str) -> &str {
    match scope(listen) {
        Scope::Loopback | Scope::Specific => listen,
        Scope::Any(loopback) => loopback,
    }
}

/// Where a console that listens on `listen` is opened from another machine: at the host's own name, never at an address that this
/// name does not have.
fn elsewhere<Via>(hostname: &str, listen: &str, port: NonZeroU16) -> Route<Via> {
    let is_address = hostname.parse::<IpAddr>().is_ok();
    let prefer = listen.parse::<IpAddr>().ok().map(|address| address.to_canonical());
    Route::Tcp {
        host: hostname.to_owned(),
        port,
        prefer: prefer.filter(|address| !is_address && !address.is_unspecified()),
    }
}

/// Whether a host's name means this machine.
fn is_here(hostname: &str) -> bool {
    scope(hostname) != Scope::Specific
}

/// How many foreign types an error lists.
const MAX_NAMES: usize = 4;
