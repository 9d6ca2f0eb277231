//! The machine itself: open files, the clock, hints about its packet filter.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use console_config::{ListenAddress, Settings};
use procfs::process::{LimitValue, Process};

use crate::checks::{SYSTEM_CLOCK, SYSTEM_FILES, SYSTEM_FIREWALL};
use crate::options::Options;
use crate::report::Branch;

/// Looks at all of it. Blocks.
pub(crate) fn examine(branch: &Branch, options: &Options, settings: &Settings) {
    files(branch, options, settings);
    clock(branch, options, settings);
    firewall(branch, &options.etc, settings);
}

/// A session has a client, and at most one socket of its own to its console; every other connection has a socket, too.
fn files(branch: &Branch, options: &Options, settings: &Settings) {
    let server = &settings.server;
    let needed = server.max_sessions + server.max_connections + BESIDES;
    // What systemd gives it, a shell does not tell.
    let Some(pid) = options.proxy_pid.and_then(|pid| i32::try_from(pid).ok()) else {
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
    let who = format!("process {pid} may");
    if usize::try_from(limit).is_ok_and(|limit| limit < needed) {
        let sessions = server.max_sessions;
        branch.warn(
            SYSTEM_FILES,
            format!("{who} have {limit} files open, and {sessions} sessions (max_sessions) with {} connections need up to {needed}", server.max_connections),
            "LimitNOFILE=65536 in the systemd unit ([Service]; systemctl edit webvirtmgr-console), or less in max_sessions and max_connections",
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

/// What ufw and firewalld say in their own files, as far as they can be read: their rules themselves are root's.
fn firewall(branch: &Branch, etc: &Path, settings: &Settings) {
    let ports: Vec<u16> = settings
        .server
        .listen
        .iter()
        .filter_map(|listen| match &listen.address {
            ListenAddress::Tcp { host, port } if !is_loopback(host) => Some(*port),
            _ => None,
        })
        .collect();
    for port in ports {
        if read(etc.join("ufw/ufw.conf")).is_some_and(|text| has_line(&text, "ENABLED=yes")) {
            let rules = ["ufw/user.rules", "ufw/user6.rules"].map(|file| read(etc.join(file)));
            let is_open = |rules: &String| rules.lines().any(|line| opens(line, port));
            match rules.into_iter().flatten().collect::<Vec<_>>().as_slice() {
                [] => branch.ok(SYSTEM_FIREWALL, format!("ufw is active; if browsers cannot connect: ufw allow {port}/tcp")),
                rules if rules.iter().any(is_open) => {
                    branch.ok(SYSTEM_FIREWALL, format!("ufw lets port {port} pass"));
                }
                _ => branch.warn(
                    SYSTEM_FIREWALL,
                    format!("ufw is active and has no rule for port {port}"),
                    format!("ufw allow {port}/tcp, unless a reverse proxy on this machine is the only client"),
                ),
            }
            return;
        }
        if let Ok(zones) = fs::read_dir(etc.join("firewalld/zones")) {
            let texts: Vec<String> =
                zones.flatten().take(MAX_ZONES).filter_map(|zone| read(zone.path())).collect();
            let wanted = format!("port=\"{port}\"");
            if texts.iter().any(|text| text.contains(&wanted)) {
                branch.ok(SYSTEM_FIREWALL, format!("firewalld lets port {port} pass"));
            } else if !texts.is_empty() {
                branch.warn(
                    SYSTEM_FIREWALL,
                    format!("firewalld is configured, and none of its zones has port {port}"),
                    format!("firewall-cmd --permanent --add-port={port}/tcp && firewall-cmd --reload, unless a reverse proxy on this machine is the only client"),
                );
            }
            if !texts.is_empty() {
                return;
            }
        }
    }
    branch.ok(SYSTEM_FIREWALL, "neither ufw nor firewalld is configured here");
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// `-A ufw-user-input -p tcp --dport 6080 -j ACCEPT`, also with ranges and lists of ports.
fn opens(line: &str, port: u16) -> bool {
    if !line.starts_with("-A ") || !line.contains("-j ACCEPT") || line.contains("-p udp") {
        return false;
    }
    let mut words = line.split_whitespace();
    while let Some(word) = words.next() {
        if matches!(word, "--dport" | "--dports") {
            let ports = words.next().unwrap_or_default();
            return ports.split(',').any(|one| match one.split_once(':') {
                Some((from, to)) => {
                    let bound = |text: &str| text.parse::<u16>().ok();
                    bound(from).is_some_and(|from| from <= port)
                        && bound(to).is_some_and(|to| port <= to)
                }
                None => one.parse() == Ok(port),
            });
        }
    }
    // No port at all: everything from somewhere.
    line.contains("-s ") || line.contains("-i ")
}

fn has_line(text: &str, wanted: &str) -> bool {
    text.lines().any(|line| line.trim() == wanted)
}

fn read(path: PathBuf) -> Option<String> {
    use std::io::Read as _;
    let mut text = String::new();
    fs::File::open(path).ok()?.take(MAX_RULES).read_to_string(&mut text).ok()?;
    Some(text)
}

/// Descriptors of the program itself: libvirt, SSH, the log, the database.
const BESIDES: usize = 64;

/// Clocks differ, and so do time zones of file systems that are mounted.
const TOLERANCE: Duration = Duration::from_secs(25 * 60 * 60);

const MAX_ZONES: usize = 64;
const MAX_RULES: u64 = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_open_a_port() {
        for (line, expected) in [
            ("-A ufw-user-input -p tcp --dport 6080 -j ACCEPT", true),
            ("-A ufw-user-input -p tcp -m multiport --dports 80,6000:6100 -j ACCEPT", true),
            ("-A ufw-user-input -p tcp -m multiport --dports 80,443 -j ACCEPT", false),
            ("-A ufw-user-input -p udp --dport 6080 -j ACCEPT", false),
            ("-A ufw-user-input -p tcp --dport 6080 -j DROP", false),
            ("-A ufw-user-input -s 192.0.2.0/24 -j ACCEPT", true),
            ("### tuple ### allow tcp 6080", false),
        ] {
            assert_eq!(opens(line, 6080), expected, "{line}");
        }
    }
}
