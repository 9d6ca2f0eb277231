//! The Debian package and the service, where a real systemd is process 1; and supervisor with what docs/operations.md has.

use std::path::PathBuf;
use std::sync::OnceLock;

use anyhow::{Context as _, ensure};
use harness::bed::Folder;
use harness::database::{Engine, Host, Panel, PanelDatabase};
use harness::reverse_proxy::snippets;
use harness::systemd::Machine;
use harness::{Result, deb, paths, wait};

use crate::PATIENCE;

pub(crate) const UNIT: &str = "webvirtmgr-console";
pub(crate) const CONFIG: &str = "/etc/webvirtmgr-console/config.toml";
pub(crate) const OK: &str = "HTTP/1.1 200 OK";
pub(crate) const GUEST: &str = "0a000000-0000-4000-8000-000000000001";

/// A Debian with the package in it, and the files that were there before.
pub(crate) struct Installed {
    // Dropped in this order.
    pub(crate) machine: Machine,
    folder: Folder,
    before: std::collections::BTreeSet<String>,
}

impl Installed {
    pub(crate) fn new() -> Result<Self> {
        static PACKAGE: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
        let package = PACKAGE.get_or_init(|| deb::build().map_err(|error| format!("{error:#}")));
        let package = package.clone().map_err(anyhow::Error::msg)?;
        let folder = Folder::new()?;
        let machine = Machine::boot(folder.path())?;
        let before = machine.files()?;
        harness::lease::as_root("cp").arg(package).arg(machine.path("/var/tmp/it.deb")).status()?;
        machine.run("dpkg", &["-i", "/var/tmp/it.deb"])?;
        Ok(Self { machine, folder, before })
    }

    /// Both panels' kind of settings and database, where docs/operations.md says that WebVirtCloud's are.
    pub(crate) async fn panel(&self) -> Result<()> {
        let panel =
            PanelDatabase::start(Engine::Sqlite, Panel::WebVirtCloud, self.folder.path()).await?;
        let host =
            Host { name: "far", hostname: "127.0.0.1:1", login: "root", password: None, kind: 2 };
        panel.add_host(1, host).await?;
        panel.add_instance(1, "web", GUEST).await?;
        let settings =
            "WS_PORT = 6080\nWS_HOST = \"127.0.0.1\"\nWS_PUBLIC_HOST = None\nWS_CERT = None\n";
        self.machine.write("/srv/webvirtcloud/webvirtcloud/settings.py", settings)?;
        let url = panel.url();
        let file = url.strip_prefix("sqlite://").context("no file")?;
        let place = self.machine.path("/srv/webvirtcloud/db.sqlite3");
        let copied = harness::lease::as_root("cp").arg(file).arg(place).status()?;
        ensure!(copied.success());
        self.machine.run("chown", &["-R", "www-data:www-data", "/srv/webvirtcloud"])?;
        let page = std::fs::read_to_string(paths::workspace().join("docs/operations.md"))?;
        ensure!(page.contains("adduser www-data webvirtmgr-console"));
        self.machine.run("adduser", &["--quiet", "www-data", UNIT])?;
        Ok(())
    }

    pub(crate) fn drop_in(&self, name: &str, text: &str) -> Result<()> {
        let file = format!("/etc/systemd/system/{UNIT}.service.d/{name}.conf");
        self.machine.write(&file, text)?;
        self.machine.run("systemctl", &["daemon-reload"])?;
        Ok(())
    }

