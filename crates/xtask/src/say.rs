//! Talking to the person at the terminal. If nobody listens any more, that is no reason to fail.

use std::io::{self, Write};
use std::time::Instant;

/// A line.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// The beginning of a line: the end comes when it is known.
pub(crate) fn begin(start: &str) {
    let mut out = io::stdout().lock();
    let _ = write!(out, "{start}").and_then(|()| out.flush());
}

/// Says what is being done, does it, and says how long it took.
pub(crate) fn step<T>(what: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    begin(&format!("  {what} … "));
    let start = Instant::now();
    let done = work();
    match &done {
        Ok(_) => say(&format!("{:.1} s", start.elapsed().as_secs_f32())),
        Err(_) => say("failed"),
    }
    done
}
