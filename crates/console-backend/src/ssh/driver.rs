//! The one task of a connection: it alone has the session, and carries bytes between it and the network.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, split};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::channels::Channels;
use super::dialogue::Dialogue;
use super::error::Lost;
use super::limits::SshLimits;
use super::openings::Request;
use super::target::Target;

/// What others may know of a connection without asking its task.
#[derive(Debug, Default)]
pub(crate) struct Health {
    /// It has ended, or is about to.
    pub(crate) is_over: AtomicBool,
    /// It is not to be relied on: the server is slow with a request or silent, or it has been probed too often.
    pub(crate) is_doubtful: AtomicBool,
    /// Where the server takes long to get.
    slow: Mutex<Option<Target>>,
}

impl Health {
    /// Whether the server takes long to get there, of all places.
    pub(crate) fn is_slow_with(&self, target: &Target) -> bool {
        self.slow().as_ref() == Some(target)
    }

    fn slow(&self) -> MutexGuard<'_, Option<Target>> {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs a connection that is logged in until it breaks, is idle for too long, is to `stop`, or nobody can ask for channels any more and
/// the last one is closed.
pub(crate) async fn run(
    dialogue: Dialogue,
    server: String,
    limits: SshLimits,
    mut requests: mpsc::Receiver<Request>,
    health: Arc<Health>,
    stop: CancellationToken,
) -> Lost {
    let Dialogue { mut engine, io } = dialogue;
    let (mut read, mut write) = split(io);
    let mut channels = Channels::new(server, &limits);
    let signals = channels.signals.clone();
    let (mut arrived, mut output) = (BytesMut::with_capacity(READ_SIZE), BytesMut::new());
    let mut pulse = Pulse::new(&limits);
    let mut idle_since = Instant::now();
    let mut is_open = true;

    let lost = loop {
        if output.is_empty() {
            std::mem::swap(&mut output, engine.output());
        }
        if !channels.is_idle() {
            idle_since = Instant::now();
        } else if !is_open {
            break Lost::Unused;
        }
        let idle_at = channels.is_idle().then(|| idle_since + limits.idle_timeout);
        let next = [channels.next_deadline(Instant::now()), idle_at];
        let next = next.into_iter().flatten().min().map_or(pulse.next, |at| at.min(pulse.next));
        // Without a channel nothing looks at the input; what little there is waits for the next one. And a server that asks and asks, but takes
        // no answers, is not listened to.
        let may_read = engine.input().len() < READ_SIZE && engine.output().len() < MAX_OUTPUT;

        let mut all = false;
        tokio::select! {
            count = read.read_buf(&mut arrived), if may_read => match count {
                Ok(0) => break Lost::Closed,
                Ok(_) => {
                    pulse.heard();
                    let input = engine.input();
                    if input.is_empty() {
                        std::mem::swap(input, &mut arrived);
                    } else {
                        input.extend_from_slice(&arrived);
                        arrived.clear();
                    }
                    arrived.reserve(READ_SIZE);
                    all = true;
                }
                Err(error) => break error.into(),
            },
            count = write.write(&output), if !output.is_empty() => match count {
                Ok(0) => break Lost::Closed,
                Ok(count) => {
                    output.advance(count);
                    all = true;
                }
                Err(error) => break error.into(),
            },
            () = signals.wait() => {}
            request = requests.recv(), if is_open => match request {
                Some(request) => channels.openings.ask(request),
                None => is_open = false,
            },
            () = sleep_until(next) => {}
            () = stop.cancelled() => break Lost::Unused,
        }

        let now = Instant::now();
        channels.openings.give_up(now);
        match pulse.beat(now) {
            Beat::None => {}
            // If the output is full it will be heard of soon enough.
            Beat::Probe => drop(engine.call(|session| session.keepalive_send())),
            Beat::Silent(silence) => break Lost::Silent(silence),
        }
        if let Err(lost) = channels.step(&mut engine, all, OUTPUT) {
            break lost;
        }
        let slow = channels.openings.slow(now).cloned();
        let is_slow = slow.is_some();
        health.is_doubtful.store(is_slow || pulse.is_doubtful(), Relaxed);
        *health.slow() = slow;
        if is_slow {
            channels.openings.turn_away();
        }
        if channels.is_idle() && now >= idle_since + limits.idle_timeout {
            break Lost::Unused;
        }
    };

    health.is_over.store(true, Relaxed);
    requests.close();
    // Whoever asked a moment ago is told, and asks another connection.
    while let Some(request) = requests.recv().await {
        channels.openings.ask(request);
    }
    channels.fail(&lost);
    let _ = engine.call(|session| session.disconnect(None, "no longer needed", None));
    output.unsplit(engine.output().split());
    let farewell = async {
        write.write_all(&output).await?;
        write.shutdown().await
    };
    let _ = timeout(FAREWELL, farewell).await;
    lost
}

/// When a connection is probed, and whether it answers: after each interval of silence (ssh_config(5), ServerAliveInterval).
struct Pulse {
    interval: Duration,
    count: u32,
    next: Instant,
    heard_at: Instant,
    missed: u32,
    probes: u32,
}

enum Beat {
    None,
    Probe,
    /// There has been no answer for so long.
    Silent(Duration),
}

impl Pulse {
    fn new(limits: &SshLimits) -> Self {
        let (interval, count) = (limits.keepalive_interval, limits.keepalive_count);
        let now = Instant::now();
        Self { interval, count, next: now + interval, heard_at: now, missed: 0, probes: 0 }
    }

    /// Any byte will do.
    fn heard(&mut self) {
        self.missed = 0;
        self.heard_at = Instant::now();
    }

    fn beat(&mut self, now: Instant) -> Beat {
        if now < self.next {
            return Beat::None;
        }
        if self.missed == 0 && now < self.heard_at + self.interval {
            self.next = self.heard_at + self.interval;
            return Beat::None;
        }
        if self.missed >= self.count {
            return Beat::Silent(self.interval * self.count);
        }
        self.missed += 1;
        self.probes += 1;
        self.next = now + self.interval;
        Beat::Probe
    }

    fn is_doubtful(&self) -> bool {
        self.missed > 1 || self.probes > MAX_PROBES
    }
}

/// Bytes taken from the network at a time.
const READ_SIZE: usize = 64 * 1024;

/// Bytes for the network above which no channel is written to.
const OUTPUT: usize = 64 * 1024;

/// Bytes for the network above which nothing is read: answers to the server's own requests come on top of what channels write.
const MAX_OUTPUT: usize = 4 * OUTPUT;

/// libssh2 keeps the answer to each probe for as long as the connection lasts, so after so many (a day of silence by default, 1 MB) a
/// connection is for the consoles that it has.
const MAX_PROBES: u32 = 5760;

/// For the last words.
const FAREWELL: Duration = Duration::from_secs(1);
