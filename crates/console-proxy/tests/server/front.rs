//! Who is let in: TLS or plain, origins, trusted proxies, the PROXY protocol.

use std::net::SocketAddr;
use std::sync::Arc;

use console_config::{ServerSettings, Settings, Sources};
use console_proxy::{Fault, Tls, TlsSettings};
use console_tls::{ClientCertificates, TlsVersion};
use harness::certificates::Authority;
use harness::websocket::PATIENCE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::rig::{Answer, Server, path, quick};

/// Settings as the environment would make them, with a test's patience.
fn settings(variables: &[(&str, &str)]) -> ServerSettings {
    let text = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    let environment = variables.iter().map(text).collect();
    let sources = Sources { file: "/nonexistent".into(), environment, ..Sources::default() };
    let ServerSettings { ssl_only, public, origins, trusted_proxies, .. } =
        Settings::load(sources).unwrap().settings.server;
    ServerSettings { ssl_only, public, origins, trusted_proxies, ..quick() }
}

async fn server(settings: ServerSettings, proxy_protocol: bool) -> Server {
    Server::with(settings, Answer::Refuse(Fault::NotFound), proxy_protocol, None).await
}

/// What comes back for these bytes, up to the answer's first line; empty when the connection ends without one.
async fn first_line(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let reading = async {
        while !answer.ends_with(b"\r\n") {
            match stream.read_u8().await {
                Ok(byte) => answer.push(byte),
                Err(_) => break,
            }
        }
    };
    timeout(PATIENCE, reading).await.unwrap();
    String::from_utf8_lossy(&answer).trim_end().to_owned()
}

fn upgrade(host: &str, headers: &str) -> String {
    format!(
        "GET {} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n",
        path()
    )
}

const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols";
const FORBIDDEN: &str = "HTTP/1.1 403 Forbidden";

#[tokio::test]
async fn foreign_origins_are_refused_warned_of_or_passed() {
    const ENFORCE: (&str, &str) = ("WS_ORIGIN_CHECK", "enforce");
    const PUBLIC: (&str, &str) = ("WS_PUBLIC_HOST", "console.example.org");
    for (variables, host, origin, expected) in [
        (&[][..], "a:6080", "http://evil", SWITCHING),
        (&[ENFORCE], "a:6080", "http://evil", FORBIDDEN),
        (&[ENFORCE], "a:6080", "http://a:8000", SWITCHING),
        (&[ENFORCE], "[::1]:6080", "http://[::1]:8000", SWITCHING),
        (&[ENFORCE], "[::1]:6080", "http://[::2]:6080", FORBIDDEN),
        (&[ENFORCE], "a:6080", "null", FORBIDDEN),
        (&[ENFORCE], "a:6080", "", SWITCHING),
        (&[PUBLIC], "wsnovncd", "https://console.example.org", SWITCHING),
        (&[PUBLIC], "wsnovncd", "https://evil", FORBIDDEN),
        (&[PUBLIC, ("WS_ORIGIN_CHECK", "warn")], "wsnovncd", "https://evil", SWITCHING),
        (&[PUBLIC, ("WS_ORIGIN_CHECK", "off")], "wsnovncd", "https://evil", SWITCHING),
        (&[("WS_ALLOWED_ORIGINS", "panel")], "a", "https://panel", SWITCHING),
        (&[("WS_ALLOWED_ORIGINS", "panel")], "a", "https://evil", FORBIDDEN),
        (&[("WS_ALLOWED_ORIGINS", "https://panel")], "a", "http://panel", FORBIDDEN),
    ] {
        let server = server(settings(variables), false).await;
        let header =
            if origin.is_empty() { String::new() } else { format!("Origin: {origin}\r\n") };
        let line = first_line(server.address, upgrade(host, &header).as_bytes()).await;
        assert_eq!(line, expected, "{variables:?} {host} {origin}");
        server.stop().await;
    }
}

#[tokio::test]
async fn the_page_is_for_every_origin() {
    let server = server(settings(&[("WS_ORIGIN_CHECK", "enforce")]), false).await;
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nOrigin: http://evil\r\n\r\n";
    assert_eq!(first_line(server.address, request).await, "HTTP/1.1 200 OK");
    server.stop().await;
}

#[tokio::test]
async fn only_a_trusted_proxy_makes_plain_pass_for_encrypted() {
    let mut only = settings(&[("WS_TRUSTED_PROXIES", "127.0.0.1")]);
    only.ssl_only = true;
    let strangers = ServerSettings { ssl_only: true, ..settings(&[]) };
    for (settings, headers, expected) in [
        (&only, "", FORBIDDEN),
        (&only, "X-Forwarded-Proto: http\r\n", FORBIDDEN),
        (&only, "X-Forwarded-Proto: https\r\n", SWITCHING),
        (&strangers, "", FORBIDDEN),
        (&strangers, "X-Forwarded-Proto: https\r\n", FORBIDDEN),
    ] {
        let server = server(settings.clone(), false).await;
        let line = first_line(server.address, upgrade("a", headers).as_bytes()).await;
        assert_eq!(line, expected, "{headers}");
        server.stop().await;
    }
    let server = server(strangers, false).await;
    let answer = harness::websocket::http(server.address, "GET", "/", &[]).await.unwrap();
    assert!(
        answer.ends_with("\r\n\r\nthis server speaks TLS only: use https:// and wss://\n"),
        "{answer}"
    );
    server.stop().await;
}

