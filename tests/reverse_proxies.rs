//! Behind nginx and HAProxy, as docs/operations.md has them.

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use harness::bed::Folder;
use harness::certificates::Authority;
use harness::reverse_proxy::{ReverseProxy, snippets};
use harness::tls_client::TlsClient;
use harness::websocket::{Client, Message, http};
use harness::{Bed, Browser, Node, Proxy, ProxyBuilder, Result};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::{TcpListener, TcpStream};

use crate::PATIENCE;
use crate::encrypted::NAMES;

/// A console that a test holds, the token's query, and a builder of a proxy that leads there.
struct Rig {
    folder: Folder,
    console: TcpListener,
    query: String,
    uri: String,
}

impl Rig {
    async fn new() -> Result<Self> {
        let folder = Folder::new()?;
        let console = TcpListener::bind("127.0.0.1:0").await?;
        let mut node = Node::new(folder.path());
        let query = format!("?token=1-{}", node.vnc_at(console.local_addr()?));
        let uri = node.uri()?;
        Ok(Self { folder, console, query, uri })
    }

    fn proxy(&self) -> ProxyBuilder {
        ProxyBuilder::new(self.folder.path()).host(1, "node", &self.uri)
    }

    /// Bytes go both ways; returns the console.
    async fn relays<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        client: &mut Client<S>,
    ) -> Result<TcpStream> {
        let (mut console, _) = tokio::time::timeout(PATIENCE, self.console.accept()).await??;
        console.write_all(b"RFB 003.008\n").await?;
        ensure!(client.message().await? == b"RFB 003.008\n");
        client.send(Message::binary(&b"RFB 003.008\n"[..])).await?;
        let mut back = [0; 12];
        tokio::time::timeout(PATIENCE, console.read_exact(&mut back)).await??;
        ensure!(&back == b"RFB 003.008\n");
        Ok(console)
    }
}

/// The settings that docs/operations.md has beside nginx's snippet, but where it listens.
fn beside_nginx() -> Result<String> {
    let settings = snippets("toml")?
        .into_iter()
        .find(|block| block.contains("public_path"))
        .context("no settings")?;
    Ok(settings
        .lines()
        .filter(|line| !line.starts_with("host"))
        .map(|line| format!("{line}\n"))
        .collect())
}

fn nginx(
    rig: &Folder,
    proxy: &Proxy,
    certificate: Option<&std::path::Path>,
) -> Result<ReverseProxy> {
    let [snippet] = <[String; 1]>::try_from(snippets("nginx")?)
        .map_err(|found| anyhow::anyhow!("{found:?}"))?;
    let location = snippet.replace("127.0.0.1:6080", &proxy.address().to_string());
    ReverseProxy::nginx(rig.path(), &location, certificate)
}

/// The first line of what comes for an upgrade with these headers.
async fn upgrade(at: SocketAddr, path: &str, headers: &[&str]) -> Result<String> {
    let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: panel.example.org\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{lines}\r\n"
    );
    let mut stream = BufReader::new(TcpStream::connect(at).await?);
    stream.write_all(request.as_bytes()).await?;
    let mut line = String::new();
    tokio::time::timeout(PATIENCE, stream.read_line(&mut line)).await??;
    Ok(line)
}

#[tokio::test(flavor = "multi_thread")]
async fn nginxs_snippet_carries_page_and_console_and_tells_the_client() -> Result<()> {
    let rig = Rig::new().await?;
    let proxy = rig.proxy().setting(&beside_nginx()?).start()?;
    let front = nginx(&rig.folder, &proxy, None)?;
    for path in [
        format!("/novncd/console{}", rig.query),
        "/novncd/console/console.js".into(),
        "/novncd/".into(),
    ] {
        let answer = http(front.address(), "GET", &path, &[]).await?;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}\n{}", front.log());
    }
    let path = format!("/novncd/{}", rig.query);
    // The client's own word for who it is stands left of what nginx appends.
    let own = [
        "Origin: https://panel.example.org",
        "X-Forwarded-For: 203.0.113.9",
        "X-Real-IP: 203.0.113.9",
    ];
    let mut client =
        Client::open_over(from_elsewhere(front.address()).await?, "panel.example.org", &path, &own)
            .await?;
    rig.relays(&mut client).await?;
    proxy.wait_for_log("client=127.0.0.3 ", PATIENCE)?;
    assert!(!proxy.log().contains("203.0.113.9"), "{}", proxy.log());

    let foreign = upgrade(front.address(), &path, &["Origin: https://evil.example"]).await?;
    assert!(foreign.contains("HTTP/1.1 403 "), "{foreign}");
    Ok(())
}

