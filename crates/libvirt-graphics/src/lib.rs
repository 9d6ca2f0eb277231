//! The graphics devices of a libvirt domain: live domain XML to typed values.
//!
//! What it is: [`Domain::from_xml`] reads what `virDomainGetXMLDesc` returns (or `virsh dumpxml` prints) and keeps what a console needs: name,
//! uuid, whether the domain runs, and every `<graphics>` in document order. The format is described on libvirt's page "Domain XML format",
//! section "Graphical framebuffers".
//!
//! What it is not: it asks no libvirt (see console-libvirt) and does not decide which device to use or how to reach it (see console-route).
//!
//! Invariants:
//!
//! - Never panics; hostile XML costs bounded time and memory ([`MAX_XML_SIZE`], [`MAX_NODES`], [`MAX_ATTRIBUTES`], [`MAX_NAMESPACES`],
//!   [`MAX_NAMESPACE_SIZE`]), and no stack that grows with its depth.
//! - A VNC or SPICE password is kept in a type that neither prints nor outlives its owner in memory (the XML that it came in is the caller's).
//! - "No port" and "not allocated yet" are no numbers: see [`Port`].
//!
//! # Example
//!
//! ```
//! use libvirt_graphics::{Domain, GraphicsKind, Port};
//!
//! let domain = Domain::from_xml(br#"
//!     <domain type='kvm' id='3'>
//!       <name>web-1</name>
//!       <uuid>0a000000-0000-4000-8000-000000000001</uuid>
//!       <devices>
//!         <graphics type='vnc' port='5900' autoport='yes' listen='127.0.0.1'>
//!           <listen type='address' address='127.0.0.1'/>
//!         </graphics>
//!       </devices>
//!     </domain>"#)?;
//! assert!(domain.is_active());
//! let vnc = &domain.graphics()[0];
//! assert_eq!(vnc.kind, GraphicsKind::Vnc);
//! assert_eq!(vnc.port, Port::Number(5900.try_into()?));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

extern crate alloc;

mod bounds;
mod domain;
mod error;
mod graphics;

pub use bounds::{MAX_ATTRIBUTES, MAX_NAMESPACE_SIZE, MAX_NAMESPACES, MAX_NODES, MAX_XML_SIZE};
pub use domain::Domain;
pub use error::XmlError;
pub use graphics::{Graphics, GraphicsKind, Listen, Port};
