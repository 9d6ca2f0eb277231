//! The relay: bytes both ways between a client's WebSocket and a backend's byte stream.
//!
//! The two directions run independently, so neither waits for the other. One message at a time is under way in each: when its
//! reader is slow the writer is not read, and the kernel's own flow control reaches the other end.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::ready;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use hyper_tungstenite::tungstenite::Error as WsError;
use hyper_tungstenite::tungstenite::protocol::Message;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};

use crate::client::{ClientEnd, ClientSocket, Heard, discard, next};
use crate::close::{CloseCode, CloseReason};
use crate::limits::{Limits, READ_SIZE};

/// The closing record of one relay.
#[derive(Debug)]
#[non_exhaustive]
pub struct RelayReport {
    /// Payload bytes from the backend to the client.
    pub to_client: u64,
    /// Payload bytes from the client to the backend.
    pub to_backend: u64,
    /// From the relay's start to its end, the closing of both sides not counted.
    pub duration: Duration,
    /// Who ended it and how.
    pub end: RelayEnd,
}

/// Who ended a relay and how.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RelayEnd {
    /// The client ended it.
    #[error(transparent)]
    Client(ClientEnd),
    /// The backend closed its side, after its last byte.
    #[error("the backend closed the connection")]
    BackendClosed,
    /// The backend's connection broke.
    #[error("the backend's connection was lost")]
    BackendFailed(#[source] io::Error),
    /// The backend took no byte for [`Limits::silence_timeout`](crate::Limits::silence_timeout).
    #[error("the backend has stopped taking bytes")]
    BackendStalled,
    /// The caller asked for the end.
    #[error("the session was stopped")]
    Stopped,
}

impl<S: AsyncRead + AsyncWrite + Unpin> ClientSocket<S> {
    /// Relays until one side ends or `stop` is ready, then closes both sides; `explain` chooses what the client is told.
    ///
    /// The backend's last byte reaches the client before the Close frame, and the client's last byte reaches the backend before
    /// the end of the stream. Closing takes at most [`Limits::close_timeout`](crate::Limits::close_timeout) more.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops both connections without a farewell; use `stop` instead.
    pub async fn relay<B>(
        mut self,
        mut backend: B,
        stop: impl Future<Output = ()>,
        explain: impl FnOnce(&RelayEnd) -> (CloseCode, CloseReason),
    ) -> RelayReport
    where
        B: AsyncRead + AsyncWrite + Unpin,
    {
        let record = Record::new();
        let end = self.both_ways(&mut backend, stop, &record).await;
        let duration = record.start.elapsed();

        let (code, reason) = explain(&end);
        let limit = self.limits.close_timeout;
        let farewell = async {
            tokio::join!(self.closing_handshake(code, &reason), finish(&mut backend));
        };
        // Whoever does not answer in time is cut off.
        let _ = timeout(limit, farewell).await;
        RelayReport {
            to_client: record.to_client.load(Relaxed),
            to_backend: record.to_backend.load(Relaxed),
            duration,
            end,
        }
    }

    async fn both_ways<B>(
        &mut self,
        backend: &mut B,
        stop: impl Future<Output = ()>,
        record: &Record,
    ) -> RelayEnd
    where
        B: AsyncRead + AsyncWrite + Unpin,
    {
        let limits = &self.limits;
        let early = std::mem::take(&mut self.early);
        let (mut backend_reads, mut backend_writes) = tokio::io::split(backend);
        let (mut client_writes, mut client_reads) = (&mut self.stream).split();

        let to_backend =
            client_to_backend(&mut client_reads, &mut backend_writes, early, limits, record);
        let to_client = backend_to_client(&mut backend_reads, &mut client_writes, limits, record);
        tokio::pin!(to_backend, to_client);

        tokio::select! {
            () = stop => RelayEnd::Stopped,
            () = record.silence(limits.silence_timeout) => RelayEnd::Client(ClientEnd::Silent),
            end = &mut to_client => match end {
                // Nothing more can be told to the client, but what it said last may still be under way to the backend.
                RelayEnd::Client(lost) => {
                    match timeout(limits.close_timeout, &mut to_backend).await {
                        Ok(Err(RelayEnd::Client(end @ ClientEnd::Closed { .. }))) => RelayEnd::Client(end),
                        Ok(Ok(never)) => match never {},
                        _ => RelayEnd::Client(lost),
                    }
                }
                end => end,
            },
            end = &mut to_backend => match end {
                Ok(never) => match never {},
                // What the backend said before it went still reaches the client; a clean end after it is a clean end.
                Err(failed @ RelayEnd::BackendFailed(_)) => {
                    match timeout(limits.close_timeout, &mut to_client).await {
                        Ok(RelayEnd::BackendClosed) => RelayEnd::BackendClosed,
                        _ => failed,
                    }
                }
                Err(end) => end,
            },
        }
    }
}

