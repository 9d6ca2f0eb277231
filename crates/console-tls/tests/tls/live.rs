//! Handshakes, and what changes for them when the files do.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use console_tls::rustls::crypto::aws_lc_rs;
use console_tls::rustls::pki_types::pem::PemObject;
use console_tls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use console_tls::rustls::version::{TLS12, TLS13};
use console_tls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection,
    SupportedProtocolVersion,
};
use console_tls::{ClientCertificates, Tls, TlsSettings, TlsVersion};
use rcgen::KeyPair;
use tokio::sync::Notify;

use crate::rig::{Chain, root, settings, write};

/// What a client trusts and shows.
struct Client {
    trusts: String,
    shows: Option<(String, String)>,
    versions: Vec<&'static SupportedProtocolVersion>,
    alpn: Vec<&'static [u8]>,
}

/// The certificates that were sent, and the protocol.
type Shaken = (Vec<Vec<u8>>, Option<Vec<u8>>);

impl Client {
    fn new(trusts: String) -> Self {
        Self { trusts, shows: None, versions: vec![&TLS12, &TLS13], alpn: vec![] }
    }

    /// Shakes hands in memory: the certificates that were sent and the protocol, or why not.
    fn shake(&self, with: Arc<ServerConfig>) -> Result<Shaken, String> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.trusts.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match &self.shows {
            None => config.with_no_client_auth(),
            Some((cert, key)) => config
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()],
                    PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
                )
                .unwrap(),
        };
        config.alpn_protocols = self.alpn.iter().map(|name| name.to_vec()).collect();
        let name = ServerName::try_from("localhost").unwrap();
        let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut server = ServerConnection::new(with).unwrap();
        for _ in 0..20 {
            let mut wire = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut wire).unwrap();
            }
            let mut wire = wire.as_slice();
            while !wire.is_empty() {
                server.read_tls(&mut wire).unwrap();
                server.process_new_packets().map_err(|error| format!("server: {error}"))?;
            }
            let mut wire = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut wire).unwrap();
            }
            let mut wire = wire.as_slice();
            while !wire.is_empty() {
                client.read_tls(&mut wire).unwrap();
                client.process_new_packets().map_err(|error| format!("client: {error}"))?;
            }
        }
        assert!(!client.is_handshaking() && !server.is_handshaking());
        client.writer().write_all(b"hello").unwrap();
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets().map_err(|error| format!("server: {error}"))?;
        let mut heard = [0; 5];
        server.reader().read_exact(&mut heard).unwrap();
        let sent = client.peer_certificates().unwrap().iter().map(|one| one.to_vec()).collect();
        Ok((sent, client.alpn_protocol().map(<[u8]>::to_vec)))
    }
}

fn der(pem: &str) -> Vec<u8> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
}

fn written(dir: &Path, name: &str, chain: &Chain) -> PathBuf {
    // Upside down, so that what is sent is our order.
    write(
        dir,
        name,
        format!("{}{}{}{}", chain.root.pem(), chain.between.pem(), chain.own, chain.key),
    )
}

#[test]
fn what_is_sent_is_in_order_and_the_versions_are_those_of_the_settings() {
    let folder = tempfile::tempdir().unwrap();
    let chain = Chain::new();
    let cert = written(folder.path(), "cert.pem", &chain);
    let both = Tls::load(settings(&cert)).unwrap();
    let only =
        Tls::load(TlsSettings { min_version: TlsVersion::Tls13, ..settings(&cert) }).unwrap();
    for (versions, takes_only) in [(vec![&TLS12], false), (vec![&TLS13], true)] {
        let client = Client { versions, ..Client::new(chain.root.pem()) };
        let (sent, _) = client.shake(both.config()).unwrap();
        assert_eq!(sent, [&chain.own, &chain.between.pem(), &chain.root.pem()].map(|pem| der(pem)));
        assert_eq!(client.shake(only.config()).is_ok(), takes_only);
    }
    for (alpn, expected) in [
        (vec![], Ok(None)),
        (vec![&b"http/1.1"[..]], Ok(Some(b"http/1.1".to_vec()))),
        (vec![b"h2", b"http/1.1"], Ok(Some(b"http/1.1".to_vec()))),
        (vec![b"h2"], Err(())),
    ] {
        let client = Client { alpn, ..Client::new(chain.root.pem()) };
        let found = client.shake(both.config()).map(|(_, protocol)| protocol);
        assert_eq!(found.clone().map_err(drop), expected, "{found:?}");
    }
}

