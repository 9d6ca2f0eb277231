//! Tokens and cookies, and how they stay out of texts.

use console_token::ConsoleToken;
use percent_encoding::percent_decode_str;

use crate::address::Address;

/// What must not be shown of a request, wherever a server echoes it.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Vec<(String, String)>);

impl Secrets {
    /// The tokens of `address` and the values of `cookie` (a `Cookie` header's value).
    pub(crate) fn of(address: &Address, cookie: Option<&str>) -> Self {
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
        for pair in cookie.unwrap_or_default().split(';') {
            let value = pair.split_once('=').map_or(pair, |(_, value)| value).trim();
            all.push((value.trim_matches('"').to_owned(), mask(value)));
        }
        all.retain(|(text, _)| text.len() >= MIN_LENGTH);
        // What has another in it goes first.
        all.sort_by_key(|(text, _)| core::cmp::Reverse(text.len()));
        Self(all)
    }

    /// `text` without them.
    pub(crate) fn conceal(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (secret, shown)| text.replace(secret, shown))
    }
}

/// Path and query with each token masked.
pub(crate) fn masked_target(target: &str) -> String {
    let Some((path, query)) = target.split_once('?') else { return target.to_owned() };
    let shown: Vec<String> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, value)) if is_secret(name, value) => format!("{name}={}", mask(value)),
            _ => pair.to_owned(),
        })
        .collect();
    format!("{path}?{}", shown.join("&"))
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

    #[test]
    fn what_a_server_echoes_is_masked() {
        let token = "1-0a1b2c3d-4e5f-4061-8283-94a5b6c7d8e9";
        let address = format!("ws://a/?token={}&x=abcdefgh", token.replace('-', "%2d"));
        let address = address.parse().unwrap();
        let cookie = format!("sessionid=0123456789; token=\"2{}\"; a=b", &token[1..]);
        let secrets = Secrets::of(&address, Some(&cookie));
        let said = secrets.conceal(&format!("no {token} {cookie} abcdefgh {}", address.target));
        assert_eq!(
            said,
            "no 1-0a1b2c3d-****-d8e9 sessionid=***; token=\"***\"; a=b abcdefgh /?token=1-0a1b2c3d-****-d8e9&x=abcdefgh"
        );
    }
}
