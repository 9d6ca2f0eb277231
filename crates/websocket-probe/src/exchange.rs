//! One HTTP request and its answer.

use std::error::Error;
use std::io;
use std::pin::pin;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::ext::ReasonPhrase;
use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use crate::address::Address;
use crate::error::{ProbeError, Step, is_hangup};
use crate::said::first_line;
use crate::secret::Secrets;
use crate::stream::{Heard, Overheard, Stream};

/// What came back, without secrets but for the headers.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) reason: String,
    pub(crate) headers: HeaderMap,
    /// The first line of the body that has something in it, or an HTML page's title.
    pub(crate) line: String,
    /// With 101: the connection, and what was read of it beyond the answer.
    pub(crate) switched: Option<(Stream, Vec<u8>)>,
}

/// The request for `address.target`; `Host` and `User-Agent` are added to `headers`.
pub(crate) fn request(
    address: &Address,
    headers: HeaderMap,
) -> Result<Request<Empty<Bytes>>, ProbeError> {
    // Neither text of what is unusable may have a token in it.
    let target: Uri = address
        .target
        .parse()
        .map_err(|_| ProbeError::Unusable { what: "the path cannot stand in a request".into() })?;
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = target;
    request.headers_mut().insert(HOST, value(&address.authority(), HOST)?);
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(AGENT));
    request.headers_mut().extend(headers);
    Ok(request)
}

/// `text` as the value of the header `name`.
pub(crate) fn value(text: &str, name: HeaderName) -> Result<HeaderValue, ProbeError> {
    HeaderValue::from_str(text).map_err(|_| ProbeError::Unusable {
        what: format!("the text for {name} cannot stand in a header"),
    })
}

/// Sends `request` and reads the answer's head within `limit`, and a little of its body.
pub(crate) async fn exchange(
    stream: Stream,
    request: Request<Empty<Bytes>>,
    secrets: &Secrets,
    step: Step,
    limit: Duration,
) -> Result<Reply, ProbeError> {
    let heard = Heard::default();
    let began = Instant::now();
    let io = TokioIo::new(Overheard::new(stream, heard.clone()));
    let (mut sender, connection) = http1::Builder::new()
        // Some servers know no header names in lower case.
        .title_case_headers(true)
        .max_buf_size(MAX_HEAD)
        .handshake(io)
        .await
        .map_err(|error| unanswered(error, &heard, secrets, step))?;

    let talk = async {
        let response = timeout(limit, sender.send_request(request))
            .await
            .map_err(|_| ProbeError::TimedOut { step, limit })?
            .map_err(|error| unanswered(error, &heard, secrets, step))?;
        let left = limit.saturating_sub(began.elapsed());
        read(response, secrets, step, limit, left).await
    };
    let (mut talk, mut connection) = (pin!(talk), pin!(connection.with_upgrades()));
    let mut is_over = false;
    loop {
        tokio::select! {
            biased;
            reply = &mut talk => break reply,
            // Its error comes to `talk`, too.
            _ = &mut connection, if !is_over => is_over = true,
        }
    }
}

async fn read(
    response: Response<Incoming>,
    secrets: &Secrets,
    step: Step,
    limit: Duration,
    left: Duration,
) -> Result<Reply, ProbeError> {
    let status = response.status();
    let reason = match response.extensions().get::<ReasonPhrase>() {
        Some(reason) => secrets.shown(reason.as_bytes()),
        None => status.canonical_reason().unwrap_or_default().to_owned(),
    };
    let headers = response.headers().clone();
    if status != StatusCode::SWITCHING_PROTOCOLS {
        let mut body = Vec::new();
        // What has come by then is enough to go by.
        let _ = timeout(left.min(BODY_WAIT), first_of(response.into_body(), &mut body)).await;
        let line = secrets.shown(line(&body).as_bytes());
        return Ok(Reply { status, reason, headers, line, switched: None });
    }
    let upgraded = timeout(left, hyper::upgrade::on(response))
        .await
        .map_err(|_| ProbeError::TimedOut { step, limit })?
        .map_err(|_| ProbeError::NoAnswer { step })?;
    let parts = upgraded
        .downcast::<TokioIo<Overheard<Stream>>>()
        .map_err(|_| ProbeError::NoAnswer { step })?;
    let switched = Some((parts.io.into_inner().into_inner(), parts.read_buf.to_vec()));
    Ok(Reply { status, reason, headers, line: String::new(), switched })
}

async fn first_of(mut body: Incoming, kept: &mut Vec<u8>) {
    while kept.len() < MAX_BODY {
        let Some(Ok(frame)) = body.frame().await else { return };
        let data = frame.into_data().unwrap_or_default();
        kept.extend(data.iter().take(MAX_BODY.saturating_sub(kept.len())));
    }
}

/// Why there is no answer, going by what was heard instead of one.
fn unanswered(error: hyper::Error, heard: &Heard, secrets: &Secrets, step: Step) -> ProbeError {
    let first = heard.bytes();
    let is_http = first.iter().zip(b"HTTP/1.").all(|(found, expected)| found == expected);
    if !is_http || error.is_parse() {
        return ProbeError::NotHttp { what: secrets.conceal(&first_line(&first)) };
    }
    match error.source().and_then(|source| source.downcast_ref::<io::Error>()) {
        Some(source) if !is_hangup(source) => {
            ProbeError::Io { step, source: io::Error::new(source.kind(), error) }
        }
        _ => ProbeError::NoAnswer { step },
    }
}

/// A body's first line that has something in it, or an HTML page's title.
fn line(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    // ASCII only, so that the positions are the same.
    let lower = text.to_ascii_lowercase();
    let title = lower.find("<title>").and_then(|at| {
        let start = at.checked_add("<title>".len())?;
        let end = lower.get(start..)?.find("</title>")?.checked_add(start)?;
        text.get(start..end)
    });
    let line = title.or_else(|| text.lines().find(|line| !line.trim().is_empty()));
    line.unwrap_or_default().to_owned()
}

/// As browsers do, which firewalls for web applications look for.
const AGENT: &str =
    concat!("Mozilla/5.0 (compatible; websocket-probe/", env!("CARGO_PKG_VERSION"), ")");

/// In bytes: the head of an answer; hyper's least is 8 KiB.
const MAX_HEAD: usize = 64 * 1024;

/// In bytes: enough for a title below scripts and styles.
const MAX_BODY: usize = 4 * 1024;

/// The head has said what is wrong; the body only helps.
const BODY_WAIT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_told_by_its_first_line() {
        for (body, expected) in [
            (&b"\r\n  one\ttwo\x1b[31m \r\nthree"[..], "one two [31m"),
            (b"<html>\n<head><TITLE>403\nForbidden</Title>", "403 Forbidden"),
            (b"<title>open", "<title>open"),
            (b"", ""),
            (b"\xff", "\u{fffd}"),
            (b"1-0a1b2c3d-4e5f-4061-8283-94a5b6c7d8e9", "1-0a1b2c3d-****-d8e9"),
        ] {
            assert_eq!(Secrets::default().shown(line(body).as_bytes()), expected);
        }
        assert_eq!(Secrets::default().shown(line(&[b'x'; 999]).as_bytes()).len(), 200);
    }
}
