//! What an SSH server makes of a login: who it is, what it takes, and whether it tunnels. Nothing is opened to stay, nothing is written.

use std::error::Error;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, timeout};

use super::connect::{Greeted, Memory, Met, meet};
use super::dialogue::{CallError, Dialogue};
use super::error::{Attempt, Lost, SshError};
use super::forwarding::{
    Answer, Forwarding, SOCKETS, socket_verdict, tcp_verdict, unanswered, unasked, untold,
};
use super::host::{HostKeys, SshHost, SshProxy};
use super::pool::Pool;
use super::target::Target;
use crate::Backend;

/// How a login at an SSH server went, for people ([`Opener::examine`](crate::Opener::examine)).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SshReport {
    /// Its address, `hv1.example.org:22`.
    pub server: String,
    /// Who has logged in.
    pub user: String,
    /// Type and fingerprint of the key that the server showed: `ssh-ed25519 SHA256:…`.
    pub host_key: String,
    /// What is thought of that key.
    pub host_key_state: HostKeyState,
    /// Whether a console's login would write a key into a known_hosts file, this server's or a jump host's. Where the settings believe keys and
    /// have no such file, or `/dev/null`, it would not.
    pub would_write: bool,
    /// What was tried before the one that worked, in order.
    pub attempts: Vec<Attempt>,
    /// What worked: `key /root/.ssh/id_ed25519`, `the agent's key x`, `password`.
    pub method: String,
    /// From one request over the finished connection to its answer.
    pub round_trip: Duration,
    /// Whether tunnels to TCP ports are allowed: consoles that listen on one.
    pub tcp_forwarding: Forwarding,
    /// Whether tunnels to UNIX sockets are allowed: consoles that listen on one.
    pub socket_forwarding: Forwarding,
}

/// What is thought of the key of a server that has passed for the one that was meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostKeyState {
    /// It is in a file of known keys.
    Known,
    /// No key of the server is known; the settings believe a new one and write it down, which has not been done.
    WouldBeAccepted,
}

/// Why there is no login, and what had been found out by then ([`Opener::examine`](crate::Opener::examine)).
///
/// As an error it is its [`error`](Self::error): text and source are that one's.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SshFailure {
    /// What failed, as a console would meet it.
    pub error: Arc<SshError>,
    /// What is thought of the server's own key; nothing if it did not come so far, or if the key is what failed.
    pub host_key_state: Option<HostKeyState>,
    /// Whether a key was believed that is not known and that a console's login would write down, this server's or a jump host's: what
    /// [`SshReport::would_write`] is where the login works.
    pub passed_keys_unknown: bool,
}

impl fmt::Display for SshFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for SshFailure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

impl Pool {
    /// Logs in at `host` apart from all other connections, and says how that went.
    pub(crate) async fn examine(&self, host: &Arc<SshHost>) -> Result<SshReport, SshFailure> {
        let limits = self.limits();
        // Jump hosts are reached through it. It ends by itself once nobody has it any more.
        let apart = self.apart();
        let mut would_write = false;
        let failure = |error: Arc<SshError>, host_key_state, passed_keys_unknown| SshFailure {
            error,
            host_key_state,
            passed_keys_unknown,
        };
        let io = match apart.reach_doubting(host, &mut would_write).await {
            Ok(io) => io,
            Err(error) => return Err(failure(error, None, would_write)),
        };
        let met = meet(io, host, limits, Memory::None).await;
        let met: Met = met.map_err(|error| failure(error.into(), None, would_write))?;
        let state = met.host_key_state;
        would_write |= state == HostKeyState::WouldBeAccepted && writes_keys(host);
        let failed = |error: SshError| failure(error.into(), Some(state), would_write);
        let Greeted { dialogue, host_key, host_key_state, login } =
            met.log_in(host, limits).await.map_err(failed)?;
        let mut guest = Guest { dialogue, limit: limits.channel_timeout, is_usable: true };
        let lost = |source| failed(SshError::Lost { server: host.address(), source });
        let round_trip = guest.round_trip().await.map_err(lost)?;
        let tcp_forwarding = guest.tcp(host.port.get()).await;
        let socket_forwarding = guest.sockets(&tcp_forwarding).await;
        guest.leave().await;
        Ok(SshReport {
            server: host.address(),
            user: host.user.clone(),
            host_key,
            host_key_state,
            would_write,
            attempts: login.attempts,
            method: login.method,
            round_trip,
            tcp_forwarding,
            socket_forwarding,
        })
    }

