//! Which source wins, and what comes out of a file that is right.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::fs;
use std::num::NonZeroU16;
use std::time::Duration;

use console_config::{
    ConfigError, Connection, Endpoint, Flags, HostSettings, ServerSettings, Settings, Sources,
    SshHostKeys, SshLimits, SshSettings, SshTunnel,
};
use console_token::HostId;

/// Settings from a file with this content.
fn load(toml: &str, environment: &[(&str, &str)], flags: Flags) -> Result<Settings, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    fs::write(&file, toml).unwrap();
    let text = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    let environment = environment.iter().map(text).collect();
    Settings::load(Sources { file, file_required: true, environment, flags })
}

#[test]
fn the_later_source_is_the_stronger() {
    let file = "host = \"file\"\nport = 1\npublic_host = \"file\"\nmax_sessions = 7";
    let variables = [
        ("WS_HOST", "environment"),
        ("WS_PORT", "2"),
        ("WS_PUBLIC_HOST", "environment:2"),
        ("WS_MAX_SESSIONS", "8"),
        ("HOST", "other"),
    ];
    let flags = Flags { host: Some("flag".into()), port: Some("3".into()) };
    let ends = |settings: Settings| {
        let ServerSettings { host, port, public_host, max_sessions, .. } = settings.server;
        (host, port, public_host.map(|host| host.to_string()).unwrap_or_default(), max_sessions)
    };
    let none = Flags::default;
    for (settings, host, port, public_host, max_sessions) in [
        (load("", &[], none()), "0.0.0.0", 6080, "", 1000),
        (load(file, &[], none()), "file", 1, "file", 7),
        (load("", &variables, none()), "environment", 2, "environment:2", 1000),
        (load(file, &variables, none()), "environment", 2, "environment:2", 7),
        (load(file, &variables, flags.clone()), "flag", 3, "environment:2", 7),
        (load(file, &[], flags), "flag", 3, "file", 7),
        (load(file, &[("WS_HOST", ""), ("WS_PORT", "")], none()), "file", 1, "file", 7),
        // A stronger source hides a weaker one, faults included, and leaves the rest alone.
        (
            load("port = \"x\"", &[], Flags { port: Some("0".into()), host: None }),
            "0.0.0.0",
            0,
            "",
            1000,
        ),
    ] {
        let expected = (host.to_owned(), port, public_host.to_owned(), max_sessions);
        assert_eq!(ends(settings.unwrap()), expected);
    }
}

#[test]
fn without_sources_there_are_the_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    let settings = Settings::load(Sources { file, ..Sources::default() }).unwrap();
    assert_eq!(settings, Settings::default());
    assert_eq!(settings.server, ServerSettings::default());
    let default = Sources::default();
    assert_eq!(default.file.to_str(), Some("/etc/webvirtmgr-console/config.toml"));
    assert!(!default.file_required);
}

/// Were a default out of its own range, the file that spells it out would be refused.
#[test]
fn a_file_that_spells_the_defaults_out_changes_nothing() {
    let settings = load(
        r#"
        host = "0.0.0.0"
        port = 6080
        max_sessions = 1000
        max_connections = 2000
        max_message_size = 1_048_576
        early_bytes = 65_536
        header_timeout = 10
        lookup_timeout = 10.0
        connect_timeout = 10
        ping_interval = 25
        client_timeout = 75
        close_timeout = 5
        shutdown_timeout = 10
        ssh_connect_timeout = 10
        ssh_handshake_timeout = 10
        ssh_auth_timeout = 20
        ssh_channel_timeout = 10
        ssh_idle_timeout = 60
        ssh_keepalive_interval = 15
        ssh_keepalive_count = 3
        ssh_channels_per_connection = 64
        ssh_connections_per_host = 16
        ssh_channel_buffer = 262_144
        "#,
        &[],
        Flags::default(),
    );
    assert_eq!(settings.unwrap(), Settings::default());
}

