//! One connection: a PROXY header where one is due, TLS or plain, HTTP until it ends or becomes a WebSocket, then its session.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{sleep, timeout};
use tracing::{debug, info};

use crate::client::{Client, Peer};
use crate::resolve::Resolve;
use crate::server::Server;
use crate::session::{self, PendingSession};
use crate::socket::Socket;
use crate::{ending, http, proxy_header, tls};

/// Where the upgrade request leaves its session for the time after HTTP.
pub(crate) type Slot = Mutex<Option<PendingSession>>;

/// Serves one connection to its end.
pub(crate) async fn serve<R: Resolve>(
    server: Arc<Server<R>>,
    mut socket: Socket,
    peer: Peer,
    proxy_protocol: bool,
) {
    if let Err(error) = socket.set_nodelay() {
        debug!(client = %peer, %error, "the connection ended at once");
        return;
    }
    let opening =
        timeout(server.settings.header_timeout, open(&server, &mut socket, peer, proxy_protocol));
    let opened = tokio::select! {
        opened = opening => opened,
        () = server.stop.cancelled() => return,
    };
    let (mut client, first) = match opened {
        Ok(Some(opened)) => opened,
        Ok(None) => return,
        Err(_) => return debug!(client = %peer, "the client said nothing in time (header_timeout)"),
    };
    if first != tls::HANDSHAKE {
        return serve_http(server, socket, client).await;
    }
    let accepted = tokio::select! {
        accepted = tls::accept(&server, socket, &client) => accepted,
        () = server.stop.cancelled() => return,
    };
    if let Some((stream, subject)) = accepted {
        (client.is_encrypted, client.is_encrypted_to_us, client.subject) = (true, true, subject);
        serve_http(server, stream, client).await;
    }
}

/// The client and its first byte, which stays to be read.
async fn open<R>(
    server: &Server<R>,
    socket: &mut Socket,
    peer: Peer,
    proxy_protocol: bool,
) -> Option<(Client, u8)> {
    let mut client = Client::new(peer);
    if proxy_protocol {
        if !peer.is_in(&server.settings.trusted_proxies) {
            info!(
                client = %peer,
                remedy = "add its address to trusted_proxies, or let it connect to another listener",
                "a connection was refused: this listener is for the PROXY protocol of trusted proxies"
            );
            return None;
        }
        match proxy_header::read(socket).await {
            Ok(proxied) => {
                client.peer = proxied.peer.unwrap_or(peer);
                client.is_unnamed = proxied.peer.is_none();
                client.is_encrypted = proxied.is_encrypted;
            }
            Err(error @ proxy_header::HeaderError::Ended(_)) => {
                debug!(client = %peer, error = ending::chain(&error), "the connection ended");
                return None;
            }
            Err(error) => {
                info!(
                    client = %peer,
                    cause = ending::chain(&error),
                    remedy = "let the reverse proxy send the PROXY protocol (HAProxy: send-proxy-v2), or remove proxy_protocol from this listener",
                    "a connection was refused"
                );
                return None;
            }
        }
    }
    match socket.first_byte().await {
        Ok(Some(first)) => Some((client, first)),
        Ok(None) => None,
        Err(error) => {
            debug!(client = %client.peer, %error, "the connection ended");
            None
        }
    }
}

async fn serve_http<R: Resolve, S>(server: Arc<Server<R>>, stream: S, client: Client)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let peer = client.peer;
    let slot = Arc::new(Slot::default());
    let service = service_fn(|request| {
        let (server, slot, client) = (server.clone(), slot.clone(), client.clone());
        async move { Ok::<_, Infallible>(http::answer(&server, request, &client, &slot).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(server.settings.header_timeout)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);

    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = server.stop.cancelled() => None,
        () = sleep(HTTP_LIFETIME) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            // The answer under way is finished, no further request is read.
            connection.as_mut().graceful_shutdown();
            match timeout(HTTP_GRACE + server.settings.lookup_timeout, connection).await {
                Ok(ended) => ended,
                Err(_) => {
                    debug!(client = %peer, "the client took too long to read its answer");
                    return;
                }
            }
        }
    };
    if let Err(error) = ended {
        debug!(client = %peer, error = ending::chain(&error), "the HTTP connection ended with an error");
        return;
    }
    let pending = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(pending) = pending {
        session::run(&server, pending).await;
    }
}

/// The largest request head, in bytes: panels set large cookies, but nobody needs more than 64 KiB.
const MAX_HEAD: usize = 64 * 1024;

/// How long a connection may go on with plain HTTP requests: a page and its files take some seconds.
const HTTP_LIFETIME: Duration = Duration::from_secs(60);

/// How much longer than a lookup the last answer may take, so that a client that does not read holds nothing for ever.
const HTTP_GRACE: Duration = Duration::from_secs(30);
