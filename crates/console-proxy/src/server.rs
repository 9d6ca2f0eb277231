//! [`run`]: the server's life from the first accept to the last session's end.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use console_backend::Opener;
use console_config::ServerSettings;
use console_tls::Tls;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use crate::client_files::Clients;
use crate::listener::Listener;
use crate::resolve::Resolve;
use crate::{accept, connection};

/// What every connection shares.
pub(crate) struct Server<R> {
    pub(crate) settings: ServerSettings,
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) resolver: R,
    pub(crate) opener: Opener,
    pub(crate) clients: Clients,
    pub(crate) sessions: Semaphore,
    pub(crate) session_ids: AtomicU64,
    /// Asks sessions and connections to end in order.
    pub(crate) stop: CancellationToken,
}

/// Serves on `listeners`, encrypted with `tls` and plain on each of them, with consoles that `opener` opens, until `shutdown` is ready, then stops accepting and closes the
/// sessions in order (close code 1001) within `shutdown_timeout` of the settings; what has not ended by then is cut off. When it returns
/// nothing of it runs any more.
///
/// # Cancel safety
///
/// Dropping the future stops accepting, but leaves open sessions to the runtime; use `shutdown`.
pub async fn run<R: Resolve>(
    listeners: Vec<Listener>,
    tls: Option<Arc<Tls>>,
    settings: ServerSettings,
    opener: Opener,
    resolver: R,
    shutdown: impl Future<Output = ()>,
) {
    let stop = CancellationToken::new();
    let kill = CancellationToken::new();
    let grace = settings.shutdown_timeout;
    let connections = Arc::new(Semaphore::new(settings.max_connections));
    let server = Arc::new(Server {
        opener,
        clients: Clients::find(settings.web_root.as_deref(), settings.spice_root.as_deref()),
        sessions: Semaphore::new(settings.max_sessions),
        session_ids: AtomicU64::new(1),
        stop: stop.clone(),
        settings,
        tls,
        resolver,
    });

    let tasks = TaskTracker::new();
    for listener in listeners {
        let (server, connections, kill) = (server.clone(), connections.clone(), kill.clone());
        let (tracker, stop) = (tasks.clone(), stop.clone());
        let accepting = async move {
            loop {
                let (socket, peer) = accept::next(&listener).await;
                // At the limit this one waits, and the rest in the kernel's queue; a place taken before would be kept from the other
                // listeners. The semaphore is never closed.
                let Ok(permit) = connections.clone().acquire_owned().await else { return };
                let proxy_protocol = listener.proxy_protocol;
                let (server, kill) = (server.clone(), kill.clone());
                tracker.spawn(async move {
                    tokio::select! {
                        () = kill.cancelled() => debug!(client = %peer, "cut off"),
                        () = connection::serve(server, socket, peer, proxy_protocol) => {}
                    }
                    drop(permit);
                });
            }
        };
        tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = accepting => {}
            }
        });
    }

    shutdown.await;
    stop.cancel();
    tasks.close();
    let open = server.settings.max_sessions.saturating_sub(server.sessions.available_permits());
    info!(sessions = open, "shutting down");
    if timeout(grace, tasks.wait()).await.is_err() {
        warn!(connections = tasks.len(), "cutting off what did not end in time (shutdown_timeout)");
        kill.cancel();
        tasks.wait().await;
    }
    server.opener.close().await;
}
