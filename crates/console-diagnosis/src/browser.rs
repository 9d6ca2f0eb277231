//! A browser's way to the proxy: at its own port, and by the name that browsers know.

use std::net::SocketAddr;

use console_config::{ListenAddress, ServerSettings};
use console_inventory::HostId;
use console_tls::rustls::pki_types::CertificateDer;
use console_tls::{Certificate, system_roots};
use tokio::net::TcpStream;
use websocket_probe::{Address, ProbeError, Stream, Upgraded, connect, secure, upgrade};

use crate::backend::chain;
use crate::checks::{
    BROWSER_IDLE, BROWSER_PLAIN, BROWSER_SUBPROTOCOL, BROWSER_TLS, CERTIFICATE_SERVED,
    PUBLIC_CERTIFICATE, PUBLIC_COOKIE, PUBLIC_NAME, PUBLIC_REACH, PUBLIC_UPGRADE,
};
use crate::host::Good;
use crate::options::Options;
use crate::report::Branch;
use crate::url::{Ids, TOKEN_MISSING, Way, idle as stay_idle, origin, settle};

/// What is known of the proxy's front.
pub(crate) struct Front {
    /// Where it answers, for this machine.
    pub(crate) at: Option<SocketAddr>,
    /// The certificate in the file.
    pub(crate) own: Option<Certificate>,
}

/// Opens WebSockets without a token, which the proxy answers and then closes.
pub(crate) async fn examine(
    branch: &Branch,
    certificate: &Branch,
    options: &Options,
    settings: &ServerSettings,
    front: &Front,
) {
    match front.at {
        Some(at) => {
            plain(branch, options, settings, at).await;
            if settings.tls.is_some() {
                encrypted(branch, certificate, options, settings, at, front).await;
            }
        }
        None => branch.skip(BROWSER_PLAIN, "no listener answers here"),
    }
    public(branch, options, settings).await;
    cookie(branch, settings);
}

async fn plain(branch: &Branch, options: &Options, settings: &ServerSettings, at: SocketAddr) {
    let address = here(at, false, "/");
    match open(options, settings, &address, at, &["binary"]).await {
        Ok(socket) if settings.ssl_only => {
            drop(socket);
            branch.fail(
                BROWSER_PLAIN,
                format!("{at} takes plain WebSockets although ssl_only is set"),
                "systemctl restart webvirtmgr-console, so that the settings count",
            );
            return;
        }
        Ok(socket) => {
            branch.ok(BROWSER_PLAIN, format!("ws://{at} answers 101"));
            socket.close(options.limit()).await;
        }
        Err(ProbeError::Status { code: 403, line, .. })
            if settings.ssl_only && line.contains("TLS only") =>
        {
            branch.ok(BROWSER_PLAIN, format!("ws://{at} is refused, as ssl_only wants it"));
            return;
        }
        Err(error @ ProbeError::Subprotocol { .. }) => {
            branch.fail(BROWSER_SUBPROTOCOL, chain(&error), error.remedy());
            return;
        }
        Err(error) => {
            branch.fail(BROWSER_PLAIN, chain(&error), error.remedy());
            return;
        }
    }
    match open(options, settings, &address, at, &[]).await {
        Ok(socket) => {
            branch
                .ok(BROWSER_SUBPROTOCOL, "binary is answered if it is offered, and nothing if not");
            socket.close(options.limit()).await;
        }
        Err(error) => branch.fail(BROWSER_SUBPROTOCOL, chain(&error), error.remedy()),
    }
}

