//! Any first bytes from either side: no panic, and what we write reads back.

#![no_main]

use console_greeting::rfb::{self, Security, Version};
use console_greeting::{recognise, spice};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &str)| {
    let (bytes, reason) = input;
    let _ = recognise(bytes);
    let _ = spice::link_message(bytes);
    let _ = spice::link_reply(bytes);
    for version in [Version::V3_3, Version::V3_7, Version::V3_8] {
        let _ = rfb::security(version, bytes);
        let said = rfb::refusal(version, reason);
        let Ok(Some(Security::Refused { reason })) = rfb::security(version, &said) else {
            panic!("a refusal does not read back: {said:?}");
        };
        assert!(reason.len() <= rfb::MAX_REASON);
    }
    let _ = Version::from_client(bytes);
    let _ = Version::of_server(bytes);
});
