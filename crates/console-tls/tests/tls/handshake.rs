//! A handshake in memory, to its end on both sides.

use std::io::{Read, Write};
use std::sync::Arc;

use console_tls::Tls;
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, Error, ProtocolVersion, RootCertStore, ServerConfig,
    ServerConnection, SupportedProtocolVersion, version,
};

use crate::rig::{HOST, Leaf, ders};

/// A browser.
pub(crate) struct Client {
    pub(crate) roots: RootCertStore,
    pub(crate) versions: &'static [&'static SupportedProtocolVersion],
    pub(crate) alpn: &'static [&'static str],
    pub(crate) certificate: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
}

/// A connection, both ends of it.
#[derive(Debug)]
pub(crate) struct Shaken {
    pub(crate) client: ClientConnection,
    pub(crate) server: ServerConnection,
}

/// Why there is none, as each end sees it.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) client: Option<Error>,
    pub(crate) server: Option<Error>,
}

impl Client {
    pub(crate) fn trusting(roots: RootCertStore) -> Self {
        Self { roots, versions: BOTH, alpn: &["http/1.1"], certificate: None }
    }

    pub(crate) fn showing(mut self, leaf: &Leaf) -> Self {
        let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).unwrap();
        self.certificate = Some((ders(&leaf.pem), key));
        self
    }

    fn config(&self) -> ClientConfig {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(
            Arc::new(self.roots.clone()),
            provider.clone(),
        );
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(self.versions)
            .unwrap()
            .with_webpki_verifier(verifier.build().unwrap());
        let mut config = match &self.certificate {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                builder.with_client_auth_cert(chain.clone(), key.clone_key()).unwrap()
            }
        };
        config.alpn_protocols = self.alpn.iter().map(|one| one.as_bytes().to_vec()).collect();
        config
    }

    pub(crate) fn connect(&self, server: Arc<ServerConfig>) -> Result<Shaken, Box<Refused>> {
        self.connect_to(HOST, server)
    }

    pub(crate) fn connect_to(
        &self,
        name: &str,
        server: Arc<ServerConfig>,
    ) -> Result<Shaken, Box<Refused>> {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut shaken = Shaken {
            client: ClientConnection::new(Arc::new(self.config()), name).unwrap(),
            server: ServerConnection::new(server).unwrap(),
        };
        let mut refused = Refused { client: None, server: None };
        // TLS 1.3: the client is through before the server has looked at its certificate.
        for _ in 0..ROUNDS {
            let mut wire = Vec::new();
            while shaken.client.wants_write() {
                shaken.client.write_tls(&mut wire).unwrap();
            }
            let mut left = wire.as_slice();
            while !left.is_empty() && shaken.server.read_tls(&mut left).unwrap() > 0 {
                refused.server = shaken.server.process_new_packets().err().or(refused.server);
            }
            let mut wire = Vec::new();
            while shaken.server.wants_write() {
                shaken.server.write_tls(&mut wire).unwrap();
            }
            let mut left = wire.as_slice();
            while !left.is_empty() && shaken.client.read_tls(&mut left).unwrap() > 0 {
                refused.client = shaken.client.process_new_packets().err().or(refused.client);
            }
        }
        if refused.client.is_some() || refused.server.is_some() {
            return Err(Box::new(refused));
        }
        assert!(!shaken.client.is_handshaking() && !shaken.server.is_handshaking());
        Ok(shaken)
    }
}

impl Shaken {
    /// What the server sent.
    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.client
            .peer_certificates()
            .unwrap()
            .iter()
            .map(|one| one.clone().into_owned())
            .collect()
    }

    pub(crate) fn version(&self) -> ProtocolVersion {
        self.server.protocol_version().unwrap()
    }

    pub(crate) fn alpn(&self) -> Option<&str> {
        self.client.alpn_protocol().map(|name| str::from_utf8(name).unwrap())
    }

    /// Says something and hears it at the other end.
    pub(crate) fn speak(&mut self) {
        self.client.writer().write_all(b"still there?").unwrap();
        let mut wire = Vec::new();
        self.client.write_tls(&mut wire).unwrap();
        self.server.read_tls(&mut wire.as_slice()).unwrap();
        self.server.process_new_packets().unwrap();
        let mut heard = [0; 12];
        self.server.reader().read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"still there?");
    }
}

/// What a client that trusts `roots` is sent by a server.
pub(crate) fn sent(tls: &Tls, roots: RootCertStore) -> Vec<CertificateDer<'static>> {
    Client::trusting(roots).connect(tls.config()).unwrap().chain()
}

/// More than any handshake takes.
const ROUNDS: usize = 6;

/// What browsers speak.
const BOTH: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];
