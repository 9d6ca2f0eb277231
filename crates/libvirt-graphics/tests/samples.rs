//! XML that real libvirt 9.0 wrote: live, inactive, and with `--security-info`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use libvirt_graphics::{Domain, Graphics, Listen, Port};

fn sample(name: &str) -> Domain {
    let path = format!("{}/testdata/{name}.xml", env!("CARGO_MANIFEST_DIR"));
    Domain::from_xml(&std::fs::read(path).unwrap()).unwrap()
}

fn only(domain: &Domain) -> &Graphics {
    match domain.graphics() {
        [graphics] => graphics,
        other => panic!("expected one device, found {other:?}"),
    }
}

/// One device as the table writes it; what is missing is left out.
fn line(device: &Graphics) -> String {
    let port = |name: &str, port| match port {
        Port::Missing => String::new(),
        Port::Unallocated => format!(" {name}unallocated"),
        Port::Number(number) => format!(" {name}{number}"),
    };
    let text = |name: &str, value: &Option<String>| {
        value.as_ref().map(|value| format!(" {name}={value}")).unwrap_or_default()
    };
    let mut line = device.kind.to_string();
    line += &port("", device.port);
    line += &port("tls:", device.tls_port);
    line += &port("websocket:", device.websocket);
    line += if device.autoport { " autoport" } else { "" };
    line += &text("listen", &device.listen);
    line += &text("socket", &device.socket);
    line += if device.password.is_some() { " password" } else { "" };
    line += &text("until", &device.password_valid_to);
    for listen in &device.listens {
        line += &match listen {
            Listen::Address { address } => format!(", address{}", text("at", address)),
            Listen::Network { network, address } => {
                format!(", network{}{}", text("named", network), text("at", address))
            }
            Listen::Socket { path } => format!(", socket{}", text("at", path)),
            Listen::None => ", none".into(),
            other => format!(", {other:?}"),
        };
    }
    line
}

#[test]
fn every_sample() {
    // Name, last two digits of the uuid, whether it runs, its devices.
    const LOOPBACK: &str = "autoport listen=127.0.0.1, address at=127.0.0.1";
    const SOCKET: &str =
        "vnc socket=/srv/bed/sock/vnc-listen.sock, socket at=/srv/bed/sock/vnc-listen.sock";
    const LIVE_SOCKET: &str =
        "spice, socket at=/var/lib/libvirt/qemu/domain-2-hv1-spice-sock/spice.sock";
    let loopback = |ports: &str| format!("{ports} {LOOPBACK}");
    let table = [
        ("hv0-listen-none", "23", true, vec!["spice, none".into()]),
        ("hv0-nographics", "15", true, vec![]),
        ("hv0-spice-tcp", "06", true, vec![loopback("spice 5904")]),
        ("hv0-spice-tls.inactive", "07", false, vec![loopback("spice")]),
        ("hv0-spice-tls.secinfo", "07", true, vec![loopback("spice 5906 tls:5907")]),
        ("hv0-spice-tls", "07", true, vec![loopback("spice 5906 tls:5907")]),
        ("hv0-vnc-ipv6", "20", true, vec!["vnc 5909 autoport listen=::1, address at=::1".into()]),
        ("hv0-vnc-off.inactive", "25", false, vec![loopback("vnc unallocated")]),
        (
            "hv0-vnc-off.secinfo",
            "25",
            false,
            vec![loopback("vnc unallocated").replace(',', " password,")],
        ),
        ("hv0-vnc-off", "25", false, vec![loopback("vnc unallocated")]),
        ("hv0-vnc-passwd.inactive", "02", false, vec![loopback("vnc unallocated")]),
        (
            "hv0-vnc-passwd.secinfo",
            "02",
            true,
            vec![loopback("vnc 5912").replace(',', " password,")],
        ),
        ("hv0-vnc-passwd", "02", true, vec![loopback("vnc 5912")]),
        ("hv0-vnc-sock-listen.inactive", "03", false, vec![SOCKET.into()]),
        ("hv0-vnc-sock-listen.secinfo", "03", true, vec![SOCKET.into()]),
        ("hv0-vnc-sock-listen", "03", true, vec![SOCKET.into()]),
        ("hv0-vnc-spice", "14", true, vec![loopback("vnc 5916"), loopback("spice 5917 tls:5918")]),
        ("hv0-vnc-tcp.inactive", "01", false, vec![loopback("vnc unallocated")]),
        ("hv0-vnc-tcp.secinfo", "01", true, vec![loopback("vnc 5919")]),
        ("hv0-vnc-tcp", "01", true, vec![loopback("vnc 5919")]),
        ("hv0-vnc-ws", "12", true, vec![loopback("vnc 5920 websocket:5700")]),
        ("hv1-spice-sock.inactive", "08", false, vec!["spice, socket".into()]),
        ("hv1-spice-sock.secinfo", "08", true, vec![LIVE_SOCKET.into()]),
        ("hv1-spice-sock", "08", true, vec![LIVE_SOCKET.into()]),
        (
            "hv1-vnc-any",
            "02",
            true,
            vec!["vnc 5903 autoport listen=0.0.0.0, address at=0.0.0.0".into()],
        ),
        ("hv1-vnc-tcp", "01", true, vec![loopback("vnc 5906")]),
    ];
    for (name, uuid, active, devices) in &table {
        let domain = sample(name);
        assert_eq!(domain.name(), name.split('.').next().unwrap());
        assert!(domain.uuid().to_string().ends_with(uuid), "{name}: {}", domain.uuid());
        assert_eq!(domain.is_active(), *active, "{name}");
        assert_eq!(&domain.graphics().iter().map(line).collect::<Vec<_>>(), devices, "{name}");
    }
    let files = std::fs::read_dir(format!("{}/testdata", env!("CARGO_MANIFEST_DIR"))).unwrap();
    assert_eq!(files.count(), table.len());
}

