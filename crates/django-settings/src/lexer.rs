//! Python's tokens (The Python Language Reference, section 2), as far as statements and literals need them.

use alloc::vec::Vec;

/// One token, with its text as it stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    pub(crate) text: &'a str,
    pub(crate) line: usize,
    /// How many brackets are open around it; an opening and a closing one count as outside.
    pub(crate) depth: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Name,
    Number,
    /// With prefix and quotes.
    Str,
    Operator,
    /// A string without an end, or a character that no token begins with.
    Broken,
}

/// Splits a text into logical lines (section 2.1.5): brackets, backslashes and triple quotes join several into one.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { rest: text.strip_prefix('\u{feff}').unwrap_or(text), line: 1 }
    }

    /// Fills `tokens` with the next logical line that has any, and says whether it is indented; none at the end of the text.
    pub(crate) fn logical_line(&mut self, tokens: &mut Vec<Token<'a>>) -> Option<bool> {
        tokens.clear();
        let mut depth = 0_usize;
        let mut is_indented = self.blanks();
        loop {
            let Some(first) = self.rest.chars().next() else {
                return (!tokens.is_empty()).then_some(is_indented);
            };
            let (kind, length) = match first {
                '\n' | '\r' => {
                    self.line_end();
                    if depth == 0 {
                        if !tokens.is_empty() {
                            return Some(is_indented);
                        }
                        is_indented = self.blanks();
                    }
                    continue;
                }
                ' ' | '\t' | '\u{c}' => {
                    self.take(1);
                    continue;
                }
                '#' => {
                    let end = self.rest.find(['\n', '\r']).unwrap_or(self.rest.len());
                    self.take(end);
                    continue;
                }
                '\\' if self.rest.get(1..).is_some_and(|rest| rest.starts_with(['\n', '\r'])) => {
                    self.take(1);
                    self.line_end();
                    continue;
                }
                _ => token(self.rest),
            };
            let line = self.line;
            let text = self.take(length);
            match text {
                "(" | "[" | "{" => {
                    tokens.push(Token { kind, text, line, depth });
                    depth += 1;
                    continue;
                }
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
            // Only strings go over lines.
            self.line +=
                if kind == Kind::Str || kind == Kind::Broken { line_ends(text) } else { 0 };
            tokens.push(Token { kind, text, line, depth });
        }
    }

    /// Passes the blanks at the start of a line, and says whether there are any.
    fn blanks(&mut self) -> bool {
        let blanks = self.rest.len() - self.rest.trim_start_matches([' ', '\t', '\u{c}']).len();
        // A form feed alone is no indentation (section 2.1.8).
        self.take(blanks).contains([' ', '\t'])
    }

    fn line_end(&mut self) {
        let length = if self.rest.starts_with("\r\n") { 2 } else { 1 };
        self.take(length);
        self.line += 1;
    }

    /// `length` is a character boundary wherever it comes from.
    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }
}

/// The kind and length of the token that `text` begins with; at least one character.
fn token(text: &str) -> (Kind, usize) {
    let Some(first) = text.chars().next() else { return (Kind::Broken, 0) };
    if first.is_alphabetic() || first == '_' || first == '\'' || first == '"' {
        let name =
            text.find(|one: char| !one.is_alphanumeric() && one != '_').unwrap_or(text.len());
        let (prefix, rest) = text.split_at_checked(name).unwrap_or((text, ""));
        let is_string = prefix.len() <= 2 && rest.starts_with(['\'', '"']);
        if is_string && prefix.bytes().all(|byte| b"rRuUbBfFtT".contains(&byte)) {
            let (length, ends) = string(rest);
            return (if ends { Kind::Str } else { Kind::Broken }, name + length);
        }
        return (Kind::Name, name);
    }
    let is_fraction = first == '.'
        && text.get(1..).is_some_and(|rest| rest.starts_with(|one: char| one.is_ascii_digit()));
    if first.is_ascii_digit() || is_fraction {
        return (Kind::Number, number(text));
    }
    if let Some(operator) = OPERATORS.iter().find(|operator| text.starts_with(**operator)) {
        return (Kind::Operator, operator.len());
    }
    let is_operator = first.is_ascii_punctuation() && !"$?!\\".contains(first);
    (if is_operator { Kind::Operator } else { Kind::Broken }, first.len_utf8())
}

/// The length of a string from its quotes on, and whether it has an end.
fn string(text: &str) -> (usize, bool) {
    let quote = text.get(..1).unwrap_or_default();
    let triple = text.get(..3).filter(|three| three.bytes().all(|byte| quote.as_bytes() == [byte]));
    let quotes = triple.unwrap_or(quote);
    let bytes = text.as_bytes();
    let mut at = quotes.len();
    while let Some(&byte) = bytes.get(at) {
        match byte {
            // In raw strings, too, a backslash keeps a quote from ending it (section 2.4.1).
            b'\\' if bytes.get(at + 1) == Some(&b'\r') && bytes.get(at + 2) == Some(&b'\n') => {
                at += 3
            }
            b'\\' => at += 2,
            b'\n' | b'\r' if triple.is_none() => return (at, false),
            _ if text
                .as_bytes()
                .get(at..)
                .is_some_and(|rest| rest.starts_with(quotes.as_bytes())) =>
            {
                return (at + quotes.len(), true);
            }
            _ => at += 1,
        }
    }
    (text.len(), false)
}

/// Letters, digits, underscores and dots, and the sign of an exponent.
fn number(text: &str) -> usize {
    let bytes = text.as_bytes();
    let is_decimal = !matches!(bytes, [b'0', b'x' | b'X', ..]);
    let mut end = 0;
    while let Some(&byte) = bytes.get(end) {
        let is_exponent = is_decimal && end > 0 && matches!(bytes.get(end - 1), Some(b'e' | b'E'));
        let belongs = byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
        if !belongs && !(is_exponent && (byte == b'+' || byte == b'-')) {
            break;
        }
        end += 1;
    }
    end
}

pub(crate) fn line_ends(text: &str) -> usize {
    text.matches('\n').count() + text.matches('\r').count() - text.matches("\r\n").count()
}

/// Those of more than one character, the longer first.
const OPERATORS: [&str; 25] = [
    "**=", "//=", ">>=", "<<=", "...", "==", "!=", "<=", ">=", ":=", "->", "+=", "-=", "*=", "/=",
    "%=", "&=", "|=", "^=", "@=", "**", "//", "<<", ">>", "<>",
];
