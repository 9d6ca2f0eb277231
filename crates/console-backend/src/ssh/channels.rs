//! A connection's channels, moved on by one step whenever something has happened. Nothing in here waits.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

use super::engine::{ChannelId, Engine};
use super::error::{Lost, SshError, SshStep};
use super::limits::SshLimits;
use super::stream::{Channel, End, Signals, SshStream, State, pair};
use super::target::Target;

/// Somebody asks for a channel.
pub(crate) struct Request {
    pub(crate) target: Target,
    /// A place in the connection.
    pub(crate) place: OwnedSemaphorePermit,
    pub(crate) deadline: Instant,
    /// Whether it waits behind a request that takes long: there is no other connection to go to.
    pub(crate) is_patient: bool,
    pub(crate) reply: oneshot::Sender<Result<SshStream, NoChannel>>,
}

/// Why there is no channel.
#[derive(Debug)]
pub(crate) enum NoChannel {
    /// Ask another connection: this one is held up, or has ended.
    Elsewhere,
    Because(SshError),
}

/// The request that the server is working on; libssh2 can have one at a time.
struct Opening {
    request: Request,
    message: Vec<u8>,
    since: Instant,
}

pub(crate) struct Channels {
    server: String,
    limits: SshLimits,
    pub(crate) signals: Arc<Signals>,
    open: BTreeMap<ChannelId, Channel>,
    /// Nobody has them any more; the server has not agreed to their end yet.
    closing: BTreeMap<ChannelId, Channel>,
    opening: Option<Opening>,
    /// Who gave up on the request that is under way has been told already.
    abandoned: bool,
    waiting: VecDeque<Request>,
    scratch: Vec<u8>,
}

impl Channels {
    pub(crate) fn new(server: String, limits: SshLimits) -> Self {
        Self {
            server,
            limits,
            signals: Arc::default(),
            open: BTreeMap::new(),
            closing: BTreeMap::new(),
            opening: None,
            abandoned: false,
            waiting: VecDeque::new(),
            scratch: vec![0; PACKET],
        }
    }

    pub(crate) fn ask(&mut self, request: Request) {
        self.waiting.push_back(request);
    }

    /// Whether nobody has one or waits for one. What the server has yet to agree to does not count: it may never do so.
    pub(crate) fn is_idle(&self) -> bool {
        self.open.is_empty()
            && (self.opening.is_none() || self.abandoned)
            && self.waiting.is_empty()
    }

    /// Since when the server works on one request, if it does.
    pub(crate) fn opening_since(&self) -> Option<Instant> {
        self.opening.as_ref().map(|opening| opening.since)
    }

