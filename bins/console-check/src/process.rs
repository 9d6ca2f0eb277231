//! The running service: who it is, and what it was told.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use procfs::process::Process;

/// A process of the proxy's.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
    pub(crate) environment: Vec<(OsString, OsString)>,
    pub(crate) flags: Vec<String>,
}

/// What systemd says of the unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) pid: Option<u32>,
    pub(crate) user: Option<String>,
}

impl Service {
    /// What /proc tells of it, which for another user's process it tells root only.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let process = Process::new(i32::try_from(pid).ok()?).ok()?;
        let status = process.status().ok()?;
        let environment = process.environ().ok()?.into_iter().collect();
        let flags = process.cmdline().ok()?.into_iter().skip(1).collect();
        let (uid, gid) = (status.euid, status.egid);
        let groups = status.groups;
        Some(Self { uid, gid, groups, environment, flags })
    }
}

impl Unit {
    /// Asks systemd, if this machine has it.
    pub(crate) fn find() -> Self {
        if !Path::new("/run/systemd/system").is_dir() {
            return Self::default();
        }
        let asked = Command::new("systemctl")
            .args(["show", "--property=MainPID,User,LoadState", "webvirtmgr-console.service"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output();
        asked.map_or_else(
            |_| Self::default(),
            |output| Self::read(&String::from_utf8_lossy(&output.stdout)),
        )
    }

    fn read(text: &str) -> Self {
        let value =
            |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        if value("LoadState") != Some("loaded") {
            return Self::default();
        }
        let pid = value("MainPID").and_then(|pid| pid.parse().ok()).filter(|pid| *pid != 0);
        // Without User= the service is root's.
        let user = value("User").map(|user| if user.is_empty() { "root" } else { user });
        Self { pid, user: user.map(str::to_owned) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemds_words() {
        let unit = Unit::read("MainPID=812\nUser=www-data\nLoadState=loaded\n");
        assert_eq!(unit, Unit { pid: Some(812), user: Some("www-data".into()) });
        let stopped = Unit::read("MainPID=0\nUser=\nLoadState=loaded\n");
        assert_eq!(stopped, Unit { pid: None, user: Some("root".into()) });
        assert_eq!(Unit::read("MainPID=0\nUser=\nLoadState=not-found\n"), Unit::default());
    }

    #[test]
    fn a_process_is_who_it_is() {
        let own = Service::of(std::process::id()).unwrap();
        assert_eq!(own.uid, nix::unistd::geteuid().as_raw());
        assert_eq!(own.flags, std::env::args().skip(1).collect::<Vec<_>>());
        assert!(Service::of(u32::MAX).is_none());
    }
}
