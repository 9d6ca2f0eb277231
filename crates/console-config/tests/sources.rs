//! Which source wins, and what each fault reads like.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::time::Duration;

use console_config::{Connection, Flags, ServerSettings, Settings, Sources};

fn load(toml: &str, environment: &[(&str, &str)], flags: Flags) -> Result<Settings, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    std::fs::write(&file, toml).unwrap();
    let environment = environment.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
    let loaded = Settings::load(Sources { file, file_required: true, environment, flags });
    // The temporary folder's name differs from run to run.
    loaded.map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
}

fn fault(toml: &str) -> String {
    load(toml, &[], Flags::default()).unwrap_err()
}

#[test]
fn an_empty_file_means_the_defaults() {
    let settings = load("", &[], Flags::default()).unwrap();
    assert_eq!(settings, Settings { server: ServerSettings::default(), hosts: vec![] });
}

#[test]
fn flags_beat_the_environment_beats_the_file() {
    let toml = "host = '192.0.2.1'\nport = 1\npublic_host = 'a'";
    let environment =
        [("WS_HOST", "192.0.2.2"), ("WS_PORT", "2"), ("WS_PUBLIC_HOST", "b"), ("PORT", "9")];
    let flags = Flags { host: None, port: Some("3".into()) };
    let server = load(toml, &environment, flags).unwrap().server;
    assert_eq!((server.host.as_str(), server.port), ("192.0.2.2", 3));
    assert_eq!(server.public_host.unwrap().to_string(), "b");
    let server = load(toml, &[("WS_HOST", "")], Flags::default()).unwrap().server;
    assert_eq!((server.host.as_str(), server.port), ("192.0.2.1", 1));
}

#[test]
fn every_key_is_read() {
    let settings = load(
        "host = '[::1]'\nport = 0\npublic_host = 'c.example.org:443'\nweb_root = '/srv/novnc'\n\
         max_sessions = 2\nmax_connections = 3\nmax_message_size = 65536\nearly_bytes = 1024\n\
         header_timeout = 1\nlookup_timeout = 2.5\nconnect_timeout = 3\nping_interval = 4\nclient_timeout = 5\n\
         close_timeout = 0.1\nshutdown_timeout = 3600\n\
         [[hosts]]\nid = 1\nname = 'local'\nconnection = 'socket'\nuri = 'test:///x'\n\
         [[hosts]]\nid = 18\nconnection = 'tcp'\nhostname = '[2001:db8::1]'\n",
        &[],
        Flags::default(),
    )
    .unwrap();
    let seconds = Duration::from_secs;
    let expected = ServerSettings {
        host: "::1".into(),
        port: 0,
        public_host: Some("c.example.org:443".parse().unwrap()),
        web_root: Some("/srv/novnc".into()),
        max_sessions: 2,
        max_connections: 3,
        max_message_size: 65536,
        early_bytes: 1024,
        header_timeout: seconds(1),
        lookup_timeout: Duration::from_millis(2500),
        connect_timeout: seconds(3),
        ping_interval: seconds(4),
        client_timeout: seconds(5),
        close_timeout: Duration::from_millis(100),
        shutdown_timeout: seconds(3600),
    };
    assert_eq!(settings.server, expected);
    let [first, second] = &settings.hosts[..] else { unreachable!() };
    assert_eq!((first.name.as_str(), &first.connection), ("local", &Connection::Socket));
    assert_eq!(first.uri.as_deref(), Some("test:///x"));
    assert_eq!(second.name, "host 18");
    assert_eq!(second.connection, Connection::Tcp { hostname: "2001:db8::1".into() });
}

