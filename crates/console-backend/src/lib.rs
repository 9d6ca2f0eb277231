//! Opens the way to a VNC or SPICE server that [`console_route`] has decided on.
//!
//! What it is: [`open`] turns a [`Route`](console_route::Route) into a [`Backend`], a byte stream, within one time-out for everything (name
//! resolution included), trying a name's addresses in order.
//!
//! What it is not: it decides nothing (that is console-route), and speaks neither VNC nor SPICE. Routes through SSH are
//! refused by this version.
//!
//! Invariants: exactly the route that was given is opened, never another; a UNIX socket's last component is not followed if it is a symbolic
//! link, and what is connected is what was looked at; every wait ends with the time-out.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//! use console_backend::{OpenError, open};
//! use console_route::Route;
//! use tokio::io::AsyncReadExt;
//!
//! // The first words of a VNC server, `RFB 003.008`.
//! async fn banner(route: &Route) -> Result<[u8; 12], Box<dyn std::error::Error>> {
//!     let mut console = open(route, Duration::from_secs(10)).await?;
//!     let mut banner = [0; 12];
//!     console.read_exact(&mut banner).await?;
//!     Ok(banner)
//! }
//! ```

#![forbid(unsafe_code)]

mod backend;
mod denied;
mod error;
mod tcp;
mod unix;

pub use backend::{Backend, open};
pub use denied::Denied;
pub use error::OpenError;
