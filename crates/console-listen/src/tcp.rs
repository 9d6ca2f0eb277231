//! TCP: all of a name's addresses, and which of them may stand together.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket as RawSocket, Type};

use crate::address::Address;
use crate::error::ListenError;
use crate::listening::{BACKLOG, Listening, Origin, Socket};
use crate::who::conflicting;

/// Opens those of `addresses` that are TCP.
pub(crate) fn open(addresses: &[Address]) -> Result<Vec<Listening>, ListenError> {
    let mut plans = Vec::new();
    for (index, address) in addresses.iter().enumerate() {
        if let Address::Tcp { host, port } = address {
            plans.push(Plan::new(index, host, *port)?);
        }
    }
    if let Some((first, second, place)) = overlap(&plans) {
        let shown = |plan: &Plan| addresses.get(plan.index).map(ToString::to_string);
        return Err(ListenError::Overlap {
            first: shown(first).unwrap_or_default(),
            second: shown(second).unwrap_or_default(),
            place,
        });
    }
    let all: Vec<SocketAddr> = plans.iter().flat_map(|plan| plan.places.clone()).collect();
    let mut opened = Vec::new();
    for plan in &plans {
        let origin = Origin::Address(plan.index);
        for listener in plan.open(&all)? {
            opened.push(Listening { origin: origin.clone(), socket: Socket::Tcp(listener) });
        }
    }
    Ok(opened)
}

/// What one entry of the list means.
struct Plan {
    index: usize,
    /// A name may have addresses that are not this machine's; an address may not.
    is_name: bool,
    places: Vec<SocketAddr>,
}

impl Plan {
    fn new(index: usize, host: &str, port: u16) -> Result<Self, ListenError> {
        let is_name = host.parse::<IpAddr>().is_err() && !has_zone(host);
        let unresolved = |source| ListenError::Unresolved { host: host.to_owned(), source };
        let found = (host, port).to_socket_addrs().map_err(unresolved)?;
        let mut places = Vec::new();
        for place in found.map(canonical) {
            if !places.contains(&place) {
                places.push(place);
            }
        }
        if places.is_empty() {
            let source = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
            return Err(unresolved(source));
        }
        Ok(Self { index, is_name, places })
    }

    /// `all` are the places of the whole list.
    fn open(&self, all: &[SocketAddr]) -> Result<Vec<TcpListener>, ListenError> {
        let mut opened = Vec::new();
        let mut skipped = None;
        for &place in &self.places {
            let only_v6 = is_only_v6(place, all);
            match listen(place, only_v6) {
                Ok(listener) => opened.push(listener),
                Err(error) if self.is_name && is_not_here(&error) => {
                    skipped.get_or_insert((place, only_v6, error));
                }
                Err(error) => return Err(failed(place, only_v6, error)),
            }
        }
        match skipped {
            Some((place, only_v6, error)) if opened.is_empty() => {
                Err(failed(place, only_v6, error))
            }
            _ => Ok(opened),
        }
    }
}

/// `fe80::1%eth0` is no name, although only the resolver can read it.
fn has_zone(host: &str) -> bool {
    host.split_once('%').is_some_and(|(address, _)| address.parse::<Ipv6Addr>().is_ok())
}

/// `::ffff:192.0.2.1` is 192.0.2.1.
pub(crate) fn canonical(place: SocketAddr) -> SocketAddr {
    match place.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, place.port()),
        IpAddr::V6(_) => place,
    }
}

/// Whether `::` must leave IPv4 alone, for it is asked for besides (ipv6(7), `IPV6_V6ONLY`).
fn is_only_v6(place: SocketAddr, all: &[SocketAddr]) -> bool {
    let besides = |other: &SocketAddr| other.is_ipv4() && other.port() == place.port();
    place.is_ipv6() && (!place.ip().is_unspecified() || all.iter().any(besides))
}

/// Two entries that the system would not let stand together. It would name ourselves as the one in the way.
fn overlap(plans: &[Plan]) -> Option<(&Plan, &Plan, SocketAddr)> {
    plans.iter().enumerate().find_map(|(count, second)| {
        plans.iter().take(count).find_map(|first| {
            let pairs = first
                .places
                .iter()
                .flat_map(|one| second.places.iter().map(move |other| (*one, *other)));
            let (one, other) = pairs.into_iter().find(|(one, other)| collide(*one, *other))?;
            Some((first, second, if one.ip().is_unspecified() { other } else { one }))
        })
    })
}

fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let wide = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0
        && one.port() == other.port()
        && one.is_ipv4() == other.is_ipv4()
        && (wide || one == other)
}

