//! Any text: no panic; what is taken names a database at an absolute place; neither it nor an error has the password in its text.

#![no_main]

use database_url::DatabaseUrl;
use libfuzzer_sys::fuzz_target;

/// Where no other part of a URL can have it.
const SECRET: &str = "s3cretS3CRET";

fuzz_target!(|text: &str| {
    let _ = DatabaseUrl::masked(text);
    match text.parse() {
        Ok(DatabaseUrl::Sqlite { path }) => assert!(path.starts_with('/') && path.len() > 1),
        Ok(DatabaseUrl::Postgres(server) | DatabaseUrl::MySql(server)) => {
            assert!(!server.database.is_empty() && !server.host.is_empty());
            assert!(server.socket.is_none_or(|socket| socket.starts_with('/')));
        }
        Err(_) => {}
    }
    let (before, after) = text.split_at(text.find('@').unwrap_or(0));
    let with = format!("postgresql://{}:{SECRET}@{}", before.replace(SECRET, ""), after.replace(SECRET, ""));
    match with.parse::<DatabaseUrl>() {
        Ok(url) => assert!(!format!("{url} {url:?} {}", DatabaseUrl::masked(&with)).contains(SECRET)),
        Err(error) => assert!(!format!("{error} {error:?}").contains(SECRET)),
    }
});
