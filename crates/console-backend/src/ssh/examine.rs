//! What an SSH server makes of a login: who it is, what it takes, and whether it tunnels. Nothing is opened to stay, nothing is written.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, timeout};

use super::connect::{Greeted, Memory, greet};
use super::dialogue::{CallError, Dialogue};
use super::error::{Attempt, Lost, SshError};
use super::forwarding::{
    Answer, Forwarding, SOCKETS, socket_verdict, tcp_verdict, unanswered, unasked, untold,
};
use super::host::SshHost;
use super::pool::Pool;
use super::target::Target;

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

impl Pool {
    /// Logs in at `host` apart from all other connections, and says how that went.
    pub(crate) async fn examine(&self, host: &Arc<SshHost>) -> Result<SshReport, Arc<SshError>> {
        let limits = self.limits();
        // Jump hosts are reached through it. It ends by itself once nobody has it any more.
        let apart = self.apart();
        let io = apart.reach(host).await?;
        let Greeted { dialogue, host_key, host_key_state, login } =
            greet(io, host, limits, Memory::None).await?;
        let mut guest = Guest { dialogue, limit: limits.channel_timeout, is_usable: true };
        let lost = |source| Arc::new(SshError::Lost { server: host.address(), source });
        let round_trip = guest.round_trip().await.map_err(lost)?;
        let tcp_forwarding = guest.tcp(host.port.get()).await;
        let socket_forwarding = guest.sockets(&tcp_forwarding).await;
        guest.leave().await;
        Ok(SshReport {
            server: host.address(),
            user: host.user.clone(),
            host_key,
            host_key_state,
            attempts: login.attempts,
            method: login.method,
            round_trip,
            tcp_forwarding,
            socket_forwarding,
        })
    }
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
