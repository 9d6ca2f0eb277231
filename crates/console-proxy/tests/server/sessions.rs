//! Sessions from the upgrade to the close code.

use std::time::Duration;

use console_proxy::{ConsoleKind, Fault, Route};
use futures_util::{SinkExt, StreamExt};
use harness::websocket::{Client, Message};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::rig::{Answer, Server, TOKEN, accept, path, quick, tcp};

#[tokio::test]
async fn any_path_carries_bytes_both_ways() {
    let (server, backend) = Server::with_backend(quick()).await;
    for path in ["/", "//novncd/", "/websockify", "/console", "/console/console.js", "/a/b%20c"] {
        let path = format!("{path}?x=1&token={TOKEN}");
        let mut client = Client::open(server.address, &path, &[]).await.unwrap();
        let mut console = accept(&backend).await;
        console.write_all(b"RFB 003.008\n").await.unwrap();
        assert_eq!(client.read(12).await.unwrap(), b"RFB 003.008\n");
        client.send(Message::binary(&b"RFB 003.008\n"[..])).await.unwrap();
        let mut got = [0; 12];
        console.read_exact(&mut got).await.unwrap();
        drop(console);
        let closed = client.closed().await.unwrap();
        assert_eq!((closed.code, closed.reason.as_str()), (1000, "the guest's console has ended"));
    }
    server.stop().await;
}

