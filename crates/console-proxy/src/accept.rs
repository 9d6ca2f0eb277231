//! Accepting connections, and surviving the errors of it.

use std::io;
use std::time::Duration;

use tokio::time::sleep;
use tracing::{debug, warn};

use crate::client::Peer;
use crate::listener::Listener;
use crate::socket::Socket;

/// The next connection. Errors of one connection are passed over; errors of the system (no descriptors, no memory) are waited
/// out with growing pauses, so that they neither end the server nor burn a core.
///
/// # Cancel safety
///
/// Dropping the future loses no connection.
pub(crate) async fn next(listener: &Listener) -> (Socket, Peer) {
    let mut pause = FIRST_PAUSE;
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_the_peers(&error) => {
                debug!(%error, "a connection ended before it was accepted")
            }
            Err(error) => {
                warn!(
                    error = %error,
                    pause_ms = pause.as_millis(),
                    remedy = "raise the limit of open files (LimitNOFILE), or lower max_connections",
                    "cannot accept connections"
                );
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// accept(2): errors already pending on the new socket are passed through it and concern only that one.
fn is_the_peers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// Short enough that people hardly notice once descriptors are free again.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
