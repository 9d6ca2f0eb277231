//! The crate as a server's administrator meets it: real files, real keys of every kind, and real handshakes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail loudly"
)]

mod blocks;
mod chains;
mod clients;
mod expiry;
mod findings;
mod handshake;
mod keys;
mod live;
mod logs;
mod names;
mod refusals;
mod rig;
mod secrets;
mod strength;
mod unreadable;
mod unusable;
mod versions;
mod watched;
