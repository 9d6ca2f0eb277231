//! Cargo's additions, installed when they are first needed.

use std::path::PathBuf;

use anyhow::Result;
use harness::tools;

use crate::suite::runner::Runner;

/// The program `name`, installed now if it is missing.
pub(crate) fn find(name: &str, runner: &Runner) -> Result<PathBuf> {
    if let Ok(program) = tools::find(name) {
        return Ok(program);
    }
    let what = format!("installing {name} (once, takes some minutes)");
    runner.run(&what, &mut tools::installation(name)?)?;
    tools::find(name)
}
