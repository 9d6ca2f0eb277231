//! A WebSocket URL, tried step by step as a browser would: so that a diagnostic program can say which step fails, and why.
//!
//! What it is: each step apart. [`resolve`], [`connect`], [`secure`] (which shakes hands whatever the certificate is, and judges it
//! afterwards), [`upgrade`] with or without a subprotocol, and on the open WebSocket [`Upgraded::ping`], [`Upgraded::stay`] and
//! [`Upgraded::first_bytes`]. Each error names what was found, and [`ProbeError::remedy`] what an
//! administrator can do.
//!
//! What it is not: a WebSocket client for data, and no HTTP client: it follows no redirect, offers no compression, sends no message.
//!
//! Invariants:
//!
//! - What a browser refuses is an error here: a subprotocol that was offered and not answered, or answered and not offered.
//! - Every wait has a limit that the caller gives or a named constant, and so has everything that is read.
//! - No text shows a whole console token, wherever it stands in the URL or in what a server answers; nor does `Debug`.
//!
//! # Example
//!
//! ```no_run
//! use std::time::Duration;
//! use websocket_probe::{Address, Stream, connect, resolve, secure, upgrade};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! const LIMIT: Duration = Duration::from_secs(5);
//! let address: Address = "wss://console.example.org/novnc?token=1-0a000000-0000-4000-8000-000000000001".parse()?;
//! let found = resolve(&address, LIMIT).await?;
//! let tcp = connect(&found, LIMIT).await?;
//! let stream = if address.is_encrypted {
//!     let secured = secure(tcp, &address, &console_tls::system_roots(), LIMIT).await?;
//!     secured.verdict?;
//!     secured.stream
//! } else {
//!     Stream::Plain(tcp)
//! };
//! let mut open = upgrade(stream, &address, &["binary"], None, LIMIT).await?;
//! println!("{address} answers a ping in {:?}", open.ping(LIMIT).await?);
//! open.close(LIMIT).await;
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod address;
mod error;
mod exchange;
mod mask;
mod reach;
mod remedy;
mod said;
mod secret;
mod secure;
mod stream;
mod upgrade;
mod upgraded;
mod verdict;

pub use address::{Address, AddressError};
pub use error::{Attempt, ProbeError, Step};
pub use reach::{connect, resolve};
pub use secure::{Secured, secure};
pub use stream::{Encrypted, Stream};
pub use upgrade::upgrade;
pub use upgraded::Upgraded;
pub use verdict::CertificateFault;
