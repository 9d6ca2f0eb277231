//! What a server said, for a reader.

/// `bytes` as text on one line, without control characters.
pub(crate) fn one_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let words = text.split(|one: char| one.is_whitespace() || one.is_control());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The first line of `bytes` that has something in it, with `\x1b` and the like for what is not printable ASCII. Quotes stay as they are.
pub(crate) fn first_line(bytes: &[u8]) -> String {
    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let line = bytes.split(is_end).find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    let mut shown = String::new();
    for &byte in line {
        match byte {
            b'"' | b'\'' => shown.push(char::from(byte)),
            _ => shown.push_str(&byte.escape_ascii().to_string()),
        }
    }
    shown
}

/// In characters: what is shown of a server's words.
pub(crate) const MAX_LINE: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_first_bytes_the_first_line_is_shown() {
        for (bytes, expected) in [
            (&b"HTTP/1.1 400 Bad Request\r\nServer: x"[..], "HTTP/1.1 400 Bad Request"),
            (b"\r\n <html lang=\"en\">\n<p>", " <html lang=\"en\">"),
            (b"\x15\x03\x03\x00\x02\x02\x28", "\\x15\\x03\\x03\\x00\\x02\\x02("),
            (b"it's\\\xff", "it's\\\\\\xff"),
            (b"\r\n", ""),
        ] {
            assert_eq!(first_line(bytes), expected);
        }
    }
}