/// A connection from 127.0.0.3, which is not trusted.
async fn from_elsewhere(to: SocketAddr) -> Result<TcpStream> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from(([127, 0, 0, 3], 0)))?;
    Ok(socket.connect(to).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn nginxs_word_for_https_satisfies_ssl_only() -> Result<()> {
    let rig = Rig::new().await?;
    let root = Authority::new("Root")?;
    let cert = root.server(&NAMES)?.write(&rig.folder.path().join("all.pem"), &[])?;
    let settings = beside_nginx()?;
    let proxy = rig
        .proxy()
        .setting(&settings)
        .setting(&format!("cert = {cert:?}\nssl_only = true"))
        .start()?;
    let path = format!("/novncd/{}", rig.query);
    let encrypted = nginx(&rig.folder, &proxy, Some(&cert))?;
    let stream = TlsClient::trusting(&root.certificate())?.connect(encrypted.address()).await?;
    let mut client = Client::open_over(stream, "localhost", &path, &[]).await?;
    rig.relays(&mut client).await?;
    let plain = nginx(&rig.folder, &proxy, None)?;
    let refused = upgrade(plain.address(), &path, &["X-Forwarded-Proto: https"]).await?;
    assert!(refused.contains("HTTP/1.1 403 "), "{refused}");
    Ok(())
}

/// WebVirtCloud's own way: upstreams by name, no Host, no X-Forwarded-anything.
#[tokio::test(flavor = "multi_thread")]
async fn webvirtclouds_kind_of_location_works_as_it_is() -> Result<()> {
    let rig = Rig::new().await?;
    let open = rig.proxy().start()?;
    let public = rig.proxy().setting("public_host = \"panel.example.org\"").start()?;
    for (proxy, origin, expected) in [
        (&open, "http://panel.example.org", "HTTP/1.1 101 "),
        (&public, "http://panel.example.org", "HTTP/1.1 101 "),
        (&public, "http://evil.example", "HTTP/1.1 403 "),
    ] {
        let location: String = ["novncd/", "websockify"]
            .map(|path| {
                format!(
                    "location /{path} {{ proxy_pass http://wsnovncd; proxy_http_version 1.1; \
                     proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\"; }}\n"
                )
            })
            .concat();
        // The upstream's block stands outside of the server's.
        let around = format!("{location}}}\nupstream wsnovncd {{ server {};", proxy.address());
        let front = ReverseProxy::nginx(rig.folder.path(), &around, None)?;
        for path in ["//novncd/", "/novncd/", "/websockify"] {
            let headers = [&*format!("Origin: {origin}"), "X-Forwarded-For: 203.0.113.9"];
            let query = &rig.query;
            let answer = upgrade(front.address(), &format!("{path}{query}"), &headers).await?;
            assert!(answer.contains(expected), "{path} {origin}: {answer}\n{}", front.log());
        }
    }
    open.wait_for_log("a page of another origin opens a console", PATIENCE)?;
    assert!(open.log().contains("host=\"wsnovncd\""), "{}", open.log());
    // It is passed on, but nobody said that this nginx may be believed.
    assert!(!open.log().contains("203.0.113.9"), "{}", open.log());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn pings_keep_a_silent_console_alive_behind_nginx() -> Result<()> {
    let rig = Rig::new().await?;
    let proxy = rig.proxy().setting("ping_interval = 0.2").start()?;
    let location = format!(
        "location / {{ proxy_pass http://{}; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; \
         proxy_set_header Connection \"upgrade\"; proxy_read_timeout 2s; }}",
        proxy.address()
    );
    let front = ReverseProxy::nginx(rig.folder.path(), &location, None)?;
    let mut client = Client::open(front.address(), &format!("/{}", rig.query), &[]).await?;
    let _console = rig.relays(&mut client).await?;
    // So many pings take longer than nginx's patience; were one not passed on, the session would end.
    for _ in 0..15 {
        let next = futures_util::StreamExt::next(&mut client.stream);
        let heard = tokio::time::timeout(PATIENCE, next).await?.context("the session ended")??;
        ensure!(matches!(heard, Message::Ping(_)), "{heard:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn haproxys_snippets_carry_a_console_and_tell_the_client() -> Result<()> {
    let rig = Rig::new().await?;
    let root = Authority::new("Root")?;
    let cert = root.server(&NAMES)?.write(&rig.folder.path().join("all.pem"), &[])?;
    let tls = TlsClient::trusting(&root.certificate())?;
    let [ending, passing] = <[String; 2]>::try_from(snippets("haproxy")?)
        .map_err(|found| anyhow::anyhow!("{found:?}"))?;
    let path = format!("/novncd/{}", rig.query);
    let trusted = "trusted_proxies = [\"127.0.0.1\"]";

    let proxy = rig
        .proxy()
        .setting(trusted)
        .setting("allowed_origins = [\"panel.example.org\"]")
        .start()?;
    let sections = ending
        .replace(":443 ssl crt /etc/haproxy/panel.pem", &format!("BIND ssl crt {}", cert.display()))
        .replace("127.0.0.1:6080", &proxy.address().to_string());
    let front = ReverseProxy::haproxy(rig.folder.path(), &sections)?;
    let stream = tls.over(from_elsewhere(front.address()).await?).await?;
    let mut client = Client::open_over(
        stream,
        "panel.example.org",
        &path,
        &["Origin: https://panel.example.org"],
    )
    .await?;
    rig.relays(&mut client).await?;
    proxy.wait_for_log("client=127.0.0.3 ", PATIENCE)?;

    for version in ["send-proxy-v2", "send-proxy"] {
        let proxy = rig
            .proxy()
            .listen_on(&["{ address = \"127.0.0.1:0\", proxy_protocol = true }"])
            .setting(trusted)
            .setting(&format!("cert = {cert:?}\nssl_only = true"))
            .start()?;
        let sections = passing
            .replace("bind :6080", "bind BIND")
            .replace("127.0.0.1:6081", &proxy.address().to_string())
            .replace("send-proxy-v2", version);
        let front = ReverseProxy::haproxy(rig.folder.path(), &sections)?;
        let stream = from_elsewhere(front.address()).await?;
        let from = stream.local_addr()?;
        let mut client =
            Client::open_over(tls.over(stream).await?, "localhost", &path, &[]).await?;
        rig.relays(&mut client).await?;
        proxy.wait_for_log(&format!("client={from} "), PATIENCE)?;
        // Whoever comes past HAProxy is not let in.
        drop(http(proxy.address(), "GET", "/", &[]).await);
        proxy.wait_for_log("no PROXY protocol header came, but HTTP", PATIENCE)?;
        let mut stranger = from_elsewhere(proxy.address()).await?;
        // It may be gone before this arrives.
        let _ = stranger.write_all(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n").await;
        proxy
            .wait_for_log("this listener is for the PROXY protocol of trusted proxies", PATIENCE)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_opens_a_console_through_nginx_and_https() -> Result<()> {
    let bed = Bed::start()?;
    let guest = bed.guest("proxied").start()?;
    let issued = Authority::new("Root")?.server(&NAMES)?;
    let cert = issued.write(&bed.dir().join("all.pem"), &[])?;
    // What the page is told is where nginx is, not where the proxy is.
    let settings =
        "public_path = \"/novncd/\"\ntrusted_proxies = [\"127.0.0.1\"]\norigin_check = \"enforce\"";
    let proxy = bed.proxy().setting(settings).start()?;
    let [snippet] = <[String; 1]>::try_from(snippets("nginx")?)
        .map_err(|found| anyhow::anyhow!("{found:?}"))?;
    let location = snippet.replace("127.0.0.1:6080", &proxy.address().to_string());
    let front = ReverseProxy::nginx(bed.dir(), &location, Some(&cert))?;
    let browser = Browser::trusting(bed.dir(), &issued.fingerprint()?).await?;
    browser
        .open(&format!("https://{}/novncd/console?token=1-{}", front.address(), guest.uuid()))
        .await?;
    browser.wait_for_state("connected", PATIENCE).await
}