    /// [Reaches](Self::reach) `host`, and says whether a jump host's key would be written down. The connections to jump hosts do not tell what they
    /// think of a key, so unknown ones are refused at first, and believed when that has told whose they are: one more key exchange for each.
    async fn reach_doubting(
        self: &Arc<Self>,
        host: &SshHost,
        would_write: &mut bool,
    ) -> Result<Backend, Arc<SshError>> {
        let mut believed = Vec::new();
        loop {
            let reached = self.reach(&doubting(host, &believed, 1)).await;
            let Some(number) = reached.as_ref().err().and_then(|error| unknown(error)) else {
                return reached;
            };
            match jump(host, number) {
                Some(jump) if jump.host_keys != HostKeys::Strict && !believed.contains(&number) => {
                    *would_write |= writes_keys(jump);
                    believed.push(number);
                }
                _ => return reached,
            }
        }
    }
}

/// `host` with jump hosts that are strict about their keys, but for those that are `believed`: numbered from the server, of which the first is
/// `number`.
fn doubting(host: &SshHost, believed: &[usize], number: usize) -> SshHost {
    let mut host = host.clone();
    if let SshProxy::Jump(jump) = &host.proxy {
        let mut jump = doubting(jump, believed, number.saturating_add(1));
        if !believed.contains(&number) {
            jump.host_keys = HostKeys::Strict;
        }
        host.proxy = SshProxy::Jump(Arc::new(jump));
    }
    host
}

/// The number of the jump host whose key is not known, if it is that.
fn unknown(mut error: &SshError) -> Option<usize> {
    let mut number: usize = 0;
    while let SshError::Jump { source, .. } = error {
        number = number.saturating_add(1);
        error = source;
    }
    matches!(error, SshError::HostKeyUnknown { .. }).then_some(number)
}

/// The jump host with this number; 0 is the server itself.
fn jump(mut host: &SshHost, number: usize) -> Option<&SshHost> {
    for _ in 0..number {
        let SshProxy::Jump(jump) = &host.proxy else { return None };
        host = jump;
    }
    Some(host)
}

/// Whether a key that is believed for the first time lasts.
fn writes_keys(host: &SshHost) -> bool {
    host.known_hosts.first().is_some_and(|file| file != Path::new("/dev/null"))
}

/// Somebody who is logged in and only looks.
struct Guest {
    dialogue: Dialogue,
    /// For each request.
    limit: Duration,
    /// No request is under way that was given up: libssh2 has one at a time.
    is_usable: bool,
}

impl Guest {
    /// Every server knows sessions, and whether it grants one or not, it answers at once. No shell is asked for.
    async fn round_trip(&mut self) -> Result<Duration, Lost> {
        let start = Instant::now();
        let answer = self.open("session", &[]).await?;
        let round_trip = start.elapsed();
        self.close(answer).await;
        Ok(round_trip)
    }

    /// Leads to the server's own port as it has it on its loopback: something listens there, and nobody minds a look at it.
    async fn tcp(&mut self, port: u16) -> Forwarding {
        let target = Target::Tcp { host: LOOPBACK.to_owned(), port };
        if !self.is_usable {
            return unasked();
        }
        match self.open(target.kind(), &target.message()).await {
            Ok(answer) => {
                let found = tcp_verdict(&answer, &target);
                self.close(answer).await;
                found
            }
            Err(lost) => unanswered(&target, &lost),
        }
    }

    async fn sockets(&mut self, tcp: &Forwarding) -> Forwarding {
        if !self.is_usable {
            return unasked();
        }
        for path in SOCKETS {
            let target = Target::Unix { path: path.to_owned() };
            let answer = match self.open(target.kind(), &target.message()).await {
                Ok(answer) => answer,
                Err(lost) => return unanswered(&target, &lost),
            };
            let found = socket_verdict(&answer, &target);
            self.close(answer).await;
            if let Some(found) = found {
                return found;
            }
        }
        untold(tcp)
    }

