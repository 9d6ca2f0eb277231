//! The domain: its names, whether it runs, and its graphics.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use roxmltree::{Document, Node, ParsingOptions};
use uuid::Uuid;

use crate::bounds::{self, MAX_NODES};
use crate::error::{XmlError, printable};
use crate::graphics::Graphics;

/// What a console needs to know of a domain.
#[derive(Clone, Debug)]
pub struct Domain {
    name: String,
    uuid: Uuid,
    active: bool,
    graphics: Vec<Graphics>,
}

impl Domain {
    /// Reads domain XML as libvirt writes it.
    ///
    /// # Errors
    ///
    /// [`XmlError`] when it is too large, not well-formed, not a domain, or a port is none.
    pub fn from_xml(xml: &[u8]) -> Result<Self, XmlError> {
        let text = bounds::check(xml)?;
        // No document type, so no entities of its own: none can expand.
        let options = ParsingOptions {
            allow_dtd: false,
            nodes_limit: MAX_NODES,
            ..ParsingOptions::default()
        };
        let document = Document::parse_with_options(text, options)?;
        let root = document.root_element();
        if !is(&root, "domain") {
            return Err(XmlError::NotADomain { found: printable(root.tag_name().name()) });
        }
        let graphics = child(&root, "devices")
            .into_iter()
            .flat_map(|devices| devices.children())
            .filter(|device| is(device, "graphics"))
            .map(|device| Graphics::from_node(&device))
            .collect::<Result<_, _>>()?;
        let uuid = text_of(&root, "uuid")?;
        Ok(Self {
            name: text_of(&root, "name")?.to_owned(),
            uuid: Uuid::try_parse(uuid).map_err(|_| XmlError::Uuid { found: printable(uuid) })?,
            active: attribute(&root, "id").is_some(),
            graphics,
        })
    }

    /// The domain's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The domain's uuid.
    pub const fn uuid(&self) -> Uuid {
        self.uuid
    }

    /// Whether it runs (or is paused): only live XML has an `id` at its root.
    pub const fn is_active(&self) -> bool {
        self.active
    }

    /// Every `<graphics>`, in document order.
    pub fn graphics(&self) -> &[Graphics] {
        &self.graphics
    }
}

/// libvirt's own elements have no namespace; others' (in `<metadata>`) have.
pub(crate) fn is(node: &Node<'_, '_>, name: &str) -> bool {
    node.is_element() && node.tag_name().namespace().is_none() && node.tag_name().name() == name
}

/// The same for attributes: roxmltree's own lookup takes another's `o:port` for `port`.
pub(crate) fn attribute<'a>(node: &Node<'a, '_>, name: &str) -> Option<&'a str> {
    node.attributes()
        .find(|found| found.namespace().is_none() && found.name() == name)
        .map(|found| found.value())
}

fn child<'a, 'input>(parent: &Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    parent.children().find(|node| is(node, name))
}

fn text_of<'a>(root: &Node<'a, '_>, name: &'static str) -> Result<&'a str, XmlError> {
    child(root, name)
        .and_then(|node| node.text())
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .ok_or(XmlError::Missing { element: name })
}
