//! The origin check (RFC 6455 section 10.2): a browser says from whose page a WebSocket is opened, and a page of anybody's could open one with
//! its visitor's cookies.

use std::net::Ipv6Addr;

use console_config::{AllowedOrigin, OriginPolicy, PublicAddress};
use hyper::header::{HOST, HeaderMap, ORIGIN};

/// The foreign origin, if the request has one. Requests without an origin are no browser's.
///
/// Own are the names in the Host header, in `public_host` and in `allowed_origins`. Ports do not count: the panel's page and the proxy are on
/// different ones. Host is not all there is to it, for reverse proxies rewrite it.
pub(crate) fn foreign(
    headers: &HeaderMap,
    public: &PublicAddress,
    policy: &OriginPolicy,
) -> Option<String> {
    let mut origins = headers.get_all(ORIGIN).iter();
    let origin = origins.next()?;
    let shown = || String::from_utf8_lossy(origin.as_bytes()).chars().take(MAX_SHOWN).collect();
    // RFC 6454 section 7.3: a browser sends one. More of them, and nobody knows which the next one reads.
    let text = origin.to_str().ok().filter(|_| origins.next().is_none());
    let Some((scheme, host)) = text.and_then(parse) else { return Some(shown()) };
    let own = headers.get(HOST).and_then(|host| host.to_str().ok()).and_then(host_name);
    let public = public.host.as_ref().and_then(|public| host_name(public.host()));
    let is_own = scheme.is_some() && [own, public].into_iter().flatten().any(|own| own == host);
    let is_allowed = |allowed: &AllowedOrigin| {
        allowed.host() == host
            && allowed.scheme().is_none_or(|wanted| Some(wanted) == scheme.as_deref())
    };
    (!is_own && !policy.allowed.iter().any(is_allowed)).then(shown)
}

/// Scheme and host, in small letters; `null`, which files and sandboxed frames have, is without scheme.
fn parse(origin: &str) -> Option<(Option<String>, String)> {
    if origin == "null" {
        return Some((None, origin.to_owned()));
    }
    let (scheme, rest) = origin.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    if scheme != "http" && scheme != "https" {
        return None;
    }
    Some((Some(scheme), host_name(rest)?))
}

/// The name or address before a port, IPv6 in its short form and without brackets; nothing that has more than these in it.
fn host_name(authority: &str) -> Option<String> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(inner) => {
            let (address, port) = inner.split_once(']')?;
            (address.parse::<Ipv6Addr>().ok()?.to_string(), port)
        }
        None => {
            let (name, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
            let is_name = !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
            (Some(name.to_ascii_lowercase()).filter(|_| is_name)?, port)
        }
    };
    let is_port = match port.strip_prefix(':') {
        Some(port) => port.bytes().all(|byte| byte.is_ascii_digit()),
        None => port.is_empty(),
    };
    // A name with a dot at its end is the same name (RFC 1034 section 3.1).
    is_port.then(|| host.strip_suffix('.').unwrap_or(&host).to_owned())
}

/// How much of a foreign origin the log shows, in characters.
pub(crate) const MAX_SHOWN: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use console_config::{Settings, Sources};
    use hyper::header::HeaderValue;

    fn verdict(host: &str, origins: &[&str], public: &str, allowed: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(host).unwrap());
        for origin in origins {
            headers.append(ORIGIN, HeaderValue::from_bytes(origin.as_bytes()).unwrap());
        }
        let pairs = [("WS_PUBLIC_HOST", public), ("WS_ALLOWED_ORIGINS", allowed)];
        let environment = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let sources = Sources { file: "/nonexistent".into(), environment, ..Sources::default() };
        let server = Settings::load(sources).unwrap().settings.server;
        foreign(&headers, &server.public, &server.origins)
    }

    #[test]
    fn own_names_are_own() {
        for (host, origin, public, allowed) in [
            ("console.example.org:6080", "http://console.example.org", "", ""),
            ("console.example.org", "https://console.example.org:8443", "", ""),
            ("Console.example.org", "https://CONSOLE.example.org", "", ""),
            ("console.example.org.", "https://console.example.org", "", ""),
            ("192.0.2.1:6080", "http://192.0.2.1:8000", "", ""),
            ("[2001:db8::1]:6080", "http://[2001:db8::1]:8000", "", ""),
            ("[2001:DB8:0::1]", "https://[2001:db8::1]", "", ""),
            ("wsnovncd", "https://panel.example.org", "panel.example.org", ""),
            ("wsnovncd", "https://panel.example.org", "panel.example.org:6080", ""),
            ("wsnovncd", "https://[2001:db8::1]", "2001:db8::1", ""),
            ("wsnovncd", "https://panel.example.org", "other", "panel.example.org"),
            ("wsnovncd", "https://panel.example.org:99", "", "a, https://panel.example.org"),
            ("wsnovncd", "http://panel.example.org", "", "panel.example.org"),
            ("wsnovncd", "null", "", "null"),
        ] {
            assert_eq!(verdict(host, &[origin], public, allowed), None, "{host} {origin}");
        }
        assert_eq!(verdict("anything", &[], "console.example.org", ""), None);
    }

    #[test]
    fn all_others_are_foreign() {
        for (host, origin, public, allowed) in [
            ("console.example.org", "https://evil.example.org", "", ""),
            ("wsnovncd", "https://panel.example.org", "", ""),
            ("console.example.org", "https://console.example.org.evil", "", ""),
            ("console.example.org", "https://xconsole.example.org", "console.example.org", ""),
            ("example.org", "https://console.example.org", "", ""),
            ("a", "http://panel.example.org", "", "https://panel.example.org"),
            ("a", "null", "b", "c"),
            ("null", "null", "", ""),
            ("a", "", "", ""),
            ("a", "a", "", ""),
            ("a", "file://a", "", ""),
            ("a", "ftp://a", "", ""),
            ("a", "https://a@b", "", "b"),
            ("a", "https://u@a", "", ""),
            ("a", "https://a/b", "", ""),
            ("a", "https://a b", "", ""),
            ("a", "https://a:b", "", ""),
            ("a", "https://[::1", "", ""),
            ("[::1]:6080", "http://[::2]", "", ""),
            // Bracket-aware: what is before the first colon of both is the same.
            ("[2001:db8::1]:6080", "http://[2001:db8::2]:6080", "", ""),
            ("a", "https://\u{e4}", "", ""),
        ] {
            assert!(verdict(host, &[origin], public, allowed).is_some(), "{host} {origin}");
        }
        assert!(verdict("a", &["http://a", "http://evil"], "", "").is_some());
        assert!(verdict("a", &["http://a", "http://a"], "", "").is_some());
    }

    #[test]
    fn what_is_shown_of_it_is_bounded() {
        let long = format!("https://{}", "x".repeat(10_000));
        assert_eq!(verdict("a", &[&long], "", "").unwrap().len(), MAX_SHOWN);
    }
}
