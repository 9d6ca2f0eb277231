//! The hypervisors of a libvirt web panel, by the number in front of a console token's dash.
//!
//! What it is: [`Host`], a hypervisor's name, libvirt URI and access; and [`Inventory`], which finds it by [`HostId`]. In this version
//! the inventory is a fixed list; a panel's database is to come, which is why [`Inventory::host`] is async.
//!
//! What it is not: it connects to nothing and reads no configuration file.
//!
//! Invariant: a host id leads to one host, the first that was given for it.
//!
//! # Example
//!
//! ```
//! use console_inventory::{Connection, Host, Inventory};
//! use console_token::HostId;
//!
//! # async fn example() -> Result<(), console_inventory::InventoryError> {
//! let inventory = Inventory::new([
//!     Host::new(HostId::new(1), "local", Connection::Socket),
//!     Host::new(HostId::new(2), "hv2", Connection::Tcp { hostname: "hv2.example.org".into() }),
//! ]);
//! let host = inventory.host(HostId::new(2)).await?;
//! assert_eq!(host.libvirt_uri(), "qemu+tcp://hv2.example.org/system");
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod host;
mod inventory;

pub use console_token::HostId;
pub use host::{Connection, Host};
pub use inventory::{Inventory, InventoryError};