#[tokio::test]
async fn binary_is_echoed_if_and_only_if_offered() {
    let (server, _backend) = Server::with_backend(quick()).await;
    for (offer, echoed) in [
        (Some("binary"), true),
        (Some("binary, base64"), true),
        (Some("base64,binary"), true),
        (Some("base64"), false),
        (None, false),
    ] {
        let line = offer.map(|offer| format!("Sec-WebSocket-Protocol: {offer}"));
        let lines: Vec<&str> = line.as_deref().into_iter().collect();
        let client = Client::open(server.address, &path(), &lines).await.unwrap();
        let head = client.head.to_lowercase();
        assert_eq!(
            head.contains("sec-websocket-protocol: binary\r\n"),
            echoed,
            "{offer:?}: {head}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn the_101_goes_out_before_the_lookup_ends() {
    let server = Server::start(quick(), Answer::Never).await;
    // Opening succeeds though the lookup never ends; then its time-out is told.
    let mut client = Client::open(server.address, &path(), &[]).await.unwrap();
    assert_eq!(client.closed().await.unwrap().code, 4503);
    server.stop().await;
}

#[tokio::test]
async fn early_bytes_reach_the_backend() {
    let (server, backend) = Server::with_backend(quick()).await;
    let mut client = Client::open(server.address, &path(), &[]).await.unwrap();
    client.send(Message::binary(&b"REDQ"[..])).await.unwrap();
    let mut got = [0; 4];
    accept(&backend).await.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"REDQ");
    server.stop().await;
}

#[tokio::test]
async fn cookies_carry_tokens_and_the_query_decides_alone() {
    let (server, backend) = Server::with_backend(quick()).await;
    let cookie = format!("Cookie: sessionid=x; token=\"{TOKEN}\"; broken");
    let _client =
        Client::open(server.address, "/", &["Cookie: token=broken", &cookie]).await.unwrap();
    accept(&backend).await;
    for (path, headers) in
        [("/?token=broken", &[cookie.as_str()][..]), ("/", &["Cookie: a=b"]), ("/", &[])]
    {
        let mut client = Client::open(server.address, path, headers).await.unwrap();
        assert_eq!(client.closed().await.unwrap().code, 4400, "{path} {headers:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn failures_have_their_codes_and_tell_no_secret() {
    let closed_port = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        tcp(listener.local_addr().unwrap())
    };
    let missing = Route::Unix { path: "/nonexistent/secret.sock".into() };
    let table = [
        (Answer::Refuse(Fault::NotFound), 4404),
        (Answer::Refuse(Fault::NoConsole), 4409),
        (Answer::Refuse(Fault::Unavailable), 4503),
        (Answer::Refuse(Fault::Internal), 1011),
        (Answer::Console(ConsoleKind::Vnc, closed_port), 4502),
        (Answer::Console(ConsoleKind::Vnc, missing), 4502),
    ];
    for (answer, code) in table {
        let server = Server::start(quick(), answer).await;
        let mut client = Client::open(server.address, &path(), &[]).await.unwrap();
        let closed = client.closed().await.unwrap();
        assert_eq!(closed.code, code, "{closed:?}");
        assert!(!closed.reason.is_empty() && !closed.reason.contains("secret"), "{closed:?}");
        server.stop().await;
    }
}

#[tokio::test]
async fn a_backend_that_never_answers_its_syn_times_out() {
    // With the accept queue full Linux drops the SYN: the silence of a firewall.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut fillers = Vec::new();
    while let Ok(filler) =
        tokio::time::timeout(Duration::from_millis(300), tokio::net::TcpStream::connect(address))
            .await
    {
        fillers.push(filler);
        assert!(fillers.len() < 16, "the backlog never filled");
    }
    let server = Server::start(quick(), Answer::Console(ConsoleKind::Vnc, tcp(address))).await;
    let mut client = Client::open(server.address, &path(), &[]).await.unwrap();
    assert_eq!(client.closed().await.unwrap().code, 4504);
    server.stop().await;
}

#[tokio::test]
async fn text_and_big_messages_have_their_codes() {
    let (server, backend) = Server::with_backend(quick()).await;
    for (message, code) in
        [(Message::text("hi"), 1003), (Message::binary(vec![0; 1024 * 1024 + 1]), 1009)]
    {
        let mut client = Client::open(server.address, &path(), &[]).await.unwrap();
        let mut console = accept(&backend).await;
        client.send(message).await.unwrap();
        assert_eq!(client.closed().await.unwrap().code, code);
        assert_eq!(console.read_to_end(&mut Vec::new()).await.unwrap(), 0);
    }
    server.stop().await;
}

#[tokio::test]
async fn the_close_code_arrives_though_the_client_goes_on_sending() {
    let (server, backend) = Server::with_backend(quick()).await;
    for _ in 0..20 {
        let Client { stream, .. } = Client::open(server.address, &path(), &[]).await.unwrap();
        let _console = accept(&backend).await;
        let (mut writes, mut reads) = stream.split();
        // More than the kernel's buffers hold: most of it is unread when the server has seen enough.
        let sending = tokio::spawn(async move {
            let _ = writes.send(Message::binary(vec![0; 16 * 1024 * 1024])).await;
            writes
        });
        match tokio::time::timeout(Duration::from_secs(30), reads.next()).await.unwrap() {
            Some(Ok(Message::Close(Some(frame)))) => assert_eq!(u16::from(frame.code), 1009),
            other => panic!("expected a Close frame, found {other:?}"),
        }
        sending.abort();
    }
    server.stop().await;
}

#[tokio::test]
async fn a_reset_backend_is_lost_and_not_ended() {
    let (server, backend) = Server::with_backend(quick()).await;
    let mut client = Client::open(server.address, &path(), &[]).await.unwrap();
    let console = accept(&backend).await;
    // With linger 0 close sends a reset (socket(7), SO_LINGER).
    console.set_zero_linger().unwrap();
    drop(console);
    assert_eq!(client.closed().await.unwrap().code, 4502);
    server.stop().await;
}

#[tokio::test]
async fn a_shutdown_closes_sessions_with_1001_and_returns() {
    let (server, backend) = Server::with_backend(quick()).await;
    let mut client = Client::open(server.address, &path(), &[]).await.unwrap();
    let mut console = accept(&backend).await;
    let waiting = tokio::spawn(async move {
        let mut lookup = Vec::new();
        console.read_to_end(&mut lookup).await.unwrap()
    });
    let (closed, ()) = tokio::join!(client.closed(), server.stop());
    assert_eq!(closed.unwrap().code, 1001);
    assert_eq!(waiting.await.unwrap(), 0);
}
