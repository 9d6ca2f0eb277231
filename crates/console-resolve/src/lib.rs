//! From a console token to the route of its guest's console.
//!
//! What it is: [`Resolver::resolve`] finds the token's host in the inventory, asks libvirt on that host for the domain's live XML, and
//! lets console-route decide. Lookups of one domain at the same moment are one lookup, and so are those of a SPICE console's channels.
//!
//! What it is not: it serves nothing and opens no console.
//!
//! Invariants: an ended lookup is never handed out again, since a port may have moved to another guest; but a SPICE console's is, to its
//! further channels, for at most [`SPICE_SHARE`] and never after a failure. Every wait is libvirt's own, bounded there.
//!
//! # Example
//!
//! ```no_run
//! use console_inventory::Inventory;
//! use console_libvirt::{Libvirt, LibvirtSettings};
//! use console_resolve::Resolver;
//!
//! # async fn example(inventory: Inventory) -> Result<(), Box<dyn std::error::Error>> {
//! let resolver = Resolver::new(inventory, Libvirt::new(LibvirtSettings::default()));
//! let console = resolver.resolve("1-0a000000-0000-4000-8000-000000000001".parse()?, None).await?;
//! println!("{}: {} at {}", console.domain, console.kind, console.route);
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod error;
mod flights;
mod resolver;
mod shared;

pub use error::{ResolveError, ResolveFault};
pub use resolver::{Console, Resolver, endpoint};
pub use shared::SPICE_SHARE;
