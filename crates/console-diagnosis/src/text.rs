//! The report for people: a tree of marks, and under what is not well the remedy.

use std::fmt::Write as _;
use std::time::Instant;

use crate::checks::{BACKEND_GREETING, BACKEND_OPEN, Check};
use crate::report::{Finding, Section, Status};
use crate::wording::counted;

/// How it looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// With colour (ECMA-48 SGR), as a terminal has it.
    pub colour: bool,
    /// Without ✓, ✗ and →: the terminal knows ASCII only.
    pub ascii: bool,
    /// Every check of every guest, not only of those that are not well.
    pub verbose: bool,
    /// Where docs/troubleshooting.md is, if not in the sources.
    pub page: Option<&'static str>,
}

/// Writes sections in a style.
#[derive(Clone, Copy, Debug, Default)]
pub struct Text {
    style: Style,
}

impl Text {
    /// In this style.
    pub const fn new(style: Style) -> Self {
        Self { style }
    }

    /// A section at the top with all below it, with a line's end.
    pub fn section(&self, section: &Section) -> String {
        let mut text = String::new();
        self.write(&mut text, section, 0);
        self.plain(text)
    }

    /// Without what the terminal does not know.
    fn plain(&self, text: String) -> String {
        if !self.style.ascii || text.is_ascii() {
            return text;
        }
        text.replace('…', "...")
            .replace('–', "-")
            .chars()
            .map(|one| if one.is_ascii() { one } else { '?' })
            .collect()
    }

    /// The last lines: how many are well and what to do first.
    pub fn summary(&self, sections: &[Section], is_complete: bool) -> String {
        let all: Vec<&Finding> = sections.iter().flat_map(Section::all).collect();
        let count = |status| all.iter().filter(|finding| finding.status == status).count();
        let (errors, warnings) = (count(Status::Error), count(Status::Warning));
        let mut text = String::new();
        if !is_complete {
            text.push_str("Interrupted: this is what is known so far.\n");
            let mut running = Vec::new();
            sections.iter().for_each(|section| collect(section, &mut running));
            for (title, what, since) in running.iter().take(MAX_RUNNING) {
                let seconds = since.elapsed().as_secs();
                let _ = writeln!(
                    text,
                    "  {} {title}: {what}, for {seconds} s",
                    self.mark(Status::Skipped)
                );
            }
        }
        let skipped = match count(Status::Skipped) {
            0 => String::new(),
            count => format!(", {count} not tried"),
        };
        let counts = format!(
            "{} well, {}, {errors} broken{skipped}",
            count(Status::Ok),
            counted(warnings, "warning")
        );
        let first = |status| all.iter().find(|finding| finding.status == status);
        let verdict = match first(Status::Error).or_else(|| first(Status::Warning)) {
            None if !is_complete => format!("{} {counts}", self.mark(Status::Skipped)),
            None => format!("{} {counts}", self.mark(Status::Ok)),
            Some(first) => {
                let remedy = first.remedy.as_deref().unwrap_or_default();
                format!(
                    "{} {counts}. First: {} ({})\n  {} {remedy}",
                    self.mark(first.status),
                    first.text,
                    first.check.id,
                    self.arrow()
                )
            }
        };
        text.push_str(&verdict);
        text.push('\n');
        self.plain(text)
    }

    /// One line about what is being tried, at most `width` characters; nothing if nothing is.
    pub fn progress(&self, sections: &[Section], now: Instant, width: usize) -> Option<String> {
        let mut running = Vec::new();
        for section in sections {
            collect(section, &mut running);
        }
        let (title, what, since) = running.iter().min_by_key(|(.., since)| *since)?;
        let seconds = now.saturating_duration_since(*since).as_secs();
        let others = match running.len() {
            1 => String::new(),
            count => format!(", and {} more", count - 1),
        };
        let line = format!("{} {title}: {what} ({seconds} s){others}", self.dots());
        Some(line.chars().take(width).collect())
    }

    fn write(&self, text: &mut String, section: &Section, depth: usize) {
        let indent = INDENT.repeat(depth);
        if depth >= COMPACT_FROM && !self.style.verbose && is_quiet(section) {
            let status = match section.findings.iter().any(|one| one.status == Status::Ok) {
                true => Status::Ok,
                false => Status::Skipped,
            };
            let _ = writeln!(
                text,
                "{indent}{} {}  {}",
                self.mark(status),
                section.title,
                brief(section)
            );
            return;
        }
        if section.all().is_empty() {
            return;
        }
        let _ = writeln!(text, "{indent}{}", self.paint(&section.title, BOLD));
        for finding in &section.findings {
            self.finding(text, finding, depth + 1);
        }
        for below in &section.sections {
            self.write(text, below, depth + 1);
        }
    }

