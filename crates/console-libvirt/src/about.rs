//! What a libvirt is: its versions, its machine, and how far away it is.

use std::fmt;
use std::time::{Duration, Instant};

use virt::connect::Connect;
use virt::error::Error;

use crate::lookup::is_alive;
use crate::request::Question;

/// What a libvirt says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct About {
    /// libvirt here: the client library that this program has loaded (`virGetVersion`).
    pub library: Version,
    /// libvirtd there (`virConnectGetLibVersion`), where it tells. A driver inside this process, as `test:///default`, gives the library's own.
    pub daemon: Option<Version>,
    /// The hypervisor's kind as libvirt calls it (`virConnectGetType`), `QEMU` for instance; empty where it does not tell.
    pub hypervisor: String,
    /// The hypervisor's own version (`virConnectGetVersion`), where libvirt can tell it: without an emulator on that machine it cannot.
    pub hypervisor_version: Option<Version>,
    /// What the machine there calls itself (`virConnectGetHostname`), in its own words; empty where it does not tell.
    pub hostname: String,
    /// How long the cheapest call over the open connection takes: the shortest of a few.
    pub round_trip: Duration,
}

/// A version as libvirt counts them, its own and a hypervisor's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// 9 of 9.1.2.
    pub major: u32,
    /// 1 of 9.1.2; 0 to 999.
    pub minor: u32,
    /// 2 of 9.1.2; 0 to 999.
    pub release: u32,
}

impl Version {
    /// Of libvirt's number, which is major * 1,000,000 + minor * 1,000 + release (`virGetVersion`).
    const fn of_number(number: u32) -> Self {
        Self { major: number / 1_000_000, minor: number / 1_000 % 1_000, release: number % 1_000 }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.release)
    }
}

/// Who are you?
pub(crate) struct AboutIt;

impl Question for AboutIt {
    type Answer = About;

    fn ask(&self, connection: &Connect) -> Result<About, Error> {
        let library = Version::of_number(Connect::version()?);
        let daemon = where_told(connection, connection.lib_version())?.and_then(version);
        // After a first call, so that what that had to set up is not counted.
        let round_trip = round_trip(connection)?;
        let hypervisor = where_told(connection, connection.driver_type())?.unwrap_or_default();
        let hypervisor_version =
            where_told(connection, connection.hyp_version())?.and_then(version);
        let hostname = where_told(connection, connection.hostname())?.unwrap_or_default();
        Ok(About { library, daemon, hypervisor, hypervisor_version, hostname, round_trip })
    }
}

fn round_trip(connection: &Connect) -> Result<Duration, Error> {
    let mut shortest = Duration::MAX;
    for _ in 0..ROUND_TRIPS {
        let start = Instant::now();
        // The daemon answers this without asking its hypervisor. An answer that is an error has come from there, too.
        where_told(connection, connection.lib_version())?;
        shortest = shortest.min(start.elapsed());
    }
    Ok(shortest)
}

/// Nothing where libvirt does not know; still an error when the connection has died.
fn where_told<T>(connection: &Connect, told: Result<T, Error>) -> Result<Option<T>, Error> {
    match told {
        Ok(told) => Ok(Some(told)),
        Err(_) if is_alive(connection) => Ok(None),
        Err(error) => Err(error),
    }
}

/// 0 says that it is not known (`virConnectGetVersion`).
fn version(number: u32) -> Option<Version> {
    (number != 0).then(|| Version::of_number(number))
}

/// How many calls are timed: one alone may have met a busy moment.
const ROUND_TRIPS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libvirts_number_is_a_version() {
        for (number, expected) in
            [(9_000_000, "9.0.0"), (10_010_003, "10.10.3"), (7_002_022, "7.2.22"), (2, "0.0.2")]
        {
            assert_eq!(version(number).map(|one| one.to_string()).as_deref(), Some(expected));
        }
        assert_eq!(version(0), None);
        assert!(Version::of_number(9_010_000) > Version::of_number(9_009_999));
    }
}
