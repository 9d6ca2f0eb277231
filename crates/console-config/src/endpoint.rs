//! `hostname`: a hypervisor's name or address, with the port of libvirt or SSH.

use std::num::NonZeroU16;

use crate::host_name::host;

/// A hypervisor's name or address, and the port of its libvirt or SSH server if it is not the usual one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// A name or address, IPv6 without brackets.
    pub host: String,
    /// libvirt's or SSH's port, by the connection; never a console's.
    pub port: Option<NonZeroU16>,
}

/// `name`, `name:port`, `192.0.2.1:port`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:port`.
pub(crate) fn endpoint(text: &str) -> Option<Endpoint> {
    if let Some(host) = host(text) {
        return Some(Endpoint { host, port: None });
    }
    let (name, port) = text.rsplit_once(':')?;
    // The integer parser would take a sign, too. An IPv6 address with a port needs brackets.
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number || (name.contains(':') && !name.starts_with('[')) {
        return None;
    }
    Some(Endpoint { host: host(name)?, port: Some(port.parse().ok()?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_the_servers() {
        for (text, expected) in [
            ("hv1", Some(("hv1", 0))),
            ("hv1:2222", Some(("hv1", 2222))),
            ("192.0.2.1:1", Some(("192.0.2.1", 1))),
            ("2001:db8::1", Some(("2001:db8::1", 0))),
            ("[2001:db8::1]", Some(("2001:db8::1", 0))),
            ("[2001:db8::1]:2222", Some(("2001:db8::1", 2222))),
            ("hv1:", None),
            ("hv1:0", None),
            ("hv1:+1", None),
            ("hv1:65536", None),
            (":22", None),
            ("hv1:22:22", None),
            ("-oProxyCommand=x", None),
            ("root@hv1", None),
            ("[hv1]:22", None),
        ] {
            let found = endpoint(text);
            let found =
                found.as_ref().map(|at| (at.host.as_str(), at.port.map_or(0, NonZeroU16::get)));
            assert_eq!(found, expected, "{text:?}");
        }
    }
}
