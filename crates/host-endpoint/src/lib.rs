//! A machine's name or address, with or without a port, as people write it into settings and databases.
//!
//! What it is: [`Endpoint`] and its strict parser, [`host_name`] and [`is_name`] for places that take no port, and
//! [`is_login`] for who logs in there.
//!
//! What it is not: it resolves nothing, and knows no default port.
//!
//! Invariants: never panics; what is taken can stand in a URI and on no command line as an option (nothing begins with `-`); an IPv6 address
//! has no brackets inside, and needs them in text only where a port follows.
//!
//! # Example
//!
//! ```
//! use host_endpoint::Endpoint;
//!
//! let at: Endpoint = "[2001:db8::1]:2222".parse()?;
//! assert_eq!((at.host.as_str(), at.port.map(u16::from)), ("2001:db8::1", Some(2222)));
//! assert!("root@hv1".parse::<Endpoint>().is_err());
//! # Ok::<(), host_endpoint::EndpointError>(())
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

mod endpoint;
mod host_name;
mod login;

pub use endpoint::{Endpoint, EndpointError};
pub use host_name::{host_name, is_name};
pub use login::is_login;
