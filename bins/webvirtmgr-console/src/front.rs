//! Where connections are accepted, and what they are encrypted with.

use std::sync::Arc;

use anyhow::{Result, bail};
use console_config::ServerSettings;
use console_listen::{Listening, Origin, Passed, Socket, SocketFile};
use console_proxy::{Listener, Tls};
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::Signal;
use tokio::sync::Notify;
use tracing::info;

/// The open listeners. Dropping it removes the socket files.
#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) listeners: Vec<Listener>,
    /// Where they are, for people.
    pub(crate) status: String,
    _files: Vec<SocketFile>,
}

/// Listens where the settings or systemd say, and says where in the log. Needs tokio's runtime.
pub(crate) fn listen(settings: &ServerSettings, passed: Passed) -> Result<Front> {
    let addresses = console_assembly::listen_addresses(settings);
    let mut front = Front { listeners: Vec::new(), status: String::new(), _files: Vec::new() };
    let mut places = Vec::new();
    let mut ports = Vec::new();
    for Listening { origin, socket, .. } in console_listen::open(&addresses, passed)? {
        let listen = match &origin {
            Origin::Address(index) => settings.listen.get(*index),
            Origin::Passed(_) => None,
        };
        if listen.is_none() && settings.listen.iter().any(|listen| listen.proxy_protocol) {
            // It must not be forgotten silently that a listener is for nobody but trusted proxies.
            bail!(
                "systemd passed a socket in place of listen, which expects the PROXY protocol; list it there, as in {{ address = \"systemd:NAME\", proxy_protocol = true }}"
            );
        }
        let proxy_protocol = listen.is_some_and(|listen| listen.proxy_protocol);
        let (place, kind) =
            (socket.to_string(), if proxy_protocol { ", with the PROXY protocol" } else { "" });
        match origin {
            Origin::Passed(name) => {
                info!("listening on {place}{kind}, passed by systemd as {name}")
            }
            Origin::Address(_) => info!("listening on {place}{kind}"),
        }
        places.push(place);
        let listener = match socket {
            Socket::Tcp(listener) => {
                ports.push((proxy_protocol, listener.local_addr()?));
                Listener::from(TcpListener::from_std(listener)?)
            }
            Socket::Unix(socket) => {
                let (listener, file) = socket.into_parts();
                front._files.extend(file);
                Listener::from(UnixListener::from_std(listener)?)
            }
        };
        front.listeners.push(listener.proxy_protocol(proxy_protocol));
    }
    front.status = format!("listening on {}", places.join(", "));
    // What people open is a listener that they can speak to, if there is one.
    ports.sort_by_key(|(proxy_protocol, _)| *proxy_protocol);
    let ports: Vec<_> = ports.into_iter().map(|(_, address)| address).collect();
    if let Some(url) = crate::url::console(settings, &ports) {
        info!("consoles are at {url}");
    }
    Ok(front)
}

/// The certificate, if there is one.
pub(crate) fn tls(settings: &ServerSettings) -> Result<Option<Arc<Tls>>> {
    let Some(files) = &settings.tls else { return Ok(None) };
    let public_name = console_assembly::public_name(settings);
    let tls = Tls::load(console_assembly::tls_settings(files, public_name))?;
    Ok(Some(Arc::new(tls)))
}

/// Reloads the certificate when its files change, and on SIGHUP. Never returns.
pub(crate) async fn keep_up(tls: Option<Arc<Tls>>, mut hangup: Signal) {
    let Some(tls) = tls else {
        while hangup.recv().await.is_some() {
            info!(
                "SIGHUP: there is no certificate to reload, and other settings are read at start only"
            );
        }
        return std::future::pending().await;
    };
    let asked = Arc::new(Notify::new());
    let told = async {
        while hangup.recv().await.is_some() {
            asked.notify_one();
        }
    };
    tokio::join!(tls.watch(asked.clone()), told);
}
