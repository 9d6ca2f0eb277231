//! XML that wants to hurt: an error or a result, never a crash. Each document fills the size limit; the stack is a small one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use libvirt_graphics::{Domain, MAX_XML_SIZE, XmlError};
use proptest::prelude::*;

/// Smaller than any thread's default.
const STACK: usize = 256 * 1024;

fn parse(xml: Vec<u8>) -> Result<Domain, XmlError> {
    let parsing =
        std::thread::Builder::new().stack_size(STACK).spawn(move || Domain::from_xml(&xml));
    parsing.unwrap().join().unwrap()
}

/// `piece` repeated (with its number in place of `#`) up to the size limit.
fn full_of(piece: &str) -> Vec<u8> {
    let mut xml = Vec::new();
    for number in 0.. {
        let next = piece.replace('#', &number.to_string());
        if xml.len() + next.len() > MAX_XML_SIZE - 100 {
            return xml;
        }
        xml.extend_from_slice(next.as_bytes());
    }
    unreachable!()
}

#[test]
fn deep_nesting() {
    let error = parse(full_of("<a>")).unwrap_err();
    assert!(matches!(error, XmlError::Syntax { .. }), "{error}");
    // Well-formed, and as deep as the node limit lets it be.
    let levels = 40_000;
    let inner = "<a>".repeat(levels) + &"</a>".repeat(levels);
    let xml = format!(
        "<domain><name>x</name><uuid>0a000000-0000-4000-8000-000000000001</uuid>{inner}</domain>"
    );
    assert_eq!(parse(xml.into_bytes()).unwrap().name(), "x");
}

#[test]
fn namespaces_and_attributes_in_masses() {
    assert_eq!(parse(full_of("<a xmlns:n#='u#'>")).unwrap_err(), XmlError::TooManyNamespaces);
    let mut xml = b"<domain ".to_vec();
    xml.extend(full_of("a#='' "));
    assert_eq!(parse(xml).unwrap_err(), XmlError::TooManyAttributes);
    // Spread over many elements they are allowed; then the node limit ends it.
    let error = parse(full_of(&format!("<a {}/>", "b#='c' ".replace('#', "1")))).unwrap_err();
    assert!(matches!(error, XmlError::Syntax { .. }), "{error}");
}

#[test]
fn entity_bombs_and_external_entities() {
    let bomb = "<!DOCTYPE domain [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>]><domain><name>&b;</name></domain>";
    let external = "<!DOCTYPE domain [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><domain><name>&x;</name></domain>";
    for xml in [bomb, external] {
        let error = parse(xml.into()).unwrap_err();
        assert!(matches!(error, XmlError::Syntax { .. }), "{error}");
    }
}

#[test]
fn ten_megabytes() {
    let xml = b"<domain>".repeat(10 * 1024 * 1024 / 8);
    assert_eq!(parse(xml.clone()).unwrap_err(), XmlError::TooLarge { size: xml.len() });
}

#[test]
fn not_text_not_xml_not_a_domain() {
    for (xml, expected) in [
        (&b"<domain>\xff</domain>"[..], "domain XML is not UTF-8 at byte 8"),
        (b"<domain>\0</domain>", "domain XML cannot be parsed: "),
        (b"", "domain XML cannot be parsed: "),
        (b"<network/>", "the root element is <network>, expected <domain>"),
        (b"<domain xmlns='urn:x'/>", "the root element is <domain>, expected <domain>"),
        (b"<domain/>", "<domain> has no <uuid>"),
        (b"<domain><uuid>12</uuid></domain>", "<domain> has no <name>"),
        (b"<domain><name>x</name><uuid>12</uuid></domain>", "<uuid> is not a uuid: 12"),
        (b"<domain><devices><graphics/></devices></domain>", "<graphics> has no type"),
        (
            b"<domain><devices><graphics type='vnc'><listen/></graphics></devices></domain>",
            "<listen> has no type",
        ),
        (
            b"<domain><devices><graphics type='vnc' port='70000'/></devices></domain>",
            "port of <graphics type='vnc'> is '70000', expected 1 to 65535, or -1 while not allocated",
        ),
        (
            b"<domain><devices><graphics type='spice' tlsPort='-2'/></devices></domain>",
            "tlsPort of <graphics type='spice'> is '-2', expected 1 to 65535, or -1 while not allocated",
        ),
    ] {
        let error = parse(xml.to_vec()).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error:?}, expected {expected:?}");
    }
}

#[test]
fn graphics_elsewhere_do_not_count() {
    let xml = "<domain xmlns:o='urn:o'><name>x</name><uuid>0a000000-0000-4000-8000-000000000001</uuid>\
        <metadata><graphics type='vnc' port='1'/><o:app><devices><graphics type='vnc'/></devices></o:app></metadata>\
        <graphics type='vnc'/><devices><o:graphics type='vnc'/><disk><graphics type='vnc'/></disk>\
        <graphics type='sdl' display=':0'/></devices></domain>";
    let domain = parse(xml.into()).unwrap();
    let kinds: Vec<_> = domain.graphics().iter().map(|one| one.kind.to_string()).collect();
    assert_eq!(kinds, ["sdl"]);
}

proptest! {
    #[test]
    fn any_bytes(xml in any::<Vec<u8>>()) {
        let _ = Domain::from_xml(&xml);
    }

    #[test]
    fn a_damaged_sample(cut in 0usize..2300, at in 0usize..2300, byte: u8) {
        let mut xml = include_bytes!("../testdata/hv0-vnc-spice.xml").to_vec();
        let at = at % xml.len();
        xml[at] = byte;
        xml.truncate(cut);
        let _ = Domain::from_xml(&xml);
    }
}
