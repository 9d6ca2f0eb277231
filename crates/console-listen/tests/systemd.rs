//! Sockets that systemd passes: a shell puts them at descriptors 3 and 4 and becomes this program.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may fail loudly, and a child tells its parent"
)]

use std::fs::File;
use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::{Command, Stdio};

use console_listen::{Address, ListenError, Listening, Passed, Socket, open};

#[allow(dead_code, reason = "each test file needs another part of it")]
mod child;

#[test]
fn child() {
    let Some(role) = child::role() else { return };
    match opened(&role) {
        Ok(all) => {
            for Listening { origin, socket, .. } in all {
                let flags = match &socket {
                    Socket::Tcp(listener) => rustix::io::fcntl_getfd(listener),
                    Socket::Unix(socket) => rustix::io::fcntl_getfd(socket.listener()),
                };
                assert!(flags.unwrap().contains(rustix::io::FdFlags::CLOEXEC));
                let waits = match &socket {
                    Socket::Tcp(listener) => listener.accept().err(),
                    Socket::Unix(socket) => socket.listener().accept().err(),
                };
                assert_eq!(waits.unwrap().kind(), io::ErrorKind::WouldBlock);
                child::tell(&format!("{origin:?} {socket}"));
            }
        }
        Err(error) => child::tell(&format!("{error}; {}", error.remedy().unwrap_or_default())),
    }
}

/// `role` is the list of addresses, separated by spaces.
fn opened(role: &str) -> Result<Vec<Listening>, ListenError> {
    let addresses: Vec<Address> = role
        .split_whitespace()
        .map(|word| match word.split_once(':') {
            Some(("systemd", name)) => Address::Systemd { name: Some(name.into()) },
            None => Address::Systemd { name: None },
            Some((host, port)) => Address::Tcp { host: host.into(), port: port.parse().unwrap() },
        })
        .collect();
    let passed = Passed::from_environment()?;
    // Once: what was taken is not announced to anybody else.
    assert!(passed.is_empty() || std::env::var("LISTEN_FDS").is_err());
    open(&addresses, passed)
}

/// What the child tells that gets `sockets` as systemd would pass them, under `names`.
fn run(addresses: &str, sockets: Vec<OwnedFd>, names: &str) -> Vec<String> {
    run_with(addresses, sockets, names, "LISTEN_PID=$$")
}

fn run_with(addresses: &str, sockets: Vec<OwnedFd>, names: &str, extra: &str) -> Vec<String> {
    let count = sockets.len();
    let mut sockets = sockets.into_iter().map(Stdio::from);
    let names = if names.is_empty() { String::new() } else { format!("LISTEN_FDNAMES={names}") };
    let script = format!(
        "exec 3<&0 4>&1 1>&2 </dev/null; {names} LISTEN_FDS={count} {extra} exec \"$0\" \"$@\""
    );
    let output = Command::new("sh")
        .args(["-c", &script])
        .arg(std::env::current_exe().unwrap())
        .args(child::ARGUMENTS)
        .env(child::ROLE, addresses)
        .stdin(sockets.next().unwrap_or_else(Stdio::null))
        .stdout(sockets.next().unwrap_or_else(Stdio::null))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
        .wait_with_output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    child::told(&output.stderr)
}

fn tcp() -> (OwnedFd, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener.into(), address)
}

#[test]
fn passed_sockets_stand_in_place_of_all_addresses() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sock");
    let unix = UnixListener::bind(&path).unwrap();
    let (socket, address) = tcp();
    // The list's own address would be an error.
    let told = run("192.0.2.1:6080", vec![socket, unix.try_clone().unwrap().into()], "web:local");
    assert_eq!(
        told,
        [
            format!("Passed(\"web\") {address}"),
            format!("Passed(\"local\") unix:{}", path.display())
        ]
    );
    // systemd's file is not ours to remove.
    UnixStream::connect(&path).unwrap();
}

