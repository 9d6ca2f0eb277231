//! Who listens on a port: `/proc/net/tcp` and `/proc/net/tcp6` (proc_net(5)), and whose the sockets are.

use std::net::{IpAddr, SocketAddr};

use procfs::net::{TcpNetEntry, TcpState};

use crate::holder::{Holder, Owned, holders};
use crate::tcp::canonical;

/// The processes that keep `address` from being listened on: those on the address itself, on all addresses, or, if it means all
/// addresses, on any. `[::]` means IPv4 as well. Nobody if the port is 0 or free.
///
/// It sees this network namespace only, and processes of other users only as root; [`Holder`] then has the user alone. The kernel does
/// not tell whether a listener on `[::]` takes IPv4: it is believed to, unless somebody listens on IPv4 with the same port. The work is bounded by
/// [`MAX_PROCESSES`](crate::MAX_PROCESSES) and [`MAX_DESCRIPTORS`](crate::MAX_DESCRIPTORS). Blocks.
#[must_use]
pub fn who_listens(address: SocketAddr) -> Vec<Holder> {
    conflicting(address, false)
}

/// As [`who_listens`], for a socket that leaves IPv4 alone.
pub(crate) fn conflicting(address: SocketAddr, only_v6: bool) -> Vec<Holder> {
    let entries = [procfs::net::tcp(), procfs::net::tcp6()].into_iter().flatten().flatten();
    let listeners: Vec<Listener> = entries.filter_map(Listener::new).collect();
    let sockets: Vec<Owned> =
        in_the_way(&listeners, address, only_v6).map(|listener| listener.owned).collect();
    holders(&sockets)
}

struct Listener {
    address: SocketAddr,
    owned: Owned,
}

impl Listener {
    fn new(entry: TcpNetEntry) -> Option<Self> {
        let owned = Owned { inode: entry.inode, user: entry.uid };
        let listens = entry.state == TcpState::Listen;
        listens.then(|| Self { address: canonical(entry.local_address), owned })
    }
}

fn in_the_way(
    listeners: &[Listener],
    asked: SocketAddr,
    only_v6: bool,
) -> impl Iterator<Item = &Listener> {
    let asked = canonical(asked);
    let on_port = move |at: &SocketAddr| asked.port() != 0 && at.port() == asked.port();
    // Two sockets cannot share IPv4's side of a port, so with another one there, `[::]` does not have it.
    let v4_is_listed = listeners.iter().any(|at| on_port(&at.address) && at.address.is_ipv4());
    listeners.iter().filter(move |listener| {
        let at = listener.address;
        let same = at.ip() == asked.ip() || at.ip().is_unspecified() || asked.ip().is_unspecified();
        on_port(&at)
            && match (asked.ip(), at.ip()) {
                (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => same,
                (IpAddr::V4(_), IpAddr::V6(at)) => at.is_unspecified() && !v4_is_listed,
                (IpAddr::V6(asked), IpAddr::V4(_)) => asked.is_unspecified() && !only_v6,
            }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(listeners: &[&str], asked: &str, only_v6: bool) -> Vec<String> {
        let listeners: Vec<Listener> = listeners
            .iter()
            .map(|address| Listener {
                address: canonical(address.parse().unwrap()),
                owned: Owned { inode: 1, user: 0 },
            })
            .collect();
        let found = in_the_way(&listeners, asked.parse().unwrap(), only_v6);
        found.map(|listener| listener.address.to_string()).collect()
    }

    #[test]
    fn what_is_in_the_way_of_what() {
        let all = ["127.0.0.1:80", "192.0.2.1:80", "[::1]:80", "127.0.0.1:81"];
        assert_eq!(found(&all, "127.0.0.1:80", false), ["127.0.0.1:80"]);
        assert_eq!(found(&all, "[::ffff:127.0.0.1]:80", false), ["127.0.0.1:80"]);
        assert_eq!(found(&all, "127.0.0.2:80", false).len(), 0);
        assert_eq!(found(&all, "0.0.0.0:80", false), ["127.0.0.1:80", "192.0.2.1:80"]);
        assert_eq!(found(&all, "[::1]:80", false), ["[::1]:80"]);
        assert_eq!(found(&all, "[::]:80", false), all[..3]);
        assert_eq!(found(&all, "[::]:80", true), ["[::1]:80"]);
        assert_eq!(found(&["0.0.0.0:80"], "127.0.0.1:80", false), ["0.0.0.0:80"]);
        assert_eq!(found(&["[::ffff:127.0.0.1]:80"], "0.0.0.0:80", false), ["127.0.0.1:80"]);
        assert_eq!(found(&["0.0.0.0:80"], "0.0.0.0:0", false).len(), 0);
    }

    #[test]
    fn the_ipv6_wildcard_has_ipv4_unless_somebody_else_has() {
        assert_eq!(found(&["[::]:80"], "127.0.0.1:80", false), ["[::]:80"]);
        assert_eq!(found(&["[::]:80", "0.0.0.0:80"], "127.0.0.1:80", false), ["0.0.0.0:80"]);
        assert_eq!(found(&["[::]:80", "192.0.2.1:80"], "127.0.0.1:80", false).len(), 0);
        assert_eq!(found(&["[::]:80"], "[::1]:80", true), ["[::]:80"]);
    }
}
