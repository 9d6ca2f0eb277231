//! docs/troubleshooting.md has the planted faults, and no others.

use std::fs;

use anyhow::{Context as _, ensure};
use harness::{Result, paths};

use crate::check_bench::Fault;
use crate::{
    check_certificates, check_domains, check_front, check_hosts, check_panel, check_ssh, check_urls,
};

const BEGIN: &str = "<!-- planted faults: written by the tests -->\n";
const END: &str = "<!-- end of planted faults -->";

/// With `UPDATE_DOCS` in the environment it writes them.
#[test]
fn the_page_has_the_planted_faults() -> Result<()> {
    let parts: [(&str, &[Fault]); 7] = [
        ("Settings, listeners, browsers", check_front::FAULTS),
        ("Certificate", check_certificates::FAULTS),
        ("The panel's database", check_panel::FAULTS),
        ("Hypervisors", check_hosts::FAULTS),
        ("SSH", check_ssh::FAULTS),
        ("Guests and their consoles", check_domains::FAULTS),
        ("From a browser's place (`console-check url`)", check_urls::FAULTS),
    ];
    let count: usize = parts.iter().map(|(_, faults)| faults.len()).sum();
    ensure!(count >= 50, "{count} faults");
    let mut table = String::from(BEGIN);
    for (title, faults) in parts {
        table.push_str(&format!("\n| {title} | first finding |\n| --- | --- |\n"));
        for Fault { planted, finds, is_broken, .. } in faults {
            let mark = if *is_broken { '✗' } else { '!' };
            let anchor = finds.replace('.', "");
            table.push_str(&format!("| {planted} | {mark} [{finds}](#{anchor}) |\n"));
        }
    }
    table.push('\n');
    table.push_str(END);
    let page = paths::workspace().join("docs/troubleshooting.md");
    let text = fs::read_to_string(&page)?;
    let (before, rest) = text.split_once(BEGIN).context("the page has no place for them")?;
    let (_, after) = rest.split_once(END).context("their place has no end")?;
    let wanted = format!("{before}{table}{after}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        return Ok(fs::write(&page, wanted)?);
    }
    ensure!(
        text == wanted,
        "docs/troubleshooting.md has other faults: UPDATE_DOCS=1 cargo test -p e2e --test e2e check_page"
    );
    Ok(())
}
