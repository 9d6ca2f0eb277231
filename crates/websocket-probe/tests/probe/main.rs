//! The steps against little servers on loopback.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod open;
mod reach;
mod rig;
mod tls;
mod upgrade;
