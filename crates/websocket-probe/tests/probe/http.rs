//! Plain requests.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use websocket_probe::{ProbeError, Step, get};

use crate::rig::{LIMIT, SHORT, TOKEN, answering, head, header, plain, server, texts};

#[tokio::test]
async fn an_answer_is_its_status_and_first_line() {
    for (answer, status, line) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\none\ntwo\nx".to_owned(), 200, "one"),
        (
            "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nno \r\n4\r\nsuch\r\n0\r\n\r\n".to_owned(),
            404,
            "no such",
        ),
        ("HTTP/1.0 502 Bad\r\n\r\n<html>\n<title>502 Bad Gateway</title>".to_owned(), 502, "502 Bad Gateway"),
        (format!("HTTP/1.1 400 Bad Request\r\n\r\nno token {TOKEN}"), 400, "no token 1-0a1b2c3d-****-d8e9"),
        ("HTTP/1.1 204 No Content\r\n\r\n".to_owned(), 204, ""),
    ] {
        let address = answering(answer).await;
        let found = get(plain(&address).await, &address, LIMIT).await.unwrap();
        assert_eq!((found.status, found.line.as_str()), (status, line));
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
    let found = get(plain(&address).await, &address, LIMIT).await.unwrap();
    assert_eq!(found.line, "first");
}

#[tokio::test]
async fn the_request_is_as_a_browsers() {
    let (tell, told) = tokio::sync::oneshot::channel();
    let address = server(async move |mut stream| {
        tell.send(head(&mut stream).await).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    })
    .await;
    get(plain(&address).await, &address, LIMIT).await.unwrap();
    let head = told.await.unwrap();
    assert!(head.starts_with(&format!("GET /novnc?token={TOKEN} HTTP/1.1\r\n")), "{head}");
    assert_eq!(header(&head, "Host"), Some(address.authority().as_str()));
}

#[tokio::test]
async fn no_answer_is_told_by_its_kind() {
    let address = server(async |mut stream| drop(head(&mut stream).await)).await;
    let error = get(plain(&address).await, &address, LIMIT).await.unwrap_err();
    assert!(matches!(error, ProbeError::NoAnswer { step: Step::Get }), "{error:?}");

    let address = server(async |mut stream| drop(stream.read_to_end(&mut Vec::new()).await)).await;
    let error = get(plain(&address).await, &address, SHORT).await.unwrap_err();
    assert!(matches!(error, ProbeError::TimedOut { step: Step::Get, .. }), "{error:?}");

    // It speaks before it is asked.
    let address = server(async |mut stream| {
        stream.write_all(b"RFB 003.008\n").await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let error = get(plain(&address).await, &address, LIMIT).await.unwrap_err();
    assert!(
        matches!(&error, ProbeError::NotHttp { what } if what == "RFB 003.008\\n"),
        "{error:?}"
    );
    assert!(error.remedy().contains("VNC server"));
    assert!(!texts(&error).contains(TOKEN));
}