    /// To be asked only while it is usable. Whatever keeps an answer from coming ends the visit.
    async fn open(&mut self, kind: &str, message: &[u8]) -> Result<Answer, Lost> {
        let opening = self.dialogue.call(|engine| engine.open(kind, message));
        let lost = match timeout(self.limit, opening).await {
            Ok(Ok(id)) => return Ok(Answer::Opened(id)),
            Ok(Err(CallError::Refused(error))) => match Answer::refusal(&error) {
                Some(refusal) => return Ok(refusal),
                None => error.into(),
            },
            Ok(Err(CallError::Lost(lost))) => lost,
            Err(_) => Lost::Silent(self.limit),
        };
        self.is_usable = false;
        Err(lost)
    }

    /// What was opened ends at the latest with the connection, so nothing depends on it.
    async fn close(&mut self, answer: Answer) {
        let Answer::Opened(id) = answer else { return };
        let closing = self.dialogue.call(|engine| engine.close(id));
        self.is_usable = matches!(timeout(self.limit, closing).await, Ok(Ok(())));
    }

    async fn leave(self) {
        let mut dialogue = self.dialogue;
        let farewell = async {
            let goodbye = dialogue
                .call(|engine| engine.call(|session| session.disconnect(None, "goodbye", None)));
            let _ = goodbye.await;
            dialogue.io.shutdown().await
        };
        let _ = timeout(FAREWELL, farewell).await;
    }
}

/// As the server sees it.
const LOOPBACK: &str = "127.0.0.1";

/// For the last words.
const FAREWELL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    /// `hv1` behind `inner` behind `outer`, which believe new keys.
    fn chain() -> SshHost {
        let believing =
            |name| SshHost { host_keys: HostKeys::AcceptNew, ..SshHost::new(name, "root") };
        let behind = |host, jump| SshHost { proxy: SshProxy::Jump(Arc::new(jump)), ..host };
        behind(believing("hv1"), behind(believing("inner"), believing("outer")))
    }

    #[test]
    fn jump_hosts_are_strict_until_they_are_believed() {
        let host = chain();
        for (believed, expected) in [
            (&[][..], [HostKeys::Strict, HostKeys::Strict]),
            (&[2], [HostKeys::Strict, HostKeys::AcceptNew]),
            (&[2, 1], [HostKeys::AcceptNew, HostKeys::AcceptNew]),
        ] {
            let doubting = doubting(&host, believed, 1);
            assert_eq!(doubting.host_keys, HostKeys::AcceptNew);
            let found = [1, 2].map(|number| jump(&doubting, number).unwrap().host_keys);
            assert_eq!(found, expected, "{believed:?}");
        }
        assert_eq!(doubting(&host, &[1, 2], 1), host);
        assert_eq!(jump(&host, 2).unwrap().name, "outer");
        assert_eq!(jump(&host, 3), None);
    }

    #[test]
    fn whose_key_is_unknown_is_told_by_the_errors_depth() {
        let (name, key, scan) = ("outer".to_owned(), String::new(), String::new());
        let unknown_key = SshError::HostKeyUnknown { name, key, files: vec![], scan };
        let behind = |server: &str, source| {
            let server = server.to_owned();
            SshError::Jump { server, source: Arc::new(source) }
        };
        let error = behind("hv1:22", behind("inner:22", unknown_key));
        assert_eq!(unknown(&error), Some(2));
        let full = SshError::Full { server: "inner:22".into(), connections: 1, channels: 1 };
        assert_eq!(unknown(&behind("hv1:22", full)), None);
    }

    #[test]
    fn keys_that_go_nowhere_are_not_written() {
        let mut host = SshHost::new("hv1", "root");
        assert!(!writes_keys(&host));
        host.known_hosts.push("/dev/null".into());
        assert!(!writes_keys(&host));
        host.known_hosts.insert(0, "/root/.ssh/known_hosts".into());
        assert!(writes_keys(&host));
    }
}
