//! Logging in as a person's own ssh would: given keys, the agent's, the usual keys, then the password.

use std::path::{Path, PathBuf};

use secrecy::ExposeSecret as _;

use super::agent::{Agent, AgentKey};
use super::dialogue::{CallError, Dialogue};
use super::error::{Attempt, Lost, SshError};
use super::host::SshHost;
use super::keys::{self, Unusable};
use super::sign::Signing;

/// How a login succeeded.
#[derive(Debug)]
pub(crate) struct LoggedIn {
    /// What worked, as [`Attempt::what`] has it.
    pub(crate) method: String,
    /// What did not, before.
    pub(crate) attempts: Vec<Attempt>,
}

/// Logs in. The caller bounds the time.
pub(crate) async fn log_in(dialogue: &mut Dialogue, host: &SshHost) -> Result<LoggedIn, SshError> {
    let (attempts, refused) = (Vec::new(), Vec::new());
    let mut login = Login { dialogue, host, attempts, refused, method: UNASKED.to_owned() };
    match login.run().await {
        Ok(None) => Ok(LoggedIn { method: login.method, attempts: login.attempts }),
        Ok(Some(accepts)) => Err(login.refused(accepts)),
        // Servers hang up on who has tried too often.
        Err(Lost::Closed | Lost::Goodbye(_)) if !login.attempts.is_empty() => {
            Err(login.refused("no more attempts, and has closed the connection".into()))
        }
        Err(source) => Err(SshError::Lost { server: host.address(), source }),
    }
}

struct Login<'a> {
    dialogue: &'a mut Dialogue,
    host: &'a SshHost,
    attempts: Vec<Attempt>,
    /// Public halves of keys that the server has refused: it counts each attempt, and hears few.
    refused: Vec<Vec<u8>>,
    /// What has worked.
    method: String,
}

