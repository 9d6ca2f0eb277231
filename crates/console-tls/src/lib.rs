//! A TLS server's certificate and key: read from PEM files however they are ordered, checked, explained, and kept up with their files.
//!
//! What it is: [`Tls::load`] makes a rustls configuration of files as administrators have them: one with everything in it, or
//! certificate and key apart; the chain in any order; PKCS #8, PKCS #1 or SEC 1; RSA, ECDSA or Ed25519. [`Tls::watch`] takes up new ones while
//! connections go on. [`Identity`], [`Certificate`], [`dates`], [`check`], [`key_readable_by_all`] and [`check_client_ca`] are the same for
//! programs that only want to look.
//!
//! What it is not: it accepts no connection (that is tokio-rustls' part), and it makes no certificates.
//!
//! Invariants:
//!
//! - Each thing that can be wrong is an error of its own, with the file, what was found, and a remedy.
//! - Files that are not right never replace files that are.
//! - Nothing of a private key is in a message or in `Debug`.
//!
//! # Example
//!
//! ```no_run
//! use std::sync::Arc;
//! use console_tls::{Tls, TlsSettings, TlsVersion, system_roots};
//!
//! # async fn example() -> Result<(), console_tls::TlsError> {
//! let tls = Arc::new(Tls::load(TlsSettings {
//!     cert: "/etc/ssl/console.pem".into(),
//!     key: None,
//!     min_version: TlsVersion::Tls12,
//!     clients: None,
//!     public_name: Some("console.example.org".into()),
//!     roots: system_roots(),
//! })?);
//! let hangup = Arc::new(tokio::sync::Notify::new());
//! tokio::spawn(tls.clone().watch(hangup.clone()));
//! let for_the_next_connection = tls.config();
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod certificate;
mod chain;
mod check;
mod error;
mod file;
mod identity;
mod live;
mod pem;
mod server;
mod strength;

pub use certificate::{Certificate, Moment, NotACertificate, subject};
pub use check::{EXPIRY_WARNING, Finding, check};
pub use error::{CertificatePlace, TlsError};
pub use identity::Identity;
pub use live::Tls;
pub use permission_denied::Denied;
pub use rustls;
pub use server::{
    ClientCertificates, TlsSettings, TlsVersion, check_client_ca, dates, key_readable_by_all,
    system_roots,
};
