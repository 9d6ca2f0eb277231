//! Another hypervisor, by each of libvirt's connections, and each way to a console that needs no tunnel, opened in a browser.

use std::collections::HashSet;

use harness::websocket::Client;
use harness::{Bed, Browser, Console, Listen, Proxy, ProxyBuilder, Remote, Result};
use uuid::Uuid;

use crate::PATIENCE;
use crate::screen::{sees_a_picture, types_and_sees_the_echo};

/// The ids under which [`with_remote`] knows the remote hypervisor.
pub(crate) const TCP: u64 = 2;
pub(crate) const TLS: u64 = 3;
pub(crate) const SSH: u64 = 4;

/// A proxy that knows `remote` by TCP with SASL, by TLS with a client's certificate and SASL over IPv6, and by SSH.
pub(crate) fn with_remote(proxy: ProxyBuilder, remote: &Remote) -> ProxyBuilder {
    let (v4, v6) = (remote.v4(), remote.v6());
    let pki = remote.pki().display();
    proxy
        .host_with(
            TCP,
            &[line("connection", "tcp"), line("hostname", v4), login(), password(remote)],
        )
        .host_with(
            TLS,
            &[
                line("connection", "tls"),
                line("hostname", format!("[{v6}]")),
                login(),
                password(remote),
                line("uri", format!("qemu+tls://[{v6}]/system?pkipath={pki}")),
            ],
        )
        .host_with(SSH, &ssh(remote, &remote.ssh_known_hosts().display().to_string()))
}

pub(crate) fn ssh(remote: &Remote, known_hosts: &str) -> Vec<String> {
    vec![
        line("connection", "ssh"),
        line("hostname", format!("{}:22", remote.v4())),
        line("login", "root"),
        line("ssh_key", remote.ssh_key().display()),
        line("ssh_known_hosts", known_hosts),
    ]
}

pub(crate) fn line(key: &str, value: impl std::fmt::Display) -> String {
    format!("{key} = \"{value}\"")
}

pub(crate) fn login() -> String {
    line("login", harness::remote::LOGIN)
}

pub(crate) fn password(remote: &Remote) -> String {
    line("password", remote.password())
}

pub(crate) fn vnc(listen: Listen) -> Console {
    Console::Vnc { listen, password: None, websocket: false }
}

pub(crate) fn spice(listen: Listen) -> Console {
    Console::Spice { listen, password: None }
}

pub(crate) fn at(address: impl ToString) -> Listen {
    Listen::Address(address.to_string())
}

/// How a session to this guest ends when it is not to open.
pub(crate) async fn refused(proxy: &Proxy, host: u64, guest: Uuid) -> Result<(u16, String)> {
    let path = format!("/?token={host}-{guest}");
    let closed = Client::open(proxy.address(), &path, &[]).await?.closed().await?;
    Ok((closed.code, closed.reason))
}

#[tokio::test]
async fn consoles_of_this_machine_open_wherever_they_listen() -> Result<()> {
    let bed = Bed::start()?;
    // For an address of this machine that is not loopback: this end of the cable.
    let remote = bed.remote()?;
    let socket = |name: &str| Listen::Socket(Some(bed.dir().join(name)));
    let guests = [
        ("loopback", vnc(at("127.0.0.1"))),
        ("loopback six", vnc(at("::1"))),
        ("any", spice(at("0.0.0.0"))),
        ("any six", vnc(at("::"))),
        ("an address", vnc(at(remote.near_v4()))),
        ("an address six", spice(at(remote.near_v6()))),
        ("a socket", vnc(socket("vnc.sock"))),
        ("a spice socket", spice(socket("spice.sock"))),
    ];
    let guests: Vec<_> = guests
        .into_iter()
        .map(|(name, console)| bed.guest(name).console(console).start())
        .collect::<Result<_>>()?;
    // The same machine, reached as if over the network.
    let localhost = [
        line("connection", "tcp"),
        line("hostname", "localhost"),
        line("uri", bed.libvirtd().uri()),
    ];
    let proxy = bed.proxy().host_with(2, &localhost).start()?;
    let browser = Browser::start(bed.dir()).await?;
    for guest in &guests {
        browser.open(&proxy.page_url(guest.uuid())).await?;
        types_and_sees_the_echo(&browser, guest, "ok").await?;
    }
    for guest in &guests[..3] {
        browser.open(&proxy.page_url_at(2, guest.uuid())).await?;
        types_and_sees_the_echo(&browser, guest, "ok").await?;
    }
    // A paused guest keeps its picture.
    guests[0].pause()?;
    browser.open(&proxy.page_url(guests[0].uuid())).await?;
    sees_a_picture(&browser).await
}

#[tokio::test]
async fn consoles_of_another_machine_open_by_each_connection() -> Result<()> {
    let bed = Bed::start()?;
    let remote = bed.remote()?;
    let guests = [
        ("any", vnc(at("0.0.0.0"))),
        ("any six", spice(at("::"))),
        ("an address", spice(at(remote.v4()))),
        ("an address six", vnc(at(remote.v6()))),
    ];
    let guests: Vec<_> = guests
        .into_iter()
        .map(|(name, console)| remote.guest(name).console(console).start())
        .collect::<Result<_>>()?;
    let proxy = with_remote(bed.proxy(), &remote).start()?;
    let browser = Browser::start(bed.dir()).await?;
    for (host, guest) in
        [(TCP, 0), (TCP, 1), (TCP, 2), (TLS, 1), (TLS, 3), (SSH, 0), (SSH, 1), (SSH, 2)]
    {
        let guest = &guests[guest];
        browser.open(&proxy.page_url_at(host, guest.uuid())).await?;
        types_and_sees_the_echo(&browser, guest, "ok").await?;
    }
    assert!(!proxy.log().contains(remote.password()), "{}", proxy.log());
    Ok(())
}

