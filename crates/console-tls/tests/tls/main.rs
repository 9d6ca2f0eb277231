//! Certificates and keys made at test time, in all the shapes that administrators have.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

mod chains;
mod denied;
mod errors;
mod findings;
mod live;
mod rig;
mod shapes;
