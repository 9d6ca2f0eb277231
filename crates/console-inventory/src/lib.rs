//! The hypervisors of a libvirt web panel, by the number in front of a console token's dash.
//!
//! What it is: [`Host`], a hypervisor's name, login, libvirt URI and access; [`SshAccess`], how its SSH server is
//! logged in at, for which [`SshConfig`] reads ssh_config; and [`Inventory`],
//! which finds the host of a [`ConsoleToken`] in a fixed list or in a [`PanelDatabase`], WebVirtMgr's or WebVirtCloud's, and shows both whole
//! for a diagnosis ([`PanelContent`]).
//!
//! What it is not: it connects to no host, only to the database, which it never writes; it reads no configuration but ssh_config.
//!
//! Invariants: a host id leads to one host, the first that was given for it; the database is asked anew each time, within a bound; no password is in a URI or in `Debug`.
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
//! let host = inventory.host("2-0a000000-0000-4000-8000-000000000001".parse()?).await?;
//! assert_eq!(host.libvirt_uri(), "qemu+tcp://hv2.example.org/system");
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod database;
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
pub use console_token::{ConsoleToken, HostId};
pub use database::{
    DatabaseError, MAX_CHECKED_GUESTS, MAX_CHECKED_HOSTS, MAX_DATABASE_CONNECTIONS, Panel,
    PanelContent, PanelDatabase, PanelGuest, PanelHosts,
};
pub use database_url::DatabaseUrl;
pub use host::{Connection, Host, HostError, HostKeys, Login, SshOptions};
pub use host_endpoint::Endpoint;
pub use inventory::{Inventory, InventoryError};
pub use ssh_access::{SshAccess, SshProxy};
pub use ssh_config::{SshConfig, SshConfigError, SshUser};
pub use ssh_config_text::MAX_SSH_CONFIG_SIZE;
