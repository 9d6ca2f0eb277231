//! TLS, shaken hands whatever the certificate is.

use std::error::Error as _;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use console_tls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use console_tls::rustls::crypto::{
    WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
};
use console_tls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use console_tls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, ProtocolVersion, SignatureScheme,
};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::address::Address;
use crate::error::{ProbeError, Step, is_hangup};
use crate::mask::masked;
use crate::said::first_line;
use crate::stream::{Encrypted, Heard, Overheard, Stream};
use crate::verdict::{CertificateFault, judge};

/// An encrypted connection, and what was found out about it.
#[derive(Debug)]
pub struct Secured {
    /// The connection; it works whatever the verdict is.
    pub stream: Stream,
    /// `TLS 1.3` or `TLS 1.2`.
    pub version: &'static str,
    /// The certificates as the server sent them, its own first.
    pub chain: Vec<CertificateDer<'static>>,
    /// Whether a browser would take them.
    pub verdict: Result<(), CertificateFault>,
}

/// Shakes hands whatever the certificate is, and judges it as a browser does: its name, the dates, and whether one of `roots` signed it.
/// Offers what a browser does for a WebSocket: TLS 1.2 and 1.3, ALPN `http/1.1`.
///
/// Dropping the future closes the connection.
///
/// # Errors
///
/// [`ProbeError::NotTls`], [`ProbeError::Tls`], [`ProbeError::NoAnswer`], [`ProbeError::Io`], or [`ProbeError::TimedOut`] after `limit`.
pub async fn secure(
    stream: TcpStream,
    address: &Address,
    roots: &[CertificateDer<'static>],
    limit: Duration,
) -> Result<Secured, ProbeError> {
    let name = ServerName::try_from(address.host.clone()).map_err(|_| ProbeError::Unusable {
        what: format!("no name for TLS is {:?}", address.host),
    })?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let lenient = Arc::new(Lenient {
        algorithms: provider.signature_verification_algorithms,
        fault: Mutex::default(),
    });
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|source| ProbeError::Tls { source })?
        .dangerous()
        .with_custom_certificate_verifier(lenient.clone())
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];

    let heard = Heard::default();
    let connecting = TlsConnector::from(Arc::new(config))
        .connect(name.clone(), Overheard::new(stream, heard.clone()));
    let tls = timeout(limit, connecting)
        .await
        .map_err(|_| ProbeError::TimedOut { step: Step::Tls, limit })?
        .map_err(|error| failed(error, &heard))?;

    let (_, session) = tls.get_ref();
    let version = match session.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
        _ => "TLS 1.3",
    };
    let chain: Vec<_> = session.peer_certificates().unwrap_or_default().to_vec();
    let mut verdict = judge(&chain, &name, roots, provider);
    if let (Ok(()), Some(fault)) = (&verdict, lenient.fault()) {
        verdict = Err(CertificateFault::Other(fault));
    }
    Ok(Secured { stream: Stream::Tls(Box::new(Encrypted(tls))), version, chain, verdict })
}

fn failed(error: io::Error, heard: &Heard) -> ProbeError {
    let first = heard.bytes();
    if first.first().is_some_and(|kind| !TLS_RECORDS.contains(kind)) {
        return ProbeError::NotTls { what: masked(&first_line(&first)) };
    }
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(source) => ProbeError::Tls { source: source.clone() },
        None if is_hangup(&error) && error.source().is_none() => {
            ProbeError::NoAnswer { step: Step::Tls }
        }
        None => ProbeError::Io { step: Step::Tls, source: error },
    }
}

/// Takes every certificate; only whether the server has its key is looked at, and kept.
#[derive(Debug)]
struct Lenient {
    algorithms: WebPkiSupportedAlgorithms,
    fault: Mutex<Option<String>>,
}

impl Lenient {
    fn fault(&self) -> Option<String> {
        self.fault.lock().ok()?.clone()
    }

    fn note(
        &self,
        found: Result<HandshakeSignatureValid, Error>,
    ) -> Result<HandshakeSignatureValid, Error> {
        match found {
            // A certificate that webpki cannot read is for the verdict to tell.
            Err(Error::InvalidCertificate(fault)) => {
                if let Ok(mut kept) = self.fault.lock() {
                    *kept = Some(fault.to_string());
                }
                Ok(HandshakeSignatureValid::assertion())
            }
            other => other,
        }
    }
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.note(verify_tls12_signature(message, certificate, signature, &self.algorithms))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.note(verify_tls13_signature(message, certificate, signature, &self.algorithms))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// RFC 8446 section 5.1: what a record's first byte may be.
const TLS_RECORDS: std::ops::RangeInclusive<u8> = 20..=24;
