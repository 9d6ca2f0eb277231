//! The secrets of a request, and how they stay out of texts.

use console_token::ConsoleToken;
use percent_encoding::percent_decode_str;

use crate::address::Address;
use crate::mask::{masked, tokens};
use crate::said::{MAX_LINE, one_line};

/// What must not be shown of a request, wherever a server echoes it.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Vec<(String, String)>);

impl Secrets {
    /// Those of `address`: what is called a token, and what looks like one.
    pub(crate) fn of(address: &Address) -> Self {
        let mut all = Vec::new();
        for (_, value) in
            pairs(query(&address.target)).filter(|(name, value)| is_secret(name, value))
        {
            let decoded = decode(value);
            let token = decoded.rsplit_once(TOKEN_IN_VALUE).map(|(_, token)| token.to_owned());
            let shown = mask(value);
            for text in [value.to_owned(), decoded].into_iter().chain(token) {
                all.push((text, shown.clone()));
            }
        }
        for (place, token) in tokens(&address.target) {
            let raw = address.target.get(place).unwrap_or_default().to_owned();
            for text in [raw, token.to_exposed_string()] {
                all.push((text, token.to_string()));
            }
        }
        all.retain(|(text, _)| text.len() >= MIN_LENGTH);
        // What has another in it goes first.
        all.sort_by_key(|(text, _)| core::cmp::Reverse(text.len()));
        Self(all)
    }

    /// `text` without them, also where it ends within one, and without tokens of others.
    pub(crate) fn conceal(&self, text: &str) -> String {
        let text = self
            .0
            .iter()
            .fold(text.to_owned(), |text, (secret, shown)| text.replace(secret, shown));
        let text = masked(&text);
        for (secret, _) in &self.0 {
            let lengths = (MIN_LENGTH..secret.len()).rev();
            let begun = lengths
                .filter_map(|length| secret.get(..length))
                .find_map(|begun| text.strip_suffix(begun));
            if let Some(before) = begun {
                return format!("{before}***");
            }
        }
        text
    }

    /// What a server said, on one line and without them: at most 200 characters.
    pub(crate) fn shown(&self, said: &[u8]) -> String {
        // What is cut off first may cut a secret in two, which then is not recognised.
        self.conceal(&one_line(said)).chars().take(MAX_LINE).collect()
    }
}

/// Path and query with each token masked.
pub(crate) fn masked_target(target: &str) -> String {
    let Some((path, query)) = target.split_once('?') else { return masked(target) };
    let shown: Vec<String> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, value)) if is_secret(name, value) => format!("{name}={}", mask(value)),
            _ => pair.to_owned(),
        })
        .collect();
    masked(&format!("{path}?{}", shown.join("&")))
}

fn query(target: &str) -> &str {
    target.split_once('?').map_or("", |(_, query)| query)
}

fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter_map(|pair| pair.split_once('='))
}

/// Also a `path` as noVNC's page takes it, with a token inside.
fn is_secret(name: &str, value: &str) -> bool {
    !value.is_empty() && (decode(name) == "token" || decode(value).contains(TOKEN_IN_VALUE))
}

fn mask(value: &str) -> String {
    decode(value).parse::<ConsoleToken>().map_or_else(|_| "***".into(), |token| token.to_string())
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

const TOKEN_IN_VALUE: &str = "token=";

/// In bytes; what is shorter is no secret, and stands in too many words.
const MIN_LENGTH: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "1-0a1b2c3d-4e5f-4061-8283-94a5b6c7d8e9";

    #[test]
    fn what_a_server_echoes_is_masked() {
        let address = format!("ws://a/?token={}&x=abcdefgh", TOKEN.replace('-', "%2d"));
        let address = address.parse().unwrap();
        let secrets = Secrets::of(&address);
        let other = TOKEN.replace("1-0a", "2-0b");
        let said = secrets.conceal(&format!("no {TOKEN} {other} abcdefgh {}", address.target));
        let mask = "1-0a1b2c3d-****-d8e9";
        assert_eq!(
            said,
            format!("no {mask} 2-0b1b2c3d-****-d8e9 abcdefgh /?token={mask}&x=abcdefgh")
        );
    }

    #[test]
    fn the_beginning_of_a_secret_is_masked_where_the_text_ends() {
        for (url, secret) in [
            ("ws://a/?token=no-console-token".to_owned(), "no-console-token"),
            (format!("ws://a/{TOKEN}"), TOKEN),
        ] {
            let secrets = Secrets::of(&url.parse().unwrap());
            for length in MIN_LENGTH..secret.len() {
                assert_eq!(secrets.conceal(&format!("GET {}", &secret[..length])), "GET ***");
            }
            // The end of what is shown is none of what was said.
            let long = format!("{}{secret}", "x".repeat(MAX_LINE - secret.len() + 1));
            assert!(
                !secrets.shown(long.as_bytes()).contains(&secret[secret.len() - 9..]),
                "{long}"
            );
            assert!(!secrets.shown(long.as_bytes()).contains(&secret[..12]), "{long}");
        }
    }
}
