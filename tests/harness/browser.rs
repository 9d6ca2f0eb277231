//! Headless Chromium, driven over WebDriver (<https://www.w3.org/TR/webdriver2/>) by Debian's chromedriver.
//!
//! Both run in a cage (see [`lease`](crate::lease)): killing a chromedriver leaves its Chromium behind, ending a cage leaves nothing.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::lease::Caged;
use crate::{paths, wait};

mod net_log;

const SCRIPT: &str = include_str!("browser.sh");

/// For chromedriver to listen, and for Chromium to open its first window, each.
const READY: Duration = Duration::from_secs(60);

/// What chromedriver prints before its port.
const STARTED: &str = "started successfully on port ";

/// No sandbox: it is root who runs it, in a container at times, and it opens our pages alone. The rest keeps it from talking
/// to anybody else, from needing a GPU, and from needing a large /dev/shm.
const FLAGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--window-size=1280,900",
];

const NET_LOG: &str = "net-log.json";

/// WebDriver's code for the Shift key (section 15.4.2, keyboard actions).
const SHIFT: char = '\u{e008}';
/// WebDriver's code for the Enter key.
const ENTER: char = '\u{e007}';

/// One Chromium with a new profile and one window. Dropping it ends it.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    profile: PathBuf,
    // After the client: it must not find the server gone while it still speaks.
    _cage: Caged,
}

impl Browser {
    /// Starts one; its files go to a new folder in `dir`. Dropped half-way it ends what it started.
    ///
    /// # Errors
    ///
    /// Chromium or its driver is missing, root cannot be had, or it does not start.
    pub async fn start(dir: &Path) -> Result<Self> {
        Self::start_with(dir, &[]).await
    }

