//! Opening routes on this machine, and the errors of those that cannot be opened.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::error::Error as _;
use std::num::NonZeroU16;
use std::time::Duration;

use console_backend::{OpenError, open};
use console_route::Route;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};

const LIMIT: Duration = Duration::from_secs(10);

fn tcp(host: &str, port: u16) -> Route {
    Route::Tcp { host: host.into(), port: NonZeroU16::new(port).unwrap() }
}

#[tokio::test]
async fn a_tcp_console_opens_and_half_closes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    // localhost may resolve to ::1 first, where nothing listens: the next address is tried.
    let route = tcp("localhost", port);
    let (opened, accepted) = tokio::join!(open(&route, LIMIT), listener.accept());
    let (mut backend, mut server) = (opened.unwrap(), accepted.unwrap().0);
    backend.write_all(b"keys").await.unwrap();
    backend.shutdown().await.unwrap();
    let mut got = Vec::new();
    server.read_to_end(&mut got).await.unwrap();
    server.write_all(b"picture").await.unwrap();
    drop(server);
    let mut back = Vec::new();
    backend.read_to_end(&mut back).await.unwrap();
    assert_eq!((got.as_slice(), back.as_slice()), (&b"keys"[..], &b"picture"[..]));
}

#[tokio::test]
async fn a_unix_console_opens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vnc.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let route = Route::Unix { path: path.to_str().unwrap().into() };
    let (opened, accepted) = tokio::join!(open(&route, LIMIT), listener.accept());
    accepted.unwrap().0.write_all(b"RFB").await.unwrap();
    let mut got = [0; 3];
    opened.unwrap().read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"RFB");
}

#[tokio::test]
async fn a_closed_port_is_refused_by_name() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = open(&tcp("127.0.0.1", port), LIMIT).await.unwrap_err();
    assert!(matches!(error, OpenError::Refused { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        format!("tcp 127.0.0.1:{port} refused the connection: nothing listens there")
    );
}

#[tokio::test]
async fn a_full_backlog_ends_in_the_time_out() {
    // With the accept queue full Linux drops the SYN: the same silence as behind a firewall.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let route = tcp("127.0.0.1", listener.local_addr().unwrap().port());
    let mut fillers = Vec::new();
    let error = loop {
        match open(&route, Duration::from_millis(200)).await {
            Ok(filler) => fillers.push(filler),
            Err(error) => break error,
        }
        assert!(fillers.len() < 16, "the backlog never filled");
    };
    assert!(matches!(error, OpenError::TimedOut { .. }), "{error:?}");
}

#[tokio::test]
async fn a_missing_socket_keeps_the_systems_words() {
    let error =
        open(&Route::Unix { path: "/nonexistent/vnc.sock".into() }, LIMIT).await.unwrap_err();
    assert_eq!(error.to_string(), "unix /nonexistent/vnc.sock cannot be opened");
    assert!(error.source().unwrap().to_string().contains("No such file or directory"));
}
