//! Opens the listening sockets that a server is told to, and says in full why one cannot be opened.
//!
//! What it is: [`open`] turns [`Address`]es into listening sockets: TCP (a name's addresses, every one of them), UNIX sockets with an exact
//! mode, and sockets that systemd passed ([`Passed`]). [`who_listens`] names the processes on a port. [`ListenError::remedy`] says what to do.
//!
//! What it is not: it accepts no connection, knows no runtime (the sockets are the standard library's, non-blocking), reads no
//! configuration and prints nothing. It blocks: names are resolved, locks are waited for, `/proc` is read.
//!
//! Invariants:
//!
//! - All or nothing: if one address fails, none is left open, and no socket file stays behind.
//! - A UNIX socket is never more open than its mode says, not even between two system calls.
//! - Nothing is removed but a UNIX socket that nobody listens on, and a file of ours that is still ours. A symbolic link is not followed.
//! - The environment is read in one place, [`Passed::from_environment`], which is for the program's start and not for libraries.
//! - Every wait and every search has a bound: [`LOCK_TIMEOUT`], [`MAX_PROCESSES`], [`MAX_DESCRIPTORS`]; resolving a name has the resolver's own.
//!
//! # Example
//!
//! ```
//! use console_listen::{Address, Passed, Socket, open, who_listens};
//!
//! let loopback = Address::Tcp { host: "127.0.0.1".into(), port: 0 };
//! let opened = open(&[loopback], Passed::none())?;
//! let Socket::Tcp(listener) = &opened[0].socket else { unreachable!() };
//!
//! // The same port once more: the error says who has it.
//! let at = listener.local_addr()?;
//! let again = Address::Tcp { host: at.ip().to_string(), port: at.port() };
//! let error = open(&[again], Passed::none()).unwrap_err();
//! assert!(error.to_string().starts_with(&format!("127.0.0.1 port {} is taken by ", at.port())));
//! assert_eq!(error.remedy().as_deref(), Some("stop it, or choose another port with -p or port"));
//! assert_eq!(who_listens(at)[0].pid, Some(std::process::id()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod address;
mod error;
mod folder;
mod holder;
mod listening;
mod passed;
mod remedy;
mod tcp;
mod unix;
mod unix_socket;
mod who;

pub use address::Address;
pub use error::ListenError;
pub use folder::LOCK_TIMEOUT;
pub use holder::{Holder, MAX_DESCRIPTORS, MAX_PROCESSES};
pub use listening::{BACKLOG, Listening, Origin, Socket, open};
pub use passed::{MAX_PASSED, Passed};
pub use permission_denied::Denied;
pub use unix_socket::{SocketFile, UnixSocket};
pub use who::who_listens;
