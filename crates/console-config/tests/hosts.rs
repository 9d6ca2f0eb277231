//! The keys of `[[hosts]]` that go together or contradict each other, and what no message repeats.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail loudly")]

use std::fs;
use std::path::Path;

use console_config::{ConfigError, HostSettings, Settings, Sources};

fn load(folder: &Path, host: &str) -> Result<HostSettings, ConfigError> {
    let file = folder.join("config.toml");
    fs::write(&file, format!("[[hosts]]\nid = 1\n{host}\n")).unwrap();
    let settings = Settings::load(Sources { file, file_required: true, ..Sources::default() });
    settings.map(|loaded| loaded.settings.hosts[0].clone())
}

fn refusal(host: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let text = load(folder.path(), host).expect_err(host).to_string();
    text.replace(&format!("{}/config.toml: ", folder.path().display()), "")
}

const SOCKET: &str = "connection = 'socket'";
const TCP: &str = "connection = 'tcp'\nhostname = 'hv1'";
const SSH: &str = "connection = 'ssh'\nhostname = 'hv1:2222'";

#[test]
fn a_uri_names_the_machine_that_the_other_keys_name() {
    let folder = tempfile::tempdir().unwrap();
    for (keys, uri) in [
        (SOCKET, "qemu:///session"),
        (SOCKET, "qemu+unix:///system?socket=/run/x"),
        (SOCKET, "qemu+tcp://127.0.0.1:16510/system"),
        (SOCKET, "test:///default"),
        (TCP, "qemu+tcp://HV1:16510/system"),
        // Another way to the same machine.
        (TCP, "qemu+tls://hv1/system?pkipath=/etc/pki/console"),
        (TCP, "qemu://hv1/system"),
        (TCP, "test:///default"),
        (SSH, "qemu+libssh2://root@hv1/system"),
        ("connection = 'tls'\nhostname = '[2001:DB8::1]:1'", "qemu+tls://[2001:db8:0::1]/system"),
        ("connection = 'tcp'\nhostname = 'localhost'", "qemu:///system"),
        ("connection = 'ssh'\nhostname = 'localhost:2222'", "qemu+ssh://localhost:2222/system"),
        (
            "connection = 'tls'\nhostname = 'hv1'\nlogin = 'a@b'\npassword = 'x'",
            "qemu+tls://a%40b@hv1/system?pkipath=/x",
        ),
    ] {
        let host = load(folder.path(), &format!("{keys}\nuri = '{uri}'")).unwrap();
        assert_eq!(host.uri.as_deref(), Some(uri));
    }
    const WHY: &str =
        "the guest would be looked up on one machine and its console opened on another";
    for (keys, uri, theirs, ours) in [
        (SOCKET, "qemu+tcp://hv1/system", "hv1", "this machine"),
        (SOCKET, "qemu+ssh://root@192.0.2.1/system", "192.0.2.1", "this machine"),
        (TCP, "qemu:///system", "this machine", "hv1"),
        (TCP, "qemu+unix:///system?socket=/run/x", "this machine", "hv1"),
        (TCP, "qemu+tcp://hv2/system", "hv2", "hv1"),
        (TCP, "qemu+tcp://hv1.example.org/system", "hv1.example.org", "hv1"),
        (SSH, "qemu+ssh:///system", "this machine", "hv1"),
        (TCP, "test://hv2/default", "hv2", "hv1"),
        (
            "connection = 'ssh'\nhostname = 'localhost:2222'",
            "qemu:///system",
            "this machine",
            "an SSH server on this machine, which may be another's",
        ),
    ] {
        assert_eq!(
            refusal(&format!("{keys}\nuri = '{uri}'")),
            format!(
                "hosts[0].uri leads to {theirs}, but connection and hostname say {ours}: {WHY}"
            )
        );
    }
}

