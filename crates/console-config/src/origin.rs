//! `origin_check` and `allowed_origins`: whose pages may open consoles.

use std::fmt;

use crate::reader::{Reader, Rule, text};
use host_endpoint::{host_name, is_name};

/// What is done about pages of other sites.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginPolicy {
    /// Key `origin_check`. Default [`OriginCheck::Enforce`] where `public_host` or `allowed_origins` is set, else [`OriginCheck::Warn`].
    pub check: OriginCheck,
    /// Key `allowed_origins`. Default none.
    pub allowed: Vec<AllowedOrigin>,
}

/// What is done about a page of another site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OriginCheck {
    /// `enforce`: it gets 403.
    Enforce,
    /// `warn`: the log says so.
    Warn,
    /// `off`: nothing.
    Off,
}

/// A site whose pages may open consoles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedOrigin {
    scheme: Option<String>,
    host: String,
}

impl AllowedOrigin {
    /// `https` or `http`, where only one of them is meant.
    pub fn scheme(&self) -> Option<&str> {
        self.scheme.as_deref()
    }

    /// The name in small letters or the address, IPv6 without brackets; or `null`, the origin of files and sandboxed frames.
    pub fn host(&self) -> &str {
        &self.host
    }
}

/// As in `allowed_origins`.
impl fmt::Display for AllowedOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = &self.scheme {
            write!(f, "{scheme}://")?;
        }
        if self.host.contains(':') { write!(f, "[{}]", self.host) } else { f.write_str(&self.host) }
    }
}

impl Default for OriginPolicy {
    fn default() -> Self {
        Self { check: OriginCheck::Warn, allowed: Vec::new() }
    }
}

pub(crate) fn read(from: &mut Reader<'_>) -> OriginPolicy {
    let check = from.optional(
        "origin_check",
        &text("enforce, warn or off", |word| match word {
            "enforce" => Some(OriginCheck::Enforce),
            "warn" => Some(OriginCheck::Warn),
            "off" => Some(OriginCheck::Off),
            _ => None,
        }),
    );
    let allowed = from.texts("allowed_origins", &rule());
    let knows_names = !allowed.is_empty() || from.has("public_host");
    let default = if knows_names { OriginCheck::Enforce } else { OriginCheck::Warn };
    OriginPolicy { check: check.unwrap_or(default), allowed }
}

fn rule() -> Rule<'static, AllowedOrigin> {
    text(
        "a name or address, as in panel.example.org or https://panel.example.org (for all sites, origin_check = \"off\")",
        origin,
    )
}

/// A port is taken and dropped: browsers leave the usual ones away.
fn origin(text: &str) -> Option<AllowedOrigin> {
    if text == "null" {
        return Some(AllowedOrigin { scheme: None, host: text.to_owned() });
    }
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => {
            let scheme = scheme.to_ascii_lowercase();
            (Some(scheme).filter(|scheme| scheme == "http" || scheme == "https").map(Some)?, rest)
        }
        None => (None, text),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let name = match host_name(rest) {
        Some(name) => name,
        None => {
            let (name, port) = rest.rsplit_once(':')?;
            port.parse::<u16>().ok()?;
            host_name(name)?
        }
    };
    let is_plain = name.contains(':')
        || is_name(&name.replace('_', "-"))
        || name.parse::<std::net::Ipv4Addr>().is_ok();
    is_plain.then(|| AllowedOrigin { scheme, host: name.to_ascii_lowercase() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_and_without_scheme_and_port() {
        for (text, shown) in [
            ("panel.example.org", "panel.example.org"),
            ("Panel.Example.ORG", "panel.example.org"),
            ("https://panel.example.org", "https://panel.example.org"),
            ("HTTPS://panel.example.org/", "https://panel.example.org"),
            ("http://panel:8000", "http://panel"),
            ("192.0.2.1:80", "192.0.2.1"),
            ("https://[2001:db8::1]:8443", "https://[2001:db8::1]"),
            ("2001:db8::1", "[2001:db8::1]"),
            ("null", "null"),
        ] {
            assert_eq!(origin(text).map(|one| one.to_string()).as_deref(), Some(shown), "{text}");
        }
    }

    #[test]
    fn nothing_else() {
        for text in [
            "",
            "*",
            "*.example.org",
            "https://",
            "https://a/b",
            "ftp://a",
            "a b",
            "a:b",
            "a:65536",
            "https://u@a",
            "file://",
            "//a",
            "https://a?b",
            "https://a#b",
        ] {
            assert_eq!(origin(text), None, "{text}");
        }
    }
}
