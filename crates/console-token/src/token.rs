//! The token's type, its parser, and what of it may be shown.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use alloc::format;
use uuid::Uuid;

/// Which console: a domain on a host. Printed it is masked; [`to_exposed_string`](Self::to_exposed_string) has it all.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConsoleToken {
    host: HostId,
    domain: DomainUuid,
}

impl ConsoleToken {
    /// The token of `domain` on `host`.
    pub const fn new(host: HostId, domain: DomainUuid) -> Self {
        Self { host, domain }
    }

    /// The hypervisor, by its number in the panel's database or in the configuration.
    pub const fn host(self) -> HostId {
        self.host
    }

    /// The domain on it.
    pub const fn domain(self) -> DomainUuid {
        self.domain
    }

    /// The whole token, as a panel would write it. Whoever reads it has the console: never log it.
    pub fn to_exposed_string(self) -> String {
        format!("{}-{}", self.host, self.domain.0.hyphenated())
    }
}

impl FromStr for ConsoleToken {
    type Err = TokenError;

    /// Splits at the first dash: a host id has none, a uuid has four.
    fn from_str(text: &str) -> Result<Self, TokenError> {
        if text.is_empty() {
            return Err(TokenError::Empty);
        }
        if text.len() > MAX_TOKEN_LENGTH {
            return Err(TokenError::TooLong);
        }
        let (host, domain) = text.split_once('-').ok_or(TokenError::NoDash)?;
        Ok(Self::new(host.parse()?, domain.parse()?))
    }
}

impl fmt::Display for ConsoleToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.host, self.domain)
    }
}

impl fmt::Debug for ConsoleToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConsoleToken({self})")
    }
}

/// A hypervisor's number: the primary key of its row in the panel's database, or `id` in the configuration. 0 to 2^64 - 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostId(u64);

impl HostId {
    /// The host with this number.
    pub const fn new(id: u64) -> Self {
        Self(id)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl FromStr for HostId {
    type Err = TokenError;

    /// Decimal digits only, as a panel writes them: one host has one spelling.
    fn from_str(text: &str) -> Result<Self, TokenError> {
        if text.is_empty() {
            return Err(TokenError::NoHost);
        }
        let spare_zero = text.len() > 1 && text.starts_with('0');
        if spare_zero || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(TokenError::HostNotDecimal);
        }
        text.parse().map(Self).map_err(|_| TokenError::HostTooLarge)
    }
}

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A domain's uuid as libvirt knows it. Printed, its middle is masked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainUuid(Uuid);

impl DomainUuid {
    /// The whole uuid, for asking libvirt.
    pub const fn as_uuid(self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for DomainUuid {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl FromStr for DomainUuid {
    type Err = TokenError;

    /// Only the form with four dashes (RFC 9562 section 4), in either letter case; no braces, no `urn:`.
    fn from_str(text: &str) -> Result<Self, TokenError> {
        if text.is_empty() {
            return Err(TokenError::NoUuid);
        }
        let length = text.chars().count();
        if length != UUID_LENGTH {
            return Err(TokenError::UuidLength { found: length });
        }
        for (index, found) in text.chars().enumerate() {
            let position = index.saturating_add(1);
            let dash = matches!(index, 8 | 13 | 18 | 23);
            if dash && found != '-' {
                return Err(TokenError::UuidDash { position });
            }
            if !dash && !found.is_ascii_hexdigit() {
                return Err(TokenError::UuidDigit { position });
            }
        }
        // Its form has been checked above, so that the error can say what is wrong with it.
        Uuid::try_parse(text).map(Self).map_err(|_| TokenError::UuidLength { found: length })
    }
}

impl fmt::Display for DomainUuid {
    /// The first group and the last four digits: enough to recognise a domain in a log, not enough to open its console.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, _, _, _) = self.0.as_fields();
        let [.., high, low] = *self.0.as_bytes();
        write!(f, "{first:08x}-****-{high:02x}{low:02x}")
    }
}

impl fmt::Debug for DomainUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DomainUuid({self})")
    }
}

/// The longest token in bytes: 20 digits, a dash, a uuid.
pub const MAX_TOKEN_LENGTH: usize = 57;

/// What is wrong with a token. The text never repeats the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Nothing behind `token=`.
    #[error("the token is empty, expected <host id>-<domain uuid>")]
    Empty,
    /// Longer than [`MAX_TOKEN_LENGTH`].
    #[error("the token is longer than {MAX_TOKEN_LENGTH} characters")]
    TooLong,
    /// Not UTF-8, or not after percent-decoding.
    #[error("the token is not text")]
    NotText,
    /// Several `token` in one query, and they differ.
    #[error("the query has several tokens that differ")]
    Ambiguous,
    /// No dash at all.
    #[error("the token has no dash, expected <host id>-<domain uuid>")]
    NoDash,
    /// Nothing before the first dash.
    #[error("the host id before the first dash is empty")]
    NoHost,
    /// Not a plain decimal number.
    #[error("the host id is not a decimal number without leading zeros")]
    HostNotDecimal,
    /// More than 2^64 - 1.
    #[error("the host id is too large")]
    HostTooLarge,
    /// Nothing behind the first dash.
    #[error("the domain uuid behind the first dash is empty")]
    NoUuid,
    /// Not 36 characters.
    #[error("the domain uuid has {found} characters, expected 36")]
    UuidLength {
        /// How many there are.
        found: usize,
    },
    /// Another character where a dash belongs.
    #[error("character {position} of the domain uuid must be a dash")]
    UuidDash {
        /// Counted from 1.
        position: usize,
    },
    /// Another character where a hexadecimal digit belongs.
    #[error("character {position} of the domain uuid is not a hexadecimal digit")]
    UuidDigit {
        /// Counted from 1.
        position: usize,
    },
}

