//! The literal assignments of a Python file, such as Django's settings.py, read without running Python.
//!
//! What it is: [`read`] goes through the text as Python's own tokenizer does and gives the values of those top-level names that are
//! assigned a literal: a number, a string, `None`, `True`, `False`, or lists and tuples of them. Python 2 and 3.
//!
//! What it is not: it runs nothing, imports nothing, and knows no names but those it is asked for. What a block, a function call or an import gives a
//! value to, it tells as [`Skipped`] or [`StarImport`].
//!
//! Invariants:
//!
//! - It never panics on any text, and needs time and memory in proportion to its length.
//! - What stands in a string, a comment, a bracket or another object is no assignment.
//! - No value is in the text of [`Skipped`].
//!
//! # Example
//!
//! ```
//! use django_settings::{Literal, read};
//!
//! let settings = "WS_PORT = 6080\nWS_CERT = None  # plain\nWS_HOST = os.environ['HOST']\n";
//! let found = read(settings, |name| name.starts_with("WS_"));
//! assert_eq!(found.get("WS_PORT"), Some(&Literal::Int(6080)));
//! assert_eq!(found.get("WS_CERT"), Some(&Literal::None));
//! assert_eq!(found.get("WS_HOST"), None);
//! assert_eq!(found.skipped[0].to_string(), "WS_HOST is not given a literal");
//! ```

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod lexer;
mod literal;
mod statement;
mod string;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// All that was found, in the file's order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Top-level names with their values. A name may come several times: the last one holds.
    pub assignments: Vec<Assignment>,
    /// Names that are given a value that cannot be told without running Python. An assignment before it still counts.
    pub skipped: Vec<Skipped>,
    /// `from … import *`, which may give any name a value.
    pub star_imports: Vec<StarImport>,
}

/// A name and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// The name.
    pub name: String,
    /// The line, from 1.
    pub line: usize,
    /// The value.
    pub value: Literal,
}

/// A value that is written out.
///
/// Exhaustive on purpose: who takes it over must not overlook a kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction or an exponent.
    Float(f64),
    /// A string; bytes, too, if they are ASCII.
    Str(String),
    /// A list or a tuple.
    List(Vec<Self>),
}

/// A name whose value cannot be told. `Display` says why, and nothing of the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The name.
    pub name: String,
    /// The line, from 1.
    pub line: usize,
    /// Why.
    pub why: Why,
}

/// Why a value cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// It is computed.
    NotALiteral,
    /// It is in an `if`, a `try`, a function or a class, which may run or not.
    InABlock,
    /// `+=` and its like.
    Augmented,
    /// `del`.
    Deleted,
    /// A whole number beyond 64 bits.
    OutOfRange,
    /// No Python: a string without an end, for instance.
    Unreadable,
}

/// `from module import *`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StarImport {
    /// The module, as it is written.
    pub module: String,
    /// The line, from 1.
    pub line: usize,
}

impl Found {
    /// The value of a name: its last assignment's.
    pub fn get(&self, name: &str) -> Option<&Literal> {
        let last = self.assignments.iter().rev().find(|assignment| assignment.name == name);
        last.map(|assignment| &assignment.value)
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.why {
            Why::NotALiteral => "is not given a literal",
            Why::InABlock => "is set in a block that may run or not",
            Why::Augmented => "is changed by a calculation",
            Why::Deleted => "is deleted",
            Why::OutOfRange => "is given a number beyond 64 bits",
            Why::Unreadable => "is given something that is not Python",
        };
        write!(f, "{} {why}", self.name)
    }
}

/// Goes through `text` and finds what is assigned to the names that `wanted` says yes to.
pub fn read(text: &str, wanted: impl Fn(&str) -> bool) -> Found {
    let mut found = Found::default();
    let mut lexer = lexer::Lexer::new(text);
    let mut tokens = Vec::new();
    while let Some(is_indented) = lexer.logical_line(&mut tokens) {
        statement::line(&tokens, is_indented, &wanted, &mut found);
    }
    found
}
