//! The decision: how a hypervisor is reached and what its domain's graphics say → exactly one route to the console, or an error that says
//! which setting is wrong.
//!
//! What it is: [`route`], a pure function, and its types. The table:
//!
//! | the console listens on | local host | by SSH | by TCP or TLS |
//! | --- | --- | --- | --- |
//! | UNIX socket | that socket | tunnel to it | error |
//! | loopback (127.0.0.0/8, ::1, localhost) | there | tunnel to it | error |
//! | any address (0.0.0.0, ::, none given) | loopback | the host's name | the host's name |
//! | a specific address | there | the host's name, at that address if it has it | the same |
//! | nothing (`listen` none, no port yet, shut off, TLS only) | error | error | error |
//!
//! A TCP or TLS host that is called localhost is this machine. An SSH host with [`Tunnel::Always`], or one that is called localhost (which
//! may be a forwarded port), is reached through its tunnel in every row.
//!
//! What it is not: it resolves no name, opens nothing and asks nobody.
//!
//! Invariants: the port is always the XML's; there is never a second address to try, since another machine's 192.168.122.1 may be a
//! stranger's guest here; never panics.
//!
//! # Example
//!
//! ```
//! use console_route::{ConsoleKind, HostAccess, route};
//! use libvirt_graphics::Domain;
//!
//! let domain = Domain::from_xml(br#"
//!     <domain id='3'><name>web-1</name><uuid>0a000000-0000-4000-8000-000000000001</uuid>
//!       <devices><graphics type='vnc' port='5900' listen='0.0.0.0'/></devices></domain>"#)?;
//! let here: HostAccess = HostAccess::Local;
//! let local = route(&here, &domain, None)?;
//! assert_eq!(local.kind, ConsoleKind::Vnc);
//! assert_eq!(local.route.to_string(), "tcp 127.0.0.1:5900");
//!
//! let remote: HostAccess = HostAccess::Remote { hostname: "hv1.example.org".into() };
//! assert_eq!(route(&remote, &domain, None)?.route.to_string(), "tcp hv1.example.org:5900");
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

mod address;
mod decide;
mod error;
mod types;

pub use decide::route;
pub use error::RouteError;
pub use types::{ConsoleKind, HostAccess, Route, Routed, Tunnel};
