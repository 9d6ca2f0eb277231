//! The service as administrators change it: another user, a low port, a long drain, upgrades.

use anyhow::{Context as _, ensure};
use harness::systemd::Machine;
use harness::{Result, paths, wait};

use crate::PATIENCE;
use crate::service::{CONFIG, GUEST, Installed, OK, UNIT};

#[tokio::test(flavor = "multi_thread")]
async fn drop_ins_change_port_and_user_and_a_long_drain_is_waited_for() -> Result<()> {
    let here = Installed::new()?;
    a_low_port(&here)?;
    a_long_drain(&here)?;
    sshs_environment(&here)?;
    a_dynamic_user(&here)
}

/// The two lines of docs/operations.md are all that a port below 1024 takes.
fn a_low_port(here: &Installed) -> Result<()> {
    let machine = &here.machine;
    machine.write(CONFIG, "port = 443\n")?;
    ensure!(machine.run("systemctl", &["start", UNIT]).is_err(), "it has a right too many");
    let page = std::fs::read_to_string(paths::workspace().join("docs/operations.md"))?;
    let lines = ["CapabilityBoundingSet", "AmbientCapabilities"]
        .map(|key| format!("{key}=CAP_NET_BIND_SERVICE"));
    ensure!(lines.iter().all(|line| page.contains(line)), "the documentation says otherwise");
    here.drop_in("port", &format!("[Service]\n{}\n", lines.join("\n")))?;
    machine.run("systemctl", &["restart", UNIT])?;
    assert_eq!(machine.get(443, "/")?, OK);
    // CAP_NET_BIND_SERVICE is bit 10 (capabilities(7)).
    assert_eq!(here.status("CapEff")?, "0000000000000400");
    as_it_came(machine)
}

/// systemd's patience ends long before ours, but it has been told.
fn a_long_drain(here: &Installed) -> Result<()> {
    let machine = &here.machine;
    machine.write(CONFIG, "shutdown_timeout = 5\nheader_timeout = 60\n")?;
    here.drop_in("drain", "[Service]\nTimeoutStopSec=1\n")?;
    machine.run("systemctl", &["restart", UNIT])?;
    // A client that never ends its request.
    let client =
        "exec 3<>/dev/tcp/127.0.0.1/6080 && printf 'GET / HTTP/1.1\\r\\n' >&3 && exec cat <&3";
    machine.run("systemd-run", &["--unit=slow-client", "bash", "-c", client])?;
    wait::until("the request to be read", PATIENCE, || {
        let connections = machine.run("cat", &["/proc/net/tcp"])?;
        Ok(connections.lines().any(is_read).then_some(()))
    })?;
    machine.run("systemctl", &["stop", UNIT])?;
    let journal = machine.journal(UNIT)?;
    ensure!(journal.contains("cutting off what did not end in time"), "{journal}");
    assert_eq!(machine.property(UNIT, "Result")?, "success", "{journal}");
    as_it_came(machine)
}

/// Whether this line of `/proc/net/tcp` (proc(5)) is our end of an established connection that holds nothing unread: it is accepted.
fn is_read(line: &str) -> bool {
    let fields: Vec<&str> = line.split_whitespace().collect();
    matches!(fields[..], [_, local, _, "01", queues, ..]
        if local.ends_with(":17C0") && queues.ends_with(":00000000"))
}

/// libvirt gives its ssh an environment of its own: what systemd told us is not passed on.
fn sshs_environment(here: &Installed) -> Result<()> {
    let machine = &here.machine;
    let told = "/var/lib/webvirtmgr-console/environment";
    machine.write("/usr/local/bin/ssh", &format!("#!/bin/sh\nenv > {told}\nexit 1\n"))?;
    machine.run("chmod", &["755", "/usr/local/bin/ssh"])?;
    let host =
        "[[hosts]]\nid = 1\nconnection = \"ssh\"\nhostname = \"127.0.0.1\"\nlogin = \"root\"\n";
    machine.write(CONFIG, host)?;
    machine.run("systemctl", &["restart", UNIT])?;
    let answer = machine.get(6080, &format!("/console?token=1-{GUEST}"))?;
    assert_eq!(answer, "HTTP/1.1 503 Service Unavailable");
    let pid = machine.property(UNIT, "MainPID")?;
    let ours = machine.run("cat", &[&format!("/proc/{pid}/environ")])?;
    let its = machine.run("cat", &[told])?;
    ensure!(its.lines().any(|line| line.starts_with("HOME=")), "{its}");
    for variable in ["NOTIFY_SOCKET=", "WATCHDOG_USEC="] {
        ensure!(ours.contains(variable), "{ours}");
        ensure!(!its.contains(variable), "{its}");
    }
    machine.run("rm", &["/usr/local/bin/ssh", told])?;
    Ok(())
}

