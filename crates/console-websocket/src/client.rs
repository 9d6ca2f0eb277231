//! The client's socket: what it sent, how it ended, and how it is closed.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, Stream, StreamExt};
use hyper_tungstenite::WebSocketStream;
use hyper_tungstenite::tungstenite::error::{Error as WsError, ProtocolError};
use hyper_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use crate::close::{CloseCode, CloseReason};
use crate::limits::Limits;

/// The server's end of one WebSocket, after the 101.
#[derive(Debug)]
pub struct ClientSocket<S> {
    pub(crate) stream: WebSocketStream<S>,
    pub(crate) early: VecDeque<Bytes>,
    pub(crate) limits: Limits,
    early_bytes: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> ClientSocket<S> {
    pub(crate) fn new(stream: WebSocketStream<S>, limits: Limits) -> Self {
        Self { stream, early: VecDeque::new(), limits, early_bytes: 0 }
    }

    /// Takes a connection on which the 101 has been sent already, by whatever HTTP server.
    pub async fn from_upgraded(io: S, limits: Limits) -> Self {
        let config = limits.tungstenite();
        Self::new(WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await, limits)
    }

    /// Does `work` (a lookup, a connect) and meanwhile keeps what the client sends, up to [`Limits::early_bytes`]; after
    /// that the client has to wait. The relay sends the kept bytes first.
    ///
    /// # Errors
    ///
    /// [`ClientEnd`] when the client left first; `work` is dropped then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops `work`; no byte of the client's is lost.
    pub async fn while_connecting<F: Future>(&mut self, work: F) -> Result<F::Output, ClientEnd> {
        tokio::pin!(work);
        loop {
            let room = self.early_bytes < self.limits.early_bytes;
            tokio::select! {
                output = &mut work => return Ok(output),
                heard = next(&mut self.stream), if room => {
                    if let Heard::Bytes(bytes) = heard? {
                        self.early_bytes += bytes.len();
                        self.early.push_back(bytes);
                    }
                }
            }
        }
    }

    /// What the client has sent so far, once that is `enough` bytes or `limit` is over; at most [`Limits::early_bytes`] are waited for. The
    /// relay still sends all of them.
    ///
    /// # Errors
    ///
    /// [`ClientEnd`] when the client left meanwhile.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no byte.
    pub async fn first_bytes(
        &mut self,
        enough: usize,
        limit: Duration,
    ) -> Result<Vec<u8>, ClientEnd> {
        let deadline = Instant::now() + limit;
        while self.early_bytes < enough.min(self.limits.early_bytes) {
            match timeout_at(deadline, next(&mut self.stream)).await {
                Ok(heard) => {
                    if let Heard::Bytes(bytes) = heard? {
                        self.early_bytes += bytes.len();
                        self.early.push_back(bytes);
                    }
                }
                Err(_) => break,
            }
        }
        Ok(self.early.iter().flatten().copied().collect())
    }

    /// Sends one binary message, for a session that will not be relayed: what the client's protocol says instead of a console.
    ///
    /// # Errors
    ///
    /// [`ClientEnd`] when the client has left, or does not take it within [`Limits::close_timeout`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may cut the message off; close the connection then.
    pub async fn send(&mut self, bytes: Vec<u8>) -> Result<(), ClientEnd> {
        let sending = self.stream.send(Message::Binary(bytes.into()));
        match timeout(self.limits.close_timeout, sending).await {
            Ok(sent) => sent.map_err(ClientEnd::from),
            Err(_) => Err(ClientEnd::Silent),
        }
    }

    /// Ends the session: sends the Close frame, waits for the client's own (RFC 6455 section 7.1.2), then closes the
    /// connection. Takes at most [`Limits::close_timeout`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the connection.
    pub async fn close(mut self, code: CloseCode, reason: &CloseReason) {
        let limit = self.limits.close_timeout;
        // A client that does not answer is cut off when the time is over; there is nobody left to tell.
        let _ = timeout(limit, self.closing_handshake(code, reason)).await;
    }

    pub(crate) async fn closing_handshake(&mut self, code: CloseCode, reason: &CloseReason) {
        let frame = CloseFrame { code: code.as_u16().into(), reason: reason.as_str().into() };
        // An error here means that the client closed first; reading on sends the answer that is due and ends at once.
        let _ = self.stream.close(Some(frame)).await;
        while let Some(Ok(_)) = self.stream.next().await {}
        let io = self.stream.get_mut();
        // The server closes the connection first (RFC 6455 section 7.1.1).
        let _ = io.shutdown().await;
        // Bytes left unread would turn the close into a reset, which can overtake the Close frame.
        discard(io).await;
    }
}

/// How the client's side ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientEnd {
    /// A Close frame came; the code is 1005 when it had none (RFC 6455 section 7.1.5).
    #[error("the client closed the WebSocket (code {code})")]
    Closed {
        /// The client's close code.
        code: u16,
    },
    /// The connection ended without a Close frame.
    #[error("the client's connection was lost: {cause}")]
    Lost {
        /// What the system said.
        cause: String,
    },
    /// No byte came for [`Limits::silence_timeout`], not even a pong.
    #[error("the client fell silent and answered no ping")]
    Silent,
    /// A text message came.
    #[error("the client sent a text message where only binary ones belong")]
    Text,
    /// A message or frame exceeded [`Limits::max_message_size`].
    #[error("the client sent a message that is larger than allowed")]
    TooBig,
    /// The client broke RFC 6455 in another way.
    #[error("the client broke the WebSocket protocol: {violation}")]
    Protocol {
        /// Which rule.
        violation: String,
    },
}

