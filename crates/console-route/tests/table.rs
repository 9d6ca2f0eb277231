//! The decision table, every row.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use console_route::{ConsoleKind, HostAccess, Route, RouteError, Tunnel, route};
use libvirt_graphics::Domain;
use proptest::prelude::*;

fn domain(id: &str, devices: &str) -> Domain {
    let xml = format!(
        "<domain{id}><name>x</name><uuid>0a000000-0000-4000-8000-000000000001</uuid><devices>{devices}</devices></domain>"
    );
    Domain::from_xml(xml.as_bytes()).unwrap()
}

fn decide(access: &HostAccess, devices: &str) -> String {
    match route(access, &domain(" id='1'", devices), None) {
        Ok(routed) => format!("{} {}", routed.kind, routed.route),
        Err(error) => format!("{error:?}"),
    }
}

const LOCAL: HostAccess = HostAccess::Local;

fn remote(hostname: &str) -> HostAccess {
    HostAccess::Remote { hostname: hostname.into() }
}

fn ssh(hostname: &str, tunnel: Tunnel) -> HostAccess {
    HostAccess::Ssh { via: "ssh1".into(), hostname: hostname.into(), tunnel }
}

fn vnc(listen: &str) -> String {
    format!("<graphics type='vnc' port='5901'>{listen}</graphics>")
}

