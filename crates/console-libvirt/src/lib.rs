//! Live domain XML from libvirt, for async programs.
//!
//! What it is: [`Libvirt::domain_xml`] asks the libvirt at an [`Endpoint`] for a domain by its uuid. It keeps one connection for each, shared by
//! everybody who asks, opened once however many ask at the same moment, kept alive by libvirt's own pings, and reopened when it
//! has died, so that a restart of libvirtd costs no console. For diagnosis, [`Libvirt::about`] and [`Libvirt::domains`] ask in the same way what
//! it is and whom it has.
//!
//! What it is not: it understands no XML (see libvirt-graphics) and changes nothing in libvirt. Only [`Libvirt::domain_xml_with_passwords`] asks for
//! consoles' passwords (`VIR_DOMAIN_XML_SECURE`), and what it returns cannot be printed.
//!
//! Invariants:
//!
//! - libvirt's blocking calls run on threads of their own, never on the async runtime's: one for each endpoint, and at most
//!   [`MAX_ABANDONED`] more that hang inside libvirt. One that has hung for minutes no longer counts, up to [`MAX_HANGING`].
//! - Every call ends within [`LibvirtSettings::timeout`], whatever libvirt does; opening the connection is part of it.
//! - libvirt's own words and error code are kept, and nothing is printed.
//! - A password reaches libvirt's authentication callback and nothing else, once for each connection.
//! - A host that cannot be connected to is tried by one thread at a time, with growing pauses.
//!
//! # Example
//!
//! ```
//! use console_libvirt::{Endpoint, Libvirt, LibvirtSettings, LookupError};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let libvirt = Libvirt::new(LibvirtSettings::default());
//! // libvirt's built-in test driver has one domain with this uuid.
//! let uuid = uuid::Uuid::try_parse("6695eb01-f6a4-8304-79aa-97f2502e193f")?;
//! let endpoint = Endpoint::new("test:///default");
//! let xml = libvirt.domain_xml(&endpoint, uuid).await?;
//! assert!(xml.starts_with("<domain type='test'"));
//!
//! let unknown = libvirt.domain_xml(&endpoint, uuid::Uuid::nil()).await;
//! assert!(matches!(unknown, Err(LookupError::NoSuchDomain { .. })));
//! # Ok(())
//! # }
//! ```

#![deny(unsafe_code)]

mod about;
mod connect;
mod domains;
mod endpoint;
mod error;
mod events;
mod libvirt;
mod lookup;
mod pauses;
mod queue;
mod request;
mod shown;
mod xml;

pub use about::{About, Version};
pub use domains::{Listed, MAX_LISTED};
pub use endpoint::Endpoint;
pub use error::LookupError;
pub use libvirt::{Libvirt, LibvirtSettings, UNUSED_FOR};
pub use pauses::{FIRST_PAUSE, LAST_PAUSE};
pub use queue::{MAX_ABANDONED, MAX_HANGING, MAX_WAITING};
