//! Processes that cannot outlive the one that started them, however it ends.
//!
//! Each is started by a shell that holds the reading end of a pipe: the *lease*. The writing end lives in this process
//! only, so the kernel closes it when this process drops it, exits, panics or is killed by SIGKILL, and the shell then ends
//! what it started. (Linux's parent-death signal would not do: it fires when the *thread* that forked ends, and a test
//! runs in a thread.)
//!
//! [`Caged`] puts the shell and all that it starts in a PID namespace of their own, where the shell is process 1: when it
//! exits the kernel kills the rest, daemons that detached themselves included. As process 1 it also reaps at
//! once, so that nobody waits for a zombie. That needs root: for others it goes through `sudo -n`.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal};

use crate::{process, wait};

/// How long what was started may take to end before it is killed.
pub const GRACE: Duration = Duration::from_secs(10);

/// What the shell does around a cage's script. The script defines the functions `prepare`, `work` (runs in the background)
/// and `finish`; a line that comes over the lease is the name of a function to call, and maybe its argument.
const CAGE: &str = r#"
set -eu
exec 3<&0 </dev/null
prepare
{ work 3<&-; echo "$?" >"$ended"; } &
while read -r word argument; do "$word" "$argument" || echo "$word $argument failed"; done <&3 3<&- &
wait "$!" || :
kill -KILL -1 2>/dev/null || :
wait
finish
"#;

/// The shell around a plain child: tells its PID, ends it when the lease ends, passes its exit status on.
const LEASH: &str = r#"
exec 3<&0 </dev/null
"$@" 3<&- &
pid=$!
echo "$pid" >"$PID_FILE.new" && mv "$PID_FILE.new" "$PID_FILE"
{
    read -r _ <&3
    kill -TERM "$pid"
    tenths=0
    while kill -0 "$pid" && [ "$tenths" -lt 100 ]; do sleep 0.1; tenths=$((tenths + 1)); done
    kill -KILL "$pid"
} 2>/dev/null 1>&2 &
watch=$!
exec 3<&-
wait "$pid"
status=$?
# Not to signal, one day, whoever gets the number next.
kill "$watch"
exit "$status"
"#;

/// A script and all that it started, in namespaces of their own. Dropping it ends them all.
#[derive(Debug)]
pub struct Caged {
    child: Child,
    lease: Option<ChildStdin>,
    log: PathBuf,
    ended: PathBuf,
}

impl Caged {
    /// Runs `script` (see the module's text for what it defines) as process 1 of new PID and mount namespaces.
    ///
    /// `dir` takes the log (`NAME.log`) and a mark that the work has ended; `env` is added to the environment.
    ///
    /// # Errors
    ///
    /// `unshare` or `sudo` cannot be run.
    pub fn start(name: &str, script: &str, dir: &Path, env: &[(&str, &OsStr)]) -> Result<Self> {
        let log = dir.join(format!("{name}.log"));
        let ended = dir.join(format!("{name}.ended"));
        let out = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;

        let mut command = as_root("env");
        for (key, value) in [("ended", ended.as_os_str())].iter().chain(env) {
            let mut pair = OsStr::new(key).to_os_string();
            pair.push("=");
            pair.push(value);
            command.arg(pair);
        }
        command
            .args(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .args(["sh", "-c", &format!("{script}\n{CAGE}"), name])
            .stdin(Stdio::piped())
            .stdout(out.try_clone()?)
            .stderr(out)
            .process_group(0);
        let mut child = command.spawn().context("cannot run unshare (package util-linux)")?;
        let lease = child.stdin.take();
        Ok(Self { child, lease, log, ended })
    }

    /// Calls one of the script's functions; does not wait for it.
    ///
    /// # Errors
    ///
    /// The script has ended.
    pub fn call(&mut self, function: &str) -> Result<()> {
        match &mut self.lease {
            Some(lease) => writeln!(lease, "{function}").context("the cage has ended"),
            None => bail!("the cage has ended"),
        }
    }

    /// Whether the script's work, or the whole cage, has ended by itself.
    ///
    /// # Errors
    ///
    /// The state of the child cannot be read.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.ended.exists() || self.child.try_wait()?.is_some())
    }

