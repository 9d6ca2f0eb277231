//! Consoles through SSH servers: one connection to each, its consoles as channels.

mod agent;
mod auth;
mod channels;
mod connect;
mod dialogue;
mod driver;
mod engine;
mod error;
mod examine;
mod forwarding;
mod host;
mod keys;
mod known_hosts;
mod known_names;
mod limits;
mod openings;
mod pipe;
mod pool;
mod quick;
mod remedy;
mod sign;
mod stream;
mod target;
mod wire;

pub use error::{Attempt, Lost, SshError, SshStep};
pub use examine::{HostKeyState, SshFailure, SshReport};
pub use forwarding::Forwarding;
pub use host::{HostKeys, SshHost, SshProxy};
pub use limits::SshLimits;
pub use stream::SshStream;

pub(crate) use pool::Pool;
pub(crate) use target::Target;
