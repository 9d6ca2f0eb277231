//! One hypervisor.

use console_route::HostAccess;
use console_token::HostId;

/// How libvirt on a hypervisor is reached (WebVirtMgr's connection types; TLS and SSH are to come).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Connection {
    /// libvirt's UNIX socket on this machine.
    Socket,
    /// libvirt's TCP port.
    Tcp {
        /// A name or address, IPv6 without brackets.
        hostname: String,
    },
}

/// One hypervisor: who it is and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    id: HostId,
    name: String,
    libvirt_uri: String,
    access: HostAccess,
}

impl Host {
    /// A host with the libvirt URI that `connection` implies: `qemu:///system` or `qemu+tcp://hostname/system`.
    pub fn new(id: HostId, name: impl Into<String>, connection: Connection) -> Self {
        let (libvirt_uri, access) = match connection {
            Connection::Socket => ("qemu:///system".to_owned(), HostAccess::Local),
            Connection::Tcp { hostname } => (
                format!("qemu+tcp://{}/system", in_uri(&hostname)),
                HostAccess::Remote { hostname },
            ),
        };
        Self { id, name: name.into(), libvirt_uri, access }
    }

    /// The same host with another libvirt URI (`test:///…`, `qemu:///session`, a socket elsewhere).
    #[must_use]
    pub fn with_uri(self, uri: impl Into<String>) -> Self {
        Self { libvirt_uri: uri.into(), ..self }
    }

    /// Its number.
    pub const fn id(&self) -> HostId {
        self.id
    }

    /// Its name, for logs.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The URI to open with libvirt (libvirt, "Connection URIs").
    pub fn libvirt_uri(&self) -> &str {
        &self.libvirt_uri
    }

    /// How this machine reaches it, for the decision where its consoles are.
    pub const fn access(&self) -> &HostAccess {
        &self.access
    }
}

/// An IPv6 address stands in brackets (RFC 3986 section 3.2.2).
fn in_uri(hostname: &str) -> String {
    if hostname.contains(':') { format!("[{hostname}]") } else { hostname.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connection_implies_its_uri() {
        let tcp = |hostname: &str| Connection::Tcp { hostname: hostname.into() };
        for (connection, uri) in [
            (Connection::Socket, "qemu:///system"),
            (tcp("hv1"), "qemu+tcp://hv1/system"),
            (tcp("2001:db8::1"), "qemu+tcp://[2001:db8::1]/system"),
        ] {
            let host = Host::new(HostId::new(1), "x", connection);
            assert_eq!(host.libvirt_uri(), uri);
            let other = host.clone().with_uri("test:///default");
            assert_eq!((other.libvirt_uri(), other.access()), ("test:///default", host.access()));
        }
    }
}
