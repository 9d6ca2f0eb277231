//! The opening handshake of RFC 6455 section 4.1, as a browser does it.

use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{
    CACHE_CONTROL, CONNECTION, HeaderMap, HeaderName, HeaderValue, LOCATION, ORIGIN,
    SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::address::Address;
use crate::error::{ProbeError, Step};
use crate::exchange::{Reply, exchange, request, value};
use crate::said::one_line;
use crate::secret::Secrets;
use crate::stream::Stream;
use crate::upgraded::Upgraded;

/// Asks for a WebSocket at `address.target` and checks the answer as a browser does.
///
/// `offer` are the subprotocols, such as `binary`; none at all is common, too. `origin` is the page that would open it
/// (`https://panel.example.org`); without one the request is no browser's.
///
/// Dropping the future closes the connection.
///
/// # Errors
///
/// [`ProbeError::Status`] for every answer but 101; [`ProbeError::Subprotocol`], [`ProbeError::BadAccept`] and
/// [`ProbeError::BadUpgrade`] for a 101 that a browser does not take; [`ProbeError::NotHttp`], [`ProbeError::NoAnswer`],
/// [`ProbeError::Io`]; [`ProbeError::TimedOut`] after `limit`; [`ProbeError::Unusable`] if what was given can stand in no header.
pub async fn upgrade(
    stream: Stream,
    address: &Address,
    offer: &[&str],
    origin: Option<&str>,
    limit: Duration,
) -> Result<Upgraded, ProbeError> {
    let key = generate_key();
    let mut headers = HeaderMap::new();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Some(origin) = origin {
        headers.insert(ORIGIN, value(origin, ORIGIN)?);
    }
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    headers.insert(SEC_WEBSOCKET_KEY, value(&key, SEC_WEBSOCKET_KEY)?);
    if !offer.is_empty() {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, value(&offer.join(", "), SEC_WEBSOCKET_PROTOCOL)?);
    }
    let secrets = Secrets::of(address);
    let request = request(address, headers)?;
    let reply = exchange(stream, request, &secrets, Step::Upgrade, limit).await?;
    if reply.status != StatusCode::SWITCHING_PROTOCOLS {
        return Err(refused(&reply, &secrets));
    }
    let subprotocol = checked(&reply.headers, &key, offer, &secrets)?;
    let Some((stream, rest)) = reply.switched else {
        return Err(ProbeError::NoAnswer { step: Step::Upgrade });
    };
    Ok(Upgraded::new(stream, rest, subprotocol, secrets).await)
}

/// RFC 6455 section 4.1, "the client MUST validate the server's response as follows"; the numbers are its own.
fn checked(
    headers: &HeaderMap,
    key: &str,
    offer: &[&str],
    secrets: &Secrets,
) -> Result<Option<String>, ProbeError> {
    let shown = |text: String| secrets.shown(text.as_bytes());
    let bad = |name: HeaderName, found: Option<String>| {
        Err(ProbeError::BadUpgrade { header: name.to_string(), found: found.map(shown) })
    };
    // 2.
    let upgrade = text(headers, UPGRADE);
    if !upgrade.as_deref().is_some_and(|text| text.eq_ignore_ascii_case("websocket")) {
        return bad(UPGRADE, upgrade);
    }
    // 3.
    let connection = text(headers, CONNECTION);
    let has_upgrade =
        |text: &str| text.split(',').any(|one| one.trim().eq_ignore_ascii_case("upgrade"));
    if !connection.as_deref().is_some_and(has_upgrade) {
        return bad(CONNECTION, connection);
    }
    // 4.
    if text(headers, SEC_WEBSOCKET_ACCEPT)
        .is_none_or(|found| found != derive_accept_key(key.as_bytes()))
    {
        return Err(ProbeError::BadAccept);
    }
    // 5. None is offered.
    if let extensions @ Some(_) = text(headers, SEC_WEBSOCKET_EXTENSIONS) {
        return bad(SEC_WEBSOCKET_EXTENSIONS, extensions);
    }
    // 6. The other way round it is only the fetch standard's (section "establish a WebSocket connection"), and what browsers do.
    let answered = text(headers, SEC_WEBSOCKET_PROTOCOL);
    let is_right = match answered.as_deref() {
        Some(answered) => offer.contains(&answered),
        None => offer.is_empty(),
    };
    if !is_right {
        let offered = offer.iter().map(|&one| one.to_owned()).collect();
        return Err(ProbeError::Subprotocol { offered, answered: answered.map(shown) });
    }
    Ok(answered)
}

fn refused(reply: &Reply, secrets: &Secrets) -> ProbeError {
    let location = text(&reply.headers, LOCATION).filter(|_| reply.status.is_redirection());
    let location = location.map(|to| secrets.shown(to.as_bytes()));
    // A query may have anything in it, and where it leads the path tells.
    let location = location.map(|to| match to.find(['?', '#']) {
        Some(end) => format!("{}…", to.get(..end).unwrap_or_default()),
        None => to,
    });
    ProbeError::Status {
        code: reply.status.as_u16(),
        reason: reply.reason.clone(),
        line: reply.line.clone(),
        location,
    }
}

/// All values of a header.
fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let all: Vec<_> = headers.get_all(name).iter().map(|one| one_line(one.as_bytes())).collect();
    (!all.is_empty()).then(|| all.join(", "))
}
