//! XML that real libvirt 9.0 wrote: live, inactive, and with `--security-info`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use libvirt_graphics::{Domain, Graphics, GraphicsKind, Listen, Port};

fn sample(name: &str) -> Domain {
    let path = format!("{}/testdata/{name}.xml", env!("CARGO_MANIFEST_DIR"));
    Domain::from_xml(&std::fs::read(path).unwrap()).unwrap()
}

fn port(number: u16) -> Port {
    Port::Number(number.try_into().unwrap())
}

fn address(address: &str) -> Vec<Listen> {
    vec![Listen::Address { address: Some(address.into()) }]
}

fn only(domain: &Domain) -> &Graphics {
    match domain.graphics() {
        [graphics] => graphics,
        other => panic!("expected one device, found {other:?}"),
    }
}

#[test]
fn names_and_states() {
    for (name, uuid, active) in [
        ("hv0-vnc-tcp", "0a000000-0000-4000-8000-000000000001", true),
        ("hv0-vnc-tcp.inactive", "0a000000-0000-4000-8000-000000000001", false),
        ("hv0-vnc-off", "0a000000-0000-4000-8000-000000000025", false),
        ("hv0-nographics", "0a000000-0000-4000-8000-000000000015", true),
    ] {
        let domain = sample(name);
        assert_eq!(domain.name(), name.trim_end_matches(".inactive"));
        assert_eq!(
            (domain.uuid().to_string().as_str(), domain.is_active()),
            (uuid, active),
            "{name}"
        );
    }
    assert!(sample("hv0-nographics").graphics().is_empty());
}

#[test]
fn vnc_over_tcp() {
    let domain = sample("hv0-vnc-ws");
    let vnc = only(&domain);
    assert_eq!(
        (vnc.kind.clone(), vnc.port, vnc.websocket),
        (GraphicsKind::Vnc, port(5920), port(5700))
    );
    assert_eq!((vnc.tls_port, vnc.autoport), (Port::Missing, true));
    assert_eq!(vnc.listen.as_deref(), Some("127.0.0.1"));
    assert_eq!(vnc.listens, address("127.0.0.1"));
    assert_eq!(only(&sample("hv0-vnc-ipv6")).listens, address("::1"));
    assert_eq!(only(&sample("hv1-vnc-any")).listens, address("0.0.0.0"));
}

#[test]
fn ports_that_are_no_numbers() {
    assert_eq!(only(&sample("hv0-vnc-off")).port, Port::Unallocated);
    let domain = sample("hv1-spice-sock");
    let spice = only(&domain);
    assert_eq!((spice.port, spice.tls_port), (Port::Missing, Port::Missing));
}

#[test]
fn sockets_in_both_forms() {
    let path = Some("/srv/bed/sock/vnc-listen.sock".to_owned());
    let domain = sample("hv0-vnc-sock-listen");
    let vnc = only(&domain);
    assert_eq!(
        (&vnc.socket, &vnc.listens[..]),
        (&path, &[Listen::Socket { path: path.clone() }][..])
    );
    let domain = sample("hv1-spice-sock");
    let spice = only(&domain);
    let path = Some("/var/lib/libvirt/qemu/domain-2-hv1-spice-sock/spice.sock".to_owned());
    assert_eq!((&spice.socket, &spice.listens[..]), (&None, &[Listen::Socket { path }][..]));
    assert_eq!(only(&sample("hv1-spice-sock.inactive")).listens, [Listen::Socket { path: None }]);
    assert_eq!(only(&sample("hv0-listen-none")).listens, [Listen::None]);
}

#[test]
fn several_devices_stay_in_order() {
    let domain = sample("hv0-vnc-spice");
    let kinds: Vec<String> = domain.graphics().iter().map(|one| one.kind.to_string()).collect();
    assert_eq!(kinds, ["vnc", "spice"]);
    let spice = domain.graphics().last().unwrap();
    assert_eq!((spice.port, spice.tls_port), (port(5917), port(5918)));
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

#[test]
fn every_sample_is_read() {
    let folder = format!("{}/testdata", env!("CARGO_MANIFEST_DIR"));
    let mut read = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let domain = Domain::from_xml(&std::fs::read(&path).unwrap());
        assert!(domain.is_ok(), "{}: {domain:?}", path.display());
        read += 1;
    }
    assert!(read >= 20, "only {read} samples");
}