fn listen(place: SocketAddr, only_v6: bool) -> io::Result<TcpListener> {
    // Closed when another program is executed: socket2's new() sees to it.
    let socket = RawSocket::new(Domain::for_address(place), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of the server before us may still be in TIME_WAIT.
    socket.set_reuse_address(true)?;
    if place.is_ipv6() {
        // The system's default may be either (net.ipv6.bindv6only).
        socket.set_only_v6(only_v6)?;
    }
    socket.bind(&place.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// The address is another machine's, or of a family that the kernel lacks.
fn is_not_here(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT))
}

fn failed(place: SocketAddr, only_v6: bool, source: io::Error) -> ListenError {
    match Errno::from_io_error(&source) {
        Some(Errno::ADDRINUSE) => {
            ListenError::Taken { place, holders: conflicting(place, only_v6), source }
        }
        Some(Errno::ADDRNOTAVAIL) => ListenError::NotOurs { place, source },
        Some(Errno::AFNOSUPPORT) => ListenError::NoFamily { place, source },
        Some(Errno::ACCESS) => {
            let lowest = lowest_port();
            if place.port() < lowest {
                ListenError::Privileged { place, lowest, source }
            } else {
                ListenError::Failed { place: place.to_string(), source }
            }
        }
        _ => ListenError::Failed { place: place.to_string(), source },
    }
}

/// ip(7), `ip_unprivileged_port_start`.
fn lowest_port() -> u16 {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    text.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(DEFAULT_LOWEST_PORT)
}

/// The kernel's own default.
const DEFAULT_LOWEST_PORT: u16 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn plans(hosts: &[(&str, u16)]) -> Vec<Plan> {
        let plan = |(index, (host, port)): (usize, &(&str, u16))| Plan::new(index, host, *port);
        hosts.iter().enumerate().map(|at| plan(at).unwrap()).collect()
    }

    #[test]
    fn only_two_of_a_family_with_the_same_port_overlap() {
        for (one, other, expected) in [
            (("127.0.0.1", 80), ("127.0.0.1", 80), true),
            (("127.0.0.1", 80), ("0.0.0.0", 80), true),
            (("::1", 80), ("::", 80), true),
            (("::ffff:127.0.0.1", 80), ("127.0.0.1", 80), true),
            (("127.0.0.1", 80), ("127.0.0.2", 80), false),
            (("127.0.0.1", 80), ("127.0.0.1", 81), false),
            (("0.0.0.0", 80), ("::", 80), false),
            // Each gets a port of its own.
            (("127.0.0.1", 0), ("127.0.0.1", 0), false),
        ] {
            assert_eq!(overlap(&plans(&[one, other])).is_some(), expected, "{one:?} {other:?}");
            assert_eq!(overlap(&plans(&[other, one])).is_some(), expected, "{other:?} {one:?}");
        }
    }

    #[test]
    fn the_ipv6_wildcard_takes_ipv4_unless_the_list_has_it() {
        let any: SocketAddr = "[::]:80".parse().unwrap();
        let four: SocketAddr = "127.0.0.1:80".parse().unwrap();
        let other: SocketAddr = "127.0.0.1:81".parse().unwrap();
        assert!(!is_only_v6(any, &[any]));
        assert!(!is_only_v6(any, &[any, other]));
        assert!(is_only_v6(any, &[any, four]));
        assert!(is_only_v6(any, &[four, any]));
    }

    #[test]
    fn an_address_with_a_zone_is_no_name() {
        assert!(has_zone("fe80::1%eth0"));
        assert!(!has_zone("name%eth0"));
        assert!(!plans(&[("::1", 80)])[0].is_name);
        assert!(plans(&[("localhost", 80)])[0].is_name);
    }

    /// A name with an address of ours and one that is not, which no resolver here would give.
    #[test]
    fn a_name_needs_only_one_address_that_is_ours() {
        let elsewhere: SocketAddr = "192.0.2.1:0".parse().unwrap();
        let here: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let open = |is_name, places: &[SocketAddr]| {
            Plan { index: 0, is_name, places: places.into() }.open(places)
        };
        assert_eq!(open(true, &[elsewhere, here]).unwrap().len(), 1);
        assert_eq!(open(true, &[here, here]).unwrap().len(), 2);
        assert!(matches!(open(true, &[elsewhere]), Err(ListenError::NotOurs { .. })));
        assert!(matches!(open(false, &[here, elsewhere]), Err(ListenError::NotOurs { .. })));
    }
}
