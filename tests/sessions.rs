//! WebSocket sessions on real guests, byte by byte.

use harness::websocket::{Client, Message};
use harness::{Bed, Result};

/// What QEMU's VNC server says first (RFC 6143 section 7.1.1).
const BANNER: &[u8] = b"RFB 003.008\n";

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_every_age_reach_the_guest() -> Result<()> {
    let bed = Bed::start()?;
    let guest = bed.guest("vnc").start()?;
    let proxy = bed.proxy().arg("-d").start()?;
    let token = format!("1-{}", guest.uuid());
    let cookie = format!("Cookie: csrftoken=x; token={token}");
    // WebVirtMgr's noVNC of 2013, WebVirtCloud's pages behind their nginx, noVNC 1.0, and one without a subprotocol.
    let table = [
        ("/".to_owned(), vec![cookie.as_str(), "Sec-WebSocket-Protocol: binary, base64"], true),
        ("//novncd/".to_owned(), vec![&cookie, "Sec-WebSocket-Protocol: binary"], true),
        (format!("/websockify?token={token}"), vec!["Sec-WebSocket-Protocol: binary"], true),
        (format!("/?token={token}"), vec!["Cookie: token=2-broken"], false),
    ];
    for (path, headers, binary) in table {
        let mut client = Client::open(proxy.address(), &path, &headers).await?;
        let head = client.head.to_lowercase();
        assert_eq!(head.contains("sec-websocket-protocol: binary\r\n"), binary, "{path}: {head}");
        assert_eq!(client.read(BANNER.len()).await?, BANNER, "{path}");
    }
    // Tokens are masked in the log, also where it says everything.
    assert!(!proxy.log().contains(&token), "{}", proxy.log());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_may_speak_first() -> Result<()> {
    let bed = Bed::start()?;
    let guest = bed.guest("early").start()?;
    let proxy = bed.proxy().start()?;
    let path = format!("/?token=1-{}", guest.uuid());
    let mut client = Client::open(proxy.address(), &path, &[]).await?;
    // Version and security type "None" (RFC 6143 sections 7.1.1 and 7.1.2) before the server has said a word.
    client.send(Message::binary(BANNER)).await?;
    client.send(Message::binary(&b"\x01"[..])).await?;
    // Its banner, one security type of value 1, and SecurityResult 0.
    assert_eq!(client.read(18).await?, [BANNER, b"\x01\x01", b"\0\0\0\0"].concat());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guests_end_is_a_clean_close_and_one_line_in_the_log() -> Result<()> {
    let bed = Bed::start()?;
    let guest = bed.guest("goes").start()?;
    let proxy = bed.proxy().start()?;
    let path = format!("/?token=1-{}", guest.uuid());
    let mut client = Client::open(proxy.address(), &path, &[]).await?;
    client.read(BANNER.len()).await?;
    guest.stop()?;
    let closed = client.closed().await?;
    assert_eq!((closed.code, closed.reason.as_str()), (1000, "the guest's console has ended"));
    proxy.wait_for_log("session closed", crate::PATIENCE)?;
    let log = proxy.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("session closed")).collect();
    let [line] = lines[..] else { panic!("expected one closing line: {log}") };
    for part in [
        "session{id=1 client=127.0.0.1:",
        "token=1-",
        "domain=\"goes\"",
        "route=tcp 127.0.0.1:",
        "code=1000",
        "to_client=12",
        "duration_ms=",
    ] {
        assert!(line.contains(part), "{part} is missing: {line}");
    }
    Ok(())
}
