//! An open WebSocket.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use websocket_probe::{ProbeError, Step};

use crate::rig::{LIMIT, SHORT, TOKEN, ask, head, header, opened, server, texts};

type Socket = WebSocketStream<TcpStream>;

/// Answers pings, and that is all.
async fn answer(mut socket: Socket) {
    while let Some(Ok(_)) = socket.next().await {}
}

async fn close_with(mut socket: Socket, code: u16, reason: &str) {
    let frame = CloseFrame { code: code.into(), reason: reason.to_owned().into() };
    let _ = socket.send(Message::Close(Some(frame))).await;
    answer(socket).await;
}

#[tokio::test]
async fn a_ping_is_answered_whatever_comes_before() {
    let mut open = opened(async |mut socket: Socket| {
        for message in [
            Message::binary(vec![]),
            Message::binary(&b"RFB 003.008\n"[..]),
            Message::text("hello"),
            Message::Pong(vec![0; 8].into()),
        ] {
            socket.send(message).await.unwrap();
        }
        answer(socket).await;
    })
    .await;
    assert!(open.ping(LIMIT).await.unwrap() < LIMIT);
    assert!(open.ping(LIMIT).await.is_ok());
    // It came before the pong, and is not lost.
    assert_eq!(open.first_bytes(LIMIT).await.unwrap(), b"RFB 003.008\n");
    assert!(matches!(
        open.first_bytes(SHORT).await,
        Err(ProbeError::TimedOut { step: Step::FirstBytes, .. })
    ));
    open.close(LIMIT).await;
}

#[tokio::test]
async fn of_a_large_message_the_beginning_is_kept() {
    let mut open = opened(async |mut socket: Socket| {
        socket.send(Message::binary(vec![7; 100_000])).await.unwrap();
        answer(socket).await;
    })
    .await;
    assert_eq!(open.first_bytes(LIMIT).await.unwrap(), [7; 4096]);
}

#[tokio::test]
async fn a_message_without_bounds_is_broken_off() {
    let mut open = opened(async |socket: Socket| {
        let mut stream = socket.into_inner();
        // A binary frame of 2^40 bytes (RFC 6455 section 5.2).
        let _ = stream.write_all(&[0x82, 127, 0, 0, 1, 0, 0, 0, 0, 0]).await;
        while stream.write_all(&[0; 4096]).await.is_ok() {}
    })
    .await;
    let error = open.ping(LIMIT).await.unwrap_err();
    assert!(matches!(error, ProbeError::Broken { .. }), "{error:?}");
}

#[tokio::test]
async fn the_servers_close_is_told_with_code_and_reason() {
    let reason = format!("no guest {TOKEN}");
    let mut open = opened(async move |mut socket: Socket| {
        socket.send(Message::binary(&b"RFB 003.008\n"[..])).await.unwrap();
        close_with(socket, 4404, &reason).await;
    })
    .await;
    for _ in 0..2 {
        let error = open.ping(LIMIT).await.unwrap_err();
        let ProbeError::Closed { code: 4404, reason } = &error else { panic!("{error:?}") };
        assert_eq!(reason, "no guest 1-0a1b2c3d-****-d8e9");
        assert!(!texts(&error).contains(TOKEN) && error.remedy().contains("panel"));
    }
    // What came before is still there.
    assert_eq!(open.first_bytes(LIMIT).await.unwrap(), b"RFB 003.008\n");
    assert!(matches!(open.first_bytes(LIMIT).await, Err(ProbeError::Closed { code: 4404, .. })));
}

#[tokio::test]
async fn a_close_without_code_and_a_cut_are_told_as_a_browser_does() {
    let mut open = opened(async |mut socket: Socket| {
        let _ = socket.send(Message::Close(None)).await;
        answer(socket).await;
    })
    .await;
    assert!(matches!(open.ping(LIMIT).await, Err(ProbeError::Closed { code: 1005, .. })));

    let mut open = opened(async |socket: Socket| drop(socket)).await;
    let error = open.first_bytes(LIMIT).await.unwrap_err();
    assert!(matches!(error, ProbeError::Closed { code: 1006, .. }), "{error:?}");
    assert!(error.remedy().contains("proxy_read_timeout"));
}

