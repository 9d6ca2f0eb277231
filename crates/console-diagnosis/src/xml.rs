//! What would be decided for a domain's XML, with nothing opened and nobody asked.

use console_route::{HostAccess, Tunnel};
use libvirt_graphics::Domain;

use crate::checks::{DOMAIN_STATE, DOMAIN_XML};
use crate::domain::{Seen, judge};
use crate::report::Report;
use crate::wording::{masked, quoted};

/// How the domain's host is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum XmlConnection {
    /// libvirt's socket on this machine.
    Socket,
    /// libvirt's TCP port.
    Tcp {
        /// Its name or address.
        hostname: String,
    },
    /// libvirt's TLS port.
    Tls {
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
                "virsh dumpxml NAME > guest.xml # of a guest that runs, and give it that",
            );
            return;
        }
    };
    let branch = report.section(format!("Domain {}", domain.name()));
    branch.ok(DOMAIN_XML, format!("{} ({})", domain.name(), masked(domain.uuid())));
    let (access, uri): (HostAccess, _) = match connection {
        XmlConnection::Socket => (HostAccess::Local, "qemu:///system".to_owned()),
        XmlConnection::Tcp { hostname } => (
            HostAccess::Remote { hostname: bare(hostname) },
            format!("qemu+tcp://{}/system", authority(hostname)),
        ),
        XmlConnection::Tls { hostname } => (
            HostAccess::Remote { hostname: bare(hostname) },
            format!("qemu+tls://{}/system", authority(hostname)),
        ),
        XmlConnection::Ssh { hostname } => (
            HostAccess::Ssh {
                via: hostname.clone(),
                hostname: bare(hostname),
                tunnel: Tunnel::WhenNeeded,
            },
            format!("qemu+ssh://{}/system", authority(hostname)),
        ),
    };
    if !domain.is_active() {
        branch.fail(
            DOMAIN_STATE,
            "this is the XML of a guest that is shut off, or of the next start: made with --inactive, or from /etc/libvirt/qemu",
            format!("virsh -c {} dumpxml {} # while it runs", quoted(&uri), quoted(domain.name())),
        );
        return;
    }
    let seen = Seen { access: &access, uri, is_wanted: true, is_paused: false };
    judge(&branch, &domain, &seen);
}

/// Without the brackets of an IPv6 address.
fn bare(hostname: &str) -> String {
    hostname.trim_matches(['[', ']']).to_owned()
}

/// As URIs have it (RFC 3986 section 3.2.2).
fn authority(hostname: &str) -> String {
    let bare = bare(hostname);
    if bare.contains(':') { format!("[{bare}]") } else { bare }
}
