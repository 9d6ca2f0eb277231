//! The Debian packages that building, the demo and the tests need: what is missing, and getting it.
//!
//! A package is *installed* by apt, or *unpacked* into `target/testbed/unpacked`, which leaves the system as it is: noVNC (which
//! would bring 50 packages), spice-html5, the SSH server, SASL's tools, nginx, HAProxy, PostgreSQL and MariaDB (whose daemons would start at once), and QEMU where installing it would remove something. Nothing is
//! ever removed or downgraded: `apt` holds that line, `unpack` is the way round it.

use std::env;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::lease::as_root;
use crate::{paths, process};

mod apt;
mod databases;
mod list;
mod unpack;

use apt::Apt;
pub use databases::{MariaDbFiles, mariadb, postgres};
pub use list::Purpose;
use list::{HAPROXY, MARIADB, NGINX, POSTGRES, Package, QEMU, SASLPASSWD, SSHD};

/// Gets what is missing for `purpose`, after asking on the terminal unless `yes` is set or `CI=true` is in the environment.
///
/// `task` is who needs them: `cargo xtask demo`. Returns whether anything was missing.
///
/// # Errors
///
/// The answer is no, root cannot be had, or apt fails; the error has apt's last words and names its log.
pub fn provide(purpose: Purpose, task: &str, yes: bool) -> Result<bool> {
    let missing = missing(purpose)?;
    if missing.is_empty() {
        return Ok(false);
    }
    let mut out = io::stdout().lock();
    let count = match missing.len() {
        1 => "1 Debian package".to_owned(),
        more => format!("{more} Debian packages"),
    };
    writeln!(out, "{task} needs {count} that this machine lacks:")?;
    for Package { name, why, unpacked } in &missing {
        let how = if *unpacked { "; unpacked under target/, not installed" } else { "" };
        writeln!(out, "  {name:<28} {why}{how}")?;
    }
    drop(out);
    ensure!(
        paths::program("apt-get").is_some(),
        "apt-get is missing: this can only be done by itself on Debian and its kin"
    );
    if !yes && env::var_os("CI").is_none_or(|ci| ci != "true") {
        ask()?;
    }
    gain_root()?;
    get(&missing, &mut Apt::new()?)?;
    Ok(true)
}

/// Whether something is missing for `purpose`.
///
/// # Errors
///
/// `dpkg-query` cannot be run.
pub fn is_missing(purpose: Purpose) -> Result<bool> {
    Ok(!missing(purpose)?.is_empty())
}

/// Makes sure that [`as_root`] works: asks for the password of `sudo` once where need be.
///
/// # Errors
///
/// There is no `sudo`, or it refuses.
pub fn gain_root() -> Result<()> {
    if process::is_root() || as_root("true").output().is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    let Ok(status) = Command::new("sudo").arg("-v").status() else {
        bail!("root is needed, and there is no sudo: run it as root, or install sudo");
    };
    ensure!(status.success(), "root is needed, and sudo refuses");
    Ok(())
}

fn ask() -> Result<()> {
    let mut out = io::stdout().lock();
    write!(out, "Get them now with apt-get? Nothing is removed or downgraded. [Y/n] ")?;
    out.flush()?;
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer)?;
    match answer.trim().to_lowercase().as_str() {
        "" | "y" | "yes" if read > 0 => Ok(()),
        _ => bail!("nothing was installed (--yes installs without asking)"),
    }
}

/// What is not there yet.
fn missing(purpose: Purpose) -> Result<Vec<Package>> {
    let packages = purpose.packages();
    let names: Vec<&str> = packages.iter().map(|package| package.name).collect();
    let there = apt::installed(&names)?;
    let is_there = |package: &Package| {
        // A database's package says nothing about where its programs are.
        let installed = there.iter().any(|name| name == package.name);
        installed && ![POSTGRES, MARIADB].contains(&package.name)
            || match package.name {
                QEMU => Emulator::find().is_ok(),
                "novnc" => novnc().is_ok(),
                "spice-html5" => spice_html5().is_ok(),
                "openssh-server" => sshd().is_ok(),
                "sasl2-bin" => saslpasswd().is_ok(),
                "nginx" => nginx().is_ok(),
                "haproxy" => haproxy().is_ok(),
                POSTGRES => postgres().is_ok(),
                MARIADB => mariadb().is_ok(),
                _ => false,
            }
    };
    Ok(packages.into_iter().filter(|package| !is_there(package)).collect())
}

