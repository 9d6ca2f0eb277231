//! [`Tls`]: the configuration that new connections get, kept up with its files.

use std::fs::metadata;
use std::mem::{Discriminant, discriminant};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::TlsError;
use crate::certificate::{Certificate, Moment};
use crate::check::Finding;
use crate::server::{Built, TlsSettings, build};

/// A TLS server's configuration that changes with its files. Connections keep the one that they began with.
#[derive(Debug)]
pub struct Tls {
    settings: TlsSettings,
    config: RwLock<Arc<ServerConfig>>,
    certificate: Mutex<Certificate>,
    loaded: Mutex<Tried>,
}

impl Tls {
    /// Reads the files and checks them; says in the log what there is to say of them. Blocks.
    ///
    /// # Errors
    ///
    /// [`TlsError`]: what is wrong, and in which file.
    pub fn load(settings: TlsSettings) -> Result<Self, TlsError> {
        // Before they are read: a change in between is then found later.
        let stamp = Stamp::of(&settings);
        let Built { config, certificate, findings } = build(&settings)?;
        tell(&certificate, &findings, "certificate loaded");
        Ok(Self {
            settings,
            config: RwLock::new(config),
            certificate: Mutex::new(certificate),
            loaded: Mutex::new(Tried { stamp, failure: None }),
        })
    }

    /// What a new connection is to be served with.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a client has to show a certificate.
    pub fn requires_client_certificates(&self) -> bool {
        self.settings.clients.as_ref().is_some_and(|clients| clients.required)
    }

    /// Reads the files again. Says in the log what came of it; if they are not right, the old ones stay in use. Blocks.
    pub fn reload(&self) {
        self.read_again(true);
    }

    /// `is_news`: whether a failure is to be told that was told before of the same files.
    fn read_again(&self, is_news: bool) {
        // Kept to the end: of two at once, the one that began first must not have the last word.
        let mut tried = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = Stamp::of(&self.settings);
        let before = tried.failure.filter(|_| tried.stamp == stamp && !is_news);
        match build(&self.settings) {
            Ok(Built { config, certificate, findings }) => {
                *tried = Tried { stamp, failure: None };
                *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
                tell(&certificate, &findings, "certificate reloaded");
                *self.certificate.lock().unwrap_or_else(PoisonError::into_inner) = certificate;
            }
            Err(error) => {
                let failure = Failure { kind: discriminant(&error), may_pass: may_pass(&error) };
                *tried = Tried { stamp, failure: Some(failure) };
                // What waits for its time is not told at each look, what is found behind it is.
                if before.is_none_or(|before| before.kind != failure.kind) {
                    tell_failure(&error);
                }
            }
        }
    }

    /// Reloads whenever the files have changed, by whatever means, and whenever `asked` is notified. Never returns.
    ///
    /// The files are looked at every 2 s, and a change is taken up once they have been the same for another 2 s: certificate and key in
    /// two files change one after the other. So it also works where nothing tells of changes (a network's file system), and for links on the
    /// way to a file.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the watch; a reload under way is finished.
    pub async fn watch(self: Arc<Self>, asked: Arc<Notify>) {
        let mut ticks = interval(POLL_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut before = None;
        let mut expiry_told = None;
        loop {
            let is_asked = tokio::select! {
                () = asked.notified() => true,
                _ = ticks.tick() => false,
            };
            let tls = self.clone();
            // A network's file system may be silent: then this waits, and nothing else.
            let looked = tokio::task::spawn_blocking(move || {
                let stamp = Stamp::of(&tls.settings);
                let tried = *tls.loaded.lock().unwrap_or_else(PoisonError::into_inner);
                if is_asked || tried.is_due(before, stamp) {
                    tls.read_again(is_asked);
                }
                stamp
            });
            before = looked.await.ok();
            self.tell_expiry(&mut expiry_told);
        }
    }

    /// Once for each certificate.
    fn tell_expiry(&self, told: &mut Option<Moment>) {
        let certificate = self.certificate.lock().unwrap_or_else(PoisonError::into_inner);
        let at = certificate.not_after();
        if Moment::now() > at && *told != Some(at) {
            *told = Some(at);
            warn!(
                name = certificate.name(),
                remedy = "renew it; the new one is taken up without a restart",
                "the certificate expired at {at}, browsers refuse it"
            );
        }
    }
}

/// Whether the same files may be right later: they are for later, or reading them failed for a reason that is not theirs.
fn may_pass(error: &TlsError) -> bool {
    match error {
        TlsError::NotYetValid { .. } => true,
        TlsError::Unreadable { source, .. } => crate::error::may_pass(source),
        _ => false,
    }
}

fn tell_failure(error: &TlsError) {
    let cause = match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    warn!(
        cause,
        remedy = error.remedy(),
        "the new certificate cannot be used, so the old one stays in use"
    );
}

fn tell(certificate: &Certificate, findings: &[Finding], what: &'static str) {
    info!(
        name = certificate.name(),
        names = certificate.names().join(" "),
        until = %certificate.not_after(),
        "{what}"
    );
    for finding in findings {
        if finding.is_warning() {
            warn!(remedy = finding.remedy(), "certificate: {finding}");
        } else {
            info!("certificate: {finding}");
        }
    }
}

/// What was loaded last, or tried in vain.
#[derive(Clone, Copy, Debug)]
struct Tried {
    stamp: Stamp,
    /// Why it was in vain.
    failure: Option<Failure>,
}

#[derive(Clone, Copy, Debug)]
struct Failure {
    kind: Discriminant<TlsError>,
    /// Whether it need not stay so.
    may_pass: bool,
}

impl Tried {
    /// Whether what is there now is news (or may have become right), and has not changed since the look before: files change one after the
    /// other, and not at once.
    fn is_due(self, before: Option<Stamp>, now: Stamp) -> bool {
        let may_pass = self.failure.is_some_and(|failure| failure.may_pass);
        before == Some(now) && (now != self.stamp || may_pass)
    }
}

/// What tells one version of the files from another, without reading them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stamp([Option<FileStamp>; 3]);

/// The file behind all links: device, inode, size, and the times of the last change to content and inode.
type FileStamp = (u64, u64, u64, (i64, i64), (i64, i64));

impl Stamp {
    fn of(settings: &TlsSettings) -> Self {
        let key = settings.key.as_deref();
        let ca = settings.clients.as_ref().map(|clients| clients.ca.as_path());
        Self([Some(settings.cert.as_path()), key, ca].map(|path| path.and_then(file)))
    }
}

fn file(path: &Path) -> Option<FileStamp> {
    let seen = metadata(path).ok()?;
    let (modified, changed) =
        ((seen.mtime(), seen.mtime_nsec()), (seen.ctime(), seen.ctime_nsec()));
    Some((seen.dev(), seen.ino(), seen.size(), modified, changed))
}

/// Short against the time that anybody waits for a renewed certificate, and long against what a look costs: some microseconds.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_taken_up_once_it_has_settled_and_only_once() {
        let stamp = |inode| Stamp([Some((1, inode, 1, (1, 1), (1, 1))), None, None]);
        let (old, half, new) = (stamp(1), stamp(2), stamp(3));
        let mut tried = Tried { stamp: old, failure: None };
        let mut before = None;
        let mut taken = Vec::new();
        for now in [old, old, half, new, new, new, old, new, new] {
            if tried.is_due(before, now) {
                taken.push(now);
                tried.stamp = now;
            }
            before = Some(now);
        }
        assert_eq!(taken, [new]);
    }
}
