//! Where the proxy should listen: whether it can, and whether browsers come there.

use std::net::SocketAddr;

use console_config::{Listen, ListenAddress, ServerSettings};
use console_listen::{Address, ListenError, Passed};
use tokio::time::timeout;

use crate::checks::{LISTEN_ADDRESS, LISTEN_LOOPBACK, LISTEN_RUNNING};
use crate::options::Options;
use crate::report::Branch;
use crate::running::{self, Doubt};
use crate::wording::chain;

/// Looks at each listener; returns those that browsers can speak to and where the proxy answers, as this machine reaches them.
pub(crate) async fn examine(
    branch: &Branch,
    options: &Options,
    settings: &ServerSettings,
    doubt: &Doubt,
) -> Vec<SocketAddr> {
    let mut places: Vec<(&Listen, Vec<SocketAddr>)> = Vec::new();
    for listen in &settings.listen {
        let ListenAddress::Tcp { host, port } = &listen.address else { continue };
        match own_addresses(branch, options, host, *port).await {
            Ok(addresses) => {
                branch.ok(LISTEN_ADDRESS, format!("{} is this machine's", listen.address));
                places.push((listen, addresses));
            }
            Err((text, remedy)) => {
                branch.fail(LISTEN_ADDRESS, format!("{}: {text}", listen.address), remedy);
            }
        }
    }
    loopback(branch, settings, &places);
    let mut found = Vec::new();
    for (listen, addresses) in &places {
        for address in addresses {
            let at = running::tcp(branch, options, settings, listen, *address, doubt).await;
            found.extend(at.filter(|_| !listen.proxy_protocol));
        }
    }
    for listen in &settings.listen {
        match &listen.address {
            ListenAddress::Unix { path, .. } => {
                running::unix(branch, options, listen, path, doubt).await;
            }
            ListenAddress::Systemd { .. } => branch.skip(
                LISTEN_RUNNING,
                format!(
                    "{}: systemd has the socket; systemctl list-sockets shows where",
                    listen.address
                ),
            ),
            ListenAddress::Tcp { .. } => {}
        }
    }
    found
}

/// Of all listeners together: one that others reach is enough.
fn loopback(branch: &Branch, settings: &ServerSettings, places: &[(&Listen, Vec<SocketAddr>)]) {
    let Some((first, _)) = places.first() else { return };
    let reached = places
        .iter()
        .find(|(_, addresses)| addresses.iter().any(|address| !address.ip().is_loopback()));
    let has_others = places.len() < settings.listen.len();
    match reached {
        Some((listen, _)) => {
            branch.ok(LISTEN_LOOPBACK, format!("{} is not for this machine alone", listen.address));
        }
        None if has_others || is_behind(settings) => {
            branch.ok(LISTEN_LOOPBACK, format!("{} is for a reverse proxy", first.address));
        }
        None => branch.warn(
            LISTEN_LOOPBACK,
            format!("{} is reached by browsers on this machine only, and no reverse proxy is trusted", first.address),
            "write host = \"0.0.0.0\" (WS_HOST, -H; or that address in listen), which means all addresses; or, behind a reverse proxy on this machine, trusted_proxies = [\"127.0.0.1\"]",
        ),
    }
}

/// Whether browsers come by a reverse proxy, as far as the settings tell.
pub(crate) fn is_behind(settings: &ServerSettings) -> bool {
    let public = &settings.public;
    !settings.trusted_proxies.is_empty()
        || public.path.is_some()
        || public.port.is_some_and(|port| port.get() == 443)
}

/// The addresses that a name means, if all of them can be listened on. A free port of each is opened for a moment to see.
async fn own_addresses(
    branch: &Branch,
    options: &Options,
    host: &str,
    port: u16,
) -> Result<Vec<SocketAddr>, (String, String)> {
    let any_port = Address::Tcp { host: host.to_owned(), port: 0 };
    let opening = tokio::task::spawn_blocking(move || {
        let opened = console_listen::open(&[any_port], Passed::none())?;
        let addresses = opened.iter().filter_map(|one| match &one.socket {
            console_listen::Socket::Tcp(listener) => listener.local_addr().ok(),
            console_listen::Socket::Unix(_) => None,
        });
        Ok(addresses.map(|address| SocketAddr::new(address.ip(), port)).collect())
    });
    let opening = timeout(options.limit(), opening);
    match branch.during(format!("resolving {host}"), opening).await {
        Ok(Ok(Ok(addresses))) => Ok(addresses),
        Ok(Ok(Err(error))) => {
            let error: ListenError = error;
            let remedy = error.remedy().unwrap_or_else(|| {
                "correct host (WS_HOST, -H) or listen; ip addr shows this machine's addresses"
                    .into()
            });
            Err((chain(&error), remedy))
        }
        Ok(Err(_)) | Err(_) => Err((
            format!("the name was not resolved within {:?}", options.limit()),
            "see /etc/resolv.conf, or write an address; 0.0.0.0 means all".into(),
        )),
    }
}
