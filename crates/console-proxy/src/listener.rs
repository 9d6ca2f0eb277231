//! What the server accepts connections on.

use std::io;

use tokio::net::{TcpListener, UnixListener};

use crate::client::Peer;
use crate::socket::Socket;

/// A listening socket, and what connections to it begin with.
#[derive(Debug)]
pub struct Listener {
    socket: Listening,
    pub(crate) proxy_protocol: bool,
}

#[derive(Debug)]
enum Listening {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Whether each connection begins with a PROXY protocol header (version 1 or 2), from one of the settings' `trusted_proxies`. Default
    /// no.
    #[must_use]
    pub fn proxy_protocol(self, proxy_protocol: bool) -> Self {
        Self { proxy_protocol, ..self }
    }

    /// The next connection.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no connection.
    pub(crate) async fn accept(&self) -> io::Result<(Socket, Peer)> {
        match &self.socket {
            Listening::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Socket::Tcp(stream), Peer::address(peer)))
            }
            Listening::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Socket::Unix(stream), Peer::Unix))
            }
        }
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self { socket: Listening::Tcp(listener), proxy_protocol: false }
    }
}

impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Self { socket: Listening::Unix(listener), proxy_protocol: false }
    }
}
