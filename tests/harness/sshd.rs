//! A real OpenSSH server for one key, on a port that the kernel chooses.
//!
//! sshd cannot bind port 0 and tell, so this process accepts and hands each connection to an `sshd -i` (sshd(8)).

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread::JoinHandle;

use anyhow::{Context, Result, ensure};

use crate::lease::as_root;
use crate::packages;

/// What an sshd that is not installed wants of the system (sshd(8)): the user `sshd` and the folder `/run/sshd`, in a mount namespace of its own.
const SCRIPT: &str = r#"
set -eu
mount -t tmpfs tmpfs /run
mkdir -m 0755 /run/sshd
if ! grep -q '^sshd:' /etc/passwd; then
    # Several connections may come at once.
    { cat /etc/passwd; echo 'sshd:x:64056:65534::/run/sshd:/usr/sbin/nologin'; } >"$2/passwd.$$"
    mount --bind "$2/passwd.$$" /etc/passwd
fi
exec "$1" -i -f "$3" -E "$4"
"#;

/// A running SSH server. Dropping it ends it; sessions end with their clients.
#[derive(Debug)]
pub struct Sshd {
    address: SocketAddr,
    client: PathBuf,
    known_hosts: PathBuf,
    connections: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Sshd {
    /// Starts one whose files are in a new folder `sshd` in `dir`; root may log in with [`client`](Self::client).
    ///
    /// # Errors
    ///
    /// openssh-server is missing.
    pub fn start(dir: &Path) -> Result<Self> {
        // An absolute path: sshd runs itself anew by it (sshd(8)).
        let program = packages::sshd()?;
        let dir = dir.join("sshd");
        fs::create_dir(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let (host_key, key) = (dir.join("host_key"), dir.join("id_ed25519"));
        for file in [&host_key, &key] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(file)
                .status()
                .context("cannot run ssh-keygen (package openssh-client)")?;
            ensure!(made.success(), "ssh-keygen failed: {made}");
        }
        let authorized = dir.join("authorized_keys");
        fs::copy(dir.join("id_ed25519.pub"), &authorized)?;
        fs::set_permissions(&authorized, fs::Permissions::from_mode(0o600))?;
        let config = dir.join("sshd_config");
        fs::write(
            &config,
            format!(
                "HostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n\
                 PermitRootLogin prohibit-password\nPidFile none\n",
                host_key.display(),
                authorized.display()
            ),
        )?;

        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let known_hosts = dir.join("known_hosts");
        let public = fs::read_to_string(dir.join("host_key.pub"))?;
        fs::write(&known_hosts, format!("[127.0.0.1]:{} {public}", address.port()))?;
        // The tester's own keys and known hosts are neither used nor changed.
        let client = dir.join("ssh");
        fs::write(
            &client,
            format!(
                "#!/bin/sh\nexec ssh -F none -o IdentitiesOnly=yes -o IdentityFile='{}' -o UserKnownHostsFile='{}' \
                 -o GlobalKnownHostsFile=none -o StrictHostKeyChecking=yes \"$@\"\n",
                key.display(),
                known_hosts.display()
            ),
        )?;
        fs::set_permissions(&client, fs::Permissions::from_mode(0o755))?;
        let (stop, connections) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let accepting = std::thread::spawn({
            let (stop, connections) = (stop.clone(), connections.clone());
            move || {
                let log = dir.join("sshd.log");
                while let Ok((stream, _)) = listener.accept() {
                    if stop.load(Relaxed) {
                        return;
                    }
                    connections.fetch_add(1, Relaxed);
                    let input: OwnedFd = stream.into();
                    let Ok(output) = input.try_clone() else { continue };
                    let child = as_root("unshare")
                        .args(["--mount", "sh", "-c", SCRIPT, "sshd"])
                        .args([&program, &dir, &config, &log])
                        .stdin(Stdio::from(input))
                        .stdout(Stdio::from(output))
                        .stderr(Stdio::null())
                        .spawn();
                    if let Ok(mut child) = child {
                        std::thread::spawn(move || child.wait());
                    }
                }
            }
        });
        Ok(Self { address, client, known_hosts, connections, stop, accepting: Some(accepting) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// An `ssh` that has the key of root and knows this server's host key.
    pub fn client(&self) -> &Path {
        &self.client
    }

    /// The private key of that client.
    pub fn key(&self) -> PathBuf {
        self.client.with_file_name("id_ed25519")
    }

    /// The known_hosts file of that client.
    pub fn known_hosts(&self) -> &Path {
        &self.known_hosts
    }

    /// How many connections have come so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        // Wakes the accepting thread.
        let _ = std::net::TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}
