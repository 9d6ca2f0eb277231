//! From a name to a TCP connection.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::address::Address;
use crate::error::{Attempt, ProbeError, Step};

/// The addresses of `address.host`, as this system resolves names, in its order and at most 8 of them; an address is its own.
///
/// Dropping the future gives up the answer; a thread of the runtime's may still wait for it.
///
/// # Errors
///
/// [`ProbeError::Resolve`], [`ProbeError::NoAddress`], or [`ProbeError::TimedOut`] after `limit`.
pub async fn resolve(address: &Address, limit: Duration) -> Result<Vec<SocketAddr>, ProbeError> {
    let host = || address.host.clone();
    let found = timeout(limit, lookup_host((address.host.as_str(), address.port)))
        .await
        .map_err(|_| ProbeError::TimedOut { step: Step::Resolve, limit })?
        .map_err(|source| ProbeError::Resolve { host: host(), source })?;
    let mut all = Vec::new();
    for one in found {
        if all.len() < MAX_ADDRESSES && !all.contains(&one) {
            all.push(one);
        }
    }
    if all.is_empty() { Err(ProbeError::NoAddress { host: host() }) } else { Ok(all) }
}

/// Connects to the first of `addresses` that accepts, in their order; each has an equal share of what is left of `limit`.
///
/// Dropping the future closes whatever it opened.
///
/// # Errors
///
/// [`ProbeError::Connect`] with what the system said of each.
pub async fn connect(addresses: &[SocketAddr], limit: Duration) -> Result<TcpStream, ProbeError> {
    let began = Instant::now();
    let mut attempts = Vec::new();
    for (index, &address) in addresses.iter().enumerate() {
        let left = u32::try_from(addresses.len().saturating_sub(index)).unwrap_or(u32::MAX).max(1);
        let share = limit.saturating_sub(began.elapsed()) / left;
        let fault = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Only latency is at stake.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(fault)) => fault,
            Err(_) => {
                io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {share:.1?}"))
            }
        };
        attempts.push(Attempt { address, fault });
    }
    Err(ProbeError::Connect { attempts })
}

/// Each has its share of the time; more would leave too little for each.
const MAX_ADDRESSES: usize = 8;
