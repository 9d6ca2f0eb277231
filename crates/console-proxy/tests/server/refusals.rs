//! Failures as the guest's own protocol tells them, beside the close code.

use std::time::{Duration, Instant};

use console_proxy::{ConsoleKind, Fault};
use harness::websocket::{Client, Message};

use crate::rig::{Answer, Server, TOKEN, path, quick};

const REASON: &[u8] = b"as the test wants it";

/// A session that fails because there is no such guest; nothing tells the client's kind.
async fn refused() -> (Server, Client) {
    let server = Server::start(quick(), Answer::Refuse(Fault::NotFound)).await;
    let client = Client::open(server.address, &path(), &[]).await.unwrap();
    (server, client)
}

#[tokio::test]
async fn a_vnc_client_reads_the_reason_in_its_own_version() {
    let failure = |types: &[u8]| [types, &[0, 0, 0, 20], REASON].concat();
    for (version, expected) in [
        (&b"RFB 003.008\n"[..], failure(&[0])),
        (b"RFB 003.007\n", failure(&[0])),
        (b"RFB 003.003\n", failure(&[0, 0, 0, 0])),
    ] {
        let (server, mut client) = refused().await;
        // Old noVNC wants the version whole in one message, and the failure, too.
        assert_eq!(client.message().await.unwrap(), b"RFB 003.008\n");
        client.send(Message::binary(version)).await.unwrap();
        assert_eq!(client.message().await.unwrap(), expected);
        let closed = client.closed().await.unwrap();
        assert_eq!((closed.code, closed.reason.as_bytes()), (4404, REASON));
        assert!(closed.bytes.is_empty());
        server.stop().await;
    }
}

#[tokio::test]
async fn a_client_that_says_nothing_is_told_as_vnc_in_bounded_time() {
    let (server, mut client) = refused().await;
    let start = Instant::now();
    let closed = client.closed().await.unwrap();
    assert_eq!(closed.bytes, [b"RFB 003.008\n\0\0\0\0\x14", REASON].concat());
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    server.stop().await;
}

#[tokio::test]
async fn a_spice_client_gets_a_link_reply_with_the_fitting_error() {
    for (fault, code, error) in [
        (Fault::NotFound, 4404, 9_u8),
        (Fault::NoConsole, 4409, 9),
        (Fault::NeedsTls, 4409, 5),
        (Fault::Unavailable, 4503, 1),
        (Fault::Internal, 1011, 1),
    ] {
        let server = Server::start(quick(), Answer::Refuse(fault)).await;
        let mut client = Client::open(server.address, &path(), &[]).await.unwrap();
        client.send(Message::binary(&b"REDQ\x02\0\0\0\x02\0\0\0"[..])).await.unwrap();
        let reply = client.message().await.unwrap();
        assert_eq!((reply.len(), &reply[..4], reply[16]), (194, &b"REDQ"[..], error), "{fault:?}");
        assert_eq!(client.closed().await.unwrap().code, code);
        server.stop().await;
    }
    // A bad token is known before the client has said anything; what it asked for tells.
    let server = Server::start(quick(), Answer::Never).await;
    let mut client = Client::open(server.address, "/?graphics=spice&token=x", &[]).await.unwrap();
    let reply = client.message().await.unwrap();
    assert_eq!((&reply[..4], reply[16]), (&b"REDQ"[..], 7));
    assert_eq!(client.closed().await.unwrap().code, 4400);
    server.stop().await;
}

#[tokio::test]
async fn a_kind_that_nobody_knows_is_refused() {
    let server = Server::start(quick(), Answer::Never).await;
    let asked = format!("/?token={TOKEN}&graphics=rdp");
    let mut client = Client::open(server.address, &asked, &[]).await.unwrap();
    let closed = client.closed().await.unwrap();
    assert_eq!(
        (closed.code, closed.reason.as_str()),
        (4400, "graphics in the address must be vnc or spice")
    );
    server.stop().await;
}

#[tokio::test]
async fn a_console_that_does_not_open_is_told_in_its_own_protocol() {
    let missing = console_proxy::Route::Unix { path: "/nonexistent/spice.sock".into() };
    let server = Server::start(quick(), Answer::Console(ConsoleKind::Spice, missing)).await;
    let mut client = Client::open(server.address, &path(), &[]).await.unwrap();
    let reply = client.message().await.unwrap();
    assert_eq!((&reply[..4], reply[16]), (&b"REDQ"[..], 1));
    assert_eq!(client.closed().await.unwrap().code, 4502);
    server.stop().await;
}
