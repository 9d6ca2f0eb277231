//! Why domain XML cannot be read.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};

use roxmltree::Error as Parser;

use crate::bounds::{MAX_ATTRIBUTES, MAX_NAMESPACE_SIZE, MAX_NAMESPACES, MAX_NODES, MAX_XML_SIZE};

/// Why domain XML cannot be read. Only types, names of elements, ports and the uuid are repeated, made printable and cut to 40 characters:
/// no text shows a password, not even out of XML that is damaged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum XmlError {
    /// More than [`MAX_XML_SIZE`] bytes.
    #[error("domain XML has {size} bytes, at most {MAX_XML_SIZE} are read")]
    TooLarge {
        /// How many it has.
        size: usize,
    },
    /// Not UTF-8.
    #[error("domain XML is not UTF-8 at byte {at}")]
    NotUtf8 {
        /// Offset of the first bad byte.
        at: usize,
    },
    /// More than [`MAX_NAMESPACES`] namespace declarations.
    #[error("domain XML declares more than {MAX_NAMESPACES} namespaces")]
    TooManyNamespaces,
    /// An element with more than [`MAX_ATTRIBUTES`] attributes.
    #[error("domain XML has an element with more than {MAX_ATTRIBUTES} attributes")]
    TooManyAttributes,
    /// A namespace declaration of more than [`MAX_NAMESPACE_SIZE`] bytes.
    #[error("domain XML has a namespace declaration of more than {MAX_NAMESPACE_SIZE} bytes")]
    NamespaceTooLong,
    /// More than [`MAX_NODES`] elements, texts and comments.
    #[error("domain XML has more than {MAX_NODES} elements, texts and comments")]
    TooManyNodes,
    /// A document type, which libvirt never writes: entities could hide in it.
    #[error("domain XML has a document type")]
    DocumentType,
    /// It ends before its root element does.
    #[error("domain XML ends before its root element does")]
    Incomplete,
    /// Not well-formed.
    #[error("domain XML cannot be parsed: {problem} at line {line}, column {column}")]
    Syntax {
        /// What the parser says.
        problem: String,
        /// Counted from 1.
        line: u32,
        /// Counted from 1.
        column: u32,
    },
    /// The root element is not `<domain>`.
    #[error("the root element is <{found}>, expected <domain>")]
    NotADomain {
        /// The root's name.
        found: String,
    },
    /// `<name>` or `<uuid>` is missing.
    #[error("<domain> has no <{element}>")]
    Missing {
        /// Which.
        element: &'static str,
    },
    /// `<uuid>` is no uuid.
    #[error("<uuid> is not a uuid: {found}")]
    Uuid {
        /// Its text.
        found: String,
    },
    /// A `<graphics>` or `<listen>` without `type`.
    #[error("<{element}> has no type")]
    NoType {
        /// Which.
        element: &'static str,
    },
    /// A port that is neither 1 to 65535 nor 0 or -1 (not allocated).
    #[error(
        "{attribute} of <graphics type='{kind}'> is '{found}', expected 1 to 65535, or -1 while not allocated"
    )]
    Port {
        /// The device's type.
        kind: String,
        /// `port`, `tlsPort` or `websocket`.
        attribute: &'static str,
        /// Its value.
        found: String,
    },
}

impl From<Parser> for XmlError {
    fn from(error: Parser) -> Self {
        let problem = match &error {
            Parser::NodesLimitReached => return Self::TooManyNodes,
            Parser::DtdDetected => return Self::DocumentType,
            Parser::NoRootNode | Parser::UnclosedRootNode | Parser::UnexpectedEndOfStream => {
                return Self::Incomplete;
            }
            // The parser's own texts repeat names that may be a piece of a password with a lost quote or a bare `&`.
            Parser::DuplicatedNamespace(..) => "a namespace is declared twice".to_owned(),
            Parser::UnknownNamespace(..) => "a namespace is not declared".to_owned(),
            Parser::UnexpectedCloseTag(..) => "another element is closed than is open".to_owned(),
            Parser::UnknownEntityReference(..) => "an entity is not defined".to_owned(),
            Parser::DuplicatedAttribute(..) => "an attribute is given twice".to_owned(),
            // The others end in the position.
            other => printable(other.to_string().split(" at ").next().unwrap_or_default()),
        };
        let position = error.pos();
        Self::Syntax { problem, line: position.row, column: position.col }
    }
}

/// The first 40 characters on one line, nothing in them that a terminal or a log would obey.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text.chars();
    for found in rest.by_ref().take(40) {
        if matches!(found, '"' | '\'' | '\\') {
            shown.push(found);
        } else {
            shown.extend(found.escape_debug());
        }
    }
    if rest.next().is_some() {
        shown.push_str("...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_cut_and_printable() {
        let long = "ä".repeat(41);
        for (text, expected) in [
            ("egl-headless", "egl-headless".to_owned()),
            ("it's \"a\\b\"", "it's \"a\\b\"".to_owned()),
            ("a\nb\u{1b}[2J\u{9b}\u{202e}", "a\\nb\\u{1b}[2J\\u{9b}\\u{202e}".to_owned()),
            (&long[..80], "ä".repeat(40)),
            (&long, "ä".repeat(40) + "..."),
        ] {
            assert_eq!(printable(text), expected);
        }
    }
}
