//! The relay against a scripted client and a scripted backend, all in memory and in virtual time: a wait passes when nothing else can happen.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::time::Duration;

use bytes::Bytes;
use console_websocket::{
    ClientEnd, ClientSocket, CloseCode, CloseReason, Limits, READ_SIZE, RelayEnd, RelayReport,
};
use futures_util::{SinkExt, StreamExt};
use hyper_tungstenite::WebSocketStream;
use hyper_tungstenite::tungstenite::protocol::frame::Frame;
use hyper_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use hyper_tungstenite::tungstenite::{Message, protocol::Role};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// A client, a backend, and the relay between them.
struct Rig {
    client: WebSocketStream<DuplexStream>,
    backend: DuplexStream,
    stop: oneshot::Sender<()>,
    relay: JoinHandle<RelayReport>,
}

/// What each pipe holds: small, so that back-pressure is felt early.
const PIPE: usize = 1024;

/// Long enough for any step on a loaded machine; only a broken relay waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

async fn rig(limits: Limits) -> Rig {
    let (client, server) = duplex(PIPE);
    let (backend, relay_end) = duplex(PIPE);
    let client = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
    let (stop, stopped) = oneshot::channel();
    let relay = tokio::spawn(async move {
        let socket = ClientSocket::from_upgraded(server, limits).await;
        let stopped = async {
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        socket.relay(relay_end, stopped, explain).await
    });
    Rig { client, backend, stop, relay }
}

fn explain(end: &RelayEnd) -> (CloseCode, CloseReason) {
    let code = match end {
        RelayEnd::BackendClosed => CloseCode::NORMAL,
        RelayEnd::Stopped => CloseCode::GOING_AWAY,
        RelayEnd::Client(ClientEnd::Text) => CloseCode::UNSUPPORTED_DATA,
        RelayEnd::Client(ClientEnd::TooBig) => CloseCode::MESSAGE_TOO_BIG,
        RelayEnd::Client(_) => CloseCode::PROTOCOL_ERROR,
        _ => CloseCode::BACKEND_LOST,
    };
    (code, CloseReason::new(&end.to_string()))
}

impl Rig {
    async fn send(&mut self, message: Message) {
        timeout(PATIENCE, self.client.send(message)).await.unwrap().unwrap();
    }

    /// The next binary message.
    async fn binary(&mut self) -> Bytes {
        match timeout(PATIENCE, self.client.next()).await.unwrap() {
            Some(Ok(Message::Binary(bytes))) => bytes,
            other => panic!("expected a binary message, found {other:?}"),
        }
    }

    /// Everything up to the Close frame: the payload and the close code.
    async fn read_to_end(&mut self) -> (Vec<u8>, u16) {
        let mut all = Vec::new();
        loop {
            match timeout(PATIENCE, self.client.next()).await.unwrap() {
                Some(Ok(Message::Binary(bytes))) => all.extend_from_slice(&bytes),
                Some(Ok(Message::Close(Some(frame)))) => return (all, frame.code.into()),
                Some(Ok(Message::Ping(_))) => {}
                other => panic!("expected bytes or a Close frame, found {other:?}"),
            }
        }
    }

    async fn backend_reads(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        timeout(PATIENCE, self.backend.read_exact(&mut bytes)).await.unwrap().unwrap();
        bytes
    }
}

async fn report(relay: JoinHandle<RelayReport>) -> RelayReport {
    timeout(PATIENCE, relay).await.unwrap().unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_backends_last_byte_comes_before_its_end() {
    let Rig { mut client, mut backend, stop: _stop, relay } = rig(Limits::default()).await;
    let sent: Vec<u8> = (0..1_000_000u32).map(|i| (i % 251) as u8).collect();
    let copy = sent.clone();
    let writer = tokio::spawn(async move {
        backend.write_all(&copy).await.unwrap();
        backend.shutdown().await.unwrap();
        // A backend that half-closes still sees what comes from the client.
        let mut rest = Vec::new();
        backend.read_to_end(&mut rest).await.unwrap();
    });
    let mut got = Vec::new();
    let code = loop {
        match timeout(PATIENCE, client.next()).await.unwrap().unwrap().unwrap() {
            Message::Binary(bytes) => {
                assert!(bytes.len() <= READ_SIZE);
                got.extend_from_slice(&bytes);
            }
            Message::Close(frame) => break u16::from(frame.unwrap().code),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(code, 1000);
    assert!(got == sent, "{} of {} bytes", got.len(), sent.len());
    let _ = client.next().await;
    drop(client);
    writer.await.unwrap();
    let report = report(relay).await;
    assert!(matches!(report.end, RelayEnd::BackendClosed));
    assert_eq!(report.to_client, 1_000_000);
}

#[tokio::test(start_paused = true)]
async fn the_clients_close_reaches_the_backend_after_its_last_byte() {
    let mut rig = rig(Limits::default()).await;
    rig.send(Message::binary(&b"last words"[..])).await;
    let start = tokio::time::Instant::now();
    rig.client.close(None).await.unwrap();
    let mut all = Vec::new();
    timeout(PATIENCE, rig.backend.read_to_end(&mut all)).await.unwrap().unwrap();
    assert_eq!(all, b"last words");
    // At once, not when the closing's time is over; virtual time stands still while anything happens.
    assert_eq!(start.elapsed(), Duration::ZERO);
    drop(rig.backend);
    // The closing handshake is answered (RFC 6455 section 5.5.1).
    let answer = timeout(PATIENCE, rig.client.next()).await.unwrap();
    assert!(matches!(answer, Some(Ok(Message::Close(_)))), "{answer:?}");
    let report = report(rig.relay).await;
    assert!(matches!(report.end, RelayEnd::Client(ClientEnd::Closed { code: 1005 })), "{report:?}");
    assert_eq!(report.to_backend, 10);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_half_closes_its_connection_ends_the_session() {
    let mut rig = rig(Limits::default()).await;
    rig.send(Message::binary(&b"x"[..])).await;
    rig.client.get_mut().shutdown().await.unwrap();
    let mut all = Vec::new();
    timeout(PATIENCE, rig.backend.read_to_end(&mut all)).await.unwrap().unwrap();
    assert_eq!(all, b"x");
    drop(rig.backend);
    let report = report(rig.relay).await;
    assert!(matches!(report.end, RelayEnd::Client(ClientEnd::Lost { .. })), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn fragments_empty_messages_and_pings_are_what_the_rfc_says() {
    let mut rig = rig(Limits::default()).await;
    rig.send(Message::binary(Bytes::new())).await;
    let fragment = |bytes: &'static [u8], op: Data, last: bool| {
        Message::Frame(Frame::message(bytes, OpCode::Data(op), last))
    };
    rig.send(fragment(b"frag", Data::Binary, false)).await;
    // A control frame may stand between fragments (RFC 6455 section 5.4).
    rig.send(Message::Ping(Bytes::from_static(b"are you there"))).await;
    rig.send(fragment(b"", Data::Continue, false)).await;
    rig.send(fragment(b"mented", Data::Continue, true)).await;
    assert_eq!(rig.backend_reads(10).await, b"fragmented");
    match timeout(PATIENCE, rig.client.next()).await.unwrap() {
        Some(Ok(Message::Pong(payload))) => assert_eq!(&payload[..], b"are you there"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn one_read_of_the_backend_is_one_message_at_once() {
    let mut rig = rig(Limits::default()).await;
    for piece in [&b"RFB 003.008\n"[..], b"\x01\x01", b"x"] {
        rig.backend.write_all(piece).await.unwrap();
        assert_eq!(rig.binary().await, piece);
    }
}

#[tokio::test(start_paused = true)]
async fn text_and_oversized_messages_close_with_their_codes() {
    let limits = Limits { max_message_size: 1000, ..Limits::default() };
    let table = [
        (Message::text("hello"), 1003),
        (Message::binary(vec![0; 1001]), 1009),
        (Message::Frame(Frame::message(vec![0; 600], OpCode::Data(Data::Binary), false)), 1009),
    ];
    for (message, expected) in table {
        let mut rig = rig(limits.clone()).await;
        rig.send(message).await;
        if expected == 1009 {
            // The fragments' sum counts, not each one.
            let more = Frame::message(vec![0; 600], OpCode::Data(Data::Continue), true);
            let _ = rig.client.send(Message::Frame(more)).await;
        }
        assert_eq!(rig.read_to_end().await.1, expected);
        let mut all = Vec::new();
        timeout(PATIENCE, rig.backend.read_to_end(&mut all)).await.unwrap().unwrap();
        assert!(all.is_empty());
    }
    let mut rig = rig(limits).await;
    rig.send(Message::binary(vec![7; 1000])).await;
    assert_eq!(rig.backend_reads(1000).await, [7; 1000]);
}

#[tokio::test(start_paused = true)]
async fn slow_readers_hold_back_their_writers() {
    let mut rig = rig(Limits::default()).await;
    // The client reads nothing: the backend can write what the pipes and one message hold, and no more.
    let most = 2 * PIPE + READ_SIZE;
    let mut written = 0;
    while let Ok(step) = timeout(Duration::from_millis(300), rig.backend.write(&[1; PIPE])).await {
        written += step.unwrap();
        assert!(written <= most, "{written} bytes went into a relay whose client reads nothing");
    }
    // The other direction is not held up by it.
    rig.send(Message::binary(&b"still here"[..])).await;
    assert_eq!(rig.backend_reads(10).await, b"still here");
    // And when the client reads again, all of it arrives.
    let mut read = 0;
    while read < written {
        read += rig.binary().await.len();
    }
    assert_eq!(read, written);
}

#[tokio::test(start_paused = true)]
async fn bytes_before_the_backend_is_open_are_kept_in_order_and_bounded() {
    let (client, server) = duplex(PIPE);
    let mut client = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
    let (open, opened) = oneshot::channel::<DuplexStream>();
    let (mut backend, relay_end) = duplex(PIPE);
    let limits = Limits { early_bytes: 4000, ..Limits::default() };
    let relay = tokio::spawn(async move {
        let mut socket = ClientSocket::from_upgraded(server, limits).await;
        let backend = socket.while_connecting(opened).await.unwrap().unwrap();
        socket.relay(backend, std::future::pending(), explain).await
    });
    // 1,000 bytes a message: four or five are kept, then the pipe fills, then the client has to wait.
    let mut sent = Vec::new();
    for number in 0..=u8::MAX {
        let message = Message::binary(vec![number; 1000]);
        let Ok(result) = timeout(Duration::from_millis(300), client.send(message)).await else {
            sent.push(number);
            break;
        };
        result.unwrap();
        sent.push(number);
    }
    assert!((4..=8).contains(&sent.len()), "{} messages were taken", sent.len());
    open.send(relay_end).unwrap();
    let flushed = tokio::spawn(async move {
        client.flush().await.unwrap();
        client.close(None).await.unwrap();
        while let Some(Ok(_)) = client.next().await {}
    });
    let mut all = Vec::new();
    timeout(PATIENCE, backend.read_to_end(&mut all)).await.unwrap().unwrap();
    let expected: Vec<u8> = sent.iter().flat_map(|&number| vec![number; 1000]).collect();
    assert!(all == expected, "{} of {} bytes, or out of order", all.len(), expected.len());
    drop(backend);
    flushed.await.unwrap();
    report(relay).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_while_the_backend_opens_is_noticed() {
    let (client, server) = duplex(PIPE);
    let mut client = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
    let waiting = tokio::spawn(async move {
        let mut socket = ClientSocket::from_upgraded(server, Limits::default()).await;
        socket.while_connecting(std::future::pending::<()>()).await
    });
    client.close(None).await.unwrap();
    let end = timeout(PATIENCE, waiting).await.unwrap().unwrap();
    assert_eq!(end, Err(ClientEnd::Closed { code: 1005 }));
}

#[tokio::test(start_paused = true)]
async fn an_idle_client_is_pinged_and_a_silent_one_is_given_up() {
    let mut rig = rig(Limits::default()).await;
    let start = tokio::time::Instant::now();
    // Reading answers the pings, as a browser does, so the session outlives the silence time-out.
    for ping in 1..=10u32 {
        match rig.client.next().await {
            Some(Ok(Message::Ping(_))) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(start.elapsed().as_secs(), u64::from(ping) * 25);
        rig.client.flush().await.unwrap();
    }
    // Not read any more, it answers nothing.
    let report = rig.relay.await.unwrap();
    assert!(matches!(report.end, RelayEnd::Client(ClientEnd::Silent)), "{report:?}");
    let after = report.duration.as_secs();
    assert!((250 + 74..=250 + 76).contains(&after), "{after} s");
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_takes_nothing_is_given_up() {
    let mut rig = rig(Limits::default()).await;
    rig.send(Message::binary(vec![0; 8 * PIPE])).await;
    let code = loop {
        match rig.client.next().await {
            Some(Ok(Message::Close(Some(frame)))) => break u16::from(frame.code),
            Some(Ok(Message::Ping(_))) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(code, 4502);
    let report = rig.relay.await.unwrap();
    assert!(matches!(report.end, RelayEnd::BackendStalled), "{report:?}");
    assert_eq!(report.duration.as_secs(), 75);
}

#[tokio::test(start_paused = true)]
async fn stopping_says_going_away() {
    let mut rig = rig(Limits::default()).await;
    rig.stop.send(()).unwrap();
    let mut all = Vec::new();
    timeout(PATIENCE, rig.backend.read_to_end(&mut all)).await.unwrap().unwrap();
    drop(rig.backend);
    match timeout(PATIENCE, rig.client.next()).await.unwrap() {
        Some(Ok(Message::Close(Some(frame)))) => assert_eq!(u16::from(frame.code), 1001),
        other => panic!("{other:?}"),
    }
    assert!(matches!(report(rig.relay).await.end, RelayEnd::Stopped));
}

#[tokio::test(start_paused = true)]
async fn what_the_backend_said_before_it_went_still_arrives() {
    let mut rig = rig(Limits::default()).await;
    rig.backend.write_all(b"goodbye").await.unwrap();
    drop(rig.backend);
    // The write that finds the backend gone must not overtake its last words.
    let _ = rig.client.send(Message::binary(vec![0; 100])).await;
    let mut all = Vec::new();
    let code = loop {
        match timeout(PATIENCE, rig.client.next()).await.unwrap() {
            Some(Ok(Message::Binary(bytes))) => all.extend_from_slice(&bytes),
            Some(Ok(Message::Close(Some(frame)))) => break u16::from(frame.code),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((all.as_slice(), code), (&b"goodbye"[..], 1000));
}
