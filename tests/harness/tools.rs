//! Cargo's additions that the tests and packaging need (cargo-deny, cargo-fuzz, cargo-deb): the user's own, else installed once for all clones.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::paths;

/// What is kept for all clones, because making it takes minutes: a folder of this name in it.
///
/// # Errors
///
/// Neither `XDG_CACHE_HOME` nor `HOME` is set.
pub fn cache(name: &str) -> Result<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME")
        .filter(|dir| !dir.is_empty())
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME is set")?;
    Ok(cache.join("webvirtmgr-console").join(name))
}

/// The program `name`: on `PATH` or in our own place.
///
/// # Errors
///
/// It is in neither.
pub fn find(name: &str) -> Result<PathBuf> {
    let own = cache("tools")?.join("bin").join(name);
    paths::program(name)
        .or_else(|| Some(own).filter(|program| program.is_file()))
        .with_context(|| format!("{name} is missing: run `cargo xtask setup`"))
}

/// What installs it into our own place.
///
/// # Errors
///
/// See [`cache`].
pub fn installation(name: &str) -> Result<Command> {
    let mut cargo = Command::new("cargo");
    cargo.args(["install", "--locked", name, "--root"]).arg(cache("tools")?);
    Ok(cargo)
}
