//! Who has the ports that settings name, which only root sees in full.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use console_config::{ListenAddress, ServerSettings};
use console_listen::{Holder, who_listens};

use crate::acting::PROGRAM;

/// Who listens where the settings say.
pub(crate) fn holders(settings: &ServerSettings) -> Vec<(SocketAddr, Vec<Holder>)> {
    let places = settings.listen.iter().filter_map(|listen| match &listen.address {
        ListenAddress::Tcp { host, port } => Some((host.as_str(), *port)),
        _ => None,
    });
    let addresses = places.flat_map(|(host, port)| addresses(host, port));
    addresses.map(|address| (address, who_listens(address))).collect()
}

/// The proxy's process.
pub(crate) fn proxy_among(holders: &[(SocketAddr, Vec<Holder>)]) -> Option<u32> {
    let all = holders.iter().flat_map(|(_, holders)| holders);
    all.filter(|holder| holder.program.as_deref() == Some(PROGRAM)).find_map(|holder| holder.pid)
}

/// A name that has none in time has none.
fn addresses(host: &str, port: u16) -> Vec<SocketAddr> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return vec![SocketAddr::new(address, port)];
    }
    let (tell, told) = mpsc::channel();
    let host = host.to_owned();
    // It may be left to itself: the C library has no bound of its own.
    thread::spawn(move || {
        let found = (host.as_str(), port).to_socket_addrs();
        // Nobody may wait any longer.
        let _ = tell.send(found.map(Iterator::collect).unwrap_or_default());
    });
    told.recv_timeout(LOOKUP).unwrap_or_default()
}

/// A machine's own name is in its hosts file.
const LOOKUP: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names() {
        let one = |text: &str| vec![text.parse::<SocketAddr>().unwrap()];
        assert_eq!(addresses("::", 1), one("[::]:1"));
        assert_eq!(addresses("127.0.0.1", 1), one("127.0.0.1:1"));
        assert!(addresses("localhost", 1).iter().all(|address| address.ip().is_loopback()));
        assert!(addresses("no name", 1).is_empty());
    }

    #[test]
    fn the_proxys_process_is_known_by_its_name() {
        let holder = |pid, program: &str| Holder::known(None, pid, Some(program.into()));
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let holders = [(address, vec![holder(Some(1), "systemd"), holder(Some(7), PROGRAM)])];
        assert_eq!(proxy_among(&holders), Some(7));
        assert_eq!(proxy_among(&[]), None);
    }
}
