//! A token as people give it: with what they copied along, or something else in its place.

use console_token::ConsoleToken;
use uuid::Uuid;

/// What is wrong with a token, and what was meant. Neither repeats it.
pub(crate) struct Malformed {
    pub(crate) text: String,
    pub(crate) remedy: String,
}

/// Reads it, without what stands around it in a page's address.
pub(crate) fn read(given: &str) -> Result<ConsoleToken, Malformed> {
    let bare = bare(given);
    bare.parse().map_err(|error| {
        let (text, remedy) = match meant(&bare, given) {
            Some((text, remedy)) => (text.to_owned(), remedy.to_owned()),
            None => (format!("{error}"), USUAL.to_owned()),
        };
        Malformed { text, remedy }
    })
}

/// `token=1-…&x=y`, `{1-…}`, ` 1-… `, `1%2D…`.
fn bare(given: &str) -> String {
    let text = given.trim().trim_start_matches('?');
    let text = text.strip_prefix("token=").unwrap_or(text);
    let text = text.split('&').next().unwrap_or_default();
    let text = text.replace("%2D", "-").replace("%2d", "-");
    text.chars().filter(|one| !matches!(one, '{' | '}' | '"' | '\'' | ' ')).collect()
}

fn meant(bare: &str, given: &str) -> Option<(&'static str, &'static str)> {
    if given.contains("://") {
        return Some((
            "this is an address, not a token",
            "console-check url ADDRESS # tries an address; a token is what stands behind token= in it",
        ));
    }
    if Uuid::try_parse(bare).is_ok() {
        return Some((
            "this is a guest's uuid without the number of its host",
            "console-check 1-UUID # with the host's number in the panel (or the id of its [[hosts]]), a dash, and this uuid",
        ));
    }
    if bare.ends_with(".xml") || bare.contains('/') {
        return Some(("this is a file, not a token", "console-check --xml FILE"));
    }
    let after_number = bare.split_once('-').filter(|(id, _)| id.parse::<u64>().is_ok());
    let name = after_number.map_or(bare, |(_, name)| name);
    let is_name = name.chars().any(|one| one.is_ascii_alphabetic() && !one.is_ascii_hexdigit());
    is_name.then_some((
        "a guest's name stands where its uuid belongs",
        "console-check 1-$(virsh domuuid NAME) # with the host's number in the panel, and the guest's name",
    ))
}

const USUAL: &str = "console-check 1-$(virsh domuuid NAME) # the host's number in the panel, a dash, and the guest's uuid";

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "1-0a000000-0000-4000-8000-000000000001";

    #[test]
    fn what_was_copied_along_does_not_matter() {
        let uuid = &TOKEN[2..];
        for given in [
            TOKEN.to_owned(),
            format!(" {TOKEN}\n"),
            format!("token={TOKEN}&x=y"),
            format!("?token={TOKEN}"),
            format!("{{{TOKEN}}}"),
            format!("1-{{{uuid}}}"),
            format!("1%2D{uuid}"),
        ] {
            assert_eq!(read(&given).ok(), TOKEN.parse().ok(), "{given}");
        }
    }

    #[test]
    fn what_was_meant_is_told_and_nothing_repeated() {
        for (given, expected) in [
            ("0a000000-0000-4000-8000-000000000001", "without the number of its host"),
            ("web", "a guest's name"),
            ("1-web-1", "a guest's name"),
            ("https://panel.example.org/console?token=secret", "this is an address"),
            ("web-1.xml", "this is a file"),
            ("1-2", "the domain uuid has 1 characters"),
        ] {
            let Err(Malformed { text, remedy }) = read(given) else { panic!("{given}") };
            assert!(text.contains(expected), "{given}: {text}");
            assert!(!text.contains("secret") && remedy.contains("console-check"), "{remedy}");
        }
    }
}
