//! The opening handshake (RFC 6455 section 4.2) and what console clients need of it.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::{Method, Request, Response, StatusCode, Version};
use hyper_tungstenite::HyperWebsocket;
use hyper_util::rt::TokioIo;

use crate::client::{ClientEnd, ClientSocket};
use crate::limits::Limits;

/// Whether `request` asks for a WebSocket, rightly or wrongly: [`upgrade`] then accepts it or says what is wrong with it.
pub fn is_upgrade_request<B>(request: &Request<B>) -> bool {
    lists(request.headers(), &UPGRADE, "websocket")
}

/// Checks the opening handshake and makes the 101 answer.
///
/// Any path is accepted. `binary` is chosen as subprotocol if and only if it was offered (`binary, base64`, with or without blanks, over one
/// header or several); an offer without it gets no subprotocol. Extensions are never agreed to. The caller checks `Origin` and
/// tokens.
///
/// # Errors
///
/// [`UpgradeError`], whose [`response`](UpgradeError::response) is the HTTP answer.
pub fn upgrade<B>(
    request: &mut Request<B>,
    limits: &Limits,
) -> Result<(Response<Full<Bytes>>, PendingSocket), UpgradeError> {
    check(request)?;
    let binary = lists(request.headers(), &SEC_WEBSOCKET_PROTOCOL, BINARY);
    let (mut response, socket) =
        hyper_tungstenite::upgrade(&mut *request, Some(limits.tungstenite()))
            .map_err(|_| UpgradeError::Key)?;
    *response.body_mut() = Full::default();
    if binary {
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(BINARY));
    }
    Ok((response, PendingSocket { socket, limits: limits.clone() }))
}

/// An accepted WebSocket whose 101 has not gone out yet.
#[derive(Debug)]
pub struct PendingSocket {
    socket: HyperWebsocket,
    limits: Limits,
}

impl PendingSocket {
    /// Waits until the 101 has gone out, and yields the client's socket.
    ///
    /// # Errors
    ///
    /// [`ClientEnd::Lost`] when the connection ended first.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the connection.
    pub async fn accept(
        self,
    ) -> Result<ClientSocket<TokioIo<hyper::upgrade::Upgraded>>, ClientEnd> {
        match self.socket.await {
            Ok(stream) => Ok(ClientSocket::new(stream, self.limits)),
            Err(error) => Err(ClientEnd::from(error)),
        }
    }
}

/// Why an upgrade was refused: one variant for each rule of RFC 6455 section 4.2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpgradeError {
    /// Not a GET request.
    #[error("a WebSocket is opened with GET, not with another method")]
    Method,
    /// HTTP/1.0 or older.
    #[error("a WebSocket needs HTTP/1.1")]
    HttpVersion,
    /// `Connection: Upgrade` is missing; often a reverse proxy that drops it.
    #[error(
        "header Connection: Upgrade is missing (a reverse proxy in between must pass Upgrade and Connection on)"
    )]
    Connection,
    /// `Sec-WebSocket-Key` is missing, repeated, or not the base64 of 16 bytes.
    #[error("header Sec-WebSocket-Key must be the base64 of 16 bytes, once")]
    Key,
    /// `Sec-WebSocket-Version` is not 13.
    #[error("header Sec-WebSocket-Version must be 13")]
    WebSocketVersion,
}

impl UpgradeError {
    /// 400, or 426 for a wrong WebSocket version (RFC 6455 section 4.4).
    pub fn status(self) -> StatusCode {
        match self {
            Self::WebSocketVersion => StatusCode::UPGRADE_REQUIRED,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The whole HTTP answer, one line of plain text.
    pub fn response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::from(format!("{self}\n")));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(
            hyper::header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        if self == Self::WebSocketVersion {
            // RFC 6455 section 4.4 and RFC 9110 section 15.5.22: the answer names what would be accepted.
            headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        }
        response
    }
}

fn check<B>(request: &Request<B>) -> Result<(), UpgradeError> {
    if request.method() != Method::GET {
        return Err(UpgradeError::Method);
    }
    if request.version() < Version::HTTP_11 {
        return Err(UpgradeError::HttpVersion);
    }
    let headers = request.headers();
    if !lists(headers, &CONNECTION, "upgrade") || !lists(headers, &UPGRADE, "websocket") {
        return Err(UpgradeError::Connection);
    }
    match once(headers, &SEC_WEBSOCKET_VERSION) {
        Some(b"13") => {}
        _ => return Err(UpgradeError::WebSocketVersion),
    }
    match once(headers, &SEC_WEBSOCKET_KEY) {
        Some(key) if is_nonce(key) => Ok(()),
        _ => Err(UpgradeError::Key),
    }
}

/// The only value of a header; `None` when it is missing or repeated.
fn once<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.as_bytes().trim_ascii())
}

