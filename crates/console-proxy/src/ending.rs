//! Why a session (or a page) ended, and the one place that turns it into what the client sees.

use std::borrow::Cow;
use std::error::Error;
use std::time::Duration;

use console_backend::OpenError;
use console_greeting::spice::LinkError;
use console_route::ConsoleKind;
use console_token::TokenError;
use console_websocket::{ClientEnd, CloseCode, CloseReason, RelayEnd};
use hyper::StatusCode;

use crate::resolve::{Fault, Refusal};

/// Why a console did not open.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("neither the query nor a cookie has a token")]
    NoToken,
    #[error("the token is malformed")]
    Token(#[source] TokenError),
    #[error("graphics={0:?} in the query")]
    Graphics(String),
    #[error(transparent)]
    Refused(Refusal),
    #[error("the lookup did not end within {0:?}")]
    LookupTimedOut(Duration),
    #[error("its {1} console")]
    Open(#[source] OpenError, ConsoleKind),
    #[error("there are {0} sessions already (max_sessions)")]
    Busy(usize),
    #[error("the proxy is shutting down")]
    Stopping,
}

impl Failure {
    /// Which protocol the client speaks, where the failure tells.
    pub(crate) fn kind(&self) -> Option<ConsoleKind> {
        match self {
            Self::Refused(refusal) => refusal.kind,
            Self::Open(_, kind) => Some(*kind),
            _ => None,
        }
    }
}

/// What the client is told: a close code on a WebSocket, the matching HTTP status on the page, a reason on both, and SPICE's code for it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) code: CloseCode,
    pub(crate) reason: CloseReason,
    pub(crate) link_error: LinkError,
}

impl Told {
    fn new(code: CloseCode, reason: &str) -> Self {
        // spice-html5 shows only the number: the nearest that the protocol has.
        let link_error = match code {
            CloseCode::BAD_TOKEN => LinkError::PermissionDenied,
            CloseCode::NOT_FOUND | CloseCode::NO_CONSOLE => LinkError::ChannelNotAvailable,
            _ => LinkError::Error,
        };
        Self { code, reason: CloseReason::new(reason), link_error }
    }