#[test]
fn every_row() {
    let at = |address: &str| vnc(&format!("<listen type='address' address='{address}'/>"));
    #[rustfmt::skip]
    let rows = [
        // (devices, local, SSH when needed, SSH always, TCP or TLS); the last three are empty where all are the same.
        // UNIX sockets, in both forms.
        (vnc("<listen type='socket' socket='/s'/>"), "vnc unix /s", "vnc ssh ssh1 unix /s", "vnc ssh ssh1 unix /s", "RemoteSocket { kind: Vnc }"),
        ("<graphics type='vnc' socket='/s'/>".into(), "vnc unix /s", "vnc ssh ssh1 unix /s", "vnc ssh ssh1 unix /s", "RemoteSocket { kind: Vnc }"),
        ("<graphics type='spice'><listen type='socket' socket='/s'/></graphics>".into(), "spice unix /s", "spice ssh ssh1 unix /s", "spice ssh ssh1 unix /s", "RemoteSocket { kind: Spice }"),
        (vnc("<listen type='socket'/>"), "NoSocketPath { kind: Vnc }", "NoSocketPath { kind: Vnc }", "NoSocketPath { kind: Vnc }", "RemoteSocket { kind: Vnc }"),
        (vnc("<listen type='socket' socket=''/>"), "NoSocketPath { kind: Vnc }", "NoSocketPath { kind: Vnc }", "NoSocketPath { kind: Vnc }", "RemoteSocket { kind: Vnc }"),
        (vnc("<listen type='socket' socket='s'/>"), "RelativeSocketPath { kind: Vnc }", "RelativeSocketPath { kind: Vnc }", "RelativeSocketPath { kind: Vnc }", "RemoteSocket { kind: Vnc }"),
        // A socket has no port, and whatever port is written beside it does not count.
        ("<graphics type='vnc' port='-1'><listen type='socket' socket='/s'/></graphics>".into(), "vnc unix /s", "vnc ssh ssh1 unix /s", "vnc ssh ssh1 unix /s", "RemoteSocket { kind: Vnc }"),
        // Loopback.
        (at("127.0.0.1"), "vnc tcp 127.0.0.1:5901", "vnc ssh ssh1 tcp 127.0.0.1:5901", "vnc ssh ssh1 tcp 127.0.0.1:5901", "RemoteLoopback { kind: Vnc }"),
        (at("127.1.2.3"), "vnc tcp 127.1.2.3:5901", "vnc ssh ssh1 tcp 127.1.2.3:5901", "vnc ssh ssh1 tcp 127.1.2.3:5901", "RemoteLoopback { kind: Vnc }"),
        (at("::1"), "vnc tcp [::1]:5901", "vnc ssh ssh1 tcp [::1]:5901", "vnc ssh ssh1 tcp [::1]:5901", "RemoteLoopback { kind: Vnc }"),
        (at("localhost"), "vnc tcp localhost:5901", "vnc ssh ssh1 tcp localhost:5901", "vnc ssh ssh1 tcp localhost:5901", "RemoteLoopback { kind: Vnc }"),
        ("<graphics type='vnc' port='5901' listen='127.0.0.1'/>".into(), "vnc tcp 127.0.0.1:5901", "vnc ssh ssh1 tcp 127.0.0.1:5901", "vnc ssh ssh1 tcp 127.0.0.1:5901", "RemoteLoopback { kind: Vnc }"),
        // Any address.
        (at("0.0.0.0"), "vnc tcp 127.0.0.1:5901", "vnc tcp hv1:5901", "vnc ssh ssh1 tcp 127.0.0.1:5901", "vnc tcp hv1:5901"),
        (at("::"), "vnc tcp [::1]:5901", "vnc tcp hv1:5901", "vnc ssh ssh1 tcp [::1]:5901", "vnc tcp hv1:5901"),
        (vnc("<listen type='address'/>"), "vnc tcp 127.0.0.1:5901", "vnc tcp hv1:5901", "vnc ssh ssh1 tcp 127.0.0.1:5901", "vnc tcp hv1:5901"),
        (vnc(""), "vnc tcp 127.0.0.1:5901", "vnc tcp hv1:5901", "vnc ssh ssh1 tcp 127.0.0.1:5901", "vnc tcp hv1:5901"),
        // A specific address.
        (at("192.0.2.7"), "vnc tcp 192.0.2.7:5901", "vnc tcp hv1:5901 (if possible at 192.0.2.7)", "vnc ssh ssh1 tcp 192.0.2.7:5901", "vnc tcp hv1:5901 (if possible at 192.0.2.7)"),
        (at("2001:db8::7"), "vnc tcp [2001:db8::7]:5901", "vnc tcp hv1:5901 (if possible at 2001:db8::7)", "vnc ssh ssh1 tcp [2001:db8::7]:5901", "vnc tcp hv1:5901 (if possible at 2001:db8::7)"),
        (vnc("<listen type='network' network='n' address='192.0.2.7'/>"), "vnc tcp 192.0.2.7:5901", "vnc tcp hv1:5901 (if possible at 192.0.2.7)", "vnc ssh ssh1 tcp 192.0.2.7:5901", "vnc tcp hv1:5901 (if possible at 192.0.2.7)"),
        (vnc("<listen type='network' network='n'/>"), "vnc tcp 127.0.0.1:5901", "vnc tcp hv1:5901", "vnc ssh ssh1 tcp 127.0.0.1:5901", "vnc tcp hv1:5901"),
        // A child says more than the attribute, and the first child counts.
        ("<graphics type='vnc' port='5901' listen='192.0.2.9'><listen type='address' address='192.0.2.7'/></graphics>".into(), "vnc tcp 192.0.2.7:5901", "vnc tcp hv1:5901 (if possible at 192.0.2.7)", "vnc ssh ssh1 tcp 192.0.2.7:5901", "vnc tcp hv1:5901 (if possible at 192.0.2.7)"),
        (vnc("<listen type='address' address='192.0.2.7'/><listen type='address' address='192.0.2.8'/>"), "vnc tcp 192.0.2.7:5901", "vnc tcp hv1:5901 (if possible at 192.0.2.7)", "vnc ssh ssh1 tcp 192.0.2.7:5901", "vnc tcp hv1:5901 (if possible at 192.0.2.7)"),
        // Nothing to reach.
        (vnc("<listen type='none'/>"), "ListensNowhere { kind: Vnc }", "", "", ""),
        (vnc("<listen type='vsock'/>"), "UnknownListen { kind: Vnc, found: \"vsock\" }", "", "", ""),
        ("<graphics type='vnc' port='-1' autoport='yes'/>".into(), "NoPort { kind: Vnc }", "", "", ""),
        ("<graphics type='vnc'/>".into(), "NoPort { kind: Vnc }", "", "", ""),
        ("<graphics type='vnc' websocket='5700'/>".into(), "NoPort { kind: Vnc }", "", "", ""),
        ("<graphics type='vnc' port='-1'/><graphics type='spice' port='5902'/>".into(), "NoPort { kind: Vnc }", "", "", ""),
        ("<graphics type='spice' tlsPort='5902'/>".into(), "TlsOnly { kind: Spice }", "", "", ""),
        ("<graphics type='spice' port='-1' tlsPort='5902'/>".into(), "TlsOnly { kind: Spice }", "", "", ""),
        ("<graphics type='spice' port='5901' tlsPort='5902'/>".into(), "spice tcp 127.0.0.1:5901", "spice tcp hv1:5901", "spice ssh ssh1 tcp 127.0.0.1:5901", "spice tcp hv1:5901"),
        (String::new(), "NoGraphics", "", "", ""),
        ("<graphics type='sdl'/><graphics type='egl-headless'/>".into(), "Unsupported { found: \"sdl, egl-headless\" }", "", "", ""),
        // The first that a browser can show.
        ("<graphics type='sdl'/><graphics type='spice' port='5903'/><graphics type='vnc' port='5904'/>".into(), "spice tcp 127.0.0.1:5903", "spice tcp hv1:5903", "spice ssh ssh1 tcp 127.0.0.1:5903", "spice tcp hv1:5903"),
    ];
    for (devices, local, when_needed, always, network) in rows {
        assert_eq!(decide(&LOCAL, &devices), local, "local: {devices}");
        let or_local = |text: &'static str| if text.is_empty() { local } else { text };
        for (access, expected) in [
            (ssh("hv1", Tunnel::WhenNeeded), when_needed),
            (ssh("hv1", Tunnel::Always), always),
            (ssh("localhost", Tunnel::WhenNeeded), always),
            (remote("hv1"), network),
        ] {
            assert_eq!(decide(&access, &devices), or_local(expected), "{access:?}: {devices}");
        }
    }
}

