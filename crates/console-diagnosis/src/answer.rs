//! What a listener answers: whether it is the proxy.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// What a listener says to `GET /`.
pub(crate) enum Answer {
    /// The proxy, of this version.
    Proxy(String),
    /// It wants TLS.
    TlsOnly,
    /// No answer.
    Silent,
    /// Something else, or it hung up.
    Other,
}

pub(crate) async fn bounded(limit: Duration, asking: impl Future<Output = Answer>) -> Answer {
    timeout(limit, asking).await.unwrap_or(Answer::Silent)
}

pub(crate) async fn ask<S: AsyncRead + AsyncWrite + Unpin>(connected: io::Result<S>) -> Answer {
    let Ok(mut stream) = connected else { return Answer::Other };
    if stream.write_all(QUESTION).await.is_err() {
        return Answer::Other;
    }
    let mut answer = Vec::new();
    // A reset after the answer does not matter.
    let _ = stream.take(MAX_ANSWER).read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    let version = |line: &str| {
        let version = line.strip_prefix("webvirtmgr-console ")?.strip_suffix(" is running")?;
        (version.len() <= 32).then(|| version.to_owned())
    };
    if let Some(version) = answer.lines().find_map(version) {
        Answer::Proxy(version)
    } else if answer.contains("this server speaks TLS only") {
        Answer::TlsOnly
    } else {
        Answer::Other
    }
}

/// What load balancers ask, too (RFC 9112 section 9.6 for `close`).
const QUESTION: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// The most bytes of an answer that are read.
const MAX_ANSWER: u64 = 4096;
