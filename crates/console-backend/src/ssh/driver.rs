//! The one task of a connection: it alone has the session, and carries bytes between it and the network.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, split};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::channels::{Channels, Request};
use super::dialogue::Dialogue;
use super::error::Lost;
use super::limits::SshLimits;

/// What others may know of a connection without asking its task.
#[derive(Debug, Default)]
pub(crate) struct Health {
    /// It has ended, or is about to.
    pub(crate) is_over: AtomicBool,
    /// It is not to be relied on: the server is slow with a request or silent.
    pub(crate) is_doubtful: AtomicBool,
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
    let mut channels = Channels::new(server, limits.clone());
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
        let slow_at = channels.opening_since().map(|since| since + SLOW);
        let idle_at = channels.is_idle().then(|| idle_since + limits.idle_timeout);
        let next = [channels.next_deadline(), slow_at.filter(|at| *at > Instant::now()), idle_at];
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
                Some(request) => channels.ask(request),
                None => is_open = false,
            },
            () = sleep_until(next) => {}
            () = stop.cancelled() => break Lost::Unused,
        }

        let now = Instant::now();
        channels.give_up(now);
        if now >= pulse.next {
            if let Some(silence) = pulse.beat(now) {
                break Lost::Silent(silence);
            }
            // If the output is full it will be heard of soon enough.
            let _ = engine.call(|session| session.keepalive_send());
        }
        if let Err(lost) = channels.step(&mut engine, all, OUTPUT) {
            break lost;
        }
        let is_slow = channels.opening_since().is_some_and(|since| now >= since + SLOW);
        health.is_doubtful.store(is_slow || pulse.missed > 1, Relaxed);
        if is_slow {
            channels.turn_away();
        }
        if channels.is_idle() && now >= idle_since + limits.idle_timeout {
            break Lost::Unused;
        }
    };

    health.is_over.store(true, Relaxed);
    requests.close();
    // Whoever asked a moment ago is told, and asks another connection.
    while let Some(request) = requests.recv().await {
        channels.ask(request);
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

/// When a connection is probed, and whether it answers.
struct Pulse {
    interval: Duration,
    count: u32,
    next: Instant,
    missed: u32,
}

impl Pulse {
    fn new(limits: &SshLimits) -> Self {
        let interval = limits.keepalive_interval;
        Self { interval, count: limits.keepalive_count, next: Instant::now() + interval, missed: 0 }
    }

    /// Any byte will do.
    fn heard(&mut self) {
        self.missed = 0;
    }

    /// An interval is over: nothing, or how long there has been silence if that is too long.
    fn beat(&mut self, now: Instant) -> Option<Duration> {
        if self.missed >= self.count {
            return Some(self.interval * self.count);
        }
        self.missed += 1;
        self.next = now + self.interval;
        None
    }
}

/// Bytes taken from the network at a time.
const READ_SIZE: usize = 64 * 1024;

/// Bytes for the network above which no channel is written to.
const OUTPUT: usize = 64 * 1024;

/// Bytes for the network above which nothing is read: answers to the server's own requests come on top of what channels write.
const MAX_OUTPUT: usize = 4 * OUTPUT;

/// A request for a channel that takes longer makes the next ones go elsewhere, if they can.
const SLOW: Duration = Duration::from_secs(1);

/// For the last words.
const FAREWELL: Duration = Duration::from_secs(1);
