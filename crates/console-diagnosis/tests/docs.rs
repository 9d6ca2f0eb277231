//! docs/troubleshooting.md has a paragraph for every check, and its links lead somewhere.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use console_diagnosis::CHECKS;

fn page(name: &str) -> String {
    let docs = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs"));
    std::fs::read_to_string(docs.join(name)).unwrap()
}

/// The lines that are no code.
fn prose(page: &str) -> impl Iterator<Item = &str> {
    let mut is_fenced = false;
    page.lines().filter(move |line| {
        let is_fence = line.starts_with("```");
        is_fenced ^= is_fence;
        !is_fenced && !is_fence && !line.starts_with("    ")
    })
}

fn headings(page: &str) -> impl Iterator<Item = (usize, &str)> {
    prose(page).filter_map(|line| {
        let text = line.trim_start_matches('#');
        let depth = line.len() - text.len();
        Some((depth, text.strip_prefix(' ')?)).filter(|_| depth > 0)
    })
}

/// As GitHub makes it: lower case, blanks become dashes, everything else but letters, digits, `-` and `_` goes.
fn anchor(heading: &str) -> String {
    let kept = |c: char| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || matches!(c, '-' | '_') => Some(c),
        _ => None,
    };
    heading.to_lowercase().chars().filter_map(kept).collect()
}

fn anchors(page: &str) -> HashSet<String> {
    let mut all = HashSet::new();
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (_, heading) in headings(page) {
        let anchor = anchor(heading);
        let count = seen.entry(anchor.clone()).or_default();
        // The second of a name is numbered from 1.
        all.insert(if *count == 0 { anchor } else { format!("{anchor}-{count}") });
        *count += 1;
    }
    all
}

/// What stands in `](…)`.
fn links(page: &str) -> Vec<String> {
    let targets = prose(page).flat_map(|line| line.split("](").skip(1));
    targets.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.to_owned()).collect()
}

#[test]
fn every_check_has_its_paragraph_in_the_order_of_the_list() {
    let page = page("troubleshooting.md");
    let is_id = |text: &str| {
        text.contains('.') && text.chars().all(|c| c.is_ascii_lowercase() || matches!(c, '.' | '_'))
    };
    let written: Vec<&str> = headings(&page)
        .filter(|(depth, text)| *depth == 3 && is_id(text))
        .map(|(_, text)| text)
        .collect();
    let expected: Vec<&str> = CHECKS.iter().map(|check| check.id).collect();
    assert_eq!(
        written, expected,
        "### headings of docs/troubleshooting.md, and the checks that there are"
    );
    let known = anchors(&page);
    for check in CHECKS {
        assert!(known.contains(&check.anchor()), "{} has no anchor {}", check.id, check.anchor());
    }
}

#[test]
fn every_paragraph_says_something() {
    let page = page("troubleshooting.md");
    for check in CHECKS {
        let heading = format!("\n### {}\n", check.id);
        let (_, after) = page.split_once(&heading).unwrap();
        let paragraph = after.split("\n#").next().unwrap().trim();
        assert!(paragraph.len() > 80, "{} has {paragraph:?} only", check.id);
    }
}

#[test]
fn every_link_leads_somewhere() {
    let own = page("troubleshooting.md");
    let all = links(&own);
    assert!(all.len() > 50, "links are not found any more: {all:?}");
    for link in all {
        if link.contains("://") {
            continue;
        }
        let (file, fragment) = link.split_once('#').unwrap_or((&link, ""));
        let text = if file.is_empty() { own.clone() } else { page(file) };
        assert!(fragment.is_empty() || anchors(&text).contains(fragment), "({link}) leads nowhere");
    }
}

#[test]
fn links_from_other_pages_lead_somewhere() {
    let known = anchors(&page("troubleshooting.md"));
    for name in ["operations.md", "protocol.md", "architecture.md", "../README.md"] {
        for link in links(&page(name)) {
            let Some((_, fragment)) = link.split_once("troubleshooting.md#") else { continue };
            assert!(known.contains(fragment), "{name}: ({link}) leads nowhere");
        }
    }
}

#[test]
fn planted_faults_have_their_place() {
    let page = page("troubleshooting.md");
    let begin = page.find("\n<!-- planted faults: written by the tests -->\n").unwrap();
    let end = page.find("\n<!-- end of planted faults -->\n").unwrap();
    assert!(page.find("\n## Planted faults\n").unwrap() < begin && begin < end);
}
