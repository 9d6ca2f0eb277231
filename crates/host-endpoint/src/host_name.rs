//! What may stand where a machine is named.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use core::net::{IpAddr, Ipv6Addr};

/// An address (IPv6 with or without brackets, which are dropped) or a name; no port.
pub fn host_name(text: &str) -> Option<String> {
    if let Some(inner) = text.strip_prefix('[') {
        return inner
            .strip_suffix(']')?
            .parse::<Ipv6Addr>()
            .ok()
            .map(|address| address.to_string());
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_string());
    }
    // Underscores are against RFC 1123, and in use all the same.
    is_name(&text.replace('_', "-")).then(|| text.to_owned())
}

/// RFC 1123 section 2.1: letters, digits and hyphens in labels of at most 63, at most 253 in all. A last label of digits alone is a
/// mistyped IPv4 address.
pub fn is_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let numeric = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= 253 && text.split('.').all(label) && !text.rsplit('.').next().is_some_and(numeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_are_taken() {
        for (text, expected) in [
            ("0.0.0.0", "0.0.0.0"),
            ("::", "::"),
            ("[::]", "::"),
            ("[2001:DB8:0::1]", "2001:db8::1"),
            ("localhost", "localhost"),
            ("kvm-1.example.org", "kvm-1.example.org"),
            ("kvm_1", "kvm_1"),
            ("1kvm.2x", "1kvm.2x"),
        ] {
            assert_eq!(host_name(text).as_deref(), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn everything_else_is_not() {
        let long = ["a"; 128].join(".");
        for text in [
            "",
            " ",
            "a b",
            "a/b",
            "a:1",
            "1.2.3.4:80",
            "[::1",
            "::1]",
            "[::1]:80",
            "[1.2.3.4]",
            "[a]",
            "1.2.3",
            "300.1.1.1",
            "-a",
            "a-",
            "a.-b",
            "a..b",
            ".a",
            "a.",
            "kvm@a",
            "käse",
            "a\0b",
            "a\nb",
            "%61",
            &long,
            &"a".repeat(64),
        ] {
            assert_eq!(host_name(text), None, "{text:?}");
        }
    }
}
