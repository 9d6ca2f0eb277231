//! The real `console-check`, run as somebody would who looks for a fault.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{proxy, wait};

/// Builds the program, once in a process.
///
/// # Errors
///
/// It does not build; the error has cargo's words.
pub fn build() -> Result<PathBuf> {
    proxy::build_program("console-check")
}

/// What it found.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Its exit status.
    pub code: i32,
    /// Its report (`--json`).
    pub report: Value,
    /// What it wrote to standard error.
    pub errors: String,
}

/// One finding of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The check.
    pub id: String,
    /// `ok`, `warning`, `error` or `skipped`.
    pub status: String,
    /// What was tried and what came back.
    pub text: String,
    /// What to do.
    pub remedy: Option<String>,
    /// The section that it stands in.
    pub section: String,
}

impl Checked {
    /// Runs a command that prints a JSON report, and waits for its end.
    ///
    /// # Errors
    ///
    /// It does not run, does not end within `bound`, or prints something else.
    pub fn run(mut command: Command, bound: Duration) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run console-check")?;
        let mut out = child.stdout.take().context("no standard output")?;
        let mut err = child.stderr.take().context("no standard error")?;
        // A pipe that nobody reads would stop it.
        let reading = std::thread::spawn(move || {
            let mut text = String::new();
            out.read_to_string(&mut text).map(|_| text)
        });
        let listening = std::thread::spawn(move || {
            let mut text = String::new();
            err.read_to_string(&mut text).map(|_| text)
        });
        let status = wait::until("console-check to end", bound, || Ok(child.try_wait()?));
        if status.is_err() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let text = reading.join().map_err(|_| anyhow::anyhow!("reading failed"))??;
        let errors = listening.join().map_err(|_| anyhow::anyhow!("reading failed"))??;
        let code = status.with_context(|| format!("{text}{errors}"))?.code().unwrap_or(-1);
        let report = serde_json::from_str(&text)
            .with_context(|| format!("exit {code}, no JSON: {text:?} {errors:?}"))?;
        Ok(Self { code, report, errors })
    }

    /// All findings in their order, depth first.
    pub fn findings(&self) -> Vec<Found> {
        let mut found = Vec::new();
        collect(&self.report["sections"], &mut found);
        found
    }

    /// Those with this status.
    pub fn with_status(&self, status: &str) -> Vec<Found> {
        self.findings().into_iter().filter(|found| found.status == status).collect()
    }

    /// The first that is an error, or without one the first warning.
    pub fn first(&self) -> Option<Found> {
        let first = |status| self.with_status(status).into_iter().next();
        first("error").or_else(|| first("warning"))
    }

    /// That a check came out so; returns the finding.
    ///
    /// # Errors
    ///
    /// There is no such finding; the error has all there are.
    pub fn expect(&self, id: &str, status: &str) -> Result<Found> {
        let all = self.findings();
        let found = all.iter().find(|found| found.id == id && found.status == status);
        found.cloned().with_context(|| format!("no {id} is {status}: {}", self.shown()))
    }

    /// That everything is well: no error and no warning.
    ///
    /// # Errors
    ///
    /// There is one; the error has it.
    pub fn expect_well(&self) -> Result<()> {
        ensure!(self.first().is_none() && self.code == 0, "exit {}: {}", self.code, self.shown());
        Ok(())
    }

    /// All findings, a line each; those that are not well first.
    pub fn shown(&self) -> String {
        let (bad, well): (Vec<_>, Vec<_>) = self
            .findings()
            .into_iter()
            .partition(|found| matches!(&*found.status, "error" | "warning"));
        let lines = bad.into_iter().chain(well).map(|found| {
            format!("\n  {:8} {:20} {}: {}", found.status, found.id, found.section, found.text)
        });
        lines.collect()
    }
}

fn collect(sections: &Value, found: &mut Vec<Found>) {
    for section in sections.as_array().into_iter().flatten() {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        for finding in section["findings"].as_array().into_iter().flatten() {
            found.push(Found {
                id: text(&finding["id"]),
                status: text(&finding["status"]),
                text: text(&finding["text"]),
                remedy: finding["remedy"].as_str().map(str::to_owned),
                section: text(&section["title"]),
            });
        }
        collect(&section["sections"], found);
    }
}
