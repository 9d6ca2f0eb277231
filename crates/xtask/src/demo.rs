//! `cargo xtask demo`: a guest, the proxy, one URL; `--check` opens it in headless Chromium and types.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::bed::Folder;
use harness::certificates::{Authority, Issued};
use harness::guest::GuestBuilder;
use harness::packages::{self, Emulator, Purpose};
use harness::proxy::{self, ProxyBuilder};
use harness::virsh::Virsh;
use harness::{Browser, Console, Guest, Libvirtd, Proxy, paths};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::say::{say, step};

/// The machine's own libvirtd, if one runs.
const SYSTEM: &str = "qemu:///system";
/// The guest's name, and the one for a libvirtd that already has a guest of that name.
const NAMES: [&str; 2] = ["demo", "webvirtmgr-console-demo"];
/// What its certificate is for.
const SERVED: [&str; 2] = ["localhost", "127.0.0.1"];
/// For each thing that the check waits for.
const PATIENCE: Duration = Duration::from_secs(30);
/// What the check types: lower case, so that no Shift is involved.
const TYPED: &str = "hello";

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Do not ask before installing packages
    #[arg(long)]
    yes: bool,
    /// Open the page in headless Chromium, type, say PASS or FAIL, and end
    #[arg(long)]
    check: bool,
    /// Give the guest a SPICE console instead of VNC
    #[arg(long)]
    spice: bool,
    /// Serve the page by https, too, with a certificate made for this run
    #[arg(long)]
    tls: bool,
    /// The port of the URL [default: one that is free]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    port: u16,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let purpose = if options.check { Purpose::DemoCheck } else { Purpose::Demo };
    packages::provide(purpose, "cargo xtask demo", options.yes)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // From here on Ctrl-C means: clean up, then end.
        let mut stop = Stop::watch()?;
        let (port, spice, tls) = (options.port, options.spice, options.tls);
        let mut set = tokio::task::spawn_blocking(move || Stage::set(port, spice, tls));
        let stage = tokio::select! {
            stage = &mut set => stage??,
            () = stop.asked() => {
                say("\nStopping once all has started; a second time stops at once.");
                tokio::select! {
                    stage = &mut set => drop(stage),
                    // The kernel ends what was started: see harness::lease.
                    () = stop.asked() => std::process::exit(130),
                }
                return Ok(ExitCode::FAILURE);
            }
        };
        if options.check {
            return tokio::select! {
                passed = stage.check() => passed,
                () = stop.asked() => Ok(ExitCode::FAILURE),
            };
        }
        stage.announce();
        stop.asked().await;
        say("\nStopping, and cleaning up.");
        Ok(ExitCode::SUCCESS)
    })
}

/// SIGINT (Ctrl-C) and SIGTERM.
#[derive(Debug)]
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn watch() -> Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { interrupt, terminate })
    }

    /// The next of them. Dropping this loses none.
    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// All that the demo started; dropped in this order.
#[derive(Debug)]
struct Stage {
    proxy: Proxy,
    guest: Guest,
    certificate: Option<Issued>,
    _libvirtd: Option<Libvirtd>,
    _shared: Option<SharedFolder>,
    folder: Folder,
}

impl Stage {
    fn set(port: u16, spice: bool, tls: bool) -> Result<Self> {
        // A debug build: quick to make, and one guest's console does not need more.
        step("building webvirtmgr-console", proxy::build)?;
        let folder = Folder::new()?;
        let dir = folder.path();

        let system = Virsh::new(SYSTEM);
        let (libvirtd, shared, guests, virsh) = if system.answers() {
            say(&format!("  using the libvirtd at {SYSTEM}"));
            // QEMU runs as somebody else there, who may not enter a home folder.
            let shared = SharedFolder::new()?;
            let guests = shared.0.clone();
            (None, Some(shared), guests, system)
        } else {
            packages::gain_root()?;
            let emulator = Emulator::find()?;
            let start = || Libvirtd::start(dir, &emulator);
            let libvirtd = step("starting a private libvirtd", start)?;
            let virsh = libvirtd.virsh().clone();
            (Some(libvirtd), None, dir.join("guests"), virsh)
        };
        let uri = virsh.uri().to_owned();
        let is_free = |name: &&str| virsh.run(&["domid", *name]).is_err();
        let name = NAMES.into_iter().find(is_free).unwrap_or_default();
        ensure!(!name.is_empty(), "{uri} already has the guests {}", NAMES.join(" and "));
        let console = if spice { Console::spice() } else { Console::vnc() };
        let boot = || GuestBuilder::new(virsh, name, &guests).console(console).start();
        let guest = step(&format!("booting the guest \"{name}\""), boot)?;
        let mut builder = ProxyBuilder::new(dir).listen("127.0.0.1", port).host(1, "demo", &uri);
        let certificate = if tls {
            Some(Authority::new("webvirtmgr-console demo")?.server(&SERVED)?)
        } else {
            None
        };
        if let Some(certificate) = &certificate {
            let file = certificate.write(&dir.join("demo.pem"), &[])?;
            builder = builder.setting(&format!("cert = {file:?}"));
        }
        let proxy = step("starting webvirtmgr-console", || builder.start())?;
        Ok(Self { proxy, guest, certificate, _libvirtd: libvirtd, _shared: shared, folder })
    }

