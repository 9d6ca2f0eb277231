//! The PROXY protocol (<https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt>), versions 1 and 2: what a reverse proxy that only passes bytes
//! says of its client before the client's first byte.

use std::io;

use proxy_header::{ParseConfig, ProxyHeader};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::client::Peer;

/// What the header says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Proxied {
    /// The client; none where the proxy speaks for itself (health checks) or does not know.
    pub(crate) peer: Option<Peer>,
    /// The client came to the proxy by TLS; only version 2 can say so.
    pub(crate) is_encrypted: bool,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeaderError {
    #[error("the connection ended before a whole PROXY protocol header had come")]
    Ended(#[source] io::Error),
    #[error("no PROXY protocol header came, but {0}")]
    Missing(&'static str),
    #[error("the PROXY protocol header is longer than {MAX_HEADER} bytes")]
    TooLong,
    #[error("the PROXY protocol header is malformed")]
    Malformed(#[source] proxy_header::Error),
}

/// Reads the header and not one byte more. The caller bounds the time.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Proxied, HeaderError> {
    let mut header = vec![0; SHORTEST];
    stream.read_exact(&mut header).await.map_err(HeaderError::Ended)?;
    if header.starts_with(SIGNATURE) {
        header.push(stream.read_u8().await.map_err(HeaderError::Ended)?);
        // Section 2.2: the last two of the first 16 bytes are the length of the rest.
        let length = match header.as_slice() {
            [.., high, low] => usize::from(u16::from_be_bytes([*high, *low])),
            _ => 0,
        };
        let start = header.len();
        if start + length > MAX_HEADER {
            return Err(HeaderError::TooLong);
        }
        header.resize(start + length, 0);
        let rest = header.get_mut(start..).unwrap_or_default();
        stream.read_exact(rest).await.map_err(HeaderError::Ended)?;
        // Section 2.2: whatever else a LOCAL header says is to be ignored.
        if header.get(SIGNATURE.len()) == Some(&LOCAL) {
            return Ok(Proxied { peer: None, is_encrypted: false });
        }
    } else if header.starts_with(b"PROXY ") {
        while !header.ends_with(b"\r\n") {
            if header.len() == MAX_LINE {
                return Err(HeaderError::TooLong);
            }
            header.push(stream.read_u8().await.map_err(HeaderError::Ended)?);
        }
    } else {
        return Err(HeaderError::Missing(match header.first() {
            Some(0x16) => "TLS",
            Some(byte) if byte.is_ascii_uppercase() => "HTTP",
            _ => "something else",
        }));
    }
    let (header, _) =
        ProxyHeader::parse(&header, ParseConfig::default()).map_err(HeaderError::Malformed)?;
    Ok(Proxied {
        peer: header.proxied_address().map(|proxied| Peer::address(proxied.source)),
        is_encrypted: header.ssl().is_some_and(|ssl| ssl.client_ssl()),
    })
}

/// `PROXY UNKNOWN` and its line end, the shortest header of both versions.
const SHORTEST: usize = 15;

/// Section 2.2.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Version 2 and the command LOCAL.
const LOCAL: u8 = 0x20;

/// Section 2.1: a line of version 1 has at most 107 bytes.
const MAX_LINE: usize = 107;

/// Version 2's addresses have at most 216 bytes; the rest is room for what proxies add, certificates' names for instance.
const MAX_HEADER: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    async fn of(bytes: &[u8]) -> (Result<Proxied, HeaderError>, usize) {
        let mut rest = bytes;
        let read = read(&mut rest).await;
        (read, rest.len())
    }

    fn version_2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[0x20 | command, family], &length, rest].concat()
    }

    #[tokio::test]
    async fn both_versions_leave_what_follows() {
        let v4 = [192, 0, 2, 1, 10, 0, 0, 1, 0x04, 0xd2, 0x17, 0xc0];
        let mut v6 = [0; 36];
        v6[..2].copy_from_slice(&[0x20, 0x01]);
        v6[15] = 1;
        v6[32..].copy_from_slice(&[0x04, 0xd2, 0x17, 0xc0]);
        // PP2_TYPE_SSL: client came by TLS, verify 0.
        let ssl = [&v4[..], &[0x20, 0, 5, 1, 0, 0, 0, 0]].concat();
        for (header, peer, is_encrypted) in [
            (
                b"PROXY TCP4 192.0.2.1 10.0.0.1 1234 6080\r\n".to_vec(),
                Some("192.0.2.1:1234"),
                false,
            ),
            (
                b"PROXY TCP6 2001:db8::1 ::1 1234 6080\r\n".to_vec(),
                Some("[2001:db8::1]:1234"),
                false,
            ),
            (b"PROXY UNKNOWN\r\n".to_vec(), None, false),
            (b"PROXY UNKNOWN ff 1 2 3\r\n".to_vec(), None, false),
            (version_2(1, 0x11, &v4), Some("192.0.2.1:1234"), false),
            (version_2(1, 0x21, &v6), Some("[2001::1]:1234"), false),
            (version_2(1, 0x11, &ssl), Some("192.0.2.1:1234"), true),
            (version_2(0, 0x11, &v4), None, false),
            (version_2(0, 0, &[]), None, false),
            (version_2(0, 0x11, &[]), None, false),
            (version_2(0, 0x99, &[1, 2, 3]), None, false),
            // No address (AF_UNSPEC).
            (version_2(1, 0, &[]), None, false),
        ] {
            let (read, left) = of(&[&header[..], b"GET"].concat()).await;
            let read = read.unwrap();
            let shown = String::from_utf8_lossy(&header);
            assert_eq!(read.peer.map(|peer| peer.to_string()).as_deref(), peer, "{shown}");
            assert_eq!((read.is_encrypted, left), (is_encrypted, 3), "{shown}");
        }
    }

    #[tokio::test]
    async fn everything_else_is_refused() {
        let long = [SIGNATURE, &[0x21, 0x11, 0xff, 0xff]].concat();
        for (bytes, expected) in [
            (&b""[..], "ended before"),
            (b"PROXY TCP4 192.0.2.1", "ended before"),
            (b"GET / HTTP/1.1\r\n\r\n", "HTTP"),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03abcdefgh", "TLS"),
            (b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "something else"),
            (b"PROXY TCP4 a b c d\r\n", "malformed"),
            (b"PROXY TCP4 192.0.2.1 10.0.0.1 99999 1\r\n", "malformed"),
            (&[&b"PROXY TCP4 "[..], &[b'1'; 200]].concat(), "longer"),
            (&long, "longer"),
            (&version_2(1, 0x11, &[1, 2]), "malformed"),
            (&version_2(9, 0x11, &[0; 12]), "malformed"),
        ] {
            let error = of(bytes).await.0.unwrap_err().to_string();
            assert!(error.contains(expected), "{error} for {:?}", String::from_utf8_lossy(bytes));
        }
    }
}
