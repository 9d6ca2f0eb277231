//! How things are written for people, who read them on a terminal and paste from it.

use std::error::Error;
use std::time::Duration;

use console_token::DomainUuid;
use uuid::Uuid;

/// One line without anything that a terminal would obey, of bounded length: servers' words and guests' names are anybody's.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::new();
    for found in text.split_whitespace().flat_map(|word| [" "].into_iter().chain([word])).skip(1) {
        for one in found.chars() {
            if line.len() > MAX_TEXT {
                line.push('…');
                return line;
            }
            if matches!(one, '"' | '\'' | '\\') {
                line.push(one);
            } else {
                line.extend(one.escape_debug());
            }
        }
    }
    line
}

/// `3 guests`.
pub(crate) fn counted(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}

/// An error with its causes, none of them twice.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        source = cause.source();
    }
    text
}

/// A duration.
pub(crate) fn shown(took: Duration) -> String {
    let milliseconds = took.as_secs_f64() * 1000.0;
    if milliseconds < 10.0 {
        format!("{milliseconds:.1} ms")
    } else {
        format!("{milliseconds:.0} ms")
    }
}

/// Half of a token, which is all that it takes to open a console: only as much of it as tells guests apart.
pub(crate) fn masked(uuid: Uuid) -> DomainUuid {
    uuid.into()
}

/// A shell's word (POSIX shell, "Single-Quotes").
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A regular expression that means just this text (pgrep(1) takes extended ones).
pub(crate) fn literal(text: &str) -> String {
    let mut pattern = String::new();
    for one in text.chars() {
        if r"\.^$*+?()[]{}|".contains(one) {
            pattern.push('\\');
        }
        pattern.push(one);
    }
    pattern
}

/// How long a text gets, in bytes and about.
const MAX_TEXT: usize = 1500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_one_line_and_bounded() {
        assert_eq!(one_line(" a\u{1b}[31m\n\n x\u{9b}2J "), "a\\u{1b}[31m x\\u{9b}2J");
        assert!(one_line(&"x".repeat(1_000_000)).len() < 2 * MAX_TEXT);
        assert_eq!(one_line("it's \"so\""), "it's \"so\"");
    }

    #[test]
    fn a_name_cannot_leave_its_quotes_or_mean_another() {
        assert_eq!(quoted("a'; rm x"), r"'a'\''; rm x'");
        assert_eq!(literal("web.1|x"), r"web\.1\|x");
        assert_eq!(
            (counted(1, "guest"), counted(2, "guest")),
            ("1 guest".into(), "2 guests".into())
        );
    }
}