    fn announce(&self) {
        let name = self.guest.name();
        let (plain, encrypted) = (self.proxy.page_url(self.guest.uuid()), self.encrypted_url());
        let url = encrypted.as_ref().unwrap_or(&plain);
        say(&format!(
            "\n  The console of the guest \"{name}\":\n\n    {url}\n\n  Open it in a browser and type. \
             Ctrl-C stops and cleans up."
        ));
        if encrypted.is_some() {
            say(&format!(
                "\n  The certificate is made for this run, so the browser warns before it shows the page. The same port\n  \
                 serves it without encryption, too:\n\n    {plain}"
            ));
        }
    }

    fn encrypted_url(&self) -> Option<String> {
        let url = self.proxy.page_url(self.guest.uuid());
        self.certificate.is_some().then(|| url.replacen("http://", "https://", 1))
    }

    /// As a person would: open the page, see the guest, type, see it echoed.
    async fn check(&self) -> Result<ExitCode> {
        let url = self.encrypted_url().unwrap_or_else(|| self.proxy.page_url(self.guest.uuid()));
        let browser = match &self.certificate {
            Some(certificate) => {
                Browser::trusting(self.folder.path(), &certificate.fingerprint()?).await?
            }
            None => Browser::start(self.folder.path()).await?,
        };
        let walked = self.walk(&browser, &url).await;
        let picture = paths::target().join("demo-check.png");
        match browser.screenshot(&picture).await {
            Ok(()) => say(&format!("      screenshot: {}", picture.display())),
            Err(error) => say(&format!("      no screenshot: {error:#}")),
        }
        if let Err(error) = walked {
            say(&format!("FAIL  {error:#}"));
            say(&format!("webvirtmgr-console's log:\n{}", self.proxy.log().trim_end()));
            return Ok(ExitCode::FAILURE);
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn walk(&self, browser: &Browser, url: &str) -> Result<()> {
        browser.open(url).await?;
        browser.wait_for_state("connected", PATIENCE).await?;
        say(&format!("PASS  {url} is connected"));

        let name = self.guest.name();
        let shown =
            browser.run("return document.querySelector('#guest-name')?.textContent").await?;
        ensure!(shown == name, "the page's name for the guest is {shown}, not {name:?}");
        say(&format!("PASS  the page names the guest \"{name}\""));

        // Not before something is drawn: "connected" comes before the first picture.
        browser.wait_for("the first picture", DRAWN, PATIENCE).await?;
        let before = browser.screen_digest().await?;
        browser.run("document.querySelector('#screen canvas').focus()").await?;
        browser.type_text(TYPED).await?;
        self.guest.wait_for_serial(TYPED, PATIENCE).context("the keys did not arrive")?;
        say(&format!("PASS  the guest got the keys {TYPED:?}"));

        browser.wait_for_screen_change(&before, PATIENCE).await?;
        say("PASS  the guest's echo is on the screen");
        Ok(())
    }
}

/// Whether the canvas has more than one colour.
const DRAWN: &str = "(() => {
    const canvas = document.querySelector('#screen canvas');
    if (!canvas || !canvas.width) return false;
    const image = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const pixels = new Uint32Array(image.data.buffer);
    return pixels.some((pixel) => pixel !== pixels[0]);
})()";

/// A folder that every user of this machine may enter, for the guest's image and log.
#[derive(Debug)]
struct SharedFolder(PathBuf);

impl SharedFolder {
    fn new() -> Result<Self> {
        let name = format!("webvirtmgr-console-demo-{}", std::process::id());
        let dir = Path::new("/var/tmp").join(name);
        fs::create_dir(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        fs::set_permissions(&dir, Permissions::from_mode(0o755))?;
        Ok(Self(dir))
    }
}

impl Drop for SharedFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
