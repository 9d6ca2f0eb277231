//! A TLS client of our own, which trusts one authority and tells which certificate it saw.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
pub use tokio_rustls::client::TlsStream;

use crate::websocket::PATIENCE;

/// Opens connections that are verified as a browser would.
#[derive(Clone)]
pub struct TlsClient(TlsConnector);

impl TlsClient {
    /// One that trusts the authority with this certificate.
    ///
    /// # Errors
    ///
    /// It is no certificate.
    pub fn trusting(authority: &str) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(authority.as_bytes()).context("no certificate")?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// A connection to a server that is called localhost.
    ///
    /// # Errors
    ///
    /// There is none, or its certificate is not to be trusted.
    pub async fn connect(&self, address: SocketAddr) -> Result<TlsStream<TcpStream>> {
        self.over(TcpStream::connect(address).await?).await
    }

    /// The same over a connection that is there already.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn over(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>> {
        stream.set_nodelay(true)?;
        let name = ServerName::try_from("localhost")?;
        let connected = tokio::time::timeout(PATIENCE, self.0.connect(name, stream)).await?;
        connected.context("the TLS handshake failed")
    }

    /// Asks for the front page; returns the certificate that was shown.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect), or another answer than 200.
    pub async fn visit(&self, address: SocketAddr) -> Result<Vec<u8>> {
        let mut stream = self.connect(address).await?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await??;
        anyhow::ensure!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let (_, session) = stream.get_ref();
        let shown = session.peer_certificates().and_then(<[_]>::first);
        Ok(shown.context("no certificate was shown")?.to_vec())
    }
}

/// What [`TlsClient::visit`] returns for this one.
///
/// # Errors
///
/// It is no certificate.
pub fn der(certificate: &str) -> Result<Vec<u8>> {
    Ok(CertificateDer::from_pem_slice(certificate.as_bytes()).context("no certificate")?.to_vec())
}

impl std::fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsClient")
    }
}
