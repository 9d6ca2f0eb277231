//! XML that wants to hurt: an error or a result, never a crash. Each document fills the size limit; the stack is a small one.
//!
//! What no bound stopped would run for minutes to hours here, so these tests also hang when one is missing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use libvirt_graphics::{
    Domain, MAX_ATTRIBUTES, MAX_NAMESPACE_SIZE, MAX_NAMESPACES, MAX_XML_SIZE, Port, XmlError,
};
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

/// A domain with `inside` after its name and uuid.
fn domain(root_attributes: &str, inside: &str) -> Vec<u8> {
    format!(
        "<domain{root_attributes}><name>x</name><uuid>0a000000-0000-4000-8000-000000000001</uuid>{inside}</domain>"
    )
    .into_bytes()
}

/// `count` attributes of different names, with `prefix` before each name.
fn attributes(prefix: &str, count: usize) -> String {
    (0..count).map(|number| format!(" {prefix}a{number}=''")).collect()
}

#[test]
fn deep_nesting() {
    assert_eq!(parse(full_of("<a>")).unwrap_err(), XmlError::TooManyNodes);
    // Well-formed, and as deep as the node limit lets it be.
    let levels = 49_900;
    let inside = "<a>".repeat(levels) + &"</a>".repeat(levels);
    assert_eq!(parse(domain("", &inside)).unwrap().name(), "x");
}

#[test]
fn nodes_in_masses() {
    for piece in ["<a/>", "<!---->", "<?a?>", "<a>#</a>"] {
        let xml = [b"<domain>".to_vec(), full_of(piece)].concat();
        assert_eq!(parse(xml).unwrap_err(), XmlError::TooManyNodes, "{piece}");
    }
}

#[test]
fn attributes_in_masses() {
    let most = format!("<a{}/>", attributes("", MAX_ATTRIBUTES));
    assert!(parse(domain("", &most)).is_ok());
    let more = format!("<a{}/>", attributes("", MAX_ATTRIBUTES + 1));
    assert_eq!(parse(domain("", &more)).unwrap_err(), XmlError::TooManyAttributes);
    // A `>` in a value does not end the tag, and the other quote does not end the value.
    let hidden = more.replace("=''", "=\">'\"");
    assert_eq!(parse(domain("", &hidden)).unwrap_err(), XmlError::TooManyAttributes);
}

#[test]
fn namespaces_in_masses() {
    let declarations = |count| -> String {
        (0..count).map(|number| format!("<a xmlns:n{number}='u{number}'/>")).collect()
    };
    assert!(parse(domain("", &declarations(MAX_NAMESPACES))).is_ok());
    let error = parse(domain("", &declarations(MAX_NAMESPACES + 1))).unwrap_err();
    assert_eq!(error, XmlError::TooManyNamespaces);
    let error = parse(full_of("<a xmlns:n#='u#'>")).unwrap_err();
    assert_eq!(error, XmlError::TooManyNamespaces);
}

#[test]
fn long_namespaces_times_many_attributes() {
    // Each pair of attributes is compared by URI first: half a megabyte, 40 million times.
    let inside = format!("<a{}/>", attributes("p:", MAX_ATTRIBUTES)).repeat(500);
    for declaration in
        ["xmlns:p='#'", "xmlns:p = '#'", "xmlns:p\n=\n\"#\"", "p:xmlns='#' xmlns:p='u'"]
    {
        let declaration = declaration.replace('#', &"u".repeat(MAX_XML_SIZE / 3));
        let error = parse(domain(&format!(" {declaration}"), &inside)).unwrap_err();
        assert_eq!(error, XmlError::NamespaceTooLong);
    }
    let longest = "u".repeat(MAX_NAMESPACE_SIZE - "xmlns:p".len());
    assert!(parse(domain(&format!(" xmlns:p='{longest}'"), &inside)).is_ok());
    assert_eq!(
        parse(domain(&format!(" xmlns:p='{longest}u'"), &inside)).unwrap_err(),
        XmlError::NamespaceTooLong
    );
}

#[test]
fn texts_and_comments_are_not_counted_as_attributes() {
    let notes = "a='b' xmlns:c='d' ==== ".repeat(1000);
    for inside in [
        format!("<description>{notes}</description>"),
        format!("<!--{notes}-->"),
        format!("<![CDATA[{notes}]]>"),
        format!("<?note {notes}?>"),
        format!("<a b=\"{notes}\"/>"),
    ] {
        assert!(parse(domain("", &inside)).is_ok(), "{}", &inside[..20]);
    }
}

