//! TCP on loopback: what may stand together, and who is in the way.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may fail loudly, and a child tells its parent"
)]

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};

use console_listen::{Address, ListenError, Listening, Origin, Passed, Socket, open, who_listens};

#[allow(dead_code, reason = "each test file needs another part of it")]
mod child;

#[test]
fn child() {
    if child::role().as_deref() == Some("listen") {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        child::tell(&listener.local_addr().unwrap().to_string());
        child::stay();
    }
}

fn tcp(host: &str, port: u16) -> Address {
    Address::Tcp { host: host.into(), port }
}

fn listen(addresses: &[Address]) -> Result<Vec<Listening>, ListenError> {
    open(addresses, Passed::none())
}

fn listener(listening: &Listening) -> &TcpListener {
    match &listening.socket {
        Socket::Tcp(listener) => listener,
        Socket::Unix(_) => panic!("not TCP"),
    }
}

/// A port that is free on all addresses: the system has just chosen it, and the socket is closed again.
fn free_port() -> u16 {
    listener(&listen(&[tcp("::", 0)]).unwrap()[0]).local_addr().unwrap().port()
}

/// Somebody else on the machine may take the port in between.
fn with_free_port<T>(mut work: impl FnMut(u16) -> Result<T, ListenError>) -> T {
    for _ in 0..50 {
        match work(free_port()) {
            Err(ListenError::Taken { .. }) => {}
            other => return other.unwrap(),
        }
    }
    panic!("no port stays free");
}

#[test]
fn ipv4_and_ipv6_stand_together_on_one_port_in_any_order() {
    for hosts in [["0.0.0.0", "::"], ["::", "0.0.0.0"], ["127.0.0.1", "::"], ["::", "127.0.0.1"]] {
        let (port, opened) =
            with_free_port(|port| Ok((port, listen(&hosts.map(|host| tcp(host, port)))?)));
        assert_eq!(opened.len(), 2);
        for (index, (listening, host)) in opened.iter().zip(hosts).enumerate() {
            assert_eq!(listening.origin, Origin::Address(index));
            let expected = SocketAddr::new(host.parse().unwrap(), port);
            assert_eq!(listener(listening).local_addr().unwrap(), expected);
        }
    }
}

#[test]
fn the_ipv6_wildcard_alone_takes_ipv4() {
    let opened = listen(&[tcp("::", 0)]).unwrap();
    let port = listener(&opened[0]).local_addr().unwrap().port();
    TcpStream::connect(("127.0.0.1", port)).unwrap();
    TcpStream::connect(("::1", port)).unwrap();
}

#[test]
fn a_listener_does_not_block_and_is_not_inherited() {
    let opened = listen(&[tcp("127.0.0.1", 0)]).unwrap();
    let error = listener(&opened[0]).accept().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    let flags = rustix::io::fcntl_getfd(listener(&opened[0])).unwrap();
    assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
}

#[test]
fn a_name_means_its_addresses() {
    let opened = listen(&[tcp("localhost", 0)]).unwrap();
    assert!(!opened.is_empty());
    for listening in &opened {
        assert_eq!(listening.origin, Origin::Address(0));
        assert!(listener(listening).local_addr().unwrap().ip().is_loopback());
    }
}

#[test]
fn a_port_that_we_have_is_said_to_be_ours() {
    let opened = listen(&[tcp("127.0.0.1", 0)]).unwrap();
    let address = listener(&opened[0]).local_addr().unwrap();
    let us = std::process::id();
    for host in ["127.0.0.1", "0.0.0.0", "::"] {
        let error = listen(&[tcp(host, address.port())]).unwrap_err();
        let text = error.to_string();
        let start = format!("{host} port {} is taken by tcp-", address.port());
        assert!(text.starts_with(&start) && text.contains(&format!("(pid {us}, user ")), "{text}");
        assert!(std::error::Error::source(&error).is_some());
        assert_eq!(error.remedy().unwrap(), "stop it, or choose another port with -p or port");
        let found = who_listens(SocketAddr::new(host.parse().unwrap(), address.port()));
        let found = found.iter().find(|holder| holder.pid == Some(us)).unwrap();
        assert!(found.program.as_ref().unwrap().starts_with("tcp-"), "{found:?}");
    }
    assert_eq!(who_listens(SocketAddr::new("127.0.0.2".parse().unwrap(), address.port())), []);
    drop(opened);
    // A child that another test is just starting may have a copy.
    assert!(who_listens(address).iter().all(|holder| holder.pid != Some(us)));
}

