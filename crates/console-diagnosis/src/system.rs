//! The machine itself: open files, the clock; and its packet filter.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use console_config::{ServerSettings, Settings};
use procfs::process::{LimitValue, Process};

use crate::checks::{SYSTEM_CLOCK, SYSTEM_FILES};
use crate::firewall;
use crate::options::Options;
use crate::report::Branch;

/// Looks at all of it. Blocks.
pub(crate) fn examine(branch: &Branch, options: &Options, settings: &Settings) {
    files(branch, options, settings);
    clock(branch, options, settings);
    firewall::examine(branch, &options.etc, &settings.server);
}

/// A session has a client, and at most one socket of its own to its console; every other connection has a socket, too.
fn files(branch: &Branch, options: &Options, settings: &Settings) {
    let server = &settings.server;
    let needed = server.max_sessions + server.max_connections + BESIDES;
    // What systemd gives it, a shell does not tell.
    let Some(pid) = options.proxy_pid.and_then(|pid| i32::try_from(pid).ok()) else {
        if let Some(limit) = options.open_files {
            return judge(branch, "the unit lets it", limit, needed, server);
        }
        branch.skip(
            SYSTEM_FILES,
            format!("the service's process is not known; it needs {needed} open files at most"),
        );
        return;
    };
    let Some(limit) = limit(Process::new(pid)) else {
        branch.skip(SYSTEM_FILES, format!("the limit of process {pid} cannot be read"));
        return;
    };
    judge(branch, &format!("process {pid} may"), limit, needed, server);
}

fn judge(branch: &Branch, who: &str, limit: u64, needed: usize, server: &ServerSettings) {
    if usize::try_from(limit).is_ok_and(|limit| limit < needed) {
        let sessions = server.max_sessions;
        branch.warn(
            SYSTEM_FILES,
            format!("{who} have {limit} files open, and {sessions} sessions (max_sessions) with {} connections need up to {needed}", server.max_connections),
            "systemctl edit webvirtmgr-console # and write LimitNOFILE=65536 below [Service]; or less into max_sessions and max_connections",
        );
    } else {
        branch.ok(
            SYSTEM_FILES,
            format!("{who} have {limit} files open, {needed} are needed at most"),
        );
    }
}

fn limit(process: procfs::ProcResult<Process>) -> Option<u64> {
    match process.ok()?.limits().ok()?.max_open_files.soft_limit {
        LimitValue::Unlimited => Some(u64::MAX),
        LimitValue::Value(limit) => Some(limit),
    }
}

/// A clock that stands before what was written already has lost its time; certificates are judged by it.
fn clock(branch: &Branch, options: &Options, settings: &Settings) {
    let now = SystemTime::now();
    let tls = settings.server.tls.as_ref();
    let files = [Some(&options.sources.file), tls.map(|tls| &tls.cert)];
    let written = files.into_iter().flatten().filter_map(|file| Some((file, changed(file)?)));
    let newest = written.max_by_key(|(_, at)| *at);
    match newest {
        Some((file, at)) if at > now + TOLERANCE => {
            let ahead = at.duration_since(now).unwrap_or_default().as_secs() / 3600;
            branch.warn(
                SYSTEM_CLOCK,
                format!("this machine's clock is {ahead} hours before {} was written: certificates are judged by it", file.display()),
                "timedatectl set-ntp true; timedatectl shows what the clock is",
            );
        }
        _ => branch.ok(SYSTEM_CLOCK, format!("it is {}", console_tls::Moment::now())),
    }
}

fn changed(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).ok()?.modified().ok()
}

/// Descriptors of the program itself: libvirt, SSH, the log, the database.
const BESIDES: usize = 64;

/// Clocks differ, and so do time zones of file systems that are mounted.
const TOLERANCE: Duration = Duration::from_secs(25 * 60 * 60);
