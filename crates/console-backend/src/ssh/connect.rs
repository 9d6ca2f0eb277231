//! From a server's settings to a connection that is logged in.

use std::io;
use std::path::Path;
use std::time::Duration;

use ssh2::MethodType;
use tokio::time::timeout;
use tracing::warn;

use super::auth::{self, LoggedIn};
use super::dialogue::{CallError, Dialogue};
use super::engine::Engine;
use super::error::{Lost, SshError, SshStep};
use super::examine::HostKeyState;
use super::host::{HostKeys, SshHost};
use super::known_hosts::{self, KnownKeys, Verdict};
use super::limits::SshLimits;
use super::quick::Quick;

use crate::Backend;

/// A connection to a server that has passed for the one that was meant. Nobody is logged in yet.
pub(crate) struct Met {
    dialogue: Dialogue,
    /// Type and fingerprint of the server's key.
    host_key: String,
    pub(crate) host_key_state: HostKeyState,
}

/// A connection that is logged in.
pub(crate) struct Greeted {
    pub(crate) dialogue: Dialogue,
    /// Type and fingerprint of the server's key.
    pub(crate) host_key: String,
    pub(crate) host_key_state: HostKeyState,
    pub(crate) login: LoggedIn,
}

/// What becomes of a server's key that is believed for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    /// It is written into known_hosts.
    KnownHosts,
    /// Nothing: who only looks leaves no trace.
    None,
}

/// Exchanges keys over `io`, judges the server by its key and logs in; each step has its time-out.
pub(crate) async fn greet(
    io: Backend,
    host: &SshHost,
    limits: &SshLimits,
    memory: Memory,
) -> Result<Greeted, SshError> {
    meet(io, host, limits, memory).await?.log_in(host, limits).await
}

/// The first half of [`greet`]: exchanges keys and judges the server by its key.
pub(crate) async fn meet(
    io: Backend,
    host: &SshHost,
    limits: &SshLimits,
    memory: Memory,
) -> Result<Met, SshError> {
    let server = host.address();
    let known = known_keys(host).await?;
    let lost = |source: Lost| SshError::Handshake { server: server.clone(), source };
    let engine = Engine::new().map_err(|error| lost(error.into()))?;
    let mut dialogue = Dialogue { engine, io: Quick(io) };
    let shake = async {
        let algorithms = known.algorithms();
        dialogue
            .call(|engine| {
                engine.call(|session| session.method_pref(MethodType::HostKey, &algorithms))
            })
            .await?;
        dialogue.call(|engine| engine.call(ssh2::Session::handshake)).await
    };
    within(limits.handshake_timeout, &server, SshStep::Handshake, shake)
        .await?
        .map_err(|error| lost(error.into_lost()))?;

    let key = |session: &mut ssh2::Session| Ok(session.host_key().map(|(blob, _)| blob.to_vec()));
    let blob = dialogue.call(|engine| engine.call(key)).await;
    let blob = blob.map_err(|error: CallError| lost(error.into_lost()))?.unwrap_or_default();
    let host_key_state = judge(&known, &blob, host, memory).await?;
    Ok(Met { dialogue, host_key: known_hosts::fingerprint(&blob), host_key_state })
}

impl Met {
    /// The second half of [`greet`].
    pub(crate) async fn log_in(
        self,
        host: &SshHost,
        limits: &SshLimits,
    ) -> Result<Greeted, SshError> {
        let Self { mut dialogue, host_key, host_key_state } = self;
        let log_in = auth::log_in(&mut dialogue, host);
        let server = host.address();
        let login = within(limits.auth_timeout, &server, SshStep::Authentication, log_in).await??;
        Ok(Greeted { dialogue, host_key, host_key_state, login })
    }
}

/// What a future says within a time-out.
pub(crate) async fn within<T>(
    limit: Duration,
    server: &str,
    step: SshStep,
    future: impl Future<Output = T>,
) -> Result<T, SshError> {
    let timed_out = |_| SshError::TimedOut { server: server.to_owned(), step, limit };
    timeout(limit, future).await.map_err(timed_out)
}