#[tokio::test]
async fn ssh_config_and_new_host_keys_are_followed() -> Result<()> {
    let bed = Bed::start()?;
    let remote = bed.remote()?;
    let guest = remote.guest("any").console(vnc(at("::"))).start()?;
    let config = bed.dir().join("ssh_config");
    let text = format!(
        "Host far\n  HostName {}\n  User root\n  IdentityFile {}\n  UserKnownHostsFile {}\n",
        remote.v4(),
        remote.ssh_key().display(),
        remote.ssh_known_hosts().display()
    );
    std::fs::write(&config, text)?;
    let alias =
        [line("connection", "ssh"), line("hostname", "far"), line("ssh_config", config.display())];
    let new_keys = bed.dir().join("new_known_hosts");
    let believing =
        [ssh(&remote, &new_keys.display().to_string()), vec![line("ssh_host_keys", "accept-new")]]
            .concat();
    // A password alone: no key is there to be tried first.
    let known = remote.ssh_known_hosts();
    let by_password = [
        line("connection", "ssh"),
        line("hostname", remote.v6()),
        line("login", "root"),
        password(&remote),
        line("ssh_known_hosts", known.display()),
    ];
    let tunnelled = [alias.to_vec(), vec![line("ssh_tunnel", "always")]].concat();
    let proxy = bed
        .proxy()
        .host_with(2, &alias)
        .host_with(3, &believing)
        .host_with(4, &tunnelled)
        .host_with(5, &by_password)
        .start()?;
    for host in [2, 3, 4, 5] {
        let path = format!("/?token={host}-{}", guest.uuid());
        let mut client = Client::open(proxy.address(), &path, &[]).await?;
        client.read(12).await?;
    }
    proxy.wait_for_log(&format!("route=tcp {}", remote.v4()), PATIENCE)?;
    let remembered = std::fs::read_to_string(&new_keys)?;
    assert!(remembered.contains(&remote.v4().to_string()), "{remembered}");
    proxy.wait_for_log("route=ssh far tcp [::1]:", PATIENCE)
}

#[tokio::test]
async fn what_cannot_be_reached_says_what_to_change() -> Result<()> {
    let bed = Bed::start()?;
    let remote = bed.remote()?;
    let socket = |name: &str| Listen::Socket(Some(bed.dir().join(name)));
    let loopback = remote.guest("loopback").console(vnc(at("127.0.0.1"))).start()?;
    let unix = remote.guest("unix").console(spice(socket("far.sock"))).start()?;
    let nowhere = remote.guest("nowhere").console(vnc(Listen::None)).start()?;
    let bare = remote.guest("bare").no_console().start()?;
    let off = remote.guest("off").define()?;
    let proxy = with_remote(bed.proxy(), &remote).start()?;
    let mut seen = HashSet::new();
    for (host, guest, code, reason) in [
        (
            TCP,
            &loopback,
            4409,
            "the guest's vnc console listens on its own machine's loopback only",
        ),
        (
            TLS,
            &loopback,
            4409,
            "the guest's vnc console listens on its own machine's loopback only",
        ),
        (
            TCP,
            &unix,
            4409,
            "the guest's spice console is a UNIX socket that only its own machine can open",
        ),
        (TCP, &nowhere, 4409, "the guest's vnc console listens nowhere (listen type none)"),
        (SSH, &nowhere, 4409, "the guest's vnc console listens nowhere (listen type none)"),
        (TCP, &bare, 4409, "the guest has no graphics device"),
        (TLS, &off, 4409, "the guest is shut off"),
    ] {
        let ended = refused(&proxy, host, guest.uuid()).await?;
        assert_eq!((ended.0, ended.1.as_str()), (code, reason), "{host} {}", guest.name());
        seen.insert(reason);
    }
    assert_eq!(seen.len(), 5);
    // The log has the remedy, in the words of the XML.
    for words in
        ["write <listen type='address' address='0.0.0.0'/>", "reach the host by SSH", "virsh start"]
    {
        assert!(proxy.log().contains(words), "{words}: {}", proxy.log());
    }
    Ok(())
}

#[tokio::test]
async fn the_address_chooses_between_two_consoles() -> Result<()> {
    let bed = Bed::start()?;
    let both = bed.guest("both").console(Console::spice()).console(Console::vnc()).start()?;
    let proxy = bed.proxy().start()?;
    let browser = Browser::start(bed.dir()).await?;
    for (choice, kind) in [("", "spice"), ("&graphics=vnc", "vnc"), ("&graphics=spice", "spice")] {
        browser.open(&format!("{}{choice}", proxy.page_url(both.uuid()))).await?;
        types_and_sees_the_echo(&browser, &both, "ok").await?;
        assert_eq!(browser.run("return document.body.dataset.kind").await?, kind);
    }
    proxy.wait_for_log("kind=vnc", PATIENCE)
}
