//! Cargo's additions that the tests need (cargo-deny, cargo-fuzz): the user's own, else installed once for all clones.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use harness::paths;

use crate::suite::runner::Runner;

/// Where our own are installed: outside of any clone, because building one takes minutes.
fn root() -> Result<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME")
        .filter(|dir| !dir.is_empty())
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME is set")?;
    Ok(cache.join("webvirtmgr-console").join("tools"))
}

/// The program `name`: on `PATH`, in our own place, or installed there now.
pub(crate) fn find(name: &str, runner: &Runner) -> Result<PathBuf> {
    if let Some(program) = paths::program(name) {
        return Ok(program);
    }
    let root = root()?;
    let program = root.join("bin").join(name);
    if !program.is_file() {
        let mut cargo = Command::new("cargo");
        cargo.args(["install", "--locked", name, "--root"]).arg(&root);
        runner.run(&format!("installing {name} (once, takes some minutes)"), &mut cargo)?;
    }
    ensure!(program.is_file(), "cargo installed no {}", program.display());
    Ok(program)
}
