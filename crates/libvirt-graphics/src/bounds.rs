//! What a document may cost before it is parsed.
//!
//! roxmltree compares each attribute of an element with all before it, and gives each element that declares a namespace a copy of all that it
//! inherits. Both are quadratic, so both counts are bounded by a scan that is linear.

use core::str;

use crate::error::XmlError;

/// The largest document in bytes: 1 MiB. A domain with dozens of disks has some 20 KiB.
pub const MAX_XML_SIZE: usize = 1024 * 1024;

/// The most elements, attributes aside, with comments and texts between them. roxmltree stops there.
pub const MAX_NODES: u32 = 50_000;

/// The most attributes of one element; libvirt's largest has about 20.
pub const MAX_ATTRIBUTES: usize = 1024;

/// The most namespace declarations of a document; libvirt itself uses three.
pub const MAX_NAMESPACES: usize = 128;

/// The document as text, if it may be parsed.
pub(crate) fn check(xml: &[u8]) -> Result<&str, XmlError> {
    if xml.len() > MAX_XML_SIZE {
        return Err(XmlError::TooLarge { size: xml.len() });
    }
    let text =
        str::from_utf8(xml).map_err(|error| XmlError::NotUtf8 { at: error.valid_up_to() })?;
    if text.matches("xmlns").take(MAX_NAMESPACES.saturating_add(1)).count() > MAX_NAMESPACES {
        return Err(XmlError::TooManyNamespaces);
    }
    // `<` cannot stand in an attribute's value (XML 1.0 section 2.3), so a tag with its attributes lies between two of them.
    for tag in text.split('<') {
        if tag.matches('=').take(MAX_ATTRIBUTES.saturating_add(1)).count() > MAX_ATTRIBUTES {
            return Err(XmlError::TooManyAttributes);
        }
    }
    Ok(text)
}
