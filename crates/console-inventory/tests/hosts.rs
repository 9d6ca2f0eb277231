//! What each kind of host becomes: its libvirt URI, where that listens, and how its consoles are reached.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::num::NonZeroU16;

use console_inventory::{
    Connection, Endpoint, Host, HostError, HostId, HostKeys, Login, SshConfig, SshOptions, SshUser,
};
use console_route::{HostAccess, Tunnel};
use secrecy::SecretString;

fn at(host: &str, port: u16) -> Endpoint {
    Endpoint { host: host.into(), port: NonZeroU16::new(port) }
}

fn login(name: &str) -> Login {
    Login { name: Some(name.into()), password: None }
}

fn config() -> SshConfig {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    std::fs::write(
        &path,
        "Host hv1\n  HostName hv1.example.org\n  Port 2222\n  User libvirt\n  IdentityFile /etc/passwd\n\
         Host behind\n  ProxyJump gate\n",
    )
    .unwrap();
    let user = SshUser { name: "console".into(), home: "/home/console".into(), agent: None };
    SshConfig::of_file(&path, &user).unwrap()
}

fn host(connection: &Connection, login: Login) -> Result<Host, HostError> {
    Host::new(HostId::new(1), "x", connection, login, &config(), None)
}

#[test]
fn each_connection_implies_its_uri_and_address() {
    let none = Login::default;
    let ssh = |host: &str, port| Connection::Ssh(at(host, port), SshOptions::default());
    let remote = |hostname: &str| HostAccess::Remote { hostname: hostname.into() };
    let through = |via: &str, hostname: &str, tunnel| HostAccess::Ssh::<String> {
        via: via.into(),
        hostname: hostname.into(),
        tunnel,
    };
    for (connection, login, uri, address, access) in [
        (Connection::Socket, none(), "qemu:///system", None, HostAccess::Local),
        (
            Connection::Tcp(at("hv1", 0)),
            login("root"),
            "qemu+tcp://hv1/system",
            Some(("hv1", 16509)),
            remote("hv1"),
        ),
        (
            Connection::Tcp(at("2001:db8::1", 1)),
            none(),
            "qemu+tcp://[2001:db8::1]:1/system",
            Some(("2001:db8::1", 1)),
            remote("2001:db8::1"),
        ),
        (
            Connection::Tls(at("hv1", 0)),
            login("a@b"),
            "qemu+tls://a%40b@hv1/system",
            Some(("hv1", 16514)),
            remote("hv1"),
        ),
        // The ssh program reads the configuration itself.
        (
            ssh("hv1", 0),
            none(),
            "qemu+ssh://hv1/system?no_tty=1",
            Some(("hv1.example.org", 2222)),
            through("hv1", "hv1.example.org", Tunnel::WhenNeeded),
        ),
        (
            ssh("hv1", 22),
            login("root"),
            "qemu+ssh://root@hv1:22/system?no_tty=1",
            Some(("hv1.example.org", 22)),
            through("hv1", "hv1.example.org", Tunnel::WhenNeeded),
        ),
        // Nothing listens where we could try, and every console needs the tunnel.
        (
            ssh("behind", 0),
            none(),
            "qemu+ssh://behind/system?no_tty=1",
            None,
            through("behind", "behind", Tunnel::Always),
        ),
    ] {
        let host = host(&connection, login).unwrap();
        assert_eq!((host.libvirt_uri(), host.libvirt_address()), (uri, address));
        let reached = match host.access().clone() {
            HostAccess::Ssh { via, hostname, tunnel } => {
                assert_eq!(via.hostname, hostname);
                HostAccess::Ssh { via: via.to_string(), hostname, tunnel }
            }
            HostAccess::Remote { hostname } => HostAccess::Remote { hostname },
            _ => HostAccess::Local,
        };
        assert_eq!(reached, access);
    }
}

#[test]
fn libssh_is_given_what_the_ssh_program_would_read_itself() {
    let password = Login { name: None, password: Some(SecretString::from("s3cret")) };
    let with = |options| Connection::Ssh(at("hv1", 0), options);
    let default = SshOptions::default;
    for (connection, login, uri) in [
        (
            with(SshOptions { key: Some("/k e".into()), ..default() }),
            Login::default(),
            "qemu+ssh://hv1/system?no_tty=1&keyfile=/k%20e",
        ),
        (
            with(default()),
            password,
            "qemu+libssh2://libvirt@hv1.example.org:2222/system?sshauth=privkey,agent,password&known_hosts_verify=normal\
             &keyfile=/etc/passwd&known_hosts=/home/console/.ssh/known_hosts",
        ),
        (
            with(SshOptions {
                key: Some("/k".into()),
                known_hosts: Some("/h&k".into()),
                ..default()
            }),
            login("root"),
            "qemu+libssh2://root@hv1.example.org:2222/system?sshauth=privkey,agent&known_hosts_verify=normal\
             &keyfile=/k&known_hosts=/h%26k",
        ),
        (
            with(SshOptions { host_keys: Some(HostKeys::AcceptNew), ..default() }),
            Login::default(),
            "qemu+libssh2://libvirt@hv1.example.org:2222/system?sshauth=privkey,agent&known_hosts_verify=auto\
             &keyfile=/etc/passwd&known_hosts=/home/console/.ssh/known_hosts",
        ),
    ] {
        let host = host(&connection, login).unwrap();
        assert_eq!(host.libvirt_uri(), uri);
        assert!(!format!("{host:?}").contains("s3cret"));
    }
}

#[test]
fn a_jump_host_and_files_of_ones_own_do_not_go_together() {
    let options = SshOptions { known_hosts: Some("/h".into()), ..SshOptions::default() };
    let error = host(&Connection::Ssh(at("behind", 0), options), Login::default()).unwrap_err();
    assert!(
        error.to_string().starts_with("host x: ssh_config puts it behind a jump host"),
        "{error}"
    );
}

#[test]
fn a_uri_of_ones_own_is_completed_for_ssh_and_left_alone_otherwise() {
    let options = SshOptions {
        key: Some("/k e".into()),
        known_hosts: Some("/h".into()),
        host_keys: Some(HostKeys::AcceptNew),
        ..SshOptions::default()
    };
    let ssh = Connection::Ssh(at("behind", 0), options);
    let tls = Connection::Tls(at("hv1", 0));
    for (connection, uri, expected, address) in [
        (
            &ssh,
            "qemu+ssh://behind/session",
            "qemu+ssh://root@behind/session?keyfile=/k%20e&no_tty=1",
            None,
        ),
        (
            &ssh,
            "qemu+ssh://admin@behind/system?keyfile=/x",
            "qemu+ssh://admin@behind/system?keyfile=/x&no_tty=1",
            None,
        ),
        (
            &ssh,
            "qemu+libssh://behind:2222/system?sshauth=agent",
            "qemu+libssh://root@behind:2222/system?sshauth=agent&keyfile=/k%20e&known_hosts=/h&known_hosts_verify=auto",
            Some(("behind", 2222)),
        ),
        (&ssh, "test:///default", "test:///default", None),
        (
            &tls,
            "qemu+tls://hv1/system?pkipath=/p",
            "qemu+tls://hv1/system?pkipath=/p",
            Some(("hv1", 16514)),
        ),
    ] {
        let host = Host::new(HostId::new(1), "x", connection, login("root"), &config(), Some(uri))
            .unwrap();
        assert_eq!((host.libvirt_uri(), host.libvirt_address()), (expected, address));
    }
}
