//! What an administrator can do, for each error.

use std::error::Error;
use std::io;

use console_tls::rustls;
use console_tls::rustls::AlertDescription;

use crate::error::{Attempt, ProbeError, Step};
use crate::upgraded::CUT;

pub(crate) fn remedy(error: &ProbeError) -> String {
    match error {
        ProbeError::Resolve { .. } | ProbeError::NoAddress { .. } => {
            "correct the name, or add it to the DNS or to /etc/hosts; getent hosts NAME shows what this machine finds".into()
        }
        ProbeError::Connect { attempts } => connect(attempts).into(),
        ProbeError::TimedOut { step, .. } => timed_out(*step).into(),
        ProbeError::NotTls { what } if is_http(what) => {
            "it answers plain HTTP: use ws:// (http://), or the port that has TLS; if none has, set the server's certificate (cert), or put a reverse proxy with TLS before it: pages of https:// open no ws://".into()
        }
        ProbeError::NotTls { what } => speaker(what).unwrap_or("correct the port in the URL: something else than a web server has it").into(),
        ProbeError::Tls { source } => tls(source).into(),
        ProbeError::NoAnswer { step: Step::Tls } => {
            "see whether this port speaks TLS at all, and what the server's log says; a load balancer with nothing behind it closes like this, too".into()
        }
        ProbeError::NoAnswer { .. } => {
            "see what the server's log says; a port that speaks TLS only (then use wss://) or another protocol closes like this, and so does a load balancer with nothing behind it".into()
        }
        ProbeError::Io { source, .. } => match rustls_error(source) {
            Some(source) => tls(source).into(),
            None => "see what the system says of it, and whether a firewall cuts the connection".into(),
        },
        ProbeError::NotHttp { what } if what.starts_with("\\x15\\x03") => {
            "the server speaks TLS here: use wss:// and https://".into()
        }
        ProbeError::NotHttp { what } => speaker(what)
            .unwrap_or("correct the port in the URL: something else than a WebSocket server has it")
            .into(),
        ProbeError::Status { code, line, location, .. } => status(*code, line, location.as_deref()),
        ProbeError::Subprotocol { offered, answered } => subprotocol(offered, answered.as_deref()).into(),
        ProbeError::BadAccept => {
            "something in between answers in the server's place or from a cache: see that the reverse proxy passes WebSockets on unchanged".into()
        }
        ProbeError::BadUpgrade { .. } => {
            "see that the reverse proxy passes the server's answer on: its headers Upgrade and Connection, and no Sec-WebSocket-Extensions of its own".into()
        }
        ProbeError::Closed { code, .. } => closed(*code).into(),
        ProbeError::Broken { .. } => {
            "see that what answers at this path is the console proxy, and that nothing in between changes what it sends".into()
        }
        ProbeError::Unusable { .. } => "correct what was given".into(),
    }
}

fn connect(attempts: &[Attempt]) -> &'static str {
    let any = |kind| attempts.iter().any(|one| one.fault.kind() == kind);
    if attempts.is_empty() {
        "give the server's name an address"
    } else if any(io::ErrorKind::ConnectionRefused) {
        "start the server, and see that it listens on this port and on this address, not on loopback only; ss -ltnp there shows it"
    } else if any(io::ErrorKind::TimedOut) {
        "let the firewalls on the way and on the server pass this port; see that the address is the server's"
    } else if any(io::ErrorKind::NetworkUnreachable) || any(io::ErrorKind::HostUnreachable) {
        "this machine has no way there: correct the address in the DNS, or the routes; a firewall may answer like this, too"
    } else {
        "see what the system says of it"
    }
}

fn timed_out(step: Step) -> &'static str {
    match step {
        Step::Resolve => "see that the DNS servers in /etc/resolv.conf answer",
        Step::Tls => {
            "see that this port speaks TLS: a server of another protocol waits like this; else the server hangs or a firewall drops larger packets (MTU)"
        }
        Step::Upgrade => {
            "see that this port speaks HTTP and not only TLS or SPICE, that the server does not hang, and that the reverse proxy reaches it"
        }
        Step::Ping | Step::Stay => {
            "the connection is lost without a word: a firewall or a NAT forgets idle connections; shorten the server's ping_interval, or lengthen the time there"
        }
        Step::FirstBytes => {
            "the console is silent: for SPICE that is right, its clients speak first; for VNC see whether the console's host answers"
        }
    }
}

fn tls(error: &rustls::Error) -> &'static str {
    match error {
        rustls::Error::AlertReceived(AlertDescription::HandshakeFailure) => {
            "the server has no certificate, or none for this name: set its certificate (cert); else it shares no cipher with browsers"
        }
        rustls::Error::AlertReceived(AlertDescription::ProtocolVersion)
        | rustls::Error::PeerIncompatible(_) => {
            "let the server speak TLS 1.2 or 1.3, with ciphers that browsers have"
        }
        rustls::Error::AlertReceived(AlertDescription::UnrecognisedName) => {
            "the server does not know this name: correct the URL, or add the name to its sites"
        }
        rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            "let the server offer http/1.1 (ALPN): browsers open WebSockets with that"
        }
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired | AlertDescription::BadCertificate,
        ) => {
            "the server wants a client's certificate: install one in the browser, or do not require it (client_ca)"
        }
        rustls::Error::AlertReceived(AlertDescription::InternalError) => {
            "see the server's log: it could not make use of its certificate, or has none for this name yet"
        }
        _ => "see what the server's log says of this handshake",
    }
}

