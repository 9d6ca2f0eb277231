//! The console proxy's server as a library: it carries a virtual machine's screen into a browser.
//!
//! What it is: [`run`] serves HTTP on the listeners it is given, encrypted and plain on each. A WebSocket upgrade on any path becomes a session: the 101 goes
//! out at once, then the token is looked up through the caller's [`Resolve`], the console is opened and relayed. `GET /console?token=…` is a
//! page with an HTML5 client for it.
//!
//! What it is not: it knows no database and no libvirt (that is behind [`Resolve`]), binds no address, reads no environment,
//! installs no signal handler, and does not log by itself but through [`tracing`].
//!
//! Invariants:
//!
//! - One task for each connection and no thread; when [`run`] returns, all of them have ended.
//! - A client learns a close code and a short plain reason; host names, paths and libvirt's words stay in the log.
//! - Each session writes exactly one closing line.
//! - No file outside the client's folder is served, no folder is listed, nothing redirects.
//!
//! # Example
//!
//! ```no_run
//! use console_config::ServerSettings;
//! use console_proxy::{ConsoleKind, ConsoleToken, Opener, Refusal, Resolve, Route, SshLimits, Target, run};
//!
//! /// Every token leads to the one VNC server of this machine.
//! struct OnlyOne;
//!
//! impl Resolve for OnlyOne {
//!     async fn resolve(&self, _token: ConsoleToken, _wanted: Option<ConsoleKind>) -> Result<Target, Refusal> {
//!         let port = 5900.try_into().map_err(Refusal::internal)?;
//!         Ok(Target {
//!             guest_name: "desktop".into(),
//!             kind: ConsoleKind::Vnc,
//!             route: Route::Tcp { host: "127.0.0.1".into(), port, prefer: None },
//!         })
//!     }
//! }
//!
//! # async fn example() -> std::io::Result<()> {
//! let listener = tokio::net::TcpListener::bind("[::1]:6080").await?;
//! let until_ctrl_c = async { drop(tokio::signal::ctrl_c().await) };
//! let settings = ServerSettings::default();
//! let opener = Opener::new(settings.connect_timeout, SshLimits::default());
//! run(vec![listener.into()], None, settings, opener, OnlyOne, until_ctrl_c).await;
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod accept;
mod asked;
mod client;
mod client_files;
mod connection;
mod ending;
mod http;
mod listener;
mod origin;
mod page;
mod proxy_header;
mod refuse;
mod resolve;
mod server;
mod session;
mod socket;
mod tls;

pub use client_files::{NOVNC_FOLDERS, SPICE_FOLDERS};
pub use console_backend::{HostKeys, Opener, SshHost, SshLimits, SshProxy};
pub use console_route::ConsoleKind;
pub use console_tls::{Tls, TlsError, TlsSettings};
pub use console_token::ConsoleToken;
pub use listener::Listener;
pub use resolve::{Fault, Refusal, Resolve, Route, Target};
pub use server::run;