#[test]
fn a_dual_stack_listener_is_in_the_way_of_ipv4() {
    let opened = listen(&[tcp("::", 0)]).unwrap();
    let port = listener(&opened[0]).local_addr().unwrap().port();
    let error = listen(&[tcp("127.0.0.1", port)]).unwrap_err();
    let ListenError::Taken { holders, .. } = &error else { panic!("{error}") };
    assert!(holders.iter().any(|holder| holder.pid == Some(std::process::id())));
}

#[test]
fn another_process_is_named() {
    let other = child::Running::start(child::command("listen"));
    let address: SocketAddr = other.line.parse().unwrap();
    let error = listen(&[tcp("127.0.0.1", address.port())]).unwrap_err();
    let ListenError::Taken { place, holders, .. } = &error else { panic!("{error}") };
    assert_eq!(*place, address);
    assert_eq!(holders.len(), 1);
    assert_eq!(holders[0].pid, Some(other.id()));
    assert!(error.to_string().contains(&format!("(pid {}, ", other.id())), "{error}");
}

/// Where the tests run as root, a thread that is nobody sees the owner and nothing else; elsewhere there is nobody to hide from.
#[test]
fn a_process_of_another_user_shows_as_the_user() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let other = child::Running::start(child::command("listen"));
    let address: SocketAddr = other.line.parse().unwrap();
    let error = std::thread::spawn(move || {
        let nobody = rustix::thread::Uid::from_raw(65534);
        rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
        listen(&[tcp("127.0.0.1", address.port())]).unwrap_err().to_string()
    });
    assert_eq!(
        error.join().unwrap(),
        format!(
            "127.0.0.1 port {} is taken by a process of user root (its name is hidden from us)",
            address.port()
        )
    );
}

#[test]
fn a_low_port_takes_a_privilege() {
    let lowest = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    let lowest: u16 = lowest.trim().parse().unwrap();
    if lowest < 2 {
        return;
    }
    // Nobody has no capability, on a thread of root's either.
    let error = std::thread::spawn(|| {
        if rustix::process::geteuid().is_root() {
            let nobody = rustix::thread::Uid::from_raw(65534);
            rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
        }
        listen(&[tcp("127.0.0.1", 1)]).unwrap_err()
    });
    let error = error.join().unwrap();
    assert_eq!(
        error.to_string(),
        format!(
            "127.0.0.1 port 1 is not for us: on this machine ports below {lowest} take root or CAP_NET_BIND_SERVICE"
        )
    );
    assert_eq!(
        error.remedy().unwrap(),
        format!(
            "port {lowest} or higher, or AmbientCapabilities=CAP_NET_BIND_SERVICE in the systemd unit"
        )
    );
}

#[test]
fn what_cannot_be_listened_on_is_said() {
    // RFC 5737: nobody's address.
    let error = listen(&[tcp("192.0.2.1", 0)]).unwrap_err();
    assert_eq!(error.to_string(), "192.0.2.1 is not an address of this machine");
    assert_eq!(error.remedy().unwrap(), "ip addr shows them; 0.0.0.0 means all");
    // RFC 6761: nobody's name.
    let error = listen(&[tcp("console.invalid", 0)]).unwrap_err();
    assert_eq!(error.to_string(), "the name console.invalid cannot be resolved");
    let error = listen(&[tcp("127.0.0.1", 6080), tcp("0.0.0.0", 6080)]).unwrap_err();
    assert_eq!(error.to_string(), "127.0.0.1:6080 and 0.0.0.0:6080 both mean 127.0.0.1:6080");
    assert!(matches!(listen(&[]), Err(ListenError::Nothing)));
}

#[test]
fn if_one_fails_none_stays_open() {
    let port = with_free_port(|port| {
        let error = listen(&[tcp("127.0.0.1", port), tcp("192.0.2.1", port)]).unwrap_err();
        match error {
            ListenError::NotOurs { .. } => Ok(port),
            other => Err(other),
        }
    });
    assert!(
        who_listens(SocketAddr::new("127.0.0.1".parse().unwrap(), port))
            .iter()
            .all(|holder| holder.pid != Some(std::process::id()))
    );
}
