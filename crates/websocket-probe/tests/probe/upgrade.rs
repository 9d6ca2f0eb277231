//! The opening handshake, and what a browser does not take.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use websocket_probe::{Address, ProbeError, Step, upgrade};

use crate::rig::{LIMIT, SHORT, TOKEN, accept, answering, ask, head, header, plain, server, texts};

/// Opens a WebSocket with `more` among the answer's headers, and waits for the client's end.
async fn opening(more: &'static str) -> Address {
    server(async move |stream| {
        let mut stream = accept(stream, more).await.into_inner();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await
}

#[tokio::test]
async fn the_request_is_as_a_browsers() {
    let (tell, told) = tokio::sync::oneshot::channel();
    let address = server(async move |mut stream| {
        tell.send(head(&mut stream).await).unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let stream = plain(&address).await;
    let asked = tokio::spawn(async move {
        let origin = Some("https://panel.example.org");
        upgrade(stream, &address, &["binary", "base64"], origin, LIMIT).await
    });
    let head = told.await.unwrap();
    asked.abort();
    assert!(head.starts_with(&format!("GET /novnc?token={TOKEN} HTTP/1.1\r\n")), "{head}");
    for (name, expected) in [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-Websocket-Version", "13"),
        ("Sec-Websocket-Protocol", "binary, base64"),
        ("Origin", "https://panel.example.org"),
    ] {
        assert_eq!(header(&head, name), Some(expected), "{head}");
    }
    assert!(header(&head, "Host").is_some_and(|host| host.starts_with("127.0.0.1:")));
    assert!(header(&head, "Sec-Websocket-Extensions").is_none());
    assert!(header(&head, "User-Agent").is_some_and(|agent| agent.contains("websocket-probe/")));
}

#[tokio::test]
async fn the_subprotocol_must_agree() {
    let binary = "Sec-WebSocket-Protocol: binary\r\n";
    for (offer, answer, expected) in [
        (&["binary"][..], binary, Some(Some("binary"))),
        (&["base64", "binary"], binary, Some(Some("binary"))),
        (&[], "", Some(None)),
        (&["binary"], "", None),
        (&[], binary, None),
        (&["base64"], binary, None),
    ] {
        let found = ask(&opening(answer).await, offer).await;
        match expected {
            Some(expected) => assert_eq!(found.unwrap().subprotocol(), expected),
            None => {
                let error = found.unwrap_err();
                assert!(matches!(error, ProbeError::Subprotocol { .. }), "{error:?}");
                assert!(error.to_string().contains("browser gives up"), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn every_other_status_is_told_with_its_remedy() {
    for (status, more, body, remedy) in [
        (
            "403 Forbidden",
            "",
            "pages of this origin may not open consoles here\n",
            "allowed_origins",
        ),
        ("403 Forbidden", "", "this server speaks TLS only", "ssl_only"),
        ("400 Bad Request", "", "no Upgrade", "Upgrade and Connection"),
        ("401 Unauthorized", "", "", "login"),
        ("404 Not Found", "", "<title>404</title>", "public_path"),
        ("426 Upgrade Required", "", "", "Sec-WebSocket-Version"),
        ("502 Bad Gateway", "", "", "does not reach"),
        ("504 Gateway Timeout", "", "", "does not reach"),
        ("500 Oops", "", "", "log"),
        ("200 OK", "", "<title>Panel</title>", "panel"),
        ("418 I'm a teapot", "", "", "console proxy"),
        (
            "302 Found",
            "Location: https://panel.example.org/login?next=secret\r\n",
            "",
            "https://panel.example.org/login…",
        ),
        ("301 Moved Permanently", "", "", "redirects"),
    ] {
        let answer = format!("HTTP/1.1 {status}\r\n{more}\r\n{body}");
        let address = answering(answer).await;
        let error = ask(&address, &["binary"]).await.unwrap_err();
        let ProbeError::Status { code, reason, .. } = &error else { panic!("{error:?}") };
        assert_eq!(format!("{code} {reason}"), status);
        assert!(error.remedy().contains(remedy), "{status}: {}", error.remedy());
        assert!(!texts(&error).contains("secret"));
    }
}

#[tokio::test]
async fn what_the_server_echoes_is_masked() {
    let other = TOKEN.replace("1-0a", "2-0b");
    for answer in [
        format!("HTTP/1.1 302 {TOKEN}\r\nLocation: /{TOKEN}/{other}\r\n\r\nno {TOKEN} {other}"),
        format!("HTTP/1.1 404 Not Found\r\n\r\n{}{TOKEN}", "x".repeat(180)),
        format!("GET /novnc?token={TOKEN} HTTP/1.1\r\n"),
        format!("GET /novnc?a=12345678901234567890&token={TOKEN} HTTP/1.1\r\n"),
    ] {
        let error = ask(&answering(answer).await, &[]).await.unwrap_err();
        let texts = texts(&error);
        assert!(!texts.contains("4e5f"), "{texts}");
    }
    let answer = format!("HTTP/1.1 404 Not Found\r\n\r\nno {TOKEN} nor {other}");
    let error = ask(&answering(answer).await, &[]).await.unwrap_err();
    let line = "no 1-0a1b2c3d-****-d8e9 nor 2-0b1b2c3d-****-d8e9";
    assert!(error.to_string().ends_with(line), "{error}");

    for more in ["Sec-WebSocket-Protocol: TOKEN\r\n", "Sec-WebSocket-Extensions: TOKEN\r\n"] {
        let address = server(async move |stream| {
            let mut stream = accept(stream, &more.replace("TOKEN", TOKEN)).await.into_inner();
            let _ = stream.read_to_end(&mut Vec::new()).await;
        })
        .await;
        let texts = texts(&ask(&address, &["binary"]).await.unwrap_err());
        assert!(texts.contains("1-0a1b2c3d-****-d8e9") && !texts.contains(TOKEN), "{texts}");
    }
}

#[tokio::test]
async fn a_large_body_is_not_read_to_its_end() {
    let address = server(async |mut stream| {
        head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nfirst\n").await.unwrap();
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    })
    .await;
    let error = ask(&address, &[]).await.unwrap_err();
    assert!(matches!(&error, ProbeError::Status { line, .. } if line == "first"), "{error:?}");
}

#[tokio::test]
async fn a_101_to_something_else_is_refused() {
    let key = |head: &str| derive_accept_key(header(head, "Sec-Websocket-Key").unwrap().as_bytes());
    for (answer, is_expected) in [
        (
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
            (|error| matches!(error, ProbeError::BadAccept)) as fn(&ProbeError) -> bool,
        ),
        ("Upgrade: websocket\r\nConnection: Upgrade", |error| {
            matches!(error, ProbeError::BadAccept)
        }),
        (
            "Upgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: KEY",
            |error| matches!(error, ProbeError::BadUpgrade { header, found: Some(_) } if header == "upgrade"),
        ),
        (
            "Upgrade: websocket\r\nSec-WebSocket-Accept: KEY",
            |error| matches!(error, ProbeError::BadUpgrade { header, found: None } if header == "connection"),
        ),
        (
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: KEY\r\nSec-WebSocket-Extensions: permessage-deflate",
            |error| matches!(error, ProbeError::BadUpgrade { header, .. } if header == "sec-websocket-extensions"),
        ),
    ] {
        let address = server(async move |mut stream| {
            let head = head(&mut stream).await;
            let answer = answer.replace("KEY", &key(&head));
            let answer = format!("HTTP/1.1 101 Switching Protocols\r\n{answer}\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            let _ = stream.read_to_end(&mut Vec::new()).await;
        })
        .await;
        let error = ask(&address, &[]).await.unwrap_err();
        assert!(is_expected(&error), "{answer}: {error:?}");
        assert!(!error.remedy().is_empty());
    }
}

#[tokio::test]
async fn no_answer_is_told_by_its_kind() {
    let address = server(async |mut stream| drop(head(&mut stream).await)).await;
    let error = ask(&address, &[]).await.unwrap_err();
    assert!(matches!(error, ProbeError::NoAnswer { step: Step::Upgrade }), "{error:?}");

    let address = answering("SSH-2.0-OpenSSH_9.6\r\n").await;
    let error = ask(&address, &[]).await.unwrap_err();
    assert!(
        matches!(&error, ProbeError::NotHttp { what } if what.starts_with("SSH-2.0")),
        "{error:?}"
    );

    let address = server(async |mut stream| drop(stream.read_to_end(&mut Vec::new()).await)).await;
    let error = upgrade(plain(&address).await, &address, &[], None, SHORT).await.unwrap_err();
    assert!(matches!(error, ProbeError::TimedOut { step: Step::Upgrade, .. }), "{error:?}");
}

#[tokio::test]
async fn what_stands_in_no_header_is_refused_without_being_shown() {
    let address = opening("").await;
    let stream = plain(&address).await;
    let origin = Some("https://0123456789\r\nHost: x");
    let error = upgrade(stream, &address, &[], origin, LIMIT).await.unwrap_err();
    assert!(matches!(error, ProbeError::Unusable { .. }), "{error:?}");
    assert!(!texts(&error).contains("0123456789"));
}