/// A user that systemd makes for the time that it runs.
fn a_dynamic_user(here: &Installed) -> Result<()> {
    let machine = &here.machine;
    machine.write(CONFIG, "")?;
    let user = "[Service]\nDynamicUser=yes\nUser=console-dynamic\nSupplementaryGroups=webvirtmgr-console\n";
    here.drop_in("dynamic", user)?;
    machine.run("systemctl", &["restart", UNIT])?;
    assert_eq!(machine.get(6080, "/")?, OK);
    let uid = here.status("Uid")?;
    let uid: u32 = uid.split_whitespace().next().context("no user")?.parse()?;
    // systemd.exec(5), DynamicUser=: the range that they are taken from.
    ensure!((61184..=65519).contains(&uid), "{uid}");
    machine.run("systemctl", &["stop", UNIT])?;
    assert_eq!(machine.property(UNIT, "Result")?, "success");
    // Its home is elsewhere by now, and a purge finds it there, too.
    machine.run("dpkg", &["-P", UNIT])?;
    let left = machine.run("find", &["/var/lib", "-xdev", "-path", "*webvirtmgr-console*"])?;
    let left: Vec<_> = left.lines().filter(|path| !path.starts_with("/var/lib/dpkg/")).collect();
    ensure!(left.is_empty(), "it leaves {left:?}");
    Ok(())
}

/// The unit without drop-ins, stopped.
fn as_it_came(machine: &Machine) -> Result<()> {
    machine.run("systemctl", &["stop", UNIT])?;
    machine.run("rm", &["-r", &format!("/etc/systemd/system/{UNIT}.service.d")])?;
    machine.run("systemctl", &["daemon-reload"])?;
    machine.output("systemctl", &["reset-failed", UNIT])?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_starts_nothing_new_and_keeps_the_socket() -> Result<()> {
    let here = Installed::new()?;
    let machine = &here.machine;
    let socket = format!("{UNIT}.socket");
    let upgrade = || machine.run("dpkg", &["-i", "/var/tmp/it.deb"]);
    let states = || -> Result<[String; 2]> {
        Ok([machine.property(UNIT, "ActiveState")?, machine.property(&socket, "ActiveState")?])
    };
    // libvirt's group may come later than the package.
    machine.run("groupadd", &["--system", "libvirt"])?;
    upgrade()?;
    assert_eq!(states()?, ["inactive", "inactive"]);
    ensure!(machine.run("id", &["-nG", UNIT])?.split_whitespace().any(|name| name == "libvirt"));

    machine.run("systemctl", &["enable", "--now", &socket])?;
    upgrade()?;
    assert_eq!(states()?, ["inactive", "active"]);
    assert_eq!(machine.get(6080, "/")?, OK);
    let pid = machine.property(UNIT, "MainPID")?;
    upgrade()?;
    assert_eq!(machine.get(6080, "/")?, OK);
    assert_eq!(states()?, ["active", "active"]);
    ensure!(machine.property(UNIT, "MainPID")? != pid, "it was not restarted");
    assert_eq!(machine.run("systemctl", &["is-enabled", &socket])?.trim(), "enabled");

    machine.run("dpkg", &["-P", UNIT])?;
    assert_eq!(machine.get(6080, "/")?, "");
    for database in ["passwd", "group"] {
        let left = machine.run("getent", &[database])?;
        ensure!(!left.contains(UNIT), "{database}: {left}");
    }
    let link = format!("/etc/systemd/system/sockets.target.wants/{socket}");
    ensure!(machine.run("test", &["-L", &link]).is_err(), "{link} is still there");
    Ok(())
}
