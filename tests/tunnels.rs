//! Consoles that only their own machine can open, through its SSH server.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;

use harness::ssh_server::{Agent, new_key};
use harness::websocket::{Client, Message};
use harness::{Bed, Browser, Guest, GuestBuilder, Listen, Proxy, Result};

use crate::PATIENCE;
use crate::remote::{SSH, at, line, password, refused, spice, vnc, with_remote};
use crate::remote_faults::{open, opens};
use crate::screen::types_and_sees_the_echo;
use crate::ssh_faults::through;
use crate::ssh_rig::logins;

#[tokio::test]
async fn consoles_behind_an_ssh_server_open_in_a_browser() -> Result<()> {
    let bed = Bed::start()?;
    let remote = bed.remote()?;
    let socket = |name: &str| Listen::Socket(Some(bed.dir().join(name)));
    let guests = [
        ("loopback", vnc(at("127.0.0.1"))),
        ("loopback six", spice(at("::1"))),
        ("a socket", vnc(socket("vnc.sock"))),
        ("a spice socket", spice(socket("spice.sock"))),
    ];
    let guests: Vec<_> = guests
        .into_iter()
        .map(|(name, console)| remote.guest(name).console(console).start())
        .collect::<Result<_>>()?;
    let proxy = with_remote(bed.proxy(), &remote).start()?;
    let browser = Browser::start(bed.dir()).await?;
    for guest in &guests {
        browser.open(&proxy.page_url_at(SSH, guest.uuid())).await?;
        types_and_sees_the_echo(&browser, guest, "ok").await?;
    }
    // All of it, libvirt's part included, without any other program.
    assert_eq!(children(proxy.pid())?, 0, "{}", proxy.log());
    Ok(())
}

/// How many processes this one has started.
fn children(pid: rustix::process::Pid) -> Result<usize> {
    let parent = format!("PPid:\t{}\n", pid.as_raw_nonzero());
    let statuses = std::fs::read_dir("/proc")?
        .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("status")).ok());
    Ok(statuses.filter(|status| status.contains(&parent)).count())
}

#[tokio::test]
async fn an_agent_or_a_password_will_do() -> Result<()> {
    let bed = Bed::start()?;
    let remote = bed.remote()?;
    let guest = remote.guest("far").console(spice(at("127.0.0.1"))).start()?;
    let agent = Agent::start(bed.dir(), &[&remote.ssh_key()])?;
    let lines = [
        line("connection", "ssh"),
        line("hostname", remote.v4()),
        line("login", "root"),
        line("ssh_known_hosts", remote.ssh_known_hosts().display()),
    ];
    let by_password = [&lines[..], &[password(&remote)]].concat();
    let with_agent = bed.proxy().env("SSH_AUTH_SOCK", &agent.socket().to_string_lossy());
    let with_agent = with_agent.host_with(2, &lines).start()?;
    let with_password = bed.proxy().host_with(2, &by_password).start()?;
    let browser = Browser::start(bed.dir()).await?;
    for proxy in [&with_agent, &with_password] {
        browser.open(&proxy.page_url_at(2, guest.uuid())).await?;
        types_and_sees_the_echo(&browser, &guest, "ok").await?;
    }
    assert!(!with_password.log().contains(remote.password()), "{}", with_password.log());
    Ok(())
}

