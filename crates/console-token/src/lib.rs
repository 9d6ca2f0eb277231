//! The console token of libvirt web panels: `<host id>-<domain uuid>`.
//!
//! What it is: [`ConsoleToken`], its strict parser, and [`find_token`], which finds it where a browser puts it: in a URL's query or in
//! `Cookie` headers.
//!
//! What it is not: it knows no HTTP library, looks nothing up, and proves nothing about who sent the token.
//!
//! Invariants:
//!
//! - Never panics, whatever the input; works in time linear in it, without allocating for what is not a token.
//! - Neither `Display`, `Debug` nor an error shows a whole token: whoever has one has the console.
//!
//! # Example
//!
//! ```
//! use console_token::{ConsoleToken, find_token};
//!
//! # fn main() -> Result<(), console_token::TokenError> {
//! let cookies = ["sessionid=abc; token=7-0a000000-0000-4000-8000-000000000001"];
//! let token = find_token(None, cookies)?.expect("a token cookie");
//! assert_eq!(token.host().get(), 7);
//! assert_eq!(token.to_string(), "7-0a000000-****-0001");
//!
//! // A token in the query decides alone.
//! assert!(find_token(Some("token=broken"), cookies).is_err());
//! // None at all is an ordinary case.
//! assert_eq!(find_token(None, [""])?, None);
//! # Ok(())
//! # }
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

mod find;
mod token;

pub use find::find_token;
pub use token::{ConsoleToken, DomainUuid, HostId, MAX_TOKEN_LENGTH, TokenError};