/// Whether a comma-separated header has `wanted` among its values, letter case and blanks aside.
fn lists(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .any(|value| value.trim_ascii().eq_ignore_ascii_case(wanted.as_bytes()))
}

/// 16 bytes in base64 are 22 digits and two pads (RFC 4648 section 4).
fn is_nonce(key: &[u8]) -> bool {
    key.len() == 24
        && key.ends_with(b"==")
        && key.iter().take(22).all(|c| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'/'))
}

const BINARY: &str = "binary";

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&str, &str)]) -> Request<()> {
        let mut builder = Request::builder().uri("//novncd/?token=x");
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(()).unwrap()
    }

    const GOOD: [(&str, &str); 4] = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    #[test]
    fn accepts_as_the_rfc_does() {
        let (response, _) = upgrade(&mut request(&GOOD), &Limits::default()).unwrap();
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        // The accept value of RFC 6455 section 1.3 for this very key.
        assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert!(!response.headers().contains_key("sec-websocket-protocol"));
        assert!(!response.headers().contains_key("sec-websocket-extensions"));
    }

    #[test]
    fn answers_binary_if_and_only_if_offered() {
        for (offers, expected) in [
            (&["binary"][..], true),
            (&["binary, base64"], true),
            (&["binary,base64"], true),
            (&["base64 ,binary"], true),
            (&["base64", " binary "], true),
            (&["base64"], false),
            (&["binary2"], false),
            (&["notbinary, bin ary"], false),
            (&[""], false),
            (&[], false),
        ] {
            let mut headers = GOOD.to_vec();
            headers.extend(offers.iter().map(|offer| ("sec-websocket-protocol", *offer)));
            let (response, _) = upgrade(&mut request(&headers), &Limits::default()).unwrap();
            let answer = response.headers().get("sec-websocket-protocol");
            assert_eq!(answer.is_some(), expected, "{offers:?}");
            assert!(answer.is_none_or(|value| value == "binary"));
        }
    }

    #[test]
    fn refuses_what_is_broken_and_says_so() {
        let table = [
            ("connection", "", UpgradeError::Connection, 400),
            ("connection", "keep-alive", UpgradeError::Connection, 400),
            ("sec-websocket-version", "", UpgradeError::WebSocketVersion, 426),
            ("sec-websocket-version", "8", UpgradeError::WebSocketVersion, 426),
            ("sec-websocket-key", "", UpgradeError::Key, 400),
            ("sec-websocket-key", "c2hvcnQ=", UpgradeError::Key, 400),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZ!==", UpgradeError::Key, 400),
        ];
        for (name, value, expected, status) in table {
            let headers: Vec<_> = GOOD
                .iter()
                .map(|&(n, v)| if n == name { (n, value) } else { (n, v) })
                .filter(|(_, v)| !v.is_empty())
                .collect();
            let refused = upgrade(&mut request(&headers), &Limits::default()).map(|_| ());
            assert_eq!(refused, Err(expected), "{name}: {value}");
            assert_eq!(expected.response().status().as_u16(), status);
        }
        let mut post = request(&GOOD);
        *post.method_mut() = Method::POST;
        assert_eq!(upgrade(&mut post, &Limits::default()).map(|_| ()), Err(UpgradeError::Method));
        let mut old = request(&GOOD);
        *old.version_mut() = Version::HTTP_10;
        assert_eq!(
            upgrade(&mut old, &Limits::default()).map(|_| ()),
            Err(UpgradeError::HttpVersion)
        );
        let mut twice = request(&GOOD);
        twice.headers_mut().append("sec-websocket-key", GOOD[3].1.parse().unwrap());
        assert_eq!(upgrade(&mut twice, &Limits::default()).map(|_| ()), Err(UpgradeError::Key));
    }

    #[test]
    fn a_plain_request_is_no_upgrade() {
        assert!(!is_upgrade_request(&request(&[])));
        assert!(!is_upgrade_request(&request(&[("connection", "upgrade"), ("upgrade", "h2c")])));
        assert!(is_upgrade_request(&request(&[("upgrade", "h2c, websocket")])));
    }
}
