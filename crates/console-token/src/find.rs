//! Where a browser puts the token.

use alloc::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::token::{ConsoleToken, MAX_TOKEN_LENGTH, TokenError};

/// Finds the token of one request.
///
/// `query` is the URL's query without the question mark. A `token=` in it (percent-decoded; `+` is itself) decides alone:
/// a malformed one is an error even if a cookie would be good, so that a page never opens another guest than it names. Without
/// one, the first well-formed cookie `token` counts, over all `cookies` (the values of the `Cookie` headers, RFC 6265 section
/// 4.2.1), quoted or not; malformed neighbours do not hide it. No token at all is `Ok(None)`.
///
/// # Errors
///
/// What is wrong with the query's token; or, when there are `token` cookies but no good one, with the first of them.
pub fn find_token<C>(
    query: Option<&str>,
    cookies: impl IntoIterator<Item = C>,
) -> Result<Option<ConsoleToken>, TokenError>
where
    C: AsRef<[u8]>,
{
    match in_query(query.unwrap_or_default()) {
        Some(found) => found.map(Some),
        None => in_cookies(cookies),
    }
}

fn in_query(query: &str) -> Option<Result<ConsoleToken, TokenError>> {
    let mut tokens = query.split('&').filter_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name).ok()? == NAME).then(|| decode(value)?.parse::<ConsoleToken>())
    });
    let first = tokens.next()?;
    // Who reads the first and who reads the last would open different consoles.
    if tokens.any(|other| other != first) {
        return Some(Err(TokenError::Ambiguous));
    }
    Some(first)
}

fn in_cookies<C>(cookies: impl IntoIterator<Item = C>) -> Result<Option<ConsoleToken>, TokenError>
where
    C: AsRef<[u8]>,
{
    let mut first_error = None;
    for header in cookies {
        for pair in header.as_ref().split(|&byte| byte == b';') {
            let mut halves = pair.splitn(2, |&byte| byte == b'=');
            let name = halves.next().unwrap_or_default().trim_ascii();
            let Some(value) = halves.next().filter(|_| name == NAME.as_bytes()) else { continue };
            match cookie_value(value.trim_ascii()) {
                Ok(token) => return Ok(Some(token)),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
    }
    first_error.map_or(Ok(None), Err)
}

/// A cookie's value may stand in quotes (RFC 6265 section 4.1.1).
fn cookie_value(value: &[u8]) -> Result<ConsoleToken, TokenError> {
    let unquoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    core::str::from_utf8(unquoted.unwrap_or(value)).map_err(|_| TokenError::NotText)?.parse()
}

/// Decodes what may still be a token; three characters can stand for one.
fn decode(text: &str) -> Result<Cow<'_, str>, TokenError> {
    if text.len() > MAX_TOKEN_LENGTH.saturating_mul(3) {
        return Err(TokenError::TooLong);
    }
    percent_decode_str(text).decode_utf8().map_err(|_| TokenError::NotText)
}

/// The name of the query parameter and of the cookie.
const NAME: &str = "token";

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec::Vec;
    use alloc::{format, vec};
    use proptest::prelude::*;

    const GOOD: &str = "1-0a1b2c3d-4e5f-4061-8283-94a5b6c7d8e9";
    const OTHER: &str = "2-0a1b2c3d-4e5f-4061-8283-94a5b6c7d8e9";

    fn host(query: Option<&str>, cookies: &[&str]) -> Result<Option<u64>, TokenError> {
        Ok(find_token(query, cookies)?.map(|token| token.host().get()))
    }

    #[test]
    fn the_query_decides_alone() {
        let cookie = format!("token={OTHER}");
        for (query, expected) in [
            (format!("token={GOOD}"), Ok(Some(1))),
            (format!("a=b&token={GOOD}&c"), Ok(Some(1))),
            (format!("token={}", GOOD.replace('-', "%2D")), Ok(Some(1))),
            (format!("%74oken={GOOD}"), Ok(Some(1))),
            (format!("token={GOOD}&token={GOOD}"), Ok(Some(1))),
            (format!("token={GOOD}&token={OTHER}"), Err(TokenError::Ambiguous)),
            (format!("token={GOOD}&token=x"), Err(TokenError::Ambiguous)),
            ("token=".into(), Err(TokenError::Empty)),
            ("token".into(), Err(TokenError::Empty)),
            ("token=nonsense".into(), Err(TokenError::NoDash)),
            ("token=%ff".into(), Err(TokenError::NotText)),
            (format!("token=+{GOOD}"), Err(TokenError::HostNotDecimal)),
            (format!("token={}", "1".repeat(1000)), Err(TokenError::TooLong)),
            (format!("TOKEN={GOOD}"), Ok(Some(2))),
            (format!("xtoken={GOOD}&tokenx={GOOD}"), Ok(Some(2))),
            (String::new(), Ok(Some(2))),
        ] {
            assert_eq!(host(Some(&query), &[&cookie]), expected, "{query}");
        }
    }

    #[test]
    fn the_first_good_cookie_counts() {
        let quoted = format!("token=\"{GOOD}\"");
        let good = format!("token={GOOD}");
        for (cookies, expected) in [
            (vec![good.clone()], Ok(Some(1))),
            (vec![quoted], Ok(Some(1))),
            (vec![format!("a=b; {good} ;c=d")], Ok(Some(1))),
            (vec![format!("a=b;{good}")], Ok(Some(1))),
            (vec!["a=b".into(), good.clone()], Ok(Some(1))),
            (vec![format!("token=broken; {good}; token={OTHER}")], Ok(Some(1))),
            (vec!["token=".into(), format!("=; ;;x;\u{fffd}=\u{1}; {good}")], Ok(Some(1))),
            (vec![format!("Token={GOOD}; xtoken={GOOD}")], Ok(None)),
            (vec!["token=broken; token=".into()], Err(TokenError::NoDash)),
            (vec![format!("token=\"{GOOD}")], Err(TokenError::HostNotDecimal)),
            (vec!["a=b".into()], Ok(None)),
            (vec!["token".into()], Ok(None)),
            (vec![String::new()], Ok(None)),
            (vec![], Ok(None)),
        ] {
            let headers: Vec<&str> = cookies.iter().map(String::as_str).collect();
            assert_eq!(host(None, &headers), expected, "{cookies:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_hide_nothing() {
        let mut header = b"\xff\xfe=\xff; token=\xff; ".to_vec();
        header.extend_from_slice(format!("token={GOOD}").as_bytes());
        assert_eq!(find_token(None, [&header]).unwrap().unwrap().host().get(), 1);
        assert_eq!(find_token(None, [b"token=\xff"]), Err(TokenError::NotText));
    }

    proptest! {
        #[test]
        fn never_panics(query in any::<Option<String>>(), cookies in any::<Vec<Vec<u8>>>()) {
            let _ = find_token(query.as_deref(), cookies);
        }

        #[test]
        fn neighbours_never_change_the_result(
            before in "[^;]{0,40}", after in any::<Vec<u8>>(), pairs in "([a-z]{1,9}=[^;]{0,9};){0,5}",
        ) {
            prop_assume!(before.split_once('=').is_none_or(|(name, _)| name.trim() != NAME));
            prop_assume!(!pairs.contains("token="));
            let mut header = format!("{before};{pairs} token={GOOD};").into_bytes();
            header.extend(after);
            prop_assert_eq!(find_token(None, [header]).unwrap().unwrap().host().get(), 1);
        }
    }
}
