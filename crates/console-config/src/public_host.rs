//! The name under which browsers reach the proxy.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;
use std::str::FromStr;

use host_endpoint::is_name;

/// A host name or address, with an optional port: where the console page opens its WebSocket.
///
/// It goes into a URL and into a Content-Security-Policy header, so it has nothing but what RFC 3986 section 3.2.2 lets stand there:
/// letters, digits, hyphens and dots, or an IPv6 address in brackets (which may be left away where no port follows).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PublicHost {
    host: String,
    port: Option<NonZeroU16>,
}

/// The text is not a [`PublicHost`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a public host is a host name or address with or without a port, and no scheme, path or space"
)]
pub struct PublicHostError;

impl PublicHost {
    /// The name or address without the port; IPv6 stands in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, if one is given.
    pub fn port(&self) -> Option<NonZeroU16> {
        self.port
    }

    /// The same without its port.
    #[must_use]
    pub fn without_port(self) -> Self {
        Self { port: None, ..self }
    }
}

impl FromStr for PublicHost {
    type Err = PublicHostError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(address) = text.parse::<Ipv6Addr>() {
            return Ok(Self { host: format!("[{address}]"), port: None });
        }
        let (host, port) = match text.strip_prefix('[') {
            Some(inner) => {
                let (address, rest) = inner.split_once(']').ok_or(PublicHostError)?;
                let address: Ipv6Addr = address.parse().map_err(|_| PublicHostError)?;
                (format!("[{address}]"), rest)
            }
            None => {
                let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
                if host.parse::<Ipv4Addr>().is_err() && !is_name(host) {
                    return Err(PublicHostError);
                }
                (host.to_owned(), port)
            }
        };
        let port = match port.strip_prefix(':') {
            // The integer parser would take a sign, too.
            Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(port.parse().map_err(|_| PublicHostError)?)
            }
            None if port.is_empty() => None,
            _ => return Err(PublicHostError),
        };
        Ok(Self { host, port })
    }
}

/// As it stands in a URL: `console.example.org`, `192.0.2.1:6080`, `[2001:db8::1]:6080`.
impl fmt::Display for PublicHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => f.write_str(&self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_with_and_without_port() {
        for (text, host, port) in [
            ("console.example.org", "console.example.org", None),
            ("Console-1:443", "Console-1", Some(443)),
            ("192.0.2.1:6080", "192.0.2.1", Some(6080)),
            ("[2001:db8::1]", "[2001:db8::1]", None),
            ("[2001:db8::1]:1", "[2001:db8::1]", Some(1)),
        ] {
            let parsed: PublicHost = text.parse().unwrap();
            assert_eq!((parsed.host(), parsed.port().map(NonZeroU16::get)), (host, port));
            assert_eq!(parsed.to_string(), text);
        }
        assert_eq!("2001:db8::1".parse::<PublicHost>().unwrap().to_string(), "[2001:db8::1]");
    }

    #[test]
    fn nothing_gets_into_a_header_that_does_not_belong() {
        for text in [
            "",
            ":",
            ":80",
            "a:",
            "a:0",
            "a:65536",
            "a:+1",
            "a:1:2",
            "a:b",
            "::1:x",
            "[::1",
            "[::1]1",
            "[::1]:",
            "[a]",
            "[::1%lo]",
            "https://a",
            "//a",
            "a/b",
            "a/",
            "a b",
            " a",
            "a ",
            "a;b",
            "a,b",
            "a'b",
            "*.a",
            "*",
            "a_b",
            "a\r\nb",
            "a\tb",
            "a\"",
            "u@a",
            "a?b",
            "a#b",
            "%61",
            "käse",
            "1.2.3",
            "1.2.3.4.5",
        ] {
            assert_eq!(text.parse::<PublicHost>(), Err(PublicHostError), "{text:?}");
        }
    }
}