const UUID_LENGTH: usize = 36;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    const UUID: &str = "0a1b2c3d-4e5f-4061-8283-94a5b6c7d8e9";

    #[test]
    fn good_tokens() {
        for (text, host) in [
            ("0-0a1b2c3d-4e5f-4061-8283-94a5b6c7d8e9", 0),
            ("1-0A1B2C3D-4E5F-4061-8283-94A5B6C7D8E9", 1),
            ("18446744073709551615-0a1b2c3d-4e5f-4061-8283-94a5b6c7d8e9", u64::MAX),
        ] {
            let token: ConsoleToken = text.parse().unwrap();
            assert_eq!(token.host().get(), host);
            assert_eq!(token.domain().as_uuid().to_string(), UUID);
            assert_eq!(token.to_exposed_string(), text.to_lowercase());
        }
    }

    #[test]
    fn every_other_form_says_what_is_wrong() {
        for (text, expected) in [
            ("", TokenError::Empty),
            ("x", TokenError::NoDash),
            ("12", TokenError::NoDash),
            ("-0a1b2c3d-4e5f-4061-8283-94a5b6c7d8e9", TokenError::NoHost),
            ("a-0a1b2c3d-4e5f-4061-8283-94a5b6c7d8e9", TokenError::HostNotDecimal),
            ("+1-0a1b2c3d-4e5f-4061-8283-94a5b6c7d8e9", TokenError::HostNotDecimal),
            (" 1-0a1b2c3d-4e5f-4061-8283-94a5b6c7d8e9", TokenError::HostNotDecimal),
            ("01-0a1b2c3d-4e5f-4061-8283-94a5b6c7d8e9", TokenError::HostNotDecimal),
            ("1\u{664}-0a1b2c3d-4e5f-4061-8283-94a5b6c7d8e9", TokenError::HostNotDecimal),
            ("18446744073709551616-0a1b2c3d-4e5f-4061-8283-94a5b6c7d8e9", TokenError::HostTooLarge),
            ("1-", TokenError::NoUuid),
            ("0a1b2c3d-4e5f-4061-8283-94a5b6c7d8e9", TokenError::HostNotDecimal),
            ("1-0a1b2c3d4e5f4061828394a5b6c7d8e9", TokenError::UuidLength { found: 32 }),
            ("1-0a1b2c3d-4e5f-4061-8283-94a5b6c7d8e9 ", TokenError::UuidLength { found: 37 }),
            ("1-{0a1b2c3d-4e5f-4061-8283-94a5b6c7d8e9}", TokenError::UuidLength { found: 38 }),
            ("1-0a1b2c3d4-e5f-4061-8283-94a5b6c7d8e9", TokenError::UuidDash { position: 9 }),
            ("1-0a1b2c3d-4e5f-4061-8283-94a5b6c7d8eg", TokenError::UuidDigit { position: 36 }),
            ("1--a1b2c3d-4e5f-4061-8283-94a5b6c7d8e9", TokenError::UuidDigit { position: 1 }),
            ("1-0a1b2c3d-4e5f-4061-8283-94a5b6c7d8é9", TokenError::UuidDigit { position: 35 }),
            (&"9".repeat(58), TokenError::TooLong),
        ] {
            assert_eq!(text.parse::<ConsoleToken>(), Err(expected), "{text}");
            assert!(!expected.to_string().contains("a1b2"), "{expected}");
        }
    }

    #[test]
    fn printing_masks_the_middle() {
        let token: ConsoleToken = "12-0a1b2c3d-4e5f-4061-8283-94a5b6c7d8e9".parse().unwrap();
        assert_eq!(token.to_string(), "12-0a1b2c3d-****-d8e9");
        assert_eq!(format!("{token:?}"), "ConsoleToken(12-0a1b2c3d-****-d8e9)");
        assert_eq!(format!("{:?}", token.domain()), "DomainUuid(0a1b2c3d-****-d8e9)");
    }

    proptest! {
        #[test]
        fn what_is_exposed_parses_back(host: u64, uuid: u128) {
            let token = ConsoleToken::new(HostId::new(host), Uuid::from_u128(uuid).into());
            let text = token.to_exposed_string();
            prop_assert!(text.len() <= MAX_TOKEN_LENGTH);
            prop_assert_eq!(text.parse(), Ok(token));
        }

        #[test]
        fn any_text_is_a_token_or_an_error(text in any::<String>()) {
            if let Ok(token) = text.parse::<ConsoleToken>() {
                prop_assert_eq!(token.to_exposed_string(), text.to_lowercase());
            }
        }

        #[test]
        fn nearly_tokens_do_not_panic(text in "[0-9]{0,3}-?[0-9a-fA-F-]{30,40}") {
            let _ = text.parse::<ConsoleToken>();
        }
    }
}
