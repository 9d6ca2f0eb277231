//! Running apt so that it can only add: what it would do is looked at before it does it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::lease::as_root;
use crate::{paths, wait};

/// Given to each apt-get: another one may be at work; wait for it up to five minutes.
const LOCK: &str = "DPkg::Lock::Timeout=300";

/// apt, its output going to a log.
#[derive(Debug)]
pub(super) struct Apt {
    log: PathBuf,
}

impl Apt {
    pub(super) fn new() -> Result<Self> {
        let dir = paths::testbed();
        fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let log = dir.join("apt.log");
        File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        Ok(Self { log })
    }

    pub(super) fn update(&mut self) -> Result<()> {
        let mut command = apt_get();
        command.arg("update");
        self.run("reading the package lists", command)
    }

    /// Installs packages (`name` or `name=version`) that [`harmless`](Self::harmless) let pass.
    pub(super) fn install(&mut self, packages: &[String]) -> Result<()> {
        if packages.is_empty() {
            return Ok(());
        }
        // --no-remove makes apt refuse what a change since the simulation might have brought; it does not downgrade by itself.
        let mut command = apt_get();
        command.args(["install", "-y", "--no-install-recommends", "--no-remove"]).args(packages);
        let count = packages.len();
        let what =
            if count == 1 { "package and what it needs" } else { "packages and what they need" };
        self.run(&format!("installing {count} {what}"), command)
    }

    /// Downloads packages as files into `dir`, installing nothing.
    pub(super) fn download(&mut self, packages: &[String], dir: &std::path::Path) -> Result<()> {
        let mut command = Command::new("apt-get");
        // As root apt would fetch as the user _apt, who may not write to our folder.
        command.args(["-o", "APT::Sandbox::User="]).arg("download").args(packages);
        command.current_dir(dir);
        let count = packages.len();
        let what = if count == 1 { "package" } else { "packages" };
        self.run(&format!("downloading {count} {what} to unpack"), command)
    }

    /// How `package` can be installed without removing or downgrading anything: `name` or `name=version`; `None` if it cannot.
    pub(super) fn harmless(&self, package: &str) -> Result<Option<String>> {
        if simulate(package)?.is_some_and(|plan| plan.only_adds()) {
            return Ok(Some(package.to_owned()));
        }
        for version in versions(package)? {
            let pinned = format!("{package}={version}");
            if simulate(&pinned)?.is_some_and(|plan| plan.only_adds()) {
                return Ok(Some(pinned));
            }
        }
        Ok(None)
    }

    /// `package` and all that it needs beyond what is installed, as `name=version`.
    pub(super) fn closure(&self, package: &str) -> Result<Vec<String>> {
        let plan = simulate(package)?;
        let plan = plan.with_context(|| format!("apt knows no way to install {package}"))?;
        Ok(plan.added.into_iter().map(|(name, version)| format!("{name}={version}")).collect())
    }

    /// Runs it with its output in the log, showing `what` and how long it took.
    pub(super) fn run(&mut self, what: &str, mut command: Command) -> Result<()> {
        let mut out = io::stdout().lock();
        write!(out, "  {what} … ")?;
        out.flush()?;
        let log = OpenOptions::new().append(true).open(&self.log)?;
        let start = Instant::now();
        let status = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .status()
            .with_context(|| format!("cannot run {}", command.get_program().to_string_lossy()))?;
        writeln!(out, "{:.1} s", start.elapsed().as_secs_f32())?;
        let text = fs::read(&self.log).unwrap_or_default();
        ensure!(
            status.success(),
            "{what} failed; the end of {}:\n{}",
            self.log.display(),
            wait::tail(&String::from_utf8_lossy(&text))
        );
        Ok(())
    }
}

fn apt_get() -> Command {
    let mut command = as_root("env");
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-o", LOCK]);
    command
}

/// Which of `names` are installed.
pub(super) fn installed(names: &[&str]) -> Result<Vec<String>> {
    let output = Command::new("dpkg-query")
        .args(["-W", "-f", "${db:Status-Status} ${Package}\\n"])
        .args(names)
        .output();
    let Ok(output) = output else {
        // Not Debian: whatever is there was put there by other means.
        return Ok(Vec::new());
    };
    let list = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(list.lines().filter_map(|line| line.strip_prefix("installed ")).map(String::from).collect())
}

/// The versions that apt knows, best first.
fn versions(package: &str) -> Result<Vec<String>> {
    let output = Command::new("apt-cache").args(["madison", package]).output()?;
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(table.lines().filter_map(|line| line.split('|').nth(1)).map(|v| v.trim().into()).collect())
}

/// The first package of a name that begins with `prefix` and that `package` depends on: what a metapackage stands for.
pub(super) fn dependency(package: &str, prefix: &str) -> Result<String> {
    let output =
        Command::new("apt-cache").args(["depends", package]).env("LC_ALL", "C").output()?;
    let list = String::from_utf8_lossy(&output.stdout).into_owned();
    list.lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "))
        .find(|name| name.starts_with(prefix))
        .map(str::to_owned)
        .with_context(|| format!("apt knows no {prefix}… that {package} depends on"))
}

/// What apt would do.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    /// Name and version of what comes.
    added: Vec<(String, String)>,
    /// What goes.
    removed: Vec<String>,
    /// Whether something gets an older version than it has.
    downgrades: bool,
}

impl Plan {
    fn only_adds(&self) -> bool {
        self.removed.is_empty() && !self.downgrades
    }
}

/// What apt would do to install `package`; `None` if it knows no way.
fn simulate(package: &str) -> Result<Option<Plan>> {
    let output = Command::new("apt-get")
        .args(["-s", "install", "--no-install-recommends", package])
        .env("LC_ALL", "C")
        .output()
        .context("cannot run apt-get")?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(output.status.success().then(|| plan(&text)))
}

/// Reads the lines `Inst name (version …)`, `Inst name [old version] (version …)` and `Remv name …`.
fn plan(text: &str) -> Plan {
    // apt's own summary; the simulation of a downgrade succeeds where the real one would be refused.
    let mut plan =
        Plan { downgrades: text.contains("packages will be DOWNGRADED"), ..Plan::default() };
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("Inst"), Some(name)) => {
                let version = words.find_map(|word| word.strip_prefix('('));
                plan.added.push((name.into(), version.unwrap_or_default().into()));
            }
            (Some("Remv"), Some(name)) => plan.removed.push(name.into()),
            _ => {}
        }
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulation_is_read() {
        let text = "\
The following packages will be REMOVED:
  qemu-utils
Remv qemu-utils [1:10.0.2+ds-2] []
Inst seabios (1.16.2-1 Debian:12.15/oldstable [all]) []
Inst libc6 [2.36-9] (2.36-10 Debian:12.15/oldstable [amd64])
Conf seabios (1.16.2-1 Debian:12.15/oldstable [all])
";
        let plan = plan(text);
        let added = [("seabios", "1.16.2-1"), ("libc6", "2.36-10")];
        assert_eq!(plan.added, added.map(|(name, version)| (name.into(), version.into())));
        assert_eq!(plan.removed, ["qemu-utils"]);
        assert!(!plan.only_adds());
    }

    #[test]
    fn a_downgrade_is_not_harmless() {
        let text =
            "The following packages will be DOWNGRADED:\n  qemu-utils\nInst qemu-utils [2] (1 x)\n";
        assert!(!plan(text).only_adds());
        assert!(plan("Inst novnc (1:1.3.0-1 Debian:12 [all])\n").only_adds());
    }
}
