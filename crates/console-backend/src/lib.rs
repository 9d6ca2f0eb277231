//! Opens the way to a VNC or SPICE server that [`console_route`] has decided on.
//!
//! What it is: [`Opener::open`] turns a [`Route`](console_route::Route) into a [`Backend`], a byte stream: by TCP (a name's addresses in
//! order), by a UNIX socket, or through an SSH server ([`SshHost`]), whose consoles share one connection. [`Opener::examine`] looks at what such a
//! server makes of a login, and opens no console.
//!
//! What it is not: it decides nothing (that is console-route), speaks neither VNC nor SPICE, reads no ssh_config, and runs no program: no
//! ssh, no shell, no `nc`.
//!
//! Invariants:
//!
//! - Exactly the route that was given is opened, never another; a UNIX socket's last component is not followed if it is a symbolic link, and
//!   what is connected is what was looked at.
//! - Every wait has a bound, and so has every buffer: [`SshLimits`] has SSH's.
//! - A console that nobody reads is paused, not dropped, and holds up no other console of its SSH server.
//! - No SSH server is believed whose key is not known, unless [`HostKeys`] says so; one whose key has changed never.
//! - One task for each SSH connection and no thread.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//! use console_backend::{Opener, SshHost};
//! use console_route::Route;
//! use tokio::io::AsyncReadExt;
//!
//! // The first words of a VNC server behind hv1's SSH server, `RFB 003.008`.
//! async fn banner(opener: &Opener) -> Result<[u8; 12], Box<dyn std::error::Error>> {
//!     let mut hv1 = SshHost::new("hv1.example.org", "root");
//!     hv1.keys.push("/etc/console/id_ed25519".into());
//!     hv1.known_hosts.push("/etc/console/known_hosts".into());
//!     let route = Route::SshTcp { via: Arc::new(hv1), host: "127.0.0.1".into(), port: 5900.try_into()? };
//!     let mut console = opener.open(&route).await?;
//!     let mut banner = [0; 12];
//!     console.read_exact(&mut banner).await?;
//!     Ok(banner)
//! }
//! ```

// libssh2's callbacks and channels need it, in src/ssh/{engine,pipe,sign}.rs and nowhere else.
#![deny(unsafe_code)]

mod backend;
mod error;
mod ssh;
mod tcp;
mod unix;

pub use backend::{Backend, Opener};
pub use error::OpenError;
pub use permission_denied::Denied;
pub use ssh::{
    Attempt, Forwarding, HostKeyState, HostKeys, Lost, SshError, SshFailure, SshHost, SshLimits,
    SshProxy, SshReport, SshStep, SshStream,
};
