//! A libvirtd of our own, beside whatever the machine runs.
//!
//! It runs in a cage (see [`lease`](crate::lease)): its folders are bind-mounted over `/etc/libvirt`, `/var/lib/libvirt` and so on in
//! a mount namespace of its own, the user `libvirt-qemu` exists only in its copy of `/etc/passwd`, and the guests' ports come from a
//! range that no other bed has (see [`ports`](crate::ports)). What must be set at all, and why, is beside each setting.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::lease::Caged;
use crate::packages::Emulator;
use crate::ports::PortRange;
use crate::virsh::Virsh;
use crate::{paths, wait};

const SCRIPT: &str = include_str!("libvirtd.sh");

/// Asking QEMU what it can takes 8 s on a slow machine, and several beds may do it at once.
const READY: Duration = Duration::from_secs(60);

/// The longest path of a UNIX socket, without the closing zero (`sun_path`, unix(7)).
const MAX_SOCKET_PATH: usize = 107;

/// A running libvirtd of our own. Dropping it ends it with all its guests.
#[derive(Debug)]
pub struct Libvirtd {
    cage: Caged,
    virsh: Virsh,
    ports: PortRange,
    dir: PathBuf,
}

impl Libvirtd {
    /// Starts it in `dir` (an empty folder) and waits until it answers.
    ///
    /// # Errors
    ///
    /// A package is missing, root cannot be had, or it does not get ready; the error has the end of its log.
    pub fn start(dir: &Path, emulator: &Emulator) -> Result<Self> {
        Self::launch(dir, emulator, &Network::default(), |_| Ok(()))
    }

    /// The same on a network, too. `prepare` is given the number that its addresses are made of, before it starts.
    pub(crate) fn launch(
        dir: &Path,
        emulator: &Emulator,
        network: &Network,
        prepare: impl FnOnce(u16) -> Result<()>,
    ) -> Result<Self> {
        let socket = dir.join("run/libvirt-sock");
        ensure!(
            socket.as_os_str().len() <= MAX_SOCKET_PATH,
            "{} is longer than the {MAX_SOCKET_PATH} bytes that a UNIX socket's path may have: set CARGO_TARGET_DIR \
             to a shorter one",
            socket.display()
        );
        ensure!(
            paths::program("libvirtd").is_some(),
            "libvirtd is missing: run `cargo xtask setup` (package libvirt-daemon)"
        );
        let ports = PortRange::claim()?;
        prepare(ports.index())?;
        let etc = dir.join("etc");
        fs::create_dir_all(&etc).with_context(|| format!("cannot make {}", etc.display()))?;
        fs::write(etc.join("qemu.conf"), qemu_conf(&ports))?;
        fs::write(etc.join("libvirtd.conf"), format!("{LIBVIRTD_CONF}{}", network.conf))?;

        let cache = paths::testbed().join("cache");
        fs::create_dir_all(&cache).with_context(|| format!("cannot make {}", cache.display()))?;
        // The first libvirtd of all asks QEMU, the others wait and find its answers in the cache.
        let lock = File::create(cache.join("lock"))?;
        lock.lock()?;
        let known = !is_empty(&cache)?;
        if known {
            lock.unlock()?;
        }

        let owner = fs::metadata(dir)?;
        let owner = OsString::from(format!("{}:{}", owner.uid(), owner.gid()));
        let index = OsString::from(ports.index().to_string());
        let mut env: Vec<(&str, &OsStr)> = vec![
            ("BED", dir.as_os_str()),
            ("CACHE", cache.as_os_str()),
            ("OWNER", &owner),
            ("FIRST_PATH", emulator.first_path().map(Path::as_os_str).unwrap_or_default()),
        ];
        if let Some(sshd) = &network.sshd {
            env.extend([("NET", index.as_os_str()), ("SSHD", sshd.as_os_str())]);
        }
        let mut cage = Caged::start("libvirtd", SCRIPT, dir, &env)?;
        let virsh = Virsh::new(format!("qemu+unix:///system?socket={}", socket.display()));
        let ready = wait::until("libvirtd to answer", READY, || {
            if cage.has_ended()? {
                bail!("libvirtd ended at once");
            }
            Ok((socket.exists() && virsh.answers()).then_some(()))
        });
        ready.map_err(|error| wait::with_log(&error, "libvirtd", &cage.log()))?;
        cage.call("save")?;
        if !known {
            let saved = dir.join("saved");
            wait::until("the cache to be saved", READY, || Ok(saved.exists().then_some(())))?;
            lock.unlock()?;
        }
        Ok(Self { cage, virsh, ports, dir: dir.to_path_buf() })
    }

