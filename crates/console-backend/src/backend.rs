//! The open byte stream, and the one function that opens it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use console_route::Route;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout_at};

use crate::{OpenError, tcp, unix};

/// An open console: bytes from and to a VNC or SPICE server. Shutting it down closes the write side only.
#[derive(Debug)]
#[non_exhaustive]
pub enum Backend {
    /// A TCP connection, without Nagle's delay and with keep-alive.
    Tcp(TcpStream),
    /// A UNIX stream socket.
    Unix(UnixStream),
}

/// Opens `route` within `limit`, which covers name resolution and every address that is tried.
///
/// # Errors
///
/// [`OpenError`] names the route and what the system said.
///
/// # Cancel safety
///
/// Dropping the future abandons the attempt and leaves nothing open.
pub async fn open(route: &Route, limit: Duration) -> Result<Backend, OpenError> {
    let deadline = Instant::now() + limit;
    let attempt = async {
        match route {
            Route::Tcp { host, port, prefer } => tcp::connect(host, *port, *prefer, deadline)
                .await
                .map(Backend::Tcp)
                .map_err(|source| OpenError::new(route, source, limit)),
            Route::Unix { path } => unix::connect(path)
                .await
                .map(Backend::Unix)
                .map_err(|failure| OpenError::unix(route, failure, limit)),
            _ => Err(OpenError::Unsupported { route: route.to_string() }),
        }
    };
    match timeout_at(deadline, attempt).await {
        Ok(opened) => opened,
        Err(_) => Err(OpenError::TimedOut { route: route.to_string(), limit }),
    }
}

impl AsyncRead for Backend {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Backend {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
