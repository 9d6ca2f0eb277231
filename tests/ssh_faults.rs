//! What goes wrong with an SSH server while consoles run through it: every session ends in its time with a reason, and what is back works
//! again without a restart of the proxy.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use harness::ssh_server::new_key;
use harness::websocket::Client;
use harness::{Bed, Guest, Proxy, Remote, Result, SshServer};

use crate::PATIENCE;
use crate::remote::{at, line, vnc};
use crate::remote_faults::{open, opens, recovers};

/// The host by way of `server`.
const HOST: u64 = 7;

/// Quick to notice; nothing is to take as long as [`BOUND`].
const SETTINGS: &str = "\
ssh_connect_timeout = 1
ssh_handshake_timeout = 2
ssh_auth_timeout = 2
ssh_channel_timeout = 2
ssh_keepalive_interval = 2
ssh_keepalive_count = 1
ssh_idle_timeout = 1
lookup_timeout = 5
";
const BOUND: Duration = Duration::from_secs(20);

struct Rig {
    near: Guest,
    far: Guest,
    server: SshServer,
    proxy: Proxy,
    remote: Remote,
    bed: Bed,
}

impl Rig {
    /// Consoles go through a server that can be harmed; libvirt goes through the usual one.
    fn start() -> Result<Self> {
        Self::with(through)
    }

    /// With a host of these lines.
    fn with(lines: fn(&Remote, &SshServer) -> Vec<String>) -> Result<Self> {
        let bed = Bed::start()?;
        let mut remote = bed.remote()?;
        let near = bed.guest("near").start()?;
        let far = remote.guest("far").console(vnc(at("127.0.0.1"))).start()?;
        let server = remote.ssh_server("")?;
        // Under the name that has the port, so that another key is a changed one.
        let public = std::fs::read_to_string(remote.ssh_known_hosts())?;
        let key = public.split_once(' ').context("a line")?.1;
        let known = format!("[{}]:{} {key}{public}", remote.v4(), server.port());
        std::fs::write(remote.ssh_known_hosts(), known)?;
        let proxy = bed
            .proxy()
            .arg("-v")
            .setting(SETTINGS)
            .host_with(HOST, &lines(&remote, &server))
            .start()?;
        Ok(Self { near, far, server, proxy, remote, bed })
    }

    /// A session that has seen the guest's first bytes.
    async fn session(&self) -> Result<Client> {
        let mut session = open(&self.proxy, HOST, self.far.uuid()).await?;
        session.read(12).await?;
        Ok(session)
    }

    /// How a session ends, in time, while this machine's own guest opens.
    async fn ends(&self, mut session: Client) -> Result<(u16, String)> {
        let start = Instant::now();
        let closed = session.closed().await?;
        assert!(start.elapsed() < BOUND, "{:?}", start.elapsed());
        assert!(opens(&self.proxy, 1, self.near.uuid()).await?);
        Ok((closed.code, closed.reason))
    }

    /// How a new session fails.
    async fn fails(&self) -> Result<(u16, String)> {
        self.ends(open(&self.proxy, HOST, self.far.uuid()).await?).await
    }

    async fn recovers(&self) -> Result<()> {
        recovers(&self.proxy, HOST, self.far.uuid()).await
    }

    /// All that stays open while nothing happens: how many descriptors there are then.
    async fn rest(&self) -> Result<usize> {
        assert!(opens(&self.proxy, 1, self.near.uuid()).await?);
        drop(self.session().await?);
        self.settled(None)
    }

    /// Waits until no SSH connection is left, and no more descriptors than `expected`, if that is known; says how many there are.
    fn settled(&self, expected: Option<usize>) -> Result<usize> {
        harness::wait::until("SSH connections and descriptors to be closed", PATIENCE, || {
            let log = self.proxy.log();
            let count = |words: &str| log.matches(words).count();
            let now = self.proxy.usage()?.descriptors;
            let is_so = count("SSH connection opened") == count("SSH connection ended")
                && expected.is_none_or(|expected| now <= expected);
            Ok(is_so.then_some(now))
        })
        .with_context(|| self.proxy.log())
    }
}

/// The lines of a host whose consoles go through `server`.
pub(crate) fn through(remote: &Remote, server: &SshServer) -> Vec<String> {
    let address = remote.v4();
    vec![
        line("connection", "ssh"),
        line("hostname", format!("{address}:{}", server.port())),
        line("login", "root"),
        line("ssh_key", remote.ssh_key().display()),
        line("ssh_known_hosts", remote.ssh_known_hosts().display()),
        line("uri", format!("qemu+libssh2://root@{address}:22/system?sshauth=privkey")),
    ]
}

fn told(code: u16, reason: &str) -> (u16, String) {
    (code, reason.to_owned())
}

const UNREACHABLE: &str = "the hypervisor cannot be asked";
const LOST: &str = "the connection to the guest's console was lost";

