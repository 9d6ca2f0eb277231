//! A process of the proxy's: who it is, and what it was told; and which there are.

use std::path::Path;

use procfs::process::{Process, all_processes};

use crate::told::Told;

/// A process of the proxy's.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
    pub(crate) told: Told,
}

impl Service {
    /// What /proc tells of it, which for another user's process it tells root only.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let process = process(pid)?;
        let status = process.status().ok()?;
        let environment = process.environ().ok()?.into_iter().collect();
        let flags = process.cmdline().ok()?.into_iter().skip(1).collect();
        let directory = process.cwd().ok().unwrap_or_else(|| "/".into());
        Some(Self {
            uid: status.euid,
            gid: status.egid,
            groups: status.groups,
            told: Told { environment, flags, directory },
        })
    }
}

/// The processes whose program has this name, not counting their children.
pub(crate) fn running(program: &str) -> Vec<u32> {
    let is_it = |process: &Process| process.exe().is_ok_and(|exe| is_called(&exe, program));
    let all = all_processes().into_iter().flatten().flatten().take(MAX_PROCESSES);
    let found: Vec<(i32, i32)> = all
        .filter(is_it)
        .filter_map(|process| Some((process.pid(), process.stat().ok()?.ppid)))
        .collect();
    // A child has its parent's program until it runs its own.
    let is_child = |parent: i32| found.iter().any(|(pid, _)| *pid == parent);
    let first = found.iter().filter(|(_, parent)| !is_child(*parent));
    first.filter_map(|(pid, _)| u32::try_from(*pid).ok()).collect()
}

/// The link says so of a program that has been replaced since (proc_pid_exe(5)).
fn is_called(exe: &Path, program: &str) -> bool {
    let name = exe.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.strip_suffix(" (deleted)").unwrap_or(name) == program
}

/// Whether its files are others than ours: it runs in a container or a chroot. systemd gives its services a mount namespace, too, but that shows
/// what ours does, but for what is hidden.
pub(crate) fn is_apart(pid: u32) -> bool {
    let (Some(process), Ok(own)) = (process(pid), Process::myself()) else { return false };
    if process.root().is_ok_and(|root| root != Path::new("/")) {
        return true;
    }
    let namespace = |process: &Process, kind: &str| {
        let all = process.namespaces().ok()?.0;
        all.into_iter().find(|(name, _)| name == kind).map(|(_, space)| space.identifier)
    };
    let differs = |kind: &str| {
        namespace(&process, kind).is_some_and(|theirs| Some(theirs) != namespace(&own, kind))
    };
    let group = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    differs("pid") || (differs("mnt") && !is_units(&group))
}

/// Whether a process is of a service of this machine's systemd, by its cgroup(7): in a container's, there is more in the path than slices.
fn is_units(groups: &str) -> bool {
    groups.lines().any(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (kind, path) = (parts.next(), parts.next().unwrap_or_default());
        let Some((slices, last)) = path.rsplit_once('/') else { return false };
        matches!(kind, Some("" | "name=systemd"))
            && last.ends_with(".service")
            && slices.split('/').skip(1).all(|slice| slice.ends_with(".slice"))
    })
}

fn process(pid: u32) -> Option<Process> {
    Process::new(i32::try_from(pid).ok()?).ok()
}

/// The kernel's own limit on 64 bits (proc_sys_kernel(5), pid_max).
const MAX_PROCESSES: usize = 1 << 22;

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_process_is_who_it_is() {
        let own = Service::of(std::process::id()).unwrap();
        assert_eq!(own.uid, nix::unistd::geteuid().as_raw());
        assert_eq!(own.told.flags, std::env::args().skip(1).collect::<Vec<_>>());
        assert_eq!(own.told.directory, std::env::current_dir().unwrap());
        assert!(Service::of(u32::MAX).is_none());
        assert!(!is_apart(std::process::id()) && !is_apart(u32::MAX));
    }

    #[test]
    fn programs_are_found_by_their_files_name() {
        let file = std::env::temp_dir().join(format!("console-check-{}", std::process::id()));
        std::fs::copy("/bin/sleep", &file).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        let mut child = Command::new(&file).arg("600").stdout(Stdio::null()).spawn().unwrap();
        let found = running(name);
        std::fs::remove_file(&file).unwrap();
        let replaced = running(name);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!((found, replaced), (vec![child.id()], vec![child.id()]));
        assert!(running(name).is_empty());
    }

    #[test]
    fn a_units_cgroup() {
        for (groups, expected) in [
            ("0::/system.slice/webvirtmgr-console.service\n", true),
            ("0::/system.slice/system-x.slice/x@1.service\n", true),
            ("1:name=systemd:/system.slice/supervisor.service\n", true),
            ("0::/system.slice/docker-0a.scope\n", false),
            ("0::/system.slice/docker-0a.scope/system.slice/x.service\n", false),
            ("0::/system.slice/x.service/libpod-payload-1\n", false),
            ("0::/docker/0a\n4:memory:/system.slice/x.service\n", false),
            ("0::/../x.service\n", false),
            ("0::/\n", false),
            ("", false),
        ] {
            assert_eq!(is_units(groups), expected, "{groups}");
        }
    }
}
