//! One session: from the upgrade to its closing line.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use console_config::ServerSettings;
use console_route::ConsoleKind;
use console_token::ConsoleToken;
use console_websocket::{ClientEnd, ClientSocket, Limits, PendingSocket, RelayEnd};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout};
use tracing::{Instrument, Span, debug, field, info, info_span, warn};

use crate::asked::Asked;
use crate::client::Client;
use crate::ending::{Failure, Told, chain, remedy};
use crate::refuse::refuse;
use crate::resolve::{Resolve, Target};
use crate::server::Server;

/// An upgrade that has been accepted; its 101 is on its way.
pub(crate) struct PendingSession {
    pub(crate) socket: PendingSocket,
    pub(crate) asked: Asked,
    pub(crate) client: Client,
}

/// The limits of one WebSocket, from the settings.
pub(crate) fn limits(settings: &ServerSettings) -> Limits {
    Limits {
        max_message_size: settings.max_message_size,
        early_bytes: settings.early_bytes,
        ping_interval: settings.ping_interval,
        silence_timeout: settings.client_timeout,
        close_timeout: settings.close_timeout,
    }
}

/// Runs the session to its end.
pub(crate) async fn run<R: Resolve>(server: &Server<R>, pending: PendingSession) {
    let span = info_span!(
        "session",
        id = server.session_ids.fetch_add(1, Relaxed),
        client = %pending.client.peer,
        subject = pending.client.subject,
        token = field::Empty,
        domain = field::Empty,
        route = field::Empty,
    );
    if let Ok(Some(token)) = &pending.asked.token {
        span.record("token", field::display(token));
    }
    session(server, pending).instrument(span).await;
}

async fn session<R: Resolve>(server: &Server<R>, pending: PendingSession) {
    let start = Instant::now();
    let mut client = match timeout(server.settings.header_timeout, pending.socket.accept()).await {
        Ok(Ok(client)) => client,
        Ok(Err(end)) => return debug!(cause = %end, "the client left during the upgrade"),
        Err(_) => return debug!("the client did not take the upgrade's answer in time"),
    };
    let kind = pending.asked.kind();
    // Held to the end of the session.
    let Ok(_permit) = server.sessions.try_acquire() else {
        return fail(client, Failure::Busy(server.settings.max_sessions), kind).await;
    };
    let opened = tokio::select! {
        opened = client.while_connecting(open(server, pending.asked)) => opened,
        () = server.stop.cancelled() => Ok(Err(Failure::Stopping)),
    };
    let (token, target, backend) = match opened {
        Ok(Ok(opened)) => opened,
        Ok(Err(failure)) => return fail(client, failure, kind).await,
        Err(end) => return left_early(client, &end).await,
    };
    info!(setup_ms = start.elapsed().as_millis(), kind = %target.kind, "session opened");

    let mut code = 0;
    let report = client
        .relay(backend, server.stop.cancelled(), |end| {
            // However a console ends by itself, its place may be another's next. Before the client is told and comes again.
            if !matches!(end, RelayEnd::Client(_)) {
                server.resolver.forget(token);
            }
            let told = Told::from(end);
            code = told.code.as_u16();
            (told.code, told.reason)
        })
        .await;
    let (to_client, to_backend) = (report.to_client, report.to_backend);
    let duration_ms = report.duration.as_millis();
    match &report.end {
        // Not the client's doing nor an orderly end: somebody should look at the hypervisor.
        RelayEnd::BackendFailed(_) | RelayEnd::BackendStalled => {
            warn!(
                code,
                to_client,
                to_backend,
                duration_ms,
                cause = chain(&report.end),
                "session closed"
            );
        }
        end => {
            info!(code, to_client, to_backend, duration_ms, cause = chain(end), "session closed")
        }
    }
}

/// From the token to the open console.
async fn open<R: Resolve>(
    server: &Server<R>,
    asked: Asked,
) -> Result<(ConsoleToken, Target, console_backend::Backend), Failure> {
    let (token, target) = look_up(server, asked).await?;
    let span = Span::current();
    span.record("domain", &target.guest_name);
    span.record("route", field::display(&target.route));
    match server.opener.open(&target.route).await {
        Ok(backend) => Ok((token, target, backend)),
        Err(error) => {
            server.resolver.forget(token);
            Err(Failure::Open(error, target.kind))
        }
    }
}

/// From the token to the target; the page uses it, too.
pub(crate) async fn look_up<R: Resolve>(
    server: &Server<R>,
    asked: Asked,
) -> Result<(ConsoleToken, Target), Failure> {
    let (token, wanted) = asked.complete()?;
    let limit = server.settings.lookup_timeout;
    match timeout(limit + RESOLVER_FIRST, server.resolver.resolve(token, wanted)).await {
        Ok(Ok(target)) => Ok((token, target)),
        Ok(Err(refusal)) => Err(Failure::Refused(refusal)),
        Err(_) => Err(Failure::LookupTimedOut(limit)),
    }
}

/// Tells the failure in every way that some client shows; `kind` is what the client asked for.
async fn fail<S>(mut client: ClientSocket<S>, failure: Failure, kind: Option<ConsoleKind>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let told = Told::from(&failure);
    warn!(
        code = told.code.as_u16(),
        cause = chain(&failure),
        remedy = &*remedy(&failure),
        "session failed"
    );
    if let Err(end) = refuse(&mut client, failure.kind().or(kind), &told).await {
        debug!(cause = %end, "the client left before it could be told");
    }
    client.close(told.code, &told.reason).await;
}

async fn left_early<S>(client: ClientSocket<S>, end: &ClientEnd)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let told = Told::from(end);
    info!(code = told.code.as_u16(), cause = %end, "session closed before its console was open");
    client.close(told.code, &told.reason).await;
}

/// A resolver's own time-out explains more than this one, so it gets a moment to come first.
const RESOLVER_FIRST: Duration = Duration::from_secs(1);
