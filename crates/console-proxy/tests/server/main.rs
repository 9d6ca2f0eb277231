//! The server as a library, over real sockets, with a resolver that answers as told.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

mod front;
mod http;
mod limits;
mod refusals;
mod rig;
mod sessions;
