//! TCP: every address of a name in order, no delay, keep-alive.

use std::io;
use std::num::NonZeroU16;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, lookup_host};

/// Tries the addresses that `host` resolves to, in the resolver's order, and reports the last failure. The caller bounds the time.
pub(crate) async fn connect(host: &str, port: NonZeroU16) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in lookup_host((host, port.get())).await? {
        match TcpStream::connect(address).await {
            // Connecting to a free port of this machine's own ephemeral range can meet itself (RFC 9293 section 3.5,
            // simultaneous open): that is nobody's console.
            Ok(stream) if stream.local_addr()? == stream.peer_addr()? => {
                failure = io::ErrorKind::ConnectionRefused.into();
            }
            Ok(stream) => return prepare(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn prepare(stream: TcpStream) -> io::Result<TcpStream> {
    // Keys and pointer moves are small and must not wait for an acknowledgement.
    stream.set_nodelay(true)?;
    // A hypervisor that loses power sends nothing: without probes its session would stay for ever.
    let probes = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_RETRIES);
    SockRef::from(&stream).set_tcp_keepalive(&probes)?;
    Ok(stream)
}

/// A silent connection is probed after this time; with the two below it is given up after 75 s.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(45);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_RETRIES: u32 = 3;
