//! SPICE's link stage (the protocol's description, "Link"): a client's first message, and a server's reply with an error.

use alloc::vec::Vec;
use core::fmt;

use crate::error::GreetingError;

/// The first bytes of both sides.
pub const MAGIC: [u8; 4] = *b"REDQ";

/// The largest link message that is read, in bytes after its header: real ones have 18 and some capabilities; spice-server takes as much.
pub const MAX_MESSAGE: u32 = 4096;

/// Magic, major and minor version, size.
const HEADER: usize = 16;

/// connection id, channel type and id, two numbers of capabilities and their offset.
const MESSAGE: u32 = 18;

/// Error, public key, two numbers of capabilities and their offset.
const REPLY: u32 = 178;

/// The public key's place in a reply: a 1024-bit RSA key as X.509 writes it.
const KEY: usize = 162;

/// What a server says to a link message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LinkError {
    /// 0: none.
    Ok,
    /// 1: unspecified.
    Error,
    /// 2: the magic is another.
    InvalidMagic,
    /// 3: the message is malformed.
    InvalidData,
    /// 4: another version.
    VersionMismatch,
    /// 5: the channel is for TLS connections only.
    NeedSecured,
    /// 6: the channel is for plain connections only.
    NeedUnsecured,
    /// 7: wrong password, or not allowed.
    PermissionDenied,
    /// 8: the connection id is unknown.
    BadConnectionId,
    /// 9: there is no such channel.
    ChannelNotAvailable,
    /// Any other.
    Other(u32),
}

impl LinkError {
    /// Its number on the wire.
    pub const fn code(self) -> u32 {
        match self {
            Self::Ok => 0,
            Self::Error => 1,
            Self::InvalidMagic => 2,
            Self::InvalidData => 3,
            Self::VersionMismatch => 4,
            Self::NeedSecured => 5,
            Self::NeedUnsecured => 6,
            Self::PermissionDenied => 7,
            Self::BadConnectionId => 8,
            Self::ChannelNotAvailable => 9,
            Self::Other(code) => code,
        }
    }
}

impl From<u32> for LinkError {
    fn from(code: u32) -> Self {
        match code {
            0 => Self::Ok,
            1 => Self::Error,
            2 => Self::InvalidMagic,
            3 => Self::InvalidData,
            4 => Self::VersionMismatch,
            5 => Self::NeedSecured,
            6 => Self::NeedUnsecured,
            7 => Self::PermissionDenied,
            8 => Self::BadConnectionId,
            9 => Self::ChannelNotAvailable,
            other => Self::Other(other),
        }
    }
}

/// A channel's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Channel(pub u8);

impl fmt::Display for Channel {
    /// The protocol's name for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            1 => "main",
            2 => "display",
            3 => "inputs",
            4 => "cursor",
            5 => "playback",
            6 => "record",
            8 => "smartcard",
            9 => "usbredir",
            10 => "port",
            11 => "webdav",
            other => return write!(f, "channel {other}"),
        };
        f.write_str(name)
    }
}

/// A client's first message on a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkMessage {
    /// Major and minor version.
    pub version: (u32, u32),
    /// 0 on the first channel; on all others the session that they belong to.
    pub connection_id: u32,
    /// Which channel.
    pub channel: Channel,
    /// Which of several channels of that type.
    pub channel_id: u8,
}

/// Reads a client's link message; `None` while bytes are missing.
///
/// # Errors
///
/// [`GreetingError`]: it is none, or its size cannot be right.
pub fn link_message(bytes: &[u8]) -> Result<Option<LinkMessage>, GreetingError> {
    let Some(Body { version, rest }) = body(bytes, MESSAGE)? else { return Ok(None) };
    let Some((connection_id, [channel, channel_id, ..])) = rest.split_first_chunk() else {
        return Ok(None);
    };
    Ok(Some(LinkMessage {
        version,
        connection_id: u32::from_le_bytes(*connection_id),
        channel: Channel(*channel),
        channel_id: *channel_id,
    }))
}

/// A client's link message on a channel without capabilities; `connection_id` is 0 on the main channel.
pub fn link(channel: Channel, connection_id: u32) -> Vec<u8> {
    let mut message = Vec::new();
    message.extend_from_slice(&MAGIC);
    for number in [VERSION.0, VERSION.1, MESSAGE, connection_id] {
        message.extend_from_slice(&number.to_le_bytes());
    }
    // Which of several channels of that type: the first.
    message.extend_from_slice(&[channel.0, 0]);
    // No capabilities, which would be behind all this.
    for number in [0, 0, MESSAGE] {
        message.extend_from_slice(&number.to_le_bytes());
    }
    message
}

/// A server's whole reply to a link message that refuses the channel, byte for byte as spice-server writes it.
pub fn refusal(error: LinkError) -> Vec<u8> {
    let mut reply = Vec::new();
    reply.extend_from_slice(&MAGIC);
    for number in [VERSION.0, VERSION.1, REPLY, error.code()] {
        reply.extend_from_slice(&number.to_le_bytes());
    }
    reply.extend_from_slice(&[0; KEY]);
    // No capabilities, which would be elsewhere.
    for number in [0_u32; 3] {
        reply.extend_from_slice(&number.to_le_bytes());
    }
    reply
}

