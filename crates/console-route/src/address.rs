//! What an address means, seen from the machine that listens on it.

use core::net::{IpAddr, Ipv4Addr};

/// The kinds of address that the table tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Only the machine itself reaches it.
    Loopback,
    /// Every address of the machine; holds the loopback address to use instead.
    Any(&'static str),
    /// One of the machine's addresses, or a name.
    Specific,
}

/// The scope of `listen`, an address or a name as libvirt writes it.
pub(crate) fn scope(listen: &str) -> Scope {
    match listen.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(address) if address.is_loopback() => Scope::Loopback,
        Ok(IpAddr::V4(Ipv4Addr::UNSPECIFIED)) => Scope::Any(LOOPBACK_V4),
        // QEMU's :: may be without IPv4 (net.ipv6.bindv6only), never without IPv6.
        Ok(address) if address.is_unspecified() => Scope::Any(LOOPBACK_V6),
        Ok(_) => Scope::Specific,
        Err(_) if is_localhost(listen) => Scope::Loopback,
        Err(_) if listen.is_empty() => Scope::Any(LOOPBACK_V4),
        Err(_) => Scope::Specific,
    }
}

/// `localhost` and the names below it are loopback (RFC 6761 section 6.3).
fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case("localhost"))
}

/// Where a console that listens on any IPv4 address is opened on its own machine.
const LOOPBACK_V4: &str = "127.0.0.1";
const LOOPBACK_V6: &str = "::1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes() {
        for (listen, expected) in [
            ("127.0.0.1", Scope::Loopback),
            ("127.8.9.1", Scope::Loopback),
            ("::1", Scope::Loopback),
            ("::ffff:127.0.0.1", Scope::Loopback),
            ("localhost", Scope::Loopback),
            ("LocalHost.", Scope::Loopback),
            ("vnc.localhost", Scope::Loopback),
            ("0.0.0.0", Scope::Any("127.0.0.1")),
            ("", Scope::Any("127.0.0.1")),
            ("::", Scope::Any("::1")),
            ("192.0.2.1", Scope::Specific),
            ("2001:db8::1", Scope::Specific),
            ("notlocalhost", Scope::Specific),
            ("127.0.0.1.example.org", Scope::Specific),
        ] {
            assert_eq!(scope(listen), expected, "{listen}");
        }
    }
}
