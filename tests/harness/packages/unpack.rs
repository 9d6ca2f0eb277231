//! Packages unpacked into a folder of our own: the system stays as it is.
//!
//! A program in there is run by a wrapper that shows it the libraries that came with it. QEMU finds its firmware beside itself.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use anyhow::{Context, Result, bail};

use super::apt::Apt;
use crate::paths;
use crate::process::exists;

/// Where `name` is unpacked. The folder appears by renaming, once it is whole.
pub(super) fn dir(name: &str) -> PathBuf {
    paths::testbed().join("unpacked").join(name)
}

/// The wrapper of a program of the unpacked `name`, if it is there.
pub(super) fn wrapper(name: &str, program: &str) -> Option<PathBuf> {
    Some(dir(name).join("wrapper").join(program)).filter(|wrapper| wrapper.is_file())
}

/// Downloads and unpacks `packages` as `name`, anew if it is there, with a wrapper for each of `programs` (paths inside).
pub(super) fn unpack(
    apt: &mut Apt,
    name: &str,
    packages: &[String],
    programs: &[&str],
) -> Result<()> {
    let whole = dir(name);
    clear_half_made(name);
    let making = dir(&format!("{name}.new-{}", process::id()));
    let files = making.join("packages");
    fs::create_dir_all(&files).with_context(|| format!("cannot make {}", files.display()))?;
    apt.download(packages, &files)?;
    for file in fs::read_dir(&files)? {
        let file = file?.path();
        let status = Command::new("dpkg").arg("-x").arg(&file).arg(&making).status();
        if !status.context("cannot run dpkg")?.success() {
            bail!("cannot unpack {}", file.display());
        }
    }
    fs::remove_dir_all(&files)?;
    for program in programs {
        wrap(&making, &whole, program)?;
    }
    let _ = fs::remove_dir_all(&whole);
    fs::rename(&making, &whole).with_context(|| format!("cannot make {}", whole.display()))?;
    Ok(())
}

/// Removes what processes that are gone did not finish.
fn clear_half_made(name: &str) {
    for entry in fs::read_dir(paths::testbed().join("unpacked")).into_iter().flatten().flatten() {
        let file = entry.file_name();
        let rest = file.to_str().and_then(|file| file.strip_prefix(name)?.strip_prefix(".new-"));
        if rest.and_then(|pid| pid.parse().ok()).is_some_and(|pid| !exists(pid)) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Writes the wrapper into `making`, for the time when it is called `whole`.
fn wrap(making: &Path, whole: &Path, program: &str) -> Result<()> {
    let mut libraries = Vec::new();
    for top in ["lib", "usr/lib"] {
        for entry in fs::read_dir(making.join(top)).into_iter().flatten() {
            let folder = entry?.file_name();
            // Debian's folders for libraries are called after the machine: x86_64-linux-gnu.
            if folder.to_string_lossy().ends_with("-linux-gnu") {
                libraries.push(whole.join(top).join(folder).display().to_string());
            }
        }
    }
    let target = whole.join(program).display().to_string();
    let script = format!(
        "#!/bin/sh\nLD_LIBRARY_PATH={} exec {} \"$@\"\n",
        quoted(&libraries.join(":")),
        quoted(&target)
    );
    let name = Path::new(program).file_name().context("program without a name")?;
    let wrapper = making.join("wrapper").join(name);
    fs::create_dir_all(making.join("wrapper"))?;
    fs::write(&wrapper, script)?;
    fs::set_permissions(&wrapper, Permissions::from_mode(0o755))?;
    Ok(())
}

/// For a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