/// An answer to what a web server takes for a broken request; some write the page alone, as HTTP/0.9 has it.
fn is_http(what: &str) -> bool {
    let start = what.trim_start().to_ascii_lowercase();
    HTTP.iter().any(|words| start.starts_with(words))
}

/// Who speaks first is known by that.
fn speaker(what: &str) -> Option<&'static str> {
    Some(match what {
        _ if what.starts_with("RFB ") => {
            "this is a VNC server itself: correct the port in the URL to the console proxy's, and keep VNC from the network"
        }
        _ if what.starts_with("REDQ") => {
            "this is a SPICE server itself: correct the port in the URL to the console proxy's, and keep SPICE from the network"
        }
        _ if what.starts_with("SSH-") => "this is an SSH server: correct the port in the URL",
        _ => return None,
    })
}

fn status(code: u16, line: &str, location: Option<&str>) -> String {
    match code {
        301 | 302 | 303 | 307 | 308 => match location {
            Some(to) => format!("use where it leads, {to}, in the URL: browsers follow no redirects for WebSockets"),
            None => "use where it leads in the URL: browsers follow no redirects for WebSockets".into(),
        },
        200..=299 => {
            "what answers is a page and no WebSocket: the panel, or the console proxy behind a reverse proxy that does not pass the headers Upgrade and Connection on; correct path and port, or set these headers there (nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\")".into()
        }
        400 | 497 if line.contains("HTTPS port") => "the server speaks TLS here: use wss:// and https://".into(),
        400 => {
            "let the reverse proxy pass the headers Upgrade and Connection on (nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\")".into()
        }
        401 | 407 => "the server or a reverse proxy wants a login for this path: a browser sends none for a WebSocket but the page's own".into(),
        403 if line.contains("TLS") => "ssl_only is set there: use wss:// and https://".into(),
        403 => {
            "add the page's origin to allowed_origins of the console proxy, or use wss:// if ssl_only is set there; else a reverse proxy denies this path".into()
        }
        404 | 405 | 410 => {
            "correct the path in the URL or in the reverse proxy (public_path of the console proxy); a reverse proxy that does not pass the headers Upgrade and Connection on makes a page's request of it, too".into()
        }
        426 => {
            "let the reverse proxy pass the headers Upgrade, Connection and Sec-WebSocket-Version on unchanged, and speak HTTP/1.1 to the server behind it".into()
        }
        429 => "wait: the server or a reverse proxy allows no more requests from here for now".into(),
        502..=504 => {
            "the reverse proxy does not reach the console proxy: start it, and correct its address there (nginx: proxy_pass); under SELinux allow it (setsebool -P httpd_can_network_connect on)".into()
        }
        500..=599 => "see what the server's log says".into(),
        _ => "see that path and port in the URL are those of the console proxy".into(),
    }
}

fn subprotocol(offered: &[String], answered: Option<&str>) -> &'static str {
    match answered {
        None => {
            "see that what answers is the console proxy, and that the reverse proxy passes the header Sec-WebSocket-Protocol on"
        }
        Some(_) if offered.is_empty() => {
            "let nothing in between set the header Sec-WebSocket-Protocol, and the server answer it to those only who offer one"
        }
        Some(_) => "see that what answers is the console proxy and not another WebSocket server",
    }
}

/// The codes of RFC 6455 section 7.4.1, and those of the console proxy.
fn closed(code: u16) -> &'static str {
    match code {
        1000 => "the console ended: see that the guest runs",
        1001 => "the server shuts down, or heard no answers to its pings: try again in a moment",
        CUT => {
            "see the server's log; if it says nothing, a reverse proxy or a firewall cut it: lengthen its time for idle connections (nginx: proxy_read_timeout), or shorten ping_interval of the console proxy"
        }
        1013 => "too many sessions are open: close some, or raise max_sessions",
        4400 => "the URL's token is missing or malformed: take a new URL from the panel",
        4404 => {
            "the host or the guest is not known: take a new URL from the panel, and see the console proxy's log"
        }
        4409 => "start the guest, or change its <graphics>; the console proxy's log says which",
        4502..=4504 => {
            "see the console proxy's log: it names the step that failed on the way to the console, and the remedy"
        }
        _ => "see what the server's log says of this session",
    }
}

/// In TLS 1.3 a server refuses a client without certificate only after the handshake, when something else is tried.
fn rustls_error(error: &io::Error) -> Option<&rustls::Error> {
    let mut inner: &(dyn Error + 'static) = error.get_ref()?;
    for _ in 0..MAX_CAUSES {
        if let Some(found) = inner.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        inner = match inner.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => wrapped,
            None => inner.source()?,
        };
    }
    None
}

/// How web servers begin, in lower case.
const HTTP: [&str; 3] = ["http/1.", "<!doctype", "<html"];

/// How deep a cause is looked for.
const MAX_CAUSES: usize = 8;
