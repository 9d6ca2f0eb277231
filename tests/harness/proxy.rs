//! The real `webvirtmgr-console`, built by cargo and run with a configuration of the test's.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal};
use uuid::Uuid;

use crate::check::{self, Checked};
use crate::lease::{Leashed, as_root};
use crate::process::Usage;
use crate::{packages, paths, wait};

const PROGRAM: &str = "webvirtmgr-console";
/// From start to listening.
const READY: Duration = Duration::from_secs(20);
/// From SIGTERM to the end: longer than the proxy lets its sessions drain.
const STOP: Duration = Duration::from_secs(20);
/// How long a diagnosis may take on a loaded machine: its own checks are bounded.
const CHECKED: Duration = Duration::from_secs(120);
/// What the proxy's log says when it listens, before the address.
const LISTENING: &str = "listening on ";

/// Runs a program on a machine that has a home for its user, a libvirt and certificates of its own, as far as these are given: the first
/// argument is a folder with `passwd`, `run-libvirt` and `pki`.
const ON_A_MACHINE: &str = r#"
if [ -e "$0/run-libvirt" ]; then
    mount -t tmpfs tmpfs /run
    mkdir /run/libvirt
    mount --bind "$(readlink -f "$0/run-libvirt")" /run/libvirt
fi
if [ -e "$0/pki" ]; then
    pki=$(readlink -f "$0/pki")
    cp -a /etc "$0/etc"
    mkdir -p "$0/etc/pki/CA" "$0/etc/pki/libvirt/private"
    cp "$pki/cacert.pem" "$0/etc/pki/CA/"
    cp "$pki/clientcert.pem" "$0/etc/pki/libvirt/"
    cp "$pki/clientkey.pem" "$0/etc/pki/libvirt/private/"
    mount --bind "$0/etc" /etc
fi
if [ -e "$0/passwd" ]; then mount --bind "$0/passwd" /etc/passwd; fi
exec "$@"
"#;

/// A proxy in the making.
#[derive(Clone, Debug)]
pub struct ProxyBuilder {
    dir: PathBuf,
    settings: String,
    hosts: String,
    spice_root: Option<PathBuf>,
    address: String,
    port: u16,
    places: Vec<String>,
    args: Vec<String>,
    env: Vec<(String, String)>,
    home: Option<PathBuf>,
    libvirt: Option<PathBuf>,
    pki: Option<PathBuf>,
    has_file: bool,
}

