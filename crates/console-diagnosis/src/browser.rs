//! A browser's way to the proxy at its own ports.

use std::net::SocketAddr;

use console_config::ServerSettings;
use console_inventory::HostId;
use console_tls::Certificate;
use console_tls::rustls::pki_types::CertificateDer;
use websocket_probe::{Address, ProbeError, Stream, Upgraded, connect, secure, upgrade};

use crate::certificate::Own;
use crate::checks::{
    BROWSER_IDLE, BROWSER_PLAIN, BROWSER_SUBPROTOCOL, BROWSER_TLS, CERTIFICATE_SERVED,
};
use crate::guests::Good;
use crate::options::Options;
use crate::public::{page_origin, public_address};
use crate::report::Branch;
use crate::url;
use crate::wording::chain;

/// What is known of the proxy's front.
pub(crate) struct Front {
    /// Where it answers, for this machine.
    pub(crate) at: Vec<SocketAddr>,
    /// The certificate in the file.
    pub(crate) own: Option<Own>,
}

/// What the tries have in common.
pub(crate) struct Browser<'a> {
    pub(crate) branch: &'a Branch,
    pub(crate) options: &'a Options,
    pub(crate) settings: &'a ServerSettings,
}

impl Browser<'_> {
    /// Opens WebSockets without a token at each listener, which the proxy answers and then closes.
    pub(crate) async fn visit(&self, certificate: &Branch, front: &Front) {
        if front.at.is_empty() {
            let why = "no TCP port of the proxy's was found to answer here";
            self.branch.skip(BROWSER_PLAIN, why);
        }
        for at in &front.at {
            self.plain(*at).await;
            if self.settings.tls.is_some() {
                self.encrypted(*at, certificate, front.own.as_ref()).await;
            }
        }
    }

    async fn plain(&self, at: SocketAddr) {
        let Self { branch, settings, .. } = self;
        let address = here(at, false, "/");
        match self.open(&address, at, OFFER).await {
            Ok(socket) if settings.ssl_only => {
                drop(socket);
                branch.fail(
                    BROWSER_PLAIN,
                    format!("{at} takes plain WebSockets although ssl_only is set"),
                    "systemctl restart webvirtmgr-console # so that the settings count",
                );
            }
            Ok(socket) => {
                branch.ok(BROWSER_PLAIN, format!("ws://{at} answers 101"));
                socket.close(self.options.limit()).await;
                self.without_offer(&address, at).await;
            }
            Err(ProbeError::Status { code: 403, line, .. })
                if settings.ssl_only && line.contains("TLS only") =>
            {
                branch.ok(BROWSER_PLAIN, format!("ws://{at} is refused, as ssl_only wants it"));
            }
            Err(error) => self.fail(&error, false),
        }
    }

    async fn encrypted(&self, at: SocketAddr, certificate: &Branch, own: Option<&Own>) {
        let Self { branch, options, settings } = self;
        if wants_certificates(settings) {
            branch.skip(BROWSER_TLS, "clients need certificates, and this program has none");
            return;
        }
        let address = here(at, true, "/");
        let connecting = async {
            secure(connect(&[at], options.limit()).await?, &address, &[], options.limit()).await
        };
        let secured = match connecting.await {
            Ok(secured) => secured,
            Err(error) => {
                branch.fail(
                    BROWSER_TLS,
                    format!("{at} does not shake hands by TLS: {}", chain(&error)),
                    "systemctl restart webvirtmgr-console # so that the certificate in its settings is loaded; its log says why if it is not",
                );
                return;
            }
        };
        served(certificate, own, secured.chain.first());
        let version = secured.version;
        let origin = page_origin(settings, &address);
        let limit = options.limit();
        match upgrade(secured.stream, &address, OFFER, Some(&origin), limit).await {
            Ok(socket) => {
                branch.ok(BROWSER_TLS, format!("wss://{at} answers 101 ({version})"));
                socket.close(limit).await;
                self.without_offer(&address, at).await;
            }
            Err(error) => self.fail(&error, true),
        }
    }

    fn fail(&self, error: &ProbeError, is_encrypted: bool) {
        let check = match error {
            ProbeError::Subprotocol { .. } => BROWSER_SUBPROTOCOL,
            _ if is_encrypted => BROWSER_TLS,
            _ => BROWSER_PLAIN,
        };
        self.branch.fail(check, chain(error), error.remedy());
    }

    /// As noVNC since 1.2 has it.
    async fn without_offer(&self, address: &Address, at: SocketAddr) {
        match self.open(address, at, &[]).await {
            Ok(socket) => {
                let text = format!("{address} answers binary if it is offered, and nothing if not");
                self.branch.ok(BROWSER_SUBPROTOCOL, text);
                socket.close(self.options.limit()).await;
            }
            Err(error) => self.branch.fail(BROWSER_SUBPROTOCOL, chain(&error), error.remedy()),
        }
    }

    /// A console that is in order, left alone.
    pub(crate) async fn idle(&self, front: &Front, good: Option<(HostId, Good)>) {
        let Self { branch, options, settings } = self;
        let (Some(at), Some((host, good))) = (front.at.first().copied(), good) else {
            let why = "it needs a listener that answers and a guest whose console opens";
            branch.skip(BROWSER_IDLE, why);
            return;
        };
        if wants_certificates(settings) {
            branch.skip(BROWSER_IDLE, "clients need certificates, and this program has none");
            return;
        }
        let query = format!("?token={host}-{}", good.uuid);
        let (address, places) = match public_address(settings, options.limit()).await {
            Some(public) => {
                let places = websocket_probe::resolve(&public, options.limit()).await;
                let target = format!("{}{query}", public.target);
                (Address { target, ..public }, places.unwrap_or_else(|_| vec![at]))
            }
            None => (here(at, settings.ssl_only, &format!("/{query}")), vec![at]),
        };
        match self.open_any(&address, &places, OFFER).await {
            Ok(mut socket) => {
                url::idle(branch, BROWSER_IDLE, &mut socket).await;
                socket.close(options.limit()).await;
            }
            Err(error) => branch.fail(BROWSER_IDLE, chain(&error), error.remedy()),
        }
    }

    async fn open(
        &self,
        address: &Address,
        at: SocketAddr,
        offer: &[&str],
    ) -> Result<Upgraded, ProbeError> {
        self.open_any(address, &[at], offer).await
    }

    async fn open_any(
        &self,
        address: &Address,
        places: &[SocketAddr],
        offer: &[&str],
    ) -> Result<Upgraded, ProbeError> {
        let limit = self.options.limit();
        let stream = connect(places, limit).await?;
        let stream = if address.is_encrypted {
            secure(stream, address, &[], limit).await?.stream
        } else {
            Stream::Plain(stream)
        };
        let origin = page_origin(self.settings, address);
        upgrade(stream, address, offer, Some(&origin), limit).await
    }
}

