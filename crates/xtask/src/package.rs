//! `cargo xtask package`: the Debian package.

use std::process::{Command, ExitCode};

use anyhow::Result;
use harness::{deb, packages, paths};

use crate::say::{begin, say};
use crate::suite::runner::Runner;
use crate::tools;

pub(crate) fn run(yes: bool) -> Result<ExitCode> {
    packages::provide(packages::Purpose::Build, "cargo xtask package", yes)?;
    let runner = Runner::new()?;
    begin("building (release, takes some minutes) … ");
    tools::find("cargo-deb", &runner)?;
    let packages = deb::PROGRAMS.into_iter().flat_map(|program| ["--package", program]);
    runner.run("cargo build", Command::new("cargo").args(["build", "--release"]).args(packages))?;
    begin("packing … ");
    let package = deb::pack(&paths::target().join("release"), false)?;
    let package = package.display();
    say(&format!(
        "done\n\n{package}\n\nInstall it:  sudo apt install {package}\nRun it:      sudo systemctl enable --now webvirtmgr-console\nCheck it:    sudo console-check"
    ));
    Ok(ExitCode::SUCCESS)
}
