//! Live domain XML from libvirt, for async programs.
//!
//! What it is: [`Libvirt::domain_xml`] asks the libvirt at a URI for a domain by its uuid. It keeps one connection for each URI, shared by
//! everybody who asks, opened once however many ask at the same moment, kept alive by libvirt's own pings, and reopened when it
//! has died, so that a restart of libvirtd costs no console.
//!
//! What it is not: it understands no XML (see libvirt-graphics), changes nothing in libvirt, and asks for no passwords (no
//! `VIR_DOMAIN_XML_SECURE`).
//!
//! Invariants:
//!
//! - libvirt's blocking calls run on threads of their own, never on the async runtime's: one for each URI, and at most
//!   [`MAX_ABANDONED`] more that hang inside libvirt.
//! - Every call ends within [`LibvirtSettings::timeout`], whatever libvirt does; opening the connection is part of it.
//! - libvirt's own words and error code are kept, and nothing is printed.
//!
//! # Example
//!
//! ```
//! use console_libvirt::{Libvirt, LibvirtSettings, LookupError};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let libvirt = Libvirt::new(LibvirtSettings::default());
//! // libvirt's built-in test driver has one domain with this uuid.
//! let uuid = uuid::Uuid::try_parse("6695eb01-f6a4-8304-79aa-97f2502e193f")?;
//! let xml = libvirt.domain_xml("test:///default", uuid).await?;
//! assert!(xml.starts_with("<domain type='test'"));
//!
//! let unknown = libvirt.domain_xml("test:///default", uuid::Uuid::nil()).await;
//! assert!(matches!(unknown, Err(LookupError::NoSuchDomain { .. })));
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod error;
mod events;
mod libvirt;
mod lookup;
mod queue;

pub use error::LookupError;
pub use libvirt::{Libvirt, LibvirtSettings};
pub use queue::{MAX_ABANDONED, MAX_WAITING};
