//! `[[hosts]]`: the hypervisors.

use console_token::HostId;

/// One entry of `[[hosts]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSettings {
    /// Key `id`: the number in front of a token's dash; unique.
    pub id: HostId,
    /// Key `name`: for logs; default `host <id>`.
    pub name: String,
    /// Keys `connection` and `hostname`: how libvirt there is reached.
    pub connection: Connection,
    /// Key `uri`: the libvirt URI instead of the one that `connection` implies.
    pub uri: Option<String>,
}

/// How libvirt on a hypervisor is reached. WebVirtMgr's other two, `tls` and `ssh`, are to come.
///
/// Exhaustive on purpose: who translates it must not overlook a new way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// `socket`: libvirt's UNIX socket on this machine.
    Socket,
    /// `tcp`: libvirt's TCP port.
    Tcp {
        /// Key `hostname`: a name or address, IPv6 without brackets.
        hostname: String,
    },
}
