//! Bytes that come in piece by piece: what has been read from some of them stays so, whatever follows.

use console_greeting::rfb::{self, Version};
use console_greeting::spice::{self, LinkError};
use console_greeting::{Greeting, recognise};
use proptest::prelude::*;

/// Bytes that go some way: well-formed beginnings, and anything after them.
fn first_bytes() -> impl Strategy<Value = Vec<u8>> {
    let header = (0..300_u32, 0..3_u32).prop_map(|(size, major)| {
        [&spice::MAGIC[..], &major.to_le_bytes(), &2_u32.to_le_bytes(), &size.to_le_bytes()]
            .concat()
    });
    let digits = "RFB [0-9]{3}\\.[0-9]{3}\n".prop_map(String::into_bytes);
    let refused = (0..300_u32).prop_map(|length| [&[0][..], &length.to_be_bytes()].concat());
    let refused_by_3_3 = (0..300_u32).prop_map(|length| [[0; 4], length.to_be_bytes()].concat());
    let reply = (0..12_u32).prop_map(|code| spice::refusal(LinkError::from(code)));
    let beginning = prop_oneof![Just(Vec::new()), header, digits, refused, refused_by_3_3, reply];
    (beginning, proptest::collection::vec(any::<u8>(), 0..300))
        .prop_map(|(beginning, tail)| [beginning, tail].concat())
}

proptest! {
    #[test]
    fn what_is_read_stays(bytes in first_bytes(), cut in any::<proptest::sample::Index>()) {
        let part = &bytes[..cut.index(bytes.len() + 1)];

        let early = recognise(part);
        prop_assert!(early == Greeting::Undecided || early == recognise(&bytes));
        prop_assert_eq!(early == Greeting::Undecided, part.len() < 4 && spice::MAGIC.starts_with(part));

        for read in [Version::from_client, Version::of_server] {
            let early = read(part);
            prop_assert!(early.is_none() || early == read(&bytes));
        }
        for version in [Version::V3_3, Version::V3_7, Version::V3_8] {
            let early = rfb::security(version, part);
            prop_assert!(early == Ok(None) || early == rfb::security(version, &bytes));
        }
        let early = spice::link_message(part);
        prop_assert!(early == Ok(None) || early == spice::link_message(&bytes));
        let early = spice::link_reply(part);
        prop_assert!(early == Ok(None) || early == spice::link_reply(&bytes));
    }
}
