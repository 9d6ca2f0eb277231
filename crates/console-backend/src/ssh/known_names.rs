//! Names in known_hosts files: lists of patterns, or hashed (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT").

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

/// Whether the first field of a line means the server: a list of patterns, or one hashed name.
pub(super) fn names(hosts: &str, name: &str) -> bool {
    if let Some(hashed) = hosts.strip_prefix("|1|") {
        return is_hash_of(hashed, name).unwrap_or(false);
    }
    let mut found = false;
    for pattern in hosts.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches(pattern, name) => return false,
            Some(_) => {}
            None => found |= matches(pattern, name),
        }
    }
    found
}

/// `salt|hash`, both in base64: HMAC-SHA1 of the name with the salt as key.
fn is_hash_of(hashed: &str, name: &str) -> Option<bool> {
    let (salt, hash) = hashed.split_once('|')?;
    let mut mac = Hmac::<Sha1>::new_from_slice(&STANDARD.decode(salt).ok()?).ok()?;
    mac.update(name.as_bytes());
    Some(mac.verify_slice(&STANDARD.decode(hash).ok()?).is_ok())
}

/// `*` stands for any characters, `?` for one. No work grows with the square of a pattern's stars.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_lowercase().into_bytes(), name.as_bytes());
    let (mut at, mut star, mut i) = (0, None, 0);
    while i < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, i));
                at += 1;
            }
            Some(one) if *one == b'?' || Some(one) == name.get(i) => {
                at += 1;
                i += 1;
            }
            _ => {
                let Some((last, taken)) = star else { return false };
                star = Some((last, taken + 1));
                at = last + 1;
                i = taken + 1;
            }
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|rest| *rest == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_sshd_8_says() {
        for (hosts, name, expected) in [
            ("hv1", "hv1", true),
            ("HV1", "hv1", true),
            ("hv1", "hv10", false),
            ("a,hv1,b", "hv1", true),
            ("hv*", "hv1", true),
            ("hv?.example.*", "hv1.example.org", true),
            ("*.example.org", "example.org", false),
            ("*.example.org,!hv1.example.org", "hv1.example.org", false),
            ("!hv1", "hv2", false),
            ("[hv1]:2222", "[hv1]:2222", true),
            ("[hv1]:*", "[hv1]:2222", true),
            ("hv1", "[hv1]:2222", false),
            ("*a*a*a*a*a*a*a*b", &"a".repeat(5000), false),
            ("**", "x", true),
            ("", "x", false),
            ("|1|x4IF6YmVBkUmB+d/Y04p7iHpQ+k=|bad", "hv1.example.org", false),
            ("|1||", "hv1", false),
            ("|1|not base64|x", "hv1", false),
        ] {
            assert_eq!(names(hosts, name), expected, "{hosts} {name}");
        }
    }

    #[test]
    fn hashed_names_are_those_that_openssh_writes() {
        // By `ssh-keygen -H`.
        let hosts = "|1|md6V0PmtJ7FgtJaSuP/4cZBhc8w=|UCNpKo8nQY2EQDDL65q+HZ5s9Z8=";
        assert!(names(hosts, "hv1.example.org"));
        assert!(!names(hosts, "hv2.example.org"));
    }
}
