//! A name or address, with a port or without.

use alloc::string::String;
use core::num::NonZeroU16;
use core::str::FromStr;

use crate::host_name::host_name;

/// A machine's name or address, and the port of a server there if it is not the usual one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// A name or address, IPv6 without brackets.
    pub host: String,
    /// The server's port.
    pub port: Option<NonZeroU16>,
}

/// A text is no name or address, with or without a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointError;

impl core::fmt::Display for EndpointError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("no address or name, with or without a port")
    }
}

impl core::error::Error for EndpointError {}

impl FromStr for Endpoint {
    type Err = EndpointError;

    /// `name`, `name:port`, `192.0.2.1:port`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:port`.
    fn from_str(text: &str) -> Result<Self, EndpointError> {
        if let Some(host) = host_name(text) {
            return Ok(Self { host, port: None });
        }
        let (name, port) = text.rsplit_once(':').ok_or(EndpointError)?;
        // The integer parser would take a sign, too. An IPv6 address with a port needs brackets.
        let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number || (name.contains(':') && !name.starts_with('[')) {
            return Err(EndpointError);
        }
        let host = host_name(name).ok_or(EndpointError)?;
        Ok(Self { host, port: Some(port.parse().map_err(|_| EndpointError)?) })
    }
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
            let found = text.parse::<Endpoint>().ok();
            let found =
                found.as_ref().map(|at| (at.host.as_str(), at.port.map_or(0, NonZeroU16::get)));
            assert_eq!(found, expected, "{text:?}");
        }
    }
}