#[test]
fn what_no_sample_has() {
    for (graphics, expected) in [
        (
            "type='vnc' port='5900' listen='192.0.2.7' passwdValidTo='2026-11-23T09:00:00'><listen type='network' network='n' address='192.0.2.7'/>",
            "vnc 5900 listen=192.0.2.7 until=2026-11-23T09:00:00, network named=n at=192.0.2.7",
        ),
        ("type='vnc' socket='/s'>", "vnc socket=/s"),
        ("type='spice' tlsPort='5901' autoport='no'>", "spice tls:5901"),
        ("type='vnc' port='0' websocket='-1'>", "vnc unallocated websocket:unallocated"),
        ("type='rdp' port='65535' autoport='yes'>", "rdp 65535 autoport"),
        ("type='egl-headless'><gl rendernode='/dev/dri/renderD128'/>", "egl-headless"),
        ("type='dbus' p2p='yes'>", "dbus"),
        (
            "type='vnc'><listen type='address'/><listen type='vsock'/>",
            "vnc, address, Other(\"vsock\")",
        ),
        ("type='vnc' port='5900' listen='fe80::1%eth&#48;'>", "vnc 5900 listen=fe80::1%eth0"),
    ] {
        let xml = format!(
            "<domain id='1'><name>x</name><uuid>0a000000-0000-4000-8000-000000000001</uuid><devices><graphics {graphics}</graphics></devices></domain>"
        );
        assert_eq!(line(only(&Domain::from_xml(xml.as_bytes()).unwrap())), expected);
    }
}

#[test]
fn a_password_is_known_of_only_with_security_info_and_never_printed() {
    use secrecy::ExposeSecret;
    assert!(only(&sample("hv0-vnc-passwd")).password.is_none());
    let domain = sample("hv0-vnc-passwd.secinfo");
    let password = only(&domain).password.as_ref().unwrap();
    assert_eq!(password.expose_secret(), "vncpw123");
    let printed = format!("{domain:?} {:#?}", domain.graphics());
    assert!(!printed.contains("vncpw123"), "{printed}");
}
