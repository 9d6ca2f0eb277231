//! The test bed: what the end-to-end tests and `cargo xtask demo` stand on.
//!
//! It is real: a libvirtd of its own, QEMU guests, the built `webvirtmgr-console` and headless Chromium. It is not a
//! mock of any of them, it does not link libvirt (it runs `virsh`), and it installs packages only through
//! [`packages`], which asks first.
//!
//! # Invariants
//!
//! - Everything a [`Bed`] starts ends with it: at drop, and by the kernel if the process that holds it is killed.
//! - Several beds run at the same time, in one process or in several, and share nothing but a read-mostly cache.
//! - No fixed ports, no fixed waits: every wait has a bound and says what it waited for.
//! - Nothing outside the project's target folder is written, but for packages that a person agreed to.
//!
//! # Example
//!
//! ```no_run
//! use std::time::Duration;
//!
//! # fn main() -> harness::Result<()> {
//! let bed = harness::Bed::start()?;
//! let guest = bed.guest("demo").start()?;
//! let proxy = bed.proxy().start()?;
//! println!("{}", proxy.page_url(guest.uuid()));
//! guest.wait_for_serial("hello", Duration::from_secs(10))?;
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

pub mod bed;
pub mod boot;
pub mod browser;
pub mod certificates;
pub mod check;
pub mod database;
pub mod deb;
pub mod debian_root;
pub mod domain;
pub mod guest;
pub mod lease;
pub mod libvirtd;
pub mod node;
pub mod packages;
pub mod paths;
mod pki;
pub mod ports;
pub mod process;
pub mod proxy;
pub mod remote;
pub mod reverse_proxy;
pub mod rfb;
pub mod site;
pub mod ssh_server;
pub mod sshd;
pub mod systemd;
pub mod tls_client;
pub mod tools;
pub mod virsh;
pub mod wait;
pub mod websocket;

pub use anyhow::Result;
pub use bed::Bed;
pub use browser::Browser;
pub use database::{Database, Engine, Panel, PanelDatabase};
pub use domain::{Console, DomainSpec, Listen};
pub use guest::{Guest, GuestBuilder};
pub use libvirtd::Libvirtd;
pub use node::Node;
pub use proxy::{Proxy, ProxyBuilder};
pub use remote::Remote;
pub use ssh_server::SshServer;
pub use sshd::Sshd;
