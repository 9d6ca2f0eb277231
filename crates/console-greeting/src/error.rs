//! Why first bytes cannot be read.

/// The first bytes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GreetingError {
    /// A SPICE message does not begin with `REDQ`.
    #[error("the bytes are no SPICE link message: they do not begin with REDQ")]
    NotSpice,
    /// A length is larger than any sensible one.
    #[error("the other side announces {announced} bytes, allowed are {allowed}")]
    TooLong {
        /// What it says.
        announced: u32,
        /// What is accepted.
        allowed: u32,
    },
    /// A length is smaller than what must be there.
    #[error("the other side announces {announced} bytes, needed are {needed}")]
    TooShort {
        /// What it says.
        announced: u32,
        /// What the message needs.
        needed: u32,
    },
    /// A VNC server of 3.3 chose this security type.
    #[error("the server chose security type {0}, allowed are 0 to 255")]
    NoSecurityType(u32),
}
