//! `cargo xtask test`: the steps, in order; the first failure ends it, unless told otherwise.

use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::Result;
use clap::ValueEnum;
use harness::packages::{self, Purpose};
use harness::paths;

use crate::say::{begin, say};
use crate::tools;

pub(crate) mod runner;

use runner::Runner;

/// Seconds for each fuzz target.
const FUZZ_SECONDS: u32 = 10;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Run only these steps
    #[arg(value_name = "STEP")]
    steps: Vec<Step>,
    /// Do not ask before installing packages
    #[arg(long)]
    yes: bool,
    /// Run the steps after a failing one, too
    #[arg(long)]
    keep_going: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Step {
    /// The Debian packages that the tests need
    Packages,
    /// rustfmt
    Fmt,
    /// clippy on all targets, warnings denied
    Clippy,
    /// Unit tests and the examples in the documentation
    Unit,
    /// The documentation, warnings denied
    Doc,
    /// cargo-deny: licences, sources, and which crate may depend on what
    Deny,
    /// Ten seconds of each fuzz target
    Fuzz,
    /// On real libvirt, QEMU and Chromium
    E2e,
}

impl Step {
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    fn run(self, runner: &Runner, yes: bool) -> Result<()> {
        match self {
            Self::Packages => {
                packages::provide(Purpose::Test, "cargo xtask test", yes)?;
                tools::find("cargo-deb", runner)?;
                packages::gain_root()
            }
            Self::Fmt => runner.cargo(&["fmt", "--all", "--check"]),
            Self::Clippy => runner.cargo(&[
                "clippy",
                "--workspace",
                "--all-targets",
                "--",
                "--deny",
                "warnings",
            ]),
            Self::Unit => runner.cargo(&["test", "--workspace", "--exclude", "e2e"]),
            Self::Doc => {
                let mut cargo = Command::new("cargo");
                cargo.args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-Dwarnings");
                runner.run("rustdoc", &mut cargo)
            }
            Self::Deny => deny(runner),
            Self::Fuzz => fuzz(runner),
            Self::E2e => runner.cargo(&["test", "--package", "e2e"]),
        }
    }
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let steps = if options.steps.is_empty() { Step::value_variants() } else { &options.steps };
    let runner = Runner::new()?;
    let start = Instant::now();
    let mut failed: Vec<String> = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let name = step.name();
        begin(&format!("[{}/{}] {name} … ", index + 1, steps.len()));
        if *step == Step::Packages && packages::is_missing(Purpose::Test)? {
            // What it says takes lines of its own.
            say("");
        }
        let start = Instant::now();
        let done = step.run(&runner, options.yes);
        let seconds = start.elapsed().as_secs_f32();
        match done {
            Ok(()) => say(&format!("{seconds:.1} s")),
            Err(error) => {
                say(&format!("FAILED after {seconds:.1} s\n{error:#}"));
                say(&format!("\nrun it alone: cargo xtask test {name}"));
                failed.push(name);
                if !options.keep_going {
                    break;
                }
            }
        }
        if let Some(verdict) = runner.verdict() {
            say(&verdict.to_string());
        }
    }
    let seconds = start.elapsed().as_secs_f32();
    if failed.is_empty() {
        say(&format!("\nPASSED in {seconds:.0} s"));
        return Ok(ExitCode::SUCCESS);
    }
    say(&format!("\nFAILED: {}", failed.join(", ")));
    Ok(ExitCode::FAILURE)
}

/// No advisories: their database would have to be fetched, and the verdict would change from day to day.
fn deny(runner: &Runner) -> Result<()> {
    let program = tools::find("cargo-deny", runner)?;
    // Fetched first, so that the check itself needs no network.
    runner.cargo(&["fetch", "--quiet"])?;
    let mut command = Command::new(program);
    command.args(["--offline", "check", "bans", "licenses", "sources"]);
    runner.run("cargo-deny", &mut command)
}

/// All targets of all crates that have some.
fn fuzz(runner: &Runner) -> Result<()> {
    let mut program = None;
    for entry in std::fs::read_dir(paths::workspace().join("crates"))? {
        let krate = entry?.path();
        let targets = krate.join("fuzz/fuzz_targets");
        if !targets.is_dir() {
            continue;
        }
        let program = match &program {
            Some(program) => program,
            None => program.insert(tools::find("cargo-fuzz", runner)?),
        };
        for target in std::fs::read_dir(targets)? {
            let file = target?.path();
            let Some(name) = file.file_stem().filter(|_| file.extension().is_some()) else {
                continue;
            };
            // -s none: the address sanitizer would need a nightly compiler; the crates have no unsafe code for it to watch.
            let mut command = Command::new(program);
            command.args(["fuzz", "run", "-s", "none"]).arg(name);
            command.args(["--", &format!("-max_total_time={FUZZ_SECONDS}")]).current_dir(&krate);
            let shown = krate.file_name().unwrap_or_default().to_string_lossy();
            runner.run(&format!("fuzzing {shown}/{}", name.to_string_lossy()), &mut command)?;
        }
    }
    Ok(())
}
