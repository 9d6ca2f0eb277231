//! The Debian package, made by cargo-deb of a program that is built already.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::{paths, tools};

/// What the program generates, and the file's name in Cargo.toml's list.
const GENERATED: [(&str, &str); 4] = [
    ("man", "webvirtmgr-console.1"),
    ("bash", "webvirtmgr-console.bash"),
    ("zsh", "_webvirtmgr-console"),
    ("fish", "webvirtmgr-console.fish"),
];

/// Packs `program`; `fast` spares the compression. Returns the package, in `target/debian`, or, a fast one, in a folder of the test bed that the
/// next bed clears.
///
/// # Errors
///
/// cargo-deb is missing or fails; the error has its words.
pub fn pack(program: &Path, fast: bool) -> Result<PathBuf> {
    let cargo_deb = tools::find("cargo-deb")?;
    let folder = if fast {
        paths::testbed().join(format!("run-{}-debian", std::process::id()))
    } else {
        paths::target().join("debian")
    };
    // Where cargo-deb looks for what Cargo.toml calls target/release.
    let tree = folder.join("tree");
    let release = tree.join("release");
    let generated = release.join("package");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&generated)
        .with_context(|| format!("cannot make {}", generated.display()))?;
    fs::copy(program, release.join("webvirtmgr-console"))
        .with_context(|| format!("cannot copy {}", program.display()))?;
    for (what, name) in GENERATED {
        let file = File::create(generated.join(name))?;
        let status = Command::new(program).args(["--generate", what]).stdout(file).status()?;
        ensure!(status.success(), "{} --generate {what}: {status}", program.display());
    }
    let gzip = Command::new("gzip").args(["-9n"]).arg(generated.join(GENERATED[0].1)).status()?;
    ensure!(gzip.success(), "gzip: {gzip}");
    let mut command = Command::new(cargo_deb);
    command
        .args(["--no-build", "--package", "webvirtmgr-console", "--output"])
        .arg(&folder)
        .current_dir(paths::workspace())
        .env("CARGO_TARGET_DIR", &tree)
        .stdin(Stdio::null());
    if fast {
        command.arg("--fast");
    }
    let output = command.output().context("cannot run cargo-deb")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "cargo-deb:\n{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    fs::remove_dir_all(&tree)?;
    let package = said.lines().map(str::trim).rfind(|line| line.ends_with(".deb"));
    let package = PathBuf::from(package.context("cargo-deb names no package")?);
    Ok(package.canonicalize()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debians_changelog_begins_with_this_version() {
        let file = paths::workspace().join("bins/webvirtmgr-console/debian/changelog");
        let text = fs::read_to_string(file).unwrap();
        let begin = concat!("webvirtmgr-console (", env!("CARGO_PKG_VERSION"), "-1) ");
        assert!(text.starts_with(begin), "{text}");
    }
}