/// Whether a browser without a certificate of its own is refused.
pub(crate) fn wants_certificates(settings: &ServerSettings) -> bool {
    let clients = settings.tls.as_ref().and_then(|tls| tls.clients.as_ref());
    clients.is_some_and(|clients| clients.required)
}

/// Whether it is the one in the file.
fn served(branch: &Branch, own: Option<&Own>, leaf: Option<&CertificateDer<'static>>) {
    let Some(own) = own else { return };
    match leaf.and_then(|leaf| Certificate::parse(leaf.clone()).ok()) {
        Some(served) if served.der() == own.certificate.der() => {
            branch.ok(CERTIFICATE_SERVED, "the running proxy serves the one in the file");
        }
        other => {
            let what = other.map_or_else(
                || "none that can be read".to_owned(),
                |other| {
                    let until = other.not_after();
                    format!("{}, valid until {until} ({})", other.name(), other.fingerprint())
                },
            );
            branch.fail(
                CERTIFICATE_SERVED,
                format!("the running proxy serves another certificate than the one in the file: {what}"),
                "systemctl reload webvirtmgr-console # which sends SIGHUP; if it stays so, its log says why the file was not taken",
            );
        }
    }
}

fn here(at: SocketAddr, is_encrypted: bool, target: &str) -> Address {
    Address { is_encrypted, host: at.ip().to_string(), port: at.port(), target: target.to_owned() }
}

/// What noVNC before 1.2 and spice-html5 offer.
const OFFER: &[&str] = &["binary"];
