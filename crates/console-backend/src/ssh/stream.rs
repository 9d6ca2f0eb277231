//! One channel as a byte stream: the half that a session has, and the half that its connection's task has.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::Instant;

use super::engine::{ChannelId, FIRST_WINDOW};
use super::error::Lost;

/// A console through an SSH server. Shutting it down closes the write side only; dropping it closes the channel.
pub struct SshStream {
    id: ChannelId,
    state: Arc<Mutex<State>>,
    signals: Arc<Signals>,
}

/// The connection's half of a channel.
pub(crate) struct Channel {
    state: Arc<Mutex<State>>,
    /// Its place in the connection, given back when the channel is closed.
    _place: OwnedSemaphorePermit,
}

/// What both halves share.
#[derive(Default)]
pub(crate) struct State {
    /// From the console, not read yet.
    pub(crate) inbound: BytesMut,
    /// What comes after that.
    pub(crate) end: Option<End>,
    /// Bytes that may come beyond those that have been granted: the session has read as many.
    pub(crate) to_grant: u32,
    /// With so many the connection takes the trouble to grant them.
    grant_from: u32,
    /// A grant that is under way.
    pub(crate) granting: Option<u32>,
    /// For the console, not sent yet.
    pub(crate) outbound: BytesMut,
    /// After `outbound` nothing more will be written.
    pub(crate) is_shut: bool,
    /// That has been told to the server.
    pub(crate) eof_sent: bool,
    /// When the session went.
    pub(crate) dropped_at: Option<Instant>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// What ends a channel.
pub(crate) enum End {
    /// The console closed its side; with `true` the other one, too.
    Eof(bool),
    /// The connection broke.
    Lost(Lost),
}

/// Which channels want something of their connection's task.
#[derive(Default)]
pub(crate) struct Signals {
    waiting: Mutex<Vec<ChannelId>>,
    notify: Notify,
}

impl Signals {
    pub(crate) fn send(&self, id: ChannelId) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if !waiting.contains(&id) {
            waiting.push(id);
        }
        drop(waiting);
        self.notify.notify_one();
    }

    pub(crate) async fn wait(&self) {
        self.notify.notified().await;
    }

    pub(crate) fn take(&self) -> Vec<ChannelId> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Both halves of a channel that has been opened; no more than `window` bytes are ever on their way or unread.
pub(crate) fn pair(
    id: ChannelId,
    signals: &Arc<Signals>,
    place: OwnedSemaphorePermit,
    window: u32,
) -> (SshStream, Channel) {
    let to_grant = window.saturating_sub(FIRST_WINDOW);
    let state = State { to_grant, grant_from: window / 4, ..State::default() };
    let state = Arc::new(Mutex::new(state));
    let stream = SshStream { id, state: state.clone(), signals: signals.clone() };
    (stream, Channel { state, _place: place })
}

impl Channel {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    /// Adds bytes from the console.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        self.inbound.extend_from_slice(bytes);
        wake(&mut self.reader);
    }

    /// Ends it; the first reason counts.
    pub(crate) fn finish(&mut self, end: End) {
        match (&self.end, &end) {
            (None, _) | (Some(End::Eof(false)), End::Eof(true) | End::Lost(_)) => {
                self.end = Some(end)
            }
            _ => return,
        }
        // What is left to write goes nowhere.
        if !matches!(self.end, Some(End::Eof(false))) {
            self.outbound = BytesMut::new();
        }
        wake(&mut self.reader);
        wake(&mut self.writer);
    }

    /// So many bytes have been sent to the server.
    pub(crate) fn sent(&mut self, count: usize) {
        self.outbound.advance(count);
        release(&mut self.outbound);
        if self.outbound.len() < BUFFER {
            wake(&mut self.writer);
        }
    }

    /// The grant to tell the server of, if it is worth it or under way already.
    pub(crate) fn grant(&mut self) -> Option<u32> {
        if self.granting.is_none() && self.to_grant >= self.grant_from {
            self.granting = Some(std::mem::take(&mut self.to_grant));
        }
        self.granting
    }
}

impl AsyncRead for SshStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = lock(&self.state);
        if state.inbound.is_empty() {
            return match &state.end {
                Some(End::Eof(_)) => Poll::Ready(Ok(())),
                Some(End::Lost(lost)) => Poll::Ready(Err(broken(lost))),
                None => {
                    state.reader = Some(cx.waker().clone());
                    Poll::Pending
                }
            };
        }
        let count = buf.remaining().min(state.inbound.len());
        buf.put_slice(state.inbound.get(..count).unwrap_or_default());
        state.inbound.advance(count);
        release(&mut state.inbound);
        // No more than a window, which is 32 bits long, can have come.
        state.to_grant = state.to_grant.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        let is_due = state.to_grant >= state.grant_from;
        drop(state);
        if is_due {
            self.signals.send(self.id);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for SshStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = lock(&self.state);
        match &state.end {
            Some(End::Lost(lost)) => return Poll::Ready(Err(broken(lost))),
            Some(End::Eof(true)) => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            _ if state.is_shut => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            _ => {}
        }
        let count = buf.len().min(BUFFER.saturating_sub(state.outbound.len()));
        if count == 0 && !buf.is_empty() {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        state.outbound.extend_from_slice(buf.get(..count).unwrap_or_default());
        drop(state);
        self.signals.send(self.id);
        Poll::Ready(Ok(count))
    }

    /// What has been written is sent as soon as the server takes it.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.state).is_shut = true;
        self.signals.send(self.id);
        Poll::Ready(Ok(()))
    }
}

impl Drop for SshStream {
    fn drop(&mut self) {
        lock(&self.state).dropped_at = Some(Instant::now());
        self.signals.send(self.id);
    }
}

impl std::fmt::Debug for SshStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SshStream").field(&self.id).finish()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// An idle console keeps no large buffer.
fn release(buffer: &mut BytesMut) {
    if buffer.is_empty() && buffer.capacity() > KEPT {
        *buffer = BytesMut::new();
    }
}

fn broken(lost: &Lost) -> io::Error {
    let kind = match lost {
        Lost::Io(error) => error.kind(),
        Lost::Silent(_) => io::ErrorKind::TimedOut,
        _ => io::ErrorKind::ConnectionReset,
    };
    io::Error::new(kind, format!("the SSH connection was lost: {lost}"))
}

/// Bytes for one channel that are on their way through here.
const BUFFER: usize = 64 * 1024;

/// The largest empty buffer that is kept.
const KEPT: usize = 16 * 1024;
