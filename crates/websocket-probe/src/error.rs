//! What can go wrong, step by step.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use console_tls::rustls;

use crate::remedy;

/// What was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// The lookup of the host's name.
    Resolve,
    /// The TLS handshake.
    Tls,
    /// The request for a WebSocket.
    Upgrade,
    /// A WebSocket ping.
    Ping,
    /// Waiting on an open WebSocket.
    Stay,
    /// Waiting for the first binary message.
    FirstBytes,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "the name lookup",
            Self::Tls => "the TLS handshake",
            Self::Upgrade => "the WebSocket upgrade",
            Self::Ping => "the WebSocket ping",
            Self::Stay => "the idle WebSocket",
            Self::FirstBytes => "the wait for the first data",
        })
    }
}

/// One address that could not be connected to.
#[derive(Debug)]
pub struct Attempt {
    /// Which.
    pub address: SocketAddr,
    /// What the system said; its kind is `TimedOut` when nobody answered.
    pub fault: io::Error,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.address, self.fault)
    }
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// The host's name cannot be looked up.
    #[error("the name {host} cannot be resolved")]
    Resolve {
        /// The name.
        host: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The name is known, and has no address.
    #[error("the name {host} has no address")]
    NoAddress {
        /// The name.
        host: String,
    },
    /// None of the addresses accepts a connection.
    #[error("no connection: {}", listed(.attempts))]
    Connect {
        /// In the order in which they were tried; empty if there was none to try.
        attempts: Vec<Attempt>,
    },
    /// The server did not answer.
    #[error("{step} had no answer within {limit:.1?}")]
    TimedOut {
        /// What was waited for.
        step: Step,
        /// How long.
        limit: Duration,
    },
    /// The server answered a TLS handshake with something else.
    #[error("the server speaks no TLS on this port; it answers {}", quoted(.what))]
    NotTls {
        /// The first line of its first bytes, at most 64, escaped where they are not printable.
        what: String,
    },
    /// The handshake failed, for another reason than the certificate.
    #[error("the TLS handshake failed")]
    Tls {
        /// What rustls or the server said.
        #[source]
        source: rustls::Error,
    },
    /// The server closed the connection instead of answering.
    #[error("{step} was not answered: the server closed the connection")]
    NoAnswer {
        /// What was asked.
        step: Step,
    },
    /// The connection failed.
    #[error("{step} failed")]
    Io {
        /// What was tried.
        step: Step,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// What answers is no HTTP server.
    #[error("the server speaks no HTTP on this port; it answers {}", quoted(.what))]
    NotHttp {
        /// The first line of its first bytes, at most 64, escaped where they are not printable.
        what: String,
    },
    /// The server answered the upgrade with something else than 101.
    #[error("the server answers {code} {reason} instead of opening a WebSocket{}{}", leads(.location.as_deref()), said(.line))]
    Status {
        /// The status code.
        code: u16,
        /// The reason phrase: the server's own, or what the code usually has.
        reason: String,
        /// The first line of the body, or its title if it is an HTML page; at most 200 printable characters.
        line: String,
        /// Where a redirect leads, without its query.
        location: Option<String>,
    },
    /// The server did not choose one of the subprotocols offered, or chose one though none was.
    #[error("{}, and a browser gives up then", disagreement(.offered, .answered.as_deref()))]
    Subprotocol {
        /// What was offered.
        offered: Vec<String>,
        /// What the server answered.
        answered: Option<String>,
    },
    /// The answer does not prove that it is one to this request.
    #[error("the server answers 101 with a wrong Sec-WebSocket-Accept, or with none")]
    BadAccept,
    /// The answer is a 101, but to something else than a WebSocket.
    #[error("the server answers 101, but its header {header} is {}", found_or_missing(.found.as_deref()))]
    BadUpgrade {
        /// The header's name.
        header: String,
        /// What it is.
        found: Option<String>,
    },
    /// The server closed the WebSocket.
    #[error("the WebSocket was closed: {}", closing(*.code, .reason))]
    Closed {
        /// The code as a browser has it: 1005 where the server's Close frame had none, 1006 where there was no Close frame.
        code: u16,
        /// The server's reason; may be empty.
        reason: String,
    },
    /// The server broke the WebSocket protocol, or sent a message of more than 4 MiB.
    #[error("the server does not keep to the WebSocket protocol: {what}")]
    Broken {
        /// What is wrong.
        what: String,
    },
    /// What the caller gave cannot be sent.
    #[error("the request cannot be made: {what}")]
    Unusable {
        /// What is wrong.
        what: String,
    },
}

impl ProbeError {
    /// What an administrator can do.
    pub fn remedy(&self) -> String {
        remedy::remedy(self)
    }
}

/// Whether the other side is gone, however the system calls that.
pub(crate) fn is_hangup(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
    )
}

fn listed(attempts: &[Attempt]) -> String {
    if attempts.is_empty() {
        return "there is no address to connect to".into();
    }
    attempts.iter().map(Attempt::to_string).collect::<Vec<_>>().join("; ")
}

fn leads(location: Option<&str>) -> String {
    location.map(|to| format!(" (to {to})")).unwrap_or_default()
}

fn said(line: &str) -> String {
    if line.is_empty() { String::new() } else { format!(": {line}") }
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

fn found_or_missing(text: Option<&str>) -> String {
    text.map_or_else(|| "missing".into(), quoted)
}

fn disagreement(offered: &[String], answered: Option<&str>) -> String {
    let offered = offered.join(", ");
    match answered {
        None => format!("the server chose none of the subprotocols offered ({offered})"),
        Some(answered) if offered.is_empty() => {
            format!("the server chose the subprotocol {answered} though none was offered")
        }
        Some(answered) => {
            format!("the server chose the subprotocol {answered}, offered was {offered}")
        }
    }
}

fn closing(code: u16, reason: &str) -> String {
    match code {
        1005 => "code 1005 (a Close frame without a code)".into(),
        1006 => "code 1006 (cut without a Close frame)".into(),
        _ => format!("code {code}{}", said(reason)),
    }
}
