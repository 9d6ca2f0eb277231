//! The client's side of a measurement: a bare byte stream or a WebSocket.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use futures_util::StreamExt;
use harness::tls_client::{TlsClient, TlsStream};
use harness::websocket::{Client, Message};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// Who talks to the relay under test.
pub(crate) enum Peer {
    Stream(Box<dyn Stream>),
    WebSocket(Box<Client>),
    Encrypted(Box<Client<TlsStream<TcpStream>>>),
}

/// A byte stream of any kind.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Peer {
    pub(crate) async fn tcp(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self::stream(stream))
    }

    pub(crate) fn stream(stream: impl Stream + 'static) -> Self {
        Self::Stream(Box::new(stream))
    }

    pub(crate) async fn websocket(address: SocketAddr, token: &str) -> Result<Self> {
        let client = Client::open(address, &format!("/?token={token}"), &[]).await?;
        Ok(Self::WebSocket(Box::new(client)))
    }

    pub(crate) async fn encrypted(
        tls: &TlsClient,
        address: SocketAddr,
        token: &str,
    ) -> Result<Self> {
        let stream = tls.connect(address).await?;
        let client =
            Client::open_over(stream, "localhost", &format!("/?token={token}"), &[]).await?;
        Ok(Self::Encrypted(Box::new(client)))
    }

    /// Sends `bytes` and waits until as many have come back.
    pub(crate) async fn echo(&mut self, bytes: &'static [u8]) -> Result<()> {
        self.send(bytes.to_vec()).await?;
        self.receive(bytes.len()).await
    }

    /// Asks the backend for `length` bytes and reads them.
    pub(crate) async fn blast(&mut self, length: usize) -> Result<()> {
        self.send(format!("B{length}").into_bytes()).await?;
        self.receive(length).await
    }

    async fn send(&mut self, bytes: Vec<u8>) -> Result<()> {
        match self {
            Self::Stream(stream) => stream.write_all(&bytes).await?,
            Self::WebSocket(client) => client.send(Message::binary(bytes)).await?,
            Self::Encrypted(client) => client.send(Message::binary(bytes)).await?,
        }
        Ok(())
    }

    async fn receive(&mut self, length: usize) -> Result<()> {
        let mut left = length;
        let mut buffer = vec![0; 64 * 1024];
        while left > 0 {
            let read = match self {
                Self::Stream(stream) => Some(stream.read(&mut buffer).await?),
                Self::WebSocket(client) => length_of(client.stream.next().await.transpose()?),
                Self::Encrypted(client) => length_of(client.stream.next().await.transpose()?),
            };
            let Some(read) = read else { continue };
            ensure!(read > 0, "the relay closed early");
            left = left.saturating_sub(read);
        }
        Ok(())
    }
}

/// The bytes of a message: none in a ping, nothing at the end.
fn length_of(message: Option<Message>) -> Option<usize> {
    match message {
        Some(Message::Binary(bytes)) => Some(bytes.len()),
        Some(Message::Ping(_)) => None,
        _ => Some(0),
    }
}