/// Reads the error of a server's link reply; `None` while bytes are missing.
///
/// # Errors
///
/// [`GreetingError`]: it is none, or its size cannot be right.
pub fn link_reply(bytes: &[u8]) -> Result<Option<LinkError>, GreetingError> {
    let reply = body(bytes, REPLY)?;
    Ok(reply.and_then(|reply| Some(u32::from_le_bytes(*reply.rest.first_chunk()?).into())))
}

/// The version, and all that the header announces.
struct Body<'a> {
    version: (u32, u32),
    rest: &'a [u8],
}

/// `None` while it is not all there.
fn body(bytes: &[u8], needed: u32) -> Result<Option<Body<'_>>, GreetingError> {
    let seen = bytes.get(..MAGIC.len()).unwrap_or(bytes);
    if !MAGIC.starts_with(seen) {
        return Err(GreetingError::NotSpice);
    }
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else { return Ok(None) };
    let [_, _, _, _, a0, a1, a2, a3, i0, i1, i2, i3, s0, s1, s2, s3] = *header;
    let version = (u32::from_le_bytes([a0, a1, a2, a3]), u32::from_le_bytes([i0, i1, i2, i3]));
    let announced = u32::from_le_bytes([s0, s1, s2, s3]);
    if announced > MAX_MESSAGE {
        return Err(GreetingError::TooLong { announced, allowed: MAX_MESSAGE });
    }
    if announced < needed {
        return Err(GreetingError::TooShort { announced, needed });
    }
    let size = usize::try_from(announced).unwrap_or(usize::MAX);
    Ok(rest.get(..size).map(|rest| Body { version, rest }))
}

/// The protocol's version since 2009.
const VERSION: (u32, u32) = (2, 2);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    /// What spice-html5 0.3.0 sends first on its main channel.
    const MAIN: [u8; 42] = [
        b'R', b'E', b'D', b'Q', 2, 0, 0, 0, 2, 0, 0, 0, 26, 0, 0, 0, // header
        0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 18, 0, 0, 0, // message
        9, 0, 0, 0, 4, 0, 0, 0, // capabilities
    ];

    #[test]
    fn a_clients_message_is_read_as_it_comes_in() {
        let expected =
            LinkMessage { version: (2, 2), connection_id: 0, channel: Channel(1), channel_id: 0 };
        assert_eq!(link_message(&MAIN), Ok(Some(expected)));
        for cut in 0..MAIN.len() {
            assert_eq!(link_message(&MAIN[..cut]), Ok(None), "{cut}");
        }
        assert_eq!(link_message(b"RFB 003.008\n"), Err(GreetingError::NotSpice));
        let mut hostile = MAIN;
        hostile[12..16].copy_from_slice(&MAX_MESSAGE.to_le_bytes());
        assert_eq!(link_message(&hostile), Ok(None));
        hostile[12..16].copy_from_slice(&4097_u32.to_le_bytes());
        assert_eq!(
            link_message(&hostile),
            Err(GreetingError::TooLong { announced: 4097, allowed: 4096 })
        );
        hostile[12..16].copy_from_slice(&17_u32.to_le_bytes());
        assert_eq!(
            link_message(&hostile),
            Err(GreetingError::TooShort { announced: 17, needed: 18 })
        );
    }

    #[test]
    fn a_link_message_of_ours_is_one() {
        let expected =
            LinkMessage { version: (2, 2), connection_id: 7, channel: Channel(2), channel_id: 0 };
        assert_eq!(link_message(&link(Channel(2), 7)), Ok(Some(expected)));
    }

    #[test]
    fn a_refusal_is_a_whole_reply() {
        for code in 0..=10 {
            let reply = refusal(LinkError::from(code));
            assert_eq!(reply.len(), 16 + 178);
            assert_eq!(
                &reply[..20],
                [b"REDQ\x02\0\0\0\x02\0\0\0\xb2\0\0\0".as_slice(), &code.to_le_bytes()].concat()
            );
            assert_eq!(link_reply(&reply), Ok(Some(LinkError::from(code))));
            assert_eq!(LinkError::from(code).code(), code);
            assert_eq!(link_reply(&reply[..reply.len() - 1]), Ok(None));
        }
    }

    #[test]
    fn channels_by_their_names() {
        for (number, name) in [
            (0, "channel 0"),
            (1, "main"),
            (2, "display"),
            (3, "inputs"),
            (4, "cursor"),
            (5, "playback"),
            (6, "record"),
            // 7 was tunnel's, long gone.
            (7, "channel 7"),
            (8, "smartcard"),
            (9, "usbredir"),
            (10, "port"),
            (11, "webdav"),
            (255, "channel 255"),
        ] {
            assert_eq!(Channel(number).to_string(), name);
        }
    }

    proptest! {
        #[test]
        fn any_bytes(tail in proptest::collection::vec(any::<u8>(), 0..300), is_spice in any::<bool>()) {
            let mut bytes = if is_spice { MAGIC.to_vec() } else { Vec::new() };
            bytes.extend(tail);
            let _ = (link_message(&bytes), link_reply(&bytes));
        }
    }
}
