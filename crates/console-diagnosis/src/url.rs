//! From where a browser stands: DNS, TCP, TLS, the 101, the subprotocol, a ping.

use std::net::SocketAddr;
use std::time::Duration;

use console_tls::rustls::pki_types::CertificateDer;
use console_tls::system_roots;
use websocket_probe::{
    Address, CertificateFault, ProbeError, Secured, Stream, Upgraded, connect, resolve, secure,
    upgrade,
};

use crate::checks::{
    Check, PUBLIC_NAME, URL_CERTIFICATE, URL_CONNECT, URL_FORM, URL_IDLE, URL_NAME, URL_PING,
    URL_SUBPROTOCOL, URL_TLS, URL_UPGRADE,
};
use crate::options::Options;
use crate::report::{Branch, Report, Status};
use crate::wording::{chain, counted, shown};

/// Goes the way of a browser to a WebSocket's address, as it is given.
pub async fn url(report: &Report, options: &Options, text: &str) {
    let address: Address = match text.parse() {
        Ok(address) => address,
        Err(error) => {
            report.section("Address").fail(
                URL_FORM,
                error.to_string(),
                "write it as the panel's page does: wss://console.example.org:6080/?token=1-<uuid>",
            );
            return;
        }
    };
    let branch = report.section(address.to_string());
    let kind = if address.is_encrypted { "encrypted (TLS)" } else { "not encrypted" };
    branch.ok(URL_FORM, format!("{kind}, port {}", address.port));
    let way = Way {
        branch: &branch,
        address: &address,
        ids: &URL,
        limit: options.limit(),
        origin: origin(&address),
        bears_unknown: false,
    };
    let Some(mut socket) = way.go(&system_roots()).await else { return };
    let settling = settle(&mut socket, options.limit());
    match branch.during("waiting for the console's first bytes", settling).await {
        Ok((took, said)) => {
            branch.ok(URL_PING, format!("{said}; a ping is answered in {}", shown(took)))
        }
        Err(ProbeError::Closed { code: TOKEN_MISSING, .. })
            if !address.target.contains("token=") =>
        {
            branch.ok(
                URL_PING,
                "webvirtmgr-console answers, and wants a token: add ?token=<host id>-<domain uuid> to try a whole console",
            );
            return;
        }
        Err(error) => {
            branch.fail(URL_PING, chain(&error), closed_remedy(&error));
            return;
        }
    }
    if options.is_slow {
        idle(&branch, URL_IDLE, &mut socket).await;
    }
    socket.close(options.limit()).await;
}

/// Waits until it is clear whether the WebSocket leads to a console: the proxy may still have to ask libvirt, and tells a failure in the console's
/// own protocol before it closes. Says what came, and how long a ping took.
pub(crate) async fn settle(
    socket: &mut Upgraded,
    limit: Duration,
) -> Result<(Duration, String), ProbeError> {
    let said = match socket.first_bytes(limit).await {
        Ok(bytes) => {
            socket.stay(REFUSAL).await?;
            let first =
                String::from_utf8_lossy(bytes.get(..12).unwrap_or(&bytes)).trim_end().to_owned();
            format!("the console begins with {first:?}")
        }
        // SPICE's servers wait for the client.
        Err(ProbeError::TimedOut { .. }) => "open, and silent as SPICE is at first".to_owned(),
        Err(error) => return Err(error),
    };
    Ok((socket.ping(limit).await?, said))
}

/// Which checks the steps of one way are.
pub(crate) struct Ids {
    pub(crate) name: Check,
    pub(crate) connect: Check,
    /// Whether the last step is of the same check, which is told once.
    pub(crate) ends_with_connect: bool,
    pub(crate) tls: Check,
    pub(crate) certificate: Check,
    pub(crate) upgrade: Check,
    pub(crate) subprotocol: Check,
}

const URL: Ids = Ids {
    name: URL_NAME,
    connect: URL_CONNECT,
    ends_with_connect: false,
    tls: URL_TLS,
    certificate: URL_CERTIFICATE,
    upgrade: URL_UPGRADE,
    subprotocol: URL_SUBPROTOCOL,
};

/// The way to a WebSocket.
pub(crate) struct Way<'a> {
    pub(crate) branch: &'a Branch,
    pub(crate) address: &'a Address,
    pub(crate) ids: &'a Ids,
    pub(crate) limit: Duration,
    /// The page that opens it.
    pub(crate) origin: String,
    /// Whether it is no error that nobody whom this system trusts has signed the certificate.
    pub(crate) bears_unknown: bool,
}

