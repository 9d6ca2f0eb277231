//! Under supervisor, which both panels' users run, as the documentation has it; and as another user than the panel's, beside its SQLite file.

use std::collections::BTreeSet;

use anyhow::{Context as _, ensure};
use harness::reverse_proxy::snippets;
use harness::{Result, wait};

use crate::PATIENCE;
use crate::service::{GUEST, Installed, OK, UNIT};

#[tokio::test(flavor = "multi_thread")]
async fn supervisor_runs_it_as_the_documentation_has_it() -> Result<()> {
    let here = Installed::new()?;
    let machine = &here.machine;
    here.panel().await?;
    let [section] = <[String; 1]>::try_from(snippets("supervisor")?)
        .map_err(|found| anyhow::anyhow!("{found:?}"))?;
    machine.write("/etc/supervisor/conf.d/webvirtmgr-console.conf", &section)?;
    wait::until("supervisor to answer", PATIENCE, || {
        Ok(machine.run("supervisorctl", &["update"]).ok())
    })?;
    let log = || machine.output("cat", &["/var/log/supervisor/webvirtmgr-console.log"]);
    wait::until("it to listen", PATIENCE, || Ok((machine.get(6080, "/")? == OK).then_some(())))
        .map_err(|error| wait::with_log(&error, UNIT, &log().unwrap_or_default()))?;
    let pid = machine.run("supervisorctl", &["pid", UNIT])?;
    let status = machine.run("cat", &[&format!("/proc/{}/status", pid.trim())])?;
    ensure!(status.contains("\nUid:\t33\t"), "{status}");
    ensure!(
        log()?.contains("WebVirtCloud's database sqlite:///srv/webvirtcloud/db.sqlite3"),
        "{}",
        log()?
    );
    machine.run("supervisorctl", &["signal", "HUP", UNIT])?;
    wait::until("it to log SIGHUP", PATIENCE, || {
        Ok(log()?.contains("SIGHUP: there is no certificate").then_some(()))
    })?;
    // Wrong settings end it for good.
    machine.write("/srv/webvirtcloud/webvirtcloud/settings.py", "WS_PORT = 'x'\n")?;
    machine.output("supervisorctl", &["restart", UNIT])?;
    wait::until("supervisor to leave it alone", PATIENCE, || {
        let state = machine.output("supervisorctl", &["status", UNIT])?;
        ensure!(!state.contains("FATAL"), "{state}");
        Ok(state.contains("EXITED").then_some(()))
    })?;
    assert_eq!(log()?.matches("port is string \"x\"").count(), 1, "{}", log()?);
    assert_eq!(machine.get(6080, "/")?, "");
    // Other failures are tried again, and not only supervisor's usual three times.
    machine.write("/srv/webvirtcloud/webvirtcloud/settings.py", "WS_PORT = 443\n")?;
    machine.output("supervisorctl", &["start", UNIT])?;
    wait::until("it to be started again", PATIENCE, || {
        Ok((log()?.matches("port 443 is not for us").count() > 5).then_some(()))
    })?;
    beside_the_panels_user(&here, &section)
}

/// Run by another user than the panel's, who may write where the database is: nothing of his lies there, and the panel writes on.
fn beside_the_panels_user(here: &Installed, section: &str) -> Result<()> {
    let machine = &here.machine;
    let python = |code: &str| {
        let code = format!(
            "import sqlite3; c = sqlite3.connect('/srv/webvirtcloud/db.sqlite3', timeout=5); {code}; c.commit(); c.close()"
        );
        machine.run("su", &["-s", "/bin/sh", "www-data", "-c", &format!("python3 -c \"{code}\"")])
    };
    python("c.execute('PRAGMA journal_mode=WAL')")?;
    machine.run("chmod", &["0777", "/srv/webvirtcloud"])?;
    machine.write("/srv/webvirtcloud/webvirtcloud/settings.py", "WS_PORT = 6080\n")?;
    let section = section.replace("user=www-data", &format!("user={UNIT}"));
    machine.write("/etc/supervisor/conf.d/webvirtmgr-console.conf", &section)?;
    machine.run("supervisorctl", &["update"])?;
    wait::until("it to listen", PATIENCE, || Ok((machine.get(6080, "/")? == OK).then_some(())))?;
    let unknown = format!("/console?token=1-{}", GUEST.replace("01", "02"));
    for number in 0..3 {
        assert_eq!(machine.get(6080, &unknown)?, "HTTP/1.1 404 Not Found");
        let names = machine.run("ls", &["/srv/webvirtcloud"])?;
        assert_eq!(names, "db.sqlite3\nwebvirtcloud\n");
        python(&format!("c.execute('UPDATE computes_compute SET login = {number}')"))?;
    }
    // And while the panel opens, writes and closes it all the time, neither is in the other's way.
    let writes = "import sqlite3\nfor n in range(400):\n    c = sqlite3.connect('/srv/webvirtcloud/db.sqlite3', timeout=5)\n    \
                  c.execute('UPDATE computes_compute SET login = ?', (n,))\n    c.commit()\n    c.close()\n";
    machine.write("/srv/writes.py", writes)?;
    let (mut found, mut answers) = (0, BTreeSet::new());
    std::thread::scope(|scope| -> Result<()> {
        let writer = ["-s", "/bin/sh", "www-data", "-c", "python3 /srv/writes.py"];
        let writer = scope.spawn(move || machine.run("su", &writer));
        while !writer.is_finished() {
            answers.insert(machine.get(6080, &unknown)?);
            found += 1;
        }
        let written = writer.join().map_err(|_| anyhow::anyhow!("the writer panicked"))?;
        written.map(drop).context("the panel cannot write")
    })?;
    ensure!(
        found > 0 && answers.len() == 1 && answers.contains("HTTP/1.1 404 Not Found"),
        "{answers:?}"
    );
    let owners = machine.run("find", &["/srv/webvirtcloud", "!", "-user", "www-data"])?;
    assert_eq!(owners, "");
    // Where a lookup was under way at the writer's last close, the two files are still there; the next one takes them away.
    python("c.execute('UPDATE computes_compute SET login = 6')")?;
    let names = machine.run("ls", &["/srv/webvirtcloud"])?;
    assert_eq!(names, "db.sqlite3\nwebvirtcloud\n");
    // A crash of the application may leave one of them.
    machine.run(
        "install",
        &["-o", "www-data", "-m", "644", "/dev/null", "/srv/webvirtcloud/db.sqlite3-wal"],
    )?;
    assert_eq!(machine.get(6080, &unknown)?, "HTTP/1.1 503 Service Unavailable");
    let names = machine.run("ls", &["/srv/webvirtcloud"])?;
    assert_eq!(names, "db.sqlite3\ndb.sqlite3-wal\nwebvirtcloud\n");
    python("c.execute('UPDATE computes_compute SET login = 7')")?;
    assert_eq!(machine.get(6080, &unknown)?, "HTTP/1.1 404 Not Found");
    Ok(())
}
