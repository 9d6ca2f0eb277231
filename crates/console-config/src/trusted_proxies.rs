//! `trusted_proxies`: whose word about the client is believed.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use crate::reader::{Reader, text};

/// The reverse proxies that are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    unix: bool,
}

impl TrustedProxies {
    /// Whether a peer with this address is one of them; IPv4 addresses in IPv6 clothes (`::ffff:192.0.2.1`) are IPv4's.
    pub fn has(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.networks.iter().any(|network| network.contains(&peer))
    }

    /// Whether peers on UNIX sockets are.
    pub fn has_unix(&self) -> bool {
        self.unix
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.unix
    }
}

/// What an entry is.
#[derive(Clone)]
enum Entry {
    Network(IpNet),
    Unix,
}

/// `::ffff:192.0.2.0/120` is 192.0.2.0/24, as peers are seen.
fn canonical(network: IpNet) -> IpNet {
    let mapped = match (network.addr().to_canonical(), network) {
        (IpAddr::V4(address), IpNet::V6(network)) => network
            .prefix_len()
            .checked_sub(MAPPED_PREFIX)
            .and_then(|length| Ipv4Net::new(address, length).ok()),
        _ => None,
    };
    mapped.map_or(network, IpNet::V4)
}

/// RFC 4291 section 2.5.5.2.
const MAPPED_PREFIX: u8 = 96;

pub(crate) fn read(from: &mut Reader<'_>) -> TrustedProxies {
    let entries = from.texts(
        "trusted_proxies",
        &text("an address, a network such as 10.0.0.0/8, or unix", |text| match text {
            "unix" => Some(Entry::Unix),
            text => text
                .parse::<IpNet>()
                .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
                .ok()
                .map(|network| Entry::Network(canonical(network.trunc()))),
        }),
    );
    let mut trusted = TrustedProxies::default();
    for entry in entries {
        match entry {
            Entry::Network(network) => trusted.networks.push(network),
            Entry::Unix => trusted.unix = true,
        }
    }
    trusted
}