impl Way<'_> {
    /// All steps up to an open WebSocket; nothing if one of them failed, which has been told then.
    pub(crate) async fn go(&self, roots: &[CertificateDer<'static>]) -> Option<Upgraded> {
        let Self { branch, address, ids, limit, .. } = self;
        let resolving = resolve(address, *limit);
        let addresses = match branch.during(format!("resolving {}", address.host), resolving).await
        {
            Ok(addresses) => addresses,
            Err(error) => return self.fail(ids.name, &error),
        };
        let listed: Vec<String> = addresses.iter().map(|one| one.ip().to_string()).collect();
        if listed != [address.host.as_str()] {
            branch.ok(ids.name, format!("{} is {}", address.host, listed.join(", ")));
        }
        let (stream, at) = match self.connect(&addresses).await {
            Ok(connected) => connected,
            Err(error) => return self.fail(ids.connect, &error),
        };
        if !ids.ends_with_connect {
            branch.ok(ids.connect, format!("{at} takes connections"));
        }
        let stream = match self.secured(stream, roots).await? {
            Ok(Secured { stream, version, verdict, chain, .. }) => {
                if ids.tls != ids.certificate {
                    branch.ok(ids.tls, version);
                }
                match verdict {
                    Ok(()) => branch.ok(
                        ids.certificate,
                        format!(
                            "{} by {version}, as browsers want it",
                            counted(chain.len(), "certificate")
                        ),
                    ),
                    Err(fault) => {
                        // People can accept it, once.
                        let is_bearable = matches!(
                            fault,
                            CertificateFault::UnknownIssuer { self_signed } if self_signed || self.bears_unknown
                        );
                        let status = if is_bearable { Status::Warning } else { Status::Error };
                        branch.tell(status, ids.certificate, fault.to_string(), fault.remedy());
                    }
                }
                stream
            }
            Err(stream) => stream,
        };
        let origin = Some(self.origin.as_str());
        let upgrading = upgrade(stream, address, &["binary"], origin, *limit);
        let socket = match branch.during("opening a WebSocket", upgrading).await {
            Ok(socket) => socket,
            Err(error @ ProbeError::Subprotocol { .. }) => {
                branch.ok(ids.upgrade, "101");
                return self.fail(ids.subprotocol, &error);
            }
            Err(error) => return self.fail(ids.upgrade, &error),
        };
        branch.ok(ids.upgrade, format!("101 from {at}"));
        match self.without_offer(&addresses, roots).await {
            Ok(()) => branch.ok(
                ids.subprotocol,
                format!("binary is answered if it is offered, and nothing if not, at {address}"),
            ),
            Err(error) => {
                self.fail(ids.subprotocol, &error);
            }
        }
        Some(socket)
    }

    async fn connect(
        &self,
        addresses: &[SocketAddr],
    ) -> Result<(tokio::net::TcpStream, SocketAddr), ProbeError> {
        let connecting = connect(addresses, self.limit);
        let what = format!("connecting to {}", self.address.authority());
        let stream = self.branch.during(what, connecting).await?;
        let at = stream.peer_addr().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)));
        Ok((stream, at))
    }

    /// Encrypted, or (`Err`) plain as the address has it; nothing if TLS failed.
    async fn secured(
        &self,
        stream: tokio::net::TcpStream,
        roots: &[CertificateDer<'static>],
    ) -> Option<Result<Secured, Stream>> {
        if !self.address.is_encrypted {
            return Some(Err(Stream::Plain(stream)));
        }
        let shaking = secure(stream, self.address, roots, self.limit);
        match self.branch.during("shaking hands by TLS", shaking).await {
            Ok(secured) => Some(Ok(secured)),
            Err(error) => {
                self.fail(self.ids.tls, &error);
                None
            }
        }
    }

    /// noVNC since 1.2 offers no subprotocol; a browser gives up if one is answered all the same.
    async fn without_offer(
        &self,
        addresses: &[SocketAddr],
        roots: &[CertificateDer<'static>],
    ) -> Result<(), ProbeError> {
        let (stream, _) = self.connect(addresses).await?;
        let stream = if self.address.is_encrypted {
            secure(stream, self.address, roots, self.limit).await?.stream
        } else {
            Stream::Plain(stream)
        };
        let origin = Some(self.origin.as_str());
        let socket = upgrade(stream, self.address, &[], origin, self.limit).await?;
        socket.close(self.limit).await;
        Ok(())
    }

    fn fail(&self, check: Check, error: &ProbeError) -> Option<Upgraded> {
        let remedy = match check {
            PUBLIC_NAME => "correct public_host (WS_PUBLIC_HOST), or make the name known in the DNS or in /etc/hosts".to_owned(),
            _ => error.remedy(),
        };
        self.branch.fail(check, chain(error), remedy);
        None
    }
}

/// Says nothing for longer than reverse proxies wait, and sees whether the connection is still there.
pub(crate) async fn idle(branch: &Branch, check: Check, socket: &mut Upgraded) {
    let staying = socket.stay(IDLE);
    match branch.during(format!("an idle connection, {} s", IDLE.as_secs()), staying).await {
        Ok(()) => branch.ok(check, format!("it is there after {} s of silence", IDLE.as_secs())),
        Err(error) => branch.tell(
            Status::Error,
            check,
            format!("an idle connection was cut: {}", chain(&error)),
            "let what is between wait longer than the proxy's pings (ping_interval, 25 s): proxy_read_timeout 3600s in nginx, timeout tunnel 1h in HAProxy".into(),
        ),
    }
}

/// A page at the same name, loaded as the WebSocket is.
pub(crate) fn origin(address: &Address) -> String {
    let scheme = if address.is_encrypted { "https" } else { "http" };
    format!("{scheme}://{}", address.authority())
}

fn closed_remedy(error: &ProbeError) -> String {
    match error {
        ProbeError::Closed { code: 4400..=4599, .. } => {
            "on the proxy's machine: console-check TOKEN says which step fails, and the proxy's log has the cause".into()
        }
        other => other.remedy(),
    }
}

/// docs/protocol.md: the token is missing or malformed.
pub(crate) const TOKEN_MISSING: u16 = 4400;

/// Longer than the proxy waits for a VNC client's answer before it closes a session that has failed.
const REFUSAL: Duration = Duration::from_millis(2500);

/// Longer than the 60 s after which nginx and others cut what is silent.
const IDLE: Duration = Duration::from_secs(65);
