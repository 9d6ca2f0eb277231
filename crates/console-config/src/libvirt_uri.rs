//! `uri`: what a libvirt URI (<https://libvirt.org/uri.html>) says of the machine and of us.

use std::borrow::Cow;
use std::net::IpAddr;

use percent_encoding::percent_decode_str;

use host_endpoint::host_name;

/// A libvirt URI, taken apart as far as it can contradict other keys.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LibvirtUri<'a> {
    /// Decoded.
    pub(crate) login: Option<Cow<'a, str>>,
    pub(crate) has_password: bool,
    pub(crate) machine: Machine,
    /// By SSH, in whichever way.
    pub(crate) is_ssh: bool,
}

/// Which machine a name means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Machine {
    /// This one.
    This,
    /// Another: its name in small letters, or its address.
    Other(String),
    /// None at all: the test driver has its guests in a file.
    None,
}

impl Machine {
    /// The machine that is called so; IPv6 without brackets.
    pub(crate) fn called(name: &str) -> Self {
        match name.parse::<IpAddr>().map(|address| address.to_canonical()) {
            Ok(address) if address.is_loopback() => Self::This,
            Ok(address) => Self::Other(address.to_string()),
            Err(_) if name.is_empty() || name.eq_ignore_ascii_case("localhost") => Self::This,
            Err(_) => Self::Other(name.to_ascii_lowercase()),
        }
    }
}

/// RFC 3986 section 3, as far as libvirt uses it; `None` if it is no URI with a machine's place in it.
pub(crate) fn parse(text: &str) -> Option<LibvirtUri<'_>> {
    let (scheme, rest) = text.split_once("://")?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let blank = text.chars().any(|one| one.is_control() || one.is_whitespace());
    if !is_scheme || blank || rest.is_empty() || text.chars().count() > MAX_URI {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (user, place) = match authority.rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, authority),
    };
    let decoded = |login| percent_decode_str(login).decode_utf8_lossy();
    let (login, has_password) = match user.map(|user| user.split_once(':').ok_or(user)) {
        Some(Ok((login, _))) => (Some(decoded(login)), true),
        Some(Err(login)) => (Some(decoded(login)), false),
        None => (None, false),
    };
    let (driver, transport) = scheme.split_once('+').unwrap_or((scheme, ""));
    let machine = match transport {
        "" if driver == "test" && place.is_empty() => Machine::None,
        // A socket, whatever else may be written there.
        "unix" | "ext" => Machine::This,
        _ => Machine::called(&host(place)?),
    };
    let is_ssh = matches!(transport, "ssh" | "libssh" | "libssh2");
    Some(LibvirtUri { login, has_password, machine, is_ssh })
}

/// The host of `host`, `host:port`, `[address]` and `[address]:port`.
fn host(place: &str) -> Option<String> {
    let name = match place.strip_prefix('[') {
        Some(_) => place.split_inclusive(']').next()?,
        None => place.split(':').next()?,
    };
    let port = place.strip_prefix(name)?;
    let is_port =
        port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    if name.is_empty() {
        return is_port.then(String::new);
    }
    host_name(name).filter(|_| is_port)
}

/// The longest URI, in characters.
const MAX_URI: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_uri_says() {
        let other = |name: &str| Machine::Other(name.into());
        for (uri, login, has_password, machine) in [
            ("qemu:///system", None, false, Machine::This),
            ("qemu+unix:///system?socket=/x", None, false, Machine::This),
            ("qemu://HV1/system", None, false, other("hv1")),
            ("qemu+tcp:///system", None, false, Machine::This),
            ("qemu+tcp://127.0.0.2:16509/system", None, false, Machine::This),
            ("qemu+tls://root@hv1/system?pkipath=/x@y", Some("root"), false, other("hv1")),
            ("qemu+ssh://root:secret@hv1:22/system", Some("root"), true, other("hv1")),
            ("qemu+libssh2://[2001:DB8::1]:22/system", None, false, other("2001:db8::1")),
            ("qemu+tcp://[::1]/system", None, false, Machine::This),
            ("test:///default", None, false, Machine::None),
            ("test+tcp://hv1/default", None, false, other("hv1")),
            // With a host, libvirt goes there by TLS.
            ("test://hv1/default", None, false, other("hv1")),
            ("qemu+tls://a%40b@hv1/system", Some("a@b"), false, other("hv1")),
        ] {
            let is_ssh = uri.contains("ssh");
            let login = login.map(Cow::from);
            let expected = LibvirtUri { login, has_password, machine, is_ssh };
            assert_eq!(parse(uri), Some(expected), "{uri}");
        }
        for uri in [
            "",
            "qemu",
            "qemu://",
            "1x://a",
            "q emu:///x",
            "qemu+tcp://[bad/system",
            "qemu+tcp://a:b/",
        ] {
            assert_eq!(parse(uri), None, "{uri}");
        }
    }
}
