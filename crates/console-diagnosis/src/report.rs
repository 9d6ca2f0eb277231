//! What was found so far: a tree that grows while the checks run, some of them side by side.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::checks::Check;
use crate::wording::one_line;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// It is well.
    Ok,
    /// Some people, or some day, will be troubled by it.
    Warning,
    /// It is broken.
    Error,
    /// It could not be tried, or there is nothing to try.
    Skipped,
}

/// One check's outcome.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Finding {
    /// Which check.
    pub check: Check,
    /// How it came out.
    pub status: Status,
    /// What was tried and what came back, on one line.
    pub text: String,
    /// What to do about it; always there for an error or a warning.
    pub remedy: Option<String>,
}

/// What belongs together: findings, and sections of its own after them.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Section {
    /// What it is about.
    pub title: String,
    /// In the order of the checks.
    pub findings: Vec<Finding>,
    /// Those below it.
    pub sections: Vec<Self>,
    /// Whether nothing more will come.
    pub is_done: bool,
    /// What is being tried now, and since when; empty when it is done.
    pub running: Vec<(String, Instant)>,
}

impl Section {
    /// All findings, depth first.
    pub fn all(&self) -> Vec<&Finding> {
        let below = self.sections.iter().flat_map(Self::all);
        self.findings.iter().chain(below).collect()
    }
}

/// All sections, as they are at the moment. Cheap to clone; all clones are one report.
#[derive(Clone, Debug, Default)]
pub struct Report {
    tree: Arc<Mutex<Vec<Node>>>,
}

#[derive(Debug, Default)]
struct Node {
    parent: Option<usize>,
    section: Section,
}

impl Report {
    /// A section at the top.
    pub fn section(&self, title: impl Into<String>) -> Branch {
        self.add(None, title.into())
    }

    /// What there is now: the sections at the top, with all below them.
    pub fn sections(&self) -> Vec<Section> {
        let nodes = self.lock();
        let mut sections: Vec<Section> = nodes.iter().map(|node| node.section.clone()).collect();
        let mut top = Vec::new();
        // A parent is older than its children.
        for (index, node) in nodes.iter().enumerate().rev() {
            let Some(section) = sections.get_mut(index).map(std::mem::take) else { continue };
            let into = match node.parent {
                Some(parent) => match sections.get_mut(parent) {
                    Some(parent) => &mut parent.sections,
                    None => continue,
                },
                None => &mut top,
            };
            into.insert(0, section);
        }
        top
    }

    fn add(&self, parent: Option<usize>, title: String) -> Branch {
        let mut nodes = self.lock();
        let index = nodes.len();
        nodes.push(Node {
            parent,
            section: Section { title: one_line(&title), ..Section::default() },
        });
        Branch { place: Arc::new(Place { report: self.clone(), index }) }
    }

    fn change(&self, index: usize, change: impl FnOnce(&mut Section)) {
        if let Some(node) = self.lock().get_mut(index) {
            change(&mut node.section);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Node>> {
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a section's findings are put. The section is done when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Branch {
    place: Arc<Place>,
}

#[derive(Debug)]
struct Place {
    report: Report,
    index: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.report.change(self.index, |section| {
            section.is_done = true;
            section.running.clear();
        });
    }
}

impl Branch {
    /// A section below this one.
    pub fn section(&self, title: impl Into<String>) -> Self {
        self.place.report.add(Some(self.place.index), title.into())
    }

    /// It is well.
    pub fn ok(&self, check: Check, text: impl Into<String>) {
        self.put(check, Status::Ok, text.into(), None);
    }

    /// It is not well for everybody.
    pub fn warn(&self, check: Check, text: impl Into<String>, remedy: impl Into<String>) {
        self.put(check, Status::Warning, text.into(), Some(remedy.into()));
    }

    /// It is broken.
    pub fn fail(&self, check: Check, text: impl Into<String>, remedy: impl Into<String>) {
        self.put(check, Status::Error, text.into(), Some(remedy.into()));
    }

    /// It was not tried, and why.
    pub fn skip(&self, check: Check, why: impl Into<String>) {
        self.put(check, Status::Skipped, why.into(), None);
    }

    /// With a status that the caller decides on.
    pub(crate) fn tell(&self, status: Status, check: Check, text: String, remedy: String) {
        self.put(check, status, text, Some(remedy).filter(|_| status != Status::Ok));
    }

    /// What a future says, with `what` shown as running meanwhile.
    pub(crate) async fn during<T>(
        &self,
        what: impl Into<String>,
        future: impl Future<Output = T>,
    ) -> T {
        let what = one_line(&what.into());
        let entry = (what.clone(), Instant::now());
        self.place.report.change(self.place.index, |section| section.running.push(entry));
        let done = future.await;
        self.place.report.change(self.place.index, |section| {
            if let Some(index) = section.running.iter().position(|(other, _)| *other == what) {
                section.running.remove(index);
            }
        });
        done
    }

    fn put(&self, check: Check, status: Status, text: String, remedy: Option<String>) {
        let finding = Finding {
            check,
            status,
            text: one_line(&text),
            remedy: remedy.map(|remedy| one_line(&remedy)),
        };
        self.place.report.change(self.place.index, |section| section.findings.push(finding));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::{CONFIG_FILE, HOST_PORT};

    #[test]
    fn sections_keep_their_order_whoever_is_quicker() {
        let report = Report::default();
        let (first, second) = (report.section("first"), report.section("second"));
        second.ok(CONFIG_FILE, "b");
        let below = first.section("below");
        let other = first.section("other");
        other.warn(HOST_PORT, "c", "d");
        below.fail(HOST_PORT, "a\u{1b}[31m\n  x", "y");
        drop((first, below));
        let sections = report.sections();
        let titles: Vec<_> = sections.iter().map(|section| section.title.as_str()).collect();
        assert_eq!(titles, ["first", "second"]);
        let below: Vec<_> =
            sections[0].sections.iter().map(|one| (one.title.as_str(), one.is_done)).collect();
        assert_eq!(below, [("below", true), ("other", false)]);
        let all: Vec<_> = sections[0].all().iter().map(|one| one.text.clone()).collect();
        assert_eq!(all, ["a\\u{1b}[31m x", "c"]);
        assert!(sections[0].is_done && !sections[1].is_done);
    }
}
