//! A connection's channels, moved on by one step whenever something has happened. Nothing in here waits.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use super::engine::{ChannelId, Engine};
use super::error::Lost;
use super::limits::SshLimits;
use super::openings::Openings;
use super::stream::{Channel, End, Signals, pair};

pub(crate) struct Channels {
    window: u32,
    pub(crate) openings: Openings,
    pub(crate) signals: Arc<Signals>,
    open: BTreeMap<ChannelId, Channel>,
    /// Nobody has them any more; the server has not agreed to their end yet.
    closing: BTreeMap<ChannelId, Channel>,
    /// Nobody has them any more either, but their last bytes may still be sent, until then.
    leaving: BTreeMap<ChannelId, Instant>,
    scratch: Vec<u8>,
}

impl Channels {
    pub(crate) fn new(server: String, limits: &SshLimits) -> Self {
        Self {
            window: limits.channel_window,
            openings: Openings::new(server, limits.channel_timeout),
            signals: Arc::default(),
            open: BTreeMap::new(),
            closing: BTreeMap::new(),
            leaving: BTreeMap::new(),
            scratch: vec![0; PACKET],
        }
    }

    /// Whether nobody has one or waits for one. What the server has yet to agree to does not count: it may never do so.
    pub(crate) fn is_idle(&self) -> bool {
        self.open.is_empty() && self.openings.is_idle()
    }

    /// When something is to be done though nothing happens.
    pub(crate) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        self.openings.next_deadline(now).into_iter().chain(self.leaving.values().copied()).min()
    }

    /// Moves on what may move: those that have signalled, or `all` of them, since bytes have come from the server or gone there. No more
    /// is written while the engine's output has `room` bytes.
    ///
    /// An error is the end of the connection.
    pub(crate) fn step(&mut self, engine: &mut Engine, all: bool, room: usize) -> Result<(), Lost> {
        let mut turn: VecDeque<ChannelId> = self.signals.take().into();
        let now = Instant::now();
        turn.extend(self.leaving.iter().filter(|(_, until)| **until <= now).map(|(id, _)| *id));
        if all {
            turn = self.open.keys().copied().collect();
            self.open_next(engine)?;
            for id in self.closing.keys().copied().collect::<Vec<_>>() {
                self.close(engine, id)?;
            }
        }
        // One packet each in turn, so that no console's flood goes first.
        while let Some(id) = turn.pop_front() {
            if self.attend(engine, id, room)? {
                turn.push_back(id);
            }
        }
        self.open_next(engine)?;
        if !engine.input().is_empty() {
            engine.attend();
        }
        Ok(())
    }

    /// Serves one channel; `true` if it could go on at once.
    fn attend(&mut self, engine: &mut Engine, id: ChannelId, room: usize) -> Result<bool, Lost> {
        let Some(channel) = self.open.get(&id) else { return Ok(false) };
        let mut state = channel.state();
        if let Some(dropped_at) = state.dropped_at {
            let hears = matches!(state.end, None | Some(End::Eof(false)));
            if hears && !state.outbound.is_empty() && dropped_at.elapsed() < LINGER {
                self.leaving.insert(id, dropped_at + LINGER);
            } else {
                drop(state);
                return self.leave(engine, id).map(|()| false);
            }
        }
        if state.end.is_none()
            && let Some(bytes) = state.grant()
        {
            match engine.grant(id, bytes) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => state.granting = None,
                Poll::Ready(Err(error)) => return Err(engine.lost(error)),
            }
        }
        while state.end.is_none() && state.dropped_at.is_none() {
            match engine.read(id, &mut self.scratch) {
                Poll::Pending => break,
                Poll::Ready(Ok(0)) => state.finish(End::Eof(false)),
                Poll::Ready(Ok(count)) => {
                    state.receive(self.scratch.get(..count).unwrap_or_default())
                }
                Poll::Ready(Err(error)) => return Err(engine.lost(error)),
            }
        }
        if matches!(state.end, Some(End::Eof(false))) && engine.is_closed_by_server(id) {
            state.finish(End::Eof(true));
        }
        let mut more = false;
        if !state.outbound.is_empty() && engine.output().len() < room {
            match engine.write(id, state.outbound.as_ref()) {
                Poll::Pending => {}
                Poll::Ready(Ok(count)) => {
                    state.sent(count);
                    // The last bytes of one that is gone are followed by its end.
                    more = count > 0 && (!state.outbound.is_empty() || state.dropped_at.is_some());
                }
                Poll::Ready(Err(error)) => return Err(engine.lost(error)),
            }
        }
        if state.is_shut && !state.eof_sent && state.outbound.is_empty() {
            match engine.send_eof(id) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => state.eof_sent = true,
                Poll::Ready(Err(error)) => return Err(engine.lost(error)),
            }
        }
        Ok(more && (engine.output().len() < room || state.dropped_at.is_some()))
    }

    fn leave(&mut self, engine: &mut Engine, id: ChannelId) -> Result<(), Lost> {
        self.leaving.remove(&id);
        let Some(channel) = self.open.remove(&id) else { return Ok(()) };
        self.closing.insert(id, channel);
        self.close(engine, id)
    }

    fn close(&mut self, engine: &mut Engine, id: ChannelId) -> Result<(), Lost> {
        match engine.close(id) {
            Poll::Pending => Ok(()),
            Poll::Ready(done) => {
                self.closing.remove(&id);
                done.map_err(|error| engine.lost(error))
            }
        }
    }

    /// Goes on with the request under way, and begins the next ones.
    fn open_next(&mut self, engine: &mut Engine) -> Result<(), Lost> {
        while let Some((id, request)) = self.openings.step(engine)? {
            let (stream, channel) = pair(id, &self.signals, request.place, self.window);
            self.open.insert(id, channel);
            // It is to be granted more, and its first bytes may have come with the server's answer.
            self.signals.send(id);
            // Nobody there any more: dropping the stream closes the channel.
            let _ = request.reply.send(Ok(stream));
        }
        Ok(())
    }

    /// The connection has ended.
    pub(crate) fn fail(&mut self, lost: &Lost) {
        for channel in self.open.values() {
            channel.state().finish(End::Lost(lost.clone()));
        }
        self.openings.fail();
    }
}

/// How long the last bytes for a console may take once their session is gone.
const LINGER: Duration = Duration::from_secs(5);

/// As much as one packet holds.
const PACKET: usize = 32 * 1024;
