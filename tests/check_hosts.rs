//! `console-check` on hypervisors that are not well, and a healthy bed with all of libvirt's connections.

use harness::{Bed, Proxy, ProxyBuilder, Remote, Result};

use crate::check_bench::{Bench, Fault, Shared, Well, broken};
use crate::remote::{SSH, TCP, TLS, at, line, login, password, spice, vnc, with_remote};

pub(crate) const FAULTS: &[Fault] = &[
    broken("the host's name has no address", "host.name"),
    broken("nothing listens at libvirt's port", "host.port"),
    broken("the host's cable is pulled", "host.port"),
    broken("SASL's password is wrong", "host.libvirt"),
    broken("SASL's login is missing", "host.libvirt"),
    broken("the certificate for libvirt's TLS is of another authority", "host.libvirt"),
    broken("libvirtd is down", "host.libvirt"),
    broken("the service's user may not use libvirt's socket", "host.libvirt"),
    broken("libvirtd is stopped (SIGSTOP)", "host.libvirt"),
];

/// What is written down of [`Well`] is more than a test needs that has a hypervisor of its own.
pub(crate) struct Far {
    // Dropped in this order.
    pub(crate) remote: Remote,
    pub(crate) well: Well,
}

impl Far {
    pub(crate) fn start() -> Result<Self> {
        let well = Well::start()?;
        let remote = well.bed.remote()?;
        Ok(Self { remote, well })
    }

    /// The settings with one more host of these lines.
    pub(crate) fn host(&self, id: u64, lines: &[String]) -> ProxyBuilder {
        self.well.settings().host_with(id, lines)
    }

    pub(crate) fn port(&self) -> u16 {
        self.well.port()
    }

    pub(crate) fn bed(&self) -> &Bed {
        &self.well.bed
    }

    pub(crate) fn proxy(&mut self) -> &mut Proxy {
        &mut self.well.proxy
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_healthy_bed_there_is_nothing_to_say() -> Result<()> {
    let far = Far::start()?;
    let remote = &far.remote;
    let socket = harness::Listen::Socket(Some(far.bed().dir().join("far.sock")));
    let guests = [
        ("any", vnc(at("::")), &[TCP, TLS, SSH][..]),
        ("any spice", spice(at("::")), &[TCP, TLS, SSH]),
        ("loopback", spice(at("127.0.0.1")), &[SSH]),
        ("socket", vnc(socket), &[SSH]),
    ];
    // Where only SSH leads, the other hosts are not asked.
    let (everywhere, by_ssh) = guests.split_at(2);
    let start = |guests: &[(&str, harness::Console, &'static [u64])]| {
        let started = guests.iter().map(|(name, console, hosts)| {
            Ok((remote.guest(name).console(console.clone()).start()?, *hosts))
        });
        started.collect::<Result<Vec<_>>>()
    };
    let first = start(everywhere)?;
    let settings = with_remote(far.well.settings(), remote).setting("public_host = \"localhost\"");
    let all = settings.check(far.port(), &[])?;
    all.expect_well()?;
    for (guest, hosts) in &first {
        for host in *hosts {
            let token = format!("{host}-{}", guest.uuid());
            settings.check(far.port(), &[&token])?.expect_well()?;
        }
    }
    for (guest, hosts) in start(by_ssh)? {
        for host in hosts {
            let token = format!("{host}-{}", guest.uuid());
            let checked = settings.check(far.port(), &[&token])?;
            checked.expect_well()?;
            checked.expect("ssh.forward.tcp", "ok")?;
            checked.expect("ssh.forward.socket", "ok")?;
            checked.expect("backend.greeting", "ok")?;
        }
    }
    let report = all.report.to_string();
    assert!(!report.contains(remote.password()), "{report}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_of_a_host_is_the_first_finding() -> Result<()> {
    let mut far = Far::start()?;
    let (bench, port, v4) = (Bench::new(FAULTS), far.port(), far.remote.v4());
    let tcp = |hostname: String, more: Vec<String>| {
        [vec![line("connection", "tcp"), line("hostname", hostname)], more].concat()
    };
    let name = far.host(2, &tcp("hv9.invalid".into(), vec![]));
    bench.finds("the host's name has no address", &name.check(port, &[])?)?;
    let closed = far.host(2, &tcp(format!("{v4}:1"), vec![]));
    bench.finds("nothing listens at libvirt's port", &closed.check(port, &[])?)?;
    let wrong = vec![login(), line("password", "wr0ng-one")];
    let wrong = far.host(2, &tcp(v4.to_string(), wrong)).check(port, &[])?;
    bench.finds("SASL's password is wrong", &wrong)?;
    assert!(!wrong.report.to_string().contains("wr0ng-one"));
    let nobody = far.host(2, &tcp(v4.to_string(), vec![])).check(port, &[])?;
    bench.finds("SASL's login is missing", &nobody)?;
    let stranger = far.remote.stranger_pki().display().to_string();
    let tls = [
        line("connection", "tls"),
        line("hostname", v4),
        login(),
        password(&far.remote),
        line("uri", format!("qemu+tls://{v4}/system?pkipath={stranger}")),
    ];
    let tls = far.host(2, &tls).check(port, &[])?;
    bench.finds("the certificate for libvirt's TLS is of another authority", &tls)?;

    let healthy = far.host(2, &tcp(v4.to_string(), vec![login(), password(&far.remote)]));
    healthy.check(port, &[])?.expect_well()?;
    far.remote.unplug()?;
    let silent = healthy.check(port, &["--timeout", "2"]);
    far.remote.plug()?;
    bench.finds("the host's cable is pulled", &silent?)?;

    let own = far.well.settings();
    far.well.bed.libvirtd_mut().pause()?;
    let hanging = own.check(port, &["--timeout", "2"]);
    far.well.bed.libvirtd_mut().resume()?;
    let found = bench.finds("libvirtd is stopped (SIGSTOP)", &hanging?)?;
    assert!(found.text.contains("did not answer within 2s"), "{found:?}");
    far.well.bed.libvirtd_mut().kill()?;
    let down = own.check(port, &[]);
    far.well.bed.libvirtd_mut().revive()?;
    bench.finds("libvirtd is down", &down?)?;
    own.check(port, &[])?.expect_well()?;
    assert!(far.proxy().usage().is_ok());
    // The bed's folder is root's alone, as libvirt's socket is its group's.
    let uri = far.bed().libvirtd().uri();
    let as_nobody = far.well.plain().without_file().env("WS_PORT", &port.to_string());
    let shared = Shared::new(far.bed(), "hosts")?;
    let text = format!("[[hosts]]\nid = 1\nconnection = \"socket\"\nuri = \"{uri}\"\n");
    let config = shared.write("console.toml", &text)?;
    let as_nobody = as_nobody.arg("--config").arg(&config.display().to_string());
    let denied = as_nobody.check(port, &["--user", "nobody"]);
    let found = bench.finds("the service's user may not use libvirt's socket", &denied?)?;
    assert!(found.remedy.unwrap_or_default().contains("usermod -aG libvirt"));
    bench.finish()
}