    /// When the next request gives up.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let opening = self.opening.as_ref().filter(|_| !self.abandoned);
        let opening = opening.map(|opening| opening.request.deadline);
        self.waiting.iter().map(|request| request.deadline).chain(opening).min()
    }

    /// Moves on what may move: those that have signalled, or `all` of them, since bytes have come from the server or gone there. No more
    /// is written while the engine's output has `room` bytes.
    ///
    /// An error is the end of the connection.
    pub(crate) fn step(&mut self, engine: &mut Engine, all: bool, room: usize) -> Result<(), Lost> {
        let mut turn: VecDeque<ChannelId> = self.signals.take().into();
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
        let lingers = |state: &State| {
            let dropped = state.dropped_at.is_some_and(|at| at.elapsed() >= LINGER);
            state.end.is_none() && !state.outbound.is_empty() && !dropped
        };
        if state.dropped_at.is_some() && !lingers(&state) {
            drop(state);
            if let Some(channel) = self.open.remove(&id) {
                self.closing.insert(id, channel);
                self.close(engine, id)?;
            }
            return Ok(false);
        }
        while state.end.is_none() && state.dropped_at.is_none() {
            if !state.has_room() {
                state.waits_for_room = true;
                break;
            }
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
        loop {
            if self.opening.is_none() {
                let Some(request) = self.waiting.pop_front() else { return Ok(()) };
                if request.reply.is_closed() {
                    continue;
                }
                let message = request.target.message();
                self.opening = Some(Opening { request, message, since: Instant::now() });
                self.abandoned = false;
            }
            let Some(Opening { request, message, .. }) = &self.opening else { return Ok(()) };
            let step = engine.open(request.target.kind(), message, self.limits.channel_window);
            let Poll::Ready(opened) = step else { return Ok(()) };
            let Some(Opening { request, .. }) = self.opening.take() else { return Ok(()) };
            match opened {
                Ok(id) => {
                    let (stream, channel) = pair(id, &self.signals, request.place);
                    self.open.insert(id, channel);
                    // Its first bytes may have come with the server's answer.
                    self.signals.send(id);
                    // Nobody there any more: dropping the stream closes the channel.
                    let _ = request.reply.send(Ok(stream));
                }
                Err(error) => {
                    let Some(refusal) = refusal(&error, &request.target, &self.server) else {
                        let lost = engine.lost(error);
                        let _ = request.reply.send(Err(NoChannel::Elsewhere));
                        return Err(lost);
                    };
                    let _ = request.reply.send(Err(NoChannel::Because(refusal)));
                }
            }
        }
    }

    /// Tells those whose time is up.
    pub(crate) fn give_up(&mut self, now: Instant) {
        let limit = self.limits.channel_timeout;
        let late =
            || SshError::TimedOut { server: self.server.clone(), step: SshStep::Channel, limit };
        let (expired, waiting) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition::<Vec<_>, _>(|request| request.deadline <= now);
        self.waiting = waiting.into();
        for request in expired {
            let _ = request.reply.send(Err(NoChannel::Because(late())));
        }
        if let Some(opening) = &mut self.opening
            && !self.abandoned
            && opening.request.deadline <= now
        {
            // The server still works on it: what comes of it is closed again.
            let (nobody, _) = oneshot::channel();
            let reply = std::mem::replace(&mut opening.request.reply, nobody);
            self.abandoned = true;
            let _ = reply.send(Err(NoChannel::Because(late())));
        }
    }

    /// The request under way takes long: sends those behind it to other connections.
    pub(crate) fn turn_away(&mut self) {
        let (patient, others) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition::<Vec<_>, _>(|request| request.is_patient);
        self.waiting = patient.into();
        for request in others {
            let _ = request.reply.send(Err(NoChannel::Elsewhere));
        }
    }

    /// The connection has ended.
    pub(crate) fn fail(&mut self, lost: &Lost) {
        for channel in self.open.values() {
            channel.state().finish(End::Lost(lost.clone()));
        }
        let opening = self.opening.take().map(|opening| opening.request);
        for request in opening.into_iter().chain(std::mem::take(&mut self.waiting)) {
            let _ = request.reply.send(Err(NoChannel::Elsewhere));
        }
    }
}

/// What the server's refusal of a channel means; nothing if it is no refusal.
fn refusal(error: &ssh2::Error, target: &Target, server: &str) -> Option<SshError> {
    if error.code() != ssh2::ErrorCode::Session(libssh2_sys::LIBSSH2_ERROR_CHANNEL_FAILURE) {
        return None;
    }
    let server = server.to_owned();
    // libssh2 tells the reason's number (RFC 4254 section 5.1) in words only, and the server's own text not at all.
    Some(match error.message() {
        text if text.contains("prohibited") || text.contains("unknown channel type") => {
            SshError::Forbidden { server, target: target.to_string() }
        }
        _ => {
            SshError::Refused { server, target: target.to_string(), is_socket: target.is_socket() }
        }
    })
}

/// How long the last bytes for a console may take once their session is gone.
const LINGER: Duration = Duration::from_secs(5);

/// As much as one packet holds.
const PACKET: usize = 32 * 1024;
