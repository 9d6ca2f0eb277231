//! console-check beside the service, where a real systemd is process 1: with whose eyes it looks, and at which settings.

use anyhow::{Context as _, ensure};
use harness::systemd::Machine;
use harness::{Result, wait};
use serde_json::Value;

use crate::PATIENCE;
use crate::service::{CONFIG, Installed, OK, UNIT};

/// libvirt's client is here, libvirtd is not.
const HOST: &str = "[[hosts]]\nid = 1\nconnection = \"socket\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn console_check_looks_with_the_services_eyes() -> Result<()> {
    let here = Installed::new()?;
    let machine = &here.machine;
    machine.write(CONFIG, &format!("host = \"127.0.0.1\"\n{HOST}"))?;
    machine.run("systemctl", &["start", UNIT])?;
    assert_eq!(machine.get(6080, "/")?, OK);
    the_running_services(&here)?;
    another_users(machine)?;
    nobody_elses(machine)?;
    what_only_the_unit_knows(&here)?;
    a_group_of_its_own(&here)?;
    a_dynamic_user(&here)?;
    the_stopped_services(machine)?;
    no_units(machine)?;
    behind_the_socket(machine)
}

/// As root it becomes who the service is, and says so.
fn the_running_services(here: &Installed) -> Result<()> {
    let machine = &here.machine;
    let pid = machine.property(UNIT, "MainPID")?;
    let report = Seen::of(machine, &[])?;
    assert_eq!(report.user()?, UNIT);
    let whose = report.text("config.user", "ok")?;
    ensure!(whose.ends_with(&format!("(process {pid}), with its own settings")), "{whose}");
    assert_eq!(report.text("config.file", "ok")?, CONFIG);
    let running = report.text("listen.running", "ok")?;
    ensure!(running.contains("127.0.0.1:6080") && running.contains(&format!("pid {pid}")));
    let first = report.first_error();
    ensure!(first.is_none_or(|(id, _)| id.starts_with("host.")), "{first:?}");
    // It changed nothing.
    assert_eq!(machine.property(UNIT, "MainPID")?, pid);
    Ok(())
}

/// Whoever root names, with a home of that user's.
fn another_users(machine: &Machine) -> Result<()> {
    let report = Seen::of(machine, &["--user", "nobody"])?;
    assert_eq!((report.user()?, report.status), ("nobody", 1));
    let (id, remedy) = report.first_error().context("nobody may read it")?;
    ensure!(id == "config.file" && remedy.contains("nobody"), "{id}: {remedy}");
    let report = Seen::of(machine, &["--user", "root"])?;
    assert_eq!(report.user()?, "root");
    report.text("config.file", "ok")?;
    let refused = run(machine, "console-check --user nobody-at-all")?;
    ensure!(refused.1 == 2 && refused.0.contains("there is no user nobody-at-all"), "{refused:?}");
    Ok(())
}

/// Who is not root cannot, and is told what to do.
fn nobody_elses(machine: &Machine) -> Result<()> {
    let asked = format!("runuser -u nobody -- console-check --user {UNIT}");
    let (said, status) = run(machine, &asked)?;
    assert_eq!(status, 2, "{said}");
    ensure!(said.contains(&format!("sudo console-check --user {UNIT}")), "{said}");
    let (said, status) = run(machine, "runuser -u nobody -- console-check --json")?;
    let report = Seen::read(&said, status)?;
    assert_eq!((report.user()?, report.status), ("nobody", 1));
    ensure!(report.text("config.user", "warning")?.contains("only root"), "{said}");
    Ok(())
}

