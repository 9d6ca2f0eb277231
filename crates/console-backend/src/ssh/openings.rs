//! Who asks for a channel, one after the other: libssh2 can have one request at a time, and so can a server's patience.

use std::collections::VecDeque;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

use super::engine::{ChannelId, Engine};
use super::error::{Lost, SshError, SshStep};
use super::stream::SshStream;
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

/// The request that the server is working on.
struct Opening {
    request: Request,
    message: Vec<u8>,
    since: Instant,
    /// Who asked has been told that it takes too long. The server still works on it: what comes of it is closed again.
    is_abandoned: bool,
}

/// The request under way and those behind it.
pub(crate) struct Openings {
    server: String,
    limit: Duration,
    under_way: Option<Opening>,
    waiting: VecDeque<Request>,
}

impl Openings {
    /// Of a `server`, which may take `limit` for each.
    pub(crate) fn new(server: String, limit: Duration) -> Self {
        Self { server, limit, under_way: None, waiting: VecDeque::new() }
    }

    pub(crate) fn ask(&mut self, request: Request) {
        self.waiting.push_back(request);
    }

    /// Whether nobody waits. What nobody waits for any more does not count: it may never end.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
            && self.under_way.as_ref().is_none_or(|opening| opening.is_abandoned)
    }

    /// Where the server has been trying to get for longer than [`SLOW`].
    pub(crate) fn slow(&self, now: Instant) -> Option<&Target> {
        let slow = self.under_way.as_ref().filter(|opening| now >= opening.since + SLOW);
        slow.map(|opening| &opening.request.target)
    }

    /// When [`give_up`](Self::give_up) or [`slow`](Self::slow) will have something to say next.
    pub(crate) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let opening = self.under_way.as_ref();
        let slow_at = opening.map(|opening| opening.since + SLOW).filter(|at| *at > now);
        let opening = opening.filter(|opening| !opening.is_abandoned);
        let opening = opening.map(|opening| opening.request.deadline);
        let waiting = self.waiting.iter().map(|request| request.deadline);
        waiting.chain(opening).chain(slow_at).min()
    }

    /// Goes on with the request under way, or the next one, until one comes to a channel, which is for who asked.
    ///
    /// An error is the end of the connection.
    pub(crate) fn step(
        &mut self,
        engine: &mut Engine,
    ) -> Result<Option<(ChannelId, Request)>, Lost> {
        loop {
            if self.under_way.is_none() {
                let Some(request) = self.waiting.pop_front() else { return Ok(None) };
                if request.reply.is_closed() {
                    continue;
                }
                let (message, since) = (request.target.message(), Instant::now());
                self.under_way = Some(Opening { request, message, since, is_abandoned: false });
            }
            let Some(Opening { request, message, .. }) = &self.under_way else { return Ok(None) };
            let Poll::Ready(opened) = engine.open(request.target.kind(), message) else {
                return Ok(None);
            };
            let Some(Opening { request, .. }) = self.under_way.take() else { return Ok(None) };
            let error = match opened {
                Ok(id) => return Ok(Some((id, request))),
                Err(error) => error,
            };
            let Some(refusal) = refusal(&error, &request.target, &self.server) else {
                let _ = request.reply.send(Err(NoChannel::Elsewhere));
                return Err(engine.lost(error));
            };
            let _ = request.reply.send(Err(NoChannel::Because(refusal)));
        }
    }

    /// Tells those whose time is up.
    pub(crate) fn give_up(&mut self, now: Instant) {
        let (server, limit) = (&self.server, self.limit);
        let tell = |reply: oneshot::Sender<_>| {
            let (server, step) = (server.clone(), SshStep::Channel);
            let _ = reply.send(Err(NoChannel::Because(SshError::TimedOut { server, step, limit })));
        };
        let (expired, waiting) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition::<Vec<_>, _>(|request| request.deadline <= now);
        self.waiting = waiting.into();
        expired.into_iter().for_each(|request| tell(request.reply));
        if let Some(opening) = &mut self.under_way
            && !opening.is_abandoned
            && opening.request.deadline <= now
        {
            opening.is_abandoned = true;
            let (nobody, _) = oneshot::channel();
            tell(std::mem::replace(&mut opening.request.reply, nobody));
        }
    }

    /// The request under way takes long: sends those behind it to other connections.
    pub(crate) fn turn_away(&mut self) {
        let (staying, others) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition::<Vec<_>, _>(|request| request.is_patient);
        self.waiting = staying.into();
        for request in others {
            let _ = request.reply.send(Err(NoChannel::Elsewhere));
        }
    }

    /// The connection has ended.
    pub(crate) fn fail(&mut self) {
        let opening = self.under_way.take().map(|opening| opening.request);
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

/// A request that takes longer makes the next ones go elsewhere, if they can.
const SLOW: Duration = Duration::from_secs(1);
