//! docs/operations.md has the definitions' own words.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use console_config::KEYS;

#[test]
fn the_settings_table_is_that_of_the_definitions() {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operations.md"))
            .unwrap();
    let head = "| key | flag | default | allowed | what |\n| --- | --- | --- | --- | --- |\n";
    let rows: String = KEYS
        .iter()
        .map(|key| {
            let flag = key.flag_text().map(|flag| format!("`{flag}`")).unwrap_or_default();
            let default = key.default.trim_matches('"');
            let default = if default.is_empty() { String::new() } else { format!("`{default}`") };
            format!("| `{}` | {flag} | {default} | {} | {} |\n", key.name, key.allowed, key.what)
                .replace("|  |", "| |")
                .replace("|  |", "| |")
        })
        .collect();
    assert!(
        page.contains(&format!("{head}{rows}\n")),
        "docs/operations.md should have:\n\n{head}{rows}"
    );
}
