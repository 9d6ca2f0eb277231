//! TCP: every address of a name in order, no delay, keep-alive.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};

/// Tries the addresses that `host` resolves to, in the resolver's order, and reports the last failure: only `prefer` if it is among
/// them. Each address gets an equal share of the time that is left before `deadline`, so that a silent one does not cost the others theirs.
pub(crate) async fn connect(
    host: &str,
    port: NonZeroU16,
    prefer: Option<IpAddr>,
    deadline: Instant,
) -> Result<TcpStream, Failure> {
    let found = lookup_host((host, port.get())).await.map_err(Failure::Resolve)?;
    let addresses = worth_trying(found.collect(), prefer);
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for (index, address) in addresses.iter().enumerate() {
        let left = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let now = Instant::now();
        let share = now + deadline.saturating_duration_since(now) / left;
        match timeout_at(share, TcpStream::connect(address)).await {
            // Connecting to a free port of this machine's own ephemeral range can meet itself (RFC 9293 section 3.5,
            // simultaneous open): that is nobody's console.
            Ok(Ok(stream)) if is_itself(&stream) => {
                failure = io::ErrorKind::ConnectionRefused.into();
            }
            Ok(Ok(stream)) => return prepare(stream).map_err(Failure::Connect),
            Ok(Err(error)) => failure = error,
            Err(_) => failure = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(Failure::Connect(failure))
}

/// Which step failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The name has no address, or nobody can say.
    Resolve(io::Error),
    /// None of its addresses answers; the last one's error.
    Connect(io::Error),
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Resolve(error) | Failure::Connect(error) => error,
        }
    }
}

fn is_itself(stream: &TcpStream) -> bool {
    matches!((stream.local_addr(), stream.peer_addr()), (Ok(local), Ok(peer)) if local == peer)
}

fn worth_trying(addresses: Vec<SocketAddr>, prefer: Option<IpAddr>) -> Vec<SocketAddr> {
    let found =
        addresses.iter().find(|address| Some(address.ip().to_canonical()) == prefer).copied();
    match found {
        Some(only) => vec![only],
        None => addresses,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preferred_address_is_the_only_one_if_the_name_has_it() {
        let all: Vec<SocketAddr> = ["[2001:db8::7]:1", "192.0.2.7:1", "192.0.2.8:1"]
            .map(|text| text.parse().unwrap())
            .into();
        let tried = |prefer: Option<&str>| {
            let prefer = prefer.map(|address| address.parse().unwrap());
            worth_trying(all.clone(), prefer)
        };
        assert_eq!(tried(Some("192.0.2.8")), all[2..]);
        assert_eq!(tried(Some("2001:db8::7")), all[..1]);
        // Another machine's address is not tried at all.
        assert_eq!(tried(Some("192.168.122.1")), all);
        assert_eq!(tried(None), all);
    }
}