#[test]
fn every_fault_names_file_key_what_was_found_and_what_is_allowed() {
    let host = "[[hosts]]\nid = 1\n";
    for (toml, expected) in [
        ("prot = 1", "config.toml: there is no key prot, did you mean port?"),
        ("port = 'x'", "config.toml: port is string \"x\", allowed is a whole number"),
        ("port = 65536", "config.toml: port is 65536, allowed is 0 to 65535"),
        ("port = -1", "config.toml: port is -1, allowed is 0 to 65535"),
        (
            "host = 'a:80'",
            "config.toml: host is a:80, allowed is an address or a name, without a port",
        ),
        (
            "public_host = 'https://a'",
            "config.toml: public_host is https://a, allowed is a host name or address, with :port if need be, without a scheme or path",
        ),
        ("web_root = 'novnc'", "config.toml: web_root is novnc, allowed is an absolute path"),
        ("max_sessions = 0", "config.toml: max_sessions is 0, allowed is 1 to 1000000"),
        (
            "max_message_size = 100",
            "config.toml: max_message_size is 100, allowed is 65536 to 67108864",
        ),
        ("lookup_timeout = 0", "config.toml: lookup_timeout is 0, allowed is 0.1 to 3600 seconds"),
        (
            "lookup_timeout = nan",
            "config.toml: lookup_timeout is NaN, allowed is 0.1 to 3600 seconds",
        ),
        (
            "client_timeout = 20",
            "config.toml: client_timeout is 20, it must be more than ping_interval, 25",
        ),
        (
            &format!("{host}conection = 'tcp'"),
            "config.toml: there is no key hosts[0].conection, did you mean connection?",
        ),
        (host, "config.toml: hosts[0].connection is missing"),
        ("[[hosts]]\nconnection = 'socket'", "config.toml: hosts[0].id is missing"),
        (
            "[[hosts]]\nid = -1\nconnection = 'socket'",
            "config.toml: hosts[0].id is -1, allowed is 0 or more",
        ),
        (
            "[[hosts]]\nid = '1'\nconnection = 'socket'",
            "config.toml: hosts[0].id is string \"1\", allowed is a whole number",
        ),
        (
            &format!("{host}connection = 'udp'"),
            "config.toml: hosts[0].connection is udp, allowed is socket, tcp, tls or ssh",
        ),
        (
            &format!("{host}connection = 'ssh'"),
            "config.toml: hosts[0].connection is ssh, this version supports socket and tcp only",
        ),
        (
            &format!("{host}connection = 'tcp'"),
            "config.toml: hosts[0].connection is tcp, it needs hostname, the hypervisor's name or address",
        ),
        (
            &format!("{host}connection = 'tcp'\nhostname = 'a b'"),
            "config.toml: hosts[0].hostname is a b, allowed is an address or a name, without a port",
        ),
        (
            &format!("{host}connection = 'socket'\nhostname = 'a'"),
            "config.toml: hosts[0].hostname is a, a host with connection = \"socket\" is this machine; remove hostname, or write connection = \"tcp\"",
        ),
        (
            &format!("{host}connection = 'socket'\nuri = '/x'"),
            "config.toml: hosts[0].uri is /x, allowed is a libvirt URI such as qemu:///system, without blanks",
        ),
        (
            &format!("{host}connection = 'socket'\n{host}connection = 'socket'"),
            "config.toml: hosts[1].id is 1, another host has this id already",
        ),
    ] {
        assert_eq!(fault(toml), expected, "{toml}");
    }
    assert!(fault("port = ").starts_with("config.toml: "), "{}", fault("port = "));
}

#[test]
fn all_values_out_of_range_are_told_at_once() {
    let text = fault("port = 70000\nmax_sessions = 0\n[[hosts]]\nid = 1\nconnection = 'x'");
    assert_eq!(text.lines().count(), 3, "{text}");
}

#[test]
fn the_environment_and_flags_are_named_in_faults() {
    for (environment, flag, expected) in [
        (
            &[("WS_PORT", "x")][..],
            None,
            "environment variable WS_PORT: port is string \"x\", allowed is a whole number",
        ),
        (
            &[("WS_HOST", "a b")],
            None,
            "environment variable WS_HOST: host is a b, allowed is an address or a name, without a port",
        ),
        (&[("WS_PORT", "1")], Some("70000"), "flag -p: port is 70000, allowed is 0 to 65535"),
    ] {
        let flags = Flags { host: None, port: flag.map(str::to_owned) };
        assert_eq!(load("", environment, flags).unwrap_err(), expected);
    }
}

#[test]
fn a_named_file_must_be_there_and_the_default_one_need_not() {
    let missing = Sources { file: "/nonexistent/c.toml".into(), ..Sources::default() };
    assert!(Settings::load(missing.clone()).is_ok());
    let error = Settings::load(Sources { file_required: true, ..missing }).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/nonexistent/c.toml: cannot be read: No such file or directory (os error 2)"
    );
}
