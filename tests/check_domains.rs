//! `console-check` on guests whose consoles cannot be reached, and on consoles that are not well.

use std::fs;
use std::os::unix::net::UnixListener;

use harness::{Console, Listen, Result, lease, process};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use uuid::Uuid;

use crate::check_bench::{Bench, Closed, Fault, Shared, Well, broken, warned};
use crate::check_hosts::Far;
use crate::remote::{TCP, at, spice, vnc, with_remote};

pub(crate) const FAULTS: &[Fault] = &[
    broken("the token is malformed", "token.form"),
    broken("the token's host is not in the configuration", "host.known"),
    broken("libvirt does not know the guest", "domain.known"),
    broken("the guest is shut off", "domain.state"),
    warned("the guest is paused", "domain.state"),
    broken("the guest has no <graphics>", "domain.graphics"),
    broken("the guest has RDP graphics only", "domain.graphics"),
    broken("VNC on 127.0.0.1 of a host that is reached by TCP", "domain.listen"),
    broken("SPICE on ::1 of a host that is reached by TCP", "domain.listen"),
    broken("a UNIX socket on a host that is reached by TCP", "domain.listen"),
    broken("<listen type='none'>", "domain.listen"),
    broken("port -1 of a guest that runs", "domain.port"),
    broken("SPICE with TLS only", "domain.tls"),
    warned("<graphics websocket='…'>", "domain.websocket"),
    broken("the VNC password has expired (passwdValidTo)", "domain.password"),
    broken("the domain's XML has a port that is none", "domain.xml"),
    broken("nothing listens at the console's port", "backend.open"),
    broken("a firewall drops the console's port", "backend.open"),
    broken("the console's UNIX socket is gone", "backend.open"),
    broken("a file lies in the place of the console's UNIX socket", "backend.open"),
    broken("the service's user may not open the console's UNIX socket", "backend.open"),
    broken("QEMU is stopped (SIGSTOP)", "backend.greeting"),
    broken("another program has the console's port", "backend.greeting"),
    broken("the console closes the connection without a word", "backend.greeting"),
    broken("VNC offers VeNCrypt (TLS) only", "backend.security"),
    broken("VNC refuses, and says why", "backend.security"),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_of_a_guest_is_the_first_finding() -> Result<()> {
    let mut far = Far::start()?;
    let (bench, port, remote) = (Bench::new(FAULTS), far.port(), &far.remote);
    let settings = with_remote(far.well.settings(), remote);
    let token = |host: u64, guest: Uuid| format!("{host}-{guest}");
    let follow =
        |planted: &str, token: &str| bench.finds(planted, &settings.check(port, &[token])?);

    follow("the token is malformed", "1-well")?;
    follow("the token's host is not in the configuration", &token(99, far.well.guest.uuid()))?;
    follow("libvirt does not know the guest", &token(1, Uuid::nil()))?;
    let off = far.bed().guest("off").define()?;
    follow("the guest is shut off", &token(1, off.uuid()))?;
    // Nobody asks for it.
    settings.check(port, &["--all"])?.expect_well()?;
    let blind = far.bed().guest("blind").no_console().start()?;
    follow("the guest has no <graphics>", &token(1, blind.uuid()))?;
    let all = settings.check(port, &[])?;
    all.expect("domain.graphics", "warning")?;
    assert_eq!(all.code, 0, "{}", all.shown());
    assert_eq!(settings.check(port, &["--strict"])?.code, 3);
    drop(blind);

    for (planted, name, console) in [
        ("VNC on 127.0.0.1 of a host that is reached by TCP", "loop", vnc(at("127.0.0.1"))),
        ("SPICE on ::1 of a host that is reached by TCP", "loop six", spice(at("::1"))),
        (
            "a UNIX socket on a host that is reached by TCP",
            "far socket",
            vnc(Listen::Socket(Some(far.bed().dir().join("f.sock")))),
        ),
    ] {
        let guest = remote.guest(name).console(console).start()?;
        let found = follow(planted, &token(TCP, guest.uuid()))?;
        assert!(found.remedy.unwrap_or_default().contains("virsh -c 'qemu+tcp://"));
    }
    let none = far.bed().guest("none").console(vnc(Listen::None)).start()?;
    follow("<listen type='none'>", &token(1, none.uuid()))?;
    drop(none);
    let listen = Listen::loopback();
    let console = Console::Vnc { listen, password: None, websocket: true };
    let twofold = far.bed().guest("websocket").console(console).start()?;
    follow("<graphics websocket='…'>", &token(1, twofold.uuid()))?;
    drop(twofold);
    let expired = "<graphics type='vnc' port='-1' autoport='yes' passwd='secret' passwdValidTo='2020-01-01T00:00:00'><listen type='address' address='127.0.0.1'/></graphics>";
    let expired = far.bed().guest("expired").no_console().device(expired).start()?;
    let checked = settings.check(port, &[&token(1, expired.uuid())])?;
    bench.finds("the VNC password has expired (passwdValidTo)", &checked)?;
    assert!(!checked.report.to_string().contains("secret"), "{}", checked.shown());
    drop(expired);

    let uuid = far.well.guest.uuid();
    far.well.guest.pause()?;
    let paused = [settings.check(port, &[]), settings.check(port, &[&token(1, uuid)])];
    far.well.bed.libvirtd().virsh().run(&["resume", &uuid.to_string()])?;
    for checked in paused {
        let found = bench.finds("the guest is paused", &checked?)?;
        assert!(found.remedy.unwrap_or_default().contains("resume 'well'"));
    }
    let qemu = process::with_argument(&format!("-uuid\0{uuid}\0")).expect("a QEMU").to_string();
    let signal = |name: &str| lease::as_root("kill").args([name, &qemu]).status();
    signal("-STOP")?;
    let stopped = settings.check(port, &[&token(1, uuid), "--timeout", "2"]);
    signal("-CONT")?;
    bench.finds("QEMU is stopped (SIGSTOP)", &stopped?)?;
    settings.check(port, &[&token(1, uuid)])?.expect_well()?;
    drop(off);
    encrypted(&mut far, &bench)?;
    scripted(&mut far, &bench).await?;
    bench.finish()
}

/// QEMU's own TLS, as qemu.conf switches it on.
fn encrypted(far: &mut Far, bench: &Bench) -> Result<()> {
    let pki = far.well.file("qemu-pki");
    fs::create_dir(&pki)?;
    for (name, text) in [
        ("ca-cert.pem", far.well.authority.certificate()),
        ("server-cert.pem", far.well.identity.certificate.clone()),
        ("server-key.pem", far.well.identity.key.clone()),
    ] {
        fs::write(pki.join(name), text)?;
    }
    let conf = far.bed().libvirtd().dir().join("etc/qemu.conf");
    let text = fs::read_to_string(&conf)?;
    let dir = pki.display();
    let tls = format!(
        "vnc_tls = 1\nvnc_tls_x509_cert_dir = \"{dir}\"\nspice_tls = 1\nspice_tls_x509_cert_dir = \"{dir}\"\n"
    );
    fs::write(&conf, format!("{text}{tls}"))?;
    far.well.bed.libvirtd_mut().restart()?;
    let listen = "<listen type='address' address='127.0.0.1'/></graphics>";
    for (planted, name, graphics) in [
        (
            "VNC offers VeNCrypt (TLS) only",
            "tls",
            format!("<graphics type='vnc' autoport='yes'>{listen}"),
        ),
        (
            "SPICE with TLS only",
            "secure",
            format!("<graphics type='spice' autoport='yes' defaultMode='secure'>{listen}"),
        ),
    ] {
        let guest = far.bed().guest(name).no_console().device(&graphics).start()?;
        let token = format!("1-{}", guest.uuid());
        let checked = far.well.settings().check(far.port(), &[&token])?;
        bench.finds(planted, &checked)?;
    }
    fs::write(&conf, text)?;
    far.well.bed.libvirtd_mut().restart()
}

/// Hosts side by side, guests in their order, none forgotten.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_guests_on_ten_hosts_are_all_looked_at() -> Result<()> {
    let well = Well::start()?;
    let port = serve(b"RFB 003.008\n\x01\x01").await?;
    let mut settings = well.settings().without_hosts();
    for host in 0..10 {
        let guests: String = (0..10)
            .map(|guest| {
                format!(
                    "<domain type='test'><name>guest-{host}-{guest}</name><uuid>0a000000-0000-4000-80{host:02}-0000000000{guest:02}</uuid>\
                     <memory>32768</memory><os><type>hvm</type></os><devices><graphics type='vnc' port='{port}'>\
                     <listen type='address' address='127.0.0.1'/></graphics></devices></domain>"
                )
            })
            .collect();
        let file = well.file(&format!("ten-{host}.xml"));
        fs::write(&file, format!("<node>{guests}</node>"))?;
        settings =
            settings.host(host, &format!("host-{host}"), &format!("test://{}", file.display()));
    }
    let checked = settings.check(well.port(), &[])?;
    checked.expect_well()?;
    let found = checked.findings();
    let greeted = found.iter().filter(|found| found.id == "backend.greeting");
    let guests: Vec<String> = greeted.map(|found| found.section.clone()).collect();
    let expected: Vec<String> =
        (0..100).map(|number| format!("guest-{}-{}", number / 10, number % 10)).collect();
    assert_eq!(guests, expected);
    Ok(())
}