#[tokio::test]
async fn no_proxys_word_takes_the_place_of_a_clients_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let (root, people) = (Authority::new("Root").unwrap(), Authority::new("People").unwrap());
    let cert =
        root.server(&["localhost"]).unwrap().write(&folder.path().join("all.pem"), &[]).unwrap();
    let ca = folder.path().join("people.pem");
    std::fs::write(&ca, people.certificate()).unwrap();
    for (required, expected) in [(true, FORBIDDEN), (false, SWITCHING)] {
        let tls = Tls::load(TlsSettings {
            cert: cert.clone(),
            key: None,
            min_version: TlsVersion::Tls12,
            clients: Some(ClientCertificates { ca: ca.clone(), required }),
            public_name: None,
            roots: Vec::new(),
        });
        let only =
            ServerSettings { ssl_only: true, ..settings(&[("WS_TRUSTED_PROXIES", "127.0.0.1")]) };
        let answer = Answer::Refuse(Fault::NotFound);
        let server = Server::with(only, answer, false, Some(Arc::new(tls.unwrap()))).await;
        let request = upgrade("a", "X-Forwarded-Proto: https\r\n");
        assert_eq!(first_line(server.address, request.as_bytes()).await, expected, "{required}");
        server.stop().await;
    }
}

#[tokio::test]
async fn tls_without_a_certificate_is_answered_by_an_alert() {
    let server = server(settings(&[]), false).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    // What openssl s_client -tls1_2 begins with, cut to one cipher suite.
    let hello = [
        &[22, 3, 1, 0, 63, 1, 0, 0, 59, 3, 3][..],
        &[7; 32],
        &[0, 0, 2, 0xc0, 0x2f, 1, 0, 0, 16, 0, 10, 0, 4, 0, 2, 0, 23, 0, 13, 0, 4, 0, 2, 4, 3],
    ]
    .concat();
    stream.write_all(&hello[..20]).await.unwrap();
    stream.flush().await.unwrap();
    // With more than anybody reads of it: were the connection simply closed, it would be reset.
    stream.write_all(&[&hello[20..], &[23; 30_000]].concat()).await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    // A fatal handshake_failure, and an orderly end.
    assert_eq!(answer[..1], [21]);
    assert_eq!(answer[3..], [0, 2, 2, 40]);
    server.stop().await;
}

#[tokio::test]
async fn what_only_begins_like_tls_is_answered_in_bounded_time() {
    for rest in
        [&b""[..], &[3], &[3, 1, 0], &[3, 1, 0xff, 0xff], &[0; 100], &[3, 1, 0, 4, 9, 9, 9, 9]]
    {
        let server = server(settings(&[]), false).await;
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&[&[22], rest].concat()).await.unwrap();
        let mut answer = Vec::new();
        // A reset is an end, too.
        let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
        assert!(answer.is_empty() || answer.starts_with(&[21, 3]), "{rest:?} {answer:?}");
        server.stop().await;
    }
}

#[tokio::test]
async fn a_proxy_header_is_expected_where_it_is_said_and_nowhere_else() {
    const V1: &str = "PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n";
    let trusting = settings(&[("WS_TRUSTED_PROXIES", "127.0.0.1")]);
    for (settings, proxy_protocol, header, expected) in [
        (&trusting, true, V1, SWITCHING),
        (&trusting, true, "PROXY UNKNOWN\r\n", SWITCHING),
        (&trusting, true, "", ""),
        (&trusting, true, "PROXY TCP4 x\r\n", ""),
        (&trusting, false, "", SWITCHING),
        (&trusting, false, V1, "HTTP/1.1 400 Bad Request"),
        // Nobody who is not trusted may say who others are.
        (&quick(), true, V1, ""),
    ] {
        let server = server(settings.clone(), proxy_protocol).await;
        let request = format!("{header}{}", upgrade("a", ""));
        let line = first_line(server.address, request.as_bytes()).await;
        assert_eq!(line, expected, "{proxy_protocol} {header:?}");
        server.stop().await;
    }
}

#[tokio::test]
async fn whom_the_proxy_header_names_is_no_trusted_proxy_by_that() {
    let mut settings = settings(&[("WS_TRUSTED_PROXIES", "127.0.0.1")]);
    settings.ssl_only = true;
    for (header, expected) in [
        ("TCP4 192.0.2.1 127.0.0.1 1 2", FORBIDDEN),
        ("TCP4 127.0.0.1 127.0.0.1 1 2", SWITCHING),
        // Whoever it is: the bytes are the client's and not the proxy's.
        ("UNKNOWN", FORBIDDEN),
    ] {
        let server = server(settings.clone(), true).await;
        let request = format!("PROXY {header}\r\n{}", upgrade("a", "X-Forwarded-Proto: https\r\n"));
        assert_eq!(first_line(server.address, request.as_bytes()).await, expected, "{header}");
        server.stop().await;
    }
}

/// Version 2 can say that the client came to the proxy by TLS (PP2_TYPE_SSL).
#[tokio::test]
async fn a_proxy_header_may_say_that_the_client_is_encrypted() {
    let mut settings = settings(&[("WS_TRUSTED_PROXIES", "127.0.0.1")]);
    settings.ssl_only = true;
    for (flags, expected) in [(0, FORBIDDEN), (1, SWITCHING)] {
        let addresses = [192, 0, 2, 1, 127, 0, 0, 1, 0, 1, 0, 2];
        let ssl = [0x20, 0, 5, flags, 0, 0, 0, 0];
        let header = [b"\r\n\r\n\0\r\nQUIT\n", &[0x21, 0x11, 0, 20][..], &addresses, &ssl].concat();
        let server = server(settings.clone(), true).await;
        let request = [&header, upgrade("a", "").as_bytes()].concat();
        assert_eq!(first_line(server.address, &request).await, expected, "{flags}");
        server.stop().await;
    }
}
