//! `console-check` on SSH hosts whose SSH is not well.

use std::fs;

use harness::ssh_server::new_key;
use harness::{Remote, Result, SshServer};

use crate::check_bench::{Bench, Fault, broken};
use crate::check_hosts::Far;
use crate::remote::{at, line, vnc};

pub(crate) const FAULTS: &[Fault] = &[
    broken("the SSH host's name has no address", "host.name"),
    broken("ssh_config has a ProxyCommand for the host", "ssh.config"),
    broken("nothing listens at the SSH port", "ssh.reach"),
    broken("another server answers at the SSH port", "ssh.reach"),
    broken("sshd is stopped (SIGSTOP)", "ssh.reach"),
    broken("the host's key is not known", "ssh.host_key").with(&["host.libvirt"]),
    broken("the host's key has changed", "ssh.host_key").with(&["host.libvirt"]),
    broken("the host's key is revoked", "ssh.host_key"),
    broken("the SSH key is refused", "ssh.login").with(&["host.libvirt"]),
    broken("the SSH server forbids tunnels to TCP ports", "ssh.forward.tcp"),
    broken("the SSH server forbids tunnels to UNIX sockets", "ssh.forward.socket"),
];

/// Consoles go through `port`, libvirt through the usual server.
fn host(remote: &Remote, port: u16, known_hosts: &str, key: &str) -> Vec<String> {
    let v4 = remote.v4();
    let usual = remote.ssh_known_hosts();
    vec![
        line("connection", "ssh"),
        line("hostname", format!("{v4}:{port}")),
        line("login", "root"),
        line("ssh_key", key),
        line("ssh_known_hosts", known_hosts),
        line(
            "uri",
            format!(
                "qemu+libssh2://root@{v4}:22/system?sshauth=privkey&keyfile={}&known_hosts={}&known_hosts_verify=normal",
                remote.ssh_key().display(),
                usual.display()
            ),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_of_ssh_is_the_first_finding() -> Result<()> {
    let mut far = Far::start()?;
    let (bench, port) = (Bench::new(FAULTS), far.port());
    let loopback = far.remote.guest("loopback").console(vnc(at("127.0.0.1"))).start()?;
    let dir = far.bed().dir().to_owned();
    let known = fs::read_to_string(far.remote.ssh_known_hosts())?;
    let public = known.split_once(' ').map(|(_, key)| key.to_owned()).unwrap_or_default();
    let v4 = far.remote.v4();
    let (key, usual) = (far.remote.ssh_key(), far.remote.ssh_known_hosts());
    let (key, usual) = (key.display().to_string(), usual.display().to_string());
    // Under the name that each port gives it.
    let known_at = |server: u16| -> Result<String> {
        let file = dir.join(format!("known_hosts-{server}"));
        fs::write(&file, format!("[{v4}]:{server} {public}{known}"))?;
        Ok(file.display().to_string())
    };

    let healthy = far.host(7, &host(&far.remote, 22, &usual, &key));
    healthy.check(port, &[])?.expect_well()?;
    let named = [line("connection", "ssh"), line("hostname", "hv9.invalid"), line("login", "root")];
    bench.finds("the SSH host's name has no address", &far.host(7, &named).check(port, &[])?)?;
    let config = dir.join("ssh_config");
    fs::write(&config, format!("Host hv7\n  HostName {v4}\n  ProxyCommand nc %h %p\n"))?;
    let command = [
        line("connection", "ssh"),
        line("hostname", "hv7"),
        line("login", "root"),
        line("ssh_config", config.display()),
        line("uri", format!("qemu+libssh2://root@hv7/system?sshauth=privkey&keyfile={key}")),
    ];
    let command = far.host(7, &command).check(port, &[])?;
    bench.finds("ssh_config has a ProxyCommand for the host", &command)?;
    let closed = far.host(7, &host(&far.remote, 1, &usual, &key)).check(port, &[])?;
    bench.finds("nothing listens at the SSH port", &closed)?;
    closed.expect("host.libvirt", "skipped")?;
    // libvirt's own port is a server of another kind.
    let other =
        far.host(7, &host(&far.remote, 16509, &usual, &key)).check(port, &["--timeout", "3"])?;
    bench.finds("another server answers at the SSH port", &other)?;

    let server = far.remote.ssh_server("")?;
    let at_server = host(&far.remote, server.port(), &known_at(server.port())?, &key);
    let at_server = far.host(7, &at_server);
    at_server.check(port, &[])?.expect_well()?;
    server.freeze(far.remote.libvirtd_mut())?;
    let frozen = at_server.check(port, &["--timeout", "2"]);
    server.thaw(far.remote.libvirtd_mut())?;
    bench.finds("sshd is stopped (SIGSTOP)", &frozen?)?;

    let nobody = dir.join("nobody_known");
    fs::write(&nobody, "")?;
    let unknown = host(&far.remote, 22, &nobody.display().to_string(), &key);
    let unknown = far.host(7, &unknown).check(port, &[])?;
    let found = bench.finds("the host's key is not known", &unknown)?;
    assert!(found.remedy.unwrap_or_default().contains("ssh-keyscan"));
    assert_eq!(fs::read_to_string(&nobody)?, "");
    // Believed at the first console, and not written down before.
    let accept = [
        host(&far.remote, 22, &nobody.display().to_string(), &key),
        vec![line("ssh_host_keys", "accept-new")],
    ];
    far.host(7, &accept.concat()).check(port, &[])?.expect_well()?;
    assert_eq!(fs::read_to_string(&nobody)?, "");
    // libvirt's own client would write it down.
    let usual_way = [
        line("connection", "ssh"),
        line("hostname", v4),
        line("login", "root"),
        line("ssh_key", &key),
        line("ssh_known_hosts", nobody.display()),
        line("ssh_host_keys", "accept-new"),
    ];
    let checked = far.host(7, &usual_way).check(port, &[])?;
    checked.expect_well()?;
    checked.expect("host.libvirt", "skipped")?;
    assert_eq!(fs::read_to_string(&nobody)?, "");
    let stranger = new_key(&dir, "stranger", "ed25519")?;
    let stranger_public = fs::read_to_string(stranger.with_extension("pub"))?;
    let changed = dir.join("changed_known");
    fs::write(&changed, format!("{v4} {stranger_public}"))?;
    let changed = host(&far.remote, 22, &changed.display().to_string(), &key);
    let changed = far.host(7, &changed).check(port, &[])?;
    bench.finds("the host's key has changed", &changed)?;
    let revoked = dir.join("revoked_known");
    fs::write(&revoked, format!("@revoked * {public}{known}"))?;
    let revoked = host(&far.remote, 22, &revoked.display().to_string(), &key);
    let revoked = far.host(7, &revoked).check(port, &[])?;
    bench.finds("the host's key is revoked", &revoked)?;
    // Nor is anything written down where the key is new and the login fails.
    let both = [
        line("connection", "ssh"),
        line("hostname", v4),
        line("login", "root"),
        line("ssh_key", stranger.display()),
        line("ssh_known_hosts", nobody.display()),
        line("ssh_host_keys", "accept-new"),
    ];
    let checked = far.host(7, &both).check(port, &[])?;
    checked.expect("ssh.login", "error")?;
    checked.expect("host.libvirt", "skipped")?;
    assert_eq!(fs::read_to_string(&nobody)?, "");
    let refused = host(&far.remote, 22, &usual, &stranger.display().to_string());
    let refused = far.host(7, &refused).check(port, &[])?;
    let found = bench.finds("the SSH key is refused", &refused)?;
    assert!(found.text.contains(&stranger.display().to_string()), "{found:?}");

    let token = format!("7-{}", loopback.uuid());
    let strict: SshServer = far.remote.ssh_server("AllowTcpForwarding no")?;
    let strict = host(&far.remote, strict.port(), &known_at(strict.port())?, &key);
    let strict = far.host(7, &strict);
    for args in [&[][..], &[&*token]] {
        let planted = "the SSH server forbids tunnels to TCP ports";
        bench.finds(planted, &strict.check(port, args)?)?;
    }
    // What is forbidden to another place may be allowed to the console.
    let (_, console) = loopback.display("vnc")?;
    let permit = far.remote.ssh_server(&format!("PermitOpen 127.0.0.1:{console}"))?;
    let permit = host(&far.remote, permit.port(), &known_at(permit.port())?, &key);
    for args in [&[][..], &[&*token]] {
        let checked = far.host(7, &permit).check(port, args)?;
        checked.expect_well()?;
        checked.expect("ssh.forward.tcp", "ok")?;
    }
    // By the ssh program, so that libvirt's socket is where it usually is.
    let socket = harness::Listen::Socket(Some(dir.join("far.sock")));
    let on_socket = far.remote.guest("socket").console(vnc(socket)).start()?;
    let no_sockets = far.remote.ssh_server("AllowStreamLocalForwarding no")?;
    let home = dir.join("home");
    fs::create_dir_all(home.join(".ssh"))?;
    fs::write(
        home.join(".ssh/config"),
        format!(
            "Host hv8\n  HostName {v4}\n  Port {}\n  User root\n  IdentityFile {key}\n  UserKnownHostsFile {}\n",
            no_sockets.port(),
            known_at(no_sockets.port())?
        ),
    )?;
    let by_program = [line("connection", "ssh"), line("hostname", "hv8")];
    let by_program = far.host(8, &by_program).home(&home);
    let token = format!("8-{}", on_socket.uuid());
    for args in [&[][..], &[&*token]] {
        let planted = "the SSH server forbids tunnels to UNIX sockets";
        bench.finds(planted, &by_program.check(port, args)?)?;
    }
    drop(on_socket);
    // Nobody needs them now.
    let checked = by_program.check(port, &[])?;
    checked.expect("ssh.forward.socket", "warning")?;
    assert!(checked.with_status("error").is_empty(), "{}", checked.shown());
    bench.finish()
}
