//! Developer commands, run as `cargo xtask COMMAND`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use harness::packages::{self, Purpose};
use harness::paths;

mod demo;
mod package;
mod say;
mod suite;
mod tools;

use say::say;

/// Developer commands of webvirtmgr-console.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Boot a guest, start the proxy and print the URL of the guest's console
    Demo(demo::Options),
    /// Run the tests: all of them, or the steps named
    Test(suite::Options),
    /// Build the Debian package
    Package {
        /// Do not ask before installing packages
        #[arg(long)]
        yes: bool,
    },
    /// Measure the proxy beside a plain TCP relay
    Bench,
    /// Install the Debian packages that demo and test need
    Setup {
        /// Do not ask before installing
        #[arg(long)]
        yes: bool,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            say(&format!("\nFAILED  {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Demo(options) => demo::run(&options),
        Command::Test(options) => suite::run(&options),
        Command::Package { yes } => package::run(yes),
        Command::Bench => bench(),
        Command::Setup { yes } => {
            let new = packages::provide(Purpose::Test, "cargo xtask setup", yes)?;
            tools::find("cargo-deb", &suite::runner::Runner::new()?)?;
            say(if new { "All packages are there now." } else { "All packages are there." });
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// In the release profile, its output straight to the terminal.
fn bench() -> Result<ExitCode> {
    packages::provide(Purpose::Test, "cargo xtask bench", false)?;
    let done = std::process::Command::new("cargo")
        .args(["bench", "--quiet", "--package", "e2e", "--bench", "relay"])
        .current_dir(paths::workspace())
        .status()?;
    Ok(if done.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
