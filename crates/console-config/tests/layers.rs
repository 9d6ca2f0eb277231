//! Which source wins, and what comes out of a file that is right.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::fs;
use std::num::NonZeroU16;
use std::time::Duration;

use console_config::{
    ClientCa, ConfigError, Connection, DatabaseSettings, Endpoint, Flag, HostSettings, KEYS,
    Listen, ListenAddress, Loaded, MinTlsVersion, OriginCheck, PublicAddress, ServerSettings,
    Settings, Sources, SshHostKeys, SshLimits, SshSettings, SshTunnel, TlsFiles,
};
use console_token::HostId;

/// Settings from a file with this content.
fn load(
    toml: &str,
    environment: &[(&str, &str)],
    flags: &[(&'static str, &str)],
) -> Result<Loaded, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    fs::write(&file, toml).unwrap();
    let text = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    let environment = environment.iter().map(text).collect();
    let flag = |&(key, value): &(&'static str, &str)| Flag { key, value: value.to_owned() };
    let flags = flags.iter().map(flag).collect();
    Settings::load(Sources { file, file_required: true, environment, flags })
}

fn server(
    toml: &str,
    environment: &[(&str, &str)],
    flags: &[(&'static str, &str)],
) -> ServerSettings {
    load(toml, environment, flags).unwrap().settings.server
}

fn tcp(host: &str, port: u16) -> Listen {
    ListenAddress::Tcp { host: host.to_owned(), port }.into()
}

/// A line of the file, or none.
fn line(key: &str, value: &str) -> String {
    if value.is_empty() { String::new() } else { format!("{key} = {value}\n") }
}

/// The wiki's settings, each through every source and over each weaker one. `settings.py` is Python, the file TOML, the rest text.
#[test]
fn the_later_source_is_the_stronger() {
    let folder = tempfile::tempdir().unwrap();
    let python = folder.path().join("settings.py");
    type Shown = fn(&ServerSettings) -> String;
    let listen: Shown = |settings| settings.listen[0].address.to_string();
    let cert: Shown = |settings| {
        settings.tls.as_ref().map(|tls| tls.cert.display().to_string()).unwrap_or_default()
    };
    let key: Shown = |settings| {
        let tls = settings.tls.as_ref();
        tls.and_then(|tls| tls.key.as_ref())
            .map(|key| key.display().to_string())
            .unwrap_or_default()
    };
    let ssl_only: Shown = |settings| settings.ssl_only.to_string();
    let host: Shown =
        |settings| settings.public.host.as_ref().map(ToString::to_string).unwrap_or_default();
    let port: Shown =
        |settings| settings.public.port.map(|port| port.to_string()).unwrap_or_default();
    let path: Shown =
        |settings| settings.public.path.as_ref().map(ToString::to_string).unwrap_or_default();
    // Beside each key what it needs, then (Python, TOML, environment, flag), each with what comes of it.
    for (name, beside, values, shown) in [
        (
            "host",
            "",
            [("'a'", "a:6080"), ("\"b\"", "b:6080"), ("c", "c:6080"), ("d", "d:6080")],
            listen,
        ),
        (
            "port",
            "",
            [("1", "0.0.0.0:1"), ("2", "0.0.0.0:2"), ("3", "0.0.0.0:3"), ("4", "0.0.0.0:4")],
            listen,
        ),
        ("cert", "", [("'/a'", "/a"), ("\"/b\"", "/b"), ("/c", "/c"), ("/d", "/d")], cert),
        (
            "key",
            "cert = \"/x\"\n",
            [("'/a'", "/a"), ("\"/b\"", "/b"), ("/c", "/c"), ("/d", "/d")],
            key,
        ),
        (
            "ssl_only",
            "cert = \"/x\"\n",
            [("True", "true"), ("false", "false"), ("yes", "true"), ("true", "true")],
            ssl_only,
        ),
        ("public_host", "", [("'a'", "a"), ("\"b\"", "b"), ("c", "c"), ("d", "d")], host),
        ("public_port", "", [("1", "1"), ("2", "2"), ("3", "3"), ("4", "4")], port),
        (
            "public_path",
            "",
            [("'/a/'", "/a/"), ("\"/b/\"", "/b/"), ("/c/", "/c/"), ("d", "/d/")],
            path,
        ),
    ] {
        let variable = format!("WS_{}", name.to_uppercase());
        for strongest in 0..4 {
            // All sources up to this one have the key.
            let [django, file, environment, flag] =
                std::array::from_fn(|source| source <= strongest);
            fs::write(
                &python,
                if django { format!("{variable} = {}\n", values[0].0) } else { String::new() },
            )
            .unwrap();
            let mut toml = format!("django_settings = \"{}\"\n{beside}", python.display());
            toml += &line(name, if file { values[1].0 } else { "" });
            let variables = [(variable.as_str(), if environment { values[2].0 } else { "" })];
            let flags = [(name, values[3].0)];
            let found = server(&toml, &variables, if flag { &flags } else { &[] });
            assert_eq!(shown(&found), values[strongest].1, "{name} of source {strongest}");
        }
    }
}

/// Every key has a variable, and reads from it what it reads from the file.
#[test]
fn every_key_is_read_from_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let python = folder.path().join("settings.py");
    fs::write(&python, "").unwrap();
    let python = python.display().to_string();
    let password = folder.path().join("password");
    fs::write(&password, "s3cret\n").unwrap();
    let password = password.display().to_string();
    let beside =
        "cert = \"/x\"\nclient_ca = \"/x\"\nssl_only = true\ndatabase_url = \"mysql://a@b/c\"\n";
    let settings =
        |toml: &str, environment: &[(&str, &str)]| load(toml, environment, &[]).unwrap().settings;
    for key in KEYS {
        let (text, toml) = match key.name {
            "listen" => ("a:1, unix:/b", "[\"a:1\", \"unix:/b\"]".to_owned()),
            "ssl_only" => ("on", "true".to_owned()),
            "tls_min_version" => ("1.3", "\"1.3\"".to_owned()),
            "client_certificate" => ("optional", "\"optional\"".to_owned()),
            "origin_check" => ("off", "\"off\"".to_owned()),
            "allowed_origins" => ("a,b", "[\"a\", \"b\"]".to_owned()),
            "trusted_proxies" => ("10.0.0.0/8,unix", "[\"10.0.0.0/8\", \"unix\"]".to_owned()),
            "django_settings" => (python.as_str(), format!("{python:?}")),
            "database_url" => ("sqlite:///x", "\"sqlite:///x\"".to_owned()),
            "database_password_file" => (password.as_str(), format!("{password:?}")),
            "ssh_tunnel" => ("always", "\"always\"".to_owned()),
            "ssh_host_keys" => ("accept-new", "\"accept-new\"".to_owned()),
            "max_message_size" | "ssh_channel_buffer" => ("65537", "65537".to_owned()),
            "early_bytes" | "max_connections" => ("3333", "3333".to_owned()),
            "client_timeout" => ("77.5", "77.5".to_owned()),
            "ping_interval" => ("7.5", "7.5".to_owned()),
            _ if key.default.is_empty() || key.default.starts_with('"') => {
                ("/some", "\"/some\"".to_owned())
            }
            _ => ("33", "33".to_owned()),
        };
        let (text, toml) = match key.name {
            "host" | "public_host" => ("name", "\"name\"".to_owned()),
            "public_port" => ("33", "33".to_owned()),
            _ => (text, toml),
        };
        let rest: String = beside
            .lines()
            .filter(|one| !one.starts_with(&format!("{} ", key.name)))
            .map(|one| format!("{one}\n"))
            .collect();
        let by_file = settings(&format!("{rest}{} = {toml}", key.name), &[]);
        let by_environment = settings(&rest, &[(&key.variable(), text)]);
        assert_eq!(by_environment, by_file, "{}", key.name);
        let is_default = by_file == settings(beside, &[]);
        assert!(
            !is_default || ["ssl_only", "django_settings"].contains(&key.name),
            "{} changes nothing",
            key.name
        );
    }
}

#[test]
fn a_source_hides_the_weaker_ones_word_for_where_to_listen() {
    let listen = "listen = [\"a:1\"]";
    let env = [("WS_LISTEN", "b:2,[::1]:3")];
    assert_eq!(server(listen, &[], &[]).listen, [tcp("a", 1)]);
    assert_eq!(server(listen, &env, &[]).listen, [tcp("b", 2), tcp("::1", 3)]);
    assert_eq!(server(listen, &[], &[("port", "4")]).listen, [tcp("0.0.0.0", 4)]);
    assert_eq!(server("host = \"h\"\nport = 5", &env, &[]).listen, [tcp("b", 2), tcp("::1", 3)]);
    assert_eq!(server("host = \"h\"", &[("WS_PORT", "6")], &[]).listen, [tcp("h", 6)]);
    let both = load("listen = [\"a:1\"]\nport = 2", &[], &[]).unwrap_err().to_string();
    assert!(both.contains("listen and host or port exclude each other"), "{both}");
    let both = load("", &[], &[("host", "a"), ("listen", "b:1")]).unwrap_err().to_string();
    assert!(
        both.starts_with("flag --listen: listen and host or port exclude each other"),
        "{both}"
    );
}

#[test]
fn empty_variables_count_as_not_set() {
    let found = server("host = \"h\"\nport = 1", &[("WS_HOST", ""), ("WS_PORT", "")], &[]);
    assert_eq!(found.listen, [tcp("h", 1)]);
    // A stronger source hides a weaker one, faults included, and leaves the rest alone.
    assert_eq!(server("port = \"x\"", &[], &[("port", "0")]).listen, [tcp("0.0.0.0", 0)]);
}

#[test]
fn without_sources_there_are_the_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    let settings = Settings::load(Sources { file, ..Sources::default() }).unwrap().settings;
    assert_eq!(settings, Settings::default());
    assert_eq!(settings.server, ServerSettings::default());
    let default = Sources::default();
    assert_eq!(default.file.to_str(), Some("/etc/webvirtmgr-console/config.toml"));
    assert!(!default.file_required);
}

/// Were a default out of its own range, or not what it is said to be, the file that spells it out would be refused or change something.
#[test]
fn a_file_that_spells_the_defaults_out_changes_nothing() {
    let toml: String = KEYS.iter().map(|key| line(key.name, key.default)).collect();
    assert_eq!(load(&toml, &[], &[]).unwrap().settings, Settings::default());
}

#[test]
fn every_key_reaches_its_own_field() {
    let settings = load(
        r#"
        listen = ["[::]:0", "hv1:6080", {address = "127.0.0.1:1", proxy_protocol = true}, "unix:/a", {address = "unix:/b", mode = "0600"}, "systemd:web"]
        cert = "/cert"
        key = "/key"
        ssl_only = true
        tls_min_version = 1.3
        client_ca = "/ca"
        client_certificate = "optional"
        public_host = "console.example.org:8443"
        public_path = "/novncd/"
        origin_check = "warn"
        allowed_origins = ["https://panel.example.org", "null"]
        trusted_proxies = ["127.0.0.1", "10.0.0.0/8", "unix"]
        database_url = "postgresql://panel:s3cret@db/web"
        database_timeout = 7
        ssh_key = "/usual"
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
        &[],
    );
    let settings = settings.unwrap().settings;
    let allowed: Vec<_> = settings.server.origins.allowed.iter().map(ToString::to_string).collect();
    assert_eq!(allowed, ["https://panel.example.org", "null"]);
    let trusted = &settings.server.trusted_proxies;
    let has = |address: &str| trusted.has(address.parse().unwrap());
    assert!(has("127.0.0.1") && has("10.255.0.1") && has("::ffff:10.0.0.1") && trusted.has_unix());
    assert!(!has("127.0.0.2") && !has("11.0.0.1") && !has("::1") && !trusted.is_empty());
    let unix = |path: &str, mode| ListenAddress::Unix { path: path.into(), mode }.into();
    let server = ServerSettings {
        listen: vec![
            tcp("::", 0),
            tcp("hv1", 6080),
            Listen { proxy_protocol: true, ..tcp("127.0.0.1", 1) },
            unix("/a", 0o660),
            unix("/b", 0o600),
            ListenAddress::Systemd { name: Some("web".into()) }.into(),
        ],
        tls: Some(TlsFiles {
            cert: "/cert".into(),
            key: Some("/key".into()),
            min_version: MinTlsVersion::Tls13,
            clients: Some(ClientCa { ca: "/ca".into(), required: false }),
        }),
        ssl_only: true,
        public: PublicAddress {
            host: Some("console.example.org".parse().unwrap()),
            port: NonZeroU16::new(8443),
            path: Some("/novncd/".parse().unwrap()),
        },
        origins: settings.server.origins.clone(),
        trusted_proxies: trusted.clone(),
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
                host_keys: Some(SshHostKeys::AcceptNew),
            },
        },
    ];
    assert_eq!(settings.server.origins.check, OriginCheck::Warn);
    let database = DatabaseSettings {
        url: "postgresql://panel:s3cret@db/web".parse().unwrap(),
        timeout: Duration::from_secs(7),
    };
    let ssh = SshSettings { key: Some("/usual".into()), ..SshSettings::default() };
    assert_eq!(settings, Settings { server, database: Some(database), ssh, hosts });
}