#[test]
fn every_key_reaches_its_own_field() {
    let settings = load(
        r#"
        host = "[::]"
        port = 0
        public_host = "console.example.org:8443"
        web_root = "/srv/novnc"
        spice_root = "/srv/spice"
        max_sessions = 11
        max_connections = 12
        max_message_size = 131_072
        early_bytes = 8192
        header_timeout = 0.1
        lookup_timeout = 2
        connect_timeout = 3.25
        ping_interval = 4
        client_timeout = 5
        close_timeout = 6
        shutdown_timeout = 3600
        ssh_connect_timeout = 21
        ssh_handshake_timeout = 22
        ssh_auth_timeout = 23
        ssh_channel_timeout = 24
        ssh_idle_timeout = 25
        ssh_keepalive_interval = 26
        ssh_keepalive_count = 27
        ssh_channels_per_connection = 28
        ssh_connections_per_host = 29
        ssh_channel_buffer = 65_536

        [[hosts]]
        id = 7
        connection = "socket"

        [[hosts]]
        id = 0
        name = "Köln 1"
        connection = "tcp"
        hostname = "[2001:db8::1]"
        uri = "qemu+tcp://[2001:db8::1]:16510/system?no_verify=1"
        login = "console@example.org"
        password = "s3cret"

        [[hosts]]
        id = 8
        connection = "ssh"
        hostname = "hv1:2222"
        login = "root"
        ssh_key = "/k"
        ssh_known_hosts = "/h"
        ssh_config = "/c"
        ssh_tunnel = "always"
        ssh_host_keys = "accept-new"
        "#,
        &[],
        Flags::default(),
    );
    let server = ServerSettings {
        host: "::".into(),
        port: 0,
        public_host: Some("console.example.org:8443".parse().unwrap()),
        web_root: Some("/srv/novnc".into()),
        spice_root: Some("/srv/spice".into()),
        max_sessions: 11,
        max_connections: 12,
        max_message_size: 131_072,
        early_bytes: 8192,
        header_timeout: Duration::from_millis(100),
        lookup_timeout: Duration::from_secs(2),
        connect_timeout: Duration::from_millis(3250),
        ping_interval: Duration::from_secs(4),
        client_timeout: Duration::from_secs(5),
        close_timeout: Duration::from_secs(6),
        shutdown_timeout: Duration::from_secs(3600),
        ssh: SshLimits {
            connect_timeout: Duration::from_secs(21),
            handshake_timeout: Duration::from_secs(22),
            auth_timeout: Duration::from_secs(23),
            channel_timeout: Duration::from_secs(24),
            idle_timeout: Duration::from_secs(25),
            keepalive_interval: Duration::from_secs(26),
            keepalive_count: 27,
            channels_per_connection: 28,
            connections_per_host: 29,
            channel_buffer: 65_536,
        },
    };
    let hosts = vec![
        HostSettings {
            id: HostId::new(7),
            name: "host 7".into(),
            connection: Connection::Socket,
            uri: None,
            login: None,
            password: None,
            ssh: SshSettings::default(),
        },
        HostSettings {
            id: HostId::new(0),
            name: "Köln 1".into(),
            connection: Connection::Tcp(Endpoint { host: "2001:db8::1".into(), port: None }),
            uri: Some("qemu+tcp://[2001:db8::1]:16510/system?no_verify=1".into()),
            login: Some("console@example.org".into()),
            password: Some("s3cret".into()),
            ssh: SshSettings::default(),
        },
        HostSettings {
            id: HostId::new(8),
            name: "host 8".into(),
            connection: Connection::Ssh(Endpoint {
                host: "hv1".into(),
                port: NonZeroU16::new(2222),
            }),
            uri: None,
            login: Some("root".into()),
            password: None,
            ssh: SshSettings {
                key: Some("/k".into()),
                known_hosts: Some("/h".into()),
                config: Some("/c".into()),
                tunnel: SshTunnel::Always,
                host_keys: SshHostKeys::AcceptNew,
            },
        },
    ];
    assert_eq!(settings.unwrap(), Settings { server, hosts });
}
