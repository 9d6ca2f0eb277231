//! Consoles that only their own machine can open, through its SSH server.

use harness::ssh_server::Agent;
use harness::{Bed, Browser, Listen, Result};

use crate::PATIENCE;
use crate::remote::{SSH, at, line, password, refused, spice, vnc, with_remote};
use crate::screen::types_and_sees_the_echo;
use crate::ssh_faults::through;

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
    std::fs::remove_file(bed.dir().join("far.sock"))?;
    assert_eq!(refused(&proxy, 3, on_socket.uuid()).await?, nothing_there);
    Ok(())
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
    for server in [&gate, &inner] {
        assert!(server.log().contains("Accepted publickey"), "{}", server.log());
    }
    // What fails before the jump host, and behind it.
    inner.kill(remote.libvirtd_mut())?;
    let (code, reason) = refused(&proxy, 2, guest.uuid()).await?;
    assert!([4502, 4503].contains(&code), "{code} {reason}");
    Ok(())
}