impl From<WsError> for ClientEnd {
    fn from(error: WsError) -> Self {
        match error {
            WsError::ConnectionClosed | WsError::AlreadyClosed => Self::Closed { code: NO_CODE },
            WsError::Capacity(_) => Self::TooBig,
            WsError::Utf8(_) => Self::Text,
            WsError::Protocol(
                ProtocolError::ResetWithoutClosingHandshake | ProtocolError::HandshakeIncomplete,
            ) => Self::Lost { cause: "it ended without a Close frame".into() },
            WsError::Protocol(violation) => Self::Protocol { violation: violation.to_string() },
            WsError::Io(error) => Self::Lost { cause: error.to_string() },
            other => Self::Lost { cause: other.to_string() },
        }
    }
}

/// What came from the client: bytes, or only a sign of life.
pub(crate) enum Heard {
    Bytes(Bytes),
    Sign,
}

/// The next message; pings are answered by tungstenite while this reads on.
pub(crate) async fn next<T>(stream: &mut T) -> Result<Heard, ClientEnd>
where
    T: Stream<Item = Result<Message, WsError>> + Unpin,
{
    match stream.next().await {
        // An empty message is legal and carries nothing; it is not an end.
        Some(Ok(Message::Binary(bytes))) if bytes.is_empty() => Ok(Heard::Sign),
        Some(Ok(Message::Binary(bytes))) => Ok(Heard::Bytes(bytes)),
        Some(Ok(Message::Text(_))) => Err(ClientEnd::Text),
        Some(Ok(Message::Close(frame))) => {
            Err(ClientEnd::Closed { code: frame.map_or(NO_CODE, |frame| frame.code.into()) })
        }
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(Heard::Sign),
        Some(Err(error)) => Err(error.into()),
        None => Err(ClientEnd::Closed { code: NO_CODE }),
    }
}

/// Reads to the end and throws away; the caller bounds the time.
pub(crate) async fn discard(io: &mut (impl AsyncRead + Unpin)) {
    let mut scrap = [0; 1024];
    while let Ok(1..) = io.read(&mut scrap).await {}
}

/// "No status code was present" (RFC 6455 section 7.4.1).
const NO_CODE: u16 = 1005;