/// The environment and the flags in a drop-in are the service's, and not ours.
fn what_only_the_unit_knows(here: &Installed) -> Result<()> {
    let machine = &here.machine;
    let flags = format!("ExecStart=\nExecStart=/usr/bin/{UNIT} -v -p 6091\n");
    let environment = "Environment=WS_PORT=6090 \"WS_PUBLIC_HOST=console.example.org\"\n";
    for (port, lines) in [(6090, environment), (6091, &flags)] {
        here.drop_in("settings", &format!("[Service]\n{lines}"))?;
        machine.run("systemctl", &["restart", UNIT])?;
        assert_eq!(machine.get(port, "/")?, OK);
        let place = format!("127.0.0.1:{port}");
        let report = Seen::of(machine, &[])?;
        assert_eq!(report.user()?, UNIT);
        ensure!(report.text("listen.running", "ok")?.contains(&place));
        // With another user's eyes at the same.
        let report = Seen::of(machine, &["--user", "root"])?;
        assert_eq!(report.user()?, "root");
        ensure!(report.text("listen.running", "ok")?.contains(&place));
        // Unless somebody asks about others.
        let report = Seen::of(machine, &["-p", "6080"])?;
        assert_eq!(report.user()?, UNIT);
        ensure!(report.text("listen.running", "error")?.contains("127.0.0.1:6080"));
        ensure!(report.text("config.user", "ok")?.contains("its own settings, and those given"));
        // A flag about something else leaves the rest; a port that a service has says which.
        for args in [&["--public-host", "localhost"][..], &["-p", &port.to_string()]] {
            let report = Seen::of(machine, args)?;
            ensure!(report.text("listen.running", "ok")?.contains(&place), "{args:?}");
        }
        // With a file of their own, the service's settings are no concern.
        let report = Seen::of(machine, &["--config", CONFIG])?;
        assert_eq!(report.user()?, UNIT);
        ensure!(report.text("listen.running", "error")?.contains("127.0.0.1:6080"));
        ensure!(report.text("config.user", "ok")?.ends_with("with the settings given here"));
        // Stopped, it would be the same.
        machine.run("systemctl", &["stop", UNIT])?;
        let report = Seen::of(machine, &[])?;
        assert_eq!(report.user()?, UNIT);
        ensure!(report.text("listen.running", "error")?.contains(&place));
        without_drop_ins(machine)?;
    }
    Ok(())
}

/// The file is its group's, which that user has in the service alone.
fn a_group_of_its_own(here: &Installed) -> Result<()> {
    let machine = &here.machine;
    here.drop_in("group", &format!("[Service]\nUser=nobody\nGroup={UNIT}\n"))?;
    for start in ["restart", "stop"] {
        machine.run("systemctl", &[start, UNIT])?;
        let report = Seen::of(machine, &[]).context(start)?;
        assert_eq!(report.user()?, "nobody");
        report.text("config.file", "ok").context(start)?;
    }
    without_drop_ins(machine)
}

/// systemd makes the user, and only for the time that it runs.
fn a_dynamic_user(here: &Installed) -> Result<()> {
    let machine = &here.machine;
    let lines = format!("DynamicUser=yes\nUser=console-dynamic\nSupplementaryGroups={UNIT}\n");
    here.drop_in("dynamic", &format!("[Service]\n{lines}"))?;
    machine.run("systemctl", &["restart", UNIT])?;
    let uid = here.status("Uid")?;
    let report = Seen::of(machine, &[])?;
    let user = report.user()?;
    ensure!(user == "console-dynamic" || uid.split_whitespace().next() == Some(user), "{user}");
    report.text("config.file", "ok")?;
    report.text("listen.running", "ok")?;
    machine.run("systemctl", &["stop", UNIT])?;
    let report = Seen::of(machine, &[])?;
    assert_eq!(report.user()?, "root");
    ensure!(report.text("config.user", "warning")?.contains("DynamicUser=yes"));
    // The home has moved with it.
    without_drop_ins(machine)
}

/// systemd has the port: whoever connects starts the service.
fn behind_the_socket(machine: &Machine) -> Result<()> {
    let socket = format!("{UNIT}.socket");
    machine.write(CONFIG, HOST)?;
    machine.run("systemctl", &["start", &socket])?;
    assert_eq!(machine.get(6080, "/")?, OK);
    let report = Seen::of(machine, &[])?;
    assert_eq!(report.user()?, UNIT);
    ensure!(report.text("listen.running", "ok")?.contains(":6080"));
    machine.run("systemctl", &["stop", &socket, UNIT])?;
    Ok(())
}

/// The unit says who it would be.
fn the_stopped_services(machine: &Machine) -> Result<()> {
    machine.run("systemctl", &["stop", UNIT])?;
    let report = Seen::of(machine, &[])?;
    assert_eq!((report.user()?, report.status), (UNIT, 1));
    ensure!(report.text("config.user", "ok")?.contains("does not run"));
    report.text("config.file", "ok")?;
    let (id, remedy) = report.first_error().context("all is well")?;
    ensure!(id == "listen.running" && remedy.contains("systemctl start"), "{id}: {remedy}");
    Ok(())
}