async fn judge(
    known: &KnownKeys,
    blob: &[u8],
    host: &SshHost,
    memory: Memory,
) -> Result<HostKeyState, SshError> {
    let key = known_hosts::fingerprint(blob);
    let name = host.known_as().name;
    let mut verdict = known.verdict(blob);
    if verdict == Verdict::Unknown && host.host_keys != HostKeys::Strict {
        // Somebody else may have believed another key meanwhile.
        verdict = known_keys(host).await?.verdict(blob);
        if verdict == Verdict::Unknown && memory == Memory::None {
            return Ok(HostKeyState::WouldBeAccepted);
        }
        if verdict == Verdict::Unknown {
            let remembered = remember(host, &name, blob).await;
            return match (remembered, host.host_keys) {
                (Err(error), HostKeys::Unchecked) => {
                    warn!(
                        host = name,
                        key, "its key is believed unchecked, and cannot be remembered: {error}"
                    );
                    Ok(HostKeyState::Known)
                }
                (remembered, _) => remembered.map(|()| HostKeyState::Known),
            };
        }
    }
    match verdict {
        Verdict::Known => Ok(HostKeyState::Known),
        Verdict::Unknown => {
            let files: Vec<_> =
                host.known_hosts.iter().chain(&host.global_known_hosts).cloned().collect();
            let first = files
                .first()
                .map_or_else(|| "known_hosts".to_owned(), |file| file.display().to_string());
            Err(SshError::HostKeyUnknown { name, key, files, scan: host.scan(&first) })
        }
        Verdict::Changed(at) => {
            let known = known_hosts::fingerprint(&at.blob);
            let scan = host.scan(&at.file.display().to_string()).into();
            Err(SshError::HostKeyChanged { name, key, known, file: at.file, line: at.line, scan })
        }
        Verdict::Revoked(at) => {
            Err(SshError::HostKeyRevoked { name, key, file: at.file, line: at.line })
        }
    }
}

/// Reads anew for each connection: keys are added and removed while we run.
async fn known_keys(host: &SshHost) -> Result<KnownKeys, SshError> {
    let files: Vec<_> = host.known_hosts.iter().chain(&host.global_known_hosts).cloned().collect();
    let name = host.known_as();
    let first = files.first().cloned().unwrap_or_default();
    let revoked = host.revoked_host_keys.clone();
    let read = move || {
        let mut known = KnownKeys::default();
        for file in files {
            match text(&file) {
                Ok(text) => known.add(&text, &file, &name),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(SshError::KnownHosts { file, writing: false, source }),
            }
        }
        for file in revoked {
            // As for ssh, one that cannot be read revokes all.
            let revoked =
                text(&file).and_then(|text| known.revoke(&text, &file).map_err(io::Error::other));
            revoked.map_err(|source| SshError::KnownHosts { file, writing: false, source })?;
        }
        Ok(known)
    };
    // Whatever cuts it short, no key is known then.
    let cut_short = |_| {
        let source = io::Error::other("interrupted");
        Err(SshError::KnownHosts { file: first, writing: false, source })
    };
    tokio::task::spawn_blocking(read).await.unwrap_or_else(cut_short)
}

fn text(file: &Path) -> io::Result<String> {
    let length = std::fs::metadata(file)?.len();
    if length > MAX_KNOWN_HOSTS_SIZE {
        return Err(io::Error::other(format!("it is larger than {MAX_KNOWN_HOSTS_SIZE} bytes")));
    }
    Ok(String::from_utf8_lossy(&std::fs::read(file)?).into_owned())
}

async fn remember(host: &SshHost, name: &str, blob: &[u8]) -> Result<(), SshError> {
    let Some(file) = host.known_hosts.first().cloned() else { return Ok(()) };
    let line = known_hosts::line(name, blob);
    let target = file.clone();
    let written = tokio::task::spawn_blocking(move || append(&target, &line)).await;
    let written = written.unwrap_or_else(|_| Err(io::Error::other("interrupted")));
    written.map_err(|source| SshError::KnownHosts { file, writing: true, source })
}

/// With the modes that ssh gives its folder and file.
fn append(file: &Path, line: &str) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
    if let Some(folder) = file.parent().filter(|folder| !folder.exists()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut options = std::fs::OpenOptions::new();
    let before = std::fs::read(file).unwrap_or_default();
    // An editor may have left the last line open.
    let start = if before.last().is_some_and(|last| *last != b'\n') { "\n" } else { "" };
    // One write, so that two processes' lines do not mix.
    options
        .create(true)
        .append(true)
        .mode(0o600)
        .open(file)?
        .write_all(format!("{start}{line}").as_bytes())
}

/// The largest known_hosts file that is read, in bytes: some ten thousand keys.
const MAX_KNOWN_HOSTS_SIZE: u64 = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_only_looks_writes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("new/known_hosts");
        let mut host = SshHost::new("hv1", "root");
        host.known_hosts.push(file.clone());
        let blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x03key";
        let judged = async |host: &SshHost, memory| {
            judge(&known_keys(host).await.unwrap(), blob, host, memory).await
        };
        assert!(matches!(judged(&host, Memory::None).await, Err(SshError::HostKeyUnknown { .. })));
        for host_keys in [HostKeys::AcceptNew, HostKeys::Unchecked] {
            host.host_keys = host_keys;
            let state = judged(&host, Memory::None).await.unwrap();
            assert_eq!(state, HostKeyState::WouldBeAccepted);
            assert!(!file.parent().unwrap().exists());
        }
        for memory in [Memory::KnownHosts, Memory::None] {
            assert_eq!(judged(&host, memory).await.unwrap(), HostKeyState::Known);
            assert_eq!(std::fs::read_to_string(&file).unwrap(), known_hosts::line("hv1", blob));
        }
    }
}