    fn finding(&self, text: &mut String, finding: &Finding, depth: usize) {
        let indent = INDENT.repeat(depth);
        let label = format!("{:LABEL$}", finding.check.id);
        let _ = writeln!(
            text,
            "{indent}{} {} {}",
            self.mark(finding.status),
            self.paint(&label, DIM),
            finding.text
        );
        if let Some(remedy) = &finding.remedy {
            // Not below the text: what is to be pasted stays on as few lines of the terminal as it can.
            let inner = format!("{indent}    ");
            let _ = writeln!(text, "{inner}{} {remedy}", self.arrow());
            let page = self.style.page.unwrap_or(PAGE);
            let more = format!("{page}#{}", finding.check.anchor());
            let _ = writeln!(text, "{inner}  {}", self.paint(&more, DIM));
        }
    }

    fn mark(&self, status: Status) -> String {
        let (mark, plain, colour) = match status {
            Status::Ok => ("✓", "+", GREEN),
            Status::Warning => ("!", "!", YELLOW),
            Status::Error => ("✗", "x", RED),
            Status::Skipped => ("–", "-", DIM),
        };
        self.paint(if self.style.ascii { plain } else { mark }, colour)
    }

    fn arrow(&self) -> &'static str {
        if self.style.ascii { "->" } else { "→" }
    }

    fn dots(&self) -> &'static str {
        if self.style.ascii { "..." } else { "…" }
    }

    fn paint(&self, text: &str, code: &str) -> String {
        if self.style.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Whether there is nothing in it that anybody must read.
fn is_quiet(section: &Section) -> bool {
    let is_fine = |finding: &Finding| matches!(finding.status, Status::Ok | Status::Skipped);
    section.sections.is_empty() && section.is_done && section.findings.iter().all(is_fine)
}

/// A guest in one line: where its console is and what it says.
fn brief(section: &Section) -> String {
    let of = |check| section.findings.iter().find(|finding| finding.check == check);
    let told: Vec<&str> = [of(BACKEND_OPEN), of(BACKEND_GREETING)]
        .into_iter()
        .flatten()
        .map(|finding| finding.text.as_str())
        .collect();
    match told.as_slice() {
        [] => section.findings.last().map(|last| last.text.clone()).unwrap_or_default(),
        told => told.join("; "),
    }
}

fn collect<'a>(section: &'a Section, running: &mut Vec<(&'a str, &'a str, Instant)>) {
    running.extend(
        section.running.iter().map(|(what, since)| (section.title.as_str(), what.as_str(), *since)),
    );
    section.sections.iter().for_each(|below| collect(below, running));
}

const INDENT: &str = "  ";

/// How much of what was interrupted is told.
const MAX_RUNNING: usize = 5;

/// In the sources.
const PAGE: &str = "docs/troubleshooting.md";

const LABEL: usize = Check::LONGEST;

/// Guests of a host: a hundred of them are a hundred lines.
const COMPACT_FROM: usize = 2;

/// SGR parameters (ECMA-48 section 8.3.117).
const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::{CONFIG_FILE, CONFIG_HOSTS, HOST_PORT};
    use crate::report::Report;

    #[test]
    fn people_read_the_remedy_under_the_fault_and_again_at_the_end() {
        let report = Report::default();
        let settings = report.section("Settings");
        settings.ok(CONFIG_FILE, "/etc/x.toml");
        let hosts = report.section("Hypervisors");
        let host = hosts.section("Host 1 (hv1)");
        host.fail(HOST_PORT, "refused", "start it");
        let quiet = host.section("web-1");
        quiet.ok(BACKEND_OPEN, "tcp x");
        quiet.ok(BACKEND_GREETING, "RFB");
        drop((settings, hosts, host, quiet));
        let sections = report.sections();
        let text = Text::new(Style::default());
        let whole: String = sections.iter().map(|section| text.section(section)).collect();
        assert_eq!(
            whole,
            "Settings\n  ✓ config.file          /etc/x.toml\n\
             Hypervisors\n  Host 1 (hv1)\n    ✗ host.port            refused\n\
             \x20       → start it\n\
             \x20         docs/troubleshooting.md#hostport\n\
             \x20   ✓ web-1  tcp x; RFB\n"
        );
        assert_eq!(
            text.summary(&sections, true),
            "✗ 3 well, 0 warnings, 1 broken. First: refused (host.port)\n  → start it\n"
        );
        let ascii = Text::new(Style { ascii: true, colour: true, ..Style::default() });
        assert!(ascii.summary(&sections, false).contains("\u{1b}[31mx\u{1b}[0m 3 well"));
        assert!(ascii.summary(&sections, false).starts_with("Interrupted"));
    }

    #[test]
    fn the_oldest_of_what_runs_is_told() {
        let report = Report::default();
        let branch = report.section("Settings");
        let text = Text::default();
        assert_eq!(text.progress(&report.sections(), Instant::now(), 80), None);
        let running = branch.during("waiting", async {
            let shown = text.progress(&report.sections(), Instant::now(), 24);
            assert_eq!(shown.as_deref(), Some("… Settings: waiting (0 s"));
        });
        futures_util::FutureExt::now_or_never(running).unwrap();
        branch.skip(CONFIG_HOSTS, "x");
        assert_eq!(text.progress(&report.sections(), Instant::now(), 80), None);
    }
}
