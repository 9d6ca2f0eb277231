//! RFB (RFC 6143 section 7.1): versions, offered security types, and a refusal with its reason.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::error::GreetingError;

/// How long a ProtocolVersion message is, in bytes.
pub const VERSION_LEN: usize = 12;

/// The ProtocolVersion that we answer clients with: the highest that RFC 6143 knows.
pub const SERVER_VERSION: [u8; VERSION_LEN] = *b"RFB 003.008\n";

/// The longest reason that [`refusal`] writes and [`security`] reads, in bytes.
pub const MAX_REASON: usize = 256;

/// A version of the protocol, as far as the greeting differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// 3.3: the server decides on one security type.
    V3_3,
    /// 3.7: the server offers several.
    V3_7,
    /// 3.8: as 3.7; a failure after the choice has a reason, too.
    V3_8,
}

impl Version {
    /// The version that a client's ProtocolVersion message chooses; `None` if it is none, or is not whole.
    ///
    /// Versions that nobody defined count as 3.3 (section 7.1.1), and those above 3.8 as that.
    pub fn from_client(bytes: &[u8]) -> Option<Self> {
        let (major, minor) = numbers(bytes)?;
        Some(match (major, minor) {
            (3, 7) => Self::V3_7,
            // Apple's 3.889 means 3.3 and its own authentication.
            (3, 8) | (4.., _) => Self::V3_8,
            _ => Self::V3_3,
        })
    }

    /// The same for a server's message; 3.889 of Apple's servers takes 3.8 (which is what clients answer).
    pub fn of_server(bytes: &[u8]) -> Option<Self> {
        let (major, minor) = numbers(bytes)?;
        Some(match (major, minor) {
            (3, 7) => Self::V3_7,
            (3, 8..) | (4.., _) => Self::V3_8,
            _ => Self::V3_3,
        })
    }
}

/// `RFB xxx.yyy\n` (section 7.1.1).
fn numbers(bytes: &[u8]) -> Option<(u16, u16)> {
    let text = bytes.get(..VERSION_LEN)?.strip_prefix(b"RFB ")?.strip_suffix(b"\n")?;
    let number = |digits: &[u8]| {
        let digits = core::str::from_utf8(digits).ok()?;
        // The integer parser would take a sign, too.
        if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
    };
    match text {
        [major @ .., b'.', a, b, c] if major.len() == 3 => {
            Some((number(major)?, number(&[*a, *b, *c])?))
        }
        _ => None,
    }
}

/// What a server says after the client's ProtocolVersion to refuse it with a reason (section 7.1.2).
///
/// The reason is made one line of plain ASCII text of at most [`MAX_REASON`] bytes.
pub fn refusal(version: Version, reason: &str) -> Vec<u8> {
    let reason = plain(reason);
    // It is bounded by MAX_REASON.
    let length = u32::try_from(reason.len()).unwrap_or_default();
    let mut message = Vec::with_capacity(reason.len().saturating_add(8));
    match version {
        // The security type, of which 0 is none.
        Version::V3_3 => message.extend_from_slice(&0_u32.to_be_bytes()),
        // The number of security types.
        Version::V3_7 | Version::V3_8 => message.push(0),
    }
    message.extend_from_slice(&length.to_be_bytes());
    message.extend_from_slice(reason.as_bytes());
    message
}

/// One line of ASCII, as RFC 6143 section 7.1.2 wants it: noVNC 1.3 shows each byte as a character of its own. What HTML would take for its
/// own is replaced, and the end is cut off.
fn plain(reason: &str) -> String {
    let plain = |found| match found {
        '<' => '(',
        '>' => ')',
        '&' => '+',
        ' '..='~' => found,
        _ if char::is_control(found) => ' ',
        _ => '?',
    };
    reason.chars().take(MAX_REASON).map(plain).collect()
}

/// What a server offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Security {
    /// These types, in its order.
    Offered(Vec<SecurityType>),
    /// Nothing: it refuses the client.
    Refused {
        /// Why, at most [`MAX_REASON`] bytes, as the server wrote it: untrusted.
        reason: String,
    },
}

/// A security type (section 7.1.2; those above 2 from IANA's registry).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SecurityType {
    /// 1: nothing is asked.
    None,
    /// 2: a password of at most 8 bytes.
    VncAuthentication,
    /// 19: TLS in VeNCrypt.
    VeNCrypt,
    /// 20: SASL.
    Sasl,
    /// Any other.
    Other(u8),
}

impl From<u8> for SecurityType {
    fn from(number: u8) -> Self {
        match number {
            1 => Self::None,
            2 => Self::VncAuthentication,
            19 => Self::VeNCrypt,
            20 => Self::Sasl,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for SecurityType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::VncAuthentication => f.write_str("VNC authentication"),
            Self::VeNCrypt => f.write_str("VeNCrypt (TLS)"),
            Self::Sasl => f.write_str("SASL"),
            Self::Other(number) => write!(f, "type {number}"),
        }
    }
}

/// Reads what a server says after the ProtocolVersion messages, of which the client's has set the version; `None` while bytes are missing.
///
/// A QEMU that has only VeNCrypt or SASL to offer refuses 3.3 with four zero bytes and closes, so `None` remains when no more will come.
///
/// # Errors
///
/// [`GreetingError::TooLong`]: its reason is longer than [`MAX_REASON`] (a hostile server may announce 4 GiB).
/// [`GreetingError::NoSecurityType`]: by 3.3 it chose a number that is no byte.
pub fn security(version: Version, bytes: &[u8]) -> Result<Option<Security>, GreetingError> {
    if version == Version::V3_3 {
        return match bytes.split_first_chunk() {
            None => Ok(None),
            Some((number, rest)) => match u32::from_be_bytes(*number) {
                0 => reason(rest),
                number => {
                    let number =
                        u8::try_from(number).map_err(|_| GreetingError::NoSecurityType(number))?;
                    Ok(Some(Security::Offered([number.into()].into())))
                }
            },
        };
    }
    match bytes.split_first() {
        None => Ok(None),
        Some((0, rest)) => reason(rest),
        Some((count, rest)) => Ok(rest.get(..usize::from(*count)).map(|types| {
            Security::Offered(types.iter().copied().map(SecurityType::from).collect())
        })),
    }
}

