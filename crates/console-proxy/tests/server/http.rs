//! docs/protocol.md, section HTTP, row by row.

use std::num::NonZeroU16;

use console_config::ServerSettings;
use console_proxy::{ConsoleKind, ConsoleToken, Fault, Refusal, Resolve, Route, Target};
use harness::websocket::{PATIENCE, http, raw_http};

use crate::rig::{Answer, Server, TOKEN, quick};

fn vnc() -> Answer {
    Answer::Console(ConsoleKind::Vnc, Route::Unix { path: "/secret/path".into() })
}

/// A folder that passes for noVNC's.
fn novnc() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("core")).unwrap();
    std::fs::write(folder.path().join("core/rfb.js"), "export default class RFB {}").unwrap();
    folder
}

fn with_novnc(folder: &tempfile::TempDir) -> ServerSettings {
    ServerSettings { web_root: Some(folder.path().into()), ..quick() }
}

#[tokio::test]
async fn every_row_of_the_table() {
    let folder = novnc();
    let server = Server::start(with_novnc(&folder), vnc()).await;
    let page = format!("/console?token={TOKEN}");
    let table = [
        ("GET", "/", "200 OK"),
        ("HEAD", "/", "200 OK"),
        ("GET", "/?anything", "200 OK"),
        ("GET", "/favicon.ico", "204 No Content"),
        ("GET", &page, "200 OK"),
        ("HEAD", &page, "200 OK"),
        ("GET", "/console", "400 Bad Request"),
        ("GET", "/console?token=1-x", "400 Bad Request"),
        ("GET", "/console/", "404 Not Found"),
        ("GET", "/console/console.js", "200 OK"),
        ("GET", "/console/console.css", "200 OK"),
        ("GET", "/console/novnc/core/rfb.js", "200 OK"),
        ("GET", "/console/novnc/", "404 Not Found"),
        ("GET", "/console/novnc/core", "404 Not Found"),
        ("GET", "/console/novnc/core/", "404 Not Found"),
        ("GET", "/console/novnc/../novnc/core/rfb.js", "404 Not Found"),
        ("GET", "/console/novnc/%2e%2e/etc/passwd", "404 Not Found"),
        ("GET", "/console/novnc//etc/passwd.js", "404 Not Found"),
        ("GET", "//example.org/%2f..", "404 Not Found"),
        ("GET", "/etc/passwd", "404 Not Found"),
        ("POST", "/", "405 Method Not Allowed"),
        ("OPTIONS", "/console", "405 Method Not Allowed"),
        ("DELETE", "/console/console.js", "405 Method Not Allowed"),
    ];
    for (method, path, expected) in table {
        let answer = http(server.address, method, path, &[]).await.unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {expected}\r\n")),
            "{method} {path}: {answer}"
        );
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(!head.to_lowercase().contains("\r\nlocation:"), "{method} {path} redirects");
        assert!(head.contains("x-content-type-options: nosniff") || expected.starts_with("204"));
        assert!(method != "HEAD" || body.is_empty(), "HEAD {path} has a body");
        if expected.starts_with("405") {
            assert!(head.contains("allow: GET, HEAD"), "{head}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn the_page_names_the_guest_escaped_and_its_policy_allows_no_inline_script() {
    let folder = novnc();
    let table = [
        (None, "connect-src 'self'"),
        (
            Some(("console.example.org", 0)),
            "connect-src 'self' ws://console.example.org:* wss://console.example.org:*",
        ),
        (Some(("192.0.2.1", 443)), "connect-src 'self' ws://192.0.2.1:443 wss://192.0.2.1:443"),
        (Some(("2001:db8::1", 443)), "connect-src 'self' ws: wss:"),
    ];
    for (public_host, sources) in table {
        let mut settings = with_novnc(&folder);
        let (host, port) = public_host.unzip();
        settings.public.host = host.map(|host: &str| host.parse().unwrap());
        settings.public.port = port.and_then(NonZeroU16::new);
        let server = Server::start(settings, vnc()).await;
        let page = format!("/console?token={TOKEN}");
        let page = http(server.address, "GET", &page, &[]).await.unwrap();
        let (head, body) = page.split_once("\r\n\r\n").unwrap();
        assert!(body.contains("web-1 &lt;b&gt;&amp;"), "{body}");
        assert!(!body.contains("<b>&") && !body.contains("/secret/path") && !body.contains(TOKEN));
        assert!(body.contains(host.unwrap_or_default()));
        let policy =
            head.lines().find(|line| line.starts_with("content-security-policy:")).unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert!(policy.ends_with(sources), "{policy}");
        for line in ["cache-control: no-store", "referrer-policy: no-referrer"] {
            assert!(head.contains(line), "{line} is missing in {head}");
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn files_are_asked_for_again_and_sent_once() {
    let folder = novnc();
    let server = Server::start(with_novnc(&folder), vnc()).await;
    for path in ["/console/console.js", "/console/novnc/core/rfb.js"] {
        let first = http(server.address, "GET", path, &[]).await.unwrap();
        assert!(first.contains("content-type: text/javascript; charset=utf-8\r\n"), "{first}");
        assert!(first.contains("cache-control: no-cache\r\n"));
        let tag = first.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
        let known = format!("If-None-Match: \"other\", {tag}");
        let again = http(server.address, "GET", path, &[&known]).await.unwrap();
        assert!(again.starts_with("HTTP/1.1 304 "), "{again}");
        let other = http(server.address, "GET", path, &["If-None-Match: \"other\""]).await.unwrap();
        assert!(other.starts_with("HTTP/1.1 200 "), "{other}");
    }
    server.stop().await;
}

#[tokio::test]
async fn the_pages_failures_have_their_status_and_tell_no_secret() {
    let table = [
        (Answer::Refuse(Fault::NotFound), 404),
        (Answer::Refuse(Fault::NoConsole), 409),
        (Answer::Refuse(Fault::Unavailable), 503),
        (Answer::Refuse(Fault::Internal), 500),
        (Answer::Never, 503),
        (Answer::Refuse(Fault::NeedsTls), 409),
    ];
    let folder = novnc();
    for (answer, status) in table {
        let server = Server::start(with_novnc(&folder), answer).await;
        let page =
            http(server.address, "GET", &format!("/console?token={TOKEN}"), &[]).await.unwrap();
        assert!(page.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {page}");
        assert!(page.contains("text/html") && page.contains(&status.to_string()));
        assert!(!page.contains("secret"), "{page}");
        server.stop().await;
    }
}

#[tokio::test]
async fn without_novnc_the_page_says_how_to_get_it() {
    let empty = tempfile::tempdir().unwrap();
    let settings = ServerSettings { web_root: Some(empty.path().into()), ..quick() };
    let server = Server::start(settings, vnc()).await;
    let page = http(server.address, "GET", &format!("/console?token={TOKEN}"), &[]).await.unwrap();
    assert!(page.starts_with("HTTP/1.1 503 "), "{page}");
    assert!(page.contains("@novnc/novnc") && page.contains("web_root"), "{page}");
    server.stop().await;
}

#[tokio::test]
async fn a_spice_guest_gets_its_own_client() {
    let spice = || Answer::Console(ConsoleKind::Spice, Route::Unix { path: "/secret".into() });
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("spiceconn.js"), "export {}").unwrap();
    let settings = ServerSettings { spice_root: Some(folder.path().into()), ..quick() };
    let server = Server::start(settings, spice()).await;
    let page = http(server.address, "GET", &format!("/console?token={TOKEN}"), &[]).await.unwrap();
    assert!(page.starts_with("HTTP/1.1 200 ") && page.contains("data-kind=\"spice\""), "{page}");
    assert!(page.contains("script-src 'self';") && page.contains("media-src blob:"), "{page}");
    for (file, status) in [
        ("/console/spice.js", "200"),
        ("/console/spice-html5/spiceconn.js", "200"),
        ("/console/spice-html5/main.js", "404"),
        ("/console/spice-html5/../spice.js", "404"),
    ] {
        let answer = http(server.address, "GET", file, &[]).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{file}: {answer}");
    }
    server.stop().await;

    let empty = tempfile::tempdir().unwrap();
    let settings = ServerSettings { spice_root: Some(empty.path().into()), ..quick() };
    let server = Server::start(settings, spice()).await;
    let page = http(server.address, "GET", &format!("/console?token={TOKEN}"), &[]).await.unwrap();
    assert!(page.starts_with("HTTP/1.1 503 "), "{page}");
    assert!(page.contains("package spice-html5") && page.contains("spice_root"), "{page}");
    server.stop().await;
}

#[tokio::test]
async fn broken_upgrades_are_refused_before_the_101() {
    let server = Server::start(quick(), Answer::Never).await;
    let good = [
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    for (missing, status) in [(0, 400), (2, 426), (3, 400)] {
        let lines: String = good
            .iter()
            .enumerate()
            .filter(|(index, _)| *index != missing)
            .map(|(_, line)| format!("{line}\r\n"))
            .collect();
        let request = format!("GET /websockify HTTP/1.1\r\nHost: x\r\n{lines}\r\n");
        let answer = raw_http(server.address, &request).await.unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "without {}: {answer}",
            good[missing]
        );
        assert_eq!(answer.contains("sec-websocket-version: 13"), status == 426, "{answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn garbage_is_answered_with_400() {
    let server = Server::start(quick(), Answer::Never).await;
    for garbage in ["\0\0\0\0\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n"] {
        let answer = raw_http(server.address, garbage).await.unwrap();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{garbage:?}: {answer}");
    }
    // A head that never ends is not read for ever.
    let endless = format!("GET / HTTP/1.1\r\nCookie: {}", "x".repeat(200_000));
    let answer = raw_http(server.address, &endless).await;
    assert!(answer.is_err() || answer.unwrap().starts_with("HTTP/1.1 431 "));
    server.stop().await;
}

#[tokio::test]
async fn a_public_path_is_stripped_or_not_as_reverse_proxies_do_it() {
    let folder = novnc();
    let mut settings = with_novnc(&folder);
    settings.public.path = Some("/novncd/".parse().unwrap());
    settings.public.port = NonZeroU16::new(444);
    let server = Server::start(settings, vnc()).await;
    for (path, expected) in [
        ("/", "200 OK"),
        ("/novncd/", "200 OK"),
        ("/novncd", "404 Not Found"),
        (&*format!("/console?token={TOKEN}"), "200 OK"),
        (&format!("/novncd/console?token={TOKEN}"), "200 OK"),
        ("/novncd/console/console.js", "200 OK"),
        ("/novncd/console/novnc/core/rfb.js", "200 OK"),
        ("/novncdx/console/console.js", "404 Not Found"),
        ("/novncd/novncd/console/console.js", "404 Not Found"),
        ("/novncd/console/novnc/../novnc/core/rfb.js", "404 Not Found"),
    ] {
        let answer = http(server.address, "GET", path, &[]).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}\r\n")), "{path}: {answer}");
        if path.contains("token") {
            assert!(
                answer.contains("data-public-port=\"444\" data-public-path=\"/novncd/\""),
                "{answer}"
            );
            assert!(answer.contains("connect-src 'self' ws://*:444 wss://*:444"), "{answer}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_public_path_may_be_called_as_the_page_is() {
    let folder = novnc();
    let mut settings = with_novnc(&folder);
    settings.public.path = Some("/console/".parse().unwrap());
    let server = Server::start(settings, vnc()).await;
    let page = format!("/console?token={TOKEN}");
    for path in [&*page, "/console/console.js", "/console/novnc/core/rfb.js"] {
        for path in [path.to_owned(), format!("/console{path}")] {
            let answer = http(server.address, "GET", &path, &[]).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{path}: {answer}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_page_that_waits_for_its_lookup_is_answered_when_the_server_stops() {
    let (asked, mut was_asked) = tokio::sync::mpsc::channel(1);
    let settings = ServerSettings { lookup_timeout: PATIENCE, ..quick() };
    let server = Server::start(settings, Silent(asked)).await;
    let (address, path) = (server.address, format!("/console?token={TOKEN}"));
    let page = tokio::spawn(async move { http(address, "GET", &path, &[]).await });
    was_asked.recv().await.unwrap();
    server.stop().await;
    let answer = page.await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
}

/// Says that it was asked, and nothing else.
struct Silent(tokio::sync::mpsc::Sender<()>);

impl Resolve for Silent {
    async fn resolve(
        &self,
        _token: ConsoleToken,
        _wanted: Option<ConsoleKind>,
    ) -> Result<Target, Refusal> {
        self.0.send(()).await.unwrap();
        std::future::pending().await
    }
}
