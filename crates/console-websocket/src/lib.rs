//! The server side of WebSocket (RFC 6455) for programs that relay bytes: a browser on one side, a byte stream on the other.
//!
//! What it is: the upgrade of a hyper request with the rules that console clients need ([`upgrade`]), a client's socket that keeps
//! early bytes while its backend is being opened ([`ClientSocket`]), the relay itself ([`ClientSocket::relay`]), and close codes
//! and reasons that cannot be wrong on the wire ([`CloseCode`], [`CloseReason`]). The framing is tungstenite's.
//!
//! What it is not: it listens on nothing, checks neither `Origin` nor tokens, and knows neither VNC nor SPICE.
//!
//! Invariants:
//!
//! - `binary` is answered in `Sec-WebSocket-Protocol` if and only if the client offered it.
//! - What one read of the backend brought goes out at once as one binary message of at most [`READ_SIZE`] bytes.
//! - Each direction holds at most one message; an idle session holds no read buffer.
//! - Every wait but that for a live, silent peer has a bound given by the caller.
//!
//! # Example
//!
//! ```
//! use console_websocket::{CloseCode, CloseReason, Limits, RelayEnd, upgrade};
//! use http_body_util::Full;
//! use hyper::{Request, Response, body::{Bytes, Incoming}};
//! use tokio::net::TcpStream;
//!
//! // A hyper service that relays every WebSocket to a VNC server on this machine.
//! async fn serve(mut request: Request<Incoming>) -> Result<Response<Full<Bytes>>, std::io::Error> {
//!     let limits = Limits::default();
//!     let (response, pending) = match upgrade(&mut request, &limits) {
//!         Ok(accepted) => accepted,
//!         Err(refused) => return Ok(refused.response()),
//!     };
//!     tokio::spawn(async move {
//!         let Ok(mut client) = pending.accept().await else { return };
//!         // Bytes that the client sends meanwhile are kept.
//!         let backend = match client.while_connecting(TcpStream::connect("127.0.0.1:5900")).await {
//!             Ok(Ok(backend)) => backend,
//!             Ok(Err(_)) => {
//!                 client.close(CloseCode::BACKEND_LOST, &CloseReason::new("cannot reach the console")).await;
//!                 return;
//!             }
//!             Err(_gone) => return,
//!         };
//!         let report = client
//!             .relay(backend, std::future::pending(), |end| match end {
//!                 RelayEnd::BackendClosed => (CloseCode::NORMAL, CloseReason::new("the console has ended")),
//!                 _ => (CloseCode::BACKEND_LOST, CloseReason::new("the console was lost")),
//!             })
//!             .await;
//!         println!("{} bytes to the browser in {:?}", report.to_client, report.duration);
//!     });
//!     Ok(response)
//! }
//! ```

#![forbid(unsafe_code)]

mod client;
mod close;
mod limits;
mod relay;
mod upgrade;

pub use client::{ClientEnd, ClientSocket};
pub use close::{CloseCode, CloseReason};
pub use limits::{DEFAULT_EARLY_BYTES, DEFAULT_MAX_MESSAGE_SIZE, Limits, READ_SIZE};
pub use relay::{RelayEnd, RelayReport};
pub use upgrade::{PendingSocket, UpgradeError, is_upgrade_request, upgrade};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
