//! The test bed itself, without any proxy: libvirtd starts, guests boot and echo, Chromium opens a page, and nothing outlives it.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use harness::bed::Folder;
use harness::database::Server;
use harness::lease::Leashed;
use harness::rfb::Rfb;
use harness::{Bed, Browser, Console, ProxyBuilder, Result};

mod databases;

/// For one thing to happen on a busy machine.
const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_guest_boots_shows_its_name_and_echoes_keys_and_com1() -> Result<()> {
    let bed = Bed::start()?;
    let guest = bed.guest("demo").start()?;
    let (address, port) = guest.display("vnc")?;
    assert_eq!(address, "127.0.0.1");
    assert!(bed.libvirtd().ports().displays().contains(&port), "port {port} is not the bed's");

    let mut vnc = Rfb::connect(&address, port)?;
    assert!(vnc.name.contains("demo"), "{}", vnc.name);
    assert_eq!((vnc.width, vnc.height), (720, 400));

    let before = vnc.screen()?;
    // Nothing blinks: whatever changes from here on is an echo. QEMU's cursor would within half a second.
    let quiet = Instant::now();
    while quiet.elapsed() < Duration::from_secs(1) {
        assert!(vnc.screen()? == before, "the screen changes by itself");
    }
    vnc.type_text("hello\u{8}p\n")?;
    guest.wait_for_serial("hello\u{8}p\r", SOON)?;
    let typed = changed(&mut vnc, &before)?;
    guest.send_serial(b"from COM1")?;
    changed(&mut vnc, &typed)?;
    // What came in by COM1 is shown, not sent back.
    assert_eq!(guest.serial()?, "ready demo\r\nhello\u{8}p\r");
    Ok(())
}

#[test]
fn beds_run_side_by_side() -> Result<()> {
    let (one, two) = (Bed::start()?, Bed::start()?);
    let first = one.guest("twin").console(Console::vnc()).start()?;
    let second = two.guest("twin").console(Console::vnc()).start()?;
    let ((_, first_port), (_, second_port)) = (first.display("vnc")?, second.display("vnc")?);
    assert_ne!(first_port, second_port);

    Rfb::connect("127.0.0.1", first_port)?.type_text("one")?;
    Rfb::connect("127.0.0.1", second_port)?.type_text("two")?;
    first.wait_for_serial("one", SOON)?;
    second.wait_for_serial("two", SOON)?;
    assert!(!first.serial()?.contains("two"));
    Ok(())
}

#[tokio::test]
async fn chromium_opens_a_page_takes_keys_and_tells_its_console() -> Result<()> {
    let folder = Folder::new()?;
    // Further down than a socket's path may reach: a clone may lie anywhere.
    let deep = folder.path().join("deep".repeat(30));
    fs::create_dir(&deep)?;
    let browser = Browser::start(&deep).await?;
    let page = "data:text/html,<body data-state=connecting><input autofocus \
                oninput=\"if (this.value === 'Hi there') document.body.dataset.state = 'connected'\">";
    browser.open(page).await?;
    browser.run("document.querySelector('input').focus(); console.error('a cry')").await?;
    browser.type_text("Hi there").await?;
    browser.wait_for_state("connected", SOON).await?;

    let picture = folder.path().join("page.png");
    browser.screenshot(&picture).await?;
    assert!(fs::read(&picture)?.starts_with(b"\x89PNG"));

    let failed = browser.wait_for_state("failed", Duration::ZERO).await.unwrap_err().to_string();
    assert!(failed.contains("waited 0 s for the page to be failed"), "{failed}");
    assert!(failed.contains("a cry"), "no console in: {failed}");
    Ok(())
}

#[test]
fn a_remote_hypervisor_is_reached_by_its_cable_only() -> Result<()> {
    let bed = Bed::start()?;
    let (mut one, other) = (bed.remote()?, bed.remote()?);
    assert_ne!(one.v4(), other.v4());
    let listening = |address: String| Console::Vnc {
        listen: harness::Listen::Address(address),
        password: None,
        websocket: false,
    };
    let hidden = one.guest("hidden").start()?;
    let shown = one.guest("shown").console(listening(one.v4().to_string())).start()?;
    let shown_six = one.guest("shown six").console(listening(one.v6().to_string())).start()?;
    let ((_, hidden), (_, shown)) = (hidden.display("vnc")?, shown.display("vnc")?);
    let (_, shown_six) = shown_six.display("vnc")?;
    for (address, port, expected) in [
        (IpAddr::from(one.v4()), shown, None),
        (one.v6().into(), shown_six, None),
        // Its loopback is nobody else's.
        (Ipv4Addr::LOCALHOST.into(), hidden, Some(ErrorKind::ConnectionRefused)),
        (one.v4().into(), hidden, Some(ErrorKind::ConnectionRefused)),
        (other.v4().into(), shown, Some(ErrorKind::ConnectionRefused)),
    ] {
        let reached = TcpStream::connect_timeout(&(address, port).into(), SOON);
        assert_eq!(reached.err().map(|error| error.kind()), expected, "{address}:{port}");
    }

    one.unplug()?;
    // Silence, and not an error: only our own patience ends it.
    let patience = Duration::from_millis(500);
    let silent = TcpStream::connect_timeout(&(one.v4(), shown).into(), patience);
    assert_eq!(silent.unwrap_err().kind(), ErrorKind::TimedOut);
    one.plug()?;
    TcpStream::connect_timeout(&(one.v4(), shown).into(), SOON)?;

    let near = one.near_v4();
    drop((one, other));
    harness::wait::until("its cable to go with it", SOON, || {
        Ok(TcpListener::bind((near, 0)).is_err().then_some(()))
    })
}

