//! The hypervisors of a libvirt web panel, by the number in front of a console token's dash.
//!
//! What it is: [`Host`], a hypervisor's name, login, libvirt URI and access; [`SshAccess`], how its SSH server is
//! logged in at, for which [`SshConfig`] reads ssh_config; and [`Inventory`],
//! which finds a host by [`HostId`]. In this version the inventory is a fixed list; a panel's database is to come, which is why
//! [`Inventory::host`] is async.
//!
//! What it is not: it connects to nothing and reads no configuration but ssh_config.
//!
//! Invariants: a host id leads to one host, the first that was given for it; no password is in a URI or in `Debug`.
//!
//! # Example
//!
//! ```
//! use console_inventory::{Endpoint, Connection, Host, Inventory, Login, SshConfig, SshUser};
//! use console_token::HostId;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let user = SshUser { name: "console".into(), home: "/home/console".into(), agent: None };
//! let ssh = SshConfig::of_user(&user)?;
//! let hv2 = Connection::Tcp(Endpoint { host: "hv2.example.org".into(), port: None });
//! let inventory = Inventory::new([
//!     Host::new(HostId::new(1), "local", &Connection::Socket, Login::default(), &ssh, None)?,
//!     Host::new(HostId::new(2), "hv2", &hv2, Login::default(), &ssh, None)?,
//! ]);
//! let host = inventory.host(HostId::new(2)).await?;
//! assert_eq!(host.libvirt_uri(), "qemu+tcp://hv2.example.org/system");
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod host;
mod inventory;
mod libvirt_uri;
mod ssh_access;
mod ssh_config;
mod ssh_config_text;
mod ssh_host;
mod ssh_query;
mod ssh_tokens;

pub use console_route::Tunnel;
pub use console_token::HostId;
pub use host::{Connection, Host, HostError, Login, SshOptions};
pub use host_endpoint::Endpoint;
pub use inventory::{Inventory, InventoryError};
pub use ssh_access::{SshAccess, SshProxy};
pub use ssh_config::{SshConfig, SshConfigError, SshUser};
pub use ssh_config_text::MAX_SSH_CONFIG_SIZE;