#[test]
fn clients_show_what_the_settings_ask_for() {
    let folder = tempfile::tempdir().unwrap();
    let chain = Chain::new();
    let cert = written(folder.path(), "cert.pem", &chain);
    let (people, others) = (root("People"), root("Others"));
    let ca = write(folder.path(), "ca.pem", people.pem());
    let shown = |authority: &crate::rig::Ca| {
        let key = KeyPair::generate().unwrap();
        let mut params = crate::rig::named("alice");
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        Some((params.signed_by(&key, authority).unwrap().pem(), key.serialize_pem()))
    };
    for (required, shows, expected) in [
        (true, None, false),
        (true, shown(&others), false),
        (true, shown(&people), true),
        (false, None, true),
        (false, shown(&others), false),
        (false, shown(&people), true),
    ] {
        let clients = Some(ClientCertificates { ca: ca.clone(), required });
        let tls = Tls::load(TlsSettings { clients, ..settings(&cert) }).unwrap();
        assert_eq!(tls.requires_client_certificates(), required);
        let client = Client { shows, ..Client::new(chain.root.pem()) };
        let found = client.shake(tls.config());
        assert_eq!(found.is_ok(), expected, "{required} {found:?}");
    }
    let (alice, _) = shown(&people).unwrap();
    assert_eq!(
        console_tls::subject(&CertificateDer::from_pem_slice(alice.as_bytes()).unwrap()).as_deref(),
        Some("CN=alice")
    );
}

/// Waits until new connections are shown this certificate.
async fn until_sent(tls: &Tls, chain: &Chain) {
    let (client, expected) = (Client::new(chain.root.pem()), der(&chain.own));
    let deadline = Instant::now() + Duration::from_secs(30);
    while client.shake(tls.config()).ok().is_none_or(|(sent, _)| sent[0] != expected) {
        assert!(Instant::now() < deadline, "the new certificate is not taken up");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn certificate_and_key_in_two_files_change_together() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (first, second) = (Chain::new(), Chain::new());
    let cert = write(dir, "cert.pem", &first.own);
    let key = write(dir, "key.pem", &first.key);
    let tls =
        Arc::new(Tls::load(TlsSettings { key: Some(key.clone()), ..settings(&cert) }).unwrap());
    let asked = Arc::new(Notify::new());
    let watch = tokio::spawn(tls.clone().watch(asked.clone()));
    fs::write(&cert, &second.own).unwrap();
    // In between they do not fit together, and whoever asks for them now gets the old ones.
    asked.notify_one();
    let client = Client::new(first.between.pem());
    for _ in 0..50 {
        assert_eq!(client.shake(tls.config()).unwrap().0, [der(&first.own)]);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    fs::write(&key, &second.key).unwrap();
    let second = Chain { root: second.between, between: second.root, ..second };
    until_sent(&tls, &second).await;
    watch.abort();
}

#[tokio::test]
async fn a_file_that_goes_and_comes_again_is_taken_up() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (Chain::new(), Chain::new());
    let cert = written(folder.path(), "cert.pem", &first);
    let tls = Arc::new(Tls::load(settings(&cert)).unwrap());
    let asked = Arc::new(Notify::new());
    let watch = tokio::spawn(tls.clone().watch(asked.clone()));
    fs::remove_file(&cert).unwrap();
    asked.notify_one();
    until_sent(&tls, &first).await;
    written(folder.path(), "cert.pem", &second);
    until_sent(&tls, &second).await;
    watch.abort();
}

/// Clients are told apart by the authorities that are there now.
#[tokio::test]
async fn the_authorities_of_clients_change_with_their_file() {
    let folder = tempfile::tempdir().unwrap();
    let chain = Chain::new();
    let cert = written(folder.path(), "cert.pem", &chain);
    let (old, new) = (root("Old"), root("New"));
    let ca = write(folder.path(), "ca.pem", old.pem());
    let clients = Some(ClientCertificates { ca: ca.clone(), required: true });
    let tls = Arc::new(Tls::load(TlsSettings { clients, ..settings(&cert) }).unwrap());
    let watch = tokio::spawn(tls.clone().watch(Arc::new(Notify::new())));
    let key = KeyPair::generate().unwrap();
    let mut params = crate::rig::named("alice");
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let alice = Some((params.signed_by(&key, &new).unwrap().pem(), key.serialize_pem()));
    let client = Client { shows: alice, ..Client::new(chain.root.pem()) };
    assert!(client.shake(tls.config()).is_err());
    fs::write(&ca, new.pem()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while let Err(error) = client.shake(tls.config()) {
        assert!(Instant::now() < deadline, "{error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    watch.abort();
}

#[test]
fn nothing_of_a_key_is_in_debug() {
    let folder = tempfile::tempdir().unwrap();
    let chain = Chain::new();
    let cert = written(folder.path(), "cert.pem", &chain);
    let shown = format!("{:?}", Tls::load(settings(&cert)).unwrap());
    for line in chain.key.lines().filter(|line| !line.starts_with("---")) {
        assert!(!shown.contains(line));
    }
}
