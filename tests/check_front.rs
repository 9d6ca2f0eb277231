//! `console-check` on settings, listeners and a browser's way that are wrong.

use std::fs;
use std::net::TcpListener;

use harness::check::Checked;
use harness::ports::PortRange;
use harness::reverse_proxy::ReverseProxy;
use harness::{Result, lease};
use rustix::process::Signal;

use crate::check_bench::{Bench, Closed, Fault, Shared, Well, broken, warned};
use crate::check_certificates::self_signed;

pub(crate) const FAULTS: &[Fault] = &[
    broken("the configuration file that is named is not there", "config.file"),
    broken("the configuration file is no TOML", "config.file"),
    broken("the service's user may not read the configuration file", "config.file"),
    broken("a key is misspelled", "config.values"),
    broken("a port is out of range", "config.values"),
    warned("a variable of the environment is misspelled", "config.notes"),
    broken("no hypervisor is configured", "config.hosts"),
    broken("ssh_config cannot be read", "config.ssh"),
    broken("WS_HOST is not an address of this machine", "listen.address"),
    warned("WS_HOST is loopback, and no reverse proxy is trusted", "listen.loopback"),
    broken("WS_PORT is taken by another program", "listen.port"),
    broken("the proxy does not run", "listen.running"),
    broken("the proxy does not run, since its certificate is missing", "certificate.file"),
    broken("the proxy is stopped (SIGSTOP)", "listen.running"),
    broken("ssl_only is set, but the proxy was not restarted", "browser.plain"),
    broken("a certificate is set, but the proxy was not restarted", "browser.tls"),
    broken("public_host has no address", "public.name"),
    broken("nothing listens at public_host's port", "public.reach"),
    broken("another program answers at public_host", "public.upgrade"),
    broken("the reverse proxy at public_host does not pass the upgrade on", "public.upgrade"),
    broken("public_host's certificate is for another name", "public.certificate"),
    warned("public_host's certificate is self-signed", "public.certificate"),
    warned("the panel's page has another name than public_host", "public.cookie"),
    warned("max_sessions needs more open files than the service may have", "system.files"),
    warned("the clock is days behind", "system.clock"),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_of_the_front_is_the_first_finding() -> Result<()> {
    let mut well = Well::start()?;
    let (bench, port) = (Bench::new(FAULTS), well.port());
    let settings = well.settings();
    settings.check(port, &[])?.expect_well()?;
    let token = format!("1-{}", well.guest.uuid());
    settings.check(port, &[&token])?.expect_well()?;

    let missing = well.plain().without_file().arg("--config").arg("/nonexistent/console.toml");
    bench.finds("the configuration file that is named is not there", &missing.check(port, &[])?)?;
    let toml = well.settings().setting("port = = 1").check(port, &[])?;
    bench.finds("the configuration file is no TOML", &toml)?;
    let foreign = settings.check(port, &["--user", "nobody"])?;
    let found = bench.finds("the service's user may not read the configuration file", &foreign)?;
    assert!(found.text.contains("denied") && foreign.report["user"] == "nobody", "{found:?}");
    let misspelled = well.settings().setting("max_session = 3").check(port, &[])?;
    let found = bench.finds("a key is misspelled", &misspelled)?;
    assert!(found.text.contains("max_sessions"), "{found:?}");
    let range = well.settings().setting("public_port = 65536").check(port, &[])?;
    bench.finds("a port is out of range", &range)?;
    let variable = well.settings().env("WS_PUBLIC_HSOT", "x").check(port, &[])?;
    bench.finds("a variable of the environment is misspelled", &variable)?;
    let nobody = settings.clone().without_hosts().check(port, &[])?;
    bench.finds("no hypervisor is configured", &nobody)?;
    let ssh =
        ["connection = \"ssh\"", "hostname = \"hv9\"", "ssh_config = \"/nonexistent/config\""];
    let ssh = settings.clone().host_with(9, &ssh.map(str::to_owned)).check(port, &[])?;
    bench.finds("ssh_config cannot be read", &ssh)?;

    // TEST-NET-1 (RFC 5737) is nobody's.
    let elsewhere = settings.clone().listen("192.0.2.1", 0).check(port, &[])?;
    bench.finds("WS_HOST is not an address of this machine", &elsewhere)?;
    let loopback = settings.clone().listen("127.0.0.1", 0).check(port, &[])?;
    bench.finds("WS_HOST is loopback, and no reverse proxy is trusted", &loopback)?;
    let trusted =
        settings.clone().listen("127.0.0.1", 0).setting("trusted_proxies = [\"127.0.0.1\"]");
    trusted.check(port, &[])?.expect_well()?;
    let other = TcpListener::bind("0.0.0.0:0")?;
    let taken = settings.check(other.local_addr()?.port(), &["--timeout", "1"])?;
    let found = bench.finds("WS_PORT is taken by another program", &taken)?;
    assert!(found.text.contains(&std::process::id().to_string()), "{found:?}");
    let closed = Closed::new()?;
    let free = closed.port()?;
    bench.finds("the proxy does not run", &settings.check(free, &[])?)?;
    // What keeps it from starting is told, and that it does not run is no further fault.
    let unstartable = well.with_cert("missing.pem").check(free, &[])?;
    let planted = "the proxy does not run, since its certificate is missing";
    let found = bench.finds(planted, &unstartable)?;
    assert!(found.text.contains("missing.pem"), "{found:?}");
    unstartable.expect("listen.running", "skipped")?;
    well.proxy.signal(Signal::STOP)?;
    let stopped = settings.check(port, &["--timeout", "1"]);
    well.proxy.signal(Signal::CONT)?;
    bench.finds("the proxy is stopped (SIGSTOP)", &stopped?)?;

    let only = settings.clone().setting("ssl_only = true").check(port, &[])?;
    bench.finds("ssl_only is set, but the proxy was not restarted", &only)?;
    let plain = well.plain().start()?;
    let without = settings.check(plain.address().port(), &[])?;
    bench.finds("a certificate is set, but the proxy was not restarted", &without)?;

    let public = |lines: &[&str]| {
        lines.iter().fold(settings.clone(), |settings, line| settings.setting(line))
    };
    public(&["public_host = \"localhost\""]).check(port, &[])?.expect_well()?;
    let unknown = public(&["public_host = \"console.invalid\""]).check(port, &[])?;
    bench.finds("public_host has no address", &unknown)?;
    let closed = public(&["public_host = \"localhost\"", &format!("public_port = {free}")]);
    bench.finds("nothing listens at public_host's port", &closed.check(port, &[])?)?;

    let pem = well.file("console.pem");
    let site = |location: &str| ReverseProxy::nginx(well.bed.dir(), location, Some(&pem));
    let panel = site("location / { return 200 panel; }")?;
    let at = |proxy: &ReverseProxy| format!("public_port = {}", proxy.address().port());
    let answers = public(&["public_host = \"localhost\"", &at(&panel)]).check(port, &[])?;
    bench.finds("another program answers at public_host", &answers)?;
    let upstream = well.plain().start()?;
    let deaf = format!("location / {{ proxy_pass http://{}; }}", upstream.address());
    let deaf = deaf.replace("0.0.0.0", "127.0.0.1");
    let deaf = site(&deaf)?;
    let refused = public(&["public_host = \"localhost\"", &at(&deaf)]).check(port, &[])?;
    bench.finds("the reverse proxy at public_host does not pass the upgrade on", &refused)?;
    let other = well.authority.server(&["127.0.0.1"])?.write(&well.file("address.pem"), &[])?;
    let through = passes_on(port);
    let behind = ReverseProxy::nginx(well.bed.dir(), &through, Some(&other))?;
    let foreign = public(&["public_host = \"localhost\"", &at(&behind)]).check(port, &[])?;
    bench.finds("public_host's certificate is for another name", &foreign)?;
    self_signed(&well, "self.pem")?;
    let by_itself = ReverseProxy::nginx(well.bed.dir(), &through, Some(&well.file("self.pem")))?;
    let by_itself = public(&["public_host = \"localhost\"", &at(&by_itself)]).check(port, &[])?;
    bench.finds("public_host's certificate is self-signed", &by_itself)?;
    let cookie = ["public_host = \"localhost\"", "allowed_origins = [\"panel.example.org\"]"];
    bench.finds(
        "the panel's page has another name than public_host",
        &public(&cookie).check(port, &[])?,
    )?;

    let pid = well.proxy.pid().as_raw_nonzero().to_string();
    let limit = |files: &str| lease::as_root("prlimit").args(["--pid", &pid, files]).status();
    limit("--nofile=256:20000")?;
    let few = settings.check(port, &[])?;
    limit("--nofile=20000:20000")?;
    bench.finds("max_sessions needs more open files than the service may have", &few)?;
    let late = std::time::SystemTime::now() + std::time::Duration::from_secs(5 * 24 * 60 * 60);
    fs::File::open(&pem)?.set_modified(late)?;
    bench.finds("the clock is days behind", &settings.check(port, &[])?)?;
    bench.finish()
}

/// nginx's location that leads to a proxy at this port, WebSockets included.
pub(crate) fn passes_on(port: u16) -> String {
    format!(
        "location / {{ proxy_pass http://127.0.0.1:{port}; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; \
         proxy_set_header Connection upgrade; proxy_set_header Host $http_host; }}"
    )
}

/// Other ways to listen are as well as the usual one, also for somebody who is not root and sees less.
#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_front_can_be_well() -> Result<()> {
    let well = Well::start()?;
    let only = well.settings().setting("ssl_only = true");
    let proxy = only.clone().start()?;
    let checked = only.check(proxy.address().port(), &[])?;
    checked.expect_well()?;
    checked.expect("browser.tls", "ok")?;
    checked.expect("browser.subprotocol", "ok")?;
    let ca = well.file("ca.pem");
    let clients = only.setting(&format!("client_ca = \"{}\"", ca.display()));
    let proxy = clients.clone().start()?;
    let checked =
        clients.setting("public_host = \"localhost\"").check(proxy.address().port(), &[])?;
    checked.expect_well()?;
    checked.expect("browser.tls", "skipped")?;

    // TLS is a reverse proxy's, at a port that does not tell.
    let behind = well.plain().setting("trusted_proxies = [\"127.0.0.1\"]");
    let proxy = behind.clone().start()?;
    let front = passes_on(proxy.address().port());
    let nginx = ReverseProxy::nginx(well.bed.dir(), &front, Some(&well.file("console.pem")))?;
    let behind = behind
        .setting("public_host = \"localhost\"")
        .setting(&format!("public_port = {}", nginx.address().port()));
    let checked = behind.check(proxy.address().port(), &[])?;
    checked.expect_well()?;
    checked.expect("public.certificate", "ok")?;

    let ports = PortRange::claim()?;
    let (plain, proxied) = (*ports.displays().start(), *ports.displays().start() + 1);
    let shared = Shared::new(&well.bed, "front")?;
    let socket = shared.file("console.sock");
    let places = format!(
        "listen = [\"0.0.0.0:{plain}\", \"[::1]:{plain}\", {{ address = \"127.0.0.1:{proxied}\", proxy_protocol = true }}, \"unix:{}\"]\n",
        socket.display()
    );
    let text = format!(
        "trusted_proxies = [\"192.0.2.1\"]\n{places}[[hosts]]\nid = 1\nconnection = \"socket\"\nuri = \"test:///default\"\n"
    );
    let config = shared.write("console.toml", &text)?.display().to_string();
    let program = harness::proxy::build()?;
    let mut proxy = std::process::Command::new(program).args(["--config", &config]).spawn()?;
    let listens = || std::net::TcpStream::connect(("127.0.0.1", plain)).is_ok() && socket.exists();
    let started =
        harness::wait::until(
            "the proxy to listen",
            crate::PATIENCE,
            || Ok(listens().then_some(())),
        );
    // With nobody's eyes, and without root's before: whose a port is cannot be seen.
    let check = harness::check::build()?;
    let mut as_nobody = lease::as_root("setpriv");
    as_nobody.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(&check);
    as_nobody.args(["--config", &config, "--json"]).current_dir("/");
    let mut as_root = lease::as_root("env");
    as_root.arg(&check).args(["--config", &config, "--json"]);
    let checks = [as_root, as_nobody].map(|command| Checked::run(command, crate::PATIENCE));
    proxy.kill()?;
    proxy.wait()?;
    started?;
    for checked in checks {
        let checked = checked?;
        assert!(checked.with_status("error").is_empty(), "{}", checked.shown());
        checked.expect("browser.plain", "ok")?;
        checked.expect("listen.loopback", "ok")?;
    }
    Ok(())
}
