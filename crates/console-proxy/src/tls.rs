//! The TLS handshake of one connection.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use console_tls::rustls::{AlertDescription, Error as TlsError, server::Acceptor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::{debug, info, warn};

use crate::client::Client;
use crate::ending;
use crate::server::Server;
use crate::socket::Socket;

/// The first byte of every TLS connection (RFC 8446 section 5.1, handshake). No HTTP method begins with it.
pub(crate) const HANDSHAKE: u8 = 22;

/// The encrypted stream and the subject of the client's certificate; none if there is no handshake, which the log then explains.
pub(crate) async fn accept<R>(
    server: &Server<R>,
    socket: Socket,
    client: &Client,
) -> Option<(TlsStream<Socket>, Option<String>)> {
    match timeout(server.settings.header_timeout, handshake(server, socket, client)).await {
        Ok(accepted) => accepted,
        Err(_) => {
            debug!(client = %client.peer, "the TLS handshake took too long (header_timeout)");
            None
        }
    }
}

async fn handshake<R>(
    server: &Server<R>,
    socket: Socket,
    client: &Client,
) -> Option<(TlsStream<Socket>, Option<String>)> {
    // The acceptor answers what is no ClientHello with an alert by itself.
    let mut acceptor = LazyConfigAcceptor::new(Acceptor::default(), socket);
    let start = match (&mut acceptor).await {
        Ok(start) => start,
        Err(error) => {
            failed(client, &error);
            if let Some(socket) = acceptor.take_io() {
                linger(socket).await;
            }
            return None;
        }
    };
    let Some(tls) = &server.tls else {
        warn!(
            client = %client.peer,
            name = start.client_hello().server_name().unwrap_or_default(),
            remedy = "set cert (WS_CERT, --cert) to a certificate, or open the page by http",
            "a client speaks TLS, but no certificate is configured"
        );
        let mut socket = start.io;
        if socket.write_all(&NO_CERTIFICATE).await.is_ok() {
            linger(socket).await;
        }
        return None;
    };
    match start.into_stream(tls.config()).into_fallible().await {
        Ok(stream) => {
            let (_, session) = stream.get_ref();
            let first = session.peer_certificates().and_then(<[_]>::first);
            let subject = first.and_then(console_tls::subject);
            debug!(client = %client.peer, version = ?session.protocol_version(), subject, "TLS handshake");
            Some((stream, subject))
        }
        Err((error, socket)) => {
            failed(client, &error);
            linger(socket).await;
            None
        }
    }
}

fn failed(client: &Client, error: &io::Error) {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<TlsError>());
    let remedy = match cause {
        // Nobody's fault: it went away.
        None => {
            return debug!(client = %client.peer, %error, "the connection ended in the TLS handshake");
        }
        Some(TlsError::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::UnsupportedCertificate,
        )) => {
            "the browser does not trust the certificate: open the page once by https and see why it warns; the chain, the name or the dates may be wrong"
        }
        Some(TlsError::NoCertificatesPresented) => {
            "the client has to show a certificate (client_certificate); import one into the browser"
        }
        Some(TlsError::InvalidCertificate(_)) => {
            "the client's certificate must be signed by an authority in client_ca, and in date"
        }
        Some(TlsError::PeerIncompatible(_)) => {
            "the client is too old, or has no cipher suite or key exchange of today; see tls_min_version"
        }
        Some(TlsError::NoApplicationProtocol) => {
            "let the client offer http/1.1 (ALPN): WebSockets are opened in it"
        }
        Some(_) => "",
    };
    let cause = cause.map(|cause| match cause.source() {
        Some(_) => ending::chain(cause),
        None => cause.to_string(),
    });
    info!(client = %client.peer, cause, remedy, "a TLS handshake failed");
}

/// Ends a connection so that its last words arrive: closing it while something of the client's is unread would reset it.
async fn linger(mut socket: Socket) {
    let rest = async {
        socket.shutdown().await?;
        tokio::io::copy(&mut (&mut socket).take(LINGER_BYTES), &mut tokio::io::sink()).await
    };
    // Whatever comes of it, this was the end.
    let _ = timeout(LINGER, rest).await;
}

/// A fatal alert, handshake_failure (RFC 8446 section 6): what browsers show as a server that cannot speak TLS with them.
const NO_CERTIFICATE: [u8; 7] = [21, 3, 3, 0, 2, 2, 40];

/// How long a client is waited for that has been told why there is no connection.
const LINGER: Duration = Duration::from_secs(1);

/// How much of it is thrown away at the most.
const LINGER_BYTES: u64 = 64 * 1024;