/// Somebody else has started it, where nobody would look; its file is named as seen from its folder.
fn no_units(machine: &Machine) -> Result<()> {
    machine.write("/srv/own.toml", &format!("host = \"127.0.0.1\"\n{HOST}"))?;
    let start = |unit: &str, port: u16, further: &str, before: &str| {
        let started = format!(
            "systemd-run --unit={unit} {further} {before} /usr/bin/{UNIT} --config own.toml -p {port}"
        );
        machine
            .run("sh", &["-c", &format!("cd /srv && {started} > /dev/null 2>&1 < /dev/null &")])?;
        wait::until("it to listen", PATIENCE, || Ok((machine.get(port, "/")? == OK).then_some(())))
    };
    start("one", 6095, "--uid=nobody --working-directory=/srv", "")?;
    let report = Seen::of(machine, &[])?;
    assert_eq!(report.user()?, "nobody");
    assert_eq!(report.text("config.file", "ok")?, "/srv/own.toml");
    ensure!(report.text("listen.running", "ok")?.contains("127.0.0.1:6095"));
    start("two", 6096, "--uid=nobody --working-directory=/srv", "")?;
    let report = Seen::of(machine, &[])?;
    assert_eq!(report.user()?, UNIT);
    ensure!(report.text("config.user", "warning")?.contains("several"));
    let report = Seen::of(machine, &["-p", "6096"])?;
    assert_eq!(report.user()?, "nobody");
    ensure!(report.text("listen.running", "ok")?.contains("127.0.0.1:6096"));
    machine.run("systemctl", &["stop", "one", "two"])?;
    // As in a container.
    start("apart", 6097, "--scope", "unshare --mount")?;
    let report = Seen::of(machine, &[])?;
    ensure!(report.text("config.user", "warning")?.contains("mount namespace of its own"));
    assert_eq!(report.text("config.file", "ok")?, CONFIG);
    machine.run("systemctl", &["stop", "apart.scope"])?;
    Ok(())
}

fn without_drop_ins(machine: &Machine) -> Result<()> {
    machine.run("rm", &["-r", &format!("/etc/systemd/system/{UNIT}.service.d")])?;
    machine.run("systemctl", &["daemon-reload"])?;
    Ok(())
}

/// A report of console-check's, and its exit status.
struct Seen {
    report: Value,
    status: i32,
}

impl Seen {
    /// What root's console-check says with these arguments.
    fn of(machine: &Machine, args: &[&str]) -> Result<Self> {
        let (said, status) = run(machine, &format!("console-check --json {}", args.join(" ")))?;
        Self::read(&said, status)
    }

    fn read(said: &str, status: i32) -> Result<Self> {
        let report: Value = serde_json::from_str(said).with_context(|| said.to_owned())?;
        ensure!(report["schema"] == 1 && report["complete"] == true, "{said}");
        Ok(Self { report, status })
    }

    fn user(&self) -> Result<&str> {
        self.report["user"].as_str().context("no user")
    }

    /// In the document's order.
    fn findings(&self) -> Vec<&Value> {
        fn collect<'a>(section: &'a Value, into: &mut Vec<&'a Value>) {
            into.extend(section["findings"].as_array().into_iter().flatten());
            for section in section["sections"].as_array().into_iter().flatten() {
                collect(section, into);
            }
        }
        let mut all = Vec::new();
        collect(&self.report, &mut all);
        all
    }

    /// The text of the first finding with this id, which must have this status.
    fn text(&self, id: &str, status: &str) -> Result<&str> {
        let all = self.findings();
        let found = all.into_iter().find(|finding| finding["id"] == id);
        let found = found.with_context(|| format!("no {id}: {:#}", self.report))?;
        ensure!(found["status"] == status, "{found:#}");
        found["text"].as_str().context("no text")
    }

    /// Its id, and its remedy.
    fn first_error(&self) -> Option<(&str, &str)> {
        let all = self.findings();
        let first = all.into_iter().find(|finding| finding["status"] == "error")?;
        Some((first["id"].as_str()?, first["remedy"].as_str()?))
    }
}

/// All that a command says, and its exit status.
fn run(machine: &Machine, command: &str) -> Result<(String, i32)> {
    let said = machine.output("sh", &["-c", &format!("{command} 2>&1; echo \"exit $?\"")])?;
    let (said, status) = said.trim_end().rsplit_once("exit ").context("no exit status")?;
    Ok((said.to_owned(), status.parse()?))
}
