//! Any bytes: a domain or an error, and neither prints a password.

#![no_main]

use libfuzzer_sys::fuzz_target;
use libvirt_graphics::Domain;

fuzz_target!(|xml: &[u8]| {
    match Domain::from_xml(xml) {
        Ok(domain) => {
            assert!(!domain.name().is_empty());
            let _ = format!("{domain:?}");
        }
        Err(error) => assert!(error.to_string().len() < 1000, "{error}"),
    }
});
