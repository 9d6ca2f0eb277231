//! A Debian of its own in which a real systemd runs as process 1: for the package and the service.
//!
//! Its root is a copy of [`debian_root`]'s. It has a network of its own, with nothing but loopback.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::lease::{Caged, as_root};
use crate::{debian_root, process, wait};

/// From process 1 to "running": 2 s on an idle machine.
const BOOT: Duration = Duration::from_secs(60);

/// For a command inside, in seconds.
const COMMAND: &str = "120";

/// The devices are nodes, not mounts: systemd's `PrivateDevices` copies them. A pivot, not a chroot, because it makes mount namespaces of `/`.
const SCRIPT: &str = r#"
prepare() {
    cgroups=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
    for old in $stale; do find "$cgroups/$old" -depth -type d -exec rmdir {} + 2>/dev/null || :; done
    mkdir "$cgroups/webvirtmgr-test-$number"
}
work() {
    # Of this shell, and not of the one around it, which goes on.
    sh -c 'echo $PPID' > "$cgroups/webvirtmgr-test-$number/cgroup.procs"
    exec unshare --mount --pid --fork --kill-child --uts --ipc --net --cgroup sh -euc '
        mount --make-rprivate /
        mount --bind "$root" "$root"
        cd "$root"
        mount -t proc proc proc
        mount -t sysfs sysfs sys
        mount -t cgroup2 cgroup2 sys/fs/cgroup
        mount -t tmpfs tmpfs run
        mount -t tmpfs tmpfs tmp
        mount -t tmpfs -o mode=755 tmpfs dev
        mkdir dev/pts dev/shm
        for node in "null 3" "zero 5" "full 7" "random 8" "urandom 9"; do
            mknod -m 666 "dev/${node% *}" c 1 "${node#* }"
        done
        mknod -m 666 dev/tty c 5 0
        mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
        ln -s pts/ptmx dev/ptmx
        ln -s /proc/self/fd dev/fd
        mount -t tmpfs tmpfs dev/shm
        mkdir -p .outside
        pivot_root . .outside
        umount -l .outside
        exec env -i container=unshare PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd
    '
}
finish() {
    # What was killed is gone a moment later.
    tenths=0
    while [ -d "$cgroups/webvirtmgr-test-$number" ] && [ "$tenths" -lt 50 ]; do
        find "$cgroups/webvirtmgr-test-$number" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1
        tenths=$((tenths + 1))
    done
}
"#;

/// A running Debian. Dropping it ends all of it.
#[derive(Debug)]
pub struct Machine {
    cage: Caged,
    root: PathBuf,
    init: i32,
}

impl Machine {
    /// Boots one whose root is a new folder in `dir`; the first one ever takes a minute or two.
    ///
    /// # Errors
    ///
    /// debootstrap fails (the error has the end of its log), or systemd does not come up.
    pub fn boot(dir: &Path) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let base = debian_root::base(dir)?;
        let root = dir.join("debian");
        let copied = as_root("cp").args(["-a", "--reflink=auto"]).args([&base, &root]).status()?;
        ensure!(copied.success(), "cannot copy {}: {copied}", base.display());
        let number = format!("{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let stale = stale_cgroups()?;
        let env = [("root", root.as_os_str()), ("number", OsStr::new(&number)), ("stale", &*stale)];
        let mut cage = Caged::start("systemd", SCRIPT, dir, &env)?;
        let init = wait::until("systemd to be process 1", BOOT, || {
            ensure!(!cage.has_ended()?, "it has ended");
            Ok(descendant(cage.pid(), "systemd"))
        })
        .map_err(|error| wait::with_log(&error, "systemd's cage", &cage.log()))?;
        let machine = Self { cage, root, init };
        wait::until("systemd to have started everything", BOOT, || {
            let state = machine.output("systemctl", &["is-system-running"])?;
            match state.trim() {
                "degraded" => bail!("failed: {}", machine.output("systemctl", &["--failed"])?),
                state => Ok((state == "running").then_some(())),
            }
        })
        .map_err(|error| wait::with_log(&error, "systemd's cage", &machine.cage.log()))?;
        Ok(machine)
    }

