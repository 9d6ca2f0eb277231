//! The open byte stream, and what opens it.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use console_route::Route;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout_at};

use crate::ssh::{Pool, SshFailure, SshHost, SshLimits, SshReport, SshStream, Target};
use crate::{OpenError, tcp, unix};

/// An open console: bytes from and to a VNC or SPICE server. Shutting it down closes the write side only.
#[derive(Debug)]
#[non_exhaustive]
pub enum Backend {
    /// A TCP connection, without Nagle's delay and with keep-alive.
    Tcp(TcpStream),
    /// A UNIX stream socket.
    Unix(UnixStream),
    /// A channel of an SSH connection.
    Ssh(SshStream),
}

/// Opens consoles, and keeps the SSH connections that carry them. Cheap to share behind an `Arc`.
pub struct Opener {
    connect_timeout: Duration,
    ssh: Arc<Pool>,
}

impl Opener {
    /// An opener. `connect_timeout` covers name resolution and every address that is tried, for consoles that are reached directly; those
    /// through SSH have `ssh`'s bounds.
    pub fn new(connect_timeout: Duration, ssh: SshLimits) -> Self {
        Self { connect_timeout, ssh: Pool::new(ssh) }
    }

    /// The same, but that it writes no key into known_hosts: one that would be is believed for this once. For programs that only look.
    #[must_use]
    pub fn that_writes_nothing(self) -> Self {
        Self { ssh: self.ssh.apart(), ..self }
    }

    /// Opens `route`.
    ///
    /// # Errors
    ///
    /// [`OpenError`] names the route and what the system or the SSH server said.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the attempt and leaves no console open. An SSH connection that it was waiting for is opened all the
    /// same, for those who come next.
    pub async fn open(&self, route: &Route<Arc<SshHost>>) -> Result<Backend, OpenError> {
        let limit = self.connect_timeout;
        let deadline = Instant::now() + limit;
        match route {
            Route::Tcp { host, port, prefer } => {
                let attempt = tcp::connect(host, *port, *prefer, deadline);
                match timeout_at(deadline, attempt).await {
                    Ok(opened) => opened
                        .map(Backend::Tcp)
                        .map_err(|failure| OpenError::new(route, failure.into(), limit)),
                    Err(_) => Err(OpenError::TimedOut { route: route.to_string(), limit }),
                }
            }
            Route::Unix { path } => match timeout_at(deadline, unix::connect(path)).await {
                Ok(opened) => opened
                    .map(Backend::Unix)
                    .map_err(|failure| OpenError::unix(route, failure, limit)),
                Err(_) => Err(OpenError::TimedOut { route: route.to_string(), limit }),
            },
            Route::SshTcp { via, host, port } => {
                let target = Target::Tcp { host: host.clone(), port: port.get() };
                self.through(via, target, route).await
            }
            Route::SshUnix { via, path } => {
                self.through(via, Target::Unix { path: path.clone() }, route).await
            }
            _ => Err(OpenError::Failed {
                route: route.to_string(),
                source: io::ErrorKind::Unsupported.into(),
            }),
        }
    }

    /// Logs in at `host` on a connection of its own, looks at what the server makes of it and lets it do, and closes the connection again. No
    /// console is opened, and nothing is written: a key that would be written into known_hosts is reported
    /// ([`HostKeyState::WouldBeAccepted`](crate::HostKeyState::WouldBeAccepted), [`SshReport::would_write`]) and believed for this once, also a jump
    /// host's, of which it takes a connection more to tell.
    ///
    /// Connecting, key exchange and login have the bounds of [`SshLimits`], and each request over the finished connection (a round trip, two to open
    /// and close what a TCP tunnel leads to, up to five for UNIX sockets) has its [`channel_timeout`](SshLimits::channel_timeout).
    ///
    /// # Errors
    ///
    /// [`SshFailure`]: why there is no login, as a console would meet it, and what was found out of the keys before. What a server forbids to those who are logged in is in the report.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    pub async fn examine(&self, host: &Arc<SshHost>) -> Result<SshReport, SshFailure> {
        self.ssh.examine(host).await
    }

    /// Ends all SSH connections in order, with the consoles in them, and waits for that, a second or two at most.
    pub async fn close(&self) {
        self.ssh.close().await;
    }

    async fn through(
        &self,
        via: &Arc<SshHost>,
        target: Target,
        route: &Route<Arc<SshHost>>,
    ) -> Result<Backend, OpenError> {
        let opened = self.ssh.clone().open(via.clone(), target).await;
        let failed = |source| OpenError::Ssh { route: route.to_string(), source };
        opened.map(Backend::Ssh).map_err(failed)
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener").finish_non_exhaustive()
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
            Self::Ssh(stream) => Pin::new(stream).poll_read(cx, buf),
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
            Self::Ssh(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::Ssh(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Ssh(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
