//! The report for programs. docs/console-check.schema.json describes it; what is there stays, further members may come.

use serde::Serialize;

use crate::report::{Finding, Section, Status};

/// The version of the schema: it changes when a member goes or means something else.
pub const SCHEMA: u32 = 1;

/// What stands above the findings.
#[derive(Clone, Debug)]
pub struct Head<'a> {
    /// `everything`, `console`, `xml` or `url`.
    pub mode: &'a str,
    /// With whose eyes it was looked.
    pub user: &'a str,
    /// Whether all checks were made, or somebody interrupted them.
    pub is_complete: bool,
}

/// The whole report as a JSON text of several lines.
pub fn json(head: &Head<'_>, sections: &[Section]) -> String {
    let all: Vec<&Finding> = sections.iter().flat_map(Section::all).collect();
    let count = |status| all.iter().filter(|finding| finding.status == status).count();
    let first = |status| all.iter().find(|finding| finding.status == status).map(|one| told(one));
    let counts = Counts {
        ok: count(Status::Ok),
        warning: count(Status::Warning),
        error: count(Status::Error),
        skipped: count(Status::Skipped),
    };
    let report = Whole {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION"),
        mode: head.mode,
        user: head.user,
        complete: head.is_complete,
        result: match (counts.error, counts.warning) {
            (0, 0) => "ok",
            (0, _) => "warning",
            _ => "error",
        },
        counts,
        first: first(Status::Error).or_else(|| first(Status::Warning)),
        sections: sections.iter().map(part).collect(),
    };
    // Nothing in it can fail to be written.
    serde_json::to_string_pretty(&report).unwrap_or_default()
}

#[derive(Serialize)]
struct Whole<'a> {
    schema: u32,
    version: &'a str,
    mode: &'a str,
    user: &'a str,
    complete: bool,
    result: &'a str,
    counts: Counts,
    first: Option<Told<'a>>,
    sections: Vec<Part<'a>>,
}

#[derive(Serialize)]
struct Counts {
    ok: usize,
    warning: usize,
    error: usize,
    skipped: usize,
}

#[derive(Serialize)]
struct Part<'a> {
    title: &'a str,
    findings: Vec<Told<'a>>,
    sections: Vec<Self>,
}

#[derive(Serialize)]
struct Told<'a> {
    id: &'a str,
    status: &'a str,
    text: &'a str,
    remedy: Option<&'a str>,
    docs: String,
}

fn part(section: &Section) -> Part<'_> {
    Part {
        title: &section.title,
        findings: section.findings.iter().map(told).collect(),
        sections: section.sections.iter().map(part).collect(),
    }
}

fn told(finding: &Finding) -> Told<'_> {
    Told {
        id: finding.check.id,
        status: match finding.status {
            Status::Ok => "ok",
            Status::Warning => "warning",
            Status::Error => "error",
            Status::Skipped => "skipped",
        },
        text: &finding.text,
        remedy: finding.remedy.as_deref(),
        docs: format!("docs/troubleshooting.md#{}", finding.check.anchor()),
    }
}
