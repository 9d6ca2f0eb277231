//! The SSH servers of a remote hypervisor: real ones, in its network, which can be killed and stopped.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::lease::Leashed;
use crate::libvirtd::Libvirtd;
use crate::{paths, wait};

/// The port of the one that each hypervisor has.
pub const SSH_PORT: u16 = 22;

/// The ports of the others, in networks where nobody else is.
static NEXT_PORT: AtomicU16 = AtomicU16::new(2201);

/// What it says of each address.
const LISTENING: &str = "Server listening on";

/// From its start to listening.
const READY: Duration = Duration::from_secs(20);

/// An SSH server beside the usual one. It ends with its hypervisor.
#[derive(Clone, Debug)]
pub struct SshServer {
    port: u16,
    dir: PathBuf,
}

impl SshServer {
    pub(crate) fn start(dir: &Path, options: &str, libvirtd: &mut Libvirtd) -> Result<Self> {
        let port = NEXT_PORT.fetch_add(1, Relaxed);
        let server = Self { port, dir: dir.to_owned() };
        server.change(options)?;
        server.revive(libvirtd)?;
        Ok(server)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it wrote into its log so far.
    pub fn log(&self) -> String {
        log(&self.dir, self.port)
    }

    /// Stops it (SIGSTOP), with all its connections: it takes new ones and answers none.
    ///
    /// # Errors
    ///
    /// It has ended.
    pub fn freeze(&self, libvirtd: &mut Libvirtd) -> Result<()> {
        self.signal(libvirtd, "freeze_sshd", "STOP")
    }

    /// Lets it go on.
    ///
    /// # Errors
    ///
    /// It has ended.
    pub fn thaw(&self, libvirtd: &mut Libvirtd) -> Result<()> {
        self.signal(libvirtd, "thaw_sshd", "CONT")
    }

    /// Kills it (SIGKILL) with all its connections.
    ///
    /// # Errors
    ///
    /// It has ended.
    pub fn kill(&self, libvirtd: &mut Libvirtd) -> Result<()> {
        self.signal(libvirtd, "kill_sshd", "KILL")
    }

    /// Starts it again, maybe after [`change`](Self::change).
    ///
    /// # Errors
    ///
    /// It does not listen in time.
    pub fn revive(&self, libvirtd: &mut Libvirtd) -> Result<()> {
        // It may listen where only its own machine can try.
        let before = self.log().matches(LISTENING).count();
        libvirtd.command(&format!("serve {}", self.port))?;
        let listens = wait::until("the SSH server to listen", READY, || {
            Ok((self.log().matches(LISTENING).count() > before).then_some(()))
        });
        listens.map_err(|error| wait::with_log(&error, "sshd", &self.log()))
    }

    /// Gives it other options, which count from its next start.
    ///
    /// # Errors
    ///
    /// They cannot be written.
    pub fn change(&self, options: &str) -> Result<()> {
        write_conf(&self.dir, self.port, options)
    }

    fn signal(&self, libvirtd: &mut Libvirtd, function: &str, mark: &str) -> Result<()> {
        let mark = format!("sshd-{}.{mark}", self.port);
        libvirtd.call(&format!("{function} {}", self.port), &mark)
    }
}

/// A new key `dir/name` of this type (`rsa`, `ecdsa`, `ed25519`), its public half in `name.pub`.
///
/// # Errors
///
/// ssh-keygen fails.
pub fn new_key(dir: &Path, name: &str, kind: &str) -> Result<PathBuf> {
    let path = dir.join(name);
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", kind, "-N", "", "-f"])
        .arg(&path)
        .status()
        .context("cannot run ssh-keygen (package openssh-client)")?;
    ensure!(made.success(), "ssh-keygen failed: {made}");
    Ok(path)
}

/// An agent of its own.
#[derive(Debug)]
pub struct Agent {
    socket: PathBuf,
    _process: Leashed,
}

impl Agent {
    /// Starts one with these private keys; its files go to `dir`. It ends with the value.
    ///
    /// # Errors
    ///
    /// ssh-agent or ssh-add fails.
    pub fn start(dir: &Path, keys: &[&Path]) -> Result<Self> {
        let socket = dir.join("agent.sock");
        let program = paths::program("ssh-agent").context("no ssh-agent (openssh-client)")?;
        let args = ["-D".as_ref(), "-a".as_ref(), socket.as_os_str()];
        let process = Leashed::start("agent", &program, &args, &[], dir)?;
        // Its file is there a moment before it listens.
        wait::until("the agent to listen", READY, || Ok(UnixStream::connect(&socket).ok()))?;
        for key in keys {
            let mut add = Command::new("ssh-add");
            let added = add.arg("-q").arg(key).env("SSH_AUTH_SOCK", &socket).status()?;
            ensure!(added.success(), "ssh-add failed: {added}");
        }
        Ok(Self { socket, _process: process })
    }

    /// Its socket, for `SSH_AUTH_SOCK`.
    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

/// Keys, root's password, and the usual server's configuration.
pub(crate) fn prepare(dir: &Path, password: &str) -> Result<()> {
    for name in ["host_key", "id_ed25519"] {
        new_key(dir, name, "ed25519")?;
    }
    let authorized = dir.join("authorized_keys");
    fs::copy(dir.join("id_ed25519.pub"), &authorized)?;
    fs::set_permissions(&authorized, fs::Permissions::from_mode(0o600))?;
    let hash = Command::new("openssl").args(["passwd", "-6", password]).output();
    fs::write(dir.join("root_password"), hash.context("cannot run openssl")?.stdout)?;
    write_conf(dir, SSH_PORT, "")
}

fn write_conf(dir: &Path, port: u16, options: &str) -> Result<()> {
    // Of host keys each one counts.
    let host_key = match options.contains("HostKey ") {
        true => String::new(),
        false => format!("HostKey {}/host_key\n", dir.display()),
    };
    let conf = format!(
        "{options}\nPort {port}\n{host_key}AuthorizedKeysFile {}/authorized_keys\nStrictModes no\nUsePAM no\n\
         PasswordAuthentication yes\nPermitRootLogin yes\nPidFile none\nMaxStartups 200\nLogLevel VERBOSE\n",
        dir.display()
    );
    fs::write(dir.join(format!("sshd-{port}.conf")), conf).context("cannot write sshd's settings")
}

/// Until it listens.
pub(crate) fn wait_for(address: Ipv4Addr, port: u16, dir: &Path) -> Result<()> {
    let at = SocketAddr::from((address, port));
    let ready =
        wait::until("the SSH server to listen", READY, || {
            match TcpStream::connect_timeout(&at, READY) {
                Ok(_) => Ok(Some(())),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Ok(None),
                Err(error) => bail!("{at}: {error}"),
            }
        });
    ready.map_err(|error| wait::with_log(&error, "sshd", &log(dir, port)))
}

fn log(dir: &Path, port: u16) -> String {
    let bytes = fs::read(dir.join(format!("sshd-{port}.log"))).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