    /// A field of the main process's `/proc/PID/status`.
    pub(crate) fn status(&self, field: &str) -> Result<String> {
        let pid = self.machine.property(UNIT, "MainPID")?;
        let status = self.machine.run("cat", &[&format!("/proc/{pid}/status")])?;
        let line = status.lines().find_map(|line| line.strip_prefix(&format!("{field}:")));
        Ok(line.context("no such field")?.trim().to_owned())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_package_installs_serves_and_goes_without_a_trace() -> Result<()> {
    let here = Installed::new()?;
    let machine = &here.machine;
    // Installed, but nothing runs before somebody says so: the panel's script may still have the port.
    for (unit, state) in [("service", "disabled"), ("socket", "disabled")] {
        let unit = format!("{UNIT}.{unit}");
        assert_eq!(machine.output("systemctl", &["is-enabled", &unit])?.trim(), state);
        assert_eq!(machine.property(&unit, "ActiveState")?, "inactive");
    }
    let mode = machine.run("stat", &["-c", "%a %U:%G", CONFIG])?;
    assert_eq!(mode.trim(), "640 root:webvirtmgr-console");
    for program in deb::PROGRAMS {
        let manual = machine.run("zcat", &[&format!("/usr/share/man/man1/{program}.1.gz")])?;
        ensure!(manual.contains(&format!(".TH {program} 1")), "{manual}");
        for file in [
            format!("/usr/share/bash-completion/completions/{program}"),
            format!("/usr/share/zsh/vendor-completions/_{program}"),
            format!("/usr/share/fish/vendor_completions.d/{program}.fish"),
        ] {
            ensure!(machine.run("cat", &[&file])?.contains(program), "{file}");
        }
    }
    for file in ["operations.md", "troubleshooting.md", "console-check.schema.json"] {
        let file = format!("/usr/share/doc/webvirtmgr-console/{file}");
        ensure!(machine.run("cat", &[&file])?.contains("console"), "{file}");
    }
    // As it comes, it starts, and says what to do.
    machine.run("systemctl", &["start", UNIT])?;
    assert_eq!(machine.get(6080, "/")?, OK);
    ensure!(machine.journal(UNIT)?.contains("no host is configured"));

    // Its keys and known hosts, where the documentation has them.
    let keygen = "install -d -m 700 ~/.ssh && ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519 && ssh-keyscan 127.0.0.1 > ~/.ssh/known_hosts";
    machine.run("su", &["-s", "/bin/sh", UNIT, "-c", keygen])?;
    let home = "/var/lib/webvirtmgr-console";
    machine.run(
        "install",
        &["-D", "-m", "600", &format!("{home}/.ssh/id_ed25519.pub"), "/root/.ssh/authorized_keys"],
    )?;

    // "systemctl start" comes back when it listens; it has no rights and a sandbox.
    let node = "<node><domain type='test'><name>web</name><uuid>0a000000-0000-4000-8000-000000000001</uuid>\
                <memory>1024</memory><os><type>hvm</type></os></domain></node>";
    machine.write("/srv/node.xml", node)?;
    let hosts = "[[hosts]]\nid = 1\nconnection = \"socket\"\nuri = \"test:///srv/node.xml\"\n\
                 [[hosts]]\nid = 2\nconnection = \"ssh\"\nhostname = \"127.0.0.1\"\nlogin = \"root\"\n";
    machine.write(CONFIG, hosts)?;
    machine.run("systemctl", &["restart", UNIT])?;
    assert_eq!(machine.get(6080, "/")?, OK);
    assert_eq!(machine.property(UNIT, "Type")?, "notify");
    assert_eq!(machine.property(UNIT, "StatusText")?, "listening on 0.0.0.0:6080");
    for (field, expected) in [("CapEff", "0000000000000000"), ("NoNewPrivs", "1"), ("Seccomp", "2")]
    {
        assert_eq!(here.status(field)?, expected, "{field}");
    }
    let user = machine.run("id", &["-u", UNIT])?;
    assert_eq!(here.status("Uid")?.split_whitespace().next(), Some(user.trim()));
    // libvirt and the ssh that it starts both work in there.
    let unknown = GUEST.replace("01", "02");
    assert_eq!(
        machine.get(6080, &format!("/console?token=1-{unknown}"))?,
        "HTTP/1.1 404 Not Found"
    );
    let answer = machine.get(6080, &format!("/console?token=2-{GUEST}"))?;
    assert_eq!(answer, "HTTP/1.1 503 Service Unavailable");
    let journal = machine.journal(UNIT)?;
    // The login succeeds; what libvirt then asks for is not there.
    ensure!(journal.contains("on host 2: ") && journal.contains(": not found"), "{journal}");
    machine.run("systemctl", &["reload", UNIT])?;
    wait::until("it to log the reload", PATIENCE, || {
        Ok(machine.journal(UNIT)?.contains("SIGHUP: there is no certificate").then_some(()))
    })?;

    // The score that the documentation tells.
    let said = machine.run("systemd-analyze", &["security", "--no-pager", UNIT])?;
    let score =
        said.rsplit(": ").next().and_then(|words| words.split(' ').next()).context("no score")?;
    let page = std::fs::read_to_string(paths::workspace().join("docs/operations.md"))?;
    ensure!(
        page.contains(&format!("gives {score} (")),
        "the score is {score}, not the documentation's"
    );

    watchdog(&here)?;
    wrong_settings(&here, hosts)?;
    by_the_socket(&here)?;

    // An upgrade restarts what runs and leaves the settings alone.
    machine.run("systemctl", &["start", UNIT])?;
    let pid = machine.property(UNIT, "MainPID")?;
    machine.run("dpkg", &["-i", "/var/tmp/it.deb"])?;
    ensure!(machine.property(UNIT, "MainPID")? != pid, "it was not restarted");
    assert_eq!(machine.get(6080, "/")?, OK);
    ensure!(machine.run("cat", &[CONFIG])?.contains("/srv/node.xml"));

    // In the panel's place, as the documentation has it.
    here.panel().await?;
    machine.write(CONFIG, "")?;
    here.drop_in("panel", &snippets("ini")?.concat())?;
    machine.run("systemctl", &["restart", UNIT])?;
    assert_eq!(machine.get(6080, "/")?, OK);
    assert_eq!(here.status("Uid")?.split_whitespace().next(), Some("33"));
    ensure!(
        machine
            .journal(UNIT)?
            .contains("WebVirtCloud's database sqlite:///srv/webvirtcloud/db.sqlite3")
    );
    assert_eq!(
        machine.get(6080, &format!("/console?token=1-{unknown}"))?,
        "HTTP/1.1 404 Not Found"
    );

    gone(&here)
}

/// A process that hangs is ended and started again.
fn watchdog(here: &Installed) -> Result<()> {
    let machine = &here.machine;
    here.drop_in("watchdog", "[Service]\nWatchdogSec=1\nTimeoutAbortSec=1\n")?;
    machine.run("systemctl", &["restart", UNIT])?;
    // Were there no signs of life, it would be ended in a second.
    let pid = machine.property(UNIT, "MainPID")?;
    let alive = |count: usize| {
        let stamp = || machine.property(UNIT, "WatchdogTimestampMonotonic");
        let mut seen = std::collections::BTreeSet::new();
        wait::until("signs of life", PATIENCE, || {
            seen.insert(stamp()?);
            Ok((seen.len() > count).then_some(()))
        })
    };
    alive(5)?;
    assert_eq!(machine.property(UNIT, "MainPID")?, pid);
    machine.run("kill", &["-STOP", &pid])?;
    wait::until("another process", PATIENCE, || {
        let now = machine.property(UNIT, "MainPID")?;
        Ok((now != pid && now != "0" && machine.get(6080, "/")? == OK).then_some(()))
    })?;
    ensure!(machine.journal(UNIT)?.contains("Watchdog timeout"), "{}", machine.journal(UNIT)?);
    machine.run("rm", &["-r", &format!("/etc/systemd/system/{UNIT}.service.d")])?;
    machine.run("systemctl", &["daemon-reload"])?;
    Ok(())
}

/// Wrong settings: the log says what, and systemd does not try again.
fn wrong_settings(here: &Installed, right: &str) -> Result<()> {
    let machine = &here.machine;
    machine.write(CONFIG, "prot = 6080\n")?;
    ensure!(machine.run("systemctl", &["restart", UNIT]).is_err());
    assert_eq!(machine.property(UNIT, "ActiveState")?, "failed");
    assert_eq!(machine.property(UNIT, "ExecMainStatus")?, "64");
    assert_eq!(machine.property(UNIT, "NRestarts")?, "0");
    ensure!(machine.journal(UNIT)?.contains("there is no key prot, did you mean port?"));
    machine.write(CONFIG, right)
}

/// systemd has the port, and starts the service with the first connection.
fn by_the_socket(here: &Installed) -> Result<()> {
    let machine = &here.machine;
    machine.output("systemctl", &["stop", UNIT])?;
    machine.run("systemctl", &["start", &format!("{UNIT}.socket")])?;
    assert_eq!(machine.property(UNIT, "ActiveState")?, "failed");
    assert_eq!(machine.get(6080, "/")?, OK);
    assert_eq!(machine.property(UNIT, "ActiveState")?, "active");
    ensure!(machine.journal(UNIT)?.contains("passed by systemd as"), "{}", machine.journal(UNIT)?);
    // While it is restarted, connections wait.
    machine.run("systemctl", &["restart", "--no-block", UNIT])?;
    assert_eq!(machine.get(6080, "/")?, OK);
    let socket = format!("{UNIT}.socket");
    machine.run("systemctl", &["stop", &socket, UNIT])?;
    assert_eq!(machine.property(UNIT, "Result")?, "success");
    assert_eq!(machine.get(6080, "/")?, "");
    Ok(())
}

/// Removed, the settings stay; purged, nothing does.
fn gone(here: &Installed) -> Result<()> {
    let machine = &here.machine;
    machine.run("dpkg", &["-r", UNIT])?;
    assert_eq!(machine.get(6080, "/")?, "");
    ensure!(machine.run("cat", &[CONFIG]).is_ok());
    machine.run("dpkg", &["-P", UNIT])?;
    let ours = [
        format!("/etc/systemd/system/{UNIT}.service.d"),
        "/srv".into(),
        "/var/tmp".into(),
        "/root/.ssh".into(),
    ];
    for path in &ours {
        machine.run("rm", &["-rf", path])?;
    }
    ensure!(machine.run("id", &[UNIT]).is_err(), "its user is still there");
    // What dpkg, the journal and the user database keep for themselves.
    let theirs = [
        "/var/log/",
        "/var/lib/dpkg/",
        "/var/lib/systemd/",
        "/var/cache/",
        "/etc/passwd-",
        "/etc/shadow-",
        "/etc/group-",
        "/etc/gshadow-",
        "/etc/subuid-",
        "/etc/subgid-",
    ];
    let after = machine.files()?;
    let left: Vec<_> = after
        .difference(&here.before)
        .filter(|file| !theirs.iter().any(|theirs| file.starts_with(theirs)))
        .collect();
    ensure!(left.is_empty(), "it leaves {left:?}");
    Ok(())
}