async fn encrypted(
    branch: &Branch,
    certificate: &Branch,
    options: &Options,
    settings: &ServerSettings,
    at: SocketAddr,
    front: &Front,
) {
    if settings.tls.as_ref().and_then(|tls| tls.clients.as_ref()).is_some_and(|ca| ca.required) {
        branch.skip(BROWSER_TLS, "clients need certificates, and this program has none");
        return;
    }
    let address = here(at, true, "/");
    let stream = match connect(&[at], options.limit()).await {
        Ok(stream) => stream,
        Err(error) => {
            branch.fail(BROWSER_TLS, chain(&error), error.remedy());
            return;
        }
    };
    let secured = match secure(stream, &address, &[], options.limit()).await {
        Ok(secured) => secured,
        Err(error) => {
            branch.fail(
                BROWSER_TLS,
                format!("{at} does not shake hands by TLS: {}", chain(&error)),
                "systemctl restart webvirtmgr-console, so that the certificate in its settings is loaded; its log says why if it is not",
            );
            return;
        }
    };
    served(certificate, front, secured.chain.first());
    let origin = page_origin(settings, &address);
    let opened =
        upgrade(secured.stream, &address, &["binary"], Some(&origin), None, options.limit());
    match opened.await {
        Ok(socket) => {
            branch.ok(BROWSER_TLS, format!("wss://{at} answers 101 ({})", secured.version));
            socket.close(options.limit()).await;
        }
        Err(error) => branch.fail(BROWSER_TLS, chain(&error), error.remedy()),
    }
}

/// Whether it is the one in the file.
fn served(branch: &Branch, front: &Front, leaf: Option<&CertificateDer<'static>>) {
    let Some(own) = &front.own else { return };
    let served = leaf.and_then(|leaf| Certificate::parse(leaf.clone()).ok());
    match served {
        Some(served) if served.der() == own.der() => {
            branch.ok(CERTIFICATE_SERVED, "the running proxy serves the one in the file");
        }
        other => {
            let what = other.map_or_else(
                || "none that can be read".to_owned(),
                |other| {
                    format!(
                        "{}, valid until {} ({})",
                        other.name(),
                        other.not_after(),
                        other.fingerprint()
                    )
                },
            );
            branch.fail(
                CERTIFICATE_SERVED,
                format!("the running proxy serves another certificate than the one in the file: {what}"),
                "systemctl reload webvirtmgr-console (SIGHUP); if it stays so, its log says why the file was not taken",
            );
        }
    }
}

/// Through `public_host`, with a browser's eyes.
async fn public(branch: &Branch, options: &Options, settings: &ServerSettings) {
    let Some(address) = public_address(settings) else { return };
    let way = Way {
        branch,
        address: &address,
        ids: &PUBLIC,
        limit: options.limit(),
        origin: Some(page_origin(settings, &address)),
    };
    let Some(mut socket) = way.go(&system_roots()).await else { return };
    let settling = settle(&mut socket, options.limit());
    match branch.during("waiting for what answers", settling).await {
        // Without a token only this proxy says so.
        Err(ProbeError::Closed { code: TOKEN_MISSING, .. }) => {
            branch.ok(PUBLIC_REACH, format!("{address} leads to the proxy"));
        }
        Ok(_) => branch.fail(
            PUBLIC_REACH,
            format!("something else than webvirtmgr-console keeps a WebSocket open at {address}"),
            "see what listens at public_host and public_port, and where the reverse proxy there leads",
        ),
        Err(error) => branch.fail(
            PUBLIC_REACH,
            format!("what answers at {address} does not behave as webvirtmgr-console: {}", chain(&error)),
            "see what listens at public_host and public_port, and where the reverse proxy there leads",
        ),
    }
}

const PUBLIC: Ids = Ids {
    name: PUBLIC_NAME,
    connect: PUBLIC_REACH,
    ends_with_connect: true,
    tls: PUBLIC_CERTIFICATE,
    certificate: PUBLIC_CERTIFICATE,
    upgrade: PUBLIC_UPGRADE,
    subprotocol: BROWSER_SUBPROTOCOL,
};

