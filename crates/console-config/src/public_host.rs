//! The name that browsers reach the server by.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// A host name or address with an optional port, as `WS_PUBLIC_HOST` has it: `console.example.org`, `192.0.2.1:6080`, `[2001:db8::1]:443`.
///
/// It goes into the page and into its content security policy, so nothing but such a name fits in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PublicHost {
    host: String,
    port: Option<u16>,
}

impl PublicHost {
    /// The name or address; IPv6 in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, if one was given; otherwise browsers use the page's own.
    pub const fn port(&self) -> Option<u16> {
        self.port
    }
}

impl FromStr for PublicHost {
    type Err = PublicHostError;

    fn from_str(text: &str) -> Result<Self, PublicHostError> {
        let (host, port) = match text.rsplit_once(':') {
            // A bare IPv6 address has no port.
            Some((before, _)) if before.contains(':') && !before.starts_with('[') => (text, None),
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (text, None),
        };
        let port = match port {
            Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(port.parse().ok().filter(|port| *port > 0).ok_or(PublicHostError)?)
            }
            Some(_) => return Err(PublicHostError),
            None => None,
        };
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match bracketed.unwrap_or(host).parse::<Ipv6Addr>() {
            Ok(address) => format!("[{address}]"),
            Err(_) if bracketed.is_none() && is_name(host) => host.to_owned(),
            Err(_) => return Err(PublicHostError),
        };
        Ok(Self { host, port })
    }
}

impl fmt::Display for PublicHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// Not a host name or address with an optional port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("allowed is a host name or address, with :port if need be, without a scheme or path")]
pub struct PublicHostError;

/// Letters, digits, dashes and dots (RFC 1123 section 2.1); underscores are seen in the wild.
pub(crate) fn is_name(host: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    host.len() <= 253 && host.strip_suffix('.').unwrap_or(host).split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_with_or_without_a_port() {
        for (text, host, port) in [
            ("console.example.org", "console.example.org", None),
            ("console:443", "console", Some(443)),
            ("192.0.2.1:6080", "192.0.2.1", Some(6080)),
            ("2001:db8::1", "[2001:db8::1]", None),
            ("[2001:db8::1]", "[2001:db8::1]", None),
            ("[2001:db8::1]:443", "[2001:db8::1]", Some(443)),
        ] {
            let public: PublicHost = text.parse().unwrap();
            assert_eq!((public.host(), public.port()), (host, port), "{text}");
            assert_eq!(public.to_string().parse(), Ok(public), "{text}");
        }
        for text in [
            "",
            ":",
            ":443",
            "a:",
            "a:0",
            "a:65536",
            "a:+1",
            "https://a",
            "a/b",
            "a b",
            "a;b",
            "a'b",
            "-a",
            "a..b",
            "[a]",
            "[::1",
            "::1]",
            "[::1]x",
            "[::1]:",
            "a,b",
            "*",
            "a\u{e9}",
        ] {
            assert_eq!(text.parse::<PublicHost>(), Err(PublicHostError), "{text}");
        }
    }
}