impl ProxyBuilder {
    /// A proxy on 127.0.0.1, the port chosen by the kernel, with no hosts; its files go to `dir`.
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_path_buf(),
            settings: String::new(),
            hosts: String::new(),
            spice_root: None,
            address: "127.0.0.1".into(),
            port: 0,
            places: Vec::new(),
            args: Vec::new(),
            env: Vec::new(),
            home: None,
            libvirt: None,
            pki: None,
            has_file: true,
        }
    }

    /// Adds a host whose libvirtd is at `uri`.
    #[must_use]
    pub fn host(mut self, id: u64, name: &str, uri: &str) -> Self {
        let (name, uri) = (quoted(name), quoted(uri));
        // Writing to a string cannot fail.
        let _ = write!(
            self.hosts,
            "\n[[hosts]]\nid = {id}\nname = {name}\nconnection = \"socket\"\nuri = {uri}\n"
        );
        self
    }

    /// Leaves all hosts away that were added so far.
    #[must_use]
    pub fn without_hosts(mut self) -> Self {
        self.hosts.clear();
        self
    }

    /// Adds a host with these lines of `[[hosts]]`.
    #[must_use]
    pub fn host_with(mut self, id: u64, lines: &[String]) -> Self {
        let _ = write!(self.hosts, "\n[[hosts]]\nid = {id}\n{}\n", lines.join("\n"));
        self
    }

    /// Adds a line to the configuration, in front of the hosts: `max_sessions = 3`, for instance.
    #[must_use]
    pub fn setting(mut self, line: &str) -> Self {
        self.settings.push_str(line);
        self.settings.push('\n');
        self
    }

    /// Serves another spice-html5 than the package's.
    #[must_use]
    pub fn spice_root(mut self, folder: &Path) -> Self {
        self.spice_root = Some(folder.to_owned());
        self
    }

    /// Listens on this address and port; 0 lets the kernel choose.
    #[must_use]
    pub fn listen(mut self, address: &str, port: u16) -> Self {
        self.address = address.to_owned();
        self.port = port;
        self
    }

    /// Listens at these entries of the setting `listen`, as TOML, and nowhere else.
    #[must_use]
    pub fn listen_on(mut self, entries: &[&str]) -> Self {
        self.places = entries.iter().map(ToString::to_string).collect();
        self
    }

    /// Adds an argument to the command line: `-v`, for instance.
    #[must_use]
    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    /// Adds a variable to the environment, which is otherwise free of `WS_…` and `RUST_LOG`.
    #[must_use]
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.env.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Makes `folder` its user's home, as the user database says it: for this process and those that it starts.
    #[must_use]
    pub fn home(mut self, folder: &Path) -> Self {
        self.home = Some(folder.to_owned());
        self
    }

    /// Makes this libvirtd's folder of sockets the machine's: `qemu:///system` leads there.
    #[must_use]
    pub fn libvirt(mut self, sockets: &Path) -> Self {
        self.libvirt = Some(sockets.to_owned());
        self
    }

    /// Puts the certificates in this folder where libvirt looks for root's.
    #[must_use]
    pub fn pki(mut self, folder: &Path) -> Self {
        self.pki = Some(folder.to_owned());
        self
    }

    /// Starts it without a configuration file and without any argument but those that were given.
    #[must_use]
    pub fn without_file(mut self) -> Self {
        self.has_file = false;
        self
    }

    /// Builds the program if need be, runs it and waits until it listens.
    ///
    /// # Errors
    ///
    /// It does not build, ends, or does not listen in time; the error has the end of its log.
    pub fn start(self) -> Result<Proxy> {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let name = format!("proxy-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let (program, args) = self.command_line(&name, &build()?, self.port, &[])?;
        let args: Vec<&OsStr> = args.iter().map(OsString::as_os_str).collect();
        let mut process = Leashed::start(&name, &program, &args, &self.env, &self.dir)?;
        let expected = self.places.len().max(1);
        let places = wait::until("it to listen", READY, || {
            if let Some(status) = process.try_wait()? {
                bail!("webvirtmgr-console ended at once: {status}");
            }
            let places = listen_places(&process.log());
            Ok((places.len() >= expected).then_some(places))
        })
        .map_err(|error| wait::with_log(&error, PROGRAM, &process.log()))?;
        let addresses = places.iter().filter_map(|place| place.parse().ok()).collect();
        Ok(Proxy { process, addresses })
    }

    /// Runs `console-check` with the same settings and on the same machine, as if the proxy listened on `port`, with these further arguments.
    ///
    /// # Errors
    ///
    /// It does not build, does not end in time, or prints something else than a report.
    pub fn check(&self, port: u16, further: &[&str]) -> Result<Checked> {
        Checked::run(self.check_command(port, &[further, &["--json"]].concat())?, CHECKED)
    }

    /// The command for that, whatever it prints.
    ///
    /// # Errors
    ///
    /// It does not build.
    pub fn check_command(&self, port: u16, args: &[&str]) -> Result<Command> {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let name = format!("check-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let (program, args) = self.command_line(&name, &check::build()?, port, args)?;
        // As root it sees whose the ports are, and may look with another user's eyes. sudo has an environment of its own.
        let mut command = as_root("env");
        command.args(self.env.iter().map(|(name, value)| format!("{name}={value}")));
        command.arg(program).args(args).current_dir(&self.dir);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("WS_") {
                command.env_remove(name);
            }
        }
        Ok(command)
    }

    /// Writes its files, and says what to run for `program` on its machine.
    fn command_line(
        &self,
        name: &str,
        program: &Path,
        port: u16,
        further: &[&str],
    ) -> Result<(PathBuf, Vec<OsString>)> {
        let config = self.dir.join(format!("{name}.toml"));
        let web_root = packages::novnc()?;
        let web_root = quoted(&web_root.to_string_lossy());
        let spice_root = match &self.spice_root {
            Some(folder) => folder.clone(),
            None => packages::spice_html5()?,
        };
        let spice_root = quoted(&spice_root.to_string_lossy());
        let roots = format!("web_root = {web_root}\nspice_root = {spice_root}\n");
        let listen = match self.places.as_slice() {
            [] => String::new(),
            places => format!("listen = [{}]\n", places.join(", ")),
        };
        let text = format!("{roots}{listen}{}{}", self.settings, self.hosts);
        fs::write(&config, text).with_context(|| format!("cannot write {}", config.display()))?;

        let mut args: Vec<OsString> = Vec::new();
        if self.has_file {
            args.extend(["--config".into(), config.into()]);
            if self.places.is_empty() {
                let port = port.to_string();
                args.extend(["-H", &self.address, "-p", &port].map(OsString::from));
            }
        }
        args.extend(self.args.iter().map(OsString::from));
        args.extend(further.iter().map(OsString::from));
        let given = [("run-libvirt", &self.libvirt), ("pki", &self.pki)];
        if self.home.is_none() && given.iter().all(|(_, one)| one.is_none()) {
            return Ok((program.to_owned(), args));
        }
        let machine = self.dir.join(format!("{name}.machine"));
        fs::create_dir(&machine)?;
        if let Some(home) = &self.home {
            fs::write(machine.join("passwd"), users_with(home)?)?;
        }
        for (link, folder) in given {
            if let Some(folder) = folder {
                std::os::unix::fs::symlink(folder, machine.join(link))?;
            }
        }
        let mut all = ["--mount", "sh", "-ec", ON_A_MACHINE].map(OsString::from).to_vec();
        all.extend([machine.into(), program.into()]);
        all.extend(args);
        Ok(("unshare".into(), all))
    }
}

