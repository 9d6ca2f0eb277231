//! `public_host`, `public_port` and `public_path`: the address that browsers connect to.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use crate::public_host::PublicHost;
use crate::reader::{Reader, text, whole};

/// The address that browsers connect to, as far as it is not where they loaded the page from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublicAddress {
    /// Key `public_host`, its port aside.
    pub host: Option<PublicHost>,
    /// Key `public_port`, or the port in `public_host`.
    pub port: Option<NonZeroU16>,
    /// Key `public_path`.
    pub path: Option<PublicPath>,
}

/// A path that leads to the proxy: it begins and ends with a slash, and has nothing but what RFC 3986 section 3.3 lets stand in a segment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PublicPath(String);

/// The text is not a [`PublicPath`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a public path has segments of letters, digits, and any of -._~!$&'()*+,;=:@ and %XX, with slashes between them"
)]
pub struct PublicPathError;

impl PublicPath {
    /// The path, as in `/novncd/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is behind it in a request's path, with its slash: of `/novncd/console` with `/novncd/` it is `/console`.
    pub fn strip<'a>(&self, path: &'a str) -> Option<&'a str> {
        let prefix = self.0.strip_suffix('/').unwrap_or(&self.0);
        path.strip_prefix(prefix).filter(|rest| rest.starts_with('/'))
    }
}

/// Slashes at both ends may be left away.
impl FromStr for PublicPath {
    type Err = PublicPathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let inner = text.strip_prefix('/').unwrap_or(text);
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        let is_path = text.len() <= MAX_PATH && inner.split('/').all(is_segment);
        if is_path { Ok(Self(format!("/{inner}/"))) } else { Err(PublicPathError) }
    }
}

impl fmt::Display for PublicPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_segment(segment: &str) -> bool {
    let mut rest = segment.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = match (byte, behind) {
            (b'%', [high, low, behind @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                behind
            }
            _ if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte) => behind,
            _ => return false,
        };
    }
    // Browsers resolve the dots before they ask.
    !segment.is_empty() && segment != "." && segment != ".."
}

pub(crate) fn read(from: &mut Reader<'_>) -> PublicAddress {
    let host: Option<PublicHost> =
        from.optional("public_host", &text(HOST, |text| text.parse().ok()));
    let port = from.optional("public_port", &whole(1..=u16::MAX)).and_then(NonZeroU16::new);
    // Nothing but a slash is no path.
    let path = text(PATH, |text| match text {
        "" | "/" => Some(None),
        text => text.parse().ok().map(Some),
    });
    let path = from.optional("public_path", &path).flatten();
    let in_host = host.as_ref().and_then(PublicHost::port);
    if let (Some(in_host), Some(port)) = (in_host, port)
        && in_host != port
    {
        from.refuse("public_port", |key| {
            format!("{key} is {port}, but public_host has port {in_host}; write it in one of them")
        });
    }
    PublicAddress { host: host.map(PublicHost::without_port), port: port.or(in_host), path }
}

const HOST: &str = "a host name or address with or without a port, as in console.example.org, 192.0.2.1:6080 or [2001:db8::1]";
const PATH: &str = "a path without a query, as in /novncd/";

/// The longest path, in bytes.
const MAX_PATH: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_at_the_ends_come_by_themselves() {
        for text in ["/novncd/", "novncd", "/novncd", "novncd/"] {
            assert_eq!(text.parse::<PublicPath>().unwrap().as_str(), "/novncd/", "{text}");
        }
        assert_eq!("a/b%20c".parse::<PublicPath>().unwrap().as_str(), "/a/b%20c/");
    }

    #[test]
    fn nothing_gets_into_a_page_that_does_not_belong() {
        let long = "a".repeat(201);
        for text in [
            "//", "a//b", "/../", "a/./b", "a?b", "a#b", "a b", "a\"b", "a<b", "%", "%4", "%zz",
            "a\n", "ä", "\\", &long,
        ] {
            assert_eq!(text.parse::<PublicPath>(), Err(PublicPathError), "{text:?}");
        }
    }

    #[test]
    fn only_whole_segments_are_stripped() {
        let path: PublicPath = "/novncd/".parse().unwrap();
        for (text, rest) in [
            ("/novncd/console", Some("/console")),
            ("/novncd/", Some("/")),
            ("/novncd", None),
            ("/novncdx/console", None),
            ("/console", None),
            ("//novncd/console", None),
        ] {
            assert_eq!(path.strip(text), rest, "{text}");
        }
    }
}