#[test]
fn an_address_is_preferred_only_beside_a_name() {
    let at = |address: &str| vnc(&format!("<listen type='address' address='{address}'/>"));
    for (hostname, listen, expected) in [
        ("192.0.2.7", "192.0.2.7", "vnc tcp 192.0.2.7:5901"),
        // Never a second address: who has it here may be a stranger.
        ("192.0.2.7", "192.168.122.1", "vnc tcp 192.0.2.7:5901"),
        ("hv1", "192.168.122.1", "vnc tcp hv1:5901 (if possible at 192.168.122.1)"),
        ("hv1", "::ffff:192.0.2.7", "vnc tcp hv1:5901 (if possible at 192.0.2.7)"),
        ("hv1", "console.hv1", "vnc tcp hv1:5901"),
        ("2001:db8::1", "0.0.0.0", "vnc tcp [2001:db8::1]:5901"),
    ] {
        assert_eq!(decide(&remote(hostname), &at(listen)), expected, "{hostname} {listen}");
        assert_eq!(decide(&ssh(hostname, Tunnel::WhenNeeded), &at(listen)), expected);
    }
}

#[test]
fn this_machine_over_the_network_is_local() {
    for hostname in ["localhost", "127.0.0.1", "127.8.0.1", "::1", ""] {
        let loopback = vnc("<listen type='address' address='127.0.0.1'/>");
        assert_eq!(decide(&remote(hostname), &loopback), "vnc tcp 127.0.0.1:5901");
        assert_eq!(decide(&remote(hostname), &vnc("")), "vnc tcp 127.0.0.1:5901");
        // A socket's path may be another mount namespace's; only a local connection proves that it is ours.
        assert_eq!(
            decide(&remote(hostname), &vnc("<listen type='socket' socket='/s'/>")),
            "RemoteSocket { kind: Vnc }"
        );
    }
}

