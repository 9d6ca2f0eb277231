//! SSH's own data types (RFC 4251 section 5), as far as they are met here.

/// Appends a `string`: its length and its bytes.
pub(crate) fn put_string(to: &mut Vec<u8>, bytes: &[u8]) {
    // What we write is a few kilobytes at most.
    put_u32(to, u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    to.extend_from_slice(bytes);
}

/// Appends a `uint32`.
pub(crate) fn put_u32(to: &mut Vec<u8>, number: u32) {
    to.extend_from_slice(&number.to_be_bytes());
}

/// Takes a `uint32` off the front.
pub(crate) fn take_u32(from: &mut &[u8]) -> Option<u32> {
    let (number, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(u32::from_be_bytes(*number))
}

/// Takes a `string` off the front.
pub(crate) fn take_string<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let mut rest = *from;
    let length = usize::try_from(take_u32(&mut rest)?).ok()?;
    let (string, rest) = rest.split_at_checked(length)?;
    *from = rest;
    Some(string)
}

/// The type that a key or signature begins with, if it is text.
pub(crate) fn algorithm(mut blob: &[u8]) -> Option<&str> {
    std::str::from_utf8(take_string(&mut blob)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_come_back_and_short_ones_do_not() {
        let mut bytes = Vec::new();
        put_string(&mut bytes, b"ssh-ed25519");
        put_u32(&mut bytes, 7);
        assert_eq!(algorithm(&bytes), Some("ssh-ed25519"));
        let mut rest = bytes.as_slice();
        assert_eq!(take_string(&mut rest), Some(&b"ssh-ed25519"[..]));
        assert_eq!(take_u32(&mut rest), Some(7));
        assert_eq!((take_u32(&mut rest), rest), (None, &[][..]));
        for length in 0..15 {
            assert_eq!(take_string(&mut &bytes[..length]), None, "{length}");
        }
        assert_eq!(take_string(&mut &[0xff; 8][..]), None);
    }
}
