//! Consoles that only their own machine can open, through its SSH server.

use harness::{Bed, Browser, Listen, Result};

use crate::remote::{SSH, at, line, refused, spice, vnc, with_remote};
use crate::screen::types_and_sees_the_echo;

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