#[test]
fn a_wanted_kind_is_found_or_missed() {
    let both =
        domain(" id='1'", "<graphics type='vnc' port='1'/><graphics type='spice' port='2'/>");
    for (wanted, expected) in [
        (None, "vnc tcp 127.0.0.1:1"),
        (Some(ConsoleKind::Vnc), "vnc tcp 127.0.0.1:1"),
        (Some(ConsoleKind::Spice), "spice tcp 127.0.0.1:2"),
    ] {
        let routed = route(&LOCAL, &both, wanted).unwrap();
        assert_eq!(format!("{} {}", routed.kind, routed.route), expected);
    }
    let vnc_only = domain(" id='1'", "<graphics type='vnc' port='1'/>");
    let missed = route(&LOCAL, &vnc_only, Some(ConsoleKind::Spice));
    assert_eq!(missed, Err(RouteError::NotThisKind { wanted: ConsoleKind::Spice }));
}

#[test]
fn a_domain_that_does_not_run_is_shut_off_whatever_its_devices_say() {
    let off = domain("", "<graphics type='vnc' port='5901'/>");
    assert_eq!(route(&LOCAL, &off, None), Err(RouteError::ShutOff));
}

/// Addresses and names that mean something, and others.
fn addresses() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "",
            "0.0.0.0",
            "::",
            "127.0.0.1",
            "::1",
            "localhost",
            "192.0.2.7",
            "hv1"
        ])
        .prop_map(String::from),
        "[0-9a-f:.%]{0,20}",
        "\\PC{0,10}",
    ]
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('\'', "&apos;")
}

proptest! {
    #[test]
    fn the_port_is_always_the_xmls_and_another_machine_always_the_hosts_name(
        port in 1u16..,
        attribute in addresses(),
        child in proptest::option::of(addresses()),
        hostname in addresses(),
    ) {
        let attribute = escaped(&attribute);
        let child = child
            .map(|child| format!("<listen type='address' address='{}'/>", escaped(&child)))
            .unwrap_or_default();
        let devices =
            format!("<graphics type='vnc' port='{port}' tlsPort='7' listen='{attribute}'>{child}</graphics>");
        let domain = domain(" id='1'", &devices);
        let here = route(&LOCAL, &domain, None).unwrap();
        match route(&remote(&hostname), &domain, None) {
            Ok(there) => {
                let Route::Tcp { host, port: opened, .. } = &there.route else { panic!("{there:?}") };
                prop_assert_eq!(opened.get(), port);
                prop_assert!(*host == hostname || there == here, "{} {}", there.route, here.route);
            }
            Err(error) => prop_assert_eq!(error, RouteError::RemoteLoopback { kind: ConsoleKind::Vnc }),
        }
        let Route::Tcp { port: opened, .. } = here.route else { panic!("{here:?}") };
        prop_assert_eq!(opened.get(), port);
    }

    #[test]
    fn any_devices(devices in proptest::collection::vec(device(), 0..4), hostname in addresses()) {
        let domain = domain(" id='1'", &devices.concat());
        for wanted in [None, Some(ConsoleKind::Vnc), Some(ConsoleKind::Spice)] {
            for access in [
                LOCAL,
                remote(&hostname),
                ssh(&hostname, Tunnel::WhenNeeded),
                ssh(&hostname, Tunnel::Always),
            ] {
                match route(&access, &domain, wanted) {
                    Ok(routed) => {
                        prop_assert!(wanted.is_none_or(|wanted| wanted == routed.kind));
                        prop_assert!(!routed.route.to_string().contains(char::is_control));
                    }
                    Err(error) => prop_assert!(!error.to_string().contains(char::is_control)),
                }
            }
        }
    }
}

/// A `<graphics>` of any shape.
fn device() -> impl Strategy<Value = String> {
    let port = || prop::sample::select(vec!["", " port='-1'", " port='5900'", " tlsPort='5901'"]);
    let kind = prop::sample::select(vec!["vnc", "spice", "sdl", "a&#10;b"]);
    let listen =
        prop::sample::select(vec!["", "address", "network", "socket", "none", "v&#x9b;sock"]);
    (kind, port(), listen, addresses(), "\\PC{0,10}").prop_map(
        |(kind, port, listen, address, path)| {
            let listen = match listen {
                "" => String::new(),
                _ => format!(
                    "<listen type='{listen}' address='{}' socket='/{}&#10;'/>",
                    escaped(&address),
                    escaped(&path)
                ),
            };
            format!("<graphics type='{kind}'{port}>{listen}</graphics>")
        },
    )
}