#[tokio::test]
async fn the_servers_close_is_answered() {
    let (tell, told) = oneshot::channel();
    let mut open = opened(async |mut socket: Socket| {
        let _ = socket.send(Message::Close(None)).await;
        let mut is_answered = false;
        while let Some(Ok(message)) = socket.next().await {
            is_answered |= message.is_close();
        }
        tell.send(is_answered).unwrap();
    })
    .await;
    open.ping(LIMIT).await.unwrap_err();
    drop(open);
    assert!(told.await.unwrap());
}

#[tokio::test]
async fn silence_is_a_time_out() {
    let (_keep, kept) = oneshot::channel::<()>();
    let mut open = opened(async |socket: Socket| {
        let _ = kept.await;
        drop(socket);
    })
    .await;
    let error = open.ping(SHORT).await.unwrap_err();
    assert!(matches!(error, ProbeError::TimedOut { step: Step::Ping, .. }), "{error:?}");
    assert!(error.remedy().contains("ping_interval"));
}

#[tokio::test]
async fn an_idle_connection_that_lives_stays() {
    let mut open = opened(answer).await;
    open.stay(Duration::ZERO).await.unwrap();
    open.stay(SHORT).await.unwrap();
}

#[tokio::test]
async fn while_idle_pings_are_answered() {
    let (tell, told) = oneshot::channel();
    let mut open = opened(async |mut socket: Socket| {
        socket.send(Message::Ping(b"alive?".as_slice().into())).await.unwrap();
        tell.send(socket.next().await.unwrap().unwrap()).unwrap();
        answer(socket).await;
    })
    .await;
    // Ends only with the pong, and long before the span.
    tokio::select! {
        ended = open.stay(LIMIT) => panic!("{ended:?}"),
        pong = told => assert_eq!(pong.unwrap(), Message::Pong(b"alive?".as_slice().into())),
    }
}

#[tokio::test]
async fn an_idle_connection_that_is_closed_or_cut_does_not_stay() {
    let mut open = opened(async |socket: Socket| close_with(socket, 1001, "idle").await).await;
    let error = open.stay(LIMIT).await.unwrap_err();
    assert!(
        matches!(&error, ProbeError::Closed { code: 1001, reason } if reason == "idle"),
        "{error:?}"
    );

    let mut open = opened(async |socket: Socket| drop(socket)).await;
    assert!(matches!(open.stay(LIMIT).await, Err(ProbeError::Closed { code: 1006, .. })));
}

#[tokio::test]
async fn a_flood_does_not_outlast_the_span() {
    let mut open = opened(async |mut socket: Socket| {
        let (mut write, mut read) = {
            socket.send(Message::binary(&b"first"[..])).await.unwrap();
            socket.split()
        };
        let flood = async { while write.send(Message::binary(vec![0; 1024])).await.is_ok() {} };
        let hear = async { while let Some(Ok(_)) = read.next().await {} };
        tokio::join!(flood, hear);
    })
    .await;
    open.stay(SHORT).await.unwrap();
    assert_eq!(open.first_bytes(LIMIT).await.unwrap(), b"first");
}

#[tokio::test]
async fn our_close_is_a_normal_one() {
    let (tell, told) = oneshot::channel();
    let open = opened(async |mut socket: Socket| {
        tell.send(socket.next().await.unwrap().unwrap()).unwrap();
        answer(socket).await;
    })
    .await;
    open.close(LIMIT).await;
    let Message::Close(Some(frame)) = told.await.unwrap() else { panic!("no Close frame") };
    assert_eq!(u16::from(frame.code), 1000);
}

#[tokio::test]
async fn what_comes_right_behind_the_101_is_not_lost() {
    let address = server(async |mut stream: TcpStream| {
        let head = head(&mut stream).await;
        let accept = derive_accept_key(header(&head, "Sec-Websocket-Key").unwrap().as_bytes());
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        // A whole frame in the same write.
        stream.write_all(&[answer.as_bytes(), b"\x82\x05hello"].concat()).await.unwrap();
        answer_pings(stream).await;
    })
    .await;
    let mut open = ask(&address, &[]).await.unwrap();
    assert_eq!(open.first_bytes(LIMIT).await.unwrap(), b"hello");
}

async fn answer_pings(stream: TcpStream) {
    answer(WebSocketStream::from_raw_socket(stream, Role::Server, None).await).await;
}
