//! The URL that is tried.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use host_endpoint::host_name;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::secret::masked_target;

/// A `ws://`, `wss://`, `http://` or `https://` URL, parsed. Printed it is a `ws` or `wss` URL with its token masked.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// Whether TLS is spoken: `wss`, `https`.
    pub is_encrypted: bool,
    /// A name or an address, IPv6 without brackets.
    pub host: String,
    /// The port; 80 or 443 where the URL has none.
    pub port: u16,
    /// Path and query, at least `/`. It may have a token in it: never print it.
    pub target: String,
}

/// A text is no URL that can be tried. No text of these has a path, a query or a password in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// There is no scheme at all.
    #[error("the URL has no scheme; it begins with ws://, wss://, http:// or https://")]
    NoScheme,
    /// It has another scheme.
    #[error("the URL's scheme is {found}; allowed are ws, wss, http and https")]
    Scheme {
        /// What stands before `://`.
        found: String,
    },
    /// It has a user's name or a password.
    #[error(
        "the URL has a user or a password in it, which browsers do not take for WebSockets; allowed is scheme://host[:port]/path"
    )]
    UserInfo,
    /// Its host is no name and no address.
    #[error(
        "the URL's host is {found:?}; allowed are a name (ASCII, xn--… for others), an IPv4 address, and an IPv6 address in brackets"
    )]
    Host {
        /// What stands there.
        found: String,
    },
    /// Its port is no port.
    #[error("the URL's port is {found:?}; allowed is 1 to 65535")]
    Port {
        /// What stands there.
        found: String,
    },
    /// It is longer than a server takes.
    #[error("the URL has {found} bytes; allowed are {MAX_URL_LENGTH}")]
    TooLong {
        /// Its length in bytes.
        found: usize,
    },
    /// A control character, such as a line break.
    #[error("the URL has a control character in it; allowed are none")]
    Control,
}

impl Address {
    /// What stands in a `Host` header: IPv6 in brackets, no port where it is the scheme's own.
    pub fn authority(&self) -> String {
        let host = match self.host.parse::<Ipv6Addr>() {
            Ok(_) => format!("[{}]", self.host),
            Err(_) => self.host.clone(),
        };
        let usual = if self.is_encrypted { HTTPS } else { HTTP };
        if self.port == usual { host } else { format!("{host}:{}", self.port) }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    /// Spaces around it are dropped, and so is a fragment, as browsers do; what may not stand in a request is percent-encoded.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        if text.len() > MAX_URL_LENGTH {
            return Err(AddressError::TooLong { found: text.len() });
        }
        if text.chars().any(char::is_control) {
            return Err(AddressError::Control);
        }
        let (scheme, rest) = text.split_once("://").ok_or(AddressError::NoScheme)?;
        let is_encrypted = match scheme.to_ascii_lowercase().as_str() {
            "ws" | "http" => false,
            "wss" | "https" => true,
            _ if is_scheme(scheme) => {
                return Err(AddressError::Scheme { found: scheme.to_owned() });
            }
            _ => return Err(AddressError::NoScheme),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(AddressError::UserInfo);
        }
        let (name, port) = split_port(authority);
        let host = host_name(name)
            // Only brackets tell an IPv6 address from a port.
            .filter(|_| name.starts_with('[') || !name.contains(':'))
            .ok_or_else(|| AddressError::Host { found: name.to_owned() })?;
        let port = match port {
            None | Some("") if is_encrypted => HTTPS,
            None | Some("") => HTTP,
            Some(port) => {
                number(port).ok_or_else(|| AddressError::Port { found: port.to_owned() })?
            }
        };
        let slash = if target.starts_with('/') { "" } else { "/" };
        let target = format!("{slash}{}", utf8_percent_encode(target, NOT_IN_A_TARGET));
        Ok(Self { is_encrypted, host, port, target })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_encrypted { "wss" } else { "ws" };
        write!(f, "{scheme}://{}{}", self.authority(), masked_target(&self.target))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

fn is_scheme(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    (1..=MAX_SCHEME_LENGTH).contains(&text.len()) && text.bytes().all(letter)
}

/// The name with its brackets, and what follows the colon after it.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (authority, None),
    }
}

fn number(port: &str) -> Option<u16> {
    // The integer parser would take a sign, too.
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    port.parse().ok().filter(|&port| is_number && port != 0)
}