#[tokio::test]
async fn a_server_that_forbids_tunnels_is_told_from_a_console_that_refuses() -> Result<()> {
    let bed = Bed::start()?;
    let mut remote = bed.remote()?;
    let guest = remote.guest("far").console(vnc(at("127.0.0.1"))).start()?;
    let socket = Listen::Socket(Some(bed.dir().join("far.sock")));
    let on_socket = remote.guest("on a socket").console(vnc(socket)).start()?;
    let forbids = remote.ssh_server("DisableForwarding yes")?;
    let willing = remote.ssh_server("")?;
    let proxy = bed
        .proxy()
        .host_with(2, &through(&remote, &forbids))
        .host_with(3, &through(&remote, &willing))
        .start()?;
    let told = |reason: &str| (4502, reason.to_owned());
    let forbidden = told("the hypervisor's SSH server forbids tunnels");
    assert_eq!(refused(&proxy, 2, guest.uuid()).await?, forbidden);
    proxy.wait_for_log("AllowTcpForwarding local", PATIENCE)?;
    let nothing_there = told("the guest's console refused the connection");
    assert_eq!(refused(&proxy, 2, on_socket.uuid()).await?, nothing_there);
    proxy.wait_for_log("AllowStreamLocalForwarding local", PATIENCE)?;
    let narrow = "ssh_channels_per_connection = 1\nssh_connections_per_host = 1";
    let full = bed.proxy().setting(narrow).host_with(3, &through(&remote, &willing)).start()?;
    let mut first = open(&full, 3, guest.uuid()).await?;
    first.read(12).await?;
    let too_many = told("too many consoles of this hypervisor are open");
    assert_eq!(refused(&full, 3, guest.uuid()).await?, too_many);
    std::fs::remove_file(bed.dir().join("far.sock"))?;
    assert_eq!(refused(&proxy, 3, on_socket.uuid()).await?, nothing_there);
    Ok(())
}

/// Nothing in the settings but the host's name: all else is what the user's own ssh finds in `~/.ssh`.
#[tokio::test]
async fn the_users_own_files_are_enough() -> Result<()> {
    let bed = Bed::start()?;
    let remote = bed.remote()?;
    let guests = ["one", "two"].map(|name| remote.guest(name).console(vnc(at("127.0.0.1"))));
    let home = bed.dir().join("home");
    let folder = home.join(".ssh");
    DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    std::fs::copy(remote.ssh_key(), folder.join("id_ed25519"))?;
    std::fs::copy(remote.ssh_known_hosts(), folder.join("known_hosts"))?;
    let config = format!("Host hv3\n  HostName {}\n  User root\n", remote.v4());
    std::fs::write(folder.join("config"), config)?;
    let host = [line("connection", "ssh"), line("hostname", "hv3")];
    let proxy = bed.proxy().home(&home).host_with(2, &host).start()?;
    for guest in guests {
        assert!(opens(&proxy, 2, guest.start()?.uuid()).await?, "{}", proxy.log());
    }
    // libvirt's own, for its own words.
    assert_eq!(children(proxy.pid())?, 1, "{}", proxy.log());
    Ok(())
}

/// A server whose key nobody has seen is believed once; then its key is known.
#[tokio::test]
async fn a_new_host_key_is_accepted_where_the_settings_say_so() -> Result<()> {
    let bed = Bed::start()?;
    let mut remote = bed.remote()?;
    let guest = remote.guest("far").console(vnc(at("127.0.0.1"))).start()?;
    // Not the one that libvirt sees, and notes for the same address.
    let key = new_key(bed.dir(), "new_host_key", "ed25519")?;
    let server = remote.ssh_server(&format!("HostKey {}", key.display()))?;
    let known = bed.dir().join("believed");
    let mut host = through(&remote, &server);
    host.retain(|line| !line.starts_with("ssh_known_hosts"));
    host.push(line("ssh_known_hosts", known.display()));
    let strict = bed.proxy().host_with(2, &host).start()?;
    host.push(line("ssh_host_keys", "accept-new"));
    let believing = bed.proxy().host_with(2, &host).start()?;
    assert!(opens(&believing, 2, guest.uuid()).await?, "{}", believing.log());
    let name = format!("[{}]:{} ssh-ed25519 ", remote.v4(), server.port());
    let lines = std::fs::read_to_string(&known)?;
    assert_eq!(lines.lines().filter(|line| line.starts_with(&name)).count(), 1, "{lines}");
    assert!(opens(&strict, 2, guest.uuid()).await?, "{}", strict.log());
    Ok(())
}

/// Of two consoles through one connection one asks for more and more and reads nothing of it.
#[tokio::test]
async fn a_client_that_reads_nothing_holds_up_no_other() -> Result<()> {
    let bed = Bed::start()?;
    let remote = bed.remote()?;
    let guests = ["stalled", "busy"].map(|name| remote.guest(name).console(vnc(at("127.0.0.1"))));
    let proxy = with_remote(bed.proxy(), &remote).start()?;
    let [stalled, busy] = guests.map(GuestBuilder::start);
    let (stalled, busy) = (stalled?, busy?);
    let mut stalled = Viewer::open(&proxy, &stalled).await?;
    let mut busy = Viewer::open(&proxy, &busy).await?;
    for _ in 0..40 {
        stalled.ask().await?;
        busy.ask().await?;
        busy.screen().await?;
    }
    // Paused, not dropped.
    stalled.screen().await?;
    stalled.ask().await?;
    stalled.screen().await?;
    Ok(())
}