/// Gets the missing ones: all in one go where apt can, else one by one.
fn get(missing: &[Package], apt: &mut Apt) -> Result<()> {
    apt.update()?;
    let mut wanted: Vec<String> = Vec::new();
    for package in missing.iter().filter(|package| !package.unpacked) {
        match apt.harmless(package.name)? {
            Some(version) => wanted.push(version),
            None if package.name == QEMU => {
                let closure = apt.closure(QEMU)?;
                unpack::unpack(apt, QEMU, &closure, &["usr/bin/qemu-system-x86_64"])?;
                Emulator::find()?;
            }
            None => bail!(
                "package {} cannot be installed without removing or downgrading another: \
                 `apt-get -s install {}` tells which",
                package.name,
                package.name
            ),
        }
    }
    apt.install(&wanted)?;
    for package in missing.iter().filter(|package| package.unpacked) {
        match package.name {
            "novnc" | "spice-html5" => {
                unpack::unpack(apt, package.name, &[package.name.into()], &[])?;
            }
            POSTGRES => databases::unpack_postgres(apt)?,
            MARIADB => databases::unpack_mariadb(apt)?,
            name => {
                let program = match name {
                    "sasl2-bin" => SASLPASSWD,
                    "nginx" => NGINX,
                    "haproxy" => HAPROXY,
                    _ => SSHD,
                };
                let closure = apt.closure(name)?;
                unpack::unpack(apt, name, &closure, &[program])?;
            }
        }
    }
    Ok(())
}

/// The QEMU that libvirt is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Emulator {
    /// The system's own.
    Installed,
    /// An unpacked one: a wrapper called `qemu-system-x86_64` in this folder.
    Unpacked(PathBuf),
}

impl Emulator {
    /// The system's, else the unpacked one if it runs.
    ///
    /// # Errors
    ///
    /// Neither is there.
    pub fn find() -> Result<Self> {
        if paths::program("qemu-system-x86_64").is_some() {
            return Ok(Self::Installed);
        }
        match unpack::wrapper(QEMU, "qemu-system-x86_64") {
            Some(wrapper) if runs(&wrapper) => {
                Ok(Self::Unpacked(wrapper.parent().unwrap_or(&wrapper).to_path_buf()))
            }
            _ => bail!("QEMU is missing: run `cargo xtask setup` (package {QEMU})"),
        }
    }

    /// The folder that must come first in libvirtd's `PATH`.
    pub fn first_path(&self) -> Option<&Path> {
        match self {
            Self::Installed => None,
            Self::Unpacked(dir) => Some(dir),
        }
    }
}

fn runs(program: &Path) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// The folder that has noVNC's `core/rfb.js`.
///
/// # Errors
///
/// It is neither installed nor unpacked.
pub fn novnc() -> Result<PathBuf> {
    let system = PathBuf::from("/usr/share/novnc");
    let unpacked = unpack::dir("novnc").join("usr/share/novnc");
    [system, unpacked]
        .into_iter()
        .find(|dir| dir.join("core/rfb.js").is_file())
        .context("noVNC is missing: run `cargo xtask setup` (package novnc)")
}

/// The folder that has spice-html5's `spiceconn.js`.
///
/// # Errors
///
/// It is neither installed nor unpacked.
pub fn spice_html5() -> Result<PathBuf> {
    let system = PathBuf::from("/usr/share/spice-html5");
    let unpacked = unpack::dir("spice-html5").join("usr/share/spice-html5");
    [system, unpacked]
        .into_iter()
        .find(|dir| dir.join("spiceconn.js").is_file())
        .context("spice-html5 is missing: run `cargo xtask setup` (package spice-html5)")
}

/// saslpasswd2(8).
///
/// # Errors
///
/// It is neither installed nor unpacked.
pub fn saslpasswd() -> Result<PathBuf> {
    paths::program("saslpasswd2")
        .or_else(|| unpack::wrapper("sasl2-bin", "saslpasswd2"))
        .context("saslpasswd2 is missing: run `cargo xtask setup` (package sasl2-bin)")
}

/// The SSH server's program, to be called by its absolute path.
///
/// # Errors
///
/// It is neither installed nor unpacked.
pub fn sshd() -> Result<PathBuf> {
    paths::program("sshd")
        .or_else(|| unpack::wrapper("openssh-server", "sshd"))
        .context("sshd is missing: run `cargo xtask setup` (package openssh-server)")
}

/// nginx(8).
///
/// # Errors
///
/// It is neither installed nor unpacked.
pub fn nginx() -> Result<PathBuf> {
    paths::program("nginx")
        .or_else(|| unpack::wrapper("nginx", "nginx"))
        .context("nginx is missing: run `cargo xtask setup` (package nginx)")
}

/// haproxy(1).
///
/// # Errors
///
/// It is neither installed nor unpacked.
pub fn haproxy() -> Result<PathBuf> {
    paths::program("haproxy")
        .or_else(|| unpack::wrapper("haproxy", "haproxy"))
        .context("haproxy is missing: run `cargo xtask setup` (package haproxy)")
}
