//! What may stand where somebody logs in.

/// 1 to 100 characters, nothing that a URI or ssh(1) could take for something else than a login: no `-` in front, no blanks, quotes, control
/// characters or any of `:/?#[]\`.
pub fn is_login(text: &str) -> bool {
    (1..=100).contains(&text.chars().count())
        && !text.starts_with('-')
        && !text
            .chars()
            .any(|one| one.is_control() || one.is_whitespace() || ":/?#[]\\'\"".contains(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_logins_are_taken() {
        let (long, longer) = ("a".repeat(100), "a".repeat(101));
        for text in ["root", "console@EXAMPLE.ORG", "käse", "a-b", long.as_str()] {
            assert!(is_login(text), "{text}");
        }
        for text in
            ["", "-oProxyCommand=x", "a b", "a\nb", "a:b", "a/b", "a'b", "a\\b", longer.as_str()]
        {
            assert!(!is_login(text), "{text}");
        }
    }
}
