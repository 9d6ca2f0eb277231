//! The first bytes of the two console protocols: RFB (VNC; RFC 6143) and SPICE.
//!
//! What it is: [`recognise`] tells from a client's first bytes which of the two it speaks; [`rfb`] and [`spice`] write a refusal that the
//! client shows to the person in front of it, and read what a server offers.
//!
//! What it is not: it does no I/O, authenticates nobody, and knows nothing of a session beyond its greeting.
//!
//! Invariants:
//!
//! - Never panics, whatever the input; a length that comes from the other side is bounded before it is used.
//! - A refusal's reason is one short line of plain text: old noVNC puts it into its page as HTML.
//!
//! # Example
//!
//! ```
//! use console_greeting::{Greeting, recognise, rfb, spice};
//!
//! // A SPICE client speaks first.
//! assert_eq!(recognise(b"REDQ\x02\0\0\0"), Greeting::Spice);
//! let reply = spice::refusal(spice::LinkError::PermissionDenied);
//! assert_eq!(spice::link_reply(&reply), Ok(Some(spice::LinkError::PermissionDenied)));
//!
//! // A VNC client waits for the server's version, answers with its own, and then reads the reason.
//! let version = rfb::Version::from_client(b"RFB 003.008\n").unwrap();
//! assert_eq!(rfb::refusal(version, "shut off"), b"\0\0\0\0\x08shut off");
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

mod error;
pub mod rfb;
pub mod spice;

pub use error::GreetingError;

/// What a client's first bytes show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// It speaks SPICE.
    Spice,
    /// It does not; a VNC client says nothing before its server has.
    Other,
    /// Too few bytes to tell.
    Undecided,
}

/// Which protocol a client speaks that has sent these bytes first.
pub fn recognise(first_bytes: &[u8]) -> Greeting {
    if first_bytes.starts_with(&spice::MAGIC) {
        Greeting::Spice
    } else if spice::MAGIC.starts_with(first_bytes) {
        Greeting::Undecided
    } else {
        Greeting::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_bytes_decide() {
        for (bytes, expected) in [
            (&b""[..], Greeting::Undecided),
            (b"RED", Greeting::Undecided),
            (b"REDQ", Greeting::Spice),
            (b"REDQ\x02", Greeting::Spice),
            (b"RFB 003.008\n", Greeting::Other),
            (b"GET / HTTP/1.1", Greeting::Other),
            (b"\0", Greeting::Other),
        ] {
            assert_eq!(recognise(bytes), expected, "{bytes:?}");
        }
    }
}
