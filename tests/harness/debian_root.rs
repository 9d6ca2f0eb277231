//! The root of a small Debian, made by debootstrap from the same mirror and the same release that this machine has, once for all clones.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::lease::{Caged, as_root};
use crate::{paths, tools, wait};

/// What the package depends on, what the service runs, and what the panels are run by.
const PACKAGES: &str = "adduser,dbus,libssl3,libvirt0,openssh-client,openssh-server,supervisor,systemd,systemd-sysv,zlib1g";

/// For debootstrap: a minute or two with a mirror nearby.
const MAKING: Duration = Duration::from_secs(900);

/// In a cage, so that it ends and is cleared away with the test, however that ends.
const SCRIPT: &str = r#"
prepare() { rm -rf --one-file-system -- "$new"; }
work() {
    if debootstrap --variant=minbase --include="$packages" "$codename" "$new" "$mirror"; then
        # Another process may have been quicker.
        mv --no-clobber --no-target-directory "$new" "$base" || :
    fi
}
finish() {
    umount -l "$new/proc" "$new/sys" 2>/dev/null || :
    rm -rf --one-file-system -- "$new"
}
"#;

/// The root, which is not to be changed; `dir` takes debootstrap's log.
///
/// # Errors
///
/// debootstrap is missing or fails; the error has the end of its log.
pub fn base(dir: &Path) -> Result<PathBuf> {
    // Two tests of one process make it once.
    static LOCK: Mutex<()> = Mutex::new(());
    let _making = LOCK.lock().unwrap_or_else(PoisonError::into_inner);
    let release = fs::read_to_string("/etc/os-release").context("this is no Debian")?;
    let codename = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let codename = codename.context("/etc/os-release has no VERSION_CODENAME")?.trim_matches('"');
    let names: String = PACKAGES.split(',').collect::<Vec<_>>().join("+");
    let base = tools::cache("roots")?.join(format!("{codename}+{names}"));
    if is_there(&base)? {
        return Ok(base);
    }
    paths::program("debootstrap")
        .context("debootstrap is missing: run `cargo xtask setup` (package debootstrap)")?;
    let folder = base.parent().context("no folder")?;
    fs::create_dir_all(folder)?;
    let new = folder.join(format!("new-{}", std::process::id()));
    let mirror = mirror(codename)?;
    let env = [
        ("packages", OsStr::new(PACKAGES)),
        ("codename", OsStr::new(codename)),
        ("mirror", OsStr::new(&mirror)),
        ("new", new.as_os_str()),
        ("base", base.as_os_str()),
    ];
    let mut cage = Caged::start("debootstrap", SCRIPT, dir, &env)?;
    wait::until("debootstrap", MAKING, || Ok(cage.has_ended()?.then_some(())))?;
    ensure!(is_there(&base)?, "debootstrap failed:\n{}", wait::tail(&cage.log()));
    Ok(base)
}

/// Root's alone, so we may not look into it ourselves.
fn is_there(base: &Path) -> Result<bool> {
    Ok(as_root("test").arg("-e").arg(base).status()?.success())
}

/// Where this machine has its packages from.
fn mirror(codename: &str) -> Result<String> {
    let format = "$(RELEASE) $(COMPONENT) $(SITE)";
    let asked = Command::new("apt-get").args(["indextargets", "--format", format]).output()?;
    let said = String::from_utf8_lossy(&asked.stdout);
    let wanted = format!("{codename} main ");
    let site = said.lines().find_map(|line| line.strip_prefix(&wanted));
    site.map(str::to_owned).with_context(|| format!("apt has no source for {codename} main"))
}
