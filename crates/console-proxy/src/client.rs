//! Who a client is: its address, as far as it can be believed, and whether it comes encrypted.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use console_config::TrustedProxies;
use hyper::header::HeaderMap;

/// The other end of a connection, or who it says it speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Address(SocketAddr),
    /// Known from a header that tells no port.
    Ip(IpAddr),
    /// On a UNIX socket.
    Unix,
}

impl Peer {
    /// An IPv4 address in IPv6 clothes, as a listener on `::` has it, is shown and compared as what it is.
    pub(crate) fn address(address: SocketAddr) -> Self {
        Self::Address(SocketAddr::new(address.ip().to_canonical(), address.port()))
    }

    /// Whether its word about others is believed.
    pub(crate) fn is_in(self, trusted: &TrustedProxies) -> bool {
        match self {
            Self::Address(address) => trusted.has(address.ip()),
            Self::Ip(ip) => trusted.has(ip),
            Self::Unix => trusted.has_unix(),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Ip(ip) => ip.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

/// Who sent a request.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) peer: Peer,
    /// A trusted proxy passes its bytes on and does not say whose they are; `peer` is the proxy then.
    pub(crate) is_unnamed: bool,
    /// Whether it came encrypted, to us or to a reverse proxy that says so.
    pub(crate) is_encrypted: bool,
    /// Whether it came encrypted to us.
    pub(crate) is_encrypted_to_us: bool,
    /// The subject of its certificate.
    pub(crate) subject: Option<String>,
}

impl Client {
    /// One of whom nothing is known but where it is.
    pub(crate) fn new(peer: Peer) -> Self {
        Self {
            peer,
            is_unnamed: false,
            is_encrypted: false,
            is_encrypted_to_us: false,
            subject: None,
        }
    }

    /// The same, or whom it speaks for if it is a trusted proxy (the field's usual `X-Forwarded-For` and `X-Forwarded-Proto`).
    pub(crate) fn of_request(&self, headers: &HeaderMap, trusted: &TrustedProxies) -> Self {
        let mut client = self.clone();
        if client.is_unnamed || !client.peer.is_in(trusted) {
            return client;
        }
        // Each proxy appends whom it heard it from, so only what trusted ones have appended is true.
        let hops = headers.get_all("x-forwarded-for").iter().rev();
        let hops = hops.flat_map(|line| line.as_bytes().rsplit(|&byte| byte == b','));
        for hop in hops {
            let Some(peer) = hop_address(hop) else { break };
            client.peer = peer;
            if !peer.is_in(trusted) {
                break;
            }
        }
        let scheme = headers.get_all("x-forwarded-proto").iter().next_back();
        let scheme = scheme.and_then(|line| line.as_bytes().rsplit(|&byte| byte == b',').next());
        if let Some(scheme) = scheme.map(<[u8]>::trim_ascii) {
            let names = [&b"https"[..], b"wss"];
            client.is_encrypted = names.iter().any(|name| scheme.eq_ignore_ascii_case(name));
        }
        client
    }
}

/// `192.0.2.1`, `192.0.2.1:1234`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:1234`.
fn hop_address(text: &[u8]) -> Option<Peer> {
    let text = std::str::from_utf8(text).ok()?.trim();
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(Peer::address(address));
    }
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    Some(Peer::Ip(bare.parse::<IpAddr>().ok()?.to_canonical()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use console_config::{Settings, Sources};
    use hyper::header::HeaderValue;

    fn trusted(text: &str) -> TrustedProxies {
        let environment = vec![("WS_TRUSTED_PROXIES".to_owned(), text.to_owned())];
        let sources = Sources { file: "/nonexistent".into(), environment, ..Sources::default() };
        Settings::load(sources).unwrap().settings.server.trusted_proxies
    }

    fn seen(peer: &str, proxies: &str, forwarded: &[&str], protocol: &[&str]) -> (String, bool) {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_str(line).unwrap());
        }
        for line in protocol {
            headers.append("x-forwarded-proto", HeaderValue::from_str(line).unwrap());
        }
        let peer = match peer {
            "unix" => Peer::Unix,
            peer => Peer::address(peer.parse().unwrap()),
        };
        let client = Client::new(peer);
        let client = client.of_request(&headers, &trusted(proxies));
        (client.peer.to_string(), client.is_encrypted)
    }

    #[test]
    fn only_what_trusted_proxies_append_is_believed() {
        let near = "10.0.0.1:5";
        for (peer, proxies, forwarded, expected) in [
            (near, "", &["192.0.2.1"][..], near),
            (near, "10.0.0.2", &["192.0.2.1"], near),
            (near, "10.0.0.1", &["192.0.2.1"], "192.0.2.1"),
            (near, "10.0.0.0/8", &["192.0.2.1"], "192.0.2.1"),
            (near, "10.0.0.7/8", &["192.0.2.1"], "192.0.2.1"),
            (near, "10.0.0.1", &[], near),
            // The client's own word comes first, the proxy's last.
            (near, "10.0.0.1", &["203.0.113.9, 192.0.2.1"], "192.0.2.1"),
            (near, "10.0.0.1", &["203.0.113.9", "192.0.2.1"], "192.0.2.1"),
            (near, "10.0.0.0/8", &["203.0.113.9, 192.0.2.1, 10.1.1.1"], "192.0.2.1"),
            (near, "10.0.0.0/8", &["192.0.2.1", "10.1.1.1,10.2.2.2"], "192.0.2.1"),
            // All of them are proxies: the outermost.
            (near, "10.0.0.0/8", &["10.9.9.9, 10.1.1.1"], "10.9.9.9"),
            // What is no address ends the walk.
            (near, "10.0.0.0/8", &["192.0.2.1, unknown, 10.1.1.1"], "10.1.1.1"),
            (near, "10.0.0.1", &["unknown"], near),
            (near, "10.0.0.1", &[""], near),
            (near, "10.0.0.1", &["192.0.2.1:77"], "192.0.2.1:77"),
            (near, "10.0.0.1", &["[2001:db8::1]:77"], "[2001:db8::1]:77"),
            (near, "10.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
            (near, "10.0.0.1", &["2001:db8::1"], "2001:db8::1"),
            (near, "10.0.0.1", &["::ffff:192.0.2.1"], "192.0.2.1"),
            ("[::ffff:10.0.0.1]:5", "10.0.0.1", &["192.0.2.1"], "192.0.2.1"),
            (near, "::ffff:10.0.0.1", &["192.0.2.1"], "192.0.2.1"),
            (near, "::ffff:10.0.0.0/104", &["192.0.2.1"], "192.0.2.1"),
            (near, "::ffff:11.0.0.0/104", &["192.0.2.1"], near),
            ("[::ffff:192.0.2.9]:5", "", &[], "192.0.2.9:5"),
            ("[::1]:5", "::1", &["192.0.2.1"], "192.0.2.1"),
            ("[::1]:5", "127.0.0.1", &["192.0.2.1"], "[::1]:5"),
            ("unix", "127.0.0.1", &["192.0.2.1"], "unix"),
            ("unix", "unix", &["192.0.2.1"], "192.0.2.1"),
        ] {
            assert_eq!(
                seen(peer, proxies, forwarded, &[]).0,
                expected,
                "{peer} {proxies} {forwarded:?}"
            );
        }
    }

    #[test]
    fn the_scheme_is_the_nearest_proxys_word() {
        for (proxies, protocol, expected) in [
            ("", &["https"][..], false),
            ("10.0.0.1", &["https"], true),
            ("10.0.0.1", &["HTTPS"], true),
            ("10.0.0.1", &["wss"], true),
            ("10.0.0.1", &["http"], false),
            ("10.0.0.1", &["https, http"], false),
            ("10.0.0.1", &["http", "https"], true),
            ("10.0.0.1", &["http,https"], true),
            ("10.0.0.1", &[], false),
            ("10.0.0.1", &["httpsx"], false),
        ] {
            assert_eq!(seen("10.0.0.1:5", proxies, &[], protocol).1, expected, "{protocol:?}");
        }
    }
}