const HTTP: u16 = 80;
const HTTPS: u16 = 443;

/// In bytes; common servers take request lines of 8 KiB.
const MAX_URL_LENGTH: usize = 8 * 1024;

/// In bytes; what is longer is no scheme that somebody mistyped.
const MAX_SCHEME_LENGTH: usize = 16;

/// What the URL standard encodes in paths or queries, as far as both agree.
const NOT_IN_A_TARGET: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'`')
    .add(b'{')
    .add(b'}')
    .add(b'\\')
    .add(b'^')
    .add(b'|');

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "1-0a1b2c3d-4e5f-4061-8283-94a5b6c7d8e9";

    #[test]
    fn urls_are_parsed() {
        for (text, is_encrypted, host, port, target, authority) in [
            ("ws://a", false, "a", 80, "/", "a"),
            ("WSS://a:443", true, "a", 443, "/", "a"),
            ("http://a:443?x=1#y", false, "a", 443, "/?x=1", "a:443"),
            (
                " https://[2001:DB8::1]:6080/w/s?a b#c?d ",
                true,
                "2001:db8::1",
                6080,
                "/w/s?a%20b",
                "[2001:db8::1]:6080",
            ),
            ("ws://[::1]", false, "::1", 80, "/", "[::1]"),
            ("ws://192.0.2.1:/ü", false, "192.0.2.1", 80, "/%C3%BC", "192.0.2.1"),
        ] {
            let found: Address = text.parse().unwrap();
            let expected = Address { is_encrypted, host: host.into(), port, target: target.into() };
            assert_eq!(found, expected, "{text:?}");
            assert_eq!(found.authority(), authority);
        }
    }

    #[test]
    fn what_is_no_url_says_why() {
        for (text, expected) in [
            ("console.example.org:6080", AddressError::NoScheme),
            ("", AddressError::NoScheme),
            ("vnc://a", AddressError::Scheme { found: "vnc".into() }),
            ("ws://root:secret@a", AddressError::UserInfo),
            ("ws://", AddressError::Host { found: String::new() }),
            ("ws:///x", AddressError::Host { found: String::new() }),
            ("ws://a b", AddressError::Host { found: "a b".into() }),
            ("ws://2001:db8::1", AddressError::Host { found: "2001:db8:".into() }),
            ("ws://a:0", AddressError::Port { found: "0".into() }),
            ("ws://a:65536", AddressError::Port { found: "65536".into() }),
            ("ws://a:+1", AddressError::Port { found: "+1".into() }),
            ("ws://a/\r\nHost: b", AddressError::Control),
        ] {
            assert_eq!(text.parse::<Address>(), Err(expected), "{text:?}");
        }
        let long = format!("ws://a/{}", "x".repeat(MAX_URL_LENGTH));
        assert!(matches!(long.parse::<Address>(), Err(AddressError::TooLong { .. })));
    }

    #[test]
    fn no_text_has_the_token() {
        for (query, shown) in [
            (format!("a=b&token={TOKEN}"), "a=b&token=1-0a1b2c3d-****-d8e9"),
            (format!("token={}", TOKEN.replace('-', "%2D")), "token=1-0a1b2c3d-****-d8e9"),
            (format!("%74oken={TOKEN}"), "%74oken=1-0a1b2c3d-****-d8e9"),
            ("token=no-token".to_owned(), "token=***"),
            ("token=".to_owned(), "token="),
            (format!("path=websockify%3Ftoken%3D{TOKEN}"), "path=***"),
            (format!("t={TOKEN}&u"), "t=1-0a1b2c3d-****-d8e9&u"),
            (format!("{}/x", TOKEN.replace('-', "%2d")), "1-0a1b2c3d-****-d8e9/x"),
        ] {
            let address: Address = format!("wss://a/x?{query}").parse().unwrap();
            assert!(address.target.ends_with(&query));
            assert_eq!(address.to_string(), format!("wss://a/x?{shown}"));
            assert_eq!(format!("{address:?}"), format!("Address(wss://a/x?{shown})"));
        }
        let address: Address = format!("ws://h/{TOKEN}").parse().unwrap();
        assert_eq!(address.to_string(), "ws://h/1-0a1b2c3d-****-d8e9");
    }
}