#[test]
fn each_goes_to_the_entry_with_its_name() {
    let ((web, web_at), (admin, admin_at)) = (tcp(), tcp());
    let told = run("systemd:admin 127.0.0.1:0 systemd", vec![web, admin], "web:admin");
    assert_eq!(told.len(), 3);
    assert_eq!(told[0], format!("Address(0) {admin_at}"));
    assert!(told[1].starts_with("Address(1) 127.0.0.1:"));
    assert_eq!(told[2], format!("Address(2) {web_at}"));

    // Two of one name, as a unit with two ListenStream= passes them.
    let ((one, one_at), (other, other_at)) = (tcp(), tcp());
    let told = run("systemd:web", vec![one, other], "web:web");
    assert_eq!(told, [format!("Address(0) {one_at}"), format!("Address(0) {other_at}")]);

    // Without LISTEN_FDNAMES.
    let (socket, address) = tcp();
    assert_eq!(run("systemd:unknown", vec![socket], ""), [format!("Address(0) {address}")]);
}

#[test]
fn every_socket_needs_an_entry_and_every_entry_a_socket() {
    for (addresses, expected) in [
        (
            "systemd:web",
            "descriptor 4, passed by systemd as admin, is of no entry of the list; add systemd:admin to the list, or take the socket out of the unit",
        ),
        (
            "systemd:web systemd:admin systemd:x",
            "systemd:x: systemd passed no such socket; it passed web, admin; name it so by FileDescriptorName= in the socket unit",
        ),
        (
            "systemd:web systemd:admin systemd",
            "systemd: systemd passed no such socket; it passed web, admin; name it so by FileDescriptorName= in the socket unit",
        ),
        ("systemd systemd", "systemd is in the list twice; leave one of them out"),
    ] {
        let told = run(addresses, vec![tcp().0, tcp().0], "web:admin");
        assert_eq!(told, [expected], "{addresses}");
    }
    let told = run("systemd:web", vec![], "");
    assert_eq!(
        told,
        [
            "systemd:web: systemd passed no such socket; it passed none at all; start the program by its socket unit: systemctl start NAME.socket"
        ]
    );
}

#[test]
fn what_is_no_listener_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connected = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    for (wrong, found) in [
        (OwnedFd::from(UdpSocket::bind("127.0.0.1:0").unwrap()), "a UDP socket"),
        (OwnedFd::from(UnixDatagram::unbound().unwrap()), "a UNIX datagram socket"),
        (OwnedFd::from(connected), "a stream socket that does not listen"),
        (OwnedFd::from(UnixStream::pair().unwrap().0), "a stream socket that does not listen"),
        (OwnedFd::from(io::pipe().unwrap().0), "a pipe"),
        (OwnedFd::from(File::open("/dev/null").unwrap()), "a file or a device"),
    ] {
        let told = run("systemd", vec![tcp().0, wrong], "web:admin");
        let expected = format!(
            "descriptor 4, passed by systemd as admin, is {found}, not a TCP or UNIX stream socket that listens; use ListenStream= in the socket unit, with Accept=no"
        );
        assert_eq!(told, [expected]);
    }
}

#[test]
fn what_is_meant_for_another_process_is_left_alone() {
    for pid in ["LISTEN_PID=1", "LISTEN_PID=", "LISTEN_PID=x"] {
        let told = run_with("systemd", vec![tcp().0], "web", pid);
        assert!(told[0].contains("it passed none at all"), "{told:?}");
    }
}

#[test]
fn a_count_that_cannot_be_is_refused() {
    for (count, shown) in [("x", "x"), ("257", "257"), ("-1", "-1"), ("2000000000", "2000000000")] {
        let extra = format!("LISTEN_PID=$$ LISTEN_FDS={count}");
        let told = run_with("systemd", vec![tcp().0], "web", &extra);
        let start =
            format!("the environment's LISTEN_FDS is {shown}, allowed is a number up to 256; ");
        assert!(told[0].starts_with(&start), "{told:?}");
    }
}