#[test]
fn keys_that_do_not_go_together() {
    let login = "allowed is 1 to 100 characters that do not begin with - and have no blanks, quotes or any of :/?#[]\\";
    for (keys, expected) in [
        (
            format!("{SOCKET}\nlogin = 'x'"),
            "hosts[0].login is of no use: a host with connection = \"socket\" asks for no login"
                .to_owned(),
        ),
        (
            format!("{SOCKET}\nssh_key = '/k'"),
            "hosts[0].ssh_key is of no use without connection = \"ssh\"".into(),
        ),
        (
            format!("{TCP}\nssh_tunnel = 'always'"),
            "hosts[0].ssh_tunnel is of no use without connection = \"ssh\"".into(),
        ),
        (format!("{TCP}\npassword = 'x'"), "hosts[0].password needs login beside it".into()),
        (
            format!("{SSH}\nssh_key = 'k'"),
            format!(
                "hosts[0].ssh_key is k, allowed is an absolute path; from here it would mean {}",
                std::env::current_dir().unwrap().join("k").display()
            ),
        ),
        (
            format!("{SSH}\nssh_tunnel = 'yes'"),
            "hosts[0].ssh_tunnel is yes, allowed is when-needed or always".into(),
        ),
        (
            format!("{SSH}\nssh_host_keys = 'no'"),
            "hosts[0].ssh_host_keys is no, allowed is strict or accept-new".into(),
        ),
        (
            format!("{SSH}\nlogin = '-oProxyCommand=x'"),
            format!("hosts[0].login is -oProxyCommand=x, {login}"),
        ),
        (format!("{SSH}\nlogin = 'a b'"), format!("hosts[0].login is \"a b\", {login}")),
        (format!("{SSH}\nlogin = 'a@b'"), "hosts[0].login is a@b, an SSH login has no @".into()),
        (
            format!("{SSH}\nlogin = 'root'\nuri = 'qemu+ssh://admin@hv1/system'"),
            "hosts[0].uri has another login than login; write it in one of them".into(),
        ),
    ] {
        assert_eq!(refusal(&keys), expected);
    }
    // SASL knows realms, and an SSH login may come from ssh_config.
    let folder = tempfile::tempdir().unwrap();
    load(folder.path(), &format!("{TCP}\nlogin = 'console@example.org'\npassword = 'x'")).unwrap();
    load(folder.path(), &format!("{SSH}\npassword = 'x'")).unwrap();
}

#[test]
fn a_password_comes_from_a_file_but_for_its_line_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    let with_file = || format!("{TCP}\nlogin = 'x'\npassword_file = '{}'", path.display());
    for (content, expected) in
        [("s3cret", "s3cret"), ("s3cret\n", "s3cret"), ("s3 cret\r\n", "s3 cret"), ("a\n\n", "a\n")]
    {
        fs::write(&path, content).unwrap();
        let host = load(folder.path(), &with_file()).unwrap();
        assert_eq!(host.password.unwrap().expose(), expected);
    }
    for (content, expected) in [
        (&b""[..], "which has 0 bytes, allowed are 1 to 1000 bytes without NUL"),
        (b"\n", "which has 0 bytes, allowed are 1 to 1000 bytes without NUL"),
        (b"s3cret\0", "which has 7 bytes, allowed are 1 to 1000 bytes without NUL"),
        (b"s3cret\xff", "which is not UTF-8"),
        (&[b'x'; 5000], "which is larger than 4096 bytes"),
    ] {
        fs::write(&path, content).unwrap();
        let error = load(folder.path(), &with_file()).unwrap_err().to_string();
        assert!(
            error.ends_with(expected) && error.contains("hosts[0].password_file is /"),
            "{error}"
        );
        assert!(!error.contains("s3cret"), "{error}");
    }
    let missing = refusal(&format!("{TCP}\nlogin = 'x'\npassword_file = '/nonexistent/password'"));
    assert_eq!(
        missing,
        "hosts[0].password_file is /nonexistent/password, which cannot be read: No such file or directory (os error 2)"
    );
    let folder_path = folder.path().display();
    let no_file = refusal(&format!("{TCP}\nlogin = 'x'\npassword_file = '{folder_path}'"));
    assert!(no_file.ends_with("which is no file"), "{no_file}");
    let both = refusal(&format!("{TCP}\nlogin = 'x'\npassword = 's3cret'\npassword_file = '/x'"));
    assert_eq!(both, "hosts[0].password_file and password exclude each other");
}

#[test]
fn no_message_repeats_a_password() {
    for keys in [
        format!("{TCP}\nlogin = 'x'\npassword = ['s3cret']"),
        format!("{TCP}\nlogin = 'x'\npassword = \"s3cret\\u0000\""),
        format!("{TCP}\nlogin = 'x'\npassword = '{}'", "s3cret".repeat(200)),
        format!("{TCP}\nlogin = 'x'\npasword = 's3cret'"),
        format!("{TCP}\nuri = 'qemu+tcp://root:s3cret@hv1/system'"),
        format!("{TCP}\nuri = 'qemu+tcp://root:s3cret @hv1/system'"),
        format!("{TCP}\nuri = 'qemu+tcp://root:s3/cret@hv1/system'"),
        format!("{TCP}\nuri = ['qemu+tcp://root:s3cret@hv1/system']"),
        format!("{TCP}\nlogin = 'x'\npassword_file = 's3cret'"),
        format!("{TCP}\nlogin = 'root:s3cret'"),
        "connection = 'ssh'\nhostname = 'root:s3cret@hv1'".to_owned(),
    ] {
        let text = refusal(&keys);
        assert!(!text.contains("cret"), "{text}");
    }
    let folder = tempfile::tempdir().unwrap();
    let host = load(folder.path(), &format!("{TCP}\nlogin = 'x'\npassword = 's3cret'")).unwrap();
    assert!(!format!("{host:?}").contains("s3cret"));
    assert_eq!(
        refusal(&format!("{TCP}\nuri = 'qemu+tcp://root:s3cret@hv1/system'")),
        "hosts[0].uri is a URI with a password in it; write login and password (or password_file) instead"
    );
}
