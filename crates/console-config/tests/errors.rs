//! Every error as the administrator reads it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail loudly"
)]

use std::fs;
use std::path::Path;

use console_config::{ConfigError, Flag, KEYS, Settings, Sources};

fn load(folder: &Path, toml: &str) -> Result<Settings, ConfigError> {
    let file = folder.join("config.toml");
    fs::write(&file, toml).unwrap();
    Settings::load(Sources { file, file_required: true, ..Sources::default() })
        .map(|loaded| loaded.settings)
}

/// The text with the folder's path taken away.
fn refusal(toml: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let error = load(folder.path(), toml).expect_err(toml).to_string();
    error.replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn each_value_that_may_not_be_says_where_what_and_what_may() {
    const HOST: &str = "allowed is an address or a name, without a port";
    const PUBLIC_HOST: &str = "allowed is a host name or address with or without a port, as in console.example.org, 192.0.2.1:6080 or [2001:db8::1]";
    const ORIGIN: &str = "allowed is a name or address, as in panel.example.org or https://panel.example.org (for all sites, origin_check = \"off\")";
    const PROXY: &str = "allowed is an address, a network such as 10.0.0.0/8, or unix";
    const LISTEN: &str = "an array of addresses and tables, as in [\"[::]:6080\", {address = \"127.0.0.1:6081\", proxy_protocol = true}]";
    const ADDRESS: &str = "allowed is an address with a port, as in 192.0.2.1:6080 or [::]:6080, a socket, as in unix:/run/console.sock, or systemd, as in systemd or systemd:NAME";
    let known: Vec<_> = KEYS.iter().map(|key| key.name).chain(["hosts"]).collect();
    let known = known.join(", ");
    let here = std::env::current_dir().unwrap();
    let relative = |key: &str, path: &str| {
        let meant = here.join(path);
        format!(
            "{key} is {path}, allowed is an absolute path; from here it would mean {}",
            meant.display()
        )
    };
    let long = "x".repeat(61);
    let cut = format!("{}...", "x".repeat(60));
    for (toml, expected) in [
        // Wrong types.
        ("host = 1", &*format!("host is 1, {HOST}")),
        ("host = true", &format!("host is true, {HOST}")),
        ("host = ['::']", &format!("host is an array, {HOST}")),
        ("[host]", &format!("host is a table, {HOST}")),
        ("port = '6080'", "port is string \"6080\", allowed is a whole number, 0 to 65535"),
        ("port = 6080.0", "port is 6080.0, allowed is a whole number, 0 to 65535"),
        (
            "close_timeout = '5s'",
            "close_timeout is string \"5s\", allowed is a number, 0.1 to 3600 seconds",
        ),
        ("hosts = 1", "hosts is 1, allowed are tables, each under a line [[hosts]]"),
        ("[hosts]", "hosts is a table, allowed are tables, each under a line [[hosts]]"),
        ("hosts = [1]", "hosts[0] is 1, allowed is a table"),
        // Out of range.
        ("port = -1", "port is -1, allowed is 0 to 65535"),
        ("port = 65536", "port is 65536, allowed is 0 to 65535"),
        ("max_sessions = 0", "max_sessions is 0, allowed is 1 to 1000000"),
        ("max_connections = 1000001", "max_connections is 1000001, allowed is 1 to 1000000"),
        ("max_message_size = 65535", "max_message_size is 65535, allowed is 65536 to 67108864"),
        (
            "max_message_size = 67108865",
            "max_message_size is 67108865, allowed is 65536 to 67108864",
        ),
        ("early_bytes = 0", "early_bytes is 0, allowed is 1024 to 16777216"),
        ("header_timeout = 0", "header_timeout is 0, allowed is 0.1 to 3600 seconds"),
        ("lookup_timeout = -1", "lookup_timeout is -1, allowed is 0.1 to 3600 seconds"),
        ("connect_timeout = 3600.1", "connect_timeout is 3600.1, allowed is 0.1 to 3600 seconds"),
        ("client_timeout = inf", "client_timeout is inf, allowed is 0.1 to 3600 seconds"),
        ("close_timeout = nan", "close_timeout is NaN, allowed is 0.1 to 3600 seconds"),
        ("shutdown_timeout = 0.09", "shutdown_timeout is 0.09, allowed is 0.1 to 3600 seconds"),
        ("ping_interval = 60", "ping_interval is 60, allowed is 0.1 to 50 seconds"),
        ("ssh_auth_timeout = 0", "ssh_auth_timeout is 0, allowed is 0.1 to 3600 seconds"),
        ("ssh_keepalive_interval = 1", "ssh_keepalive_interval is 1, allowed is 2 to 3600 seconds"),
        ("ssh_keepalive_count = 0", "ssh_keepalive_count is 0, allowed is 1 to 100"),
        (
            "ssh_channels_per_connection = 0",
            "ssh_channels_per_connection is 0, allowed is 1 to 1000",
        ),
        ("ssh_channel_buffer = 65535", "ssh_channel_buffer is 65535, allowed is 65536 to 16777216"),
        // Wrong texts.
        ("host = ''", &format!("host is \"\", {HOST}")),
        ("host = 'a:6080'", &format!("host is a:6080, {HOST}")),
        ("host = \"a\\nb\"", &format!("host is \"a\\nb\", {HOST}")),
        (&format!("host = '{long}/'"), &format!("host is {cut}, {HOST}")),
        ("public_host = 'https://a'", &format!("public_host is https://a, {PUBLIC_HOST}")),
        ("web_root = 'novnc'", &relative("web_root", "novnc")),
        ("web_root = \"/a\\u0000\"", "web_root is \"/a\\0\", allowed is an absolute path"),
        ("cert = 'cert.pem'", &relative("cert", "cert.pem")),
        ("cert = '/c'\nkey = '../k'", &relative("key", "../k")),
        ("cert = ''", "cert is \"\", allowed is an absolute path"),
        ("django_settings = 'settings.py'", &relative("django_settings", "settings.py")),
        (
            "tls_min_version = '1.1'\ncert = '/c'",
            "tls_min_version is string \"1.1\", allowed is 1.2 or 1.3",
        ),
        (
            "client_certificate = 'no'\ncert = '/c'\nclient_ca = '/a'\nssl_only = true",
            "client_certificate is no, allowed is required or optional",
        ),
        ("public_port = 0", "public_port is 0, allowed is 1 to 65535"),
        (
            "public_path = '/a?b'",
            "public_path is /a?b, allowed is a path without a query, as in /novncd/",
        ),
        ("origin_check = 'on'", "origin_check is on, allowed is enforce, warn or off"),
        ("allowed_origins = ['a', '*']", &format!("allowed_origins has *, {ORIGIN}")),
        ("allowed_origins = 1", &format!("allowed_origins has 1, {ORIGIN}")),
        ("trusted_proxies = ['10.0.0.0/33']", &format!("trusted_proxies has 10.0.0.0/33, {PROXY}")),
        ("trusted_proxies = ['localhost']", &format!("trusted_proxies has localhost, {PROXY}")),
        ("ssl_only = 'maybe'", "ssl_only is string \"maybe\", allowed is true or false"),
        ("listen = 'a:1'", &format!("listen is string \"a:1\", allowed are {LISTEN}")),
        ("listen = ['a']", &format!("listen[0] is a, {ADDRESS}")),
        ("listen = ['a:1', '::1:1']", &format!("listen[1] is ::1:1, {ADDRESS}")),
        ("listen = ['unix:a']", &format!("listen[0] is unix:a, {ADDRESS}")),
        ("listen = ['systemd:']", &format!("listen[0] is systemd:, {ADDRESS}")),
        ("listen = ['systemdx']", &format!("listen[0] is systemdx, {ADDRESS}")),
        ("listen = [{}]", "listen[0].address is missing"),
        (
            "listen = [{address = 'a:1', mode = '0600'}]",
            "listen[0].mode is 0600, only a UNIX socket has one",
        ),
        (
            "listen = [{address = 'unix:/a', mode = 600}]",
            "listen[0].mode is 600, allowed is an octal number in quotes, \"0000\" to \"0777\"",
        ),
        (
            "listen = [{address = 'unix:/a', mode = '1777'}]",
            "listen[0].mode is 1777, allowed is an octal number in quotes, \"0000\" to \"0777\"",
        ),
        (
            "listen = [{address = 'a:1', proxy = true}]",
            "there is no key listen[0].proxy, known are address, mode, proxy_protocol",
        ),
        (
            "listen = [{address = 'a:1', cert = '/c'}]",
            "there is no key listen[0].cert, known are address, mode, proxy_protocol",
        ),
        // Two that do not fit together: the one that was written is the one to change.
        ("client_timeout = 20", "client_timeout is 20, it must be more than ping_interval, 25"),
        (
            "ping_interval = 30\nclient_timeout = 30",
            "client_timeout is 30, it must be more than ping_interval, 30",
        ),
        (
            "max_sessions = 2001",
            "max_sessions is 2001, it must not be more than max_connections, 2000",
        ),
        (
            "max_connections = 999",
            "max_connections is 999, it must not be less than max_sessions, 1000",
        ),
        ("key = '/k'", "key is of no use without cert"),
        (
            "client_ca = '/a'\nclient_certificate = 'optional'",
            "client_ca is of no use without cert",
        ),
        (
            "ssl_only = true",
            "ssl_only needs cert, or trusted_proxies that have the certificate: as it is nobody could connect",
        ),
        (
            "ssl_only = true\ntrusted_proxies = []",
            "ssl_only needs cert, or trusted_proxies that have the certificate: as it is nobody could connect",
        ),
        ("client_certificate = 'optional'", "client_certificate is of no use without client_ca"),
        (
            "cert = '/c'\nclient_ca = '/a'",
            "client_ca needs ssl_only = true, for a plain connection shows no certificate; or write client_certificate = \"optional\"",
        ),
        (
            "public_host = 'a:1'\npublic_port = 2",
            "public_port is 2, but public_host has port 1; write it in one of them",
        ),
        (
            "listen = ['a:1']\nhost = 'b'",
            "listen and host or port exclude each other; write the address and port into listen",
        ),
        (
            "listen = [{address = 'a:1', proxy_protocol = true}]",
            "listen expects the PROXY protocol, but nobody is trusted to speak it; write the reverse proxy's address into trusted_proxies",
        ),
        // Unknown keys.
        ("prot = 1", "there is no key prot, did you mean port?"),
        ("WS_PORT = 1", "there is no key WS_PORT, did you mean port?"),
        ("ping-interval = 1", "there is no key ping-interval, did you mean ping_interval?"),
        ("\"a b\\n\" = 1", &format!("there is no key \"a b\\n\", known are {known}")),
        (&format!("{long} = 1"), &format!("there is no key {cut}, known are {known}")),
    ] {
        assert_eq!(refusal(toml), format!("config.toml: {expected}"));
    }
}

#[test]
fn each_host_is_checked_under_its_own_number() {
    const HOSTNAME: &str = "allowed is an address or a name, with or without libvirt's or SSH's port, as in hv1, hv1:2222 or [2001:db8::1]:2222";
    const ID: &str = "0 to 9223372036854775807";
    const NAME: &str = "allowed is 1 to 100 characters, none of them a control character";
    const WAYS: &str = "allowed is socket, tcp, tls or ssh";
    const URI: &str = "allowed is a libvirt URI such as qemu:///system, without blanks";
    let socket = |line: &str| format!("id = 2\nconnection = 'socket'\n{line}");
    let uri = |uri: &str| socket(&format!("uri = {uri}"));
    let long = "n".repeat(101);
    let cut = format!("{}...", "n".repeat(60));
    for (host, expected) in [
        ("connection = 'socket'", "id is missing"),
        ("id = 2", "connection is missing"),
        ("id = -2\nconnection = 'socket'", &*format!("id is -2, allowed is {ID}")),
        (
            "id = '2'\nconnection = 'socket'",
            &format!("id is string \"2\", allowed is a whole number, {ID}"),
        ),
        ("id = 1\nconnection = 'socket'", "id is 1, hosts[0] has this id already"),
        ("id = 2\nconnection = 'sokcet'", &format!("connection is sokcet, {WAYS}")),
        ("id = 2\nconnection = 1", &format!("connection is 1, {WAYS}")),
        (
            "id = 2\nconnection = 'tcp'",
            "connection is tcp, it needs hostname, the hypervisor's name or address",
        ),
        (
            "id = 2\nconnection = 'tcp'\nuri = 'qemu+tcp://kvm/system'",
            "connection is tcp, it needs hostname, the hypervisor's name or address",
        ),
        ("id = 2\nconnection = 'tcp'\nhostname = 'k:x'", &format!("hostname is k:x, {HOSTNAME}")),
        (
            &socket("hostname = 'k'"),
            "hostname is k, a host with connection = \"socket\" is this machine; remove hostname, or write connection = \"tcp\"",
        ),
        (
            "id = 2\nconnection = 'tls'",
            "connection is tls, it needs hostname, the hypervisor's name or address",
        ),
        (&socket("name = ''"), &format!("name is \"\", {NAME}")),
        (&socket("name = \"a\\nb\""), &format!("name is \"a\\nb\", {NAME}")),
        (&socket(&format!("name = '{long}'")), &format!("name is {cut}, {NAME}")),
        (&uri("'/system'"), &format!("uri is /system, {URI}")),
        (&uri("'kvm:16509'"), &format!("uri is kvm:16509, {URI}")),
        (&uri("'://system'"), &format!("uri is ://system, {URI}")),
        (&uri("'qemu://'"), &format!("uri is qemu://, {URI}")),
        (&uri("'1q:///s'"), &format!("uri is 1q:///s, {URI}")),
        (&uri("'a:///b c'"), &format!("uri is \"a:///b c\", {URI}")),
        (&uri("\"a:///\\u0000\""), &format!("uri is \"a:///\\0\", {URI}")),
    ] {
        let toml = format!("[[hosts]]\nid = 1\nconnection = 'socket'\n[[hosts]]\n{host}\n");
        assert_eq!(refusal(&toml), format!("config.toml: hosts[1].{expected}"));
    }
    for (line, expected) in [
        ("hostnam = 1", "there is no key hosts[0].hostnam, did you mean hostname?"),
        (
            "cert = '/c'",
            "there is no key hosts[0].cert, write it above the first [[hosts]], for it is not one host's",
        ),
        (
            "certificate = 'x'",
            "there is no key hosts[0].certificate, known are id, name, connection, hostname, uri, login, password, password_file, ssh_key, ssh_known_hosts, ssh_config, ssh_tunnel, ssh_host_keys",
        ),
    ] {
        let toml = format!("[[hosts]]\n{}", socket(line));
        assert_eq!(refusal(&toml), format!("config.toml: {expected}"));
    }
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    let toml = "max_sesions = 5\nmax_sessions = -5\n[[hosts]]\nid = 1\n[[hosts]]\n";
    fs::write(&file, toml).unwrap();
    let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let error = Settings::load(Sources {
        file: file.clone(),
        file_required: true,
        environment: vec![text("WS_PORT", "https"), text("WS_PUBLIC_HOST", "a/b")],
        flags: vec![Flag { key: "host", value: "a:1".into() }],
    })
    .unwrap_err();
    let lines = [
        "flag -H, --host: host is a:1, allowed is an address or a name, without a port",
        "environment variable WS_PORT: port is string \"https\", allowed is a whole number, 0 to 65535",
        "environment variable WS_PUBLIC_HOST: public_host is a/b, allowed is a host name or address with or without a port, as in \
         console.example.org, 192.0.2.1:6080 or [2001:db8::1]",
        "FILE: max_sessions is -5, allowed is 1 to 1000000",
        "FILE: hosts[0].connection is missing",
        "FILE: hosts[1].id is missing",
        "FILE: hosts[1].connection is missing",
        "FILE: there is no key max_sesions, did you mean max_sessions?",
    ];
    let expected = lines.join("\n").replace("FILE", &file.display().to_string());
    assert_eq!(error.to_string(), expected);
    let ConfigError::Invalid { problems, .. } = error else { panic!("{error:?}") };
    assert_eq!(problems.len(), lines.len());
    assert_eq!(problems[5].key, "hosts[1].id");
    assert_eq!(problems[5].origin, file.display().to_string());
}

#[test]
fn hosts_that_are_called_host_are_not_hidden_by_a_flag() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    fs::write(&file, "[[host]]\nid = 1\nconnection = \"socket\"\n").unwrap();
    let flags = vec![Flag { key: "host", value: "::1".into() }];
    let sources = Sources { file, file_required: true, flags, ..Sources::default() };
    let error = Settings::load(sources).unwrap_err().to_string();
    assert!(error.ends_with("did you mean [[hosts]]?"), "{error}");
}

