//! Console tokens in any text, percent-encoded or not, and the text without them.

use std::ops::Range;

use console_token::ConsoleToken;

/// `text` with each console token masked, wherever it stands.
pub(crate) fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = 0;
    for (place, token) in tokens(text) {
        shown.push_str(text.get(rest..place.start).unwrap_or_default());
        shown.push_str(&token.to_string());
        rest = place.end;
    }
    shown.push_str(text.get(rest..).unwrap_or_default());
    shown
}

/// Where tokens stand in `text`, in order, and which; also encoded, and encoded again as in a URL that is in another's query.
pub(crate) fn tokens(text: &str) -> Vec<(Range<usize>, ConsoleToken)> {
    let mut found: Vec<(Range<usize>, ConsoleToken)> = Vec::new();
    let mut bytes: Vec<Byte> = text
        .bytes()
        .enumerate()
        .map(|(at, value)| Byte { value, at: at..at.saturating_add(1) })
        .collect();
    for _ in 0..=MAX_ENCODINGS {
        for one in plain(&bytes) {
            let is_new =
                found.iter().all(|(place, _)| place.end <= one.0.start || one.0.end <= place.start);
            if is_new {
                found.push(one);
            }
        }
        bytes = decoded(&bytes);
    }
    found.sort_by_key(|(place, _)| place.start);
    found
}

/// A byte, and where it stands in the text that it was decoded from.
struct Byte {
    value: u8,
    at: Range<usize>,
}

fn decoded(bytes: &[Byte]) -> Vec<Byte> {
    let mut all = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, behind @ ..] = rest {
        let pair = match behind {
            [high, low, after @ ..] if first.value == b'%' => digit(high)
                .zip(digit(low))
                .map(|(high, low_digit)| (high << 4 | low_digit, low.at.end, after)),
            _ => None,
        };
        let (value, end, after) = pair.unwrap_or((first.value, first.at.end, behind));
        all.push(Byte { value, at: first.at.start..end });
        rest = after;
    }
    all
}

fn digit(byte: &Byte) -> Option<u8> {
    char::from(byte.value).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// A token has its first dash behind the host's number, and a uuid behind that.
fn plain(bytes: &[Byte]) -> Vec<(Range<usize>, ConsoleToken)> {
    let mut found = Vec::new();
    let mut free = 0;
    for (dash, _) in bytes.iter().enumerate().filter(|(_, byte)| byte.value == b'-') {
        let before = bytes.get(free..dash).unwrap_or_default().iter().rev();
        let digits = before.take(MAX_DIGITS).take_while(|byte| byte.value.is_ascii_digit()).count();
        let end = dash.saturating_add(1 + UUID_LENGTH);
        // What is no number as a whole may end in one.
        for start in dash.saturating_sub(digits)..dash {
            let Some(part) = bytes.get(start..end) else { break };
            let text: Vec<u8> = part.iter().map(|byte| byte.value).collect();
            let token = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
            if let (Some(token), [first, .., last]) = (token, part) {
                found.push((first.at.start..last.at.end, token));
                free = end;
                break;
            }
        }
    }
    found
}

/// A number of 64 bits has at most so many.
const MAX_DIGITS: usize = 20;

/// RFC 9562 section 4.
const UUID_LENGTH: usize = 36;

/// A page's URL with a WebSocket's in its query encodes that one's query twice.
const MAX_ENCODINGS: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "1-0a1b2c3d-4e5f-4061-8283-94a5b6c7d8e9";

    #[test]
    fn tokens_are_masked_wherever_they_stand() {
        let mask = "1-0a1b2c3d-****-d8e9";
        for (text, expected) in [
            (TOKEN.to_owned(), mask.to_owned()),
            (format!("/x/{TOKEN}/y?t={TOKEN}&u"), format!("/x/{mask}/y?t={mask}&u")),
            (format!("{TOKEN}{TOKEN}"), format!("{mask}{mask}")),
            (format!("ü{}ü", TOKEN.to_uppercase()), format!("ü{mask}ü")),
            (format!("/{}", TOKEN.replace('-', "%2d")), format!("/{mask}")),
            (format!("/{}", TOKEN.replace('-', "%252D")), format!("/{mask}")),
            (format!("/{}", TOKEN.replace("1-", "%31%2D")), format!("/{mask}")),
            // No number, but one stands in it.
            (format!("host{TOKEN}ff"), format!("host{mask}ff")),
            (format!("00{TOKEN}"), format!("00{mask}")),
            (format!("{}{TOKEN}", "9".repeat(30)), format!("{}{mask}", "9".repeat(30))),
        ] {
            let found = masked(&text);
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn all_else_stays() {
        for text in [
            "",
            "%",
            "%2",
            "%zz-%2d",
            "1-0a1b2c3d-4e5f-4061-8283-94a5b6c7d8e",
            "-",
            "1-ü",
            &TOKEN[1..],
        ] {
            assert_eq!(masked(text), text);
        }
    }
}