/// Ends only with an error: what the client sends has no end of its own that is not a Close frame.
async fn client_to_backend<R, W>(
    client: &mut R,
    backend: &mut W,
    early: VecDeque<Bytes>,
    limits: &Limits,
    record: &Record,
) -> Result<Infallible, RelayEnd>
where
    R: Stream<Item = Result<Message, WsError>> + Unpin,
    W: AsyncWrite + Unpin,
{
    for bytes in early {
        record.deliver(backend, &bytes, limits.silence_timeout).await?;
    }
    loop {
        let heard = next(client).await.map_err(RelayEnd::Client)?;
        record.hear();
        if let Heard::Bytes(bytes) = heard {
            record.deliver(backend, &bytes, limits.silence_timeout).await?;
        }
    }
}

async fn backend_to_client<R, W>(
    backend: &mut R,
    client: &mut W,
    limits: &Limits,
    record: &Record,
) -> RelayEnd
where
    R: AsyncRead + Unpin,
    W: Sink<Message, Error = WsError> + Unpin,
{
    let mut ping = interval_at(Instant::now() + limits.ping_interval, limits.ping_interval);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            // First, or a busy backend would keep a client that only watches from ever being pinged.
            biased;
            _ = ping.tick() => Message::Ping(Bytes::new()),
            read = read_some(backend) => match read {
                Ok(bytes) if bytes.is_empty() => return RelayEnd::BackendClosed,
                Ok(bytes) => Message::Binary(bytes),
                Err(error) => return RelayEnd::BackendFailed(error),
            },
        };
        let payload = message.len();
        // Fed and flushed: nothing is held back in the hope of more.
        if let Err(error) = client.send(message).await {
            return RelayEnd::Client(error.into());
        }
        record.to_client.fetch_add(payload as u64, Relaxed);
    }
}

/// What is counted while the two directions run.
struct Record {
    start: Instant,
    to_client: AtomicU64,
    to_backend: AtomicU64,
    /// When the client was heard last, in milliseconds after `start`.
    heard: AtomicU64,
    /// While bytes wait for the backend the client is not read, so its silence says nothing.
    delivering: AtomicBool,
}

impl Record {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            to_client: AtomicU64::new(0),
            to_backend: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            delivering: AtomicBool::new(false),
        }
    }

    fn hear(&self) {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.heard.store(now, Relaxed);
    }

    /// Writes all of `bytes`; each step may take `limit`. The error type lets the caller's `?` end the direction, whose success does not exist.
    async fn deliver<W>(
        &self,
        backend: &mut W,
        bytes: &[u8],
        limit: Duration,
    ) -> Result<(), RelayEnd>
    where
        W: AsyncWrite + Unpin,
    {
        self.delivering.store(true, Relaxed);
        let mut rest = bytes;
        while !rest.is_empty() {
            let written = step(limit, backend.write(rest)).await?;
            if written == 0 {
                return Err(RelayEnd::BackendFailed(io::ErrorKind::WriteZero.into()));
            }
            self.to_backend.fetch_add(written as u64, Relaxed);
            rest = rest.get(written..).unwrap_or_default();
        }
        step(limit, backend.flush()).await?;
        self.delivering.store(false, Relaxed);
        self.hear();
        Ok(())
    }

    /// Ready when the client has not been heard for `limit`.
    async fn silence(&self, limit: Duration) {
        loop {
            let heard = if self.delivering.load(Relaxed) {
                Instant::now()
            } else {
                self.start + Duration::from_millis(self.heard.load(Relaxed))
            };
            let deadline = heard + limit;
            if deadline <= Instant::now() {
                return;
            }
            sleep_until(deadline).await;
        }
    }
}

async fn step<T>(
    limit: Duration,
    work: impl Future<Output = io::Result<T>>,
) -> Result<T, RelayEnd> {
    match timeout(limit, work).await {
        Ok(result) => result.map_err(RelayEnd::BackendFailed),
        Err(_) => Err(RelayEnd::BackendStalled),
    }
}

/// One read of what is there, into exactly as much memory as it needs; empty at the end of the stream.
///
/// The buffer lives on the stack of one poll, so a session that waits holds none.
async fn read_some<R: AsyncRead + Unpin>(from: &mut R) -> io::Result<Bytes> {
    std::future::poll_fn(|cx| {
        let mut space = [MaybeUninit::<u8>::uninit(); READ_SIZE];
        let mut space = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut *from).poll_read(cx, &mut space))?;
        Ok(Bytes::copy_from_slice(space.filled())).into()
    })
    .await
}

/// Tells the backend that no more comes, and waits for its own end: unread bytes would turn the close into a reset, which can
/// destroy what the backend has not read yet. The caller bounds the time.
async fn finish<B: AsyncRead + AsyncWrite + Unpin>(backend: &mut B) {
    if backend.shutdown().await.is_ok() {
        discard(backend).await;
    }
}