/// A VNC client (RFC 6143) that asks for whole screens.
struct Viewer {
    client: Client,
    /// Width and height, as ServerInit has them.
    size: [u8; 4],
}

impl Viewer {
    async fn open(proxy: &Proxy, guest: &Guest) -> Result<Self> {
        let path = format!("/?token={SSH}-{}", guest.uuid());
        let mut client = Client::open(proxy.address(), &path, &[]).await?;
        client.read(12).await?;
        for (answer, length) in [(&b"RFB 003.008\n"[..], 2), (&[1], 4), (&[1], 24)] {
            client.send(Message::binary(answer)).await?;
            let read = client.read(length).await?;
            if length == 24 {
                client.send(Message::binary(&[2, 0, 0, 1, 0, 0, 0, 0][..])).await?;
                return Ok(Self { client, size: [read[0], read[1], read[2], read[3]] });
            }
        }
        unreachable!("the last one returns")
    }

    async fn ask(&mut self) -> Result<()> {
        let request = [&[3, 0, 0, 0, 0, 0][..], &self.size].concat();
        self.client.send(Message::binary(request)).await
    }

    /// As many bytes as a screen has.
    async fn screen(&mut self) -> Result<()> {
        let [w1, w2, h1, h2] = self.size.map(usize::from);
        self.client.read(4 * (256 * w1 + w2) * (256 * h1 + h2)).await?;
        Ok(())
    }
}

/// Nothing but an alias in the settings: name, port, user, key, known hosts and the way are ssh_config's. The second server listens where
/// only the first one reaches it.
#[tokio::test]
async fn ssh_config_leads_over_a_jump_host() -> Result<()> {
    let bed = Bed::start()?;
    let mut remote = bed.remote()?;
    let guest = remote.guest("inner").console(vnc(at("127.0.0.1"))).start()?;
    let gate = remote.ssh_server("")?;
    let inner = remote.ssh_server("ListenAddress 127.0.0.1")?;
    let known = bed.dir().join("known");
    let public = std::fs::read_to_string(remote.ssh_known_hosts())?;
    let key = public.split(' ').skip(1).take(2).collect::<Vec<_>>().join(" ");
    let names = format!("[{}]:{},[127.0.0.1]:{}", remote.v4(), gate.port(), inner.port());
    std::fs::write(&known, format!("{names} {key}\n"))?;
    let config = bed.dir().join("ssh_config");
    let text = format!(
        "Host inner\n  HostName 127.0.0.1\n  Port {}\n  ProxyJump gate\n\
         Host gate\n  HostName {}\n  Port {}\n\
         Host *\n  User root\n  IdentityFile {}\n  UserKnownHostsFile {}\n",
        inner.port(),
        remote.v4(),
        gate.port(),
        remote.ssh_key().display(),
        known.display(),
    );
    std::fs::write(&config, text)?;
    // libvirt's ssh is told of the same file.
    let ssh = bed.dir().join("ssh");
    let script = format!("#!/bin/sh\nexec ssh -F '{}' \"$@\"\n", config.display());
    std::fs::write(&ssh, script)?;
    std::fs::set_permissions(&ssh, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let host = [
        line("connection", "ssh"),
        line("hostname", "inner"),
        line("ssh_config", config.display()),
        line("uri", format!("qemu+ssh://inner/system?command={}", ssh.display())),
    ];
    let proxy = bed.proxy().host_with(2, &host).start()?;
    let browser = Browser::start(bed.dir()).await?;
    browser.open(&proxy.page_url_at(2, guest.uuid())).await?;
    types_and_sees_the_echo(&browser, &guest, "ok").await?;
    // libvirt once, consoles once.
    for server in [&gate, &inner] {
        assert_eq!(logins(&server.log()), 2, "{}", server.log());
    }
    Ok(())
}
