//! One libvirt's requests, and the worker that answers them.
//!
//! The worker may hang inside libvirt for as long as it likes. A request that comes later finds it hanging, abandons it (its
//! connection is closed and its thread ends whenever it comes back) and starts another, up to a bound.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tracing::warn;

use crate::endpoint::Endpoint;
use crate::error::LookupError;
use crate::lookup::Connection;
use crate::pauses::Pauses;
use crate::request::{Answer, Answered, Question, Request, request};
use crate::shown::shown;

/// How many requests may wait for one libvirt; further ones are refused at once.
pub const MAX_WAITING: usize = 4096;

/// How many threads for one libvirt may hang inside it besides the one at work; with all of them hanging, requests are
/// refused at once until one comes back, or has hung for so long that it no longer counts.
pub const MAX_ABANDONED: usize = 3;

/// How many threads for one libvirt may hang inside it, those that no longer count included.
pub const MAX_HANGING: usize = 64;

/// A thread that hangs counts for so long, times the number of those that hang: one whose peer has lost its power never comes back, and
/// must not lock the host out for ever; nor may a host that hangs for days collect threads.
const COUNTS_FOR: Duration = Duration::from_secs(60);

/// The requests for one libvirt.
pub(crate) struct Queue {
    endpoint: Endpoint,
    patience: Duration,
    keepalive: (i32, u32),
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Box<dyn Request>>,
    /// The number of the worker that answers; others have been abandoned.
    worker: Option<u64>,
    workers_so_far: u64,
    /// Who hangs inside libvirt, and since when.
    abandoned: Vec<(u64, Instant)>,
    /// When the worker went into libvirt.
    busy_since: Option<Instant>,
    closed: bool,
    pauses: Pauses,
}

impl Queue {
    pub(crate) fn new(endpoint: Endpoint, patience: Duration, keepalive: (i32, u32)) -> Arc<Self> {
        Arc::new(Self {
            endpoint,
            patience,
            keepalive,
            state: Mutex::default(),
            wake: Condvar::new(),
        })
    }

    /// Enters a request; a worker that has been inside libvirt for as long as the patience goes counts as hanging.
    pub(crate) fn submit<Q: Question>(
        self: &Arc<Self>,
        question: Q,
    ) -> Result<oneshot::Receiver<Answer<Q>>, LookupError> {
        let mut state = self.lock();
        if let Some(error) = state.pauses.last_failure(Instant::now()) {
            return Err(error);
        }
        if state.waiting.len() >= MAX_WAITING {
            state.waiting.retain(|request| !request.is_withdrawn());
            if state.waiting.len() >= MAX_WAITING {
                return Err(LookupError::Busy { uri: shown(&self.endpoint.uri) });
            }
        }
        if let Some(silent_for) = state.busy_since.map(|since| since.elapsed())
            && silent_for >= self.patience
        {
            if !may_abandon(&state.abandoned, Instant::now()) {
                return Err(LookupError::Hanging { uri: shown(&self.endpoint.uri), silent_for });
            }
            warn!(
                uri = shown(&self.endpoint.uri),
                ?silent_for,
                "libvirt hangs, trying a new connection"
            );
            state.busy_since = None;
            if let Some(number) = state.worker.take() {
                state.abandoned.push((number, Instant::now()));
            }
        }
        if state.worker.is_none() {
            self.start_worker(&mut state)?;
        }
        let (request, answer) = request(question);
        state.waiting.push_back(request);
        self.wake.notify_all();
        Ok(answer)
    }

    /// Ends the workers that are not inside libvirt; those that are end when they come back.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.waiting.clear();
        self.wake.notify_all();
    }

    #[cfg(test)]
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    fn start_worker(self: &Arc<Self>, state: &mut State) -> Result<(), LookupError> {
        let number = state.workers_so_far;
        let queue = self.clone();
        thread::Builder::new()
            .name("libvirt-worker".into())
            .spawn(move || queue.work(number))
            .map_err(|error| LookupError::NoThread {
                uri: shown(&self.endpoint.uri),
                text: error.to_string(),
            })?;
        state.workers_so_far += 1;
        state.worker = Some(number);
        Ok(())
    }

    fn work(&self, number: u64) {
        let mut connection = Connection::new(self.endpoint.clone(), self.patience, self.keepalive);
        while let Some(request) = self.next_request(number) {
            let answered = request.ask(&mut connection);
            self.finish(number, answered);
        }
    }

    /// The next request that somebody still waits for; `None` when this worker is to end.
    fn next_request(&self, number: u64) -> Option<Box<dyn Request>> {
        let mut state = self.lock();
        loop {
            if state.worker != Some(number) {
                state.abandoned.retain(|(hanging, _)| *hanging != number);
                return None;
            }
            if state.closed {
                return None;
            }
            match state.waiting.pop_front() {
                Some(request) if request.is_withdrawn() => {}
                Some(request) => {
                    state.busy_since = Some(Instant::now());
                    return Some(request);
                }
                None => state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn finish(&self, number: u64, answered: Box<dyn Answered>) {
        let mut state = self.lock();
        if state.worker == Some(number) {
            state.busy_since = None;
            match answered.failure() {
                Some(error) if error.is_unconnected() => {
                    state.pauses.failed(error.clone(), Instant::now());
                    // One attempt for all who waited for it: a dead host is not tried once for each of them.
                    for other in state.waiting.drain(..) {
                        other.fail(error.clone());
                    }
                }
                _ => state.pauses.succeeded(),
            }
        }
        drop(state);
        answered.send();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether one more thread may be left to hang beside these.
fn may_abandon(abandoned: &[(u64, Instant)], now: Instant) -> bool {
    let counts_for = COUNTS_FOR * u32::try_from(abandoned.len()).unwrap_or(u32::MAX);
    let counting =
        abandoned.iter().filter(|(_, since)| now.saturating_duration_since(*since) < counts_for);
    abandoned.len() < MAX_HANGING && counting.count() < MAX_ABANDONED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_never_comes_back_does_not_count_for_ever() {
        let start = Instant::now();
        let hanging = |count: u64| (0..count).map(|number| (number, start)).collect::<Vec<_>>();
        let later = |minutes| start + COUNTS_FOR * minutes;
        assert!(may_abandon(&hanging(2), start));
        assert!(!may_abandon(&hanging(3), start));
        assert!(!may_abandon(&hanging(3), later(3) - Duration::from_secs(1)));
        assert!(may_abandon(&hanging(3), later(3)));
        // The more hang, the longer each counts.
        assert!(!may_abandon(&hanging(6), later(3)));
        assert!(may_abandon(&hanging(6), later(6)));
        assert!(!may_abandon(&hanging(64), later(1000)));
    }
}
