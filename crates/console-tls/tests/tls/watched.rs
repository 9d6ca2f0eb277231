//! A server whose files are watched.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use console_tls::{Tls, TlsSettings};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::handshake::Client;
use crate::logs::{self, Logs};
use crate::rig::{Authority, Files, Leaf, settings};

/// A server that is watched. The tests' clock stands still unless all wait for it, so nobody waits for the watch's polls in earnest.
pub(crate) struct Rig {
    pub(crate) root: Authority,
    pub(crate) files: Files,
    pub(crate) tls: Arc<Tls>,
    pub(crate) asked: Arc<Notify>,
    pub(crate) logs: Logs,
    watch: JoinHandle<()>,
}

impl Rig {
    /// Puts files in place, and loads and watches them.
    pub(crate) fn new(place: impl FnOnce(&Files, &Authority) -> TlsSettings) -> Self {
        let (root, files, logs) = (Authority::root("Root"), Files::new(), logs::captured());
        let tls = Arc::new(Tls::load(place(&files, &root)).unwrap());
        let asked = Arc::new(Notify::new());
        let watch = tokio::spawn(tls.clone().watch(asked.clone()));
        Self { root, files, tls, asked, logs, watch }
    }

    pub(crate) fn one_file() -> Self {
        Self::new(|files, root| settings(&files.write("all.pem", both(&root.leaf("first")))))
    }

    /// The name in the certificate that a new connection gets.
    pub(crate) fn served(&self) -> String {
        let shaken = Client::trusting(self.root.store()).connect(self.tls.config()).unwrap();
        console_tls::subject(&shaken.chain()[0]).unwrap().replace("CN=", "")
    }

    pub(crate) async fn until(&self, name: &str) {
        until(name, || self.served() == name).await;
    }

    /// Long enough for whatever the watch might do.
    pub(crate) async fn settle(&self) {
        sleep(Duration::from_secs(20)).await;
    }

    pub(crate) fn complaints(&self) -> Vec<String> {
        self.logs.with(self.files.root(), "the old one stays in use")
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

/// Waits for a condition, with a bound.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let bound = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < bound, "not within a minute: {what}");
        sleep(Duration::from_millis(500)).await;
    }
}

pub(crate) fn both(leaf: &Leaf) -> String {
    [leaf.pem.as_str(), &leaf.key].concat()
}

/// Writes until the file's times are others: two writes within one tick of the kernel's clock have the same.
pub(crate) fn rewrite(path: &Path, text: &str) {
    let times = || fs::metadata(path).map(|seen| (seen.ctime(), seen.ctime_nsec())).unwrap();
    let before = times();
    while times() == before {
        File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
    }
}

/// As `ln -sfn` and Kubernetes do it.
pub(crate) fn swap_link(link: &Path, target: &str) {
    let new = link.with_file_name("new link");
    symlink(target, &new).unwrap();
    fs::rename(new, link).unwrap();
}