#[test]
fn a_file_that_is_not_toml_says_where() {
    for (toml, expected) in [
        ("host = \"a\"\nport = ", "line 2, column 8: "),
        ("host = \"a\nb\"", "line 1, column 10: "),
        ("port = 1\nport = 2", "line 2, column 1: duplicate key"),
        ("port = 99999999999999999999", "line 1, column 8: "),
    ] {
        let text = refusal(toml);
        assert!(text.starts_with(&format!("config.toml: {expected}")), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}

#[test]
fn a_file_that_cannot_be_read_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let required = || Sources { file: path.clone(), file_required: true, ..Sources::default() };
    let text = format!("{}: cannot be read", path.display());

    let error = Settings::load(required()).unwrap_err();
    assert_eq!(error.to_string(), text);
    assert!(
        matches!(error, ConfigError::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    );

    fs::write(&path, b"port = 1\nhost = \"\xff\"").unwrap();
    let text = format!("{}: line 2, column 9: this is not UTF-8", path.display());
    assert_eq!(Settings::load(required()).unwrap_err().to_string(), text);

    fs::write(&path, "#".repeat(console_config::MAX_FILE_SIZE)).unwrap();
    assert_eq!(Settings::load(required()).unwrap().settings, Settings::default());
    fs::write(&path, "#".repeat(console_config::MAX_FILE_SIZE + 1)).unwrap();
    assert!(matches!(Settings::load(required()), Err(ConfigError::TooLarge { .. })));

    // A folder in the file's place is no missing file.
    let file = folder.path().to_owned();
    let error = Settings::load(Sources { file, ..Sources::default() }).unwrap_err();
    assert!(matches!(error, ConfigError::Read { .. }), "{error:?}");
}

#[test]
fn without_a_certificate_a_trusted_proxy_may_have_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    fs::write(&file, "ssl_only = true\ntrusted_proxies = ['127.0.0.1']").unwrap();
    let loaded = Settings::load(Sources { file, ..Sources::default() }).unwrap();
    assert!(loaded.settings.server.ssl_only && loaded.settings.server.tls.is_none());
}
