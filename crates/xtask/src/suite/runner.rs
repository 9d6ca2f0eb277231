//! Runs a step's commands: their output goes to a log, of which a failure shows the end.

use std::cell::RefCell;
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
    results: RefCell<Vec<String>>,
}

impl Runner {
    pub(crate) fn new() -> Result<Self> {
        let dir = paths::testbed();
        fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        Ok(Self { log: dir.join("step.log"), results: RefCell::default() })
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
        let status = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .status()
            .with_context(|| format!("cannot run {}", command.get_program().to_string_lossy()))?;
        let output = fs::read(&self.log).unwrap_or_default();
        let output = String::from_utf8_lossy(&output);
        let lines: Vec<&str> = output.lines().collect();
        // One line for each test program: cargo's `Running …` and the verdict of its tests, for whoever counts them.
        let verdicts = lines.iter().filter(|line| line.starts_with("test result: "));
        let verdicts = verdicts.filter(|line| !line.contains(" 0 passed; 0 failed"));
        self.results.borrow_mut().extend(verdicts.map(|&line| line.to_owned()));
        if !status.success() {
            let end = &lines[lines.len().saturating_sub(SHOWN)..];
            bail!("{what}: {status}\n{}", end.join("\n"));
        }
        Ok(())
    }

    /// The verdicts of test programs since the last call.
    pub(crate) fn results(&self) -> Vec<String> {
        self.results.take()
    }
}