    /// A file or folder of it, as seen from outside.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside.trim_start_matches('/'))
    }

    /// Writes a file of it, its folder, too.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn write(&self, inside: &str, text: &str) -> Result<()> {
        let path = self.path(inside);
        let script = r#"mkdir -p "$(dirname "$0")" && cat > "$0""#;
        let mut writing = as_root("sh")
            .args(["-ec", script])
            .arg(&path)
            .stdin(Stdio::piped())
            .spawn()
            .context("cannot run sh")?;
        if let Some(mut input) = writing.stdin.take() {
            input.write_all(text.as_bytes())?;
        }
        let status = writing.wait()?;
        ensure!(status.success(), "cannot write {}: {status}", path.display());
        Ok(())
    }

    /// Runs a command in it; returns what it says.
    ///
    /// # Errors
    ///
    /// It fails; the error has its words.
    pub fn run(&self, program: &str, args: &[&str]) -> Result<String> {
        let output = self.command(program, args).output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let words = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "{program} {}: {}\n{said}{words}",
            args.join(" "),
            output.status
        );
        Ok(said)
    }

    /// The same, whether it fails or not.
    ///
    /// # Errors
    ///
    /// It cannot be run.
    pub fn output(&self, program: &str, args: &[&str]) -> Result<String> {
        let output = self.command(program, args).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The first line of the answer to a GET on loopback; empty where nobody listens.
    ///
    /// # Errors
    ///
    /// The shell cannot be run.
    pub fn get(&self, port: u16, path: &str) -> Result<String> {
        let script = format!(
            "exec 3<>/dev/tcp/127.0.0.1/{port} && printf 'GET {path} HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n' >&3 && head -n 1 <&3"
        );
        Ok(self.output("bash", &["-c", &script])?.trim_end().to_owned())
    }

    /// One property of a unit.
    ///
    /// # Errors
    ///
    /// systemctl fails.
    pub fn property(&self, unit: &str, name: &str) -> Result<String> {
        let value = self.run("systemctl", &["show", "--value", "--property", name, unit])?;
        Ok(value.trim_end().to_owned())
    }

    /// All that a unit has logged.
    ///
    /// # Errors
    ///
    /// journalctl fails.
    pub fn journal(&self, unit: &str) -> Result<String> {
        self.run("journalctl", &["--no-pager", "--output", "cat", "--unit", unit])
    }

    /// Every file, folder and link of it, but what is mounted there.
    ///
    /// # Errors
    ///
    /// find fails.
    pub fn files(&self) -> Result<BTreeSet<String>> {
        Ok(self.run("find", &["/", "-xdev"])?.lines().map(str::to_owned).collect())
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = as_root("timeout");
        command
            .args([COMMAND, "nsenter", "--target", &self.init.to_string()])
            .args(["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd"])
            .args(["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8"])
            .args(["DEBIAN_FRONTEND=noninteractive", program])
            .args(args);
        command
    }
}

/// The cgroups of test beds that are gone. Those of the others are left alone even while they are empty: somebody is about to start there.
fn stale_cgroups() -> Result<OsString> {
    let mounts = fs::read_to_string("/proc/mounts")?;
    let mounts = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let mut cgroups = mounts
        .filter_map(|fields| (fields.get(2) == Some(&"cgroup2")).then(|| fields[1].to_owned()));
    let cgroups = cgroups.next().context("no cgroup2 is mounted")?;
    let names = fs::read_dir(&cgroups).with_context(|| format!("cannot read {cgroups}"))?.flatten();
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    let stale = names.filter(|name| {
        let number = name.strip_prefix("webvirtmgr-test-").and_then(|rest| rest.split_once('-'));
        number.and_then(|(pid, _)| pid.parse().ok()).is_some_and(|pid| !process::exists(pid))
    });
    Ok(stale.collect::<Vec<_>>().join(" ").into())
}

/// A process of this name somewhere below `ancestor`.
fn descendant(ancestor: u32, name: &str) -> Option<i32> {
    let parent = |stat: &str| -> Option<i32> {
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    };
    let stat = |pid: i32| fs::read_to_string(format!("/proc/{pid}/stat")).ok();
    let is_below = |pid: i32| {
        let chain = std::iter::successors(Some(pid), |pid| parent(&stat(*pid)?));
        chain.take(64).any(|pid| u32::try_from(pid).is_ok_and(|pid| pid == ancestor))
    };
    let pids = fs::read_dir("/proc").ok()?.flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mark = format!("({name})");
    // Its children may have the name, too; the first one is process 1.
    pids.filter(|pid| stat(*pid).is_some_and(|stat| stat.contains(&mark)))
        .filter(|pid| is_below(*pid))
        .min()
}