/// Waits until the screen is another than `before`.
fn changed(vnc: &mut Rfb, before: &[u8]) -> Result<Vec<u8>> {
    harness::wait::until("the guest's screen to change", SOON, || {
        let now = vnc.screen()?;
        Ok((now != before).then_some(now))
    })
}

#[test]
fn the_proxy_runs_with_the_tests_settings_and_ends_by_sigterm() -> Result<()> {
    let folder = Folder::new()?;
    let builder = ProxyBuilder::new(folder.path()).setting("max_sessions = 3");
    let mut proxy = builder.host(1, "mock \"host\"", "test:///default").start()?;
    assert_ne!(proxy.address().port(), 0);
    let usage = proxy.usage()?;
    assert!(usage.descriptors > 3 && usage.threads > 1 && usage.resident > 1 << 20, "{usage:?}");
    assert!(
        fs::read_to_string(format!("/proc/{}/comm", proxy.pid()))?.starts_with("webvirtmgr-cons")
    );
    assert!(proxy.stop()?.success(), "{}", proxy.log());

    let refused = ProxyBuilder::new(folder.path()).setting("max_sessions = \"many\"").start();
    let refused = refused.expect_err("settings are checked").to_string();
    assert!(refused.contains("ended at once") && refused.contains("max_sessions"), "{refused}");
    Ok(())
}

/// Set in the process that is to be killed.
const VICTIM: &str = "TESTBED_VICTIM";

/// This test runs itself again in a process of its own, which starts all that a bed has, says where, and is killed.
#[tokio::test]
async fn a_killed_process_leaves_nothing_running() -> Result<()> {
    if env::var_os(VICTIM).is_some() {
        let bed = Bed::start()?;
        let _guest = bed.guest("orphan").start()?;
        let _browser = Browser::start(bed.dir()).await?;
        let sleeper = Path::new("/bin/sleep");
        let _child = Leashed::start("sleeper", sleeper, &["600".as_ref()], &[], bed.dir())?;
        let mut postgres = Server::postgres(bed.dir())?;
        postgres.pause()?;
        let mut mariadb = Server::mariadb(bed.dir())?;
        mariadb.pause()?;
        println!("\nSTARTED {}", bed.dir().display());
        std::io::stdin().read_line(&mut String::new())?;
        return Ok(());
    }
    let mut victim = Command::new(env::current_exe()?)
        .args(["--exact", "a_killed_process_leaves_nothing_running", "--nocapture"])
        .env(VICTIM, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let told = BufReader::new(victim.stdout.take().expect("it is piped"));
    let dir = told
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("STARTED ").map(PathBuf::from))
        .expect("the victim starts everything");
    let names =
        ["libvirtd", "qemu-system", "chromedriver", "chromium", "sleep", "postgres", "mariadbd"];
    for name in names {
        assert!(running(&dir).iter().any(|line| line.contains(name)), "no {name} was started");
    }

    // SIGKILL: the victim can do nothing more.
    victim.kill()?;
    victim.wait()?;
    harness::wait::until("all that it started to end", SOON, || {
        Ok(running(&dir).is_empty().then_some(()))
    })?;
    // Its folder goes with the next bed's.
    let _next = Folder::new()?;
    assert!(!dir.exists(), "{} is still there", dir.display());
    Ok(())
}

/// The command lines of all processes that name `dir` in their command line or environment, or work in it.
fn running(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let read = |file| fs::read(process.path().join(file)).unwrap_or_default();
        let (line, environment) = (read("cmdline"), read("environ"));
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let dir = dir.to_string_lossy();
        let works_in = fs::read_link(process.path().join("cwd")).unwrap_or_default();
        let works_there = works_in.starts_with(&*dir);
        if works_there
            || line.contains(&*dir)
            || String::from_utf8_lossy(&environment).contains(&*dir)
        {
            found.push(line);
        }
    }
    found
}
