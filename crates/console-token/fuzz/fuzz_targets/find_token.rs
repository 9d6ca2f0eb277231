//! Any query and any cookies: no panic; what is found parses back; what is printed hides the uuid's middle.

#![no_main]

use console_token::{ConsoleToken, find_token};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, Vec<&[u8]>)| {
    let (query, cookies) = input;
    for query in [None, Some(query)] {
        if let Ok(Some(token)) = find_token(query, &cookies) {
            let exposed = token.to_exposed_string();
            assert_eq!(exposed.parse::<ConsoleToken>(), Ok(token));
            assert!(!format!("{token} {token:?}").contains(&exposed));
        }
    }
});
