//! The parser crate, asked in a way that leaves it no choice: which conditions fit, and one option at a time.

use std::fmt::Write as _;
use std::io::Cursor;
use std::path::Path;

use ssh2_config::{HostParams, ParseRule, SshConfig as Parsed, SshParserError};

use crate::ssh_config_text::Entry;

/// What a file says of a host: of each option the first value that counts, of `IdentityFile` all.
pub(crate) fn query(entries: &[Entry], name: &str, home: &Path) -> HostParams {
    let counts = |entry: &&Entry| entry.scopes.iter().all(|patterns| fits(patterns, name));
    let counting: Vec<&Entry> = entries.iter().filter(counts).collect();
    // Whichever of the two comes first is the way (ssh_config(5), ProxyJump).
    let is_way = |entry: &&&Entry| matches!(entry.keyword.as_str(), "proxyjump" | "proxycommand");
    let way = counting.iter().find(is_way).map(|entry| entry.keyword.clone());
    let kept = counting
        .into_iter()
        .filter(|entry| !is_way(&entry) || way.as_ref().is_some_and(|way| *way == entry.keyword));
    // Each was read before, one by one.
    parse(kept, home).unwrap_or_default().query(name)
}

pub(crate) fn parse<'a>(
    entries: impl Iterator<Item = &'a Entry>,
    home: &Path,
) -> Result<Parsed, SshParserError> {
    let (mut text, mut identities) = (String::new(), String::from("Host *\n"));
    for entry in entries {
        let line = &entry.line;
        // Writing to a string cannot fail.
        if entry.keyword == "identityfile" {
            let _ = writeln!(identities, "{line}");
        } else {
            // A block for each, since of a block's values the parser lets the last one count.
            let _ = writeln!(text, "Host *\n{line}");
        }
    }
    parsed(&(text + &identities), home)
}

/// Whether `name` fits patterns as behind `Host`.
fn fits(patterns: &str, name: &str) -> bool {
    let asked = parsed(&format!("Host {patterns}\n  User yes\n"), Path::new("/"));
    asked.is_ok_and(|parsed| parsed.query(name).user.is_some())
}

fn parsed(text: &str, home: &Path) -> Result<Parsed, SshParserError> {
    let rules = ParseRule::ALLOW_UNKNOWN_FIELDS | ParseRule::ALLOW_UNSUPPORTED_FIELDS;
    Parsed::default().home_dir(home).parse(&mut Cursor::new(text), rules)
}
