//! One connection: HTTP until it ends or becomes a WebSocket, then its session.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tracing::debug;

use crate::resolve::Resolve;
use crate::server::Server;
use crate::session::{self, PendingSession};
use crate::{ending, http};

/// Where the upgrade request leaves its session for the time after HTTP.
pub(crate) type Slot = Mutex<Option<PendingSession>>;

/// Serves one connection to its end.
pub(crate) async fn serve<R: Resolve>(server: Arc<Server<R>>, stream: TcpStream, peer: SocketAddr) {
    // Frames are small and must not wait for an acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(client = %peer, %error, "the connection ended at once");
        return;
    }
    let slot = Arc::new(Slot::default());
    let service = service_fn(|request| {
        let (server, slot) = (server.clone(), slot.clone());
        async move { Ok::<_, Infallible>(http::answer(&server, request, peer, &slot).await) }
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
            match timeout(HTTP_GRACE, connection).await {
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

/// How much longer the last answer may take, so that a client that does not read holds nothing for ever.
const HTTP_GRACE: Duration = Duration::from_secs(30);
