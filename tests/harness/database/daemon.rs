//! What a database's daemon has in common with the next: a port of its own, an end, a new beginning, and standing still in between.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal};

use crate::lease::{GRACE, Leashed};
use crate::ports::PortRange;
use crate::wait;

/// From start to the first answer, on a busy machine.
const READY: Duration = Duration::from_secs(60);

/// Stops process $1 first, so that it forks no more, then its children; lets all go on when the lease ends: a stopped process would
/// outlive whoever is to end it.
const STAND_STILL: &str = r#"
kill -STOP "$1"
pids=$1
for status in $(grep -ls "^PPid:[[:space:]]*$1\$" /proc/[0-9]*/status); do
    status=${status#/proc/}
    pids="$pids ${status%/status}"
done
# One of them may have ended meanwhile.
kill -STOP $pids 2>/dev/null || :
: >"$2"
read -r _ || :
kill -CONT $pids 2>/dev/null || :
"#;

/// How one kind of daemon is run.
#[derive(Debug)]
pub(super) struct Recipe {
    /// For its log and messages.
    pub(super) name: &'static str,
    /// Its folder.
    pub(super) dir: PathBuf,
    /// What is run, and with what; the port comes after it.
    pub(super) command: Vec<OsString>,
    /// The option that takes the port: `--port=`.
    pub(super) port_option: &'static str,
    /// What makes it end with whoever is connected.
    pub(super) end: Signal,
    /// Whether the process answers at this address.
    pub(super) answers: fn(dir: &Path, Pid, SocketAddr) -> bool,
}

/// A daemon that runs, stands still or is switched off. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Daemon {
    // Dropped in this order: what stands still does not end.
    still: Option<Still>,
    process: Option<Leashed>,
    recipe: Recipe,
    port: u16,
    _ports: PortRange,
}

impl Daemon {
    /// Starts it on a free port and waits until it answers.
    pub(super) fn start(recipe: Recipe) -> Result<Self> {
        let ports = PortRange::claim()?;
        let mut refused = None;
        for port in ports.displays() {
            // Somebody who knows nothing of our ranges may have it, or get it before the daemon does.
            if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err() {
                continue;
            }
            match launch(&recipe, port) {
                Ok(process) => {
                    let process = Some(process);
                    return Ok(Self { still: None, process, recipe, port, _ports: ports });
                }
                Err(error) if format!("{error:#}").contains("in use") => refused = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(refused.unwrap_or_else(|| anyhow::anyhow!("{}: all ports are taken", recipe.name)))
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn stop(&mut self) -> Result<()> {
        drop(self.still.take());
        let Some(mut process) = self.process.take() else {
            bail!("{} does not run", self.recipe.name);
        };
        // It may have ended by itself.
        let _ = process.signal(self.recipe.end);
        wait::until(&format!("{} to end", self.recipe.name), GRACE, || process.try_wait())
            .map(drop)
            .map_err(|error| wait::with_log(&error, self.recipe.name, &process.log()))
    }

    pub(super) fn start_again(&mut self) -> Result<()> {
        ensure!(self.process.is_none(), "{} runs", self.recipe.name);
        self.process = Some(launch(&self.recipe, self.port)?);
        Ok(())
    }

    pub(super) fn pause(&mut self) -> Result<()> {
        let process = self.process.as_ref().context("it does not run")?;
        ensure!(self.still.is_none(), "{} stands still already", self.recipe.name);
        self.still = Some(Still::new(process.pid(), &self.recipe.dir)?);
        Ok(())
    }

    pub(super) fn resume(&mut self) -> Result<()> {
        let still = self.still.take();
        still.with_context(|| format!("{} was not paused", self.recipe.name)).map(drop)
    }

    pub(super) fn log(&self) -> String {
        let log = self.recipe.dir.join(format!("{}.log", self.recipe.name));
        String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.process.is_some() {
            // Leashed kills what does not end.
            let _ = self.stop();
        }
    }
}

/// Runs it and waits until it answers.
fn launch(recipe: &Recipe, port: u16) -> Result<Leashed> {
    let name = recipe.name;
    let (program, args) = recipe.command.split_first().context("no command")?;
    let port_option = OsString::from(format!("{}{port}", recipe.port_option));
    let args: Vec<&OsStr> = args.iter().chain([&port_option]).map(OsString::as_os_str).collect();
    let mut process = Leashed::start(name, Path::new(program), &args, &[], &recipe.dir)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    wait::until(&format!("{name} to answer"), READY, || {
        if let Some(status) = process.try_wait()? {
            bail!("{name} ended at once: {status}");
        }
        Ok((recipe.answers)(&recipe.dir, process.pid(), address).then_some(()))
    })
    .map_err(|error| wait::with_log(&error, name, &process.log()))?;
    Ok(process)
}

/// Processes that stand still until it is dropped, or until this process ends.
#[derive(Debug)]
struct Still {
    shell: Child,
    lease: Option<ChildStdin>,
}

impl Still {
    fn new(pid: Pid, dir: &Path) -> Result<Self> {
        let mark = dir.join("paused");
        let _ = fs::remove_file(&mark);
        let mut shell = Command::new("sh")
            .args(["-c", STAND_STILL, "still", &pid.to_string()])
            .arg(&mark)
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .context("cannot run sh")?;
        let lease = shell.stdin.take();
        let still = Self { shell, lease };
        wait::until("a daemon to stand still", GRACE, || Ok(mark.exists().then_some(())))?;
        Ok(still)
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        drop(self.lease.take());
        if wait::until("a daemon to go on", GRACE, || Ok(self.shell.try_wait()?)).is_err() {
            let _ = self.shell.kill();
            let _ = self.shell.wait();
        }
    }
}
