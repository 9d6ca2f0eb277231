//! Paths and names as a shell takes them.

use std::path::Path;

/// `path` as one word of a command to paste: as it is where no shell sees anything in it, otherwise in single quotes, and in bash's `$'…'` if
/// there are control characters. One that is not UTF-8 is approximated.
///
/// ```
/// use permission_denied::quoted;
///
/// assert_eq!(quoted("/etc/ssl/console.pem".as_ref()), "/etc/ssl/console.pem");
/// assert_eq!(quoted("/srv/it's here".as_ref()), r"'/srv/it'\''s here'");
/// ```
pub fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    // What begins with a dash is an option.
    let text = if text.starts_with('-') { format!("./{text}") } else { text.into_owned() };
    word(&text)
}

/// `text` as one word.
pub(crate) fn word(text: &str) -> String {
    let is_plain = |one: char| one.is_ascii_alphanumeric() || "/._-+=:,@%".contains(one);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    if !text.chars().any(char::is_control) {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    let mut quoted = String::from("$'");
    for one in text.chars() {
        match one {
            '\'' | '\\' => quoted.extend(['\\', one]),
            // Bytes in octal, which three digits end.
            _ if one.is_control() => {
                let mut bytes = [0; 4];
                for byte in one.encode_utf8(&mut bytes).bytes() {
                    quoted.push_str(&format!("\\{byte:03o}"));
                }
            }
            _ => quoted.push(one),
        }
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use super::*;
    use std::process::Command;

    #[test]
    fn a_shell_takes_each_for_one_word() {
        for text in
            ["/a/b", "", "a b", "it's", "$HOME `id` \"x\" \\ ~ # * ü", "a\nb\u{85}'\\c1", "\u{1}1"]
        {
            let command = format!("printf %s {}", word(text));
            assert!(!command.chars().any(char::is_control), "{command:?}");
            let output = Command::new("bash").args(["-c", &command]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text, "{command}");
        }
        assert_eq!(quoted("-rf".as_ref()), "./-rf");
    }
}
