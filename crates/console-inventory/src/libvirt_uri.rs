//! The libvirt URI of a host (<https://libvirt.org/uri.html>), and the address in one.

use std::fmt::Write as _;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use host_endpoint::Endpoint;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::host::{HostKeys, Login, SSH_PORT, SshOptions, TCP_PORT, TLS_PORT};
use crate::ssh_host::SshHost;

pub(crate) fn tcp(at: &Endpoint) -> String {
    // The login goes to SASL, through libvirt's callback.
    format!("qemu+tcp://{}/system", authority(None, &at.host, at.port))
}

pub(crate) fn tls(at: &Endpoint, login: Option<&str>) -> String {
    format!("qemu+tls://{}/system", authority(login, &at.host, at.port))
}

/// Through the ssh program of the service's user, with all that its configuration says.
pub(crate) fn ssh(at: &Endpoint, login: Option<&str>, options: &SshOptions) -> String {
    // Without a terminal ssh asks nobody, so that it ends instead of waiting for a person (ssh_config(5), BatchMode).
    let mut uri = format!("qemu+ssh://{}/system?no_tty=1", authority(login, &at.host, at.port));
    parameter(&mut uri, "keyfile", options.key.as_deref());
    uri
}

/// Through libssh2: the ssh program takes neither a password nor other files from libvirt, and libssh lets ssh_config's `UserKnownHostsFile`
/// override the one that it is given. libssh2 reads no ssh_config, so what that says is written out.
pub(crate) fn libssh2(
    at: &Endpoint,
    login: &Login,
    options: &SshOptions,
    found: &SshHost,
) -> String {
    let user = login.name.as_deref().or(found.user.as_deref());
    let authority = authority(user, &found.hostname, at.port.or(found.port));
    let mut uri = format!("qemu+libssh2://{authority}/system?");
    let key = options.key.as_deref().or_else(|| found.identity());
    // Asked for a key without one, libvirt gives up before it has tried anything else.
    let methods =
        [(key.is_some(), "privkey"), (true, "agent"), (login.password.is_some(), "password")];
    let methods: Vec<&str> =
        methods.into_iter().filter_map(|(is_there, name)| is_there.then_some(name)).collect();
    let host_keys = options.host_keys.unwrap_or(found.host_keys);
    let verify = if host_keys == HostKeys::Strict { "normal" } else { "auto" };
    let _ = write!(uri, "sshauth={}&known_hosts_verify={verify}", methods.join(","));
    parameter(&mut uri, "keyfile", key);
    let known_hosts = options.known_hosts.as_ref().or_else(|| found.known_hosts.first());
    parameter(&mut uri, "known_hosts", known_hosts.map(PathBuf::as_path));
    uri
}

/// A URI of the administrator's own, with what it leaves open of an SSH host's settings.
pub(crate) fn completed(uri: &str, login: &Login, options: &SshOptions) -> String {
    let Some((scheme, rest)) = uri.split_once("://") else { return uri.to_owned() };
    let transport = scheme.split_once('+').map_or("", |(_, transport)| transport);
    let is_library = matches!(transport, "libssh" | "libssh2");
    if transport != "ssh" && !is_library {
        return uri.to_owned();
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let mut uri = match &login.name {
        Some(name) if !authority.contains('@') => {
            format!("{scheme}://{}@{rest}", utf8_percent_encode(name, RESERVED))
        }
        _ => uri.to_owned(),
    };
    let mut add = |name: &str, value: Option<&str>| {
        let is_there = uri.contains(&format!("?{name}=")) || uri.contains(&format!("&{name}="));
        if let Some(value) = value.filter(|_| !is_there) {
            let mark = if uri.contains('?') { '&' } else { '?' };
            let _ = write!(uri, "{mark}{name}={}", utf8_percent_encode(value, RESERVED_IN_PATHS));
        }
    };
    let text =
        |path: &Option<PathBuf>| path.as_ref().map(|path| path.to_string_lossy().into_owned());
    add("keyfile", text(&options.key).as_deref());
    if is_library {
        add("known_hosts", text(&options.known_hosts).as_deref());
        add(
            "known_hosts_verify",
            options.host_keys.filter(|keys| *keys != HostKeys::Strict).map(|_| "auto"),
        );
    } else {
        add("no_tty", Some("1"));
    }
    uri
}

/// Where a host listens that is called so.
pub(crate) fn listens(at: &Endpoint, port: u16) -> (String, u16) {
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
        "libssh" | "libssh2" => SSH_PORT.get(),
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
