//! Where a database is: the URLs of SQLite, PostgreSQL and MySQL or MariaDB.
//!
//! What it is: [`DatabaseUrl`], its strict parser, and its one-line text for logs.
//!
//! What it is not: it connects to nothing, reads no environment and no `~/.pgpass`, and does not look for the file.
//!
//! Invariants: never panics; neither `Display`, `Debug` nor an error has a password, nor a part of one, in it; parameters that mean nothing here
//! are refused, never ignored.
//!
//! # Example
//!
//! ```
//! use database_url::DatabaseUrl;
//!
//! let url: DatabaseUrl = "postgresql://panel:s3cret@db.example.org/webvirtcloud?sslmode=verify-full".parse()?;
//! assert_eq!(url.to_string(), "postgresql://panel@db.example.org/webvirtcloud");
//! let DatabaseUrl::Postgres(server) = &url else { unreachable!() };
//! assert_eq!((server.host.as_str(), server.database.as_str()), ("db.example.org", "webvirtcloud"));
//!
//! let file: DatabaseUrl = "sqlite:///srv/webvirtcloud/db.sqlite3".parse()?;
//! assert!(matches!(file, DatabaseUrl::Sqlite { path } if path == "/srv/webvirtcloud/db.sqlite3"));
//! # Ok::<(), database_url::DatabaseUrlError>(())
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
mod parse;
mod types;

pub use error::DatabaseUrlError;
pub use types::{DatabaseServer, DatabaseUrl, ServerTls, TlsMode};
