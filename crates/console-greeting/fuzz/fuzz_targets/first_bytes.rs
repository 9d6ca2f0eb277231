//! Any first bytes from either side: no panic, what has been read from some of them stays so, and what we write reads back.

#![no_main]

use console_greeting::rfb::{self, Security, Version};
use console_greeting::{Greeting, recognise, spice};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], u8, &str)| {
    let (bytes, cut, reason) = input;
    let part = bytes.get(..usize::from(cut)).unwrap_or(bytes);

    let early = recognise(part);
    assert!(early == Greeting::Undecided || early == recognise(bytes));
    for read in [Version::from_client, Version::of_server] {
        let early = read(part);
        assert!(early.is_none() || early == read(bytes));
    }
    let early = spice::link_message(part);
    assert!(early == Ok(None) || early == spice::link_message(bytes));
    let early = spice::link_reply(part);
    assert!(early == Ok(None) || early == spice::link_reply(bytes));
    for version in [Version::V3_3, Version::V3_7, Version::V3_8] {
        let early = rfb::security(version, part);
        assert!(early == Ok(None) || early == rfb::security(version, bytes));

        let said = rfb::refusal(version, reason);
        let Ok(Some(Security::Refused { reason })) = rfb::security(version, &said) else {
            panic!("a refusal does not read back: {said:?}");
        };
        assert!(reason.len() <= rfb::MAX_REASON);
        assert!(reason.bytes().all(|byte| matches!(byte, b' '..=b'~')));
        assert!(!reason.contains(['<', '>', '&']));
    }
});
