//! The blocks of a PEM file (RFC 7468).
//!
//! rustls' own reader takes a block whose line ends were lost for one with a strange label, and the key in it for a part of the label.

use rustls::pki_types::pem::{PemObject, SectionKind};

/// What is between a line that begins a block and the one that ends it.
#[derive(Debug)]
pub(crate) struct Block<'a> {
    pub(crate) label: &'a [u8],
    lines: Vec<&'a [u8]>,
}

impl Block<'_> {
    /// Its label for a message; what is no usual label may be anything, even a key.
    pub(crate) fn shown(&self) -> &str {
        let is_usual = |byte: &u8| byte.is_ascii_uppercase() || b"0123456789 .".contains(byte);
        match str::from_utf8(self.label) {
            Ok(label) if label.len() <= MAX_LABEL && self.label.iter().all(is_usual) => label,
            _ => "something else",
        }
    }

    /// Whether it has the header of OpenSSL's traditional encryption (RFC 1421 section 4.6.1.1).
    pub(crate) fn is_encrypted(&self) -> bool {
        let is_header = |line: &&[u8]| {
            line.starts_with(b"Proc-Type:") && line.windows(9).any(|part| part == b"ENCRYPTED")
        };
        self.lines.iter().any(is_header)
    }

    /// What its base64 stands for; `None` if it is none.
    pub(crate) fn decode(&self) -> Option<Vec<u8>> {
        // One of the labels that the library decodes; which one does not matter.
        let text = [
            b"-----BEGIN PRIVATE KEY-----",
            &*self.lines.join(&b'\n'),
            b"-----END PRIVATE KEY-----",
        ];
        let (_, der) = <(SectionKind, Vec<u8>)>::from_pem_slice(&text.join(&b'\n')).ok()?;
        Some(der)
    }
}

/// All blocks, in order. Text between them, blanks at the ends of lines and all kinds of line ends are passed over.
///
/// # Errors
///
/// What is wrong with a block.
pub(crate) fn blocks(bytes: &[u8]) -> Result<Vec<Block<'_>>, String> {
    let mut blocks = Vec::new();
    let mut open: Option<Block<'_>> = None;
    for line in bytes.split(|&byte| byte == b'\n' || byte == b'\r') {
        let mut line = unmarked(line);
        if let Some(block) = &mut open {
            match after_end(line, block.label) {
                None if is_boundary(line) => return Err(unended(block)),
                None => {
                    block.lines.push(line);
                    continue;
                }
                // Of two files that were put together, the first may have had no line end: the next block begins on this line.
                Some(rest) => {
                    blocks.extend(open.take());
                    line = unmarked(rest);
                }
            }
        }
        if let Some(rest) = line.strip_prefix(BEGIN) {
            open = Some(Block { label: label(rest)?, lines: Vec::new() });
        }
    }
    match open {
        Some(block) => Err(unended(&block)),
        None => Ok(blocks),
    }
}

/// Without blanks at its ends, and without the byte order mark that Windows editors put in front of a file, however many were put together.
fn unmarked(line: &[u8]) -> &[u8] {
    line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii()
}

fn after_end<'a>(line: &'a [u8], label: &[u8]) -> Option<&'a [u8]> {
    line.strip_prefix(END)?.strip_prefix(label)?.strip_prefix(DASHES)
}

fn is_boundary(line: &[u8]) -> bool {
    line.starts_with(BEGIN) || line.starts_with(END)
}

fn unended(block: &Block<'_>) -> String {
    format!("the block {} has no line that ends it", block.shown())
}

/// Takes the dashes off a line that begins a block.
fn label(rest: &[u8]) -> Result<&[u8], String> {
    let dashes = rest.windows(DASHES.len()).position(|part| part == DASHES);
    match dashes.and_then(|at| rest.split_at_checked(at)) {
        Some((label, DASHES)) => Ok(label),
        Some((_, more)) if more.iter().any(|&byte| byte != b'-') => {
            Err("the lines of a block are joined to one".to_owned())
        }
        _ => Err("a line begins a block, but does not end in five dashes".to_owned()),
    }
}

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";

/// How long a label a message shows, in bytes; the longest usual one has 23.
const MAX_LABEL: usize = 40;
