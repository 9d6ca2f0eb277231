//! Looking at a running process: descriptors, memory, threads and CPU time, from `/proc` (proc(5)), and signals.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal};

/// Linux reports CPU times to user space in units of 1/100 s (`USER_HZ`), on every architecture that Debian 12 runs on.
const USER_HZ: u64 = 100;

/// What one process holds at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Open file descriptors.
    pub descriptors: usize,
    /// Resident memory in bytes.
    pub resident: u64,
    /// Threads.
    pub threads: u64,
    /// CPU time so far, in user and kernel mode together; a resolution of 10 ms.
    pub cpu: Duration,
}

impl Usage {
    /// Reads it off a running process.
    ///
    /// # Errors
    ///
    /// The process has ended or belongs to somebody else.
    pub fn of(pid: Pid) -> Result<Self> {
        let proc = format!("/proc/{pid}");
        let gone = || format!("cannot read {proc}: has process {pid} ended?");
        let status = fs::read_to_string(format!("{proc}/status")).with_context(gone)?;
        let stat = fs::read_to_string(format!("{proc}/stat")).with_context(gone)?;
        let descriptors = fs::read_dir(format!("{proc}/fd")).with_context(gone)?.count();
        Ok(Self {
            descriptors,
            resident: 1024 * field(&status, "VmRSS:").with_context(gone)?,
            threads: field(&status, "Threads:").with_context(gone)?,
            cpu: cpu_time(&stat).with_context(gone)?,
        })
    }
}

/// The number after `key` in the text of `/proc/PID/status`.
fn field(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

/// utime + stime (fields 14 and 15) of `/proc/PID/stat`. The name in field 2 may hold spaces and parentheses: count from its end.
fn cpu_time(stat: &str) -> Option<Duration> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis((user + system) * 1000 / USER_HZ))
}

/// Whether this process runs as root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Sends a signal.
///
/// # Errors
///
/// There is no such process, or it is not ours.
pub fn signal(pid: Pid, signal: Signal) -> Result<()> {
    rustix::process::kill_process(pid, signal)
        .with_context(|| format!("cannot send a signal to process {pid}"))
}

/// A process whose command line has these arguments, each followed by a NUL (proc(5)).
pub fn with_argument(arguments: &str) -> Option<i32> {
    let mut processes = fs::read_dir("/proc").ok()?.flatten();
    processes.find_map(|process| {
        let pid = process.file_name().to_str()?.parse().ok()?;
        let line = fs::read(process.path().join("cmdline")).ok()?;
        String::from_utf8_lossy(&line).contains(arguments).then_some(pid)
    })
}

/// Whether a process of this number exists (a zombie does).
pub fn exists(pid: i32) -> bool {
    fs::exists(format!("/proc/{pid}")).unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_itself() {
        let usage = Usage::of(rustix::process::getpid()).unwrap();
        assert!(usage.descriptors >= 3, "{usage:?}");
        assert!(usage.resident > 100 * 1024, "{usage:?}");
        assert!(usage.threads >= 1, "{usage:?}");
    }

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194304 90 0 0 0 250 31 0 0 20 0 1 0 55 1 1";
        assert_eq!(cpu_time(stat), Some(Duration::from_millis(2810)));
        assert_eq!(cpu_time("7 (cut"), None);
    }

    #[test]
    fn an_ended_process_is_an_error() {
        let gone = Usage::of(Pid::from_raw(i32::MAX).unwrap()).unwrap_err();
        assert!(gone.to_string().contains("ended"), "{gone}");
    }
}
