//! String literals (The Python Language Reference, section 2.4.1).

use alloc::string::String;

use crate::Why;

/// Appends what a string token means, prefix and quotes included.
pub(crate) fn decode(token: &str, to: &mut String) -> Result<(), Why> {
    let start = token.find(['\'', '"']).ok_or(Why::Unreadable)?;
    let (prefix, quoted) = token.split_at_checked(start).ok_or(Why::Unreadable)?;
    let has = |letter: char| prefix.chars().any(|one| one.eq_ignore_ascii_case(&letter));
    // Formatted and template strings are computed.
    if has('f') || has('t') {
        return Err(Why::NotALiteral);
    }
    let quotes = if quoted.starts_with("'''") || quoted.starts_with("\"\"\"") { 3 } else { 1 };
    let end = quoted.len().checked_sub(quotes).filter(|end| *end >= quotes);
    let mut rest = end.and_then(|end| quoted.get(quotes..end)).ok_or(Why::Unreadable)?;
    // Bytes are Python 2's ordinary strings.
    if has('b') && !rest.is_ascii() {
        return Err(Why::NotALiteral);
    }
    while let Some(first) = rest.chars().next() {
        let behind = rest.get(first.len_utf8()..).unwrap_or_default();
        rest = match first {
            // Python reads every line end as one newline.
            '\r' => {
                to.push('\n');
                behind.strip_prefix('\n').unwrap_or(behind)
            }
            '\\' if !has('r') => escape(behind, has('b'), to)?,
            other => {
                to.push(other);
                behind
            }
        };
    }
    Ok(())
}

/// What stands behind a backslash; returns what follows it.
fn escape<'a>(text: &'a str, is_bytes: bool, to: &mut String) -> Result<&'a str, Why> {
    let Some(first) = text.chars().next() else { return Err(Why::Unreadable) };
    let behind = text.get(first.len_utf8()..).unwrap_or_default();
    let plain = match first {
        '\n' => return Ok(behind),
        '\r' => return Ok(behind.strip_prefix('\n').unwrap_or(behind)),
        '\\' | '\'' | '"' => first,
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        '0'..='7' => {
            let length =
                text.bytes().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
            return code(text, length, 8, is_bytes, to);
        }
        'x' => return code(behind, 2, 16, is_bytes, to),
        'u' if !is_bytes => return code(behind, 4, 16, is_bytes, to),
        'U' if !is_bytes => return code(behind, 8, 16, is_bytes, to),
        // By a character's name: that would need a table of all.
        'N' if !is_bytes => return Err(Why::NotALiteral),
        // Unknown ones stay as they are.
        other => {
            to.push('\\');
            other
        }
    };
    to.push(plain);
    Ok(behind)
}

/// A character by its number, which has exactly `length` digits.
fn code<'a>(
    text: &'a str,
    length: usize,
    radix: u32,
    is_bytes: bool,
    to: &mut String,
) -> Result<&'a str, Why> {
    let (digits, behind) = text.split_at_checked(length).ok_or(Why::Unreadable)?;
    if !digits.chars().all(|one| one.is_digit(radix)) {
        return Err(Why::Unreadable);
    }
    let number = u32::from_str_radix(digits, radix).map_err(|_| Why::Unreadable)?;
    // A surrogate is no character, and a byte beyond ASCII is half of one.
    let one = char::from_u32(number).filter(|one| !is_bytes || one.is_ascii());
    to.push(one.ok_or(Why::NotALiteral)?);
    Ok(behind)
}