    /// The page's status for the same failure.
    pub(crate) fn status(&self) -> StatusCode {
        match self.code {
            CloseCode::BAD_TOKEN => StatusCode::BAD_REQUEST,
            CloseCode::NOT_FOUND => StatusCode::NOT_FOUND,
            CloseCode::NO_CONSOLE => StatusCode::CONFLICT,
            CloseCode::BACKEND_LOST => StatusCode::BAD_GATEWAY,
            CloseCode::BACKEND_TIMEOUT => StatusCode::GATEWAY_TIMEOUT,
            CloseCode::LOOKUP_FAILED | CloseCode::TRY_AGAIN_LATER | CloseCode::GOING_AWAY => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<&Failure> for Told {
    fn from(failure: &Failure) -> Self {
        match failure {
            Failure::NoToken => Self::new(
                CloseCode::BAD_TOKEN,
                "no console token: open the console from the web panel",
            ),
            Failure::Token(error) => {
                Self::new(CloseCode::BAD_TOKEN, &format!("malformed console token: {error}"))
            }
            Failure::Graphics(_) => {
                Self::new(CloseCode::BAD_TOKEN, "graphics in the address must be vnc or spice")
            }
            Failure::Refused(refusal) => {
                let code = match refusal.fault {
                    Fault::NotFound => CloseCode::NOT_FOUND,
                    Fault::NoConsole | Fault::NeedsTls => CloseCode::NO_CONSOLE,
                    Fault::Unavailable => CloseCode::LOOKUP_FAILED,
                    Fault::Internal => CloseCode::INTERNAL_ERROR,
                };
                let told = Self::new(code, &refusal.reason);
                match refusal.fault {
                    Fault::NeedsTls => Self { link_error: LinkError::NeedSecured, ..told },
                    _ => told,
                }
            }
            Failure::LookupTimedOut(_) => {
                Self::new(CloseCode::LOOKUP_FAILED, "the hypervisor did not answer in time")
            }
            Failure::Open(OpenError::TimedOut { .. }, _) => {
                Self::new(CloseCode::BACKEND_TIMEOUT, "the guest's console did not answer in time")
            }
            Failure::Open(OpenError::Refused { .. }, _) => {
                Self::new(CloseCode::BACKEND_LOST, "the guest's console refused the connection")
            }
            Failure::Open(OpenError::Ssh { source, .. }, _) => {
                let code = if source.is_time_out() {
                    CloseCode::BACKEND_TIMEOUT
                } else {
                    CloseCode::BACKEND_LOST
                };
                Self::new(code, source.public_reason())
            }
            Failure::Open(..) => {
                Self::new(CloseCode::BACKEND_LOST, "the guest's console cannot be reached")
            }
            Failure::Busy(_) => {
                Self::new(CloseCode::TRY_AGAIN_LATER, "too many consoles are open, try again later")
            }
            Failure::Stopping => {
                Self::new(CloseCode::GOING_AWAY, "the console proxy is shutting down")
            }
        }
    }
}

impl From<&RelayEnd> for Told {
    fn from(end: &RelayEnd) -> Self {
        match end {
            RelayEnd::Client(end) => Self::from(end),
            RelayEnd::BackendClosed => {
                Self::new(CloseCode::NORMAL, "the guest's console has ended")
            }
            RelayEnd::BackendFailed(_) => {
                Self::new(CloseCode::BACKEND_LOST, "the connection to the guest's console was lost")
            }
            RelayEnd::BackendStalled => {
                Self::new(CloseCode::BACKEND_LOST, "the guest's console has stopped responding")
            }
            RelayEnd::Stopped => Self::from(&Failure::Stopping),
            _ => Self::new(CloseCode::INTERNAL_ERROR, "the session ended"),
        }
    }
}

impl From<&ClientEnd> for Told {
    fn from(end: &ClientEnd) -> Self {
        match end {
            ClientEnd::Text => {
                Self::new(CloseCode::UNSUPPORTED_DATA, "text came where only bytes belong")
            }
            ClientEnd::TooBig => Self::new(CloseCode::MESSAGE_TOO_BIG, "a message was too big"),
            ClientEnd::Protocol { .. } => {
                Self::new(CloseCode::PROTOCOL_ERROR, "the WebSocket protocol was broken")
            }
            ClientEnd::Silent => Self::new(CloseCode::GOING_AWAY, "no answer to pings"),
            // It closed or is gone; the handshake's answer needs no words.
            _ => Self::new(CloseCode::NORMAL, ""),
        }
    }
}

/// What an administrator can do about it; empty where nothing needs doing.
pub(crate) fn remedy(failure: &Failure) -> Cow<'_, str> {
    let text = match failure {
        Failure::NoToken => {
            "the page must send its token in the query, or as a cookie that this proxy's host name receives"
        }
        Failure::Token(_) => "a token is <host id>-<domain uuid>",
        Failure::Graphics(_) => "the query's graphics is vnc or spice, or is left away",
        Failure::Refused(refusal) => &refusal.remedy,
        Failure::LookupTimedOut(_) => {
            "see whether libvirtd on that host answers: virsh -c <its uri> list"
        }
        Failure::Open(OpenError::TimedOut { .. }, _) => {
            "see whether a firewall drops the console's port, and what <graphics> listens on"
        }
        Failure::Open(OpenError::Refused { .. }, _) => {
            "see what <graphics> listens on: it must be an address that this machine reaches"
        }
        Failure::Open(OpenError::Denied { .. }, _) => {
            "let the service's user pass that folder and write to that socket: add it to the owning group"
        }
        Failure::Open(OpenError::NotASocket { .. }, _) => {
            "see who put it there: a console's socket is made by QEMU, and links to one are not followed"
        }
        Failure::Open(OpenError::Ssh { source, .. }, _) => return source.remedy().into(),
        Failure::Open(..) => "see whether this machine can reach that address and its user may",
        Failure::Busy(_) => "raise max_sessions, or see who holds so many",
        Failure::Stopping => "",
    };
    text.into()
}

/// An error and all its sources in one line, for the log.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some crates repeat their source in their own text.
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
