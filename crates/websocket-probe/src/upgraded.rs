//! An open WebSocket, and whether it stays open.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

use crate::error::{ProbeError, Step, is_hangup};
use crate::secret::Secrets;
use crate::stream::Stream;

/// An open WebSocket. Dropping it cuts the connection without a Close frame.
pub struct Upgraded {
    socket: WebSocketStream<Stream>,
    subprotocol: Option<String>,
    secrets: Secrets,
    /// The beginning of the first binary message that nobody has asked for yet.
    first: Option<Vec<u8>>,
    pings: u64,
    /// How the server ended it.
    closed: Option<(u16, String)>,
}

impl fmt::Debug for Upgraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgraded")
            .field("subprotocol", &self.subprotocol)
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}

impl Upgraded {
    pub(crate) async fn new(
        stream: Stream,
        rest: Vec<u8>,
        subprotocol: Option<String>,
        secrets: Secrets,
    ) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        let socket =
            WebSocketStream::from_partially_read(stream, rest, Role::Client, Some(config)).await;
        Self { socket, subprotocol, secrets, first: None, pings: 0, closed: None }
    }

    /// The subprotocol that the server chose.
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// Pings the server and waits for its answer: how long that took.
    ///
    /// Dropping the future loses no data; the answer, should it still come, is ignored.
    ///
    /// # Errors
    ///
    /// [`ProbeError::Closed`] if the server closes instead; [`ProbeError::Broken`], [`ProbeError::Io`]; [`ProbeError::TimedOut`] after `limit`.
    pub async fn ping(&mut self, limit: Duration) -> Result<Duration, ProbeError> {
        let began = Instant::now();
        self.pings = self.pings.wrapping_add(1);
        let payload = Bytes::copy_from_slice(&self.pings.to_be_bytes());
        let pong = async {
            // Where it cannot be sent, there may still be a Close frame that says why.
            let _ = self.socket.send(Message::Ping(payload.clone())).await;
            while self.receive(Step::Ping).await? != Message::Pong(payload.clone()) {}
            Ok(began.elapsed())
        };
        timeout(limit, pong).await.unwrap_or(Err(ProbeError::TimedOut { step: Step::Ping, limit }))
    }

    /// Sends nothing of its own for `span` but answers pings, as an idle browser does; then sees by a ping, which has 10 s, whether the
    /// connection is still there. Data that comes is dropped.
    ///
    /// Dropping the future ends the waiting only.
    ///
    /// # Errors
    ///
    /// As of [`ping`](Self::ping).
    pub async fn stay(&mut self, span: Duration) -> Result<(), ProbeError> {
        let began = Instant::now();
        loop {
            let left = span.saturating_sub(began.elapsed());
            if left.is_zero() {
                break;
            }
            match timeout(left, self.receive(Step::Stay)).await {
                Ok(received) => received.map(drop)?,
                Err(_) => break,
            }
        }
        self.ping(PING_LIMIT).await.map(drop)
    }

    /// The first binary message with something in it, since the upgrade or since this was last asked: at most 4 KiB of it.
    ///
    /// Dropping the future loses no data.
    ///
    /// # Errors
    ///
    /// [`ProbeError::Closed`] if the server closes before; [`ProbeError::Broken`], [`ProbeError::Io`]; [`ProbeError::TimedOut`] after `limit`.
    pub async fn first_bytes(&mut self, limit: Duration) -> Result<Vec<u8>, ProbeError> {
        let first = async {
            loop {
                if let Some(first) = self.first.take() {
                    return Ok(first);
                }
                self.receive(Step::FirstBytes).await?;
            }
        };
        let late = ProbeError::TimedOut { step: Step::FirstBytes, limit };
        timeout(limit, first).await.unwrap_or(Err(late))
    }

    /// Closes with code 1000, and waits at most `limit` for the server to do the same.
    ///
    /// Dropping the future cuts the connection.
    pub async fn close(mut self, limit: Duration) {
        let farewell = async {
            let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
            let _ = self.socket.close(Some(frame)).await;
            while let Some(Ok(_)) = self.socket.next().await {}
        };
        // The server that does not answer is left alone.
        let _ = timeout(limit, farewell).await;
    }

    /// The next frame; keeps the first data.
    async fn receive(&mut self, step: Step) -> Result<Message, ProbeError> {
        if let Some((code, reason)) = self.closed.clone() {
            return Err(ProbeError::Closed { code, reason });
        }
        match self.socket.next().await {
            Some(Ok(Message::Close(frame))) => {
                let found = frame.map_or((NO_CODE, String::new()), |frame| {
                    let reason = self.secrets.shown(frame.reason.as_bytes());
                    (u16::from(frame.code), reason)
                });
                self.closed = Some(found.clone());
                // The answer waits in the buffer; the server may be gone already.
                let _ = timeout(FLUSH_LIMIT, self.socket.flush()).await;
                Err(ProbeError::Closed { code: found.0, reason: found.1 })
            }
            Some(Ok(message)) => {
                if let Message::Binary(data) = &message
                    && !data.is_empty()
                    && self.first.is_none()
                {
                    self.first = Some(data.iter().take(MAX_FIRST).copied().collect());
                }
                Ok(message)
            }
            None => Err(self.cut()),
            Some(Err(error)) => Err(match error {
                Error::ConnectionClosed
                | Error::AlreadyClosed
                | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => self.cut(),
                Error::Io(source) if is_hangup(&source) => self.cut(),
                Error::Io(source) => {
                    ProbeError::Io { step, source: io::Error::new(source.kind(), source) }
                }
                error => ProbeError::Broken { what: error.to_string() },
            }),
        }
    }

    fn cut(&mut self) -> ProbeError {
        let (code, reason) = (CUT, String::new());
        self.closed = Some((code, reason.clone()));
        ProbeError::Closed { code, reason }
    }
}

/// RFC 6455 section 7.4.1: a Close frame without a code.
const NO_CODE: u16 = 1005;

/// RFC 6455 section 7.4.1: no Close frame at all.
pub(crate) const CUT: u16 = 1006;

/// After a wait, in which nobody counts the milliseconds.
const PING_LIMIT: Duration = Duration::from_secs(10);

/// A few bytes to a server that has just sent some.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);

/// In bytes: greetings are shorter.
const MAX_FIRST: usize = 4 * 1024;

/// In bytes: what a server may send at once; proxies for consoles send 64 KiB and less.
const MAX_MESSAGE: usize = 4 * 1024 * 1024;

/// In bytes.
const READ_BUFFER: usize = 16 * 1024;
