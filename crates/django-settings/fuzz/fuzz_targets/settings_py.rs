//! Any text: no panic; lines are within the text; no more is found than the text can hold.

#![no_main]

use django_settings::{Literal, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let found = read(text, |name| name.starts_with('W'));
    let lines = text.matches(['\n', '\r']).count() + 1;
    let named = found.assignments.iter().map(|one| (&one.name, one.line));
    for (name, line) in named.chain(found.skipped.iter().map(|one| (&one.name, one.line))) {
        assert!(name.starts_with('W') && text.contains(name.as_str()) && (1..=lines).contains(&line));
    }
    let size: usize = found.assignments.iter().map(|one| size(&one.value)).sum();
    assert!(size <= 9 * text.len());
});

fn size(value: &Literal) -> usize {
    match value {
        Literal::Str(text) => text.len(),
        Literal::List(values) => values.iter().map(size).sum::<usize>() + 1,
        _ => 1,
    }
}
