//! Servers on loopback that answer as a test says.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use websocket_probe::{Address, ProbeError, Stream, Upgraded, connect, resolve, upgrade};

/// Longer than any of these tests takes.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// For what is to time out.
pub(crate) const SHORT: Duration = Duration::from_millis(30);

pub(crate) const TOKEN: &str = "1-0a1b2c3d-4e5f-4061-8283-94a5b6c7d8e9";

/// Accepts one connection and serves it with `serve`; where that is.
pub(crate) async fn server<F>(serve: impl FnOnce(TcpStream) -> F + Send + 'static) -> Address
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { serve(listener.accept().await.unwrap().0).await });
    format!("ws://127.0.0.1:{port}/novnc?token={TOKEN}").parse().unwrap()
}

pub(crate) async fn tcp(address: &Address) -> TcpStream {
    connect(&resolve(address, LIMIT).await.unwrap(), LIMIT).await.unwrap()
}

pub(crate) async fn plain(address: &Address) -> Stream {
    Stream::Plain(tcp(address).await)
}

/// The head of a request.
pub(crate) async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// The value of a header as it was written.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// Answers one request with `answer` and closes once the client has.
pub(crate) async fn answering(answer: impl Into<Vec<u8>>) -> Address {
    let answer = answer.into();
    server(async move |mut stream| {
        head(&mut stream).await;
        stream.write_all(&answer).await.unwrap();
        let _ = stream.shutdown().await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await
}

/// Opens WebSockets, with `more` among the answer's headers.
pub(crate) async fn accept(mut stream: TcpStream, more: &str) -> WebSocketStream<TcpStream> {
    let head = head(&mut stream).await;
    let accept = derive_accept_key(header(&head, "Sec-Websocket-Key").unwrap().as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n{more}\r\n"
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
    WebSocketStream::from_raw_socket(stream, Role::Server, None).await
}

pub(crate) async fn ask(address: &Address, offer: &[&str]) -> Result<Upgraded, ProbeError> {
    upgrade(plain(address).await, address, offer, None, LIMIT).await
}

/// A WebSocket whose other end is `serve`'s.
pub(crate) async fn opened<F>(
    serve: impl FnOnce(WebSocketStream<TcpStream>) -> F + Send + 'static,
) -> Upgraded
where
    F: Future<Output = ()> + Send + 'static,
{
    let address = server(async move |stream| serve(accept(stream, "").await).await).await;
    ask(&address, &[]).await.unwrap()
}

/// Error and causes, as a program prints them, and what `Debug` has.
pub(crate) fn texts(error: &ProbeError) -> String {
    let mut all = format!("{error:?} {error} {}", error.remedy());
    let mut cause = std::error::Error::source(error);
    while let Some(one) = cause {
        all.push_str(&format!(" {one}"));
        cause = one.source();
    }
    all
}