#[test]
fn entity_bombs_and_external_entities() {
    let bomb = "<!DOCTYPE domain [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>]><domain><name>&b;</name></domain>";
    let external = "<!DOCTYPE domain [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><domain><name>&x;</name></domain>";
    for xml in [bomb, external, "<!DOCTYPE domain><domain/>"] {
        assert_eq!(parse(xml.into()).unwrap_err(), XmlError::DocumentType);
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
        (
            b"<domain a='&x;'/>",
            "domain XML cannot be parsed: an entity is not defined at line 1, column 12",
        ),
        (b"", "domain XML ends before its root element does"),
        (b"<domain><name>x</name>", "domain XML ends before its root element does"),
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
        (
            b"<domain><devices><graphics type='vnc' websocket='+5700'/></devices></domain>",
            "websocket of <graphics type='vnc'> is '+5700', expected 1 to 65535, or -1 while not allocated",
        ),
        (
            b"<domain><devices><graphics type='a&#10;b' port=''/></devices></domain>",
            "port of <graphics type='a\\nb'> is '', expected 1 to 65535, or -1 while not allocated",
        ),
    ] {
        let error = parse(xml.to_vec()).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error:?}, expected {expected:?}");
    }
}

#[test]
fn what_has_a_namespace_is_not_libvirts() {
    let attributes = " xmlns:o='urn:o' o:id='3'";
    let inside = "<metadata><graphics type='vnc' port='1'/><o:app><devices><graphics type='vnc'/></devices></o:app></metadata>\
        <graphics type='vnc'/><devices><o:graphics type='vnc'/><disk><graphics type='vnc'/></disk>\
        <graphics xmlns='urn:o' type='vnc'/><graphics type='sdl' display=':0' o:port='1'/></devices>";
    let domain = parse(domain(attributes, inside)).unwrap();
    assert!(!domain.is_active());
    let found: Vec<_> =
        domain.graphics().iter().map(|one| (one.kind.to_string(), one.port)).collect();
    assert_eq!(found, [("sdl".to_owned(), Port::Missing)]);
}

#[test]
fn damaged_xml_shows_no_piece_of_a_password() {
    for damaged in [
        "passwd='QZ&QZQZ;'",
        "passwd='a'QZQZ='b'",
        "passwd='a' QZQZ='' QZQZ=''",
        "passwd='a' QZ:QZ=''",
    ] {
        let graphics = format!("<devices><graphics type='vnc' {damaged}/></devices>");
        let error = parse(domain("", &graphics)).unwrap_err();
        let texts = format!("{error} {error:?}");
        assert!(!texts.contains("QZ"), "{texts}");
    }
}

/// A sample with its password made recognisable.
fn secret_sample() -> Vec<u8> {
    include_str!("../testdata/hv0-vnc-passwd.secinfo.xml").replace("vncpw123", "QZQZQZQZ").into()
}

proptest! {
    #[test]
    fn any_bytes(xml in any::<Vec<u8>>()) {
        let _ = Domain::from_xml(&xml);
    }

    #[test]
    fn any_pieces(pieces in proptest::collection::vec(prop::sample::select(PIECES), 0..60)) {
        let _ = Domain::from_xml(pieces.concat().as_bytes());
    }

    #[test]
    fn a_damaged_sample(cut in 0usize..2300, at in 0usize..2300, byte: u8, insert: bool) {
        let mut xml = secret_sample();
        let at = at % xml.len();
        if insert { xml.insert(at, byte) } else { xml[at] = byte }
        xml.truncate(cut);
        let texts = match Domain::from_xml(&xml) {
            Ok(domain) => format!("{domain:?}"),
            Err(error) => format!("{error} {error:?}"),
        };
        prop_assert!(!texts.contains("QZ"), "{texts}");
    }
}

/// What XML is made of, whole and broken.
const PIECES: &[&str] = &[
    "<domain id='1'>",
    "</domain>",
    "<name>x</name>",
    "<uuid>0a000000-0000-4000-8000-000000000001</uuid>",
    "<devices>",
    "</devices>",
    "<graphics type='vnc' port='5900'>",
    "</graphics>",
    "<listen type='address'/>",
    "<listen",
    " type='socket'",
    " socket='/s'",
    "/>",
    ">",
    "<",
    "&",
    "&amp;",
    "&#10;",
    ";",
    "'",
    "\"",
    "=",
    " xmlns='u'",
    " xmlns:p='u'",
    " p:a=''",
    "<p:a",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<?x ",
    "?>",
    "\r\n",
    "ä",
];