    /// Starts one that takes the certificate with this [fingerprint](crate::certificates::Issued::fingerprint), and no other that it does not
    /// know.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn trusting(dir: &Path, fingerprint: &str) -> Result<Self> {
        Self::start_with(dir, &[format!("--ignore-certificate-errors-spki-list={fingerprint}")])
            .await
    }

    async fn start_with(dir: &Path, more: &[String]) -> Result<Self> {
        ensure!(
            paths::program("chromedriver").is_some(),
            "chromedriver is missing: run `cargo xtask setup` (packages chromium, chromium-driver)"
        );
        let dir = new_folder(dir)?;
        let owner = fs::metadata(&dir)?;
        let (uid, gid) = (OsString::from(owner.uid().to_string()), owner.gid().to_string());
        let env: [(&str, &OsStr); 3] =
            [("DIR", dir.as_os_str()), ("OWNER_UID", &uid), ("OWNER_GID", gid.as_ref())];
        let mut cage = Caged::start("chromedriver", SCRIPT, &dir, &env)?;
        let port = wait::until("chromedriver to listen", READY, || {
            if cage.has_ended()? {
                bail!("chromedriver ended at once");
            }
            Ok(driver_port(&cage.log()))
        })
        .map_err(|error| wait::with_log(&error, "chromedriver", &cage.log()))?;

        let profile = dir.join("profile");
        let mut flags: Vec<String> = FLAGS.iter().map(|&flag| flag.into()).collect();
        flags.push(format!("--user-data-dir={}", profile.display()));
        flags.push(format!("--log-net-log={}", dir.join(NET_LOG).display()));
        flags.extend_from_slice(more);
        let options = json!({ "goog:chromeOptions": { "args": flags } });
        let Value::Object(capabilities) = options else { bail!("capabilities are an object") };
        let url = format!("http://127.0.0.1:{port}");
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let connect = builder.capabilities(capabilities).connect(&url);
        let client = timeout(READY, connect)
            .await
            .context("waited too long for Chromium's first window")?
            .map_err(|error| wait::with_log(&error.into(), "chromedriver", &cage.log()))?;
        Ok(Self { client, profile, _cage: cage })
    }

    /// Opens a page and waits until it has loaded.
    ///
    /// # Errors
    ///
    /// It cannot be loaded.
    pub async fn open(&self, url: &str) -> Result<()> {
        self.client.goto(url).await.with_context(|| format!("Chromium cannot open {url}"))
    }

    /// Runs the body of a JavaScript function in the page and returns what it returns.
    ///
    /// # Errors
    ///
    /// It throws.
    pub async fn run(&self, script: &str) -> Result<Value> {
        let result = self.client.execute(script, Vec::new()).await;
        result.with_context(|| format!("in the page, of {script:?}"))
    }

    /// Waits until a JavaScript expression is true in the page; `what` completes "waited 5 s for …".
    ///
    /// # Errors
    ///
    /// It is not within `bound`, or throws; the error has the page's text and Chromium's console.
    pub async fn wait_for(&self, what: &str, condition: &str, bound: Duration) -> Result<()> {
        let start = Instant::now();
        let script = format!("return !!({condition})");
        while self.run(&script).await? != Value::Bool(true) {
            if start.elapsed() >= bound {
                let text = self.run("return document.body.innerText").await.unwrap_or_default();
                bail!(
                    "waited {} s for {what}: {condition}\nthe page says: {}\nChromium's console:\n{}\nfailed requests: {:?}",
                    bound.as_secs_f32(),
                    text.as_str().unwrap_or_default().trim(),
                    self.console(),
                    self.failed_requests()
                );
            }
            sleep(wait::PAUSE).await;
        }
        Ok(())
    }

    /// Waits until our console page is in `state` (`document.body.dataset.state`).
    ///
    /// # Errors
    ///
    /// See [`wait_for`](Self::wait_for).
    pub async fn wait_for_state(&self, state: &str, bound: Duration) -> Result<()> {
        let condition = format!("document.body.dataset.state === {}", json!(state));
        self.wait_for(&format!("the page to be {state}"), &condition, bound).await
    }

    /// Types where the focus is, as a person would: capitals with Shift, line ends with Enter.
    ///
    /// # Errors
    ///
    /// Chromium is gone.
    pub async fn type_text(&self, text: &str) -> Result<()> {
        let mut keys = KeyActions::new("keyboard".into());
        for character in text.chars() {
            let (value, shift) = match character {
                '\n' => (ENTER, false),
                other => (other, other.is_uppercase()),
            };
            if shift {
                keys = keys.then(KeyAction::Down { value: SHIFT });
            }
            keys = keys.then(KeyAction::Down { value }).then(KeyAction::Up { value });
            if shift {
                keys = keys.then(KeyAction::Up { value: SHIFT });
            }
        }
        self.client.perform_actions(keys).await.context("Chromium takes no keys")
    }

    /// A digest of what noVNC has drawn (the canvas in `#screen`): it changes when the guest's screen does.
    ///
    /// # Errors
    ///
    /// There is no canvas.
    pub async fn screen_digest(&self) -> Result<String> {
        let digest = self.run(SCREEN_DIGEST).await?;
        Ok(digest.as_str().context("there is no canvas in #screen")?.to_owned())
    }

    /// Waits until noVNC's picture is another than that of `digest`.
    ///
    /// # Errors
    ///
    /// See [`wait_for`](Self::wait_for).
    pub async fn wait_for_screen_change(&self, digest: &str, bound: Duration) -> Result<()> {
        let condition = format!("(() => {{ {SCREEN_DIGEST} }})() !== {}", json!(digest));
        self.wait_for("the guest's screen to change", &condition, bound).await
    }

    /// Saves a picture of the window as PNG.
    ///
    /// # Errors
    ///
    /// Chromium gives none, or the file cannot be written.
    pub async fn screenshot(&self, file: &Path) -> Result<()> {
        let png = self.client.screenshot().await.context("Chromium gives no screenshot")?;
        fs::write(file, png).with_context(|| format!("cannot write {}", file.display()))
    }

    /// What pages wrote to the console so far, errors of loading and of scripts included.
    pub fn console(&self) -> String {
        let log = fs::read(self.profile.join("chrome_debug.log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log).into_owned();
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(":CONSOLE")).collect();
        lines.join("\n")
    }

    /// The requests to servers of this machine that failed so far, each with its address and Chromium's reason.
    pub fn failed_requests(&self) -> Vec<String> {
        let log = fs::read(self.profile.with_file_name(NET_LOG)).unwrap_or_default();
        net_log::failed_requests(&String::from_utf8_lossy(&log))
    }

    /// The WebDriver client, for what is not here.
    pub fn client(&self) -> &Client {
        &self.client
    }
}

/// FNV-1a over the pixels.
const SCREEN_DIGEST: &str = "\
const canvas = document.querySelector('#screen canvas');
if (!canvas || !canvas.width) return null;
const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
let hash = 2166136261;
for (let i = 0; i < pixels.length; i++) hash = Math.imul(hash ^ pixels[i], 16777619);
return `${canvas.width}x${canvas.height}:${hash}`;";

fn driver_port(log: &str) -> Option<u16> {
    let (_, rest) = log.split_once(STARTED)?;
    let (port, _) = rest.split_once('\n')?;
    port.trim().trim_end_matches('.').parse().ok()
}

fn new_folder(dir: &Path) -> Result<PathBuf> {
    for number in 1.. {
        let folder = dir.join(format!("browser-{number}"));
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).context(format!("cannot make {}", folder.display())),
        }
    }
    bail!("no free name for a folder in {}", dir.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_only_when_the_line_is_whole() {
        assert_eq!(driver_port("ChromeDriver was started successfully on port 41"), None);
        let whole = "Starting\nChromeDriver was started successfully on port 41233.\n";
        assert_eq!(driver_port(whole), Some(41233));
    }
}
