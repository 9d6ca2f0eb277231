//! A browser's way by the name that browsers know.

use std::time::Duration;

use console_config::{ListenAddress, ServerSettings};
use console_tls::system_roots;
use websocket_probe::{Address, ProbeError, connect, resolve, secure};

use crate::browser::{Browser, Front, wants_certificates};
use crate::checks::{
    BROWSER_SUBPROTOCOL, PUBLIC_CERTIFICATE, PUBLIC_COOKIE, PUBLIC_NAME, PUBLIC_REACH,
    PUBLIC_UPGRADE,
};
use crate::report::Branch;
use crate::url::{Ids, TOKEN_MISSING, Way, origin, settle};
use crate::wording::chain;

const PUBLIC: Ids = Ids {
    name: PUBLIC_NAME,
    connect: PUBLIC_REACH,
    ends_with_connect: true,
    tls: PUBLIC_CERTIFICATE,
    certificate: PUBLIC_CERTIFICATE,
    upgrade: PUBLIC_UPGRADE,
    subprotocol: BROWSER_SUBPROTOCOL,
};

impl Browser<'_> {
    /// Through `public_host`, with a browser's eyes.
    pub(crate) async fn visit_public(&self, front: &Front) {
        let Self { branch, options, settings } = self;
        if settings.public.host.is_none() {
            return;
        }
        cookie(branch, settings);
        if wants_certificates(settings) {
            branch.skip(PUBLIC_UPGRADE, "clients need certificates, and this program has none");
            return;
        }
        let Some(address) = public_address(settings, options.limit()).await else {
            branch.skip(
                PUBLIC_REACH,
                "public_host has no port, and no listener has one: set public_port",
            );
            return;
        };
        let way = Way {
            branch,
            address: &address,
            ids: &PUBLIC,
            limit: options.limit(),
            origin: page_origin(settings, &address),
            // What browsers know, this system may not; the certificate's own checks have told it then.
            bears_unknown: front.own.as_ref().is_some_and(|own| own.is_private),
        };
        let Some(mut socket) = way.go(&system_roots()).await else { return };
        let settling = settle(&mut socket, options.limit());
        let what = match branch.during("waiting for what answers", settling).await {
            // Without a token only this proxy says so.
            Err(ProbeError::Closed { code: TOKEN_MISSING, .. }) => {
                branch.ok(PUBLIC_REACH, format!("{address} leads to the proxy"));
                return;
            }
            Ok(_) => format!(
                "something else than webvirtmgr-console keeps a WebSocket open at {address}"
            ),
            Err(error) => format!(
                "what answers at {address} does not behave as webvirtmgr-console: {}",
                chain(&error)
            ),
        };
        branch.fail(
            PUBLIC_REACH,
            what,
            "correct public_host, public_port and public_path (WS_PUBLIC_HOST, …), or where the reverse proxy there leads",
        );
    }
}

/// As the page opens it. Whether it is encrypted the settings may leave open: then what is there tells.
pub(crate) async fn public_address(settings: &ServerSettings, limit: Duration) -> Option<Address> {
    let public = &settings.public;
    let host = public.host.as_ref()?.host().trim_matches(['[', ']']).to_owned();
    let listening = settings.listen.iter().find_map(|listen| match &listen.address {
        ListenAddress::Tcp { port, .. } if !listen.proxy_protocol => Some(*port),
        _ => None,
    });
    let port = public.port.map(std::num::NonZeroU16::get).or(listening)?;
    let target = public.path.as_ref().map_or("/", |path| path.as_str()).to_owned();
    let mut address = Address { is_encrypted: true, host, port, target };
    let pages = settings.origins.allowed.iter().find_map(|page| page.scheme());
    address.is_encrypted = match pages {
        _ if settings.tls.is_some() || settings.ssl_only || port == 443 => true,
        Some(scheme) => scheme == "https",
        None => speaks_tls(&address, limit).await,
    };
    Some(address)
}

async fn speaks_tls(address: &Address, limit: Duration) -> bool {
    let Ok(places) = resolve(address, limit).await else { return false };
    let Ok(stream) = connect(&places, limit).await else { return false };
    secure(stream, address, &[], limit).await.is_ok()
}

/// The token's cookie belongs to the one name that the panel's page has (RFC 6265 section 5.3, step 6).
fn cookie(branch: &Branch, settings: &ServerSettings) {
    let Some(public) = &settings.public.host else { return };
    let name = public.host().trim_matches(['[', ']']).to_ascii_lowercase();
    let pages: Vec<&str> = settings.origins.allowed.iter().map(|one| one.host()).collect();
    let others: Vec<&str> =
        pages.iter().copied().filter(|page| **page != *name && *page != "null").collect();
    let Some(first) = others.first().filter(|_| !pages.contains(&name.as_str())) else {
        branch.ok(PUBLIC_COOKIE, format!("pages at {name} send their cookie here"));
        return;
    };
    branch.warn(
        PUBLIC_COOKIE,
        format!("the cookie that pages at {} set is not sent to {name}: browsers keep it for the page's own name, and the token does not arrive", others.join(", ")),
        format!("set public_host = \"{first}\" (WS_PUBLIC_HOST) and let that name lead here, behind its reverse proxy for instance; or let the page put the token into the address, as in path=?token=…"),
    );
}

/// The panel's page, as far as the settings know it.
pub(crate) fn page_origin(settings: &ServerSettings, address: &Address) -> String {
    let allowed = settings.origins.allowed.iter().find(|one| one.host() != "null");
    match allowed {
        Some(page) if page.scheme().is_some() => page.to_string(),
        Some(page) => format!("{}://{page}", if address.is_encrypted { "https" } else { "http" }),
        None => origin(address),
    }
}