    /// Stops the daemon's process (SIGSTOP): it accepts connections and answers nothing, as a daemon that hangs.
    ///
    /// # Errors
    ///
    /// It has ended.
    pub fn pause(&mut self) -> Result<()> {
        self.call("pause", "paused")
    }

    /// Lets it go on.
    ///
    /// # Errors
    ///
    /// It has ended.
    pub fn resume(&mut self) -> Result<()> {
        self.cage.call("resume")?;
        let paused = self.dir.join("paused");
        wait::until("libvirtd to go on", READY, || Ok((!paused.exists()).then_some(())))
    }

    /// Ends the daemon and starts it again; its guests go on meanwhile.
    ///
    /// # Errors
    ///
    /// It does not answer again in time.
    pub fn restart(&mut self) -> Result<()> {
        self.call("restart", "ended-once")?;
        wait::until("libvirtd to answer", READY, || Ok(self.virsh.answers().then_some(())))
    }

    /// Kills the daemon (SIGKILL); its guests go on meanwhile.
    ///
    /// # Errors
    ///
    /// It does not end.
    pub fn kill(&mut self) -> Result<()> {
        self.call("slay", "ended-once")
    }

    /// Starts it again after [`kill`](Self::kill).
    ///
    /// # Errors
    ///
    /// It does not answer in time.
    pub fn revive(&mut self) -> Result<()> {
        self.cage.call("revive")?;
        wait::until("libvirtd to answer", READY, || Ok(self.virsh.answers().then_some(())))
    }

    /// Calls a function of the cage's script; does not wait for it.
    pub(crate) fn command(&mut self, function: &str) -> Result<()> {
        self.cage.call(function)
    }

    /// Calls a function of the cage's script and waits until it has made this mark in the folder.
    pub(crate) fn call(&mut self, function: &str, mark: &str) -> Result<()> {
        let mark = self.dir.join(mark);
        let _ = fs::remove_file(&mark);
        self.cage.call(function)?;
        let done = wait::until(function, READY, || {
            ensure!(!self.cage.has_ended()?, "the cage has ended");
            Ok(mark.exists().then_some(()))
        });
        done.map_err(|error| wait::with_log(&error, "libvirtd", &self.cage.log()))
    }

    /// The URI by which any process on this machine reaches it.
    pub fn uri(&self) -> &str {
        self.virsh.uri()
    }

    /// `virsh` for it.
    pub fn virsh(&self) -> &Virsh {
        &self.virsh
    }

    /// The ports that its guests' consoles come from.
    pub fn ports(&self) -> &PortRange {
        &self.ports
    }

    /// Its folder: `etc`, `lib`, `run`, `log` and `cache` inside are what it sees as the system's.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What it wrote to stderr so far.
    pub fn log(&self) -> String {
        self.cage.log()
    }

    /// The PID of the cage's outermost process.
    pub fn pid(&self) -> u32 {
        self.cage.pid()
    }
}

/// What makes a libvirtd a machine of its own on a network; by default it has none.
#[derive(Debug, Default)]
pub(crate) struct Network {
    /// Added to libvirtd.conf.
    pub(crate) conf: String,
    /// The SSH server's program; its configuration is `sshd_config` in the folder.
    pub(crate) sshd: Option<PathBuf>,
}

/// Any local user who can enter the bed's folder (mode 0700) may use the socket; no polkit runs in there to ask.
const LIBVIRTD_CONF: &str = "\
unix_sock_rw_perms = \"0777\"
auth_unix_rw = \"none\"
auth_unix_ro = \"none\"
";

fn qemu_conf(ports: &PortRange) -> String {
    let (displays, websockets) = (ports.displays(), ports.websockets());
    format!(
        "\
# As another user every start takes 12 s and more; and nothing here guards one guest from another.
user = \"root\"
group = \"root\"
# No virtlogd runs.
stdio_handler = \"file\"
# Files stay the tester's own.
dynamic_ownership = 0
remember_owner = 0
# Nothing of the machine's: no cgroups, no security labels, no further mount namespaces.
cgroup_controllers = []
security_driver = \"none\"
namespaces = []
remote_display_port_min = {}
remote_display_port_max = {}
remote_websocket_port_min = {}
remote_websocket_port_max = {}
",
        displays.start(),
        displays.end(),
        websockets.start(),
        websockets.end()
    )
}

/// Whether the cache holds nothing that a libvirtd could use.
fn is_empty(cache: &Path) -> Result<bool> {
    for entry in fs::read_dir(cache)? {
        if entry?.path().extension() == Some(OsStr::new("xml")) {
            return Ok(false);
        }
    }
    Ok(true)
}