impl Login<'_> {
    /// Nothing if we are in, or the methods that the server accepts.
    async fn run(&mut self) -> Result<Option<String>, Lost> {
        let Some(mut methods) = self.methods().await? else { return Ok(None) };
        if accepts(&methods, "publickey") && self.by_keys().await? {
            return Ok(None);
        }
        if self.host.password.is_some() {
            if !accepts(&methods, "password") && !accepts(&methods, "keyboard-interactive") {
                // A key may have been the first half of what the server wants.
                let Some(now) = self.methods().await? else { return Ok(None) };
                methods = now;
            }
            if accepts(&methods, "password") && self.by_password().await? {
                return Ok(None);
            }
            if accepts(&methods, "keyboard-interactive") && self.by_dialogue().await? {
                return Ok(None);
            }
        }
        Ok(Some(methods.escape_debug().to_string().replace(',', ", ")))
    }

    /// The methods that the server accepts now; nothing if we are in.
    async fn methods(&mut self) -> Result<Option<String>, Lost> {
        let user = &self.host.user;
        let asked = self.dialogue.call(|engine| {
            engine.call(|session| {
                let methods = session.auth_methods(user).map(str::to_owned);
                // The question is an attempt with no method, which succeeds at servers that ask for none.
                if session.authenticated() { Ok(None) } else { methods.map(Some) }
            })
        });
        asked.await.map_err(CallError::into_lost)
    }

    async fn by_keys(&mut self) -> Result<bool, Lost> {
        for path in &self.host.keys {
            if self.by_file(path, true).await? {
                return Ok(true);
            }
        }
        if self.by_agent().await? {
            return Ok(true);
        }
        for path in &self.host.usual_keys {
            if self.by_file(path, false).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn by_file(&mut self, path: &Path, is_given: bool) -> Result<bool, Lost> {
        let what = format!("key {}", path.display());
        let file = path.to_owned();
        let read = move || keys::read(&file).map(|key| (key, keys::public_half(&file)));
        let read = tokio::task::spawn_blocking(read).await;
        let (key, public) = match read.map_err(|_| Unusable::Missing).flatten() {
            Ok((_, Some(public))) if self.refused.contains(&public) => return Ok(false),
            Ok(found) => found,
            Err(Unusable::Missing) if !is_given => return Ok(false),
            Err(why) => {
                self.note(what, why);
                return Ok(false);
            }
        };
        let user = &self.host.user;
        let outcome = self.dialogue.call(|engine| {
            engine.call(|session| {
                session.userauth_pubkey_memory(user, None, key.expose_secret(), None)
            })
        });
        let outcome = outcome.await;
        self.refused.extend(public);
        self.settle(what, outcome)
    }

    async fn by_agent(&mut self) -> Result<bool, Lost> {
        let Some(socket) = &self.host.agent else { return Ok(false) };
        let asked = async {
            let mut agent = Agent::connect(socket).await?;
            let keys = agent.keys().await?;
            std::io::Result::Ok((agent, keys))
        };
        let (mut agent, keys) = match asked.await {
            Ok(found) => found,
            Err(error) => {
                self.note(format!("agent {}", socket.display()), error);
                return Ok(false);
            }
        };
        let mut keys = of_interest(self.host, keys).await;
        keys.retain(|key| !self.refused.contains(&key.blob));
        if keys.is_empty() && self.refused.is_empty() {
            self.note(format!("agent {}", socket.display()), "has no key for it");
        }
        for key in keys {
            let what = format!("the agent's key {}", key.comment.escape_debug());
            let user = self.host.user.clone();
            let mut signing = Signing::default();
            let outcome = loop {
                let step = self.dialogue.call(|engine| {
                    let step = engine.signed_by(&user, &key.blob, &mut signing);
                    // It waits for us, not for the server.
                    if step.is_pending() && matches!(signing, Signing::Wanted(_)) {
                        return std::task::Poll::Ready(Ok(false));
                    }
                    step.map(|done| done.map(|()| true))
                });
                match step.await {
                    Ok(true) => break Ok(()),
                    Err(error) => break Err(error),
                    Ok(false) => {}
                }
                if let Signing::Wanted(data) = &signing {
                    signing = match agent.sign(&key.blob, data).await {
                        Ok(signature) => Signing::Made(signature),
                        Err(error) => Signing::Refused(error.to_string()),
                    };
                }
            };
            if let (Signing::Refused(why), Err(CallError::Refused(_))) = (&signing, &outcome) {
                self.note(what, format_args!("is accepted, but the agent does not sign: {why}"));
                continue;
            }
            self.refused.push(key.blob);
            if self.settle(what, outcome)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn by_password(&mut self) -> Result<bool, Lost> {
        let Some(password) = &self.host.password else { return Ok(false) };
        let user = &self.host.user;
        let outcome = self.dialogue.call(|engine| {
            engine.call(|session| session.userauth_password(user, password.expose_secret()))
        });
        let outcome = outcome.await;
        self.settle("password", outcome)
    }

    async fn by_dialogue(&mut self) -> Result<bool, Lost> {
        let Some(password) = &self.host.password else { return Ok(false) };
        let user = &self.host.user;
        let outcome =
            self.dialogue.call(|engine| engine.keyboard_interactive(user, password)).await;
        self.settle("password (keyboard-interactive)", outcome)
    }

    /// Whether we are in; or a note that we are not.
    fn settle(
        &mut self,
        what: impl Into<String>,
        outcome: Result<(), CallError>,
    ) -> Result<bool, Lost> {
        match outcome {
            Ok(()) => {
                self.method = what.into();
                Ok(true)
            }
            Err(CallError::Refused(error)) => {
                let refused = matches!(
                    error.code(),
                    ssh2::ErrorCode::Session(
                        libssh2_sys::LIBSSH2_ERROR_AUTHENTICATION_FAILED
                            | libssh2_sys::LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED
                    )
                );
                if refused {
                    self.note(what, "refused");
                } else {
                    self.note(what, format_args!("failed ({})", error.message()));
                }
                Ok(false)
            }
            Err(CallError::Lost(lost)) => {
                self.note(what, format_args!("ended the connection ({lost})"));
                Err(lost)
            }
        }
    }

    fn note(&mut self, what: impl Into<String>, outcome: impl ToString) {
        self.attempts.push(Attempt { what: what.into(), outcome: outcome.to_string() });
    }

    fn refused(&mut self, accepts: String) -> SshError {
        SshError::Authentication {
            server: self.host.address(),
            user: self.host.user.clone(),
            accepts,
            attempts: std::mem::take(&mut self.attempts),
        }
    }
}

fn accepts(methods: &str, method: &str) -> bool {
    methods.split(',').any(|accepted| accepted == method)
}

/// Those of the agent's keys that may be tried, the ones first that the host's keys name.
async fn of_interest(host: &SshHost, mut keys: Vec<AgentKey>) -> Vec<AgentKey> {
    let (given, usual) = (host.keys.clone(), host.usual_keys.clone());
    let halves = |files: Vec<PathBuf>| -> Vec<Vec<u8>> {
        files.iter().filter_map(|file| keys::public_half(file)).collect()
    };
    let read = move || (halves(given), halves(usual));
    let (given, usual) = tokio::task::spawn_blocking(read).await.unwrap_or_default();
    if host.identities_only {
        keys.retain(|key| given.contains(&key.blob) || usual.contains(&key.blob));
    }
    keys.sort_by_key(|key| !given.contains(&key.blob));
    keys
}

/// The method of a server that asks for none (RFC 4252 section 5.2).
const UNASKED: &str = "none (the server asks for nothing)";
