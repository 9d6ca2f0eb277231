//! From the console proxy's settings to its parts.
//!
//! What it is: [`inventory`], [`libvirt_settings`], [`opener`], [`tls_settings`] and [`listen_addresses`] say in the words of the other crates what
//! the settings say, so that the proxy and a program that examines it cannot differ. [`ServiceUser`] is whose ssh_config counts.
//!
//! What it is not: it opens nothing, listens on nothing and asks no libvirt; ssh_config is all that it reads.
//!
//! Invariants: each setting is taken by name, so that none is forgotten or taken for another; a password stays in a type that hides it.
//!
//! # Example
//!
//! ```
//! use console_assembly::ServiceUser;
//! use console_config::{Settings, Sources};
//!
//! let settings = Settings::load(Sources { file: "/nonexistent".into(), ..Sources::default() })?.settings;
//! let user = ServiceUser { name: "console".into(), home: "/nonexistent".into(), agent: None };
//! let inventory = console_assembly::inventory(&settings, &user)?;
//! assert_eq!(inventory.hosts().count(), 0);
//! let opener = console_assembly::opener(&settings.server);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod error;
mod front;
mod hosts;
mod ssh;

pub use console_inventory::SshUser as ServiceUser;
pub use error::AssemblyError;
pub use front::{listen_addresses, public_name, tls_settings};
pub use hosts::{inventory, libvirt_settings};
pub use ssh::{opener, service_user, ssh_host, ssh_limits};