#[tokio::test]
async fn a_server_that_is_killed_or_hangs_ends_its_sessions_and_is_found_again() -> Result<()> {
    let mut rig = Rig::start()?;
    let before = rig.rest().await?;
    let sessions = [rig.session().await?, rig.session().await?];
    rig.server.kill(rig.remote.libvirtd_mut())?;
    for session in sessions {
        assert_eq!(rig.ends(session).await?, told(4502, LOST));
    }
    assert_eq!(rig.fails().await?, told(4502, "the hypervisor's SSH server cannot be reached"));
    rig.server.revive(rig.remote.libvirtd_mut())?;
    rig.recovers().await?;

    let sessions = [rig.session().await?, rig.session().await?];
    rig.server.freeze(rig.remote.libvirtd_mut())?;
    // On the connection that is there, and on one that must be opened.
    let late = rig.fails().await?;
    assert_eq!(late.0, 4504, "{late:?}");
    for session in sessions {
        assert_eq!(rig.ends(session).await?, told(4502, LOST));
    }
    assert_eq!(
        rig.fails().await?,
        told(4504, "the hypervisor's SSH server did not answer in time")
    );
    rig.server.thaw(rig.remote.libvirtd_mut())?;
    rig.recovers().await?;
    rig.settled(Some(before))?;
    Ok(())
}

/// Most hosts have one server, and then libvirt's words come the same way as the consoles' bytes.
#[tokio::test]
async fn one_server_for_libvirt_and_consoles_is_found_again() -> Result<()> {
    let mut rig = Rig::with(|remote, server| {
        let mut lines = through(remote, server);
        lines.retain(|line| !line.starts_with("uri"));
        lines
    })?;
    let before = rig.rest().await?;
    let sessions = [rig.session().await?, rig.session().await?];
    rig.server.kill(rig.remote.libvirtd_mut())?;
    for session in sessions {
        assert_eq!(rig.ends(session).await?, told(4502, LOST));
    }
    assert_eq!(rig.fails().await?, told(4503, UNREACHABLE));
    rig.server.revive(rig.remote.libvirtd_mut())?;
    rig.recovers().await?;
    let sessions = [rig.session().await?, rig.session().await?];
    rig.server.freeze(rig.remote.libvirtd_mut())?;
    for session in sessions {
        assert_eq!(rig.ends(session).await?, told(4502, LOST));
    }
    let late = "the hypervisor did not answer in time";
    assert_eq!(rig.fails().await?, told(4503, late));
    rig.server.thaw(rig.remote.libvirtd_mut())?;
    rig.recovers().await?;
    rig.settled(Some(before))?;
    Ok(())
}

#[tokio::test]
async fn a_pulled_cable_ends_sessions_and_a_plugged_one_lets_new_ones_in() -> Result<()> {
    let mut rig = Rig::start()?;
    let before = rig.rest().await?;
    let sessions = [rig.session().await?, rig.session().await?];
    rig.remote.unplug()?;
    for session in sessions {
        assert_eq!(rig.ends(session).await?, told(4502, LOST));
    }
    rig.proxy.wait_for_log("no answer for 2s", PATIENCE)?;
    // libvirt is behind the same cable.
    assert_eq!(rig.fails().await?.0, 4503);
    rig.remote.plug()?;
    rig.recovers().await?;
    // A moment without the cable harms nobody.
    let mut session = rig.session().await?;
    rig.remote.unplug()?;
    rig.remote.plug()?;
    session.send(harness::websocket::Message::binary(&b"RFB 003.008\n"[..])).await?;
    assert_ne!(session.read(1).await?, [0]);
    drop(session);
    rig.settled(Some(before))?;
    Ok(())
}

#[tokio::test]
async fn a_host_key_that_changes_between_two_connections_is_refused() -> Result<()> {
    let mut rig = Rig::start()?;
    let before = rig.rest().await?;
    let other = new_key(rig.bed.dir(), "other_key", "ed25519")?;
    rig.server.kill(rig.remote.libvirtd_mut())?;
    rig.server.change(&format!("HostKey {}", other.display()))?;
    rig.server.revive(rig.remote.libvirtd_mut())?;
    assert_eq!(rig.fails().await?, told(4502, "the hypervisor's SSH host key has changed"));
    rig.proxy.wait_for_log("HAS CHANGED", PATIENCE)?;
    rig.proxy.wait_for_log("ssh-keygen -R", PATIENCE)?;
    rig.server.kill(rig.remote.libvirtd_mut())?;
    rig.server.change("")?;
    rig.server.revive(rig.remote.libvirtd_mut())?;
    rig.recovers().await?;
    rig.settled(Some(before))?;
    Ok(())
}

#[tokio::test]
async fn a_qemu_that_is_killed_behind_the_tunnel_ends_its_session() -> Result<()> {
    let rig = Rig::start()?;
    let session = rig.session().await?;
    rig.far.kill()?;
    assert_eq!(rig.ends(session).await?, told(1000, "the guest's console has ended"));
    assert_eq!(rig.fails().await?, told(4409, "the guest is shut off"));
    rig.far.start()?;
    rig.recovers().await?;
    // The connection itself did not break.
    rig.settled(None)?;
    let log = rig.proxy.log();
    let ends = log.lines().filter(|line| line.contains("SSH connection ended"));
    assert!(ends.clone().all(|line| line.contains("no longer needed")), "{log}");
    Ok(())
}
