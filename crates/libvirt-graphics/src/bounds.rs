//! What a document may cost before it is parsed.
//!
//! roxmltree compares each attribute of an element with all before it, namespaces' URIs included, and gives each element that declares a
//! namespace a copy of all that it inherits. Within the size limit alone that is hours of work, so a scan that is linear bounds what these
//! comparisons multiply.

use core::{iter, str};

use crate::error::XmlError;

/// The largest document in bytes: 1 MiB. A domain with dozens of disks has some 20 KiB.
pub const MAX_XML_SIZE: usize = 1024 * 1024;

/// The most elements, attributes aside, with comments and texts between them. roxmltree stops there.
pub const MAX_NODES: u32 = 50_000;

/// The most attributes of one element, namespace declarations included; libvirt's largest has about 20.
pub const MAX_ATTRIBUTES: usize = 128;

/// The most namespace declarations of a document; libvirt itself uses three.
pub const MAX_NAMESPACES: usize = 128;

/// The longest namespace declaration in bytes: `xmlns:prefix` and URI. Those in use have less than 80.
pub const MAX_NAMESPACE_SIZE: usize = 256;

/// The document as text, if it may be parsed.
pub(crate) fn check(xml: &[u8]) -> Result<&str, XmlError> {
    if xml.len() > MAX_XML_SIZE {
        return Err(XmlError::TooLarge { size: xml.len() });
    }
    let text =
        str::from_utf8(xml).map_err(|error| XmlError::NotUtf8 { at: error.valid_up_to() })?;
    let mut namespaces: usize = 0;
    // `<` cannot stand in an attribute's value (XML 1.0 section 2.3), so a tag with its attributes lies between two of them.
    for tag in text.split('<').skip(1).filter(|tag| !tag.starts_with(['!', '?', '/'])) {
        let mut count: usize = 0;
        for (name, value) in attributes(tag) {
            count = count.saturating_add(1);
            if count > MAX_ATTRIBUTES {
                return Err(XmlError::TooManyAttributes);
            }
            if name.contains("xmlns") {
                namespaces = namespaces.saturating_add(1);
                if namespaces > MAX_NAMESPACES {
                    return Err(XmlError::TooManyNamespaces);
                }
                if name.len().saturating_add(value.len()) > MAX_NAMESPACE_SIZE {
                    return Err(XmlError::NamespaceTooLong);
                }
            }
        }
    }
    Ok(text)
}

/// The attributes of the tag that `tag` begins with, at least those that roxmltree comes to before it finds the tag malformed.
fn attributes(tag: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = tag;
    iter::from_fn(move || {
        // What is quoted is a value, whatever it holds; an unquoted `>` ends the tag.
        let (before, from_mark) = rest.split_at_checked(rest.find(['>', '"', '\''])?)?;
        let mut after_mark = from_mark.chars();
        let quote = after_mark.next().filter(|mark| *mark != '>')?;
        let (value, after) = after_mark.as_str().split_once(quote)?;
        rest = after;
        let name = before.trim_end_matches(|c| c == '=' || is_space(c)).rsplit(is_space).next()?;
        Some((name, value))
    })
}

/// XML 1.0 section 2.3, production S.
const fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn attributes_of_a_tag() {
        for (tag, expected) in [
            ("a>b='c'>d='e'", &[][..]),
            ("a b='c'/> text d='e'", &[("b", "c")]),
            ("a b = 'c>\"d' e=\"f='g'\">", &[("b", "c>\"d"), ("e", "f='g'")]),
            ("a\n\tx:b\r\n=\n'c'\td=''", &[("x:b", "c"), ("d", "")]),
            ("a b='c' d='e", &[("b", "c")]),
        ] {
            assert_eq!(attributes(tag).collect::<Vec<_>>(), expected, "{tag}");
        }
    }
}
