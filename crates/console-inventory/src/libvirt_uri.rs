//! The libvirt URI of a host (<https://libvirt.org/uri.html>), and the address in one.

use std::fmt::Write as _;
use std::num::NonZeroU16;
use std::path::Path;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::host::{Address, Login, SSH_PORT, SshOptions, TCP_PORT, TLS_PORT};
use crate::ssh_config::SshHost;

pub(crate) fn tcp(at: &Address) -> String {
    // The login goes to SASL, through libvirt's callback.
    format!("qemu+tcp://{}/system", authority(None, &at.host, at.port))
}

pub(crate) fn tls(at: &Address, login: Option<&str>) -> String {
    format!("qemu+tls://{}/system", authority(login, &at.host, at.port))
}

/// Through the ssh program of the service's user, with all that its configuration says.
pub(crate) fn ssh(at: &Address, login: Option<&str>, options: &SshOptions) -> String {
    // Without a terminal ssh asks nobody, so that it ends instead of waiting for a person (ssh_config(5), BatchMode).
    let mut uri = format!("qemu+ssh://{}/system?no_tty=1", authority(login, &at.host, at.port));
    parameter(&mut uri, "keyfile", options.key.as_deref());
    uri
}

/// Through libssh: the ssh program takes neither a password nor other files from libvirt. What ssh_config says is written out, since libssh
/// is not told of it.
pub(crate) fn libssh(at: &Address, login: &Login, options: &SshOptions, found: &SshHost) -> String {
    let user = login.name.as_deref().or(found.user.as_deref());
    let authority = authority(user, &found.hostname, at.port.or(found.port));
    let methods = if login.password.is_some() { "privkey,agent,password" } else { "privkey,agent" };
    let verify = if options.accept_new { "auto" } else { "normal" };
    let mut uri =
        format!("qemu+libssh://{authority}/system?sshauth={methods}&known_hosts_verify={verify}");
    parameter(&mut uri, "keyfile", options.key.as_deref().or(found.identity.as_deref()));
    let known_hosts = options.known_hosts.as_deref().unwrap_or(&found.known_hosts);
    parameter(&mut uri, "known_hosts", Some(known_hosts));
    uri
}

/// Where a host listens that is called so.
pub(crate) fn listens(at: &Address, port: u16) -> (String, u16) {
    (at.host.clone(), at.port.map_or(port, NonZeroU16::get))
}

/// The host and TCP port that libvirt connects to by itself for a URI; none for local ones, and none through the ssh program, which may take
/// the name for an alias.
pub(crate) fn address(uri: &str) -> Option<(String, u16)> {
    let (scheme, rest) = uri.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (_, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (host, port) = match host.strip_prefix('[') {
        Some(inside) => inside.split_once(']')?,
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let usual = match scheme.split_once('+').map_or("", |(_, transport)| transport) {
        "tcp" => TCP_PORT,
        "tls" => TLS_PORT,
        "" if !host.is_empty() => TLS_PORT,
        "libssh" | "libssh2" => SSH_PORT,
        _ => return None,
    };
    let port = match port.strip_prefix(':') {
        Some(port) => port.parse().ok()?,
        None => usual,
    };
    // libvirt takes no host for this one.
    Some((if host.is_empty() { "localhost" } else { host }.to_owned(), port))
}

fn authority(login: Option<&str>, host: &str, port: Option<NonZeroU16>) -> String {
    let mut text = String::new();
    if let Some(login) = login {
        // Writing to a string cannot fail.
        let _ = write!(text, "{}@", utf8_percent_encode(login, RESERVED));
    }
    if host.contains(':') {
        let _ = write!(text, "[{host}]");
    } else {
        text.push_str(host);
    }
    if let Some(port) = port {
        let _ = write!(text, ":{port}");
    }
    text
}

fn parameter(uri: &mut String, name: &str, path: Option<&Path>) {
    if let Some(path) = path {
        let path = path.to_string_lossy();
        let _ = write!(uri, "&{name}={}", utf8_percent_encode(&path, RESERVED_IN_PATHS));
    }
}

/// All but what RFC 3986 section 2.3 leaves unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const RESERVED_IN_PATHS: &AsciiSet = &RESERVED.remove(b'/');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_in_a_uri() {
        for (uri, expected) in [
            ("qemu+tcp://hv1/system", Some(("hv1", 16509))),
            ("qemu+tls://root@hv1/system?pkipath=/x", Some(("hv1", 16514))),
            ("qemu+tls://[2001:db8::1]:1/system", Some(("2001:db8::1", 1))),
            ("qemu://hv1/system", Some(("hv1", 16514))),
            ("qemu+tcp:///system", Some(("localhost", 16509))),
            ("qemu+libssh://root@hv1:2222/system", Some(("hv1", 2222))),
            ("qemu+ssh://hv1/system", None),
            ("qemu:///system", None),
            ("qemu+unix:///system?socket=/x", None),
            ("test:///default", None),
            ("qemu+tcp://hv1:x/system", None),
            ("nonsense", None),
        ] {
            let expected = expected.map(|(host, port)| (host.to_owned(), port));
            assert_eq!(address(uri), expected, "{uri}");
        }
    }
}
