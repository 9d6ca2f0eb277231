//! Settings of the console proxy, from raw text to checked values.
//!
//! What it is: [`Settings::load`] merges, weakest first, the defaults, a TOML file, the environment (`WS_HOST`, `WS_PORT`, `WS_PUBLIC_HOST`,
//! WebVirtMgr's own names) and flags, and checks the result. [`ServerSettings`] can also be made by hand for a server of one's own.
//!
//! What it is not: it reads neither the process's environment nor its arguments (the caller hands them over), binds nothing, and knows
//! nothing of libvirt.
//!
//! Invariants: settings that were loaded are within their documented ranges; an unknown key, a wrong type or a value out of range is an
//! error that names the source, the key, what was found and what is allowed.
//!
//! # Example
//!
//! ```
//! use console_config::{Flags, Settings, Sources};
//!
//! let settings = Settings::load(Sources {
//!     file: "/nonexistent/config.toml".into(),
//!     file_required: false,
//!     environment: vec![("WS_PORT".into(), "6081".into())],
//!     flags: Flags { host: Some("::1".into()), port: None },
//! })?;
//! assert_eq!((settings.server.host.as_str(), settings.server.port), ("::1", 6081));
//!
//! let wrong = Sources { environment: vec![("WS_PORT".into(), "65536".into())], ..Sources::default() };
//! assert_eq!(
//!     Settings::load(wrong).unwrap_err().to_string(),
//!     "environment variable WS_PORT: port is 65536, allowed is 0 to 65535",
//! );
//! # Ok::<(), console_config::ConfigError>(())
//! ```

#![forbid(unsafe_code)]

mod check;
mod error;
mod hosts;
mod load;
mod public_host;
mod raw;
mod server;

pub use error::ConfigError;
pub use hosts::{Connection, HostSettings};
pub use load::{DEFAULT_CONFIG_FILE, Flags, Settings, Sources};
pub use public_host::{PublicHost, PublicHostError};
pub use server::{
    DEFAULT_CLIENT_TIMEOUT, DEFAULT_CLOSE_TIMEOUT, DEFAULT_CONNECT_TIMEOUT, DEFAULT_EARLY_BYTES,
    DEFAULT_HEADER_TIMEOUT, DEFAULT_HOST, DEFAULT_LOOKUP_TIMEOUT, DEFAULT_MAX_CONNECTIONS,
    DEFAULT_MAX_MESSAGE_SIZE, DEFAULT_MAX_SESSIONS, DEFAULT_PING_INTERVAL, DEFAULT_PORT,
    DEFAULT_SHUTDOWN_TIMEOUT, ServerSettings,
};
