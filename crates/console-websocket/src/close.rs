//! Close codes and reasons as RFC 6455 section 5.5.1 lets them onto the wire.

use std::fmt;

/// A close code that a server may send (RFC 6455 section 7.4).
///
/// 1000 to 1015 are the protocol's own; 4000 to 4999 are private use, and the ones here are this project's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the backend ended the console cleanly.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the server is shutting down.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the client broke the WebSocket protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: the client sent text where only bytes belong.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1009: the client's message is larger than allowed.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// 1011: the server's own fault.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1013: too many sessions, try again later (IANA registry of RFC 6455 section 11.7).
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 4400: the token is missing or malformed.
    pub const BAD_TOKEN: Self = Self(4400);
    /// 4404: the host or the domain is unknown.
    pub const NOT_FOUND: Self = Self(4404);
    /// 4409: the domain has no console to reach (shut off, no graphics, listen none, TLS only).
    pub const NO_CONSOLE: Self = Self(4409);
    /// 4502: the backend refused, reset, or was lost in flight.
    pub const BACKEND_LOST: Self = Self(4502);
    /// 4503: the database or libvirt does not answer.
    pub const LOOKUP_FAILED: Self = Self(4503);
    /// 4504: opening the backend took too long.
    pub const BACKEND_TIMEOUT: Self = Self(4504);

    /// The number on the wire.
    pub const fn as_u16(self) -> u16 {
        self.0
    }

    /// A code of the private range 4000 to 4999 (RFC 6455 section 7.4.2); `None` outside it.
    pub const fn private(code: u16) -> Option<Self> {
        if code >= 4000 && code <= 4999 { Some(Self(code)) } else { None }
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloseCode({})", self.0)
    }
}

/// A close reason: at most 123 bytes of plain text (a control frame holds 125, RFC 6455 section 5.5).
///
/// Old noVNC puts the reason into its page as HTML, so `<`, `>`, `&` and control characters are replaced.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct CloseReason(String);

impl CloseReason {
    /// The longest reason in bytes.
    pub const MAX: usize = 123;

    /// Makes `text` fit: cuts it at a character's boundary (with `...`) and replaces what must not appear.
    pub fn new(text: &str) -> Self {
        let mut reason = String::with_capacity(text.len().min(Self::MAX));
        for found in text.chars() {
            let plain = match found {
                '<' => '(',
                '>' => ')',
                '&' => '+',
                c if c.is_control() => ' ',
                c => c,
            };
            if reason.len() + plain.len_utf8() > Self::MAX {
                while reason.len() > Self::MAX - CUT.len() {
                    reason.pop();
                }
                reason.push_str(CUT);
                break;
            }
            reason.push(plain);
        }
        Self(reason)
    }

    /// The text as it goes onto the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Marks a reason that was cut.
const CUT: &str = "...";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reasons_are_plain_and_short() {
        let table = [
            ("", ""),
            ("the guest is shut off", "the guest is shut off"),
            ("<b>a & b</b>\n", "(b)a + b(/b) "),
        ];
        for (text, expected) in table {
            assert_eq!(CloseReason::new(text).as_str(), expected);
        }
        assert_eq!(CloseReason::new(&"x".repeat(123)).as_str(), "x".repeat(123));
        assert_eq!(CloseReason::new(&"x".repeat(124)).as_str(), format!("{}...", "x".repeat(120)));
    }

    #[test]
    fn private_codes_are_checked() {
        assert_eq!(CloseCode::private(4000).map(CloseCode::as_u16), Some(4000));
        assert_eq!(CloseCode::private(3999), None);
        assert_eq!(CloseCode::private(5000), None);
    }

    proptest! {
        #[test]
        fn any_text_fits(text in any::<String>()) {
            let reason = CloseReason::new(&text);
            prop_assert!(reason.as_str().len() <= CloseReason::MAX);
            prop_assert!(!reason.as_str().contains(['<', '>', '&']));
            prop_assert!(!reason.as_str().chars().any(char::is_control));
        }
    }
}