/// As the page opens it.
fn public_address(settings: &ServerSettings) -> Option<Address> {
    let host = settings.public.host.as_ref()?;
    let listening = settings.listen.iter().find_map(|listen| match &listen.address {
        ListenAddress::Tcp { port, .. } if !listen.proxy_protocol => Some(*port),
        _ => None,
    });
    let port = settings.public.port.map(std::num::NonZeroU16::get).or(listening)?;
    let is_encrypted = settings.tls.is_some() || settings.ssl_only || port == 443;
    let path = settings.public.path.as_ref().map_or("/", |path| path.as_str());
    Some(Address {
        is_encrypted,
        host: host.host().trim_matches(['[', ']']).to_owned(),
        port,
        target: path.to_owned(),
    })
}

/// The token's cookie belongs to the one name that the panel's page has (RFC 6265 section 5.3, step 6).
fn cookie(branch: &Branch, settings: &ServerSettings) {
    let Some(public) = &settings.public.host else { return };
    let name = public.host().trim_matches(['[', ']']).to_ascii_lowercase();
    let pages: Vec<&str> = settings.origins.allowed.iter().map(|one| one.host()).collect();
    let others: Vec<&str> =
        pages.iter().copied().filter(|page| **page != *name && *page != "null").collect();
    if pages.contains(&name.as_str()) || others.is_empty() {
        branch.ok(PUBLIC_COOKIE, format!("pages at {name} send their cookie here"));
        return;
    }
    branch.warn(
        PUBLIC_COOKIE,
        format!("the cookie that pages at {} set is not sent to {name}: browsers keep it for the page's own name, and the token does not arrive", others.join(", ")),
        format!("set public_host = \"{}\" (WS_PUBLIC_HOST) and let that name lead here, behind its reverse proxy for instance; or let the page put the token into the address, as in path=?token=…", others.first().copied().unwrap_or_default()),
    );
}

/// A console that is in order, left alone.
pub(crate) async fn idle(
    branch: &Branch,
    options: &Options,
    settings: &ServerSettings,
    front: &Front,
    good: Option<(HostId, Good)>,
) {
    let (Some(at), Some((host, good))) = (front.at, good) else {
        branch
            .skip(BROWSER_IDLE, "it needs a listener that answers and a guest whose console opens");
        return;
    };
    let target = format!("/?token={host}-{}", good.uuid);
    let address = public_address(settings)
        .map(|address| Address {
            target: format!("{}?token={host}-{}", address.target, good.uuid),
            ..address
        })
        .unwrap_or_else(|| here(at, settings.ssl_only, &target));
    let place = match websocket_probe::resolve(&address, options.limit()).await {
        Ok(places) => places.first().copied().unwrap_or(at),
        Err(_) => at,
    };
    match open(options, settings, &address, place, &["binary"]).await {
        Ok(mut socket) => {
            stay_idle(branch, BROWSER_IDLE, &mut socket).await;
            socket.close(options.limit()).await;
        }
        Err(error) => branch.fail(BROWSER_IDLE, chain(&error), error.remedy()),
    }
}

async fn open(
    options: &Options,
    settings: &ServerSettings,
    address: &Address,
    at: SocketAddr,
    offer: &[&str],
) -> Result<Upgraded, ProbeError> {
    let stream: TcpStream = connect(&[at], options.limit()).await?;
    let stream = if address.is_encrypted {
        secure(stream, address, &[], options.limit()).await?.stream
    } else {
        Stream::Plain(stream)
    };
    let origin = page_origin(settings, address);
    upgrade(stream, address, offer, Some(&origin), None, options.limit()).await
}

fn here(at: SocketAddr, is_encrypted: bool, target: &str) -> Address {
    Address { is_encrypted, host: at.ip().to_string(), port: at.port(), target: target.to_owned() }
}

/// The panel's page, as far as the settings know it.
fn page_origin(settings: &ServerSettings, address: &Address) -> String {
    let allowed = settings.origins.allowed.iter().find(|one| one.host() != "null");
    match allowed {
        Some(page) => {
            let scheme =
                page.scheme().unwrap_or(if address.is_encrypted { "https" } else { "http" });
            format!("{scheme}://{}", page.host())
        }
        None => origin(address),
    }
}
