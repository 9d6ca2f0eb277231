//! What each request is answered with.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::PoisonError;

use bytes::Bytes;
use console_config::{OriginCheck, PublicAddress};
use console_route::ConsoleKind;
use console_websocket::{is_upgrade_request, upgrade};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tracing::{debug, info, warn};

use crate::asked::Asked;
use crate::client::Client;
use crate::connection::Slot;
use crate::ending::{Failure, Told, chain, remedy};
use crate::origin;
use crate::page;
use crate::resolve::Resolve;
use crate::server::Server;
use crate::session::{self, PendingSession, look_up};

type Answer = Response<Full<Bytes>>;

/// Answers one request. A valid WebSocket upgrade is accepted on every path and its session left in `slot`.
pub(crate) async fn answer<R: Resolve>(
    server: &Server<R>,
    request: Request<Incoming>,
    client: &Client,
    slot: &Slot,
) -> Answer {
    let settings = &server.settings;
    let client = client.of_request(request.headers(), &settings.trusted_proxies);
    if settings.ssl_only && !is_encrypted(server, &client) {
        info!(client = %client.peer, remedy = "open it by https, or remove ssl_only", "a plain request was refused (ssl_only)");
        let mut answer =
            text(StatusCode::FORBIDDEN, "this server speaks TLS only: use https:// and wss://\n");
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        return answer;
    }
    if is_upgrade_request(&request) {
        return websocket(server, request, client, slot);
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are allowed\n");
        answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    let path = request.uri().path();
    // Reverse proxies pass their path on or strip it. Both are tried, for the public path may itself be called /console/.
    let stripped = || settings.public.path.as_ref().and_then(|public| public.strip(path));
    match Place::of(server, path).or_else(|| Place::of(server, stripped()?)) {
        // Load balancers probe it, so it looks nothing up.
        Some(Place::Root) => text(StatusCode::OK, RUNNING),
        Some(Place::Icon) => with_status(Response::default(), StatusCode::NO_CONTENT),
        Some(Place::Page) => console_page(server, &request, &client).await,
        Some(Place::File(name)) => console_file(server, name, &request).await,
        None => text(StatusCode::NOT_FOUND, "there is nothing here\n"),
    }
}

/// What a path leads to.
enum Place<'a> {
    Root,
    Icon,
    Page,
    /// One of the page's own files or of its clients', by the name under `/console/`.
    File(&'a str),
}

impl<'a> Place<'a> {
    fn of<R>(server: &Server<R>, path: &'a str) -> Option<Self> {
        match path {
            "/" => Some(Self::Root),
            "/favicon.ico" => Some(Self::Icon),
            "/console" => Some(Self::Page),
            _ => {
                let name = path.strip_prefix("/console/")?;
                let is_known = page::file(name).is_some() || server.clients.of_path(name).is_some();
                is_known.then_some(Self::File(name))
            }
        }
    }
}

/// Whether the client came encrypted. A proxy's word for it does not do where clients have to show us certificates.
fn is_encrypted<R>(server: &Server<R>, client: &Client) -> bool {
    let wants_certificate =
        server.tls.as_ref().is_some_and(|tls| tls.requires_client_certificates());
    client.is_encrypted && (client.is_encrypted_to_us || !wants_certificate)
}

fn websocket<R: Resolve>(
    server: &Server<R>,
    mut request: Request<Incoming>,
    client: Client,
    slot: &Slot,
) -> Answer {
    if !is_welcome(server, &request, &client) {
        return text(StatusCode::FORBIDDEN, "pages of this origin may not open consoles here\n");
    }
    match upgrade(&mut request, &session::limits(&server.settings)) {
        Ok((answer, socket)) => {
            let pending = PendingSession { socket, asked: Asked::of(&request), client };
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(pending);
            answer
        }
        Err(refused) => {
            info!(client = %client.peer, cause = %refused, "a WebSocket upgrade was refused");
            refused.response()
        }
    }
}

/// The origin check, and its line in the log.
fn is_welcome<R>(server: &Server<R>, request: &Request<Incoming>, client: &Client) -> bool {
    let (policy, public) = (&server.settings.origins, &server.settings.public);
    if policy.check == OriginCheck::Off {
        return true;
    }
    let Some(origin) = origin::foreign(request.headers(), public, policy) else { return true };
    let host =
        request.headers().get(header::HOST).map(|host| String::from_utf8_lossy(host.as_bytes()));
    let host: String = host.unwrap_or_default().chars().take(origin::MAX_SHOWN).collect();
    let remedy = "if it is the panel's, add it to allowed_origins; if it is the proxy's own, set public_host (WS_PUBLIC_HOST)";
    let is_enforced = policy.check == OriginCheck::Enforce;
    if is_enforced {
        warn!(client = %client.peer, origin, host, remedy, "a page of another origin was refused (origin_check)");
    } else {
        warn!(client = %client.peer, origin, host, remedy, "a page of another origin opens a console (origin_check would refuse it)");
    }
    !is_enforced
}

async fn console_page<R: Resolve>(
    server: &Server<R>,
    request: &Request<Incoming>,
    client: &Client,
) -> Answer {
    let asked = Asked::of(request);
    let masked = match &asked.token {
        Ok(Some(token)) => token.to_string(),
        _ => String::new(),
    };
    let found = tokio::select! {
        found = look_up(server, asked) => found,
        () = server.stop.cancelled() => Err(Failure::Stopping),
    };
    let failure = match found.map(|(_, target)| target) {
        Ok(target) => {
            let (viewer, files) = server.clients.showing(target.kind);
            if files.is_none() {
                let page = page::without_client(viewer);
                return html(StatusCode::SERVICE_UNAVAILABLE, page, &policy(target.kind, ""));
            }
            let public = &server.settings.public;
            let sources = websocket_sources(public);
            let page = page::console(&target, public);
            return html(StatusCode::OK, page, &policy(target.kind, &sources));
        }
        Err(failure) => failure,
    };
    let told = Told::from(&failure);
    warn!(
        client = %client.peer,
        token = masked,
        status = told.status().as_u16(),
        cause = chain(&failure),
        remedy = &*remedy(&failure),
        "the console page failed"
    );
    html(told.status(), page::failure(&told), &policy(ConsoleKind::Vnc, ""))
}

async fn console_file<R: Resolve>(
    server: &Server<R>,
    name: &str,
    request: &Request<Incoming>,
) -> Answer {
    let (content_type, content) = match server.clients.of_path(name) {
        None => match page::file(name) {
            Some((content_type, content)) => (content_type, Bytes::from_static(content.as_bytes())),
            None => return text(StatusCode::NOT_FOUND, "there is no such file\n"),
        },
        Some((_, None, _)) => {
            return text(StatusCode::NOT_FOUND, "this client's files are not installed\n");
        }
        Some((client, Some(files), path)) => match files.read(path).await {
            Some(file) => (file.content_type, file.content),
            None => {
                debug!(path, "{}'s folder has no such file", client.name);
                return text(StatusCode::NOT_FOUND, "there is no such file\n");
            }
        },
    };
    let tag = entity_tag(&content);
    // RFC 9110 section 13.1.2; modules are many and small, so asking again is cheap, and an upgrade never mixes two versions.
    let known = request.headers().get_all(header::IF_NONE_MATCH).iter().any(|value| {
        value.as_bytes().split(|&byte| byte == b',').any(|one| one.trim_ascii() == tag.as_bytes())
    });
    let mut answer = if known {
        with_status(Response::default(), StatusCode::NOT_MODIFIED)
    } else {
        Response::new(Full::new(content))
    };
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    harden(&mut answer);
    answer
}

/// Where the page may open its WebSocket besides its own origin, as content security policy sources. Without a port of its own the public
/// host is reached by the page's. Without a public host it is the name that the page was loaded by, which only the browser knows: reverse
/// proxies rewrite Host.
fn websocket_sources(public: &PublicAddress) -> String {
    let host = match &public.host {
        None if public.port.is_none() => return String::new(),
        None => "*",
        // The grammar has no IPv6 addresses (CSP Level 3, host-source).
        Some(host) if host.host().contains(':') => return " ws: wss:".into(),
        Some(host) => host.host(),
    };
    let port = public.port.map_or_else(|| "*".to_owned(), |port| port.to_string());
    format!(" ws://{host}:{port} wss://{host}:{port}")
}

/// What the page may load and do (CSP Level 3); `websockets` are the further sources it may connect to. No inline script, nothing from
/// elsewhere; both clients draw their cursors from data URLs, noVNC also from blobs.
fn policy(kind: ConsoleKind, websockets: &str) -> String {
    // spice-html5 plays sound and video from blobs, and places the video by a style attribute.
    let spice = match kind {
        ConsoleKind::Vnc => "",
        ConsoleKind::Spice => "; media-src blob:; style-src-attr 'unsafe-inline'",
    };
    format!("{PAGE_POLICY}{spice}; connect-src 'self'{websockets}")
}

/// A page of ours.
fn html(status: StatusCode, page: Bytes, policy: &str) -> Answer {
    let mut answer = with_status(Response::new(Full::new(page)), status);
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    // The page belongs to one token and one moment.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(policy) = HeaderValue::from_str(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    harden(&mut answer);
    answer
}

fn text(status: StatusCode, line: &'static str) -> Answer {
    let mut answer = with_status(Response::new(Full::from(line)), status);
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    harden(&mut answer);
    answer
}

fn harden(answer: &mut Answer) {
    let headers = answer.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // The token stands in the page's address.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}

fn with_status(mut answer: Answer, status: StatusCode) -> Answer {
    *answer.status_mut() = status;
    answer
}

/// A strong entity tag over the content (RFC 9110 section 8.8.3).
fn entity_tag(content: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

/// What load balancers and console-check look for.
const RUNNING: &str = concat!("webvirtmgr-console ", env!("CARGO_PKG_VERSION"), " is running\n");

const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";
