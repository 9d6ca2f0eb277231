//! Names and TCP.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use websocket_probe::{Address, ProbeError, connect, resolve};

use crate::rig::{LIMIT, SHORT};

/// A port at which nobody listens, and nobody else can as long as it is held.
fn held() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

#[tokio::test]
async fn an_address_is_its_own() {
    for (url, expected) in
        [("ws://192.0.2.1:6080", "192.0.2.1:6080"), ("wss://[2001:db8::1]", "[2001:db8::1]:443")]
    {
        let address: Address = url.parse().unwrap();
        assert_eq!(resolve(&address, LIMIT).await.unwrap(), [expected.parse().unwrap()]);
    }
}

#[tokio::test]
async fn a_name_that_is_none_is_told() {
    // RFC 6761 section 6.4: it never exists.
    let address: Address = "ws://console.invalid".parse().unwrap();
    let error = resolve(&address, LIMIT).await.unwrap_err();
    assert!(matches!(&error, ProbeError::Resolve { host, .. } if host == "console.invalid"));
    assert!(error.remedy().contains("DNS"));
}

#[tokio::test]
async fn the_first_that_accepts_is_taken() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let there = listener.local_addr().unwrap();
    let (_held, silent) = held();
    let stream = connect(&[silent, there], LIMIT).await.unwrap();
    assert_eq!(stream.peer_addr().unwrap(), there);
}

#[tokio::test]
async fn each_that_refuses_is_named() {
    let ((_one, one), (_other, other)) = (held(), held());
    let error = connect(&[one, other], LIMIT).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&one.to_string()) && text.contains(&other.to_string()), "{text}");
    let ProbeError::Connect { attempts } = &error else { panic!("{error:?}") };
    assert!(attempts.iter().all(|one| one.fault.kind() == io::ErrorKind::ConnectionRefused));
    assert!(error.remedy().contains("start the server"));
}

#[tokio::test]
async fn no_time_is_a_time_out() {
    // Documentation's own (RFC 5737): nobody answers there, or this machine has no way there and says so.
    let error = connect(&["192.0.2.1:9".parse().unwrap()], Duration::ZERO).await.unwrap_err();
    let ProbeError::Connect { attempts } = &error else { panic!("{error:?}") };
    if attempts[0].fault.kind() == io::ErrorKind::TimedOut {
        assert!(error.remedy().contains("firewall"));
    }
    assert!(matches!(connect(&[], SHORT).await, Err(ProbeError::Connect { .. })));
}
