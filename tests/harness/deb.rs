//! The Debian package, made by cargo-deb of programs that are built already.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::{paths, proxy, tools};

/// The programs in it; each one's cargo package has its name.
pub const PROGRAMS: [&str; 2] = ["webvirtmgr-console", "console-check"];

/// What a program generates, and the file's name in Cargo.toml's list: before and after the program's.
const GENERATED: [(&str, &str, &str); 4] =
    [("man", "", ".1"), ("bash", "", ".bash"), ("zsh", "_", ""), ("fish", "", ".fish")];

/// Builds the programs in this code's profile, and packs them fast.
///
/// # Errors
///
/// One does not build, or see [`pack`].
pub fn build() -> Result<PathBuf> {
    let mut built = PathBuf::new();
    for program in PROGRAMS {
        built = proxy::build_program(program)?;
    }
    pack(built.parent().context("a program is in no folder")?, true)
}

/// Packs the programs that are in the folder `built`; `fast` spares the compression. Returns the package, in `target/debian`, or, a fast one, in a
/// folder of the test bed that the next bed clears.
///
/// # Errors
///
/// cargo-deb is missing or fails; the error has its words.
pub fn pack(built: &Path, fast: bool) -> Result<PathBuf> {
    let cargo_deb = tools::find("cargo-deb")?;
    let folder = if fast {
        paths::testbed().join(format!("run-{}-debian", std::process::id()))
    } else {
        paths::target().join("debian")
    };
    // Where cargo-deb looks for what Cargo.toml calls target/release.
    let tree = folder.join("tree");
    let release = tree.join("release");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let generated = release.join("package");
    fs::create_dir_all(&generated)
        .with_context(|| format!("cannot make {}", generated.display()))?;
    for program in PROGRAMS {
        let file = built.join(program);
        fs::copy(&file, release.join(program))
            .with_context(|| format!("cannot copy {}", file.display()))?;
        generate(&file, program, &generated)?;
    }
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

/// The manual page and the completions of a program.
fn generate(file: &Path, program: &str, into: &Path) -> Result<()> {
    for (what, before, after) in GENERATED {
        let name = into.join(format!("{before}{program}{after}"));
        let to = File::create(&name)?;
        let status = Command::new(file).args(["--generate", what]).stdout(to).status()?;
        ensure!(status.success(), "{} --generate {what}: {status}", file.display());
        if what == "man" {
            let gzip = Command::new("gzip").arg("-9n").arg(&name).status()?;
            ensure!(gzip.success(), "gzip: {gzip}");
        }
    }
    Ok(())
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