    /// All that was written to stdout and stderr so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The PID of the outermost process (`sudo` or `unshare`).
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Caged {
    fn drop(&mut self) {
        drop(self.lease.take());
        let ended = wait::until("the cage's end", GRACE, || Ok(self.child.try_wait()?));
        if ended.is_err() {
            // --kill-child makes the rest follow. Behind sudo the process is root's, so the kill goes there as well.
            let _ = as_root("kill").args(["-KILL", &self.child.id().to_string()]).status();
            let _ = self.child.wait();
        }
    }
}

/// A plain child process that ends with us. Dropping it sends SIGTERM, and SIGKILL after [`GRACE`].
#[derive(Debug)]
pub struct Leashed {
    shell: Child,
    lease: Option<ChildStdin>,
    pid: Pid,
    log: PathBuf,
    status: Option<ExitStatus>,
}

impl Leashed {
    /// Runs `program` with `env` added to the environment, and its stdout and stderr in `dir/NAME.log`; its own process group keeps Ctrl-C from it.
    ///
    /// # Errors
    ///
    /// The shell cannot be run or tells no PID.
    pub fn start(
        name: &str,
        program: &Path,
        args: &[&OsStr],
        env: &[(String, String)],
        dir: &Path,
    ) -> Result<Self> {
        let log = dir.join(format!("{name}.log"));
        let pid_file = dir.join(format!("{name}.pid"));
        let _ = fs::remove_file(&pid_file);
        let out = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = Command::new("sh");
        for (key, _) in env::vars_os() {
            // The settings of whoever runs the tests are not the test's.
            if key == "RUST_LOG" || key.to_string_lossy().starts_with("WS_") {
                command.env_remove(key);
            }
        }
        let mut shell = command
            .args(["-c", LEASH, name])
            .arg(program)
            .args(args)
            .envs(env.iter().map(|(key, value)| (key, value)))
            .env("PID_FILE", &pid_file)
            .stdin(Stdio::piped())
            .stdout(out.try_clone()?)
            .stderr(out)
            .process_group(0)
            .spawn()
            .context("cannot run sh")?;
        let lease = shell.stdin.take();
        let pid = wait::until("the PID of a new process", GRACE, || {
            let told = fs::read_to_string(&pid_file).unwrap_or_default();
            Ok(told.trim().parse().ok().and_then(Pid::from_raw))
        })?;
        Ok(Self { shell, lease, pid, log, status: None })
    }

    /// The program's own PID (not the shell's).
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// All that was written to stdout and stderr so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// How the program ended (a shell's reading: 128 + signal), if it has.
    ///
    /// # Errors
    ///
    /// The state of the child cannot be read.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = self.shell.try_wait()?;
        }
        Ok(self.status)
    }

    /// Sends a signal to the program itself.
    ///
    /// # Errors
    ///
    /// It has ended, or is not ours.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.try_wait()?.is_some() {
            bail!("process {} has ended", self.pid);
        }
        process::signal(self.pid, signal)
    }

    /// Sends SIGTERM and waits for the end, at most `bound`; then kills.
    ///
    /// # Errors
    ///
    /// It had to be killed.
    pub fn stop(&mut self, bound: Duration) -> Result<ExitStatus> {
        if let Some(status) = self.try_wait()? {
            return Ok(status);
        }
        // It may have ended by now, its shell not yet.
        let _ = process::signal(self.pid, Signal::TERM);
        let ended = wait::until("the end of a process after SIGTERM", bound, || self.try_wait());
        if ended.is_err() {
            let _ = process::signal(self.pid, Signal::KILL);
            self.status = Some(self.shell.wait()?);
        }
        ended
    }
}

impl Drop for Leashed {
    fn drop(&mut self) {
        let _ = self.stop(GRACE);
        drop(self.lease.take());
    }
}

/// A command that runs `program` as root: itself when we are root, through `sudo -n` otherwise.
pub fn as_root(program: &str) -> Command {
    if process::is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["-n", "--", program]);
    command
}
