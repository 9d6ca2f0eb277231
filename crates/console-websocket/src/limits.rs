//! What a session may use: sizes and times, each with its reason.

use std::time::Duration;

use hyper_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::{KIB, MIB};

/// The most bytes that one read of the backend takes, and so the largest message to the client: 32 KiB.
///
/// tungstenite's write buffer keeps the size of the largest message for as long as the session lives, so this is most of what an idle
/// session holds; a quarter of it, tokio's own 8 KiB, costs a plain TCP relay a third of its throughput (`cargo xtask bench`).
pub const READ_SIZE: usize = 32 * KIB;

/// Default of [`Limits::max_message_size`]: 1 MiB holds the longest clipboard text that noVNC sends in practice.
pub const DEFAULT_MAX_MESSAGE_SIZE: usize = MIB;

/// Default of [`Limits::early_bytes`]: 64 KiB; a SPICE client's first message has about 100 bytes, a VNC client's none.
pub const DEFAULT_EARLY_BYTES: usize = 64 * KIB;

/// The bounds of one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest message accepted from the client, in bytes; larger ones end the session with 1009. Keeps a client from filling
    /// the memory. Default [`DEFAULT_MAX_MESSAGE_SIZE`].
    pub max_message_size: usize,
    /// How many of the client's bytes are kept until the backend is open; beyond, the client has to wait (nothing is lost).
    /// Default [`DEFAULT_EARLY_BYTES`].
    pub early_bytes: usize,
    /// How often an idle client is pinged. Default 25 s: reverse proxies cut connections that are silent for 60 s.
    pub ping_interval: Duration,
    /// A client that sends nothing at all (pongs included) for so long is gone; a backend that takes no byte for so long, too.
    /// Default 75 s: three pings.
    pub silence_timeout: Duration,
    /// How long the closing handshake and the draining of each side may take. Default 5 s.
    pub close_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message_size: DEFAULT_MAX_MESSAGE_SIZE,
            early_bytes: DEFAULT_EARLY_BYTES,
            ping_interval: Duration::from_secs(25),
            silence_timeout: Duration::from_secs(75),
            close_timeout: Duration::from_secs(5),
        }
    }
}

impl Limits {
    /// tungstenite's own settings: its defaults hold 128 KiB for each session from the start and bound no write buffer.
    pub(crate) fn tungstenite(&self) -> WebSocketConfig {
        WebSocketConfig::default()
            .read_buffer_size(CLIENT_READ_SIZE)
            .write_buffer_size(0)
            .max_write_buffer_size(READ_SIZE + CONTROL_FRAMES)
            .max_message_size(Some(self.max_message_size))
            .max_frame_size(Some(self.max_message_size))
    }
}

/// One read of the client's side: keys and pointer events have some bytes, so small is enough for an idle session.
const CLIENT_READ_SIZE: usize = 4 * KIB;

/// Room beside one message for its header and the control frames that may stand before it in the write buffer.
const CONTROL_FRAMES: usize = KIB;