/// A running proxy. Dropping it sends SIGTERM and waits; a proxy that does not end is killed, and one that ends otherwise than in order
/// fails the test.
#[derive(Debug)]
pub struct Proxy {
    process: Leashed,
    addresses: Vec<SocketAddr>,
}

impl Proxy {
    /// Where it listens: the first TCP address.
    pub fn address(&self) -> SocketAddr {
        self.addresses().first().copied().unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)))
    }

    /// All TCP addresses where it listens, in their order.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The console page of a guest of host 1.
    pub fn page_url(&self, domain: Uuid) -> String {
        self.page_url_at(1, domain)
    }

    /// The console page of a guest of this host.
    pub fn page_url_at(&self, host: u64, domain: Uuid) -> String {
        format!("http://{}/console?token={host}-{domain}", self.address())
    }

    /// A WebSocket to the console of a guest of host 1.
    pub fn websocket_url(&self, domain: Uuid) -> String {
        format!("ws://{}/?token=1-{domain}", self.address())
    }

    /// Its PID.
    pub fn pid(&self) -> Pid {
        self.process.pid()
    }

    /// What it holds now.
    ///
    /// # Errors
    ///
    /// It has ended.
    pub fn usage(&self) -> Result<Usage> {
        Usage::of(self.pid())
    }

    /// All that it logged so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Waits until its log has `text`.
    ///
    /// # Errors
    ///
    /// It has not within `bound`; the error has the end of the log.
    pub fn wait_for_log(&self, text: &str, bound: Duration) -> Result<()> {
        let what = format!("webvirtmgr-console to log {text:?}");
        wait::until(&what, bound, || Ok(self.log().contains(text).then_some(())))
            .map_err(|error| wait::with_log(&error, PROGRAM, &self.log()))
    }

    /// Sends it a signal.
    ///
    /// # Errors
    ///
    /// It has ended.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        self.process.signal(signal)
    }

    /// Sends SIGTERM and waits for its end.
    ///
    /// # Errors
    ///
    /// It did not end and was killed.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.process.stop(STOP)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Ok(status) = self.process.stop(STOP)
            && !std::thread::panicking()
        {
            let log = self.log();
            assert!(status.success(), "{PROGRAM} ended with {status}:\n{}", wait::tail(&log));
        }
    }
}

/// Builds the program, once in a process, in the profile that this code was built in; returns where it is.
///
/// # Errors
///
/// It does not build; the error has cargo's words.
pub fn build() -> Result<PathBuf> {
    build_program(PROGRAM)
}

/// The same for any program of this workspace's whose package has its name.
pub(crate) fn build_program(package: &'static str) -> Result<PathBuf> {
    static BUILT: Mutex<BTreeMap<&str, Result<PathBuf, String>>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let built = built.entry(package).or_insert_with(|| {
        let release = !cfg!(debug_assertions);
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(paths::workspace());
        cargo.args(["build", "--quiet", "--package", package]);
        if release {
            cargo.arg("--release");
        }
        let output = cargo.output().map_err(|error| format!("cannot run cargo: {error}"))?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{package} does not build:\n{}", wait::tail(&words)));
        }
        let profile = if release { "release" } else { "debug" };
        Ok(paths::target().join(profile).join(package))
    });
    built.clone().map_err(anyhow::Error::msg)
}

/// What stands in the lines of the log that say where it listens.
fn listen_places(log: &str) -> Vec<String> {
    // Not before a line is whole: half a port is a port, too.
    let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let places = whole.lines().filter_map(|line| line.split_once(LISTENING));
    let end = |c: char| c.is_whitespace() || c == ',';
    places.filter_map(|(_, rest)| rest.split(end).next()).map(str::to_owned).collect()
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The user database, with another home for this process's user.
fn users_with(home: &Path) -> Result<String> {
    let me = rustix::process::getuid().as_raw().to_string();
    let users = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
    let line = |user: &str| {
        let mut fields: Vec<&str> = user.split(':').collect();
        let home = home.to_string_lossy();
        if fields.get(2) == Some(&me.as_str()) {
            fields[5] = &home;
        }
        fields.join(":") + "\n"
    };
    Ok(users.lines().map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listen_lines_are_read_only_when_they_are_whole() {
        assert!(listen_places("INFO listening on 127.0.0.1:60").is_empty());
        let log = "x\nINFO listening on 127.0.0.1:6080 web_root=/x\nINFO listening on unix:/x, with the PROXY protocol\nINFO listening on [::";
        assert_eq!(listen_places(log), ["127.0.0.1:6080", "unix:/x"]);
    }
}