fn reason(bytes: &[u8]) -> Result<Option<Security>, GreetingError> {
    let Some((length, rest)) = bytes.split_first_chunk() else { return Ok(None) };
    let announced = u32::from_be_bytes(*length);
    let allowed = u32::try_from(MAX_REASON).unwrap_or(u32::MAX);
    if announced > allowed {
        return Err(GreetingError::TooLong { announced, allowed });
    }
    let length = usize::try_from(announced).unwrap_or(usize::MAX);
    Ok(rest.get(..length).map(|text| {
        // QEMU ends its reasons with a NUL.
        let text = text.strip_suffix(b"\0").unwrap_or(text);
        let mut reason = String::from_utf8_lossy(text).into_owned();
        // What is no UTF-8 becomes longer.
        while reason.len() > MAX_REASON {
            reason.pop();
        }
        Security::Refused { reason }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;
    use proptest::prelude::*;

    #[test]
    fn versions_of_clients_and_servers() {
        for (bytes, client, server) in [
            (&b"RFB 003.008\n"[..], Some(Version::V3_8), Some(Version::V3_8)),
            (b"RFB 003.007\n", Some(Version::V3_7), Some(Version::V3_7)),
            (b"RFB 003.003\n", Some(Version::V3_3), Some(Version::V3_3)),
            (b"RFB 003.005\n", Some(Version::V3_3), Some(Version::V3_3)),
            (b"RFB 003.889\n", Some(Version::V3_3), Some(Version::V3_8)),
            (b"RFB 004.001\n", Some(Version::V3_8), Some(Version::V3_8)),
            (b"RFB 003.008\n\x01", Some(Version::V3_8), Some(Version::V3_8)),
            (b"RFB 003.008", None, None),
            (b"RFB +03.008\n", None, None),
            (b"RFB 3.8\n    ", None, None),
            (b"REDQ\x02\0\0\0\x02\0\0\0", None, None),
            (b"", None, None),
        ] {
            assert_eq!(
                (Version::from_client(bytes), Version::of_server(bytes)),
                (client, server),
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn refusals_on_the_wire() {
        assert_eq!(refusal(Version::V3_8, "no"), b"\0\0\0\0\x02no");
        assert_eq!(refusal(Version::V3_7, "no"), b"\0\0\0\0\x02no");
        assert_eq!(refusal(Version::V3_3, "no"), b"\0\0\0\0\0\0\0\x02no");
        assert_eq!(refusal(Version::V3_8, "<b>\n&"), b"\0\0\0\0\x05(b) +");
        assert_eq!(refusal(Version::V3_8, "ä\u{202e}\u{2028}\x7f"), b"\0\0\0\0\x04??? ");
        let long = "ä".repeat(MAX_REASON + 1);
        assert_eq!(refusal(Version::V3_8, &long).len(), 5 + MAX_REASON);
    }

    #[test]
    fn offers_are_read_as_they_come_in() {
        let qemu_with_tls = [2, 19, 2];
        let offered =
            Security::Offered(vec![SecurityType::VeNCrypt, SecurityType::VncAuthentication]);
        assert_eq!(security(Version::V3_8, &qemu_with_tls), Ok(Some(offered)));
        assert_eq!(security(Version::V3_8, &qemu_with_tls[..2]), Ok(None));
        let one = Security::Offered(vec![SecurityType::None]);
        assert_eq!(security(Version::V3_3, &[0, 0, 0, 1]), Ok(Some(one)));
        let refused = Security::Refused { reason: "Too many".to_string() };
        assert_eq!(security(Version::V3_8, b"\0\0\0\0\x09Too many\0"), Ok(Some(refused)));
        assert_eq!(
            security(Version::V3_8, b"\0\0\0\x01\x01"),
            Err(GreetingError::TooLong { announced: 257, allowed: 256 })
        );
        assert_eq!(security(Version::V3_8, b"\0\0\0\x01\0"), Ok(None));
        assert_eq!(
            security(Version::V3_3, &[0, 0, 1, 2]),
            Err(GreetingError::NoSecurityType(0x102))
        );
    }

    proptest! {
        #[test]
        fn a_refusal_reads_back_whole_and_only_whole(reason in "(?s).{0,300}", cut in 0_usize..300) {
            for version in [Version::V3_3, Version::V3_7, Version::V3_8] {
                let said = refusal(version, &reason);
                let read = security(version, &said);
                let Ok(Some(Security::Refused { reason: read })) = read else { panic!("{read:?}") };
                prop_assert!(read.chars().all(|shown| matches!(shown, ' '..='~') && !"<>&".contains(shown)));
                prop_assert_eq!(read.len(), reason.chars().count().min(MAX_REASON));
                if let Some(part) = said.get(..cut).filter(|part| part.len() < said.len()) {
                    prop_assert_eq!(security(version, part), Ok(None));
                }
            }
        }

        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            for version in [Version::V3_3, Version::V3_7, Version::V3_8] {
                if let Ok(Some(Security::Refused { reason })) = security(version, &bytes) {
                    prop_assert!(reason.len() <= MAX_REASON);
                }
            }
            let _ = (Version::from_client(&bytes), Version::of_server(&bytes));
        }
    }
}
