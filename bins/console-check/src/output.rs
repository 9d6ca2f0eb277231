//! What is shown: sections as soon as they are whole, a line about what runs meanwhile, and the verdict.

use std::cell::Cell;
use std::convert::Infallible;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use console_diagnosis::{Head, Report, Section, Style, Text, json};

use crate::cli::CommandLine;

/// Standard output for the report, standard error for the progress.
pub(crate) struct Output {
    text: Text,
    is_json: bool,
    mode: &'static str,
    user: String,
    shows_progress: bool,
    /// How many sections at the top have been printed.
    printed: Cell<usize>,
    has_line: Cell<bool>,
}

impl Output {
    pub(crate) fn new(line: &CommandLine, user: String) -> Self {
        let is_terminal = io::stdout().is_terminal();
        // It knows no control sequences.
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let style = Style {
            colour: is_terminal
                && !is_dumb
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            ascii: !speaks_unicode(|name| std::env::var_os(name)),
            verbose: line.verbose,
            page: Path::new(INSTALLED_PAGE).exists().then_some(INSTALLED_PAGE),
        };
        Self {
            text: Text::new(style),
            is_json: line.json,
            mode: line.task.mode(),
            user,
            shows_progress: io::stderr().is_terminal() && !is_dumb,
            printed: Cell::new(0),
            has_line: Cell::new(false),
        }
    }

    /// Shows what comes, for ever.
    pub(crate) async fn follow(&self, report: &Report) -> Infallible {
        let mut tick = tokio::time::interval(TICK);
        loop {
            tick.tick().await;
            let sections = report.sections();
            // A terminal that has gone will be told at the end.
            let _ = self.print_done(&sections);
            let _ = self.progress(&sections);
        }
    }

    /// Shows the rest.
    pub(crate) fn finish(&self, report: &Report, is_complete: bool) -> io::Result<()> {
        let sections = report.sections();
        self.clear()?;
        let mut out = io::stdout().lock();
        if self.is_json {
            let head = Head { mode: self.mode, user: &self.user, is_complete };
            writeln!(out, "{}", json(&head, &sections))?;
        } else {
            for section in sections.iter().skip(self.printed.get()) {
                write!(out, "{}", self.text.section(section))?;
            }
            write!(out, "\n{}", self.text.summary(&sections, is_complete))?;
        }
        out.flush()
    }

    fn print_done(&self, sections: &[Section]) -> io::Result<()> {
        if self.is_json {
            return Ok(());
        }
        let is_whole = |section: &&Section| is_done(section);
        let done: Vec<&Section> =
            sections.iter().skip(self.printed.get()).take_while(is_whole).collect();
        if done.is_empty() {
            return Ok(());
        }
        self.clear()?;
        let mut out = io::stdout().lock();
        for section in &done {
            write!(out, "{}", self.text.section(section))?;
        }
        self.printed.set(self.printed.get() + done.len());
        out.flush()
    }

    fn progress(&self, sections: &[Section]) -> io::Result<()> {
        if !self.shows_progress {
            return Ok(());
        }
        let columns = rustix::termios::tcgetwinsize(io::stderr()).map_or(0, |size| size.ws_col);
        // Some terminals do not know how wide they are.
        let width = if columns == 0 { 79 } else { usize::from(columns) - 1 };
        match self.text.progress(sections, Instant::now(), width) {
            Some(line) => {
                self.has_line.set(true);
                write!(io::stderr(), "\r\x1b[K{line}")?;
            }
            None => self.clear()?,
        }
        io::stderr().flush()
    }

    fn clear(&self) -> io::Result<()> {
        if self.has_line.replace(false) {
            write!(io::stderr(), "\r\x1b[K")?;
        }
        Ok(())
    }
}

fn is_done(section: &Section) -> bool {
    section.is_done && section.sections.iter().all(is_done)
}

/// locale(7): the first of these that is set counts; without one it is the C locale.
fn speaks_unicode(variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let all = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(variable);
    all.into_iter().find(|value| !value.is_empty()).is_some_and(|locale| {
        let locale = locale.to_string_lossy().to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// Where the Debian package has it.
const INSTALLED_PAGE: &str = "/usr/share/doc/webvirtmgr-console/troubleshooting.md";

/// How often what is new is shown: a person notices no less.
const TICK: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_locale_that_says_so_has_more_than_ascii() {
        for (set, expected) in [
            (&[][..], false),
            (&[("LANG", "de_DE.UTF-8")], true),
            (&[("LANG", "C.utf8"), ("LC_ALL", "")], true),
            (&[("LANG", "C.UTF-8"), ("LC_ALL", "C")], false),
            (&[("LC_CTYPE", "en_GB.UTF-8"), ("LANG", "C")], true),
        ] {
            let variable = |name: &str| {
                set.iter().find(|(other, _)| *other == name).map(|(_, value)| value.into())
            };
            assert_eq!(speaks_unicode(variable), expected, "{set:?}");
        }
    }
}
