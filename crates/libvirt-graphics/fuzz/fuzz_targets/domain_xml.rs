//! Any bytes, alone and as the devices of a domain: a domain or an error, and neither is endless or more than a line.

#![no_main]

use libfuzzer_sys::fuzz_target;
use libvirt_graphics::Domain;

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    // Bytes of chance seldom begin a domain.
    check(&[BEFORE, bytes, AFTER].concat());
});

fn check(xml: &[u8]) {
    match Domain::from_xml(xml) {
        Ok(domain) => {
            assert!(!domain.name().is_empty());
            let _ = format!("{domain:?}");
        }
        Err(error) => {
            let text = error.to_string();
            assert!(text.len() < 1000 && !text.contains(char::is_control), "{text}");
        }
    }
}

const BEFORE: &[u8] =
    b"<domain id='1'><name>x</name><uuid>0a000000-0000-4000-8000-000000000001</uuid><devices>";
const AFTER: &[u8] = b"</devices></domain>";