/// What QEMU does not do on command: libvirt's test driver shows any `<graphics>`, and what listens there is ours.
async fn scripted(far: &mut Far, bench: &Bench) -> Result<()> {
    let port = far.port();
    let nobody = Closed::new()?;
    let closed = nobody.port()?;
    let free = |port: u16| {
        format!(
            "<graphics type='vnc' port='{port}'><listen type='address' address='127.0.0.1'/></graphics>"
        )
    };
    let on = |path: &std::path::Path| {
        format!(
            "<graphics type='vnc'><listen type='socket' socket='{}'/></graphics>",
            path.display()
        )
    };
    let says = |words: &'static [u8]| serve(words);
    let (gone, plain) = (far.well.file("gone.sock"), far.well.file("plain.sock"));
    fs::write(&plain, "")?;
    for (planted, graphics) in [
        ("the guest has RDP graphics only", "<graphics type='rdp' port='3389'/>".to_owned()),
        ("port -1 of a guest that runs", "<graphics type='vnc' port='-1' autoport='yes'/>".into()),
        ("nothing listens at the console's port", free(closed)),
        ("the console's UNIX socket is gone", on(&gone)),
        ("a file lies in the place of the console's UNIX socket", on(&plain)),
        (
            "another program has the console's port",
            free(says(b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n").await?),
        ),
        ("the console closes the connection without a word", free(says(b"").await?)),
        ("VNC refuses, and says why", free(says(b"RFB 003.008\n\0\0\0\0\x04full").await?)),
    ] {
        let uuid = test_host(far, &graphics)?;
        let checked = scripted_settings(far).check(port, &[&format!("20-{uuid}")])?;
        bench.finds(planted, &checked)?;
    }
    // What is sent over a pulled cable vanishes, as behind a firewall that drops it.
    let uuid = test_host(
        far,
        &format!(
            "<graphics type='vnc' port='5900'><listen type='address' address='{}'/></graphics>",
            far.remote.v4()
        ),
    )?;
    far.remote.unplug()?;
    let dropped = scripted_settings(far).check(port, &[&format!("20-{uuid}"), "--timeout", "2"]);
    far.remote.plug()?;
    bench.finds("a firewall drops the console's port", &dropped?)?;
    // libvirt itself would not take it, so it is given what somebody saved.
    let odd = "<domain id='1'><name>odd</name><uuid>0a000000-0000-4000-8000-000000000001</uuid><devices><graphics type='vnc' port='none'/></devices></domain>";
    let file = far.well.file("odd.xml");
    fs::write(&file, odd)?;
    let odd = far.well.settings().check(port, &["--xml", &file.display().to_string()])?;
    bench.finds("the domain's XML has a port that is none", &odd)?;

    // Root's socket in a folder that all may pass.
    let shared = Shared::new(far.bed(), "domains")?;
    let socket = shared.file("vnc.sock");
    let listener = UnixListener::bind(&socket)?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(&socket, mode)?;
    let uuid = test_host(far, &on(&socket))?;
    let xml = shared.file("host.xml");
    fs::copy(far.well.file("host.xml"), &xml)?;
    let config = shared.file("console.toml");
    let text = format!(
        "port = {port}\n[[hosts]]\nid = 20\nconnection = \"socket\"\nuri = \"test://{}\"\n",
        xml.display()
    );
    fs::write(&config, text)?;
    let as_nobody =
        far.well.plain().without_file().arg("--config").arg(&config.display().to_string());
    let denied = as_nobody.check(port, &[&format!("20-{uuid}"), "--user", "nobody"]);
    drop(listener);
    bench.finds("the service's user may not open the console's UNIX socket", &denied?)?;
    Ok(())
}

fn scripted_settings(far: &Far) -> harness::ProxyBuilder {
    let uri = format!("test://{}", far.well.file("host.xml").display());
    far.well.settings().host(20, "scripted", &uri)
}

/// A libvirt of its own with one guest that runs.
fn test_host(far: &Far, graphics: &str) -> Result<Uuid> {
    let uuid: Uuid = fs::read_to_string("/proc/sys/kernel/random/uuid")?.trim().parse()?;
    let text = format!(
        "<node><domain type='test'><name>scripted</name><uuid>{uuid}</uuid><memory>32768</memory><os><type>hvm</type></os>\
         <devices>{graphics}</devices></domain></node>"
    );
    fs::write(far.well.file("host.xml"), text)?;
    Ok(uuid)
}

/// A server that says this to each client once it has said something or after the words, and then waits for its end.
async fn serve(words: &'static [u8]) -> Result<u16> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = client.write_all(words).await;
                if words.is_empty() {
                    return;
                }
                let mut rest = Vec::new();
                let _ = client.read_to_end(&mut rest).await;
            });
        }
    });
    Ok(port)
}
