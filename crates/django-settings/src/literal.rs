//! From tokens to a value (The Python Language Reference, sections 2.4 and 6.2), for what is written out and nothing else.

use alloc::string::String;
use alloc::vec::Vec;
use core::slice::Iter;

use crate::lexer::{Kind, Token};
use crate::string::decode;
use crate::{Literal, Why};

/// The value that all of `tokens` write.
pub(crate) fn literal(tokens: &[Token<'_>]) -> Result<Literal, Why> {
    let mut parser = Parser { rest: tokens.iter() };
    let first = parser.value(0)?;
    let value = match parser.peek() {
        Some(",") => parser.list(Some(first), None, 0)?,
        _ => first,
    };
    if parser.rest.as_slice().is_empty() { Ok(value) } else { Err(Why::NotALiteral) }
}

struct Parser<'a, 'b> {
    rest: Iter<'b, Token<'a>>,
}

impl<'a> Parser<'a, '_> {
    fn peek(&self) -> Option<&'a str> {
        self.rest.as_slice().first().map(|token| token.text)
    }

    fn value(&mut self, depth: usize) -> Result<Literal, Why> {
        if depth > MAX_DEPTH {
            return Err(Why::NotALiteral);
        }
        let token = self.rest.next().ok_or(Why::NotALiteral)?;
        match (token.kind, token.text) {
            (Kind::Name, "None") => Ok(Literal::None),
            (Kind::Name, "True") => Ok(Literal::Bool(true)),
            (Kind::Name, "False") => Ok(Literal::Bool(false)),
            (Kind::Number, text) => number(text, false),
            (Kind::Operator, "-" | "+") => self.signed(token.text == "-"),
            (Kind::Str, text) => self.string(text),
            (Kind::Operator, "(") => self.list(None, Some(")"), depth + 1),
            (Kind::Operator, "[") => self.list(None, Some("]"), depth + 1),
            (Kind::Broken, _) => Err(Why::Unreadable),
            _ => Err(Why::NotALiteral),
        }
    }

    fn signed(&mut self, mut is_negative: bool) -> Result<Literal, Why> {
        loop {
            let token = self.rest.next().ok_or(Why::NotALiteral)?;
            match (token.kind, token.text) {
                (Kind::Operator, "-") => is_negative = !is_negative,
                (Kind::Operator, "+") => {}
                (Kind::Number, text) => return number(text, is_negative),
                _ => return Err(Why::NotALiteral),
            }
        }
    }

    /// Strings side by side are one (section 2.4.2).
    fn string(&mut self, first: &str) -> Result<Literal, Why> {
        let mut text = String::new();
        decode(first, &mut text)?;
        while let Some(next) = self.rest.as_slice().first().filter(|next| next.kind == Kind::Str) {
            decode(next.text, &mut text)?;
            self.rest.next();
        }
        Ok(Literal::Str(text))
    }

    /// Up to `end`, or to the end of all; one value in parentheses without a comma is that value.
    fn list(
        &mut self,
        first: Option<Literal>,
        end: Option<&str>,
        depth: usize,
    ) -> Result<Literal, Why> {
        let mut is_list = end == Some("]") || first.is_some();
        let mut values: Vec<Literal> = first.into_iter().collect();
        loop {
            if self.peek() == end {
                self.rest.next();
                break;
            }
            if !values.is_empty() {
                if self.rest.next().map(|token| token.text) != Some(",") {
                    return Err(Why::NotALiteral);
                }
                is_list = true;
                if self.peek() == end {
                    continue;
                }
            }
            values.push(self.value(depth)?);
        }
        match values.pop() {
            Some(only) if !is_list => Ok(only),
            last => {
                values.extend(last);
                Ok(Literal::List(values))
            }
        }
    }
}

/// A number as Python 2 or 3 writes it.
fn number(text: &str, is_negative: bool) -> Result<Literal, Why> {
    let lower: String = text.chars().map(|one| one.to_ascii_lowercase()).collect();
    let is_grouped = !lower.starts_with('_') && !lower.ends_with('_') && !lower.contains("__");
    let (digits, radix) = match lower.get(..2) {
        Some("0x") => (lower.get(2..), 16),
        Some("0o") => (lower.get(2..), 8),
        Some("0b") => (lower.get(2..), 2),
        _ => (Some(lower.as_str()), 10),
    };
    let digits = digits.filter(|_| is_grouped).ok_or(Why::NotALiteral)?;
    let digits: String = digits.chars().filter(|one| *one != '_').collect();
    let is_float = radix == 10 && digits.contains(['.', 'e']);
    if is_float {
        let number: f64 = digits.parse().map_err(|_| Why::NotALiteral)?;
        return Ok(Literal::Float(if is_negative { -number } else { number }));
    }
    // Python 2's long integers.
    let digits = digits.strip_suffix('l').unwrap_or(&digits);
    // Python 2's octal numbers; zeros alone are a zero in Python 3, too.
    let is_octal = radix == 10
        && digits.len() > 1
        && digits.starts_with('0')
        && digits.contains(|one| one != '0');
    let radix = if is_octal { 8 } else { radix };
    if digits.is_empty() || !digits.chars().all(|one| one.is_digit(radix)) {
        return Err(Why::NotALiteral);
    }
    let number = i128::from_str_radix(digits, radix).map_err(|_| Why::OutOfRange)?;
    let number = if is_negative { -number } else { number };
    i64::try_from(number).map(Literal::Int).map_err(|_| Why::OutOfRange)
}

/// How deep lists may lie in each other; nobody's settings have more than three.
const MAX_DEPTH: usize = 32;
