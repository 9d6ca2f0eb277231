//! What would be decided for a domain's XML, with nothing opened and nobody asked.

use console_route::{HostAccess, Tunnel};
use libvirt_graphics::Domain;

use crate::checks::DOMAIN_XML;
use crate::domain::{Seen, judge};
use crate::inventory::masked;
use crate::report::Report;

/// How the domain's host is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum XmlConnection {
    /// libvirt's socket on this machine.
    Socket,
    /// libvirt's TCP or TLS port on this machine or another.
    Remote {
        /// Its name or address.
        hostname: String,
    },
    /// Its SSH server.
    Ssh {
        /// Its name or address.
        hostname: String,
    },
}

/// Says what the proxy would do with this domain.
pub fn xml(report: &Report, xml: &[u8], connection: &XmlConnection) {
    let domain = match Domain::from_xml(xml) {
        Ok(domain) => domain,
        Err(error) => {
            report.section("Domain XML").fail(
                DOMAIN_XML,
                error.to_string(),
                "give it what virsh dumpxml prints of a running guest",
            );
            return;
        }
    };
    let branch = report.section(format!("Domain {}", domain.name()));
    branch.ok(DOMAIN_XML, format!("{} ({})", domain.name(), masked(domain.uuid())));
    let (access, uri): (HostAccess, _) = match connection {
        XmlConnection::Socket => (HostAccess::Local, "qemu:///system".to_owned()),
        XmlConnection::Remote { hostname } => (
            HostAccess::Remote { hostname: hostname.clone() },
            format!("qemu+tcp://{hostname}/system"),
        ),
        XmlConnection::Ssh { hostname } => (
            HostAccess::Ssh {
                via: hostname.clone(),
                hostname: hostname.clone(),
                tunnel: Tunnel::WhenNeeded,
            },
            format!("qemu+ssh://{hostname}/system"),
        ),
    };
    let seen = Seen { access: &access, uri: &uri, is_wanted: true };
    judge(&branch, &domain, &seen, None);
}
