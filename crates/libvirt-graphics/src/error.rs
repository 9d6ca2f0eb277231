//! Why domain XML cannot be read.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};

use crate::bounds::{MAX_ATTRIBUTES, MAX_NAMESPACES, MAX_XML_SIZE};

/// Why domain XML cannot be read. No text shows a password: only values of named, harmless attributes are repeated, cut to 40 characters.
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
    /// Not well-formed, a document type (which libvirt never writes), or too many nodes.
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

impl From<roxmltree::Error> for XmlError {
    fn from(error: roxmltree::Error) -> Self {
        let position = error.pos();
        let text = error.to_string();
        // The parser's own texts end in the position; names out of the document may be long.
        let problem = text.split(" at ").next().unwrap_or(&text);
        Self::Syntax { problem: cut(problem), line: position.row, column: position.col }
    }
}

/// The first 40 characters.
pub(crate) fn cut(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
