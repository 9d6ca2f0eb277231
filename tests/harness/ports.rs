//! Ports for the guests' consoles that no other test bed on this machine uses.
//!
//! Two libvirtds both take VNC ports from 5900 up, and each finds a free one by binding it and letting go again before QEMU
//! binds it: two at the same moment find the same one. So each bed's libvirtd gets a range of its own. A range is claimed by
//! listening on its first port, which the kernel allows once on a machine and ends with the process; the claim's port is never
//! given to a guest. The ranges lie below the ports that Linux hands out by itself (from 32768).

use std::net::{Ipv4Addr, TcpListener};
use std::ops::RangeInclusive;
use std::process;

use anyhow::{Context, Result};

/// First port of all ranges: above what services usually take.
const FIRST: u16 = 20_000;
/// Ports of one range: one for the claim, the rest for the consoles of one bed's guests.
const SIZE: u16 = 64;
/// Ranges there are: up to port 30239.
const COUNT: u16 = 160;

/// A range of ports, held until it is dropped.
#[derive(Debug)]
pub struct PortRange {
    first: u16,
    _claim: TcpListener,
}

impl PortRange {
    /// Claims a free range.
    ///
    /// # Errors
    ///
    /// All 160 are taken.
    pub fn claim() -> Result<Self> {
        // Different processes begin their search at different places, only to save attempts.
        let start = u16::try_from(process::id() % u32::from(COUNT)).unwrap_or(0);
        (0..COUNT)
            .map(|step| FIRST + (start + step) % COUNT * SIZE)
            .find_map(|first| {
                let claim = TcpListener::bind((Ipv4Addr::UNSPECIFIED, first)).ok()?;
                Some(Self { first, _claim: claim })
            })
            .context("no free range of ports between 20000 and 30239 for the guests' consoles")
    }

    /// The range's number, 0 to 159: whoever holds the range may name other things by it.
    pub fn index(&self) -> u16 {
        (self.first - FIRST) / SIZE
    }

    /// For VNC and SPICE.
    pub fn displays(&self) -> RangeInclusive<u16> {
        self.first + 1..=self.first + SIZE / 2 - 1
    }

    /// For QEMU's own WebSockets.
    pub fn websockets(&self) -> RangeInclusive<u16> {
        self.first + SIZE / 2..=self.first + SIZE - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_disjoint_and_come_back() {
        let one = PortRange::claim().unwrap();
        let two = PortRange::claim().unwrap();
        assert!(one.displays().end() < one.websockets().start());
        assert!(
            one.websockets().end() < two.displays().start()
                || two.websockets().end() < one.displays().start()
        );
        let first = one.first;
        drop(one);
        TcpListener::bind((Ipv4Addr::UNSPECIFIED, first)).expect("the claim ends with the range");
    }
}
