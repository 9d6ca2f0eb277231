//! A WebSocket client whose every byte a test decides: raw HTTP upgrade, then tungstenite's frames.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures_util::{SinkExt, StreamExt};
use hyper_tungstenite::WebSocketStream;
pub use hyper_tungstenite::tungstenite::Message;
use hyper_tungstenite::tungstenite::protocol::Role;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Any single answer of the proxy comes sooner, also on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// The client's end of one session.
#[derive(Debug)]
pub struct Client<S = TcpStream> {
    /// The 101 answer's head.
    pub head: String,
    /// The frames behind it.
    pub stream: WebSocketStream<S>,
}

/// How a session ended, as a browser sees it.
#[derive(Debug, PartialEq, Eq)]
pub struct Closed {
    /// The close code; 1006 when the connection ended without a Close frame.
    pub code: u16,
    /// The reason.
    pub reason: String,
    /// All bytes that came before.
    pub bytes: Vec<u8>,
}

impl Client {
    /// Opens a session at `path` (query included) with further header lines.
    ///
    /// # Errors
    ///
    /// When the answer is not a 101.
    pub async fn open(proxy: SocketAddr, path: &str, headers: &[&str]) -> Result<Self> {
        let stream = TcpStream::connect(proxy).await.context("connecting to the proxy")?;
        stream.set_nodelay(true)?;
        Self::open_over(stream, &proxy.to_string(), path, headers).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// The same over a stream that is connected already, to `host`.
    ///
    /// # Errors
    ///
    /// As [`Client::open`].
    pub async fn open_over(
        mut stream: S,
        host: &str,
        path: &str,
        headers: &[&str],
    ) -> Result<Self> {
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{}\r\n",
            headers.iter().map(|line| format!("{line}\r\n")).collect::<String>()
        );
        stream.write_all(head.as_bytes()).await?;
        let head = timeout(PATIENCE, read_head(&mut stream)).await.context("no 101 came")??;
        ensure!(head.starts_with("HTTP/1.1 101 "), "expected a 101, found: {head}");
        let stream = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
        Ok(Self { head, stream })
    }

    /// Sends one message.
    ///
    /// # Errors
    ///
    /// When the connection is gone.
    pub async fn send(&mut self, message: Message) -> Result<()> {
        timeout(PATIENCE, self.stream.send(message)).await.context("sending took too long")??;
        Ok(())
    }

    /// Reads until at least `length` bytes of payload have come.
    ///
    /// # Errors
    ///
    /// When the session ends first.
    pub async fn read(&mut self, length: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        // Over all messages: pings must not make it wait for ever.
        let reading = async {
            while bytes.len() < length {
                match self.stream.next().await {
                    Some(Ok(Message::Binary(more))) => bytes.extend_from_slice(&more),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    other => bail!("expected bytes, found {other:?}"),
                }
            }
            Ok(())
        };
        let read = timeout(PATIENCE, reading).await;
        read.with_context(|| format!("waited too long for {length} bytes"))??;
        Ok(bytes)
    }

    /// The next binary message, alone.
    ///
    /// # Errors
    ///
    /// Something else comes, or nothing.
    pub async fn message(&mut self) -> Result<Vec<u8>> {
        let reading = async {
            loop {
                match self.stream.next().await {
                    Some(Ok(Message::Binary(bytes))) => return Ok(bytes.to_vec()),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    other => bail!("expected a message, found {other:?}"),
                }
            }
        };
        timeout(PATIENCE, reading).await.context("waited too long for a message")?
    }

    /// Reads to the end of the session.
    ///
    /// # Errors
    ///
    /// When it does not end.
    pub async fn closed(&mut self) -> Result<Closed> {
        timeout(PATIENCE, self.end()).await.context("the session did not end")
    }

    async fn end(&mut self) -> Closed {
        let mut bytes = Vec::new();
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Binary(more))) => bytes.extend_from_slice(&more),
                Some(Ok(Message::Close(frame))) => {
                    let (code, reason) = frame
                        .map_or((1005, String::new()), |f| (f.code.into(), f.reason.to_string()));
                    // The closing handshake's second half.
                    let _ = self.stream.next().await;
                    return Closed { code, reason, bytes };
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Closed { code: 1006, reason: String::new(), bytes },
            }
        }
    }
}

/// Sends `request` as it is and returns all that comes until the server closes.
///
/// # Errors
///
/// When the server does not close within [`PATIENCE`].
pub async fn raw_http(proxy: SocketAddr, request: &str) -> Result<String> {
    let mut stream = TcpStream::connect(proxy).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer))
        .await
        .context("the server kept it open")??;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// One request with `Connection: close`.
///
/// # Errors
///
/// As [`raw_http`].
pub async fn http(proxy: SocketAddr, method: &str, path: &str, headers: &[&str]) -> Result<String> {
    let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: {proxy}\r\nConnection: close\r\n{lines}\r\n");
    raw_http(proxy, &request).await
}

async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Result<String> {
    let mut head = Vec::new();
    // Byte by byte, so that not one byte of the first frame is taken.
    while !head.ends_with(b"\r\n\r\n") {
        ensure!(head.len() < 16 * 1024, "the head has no end");
        head.push(stream.read_u8().await.context("the connection ended in the head")?);
        if head.starts_with(b"HTTP/1.1 ") && !head.starts_with(b"HTTP/1.1 1") && head.len() > 12 {
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await?;
            head.extend_from_slice(&rest);
            break;
        }
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}
