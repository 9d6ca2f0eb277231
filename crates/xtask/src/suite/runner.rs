//! Runs a step's commands: their output goes to a log, of which a failure shows the end.

use std::cell::Cell;
use std::fmt;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use harness::paths;

use crate::say::begin;

/// Lines of a failing command's output that are shown.
const SHOWN: usize = 60;

/// Runs commands in the workspace.
#[derive(Debug)]
pub(crate) struct Runner {
    log: PathBuf,
    verdict: Cell<Option<Verdict>>,
}

impl Runner {
    pub(crate) fn new() -> Result<Self> {
        let dir = paths::testbed();
        fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        Ok(Self { log: dir.join("step.log"), verdict: Cell::default() })
    }

    /// Runs cargo with these arguments.
    pub(crate) fn cargo(&self, args: &[&str]) -> Result<()> {
        self.run(&format!("cargo {}", args.join(" ")), Command::new("cargo").args(args))
    }

    /// Runs a command; `what` is shown behind the step's name if it is not cargo itself.
    pub(crate) fn run(&self, what: &str, command: &mut Command) -> Result<()> {
        if !what.starts_with("cargo ") {
            begin(&format!("{what} … "));
        }
        let log = File::create(&self.log)
            .with_context(|| format!("cannot write {}", self.log.display()))?;
        if command.get_current_dir().is_none() {
            command.current_dir(paths::workspace());
        }
        // Of a failing test's error a backtrace would leave nothing to be seen.
        let status = command
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .status()
            .with_context(|| format!("cannot run {}", command.get_program().to_string_lossy()))?;
        let output = fs::read(&self.log).unwrap_or_default();
        let output = String::from_utf8_lossy(&output);
        let lines: Vec<&str> = output.lines().collect();
        lines.iter().filter_map(|line| Verdict::read(line)).for_each(|verdict| {
            let mut sum = self.verdict.get().unwrap_or_default();
            sum.add(verdict);
            self.verdict.set(Some(sum));
        });
        if !status.success() {
            let end = &lines[lines.len().saturating_sub(SHOWN)..];
            bail!("{what}: {status}\n{}", end.join("\n"));
        }
        Ok(())
    }

    /// The verdict of all test programs since the last call, if there were any.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        self.verdict.take()
    }
}

/// What test programs say in their last line, summed up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    passed: u32,
    failed: u32,
    ignored: u32,
}

impl Verdict {
    /// Reads `test result: ok. 5 passed; 0 failed; 0 ignored; …`.
    fn read(line: &str) -> Option<Self> {
        let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let mut verdict = Self::default();
        for count in counts.split("; ") {
            match count.split_once(' ') {
                Some((number, "passed")) => verdict.passed = number.parse().ok()?,
                Some((number, "failed")) => verdict.failed = number.parse().ok()?,
                Some((number, "ignored")) => verdict.ignored = number.parse().ok()?,
                _ => {}
            }
        }
        Some(verdict)
    }

    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, failed, ignored } = self;
        let result = if *failed == 0 { "ok" } else { "FAILED" };
        write!(f, "test result: {result}. {passed} passed; {failed} failed; {ignored} ignored")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_summed() {
        let ok = "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.20s";
        let failed =
            "test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out";
        let mut sum = Verdict::read(ok).unwrap();
        assert_eq!(sum.to_string(), "test result: ok. 5 passed; 0 failed; 1 ignored");
        sum.add(Verdict::read(failed).unwrap());
        assert_eq!(sum.to_string(), "test result: FAILED. 9 passed; 2 failed; 1 ignored");
        assert_eq!(Verdict::read("test x ... ok"), None);
    }
}
