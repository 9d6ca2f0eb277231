//! TLS, and what a browser thinks of certificates.

use std::sync::Arc;

use console_tls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use console_tls::rustls::server::WebPkiClientVerifier;
use console_tls::rustls::{AlertDescription, Error, RootCertStore, ServerConfig, version};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use websocket_probe::{Address, CertificateFault, ProbeError, Secured, Step, secure, upgrade};

use crate::rig::{LIMIT, SHORT, TOKEN, answering, ask, server, tcp, texts};

struct Authority {
    der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

struct Leaf {
    der: CertificateDer<'static>,
    key: KeyPair,
}

fn named(name: &str, is_authority: bool) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    if is_authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    params
}

fn root(name: &str) -> Authority {
    let (params, key) = (named(name, true), KeyPair::generate().unwrap());
    let der = params.self_signed(&key).unwrap().der().clone();
    Authority { der, issuer: Issuer::new(params, key) }
}

impl Authority {
    fn below(&self, name: &str) -> Self {
        let (params, key) = (named(name, true), KeyPair::generate().unwrap());
        let der = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        Self { der, issuer: Issuer::new(params, key) }
    }

    fn leaf(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Leaf {
        let (mut params, key) = (named(name, false), KeyPair::generate().unwrap());
        change(&mut params);
        let der = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        Leaf { der, key }
    }
}

fn self_signed(name: &str, is_authority: bool) -> Leaf {
    let (params, key) = (named(name, is_authority), KeyPair::generate().unwrap());
    Leaf { der: params.self_signed(&key).unwrap().der().clone(), key }
}

/// As `openssl req -x509` makes them, which may sign others, too.
fn self_signed_and_old(name: &str) -> Leaf {
    let (mut params, key) = (named(name, true), KeyPair::generate().unwrap());
    params.not_after = date_time_ymd(2020, 1, 1);
    Leaf { der: params.self_signed(&key).unwrap().der().clone(), key }
}

fn config(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> ServerConfig {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap()
}

/// Shakes hands as `config` says and answers one request with 200, over and over from its first byte.
async fn serving(config: ServerConfig) -> Address {
    let mut address = server(async move |stream| {
        let Ok(mut tls) = TlsAcceptor::from(Arc::new(config)).accept(stream).await else { return };
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            match tls.read_u8().await {
                Ok(byte) => request.push(byte),
                Err(_) => return,
            }
        }
        let _ = tls.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await;
        let _ = tls.shutdown().await;
    })
    .await;
    address.is_encrypted = true;
    address
}

async fn secured(
    chain: Vec<CertificateDer<'static>>,
    key: &KeyPair,
    roots: &[CertificateDer<'static>],
) -> Secured {
    let address = serving(config(chain.clone(), key)).await;
    let found = secure(tcp(&address).await, &address, roots, LIMIT).await.unwrap();
    assert_eq!(found.chain, chain);
    found
}

async fn verdict(
    chain: Vec<CertificateDer<'static>>,
    key: &KeyPair,
    roots: &[CertificateDer<'static>],
) -> Result<(), CertificateFault> {
    secured(chain, key, roots).await.verdict
}

const HOST: &str = "127.0.0.1";

#[tokio::test]
async fn a_good_chain_is_good() {
    let root = root("Root");
    let between = root.below("Between");
    let leaf = between.leaf(HOST, |_| {});
    let chain = vec![leaf.der.clone(), between.der.clone()];
    let found = secured(chain, &leaf.key, std::slice::from_ref(&root.der)).await;
    assert_eq!((found.version, found.verdict), ("TLS 1.3", Ok(())));
    // The intermediate that is not sent is the commonest fault of all.
    let found = verdict(vec![leaf.der.clone()], &leaf.key, std::slice::from_ref(&root.der)).await;
    assert_eq!(found, Err(CertificateFault::UnknownIssuer { self_signed: false }));
}

#[tokio::test]
async fn each_fault_is_told() {
    let root = root("Root");
    let roots = [root.der.clone()];
    let old = root.leaf(HOST, |params| params.not_after = date_time_ymd(2020, 1, 1));
    let early = root.leaf(HOST, |params| params.not_before = date_time_ymd(2999, 1, 1));
    let other = root.leaf("console.example.org", |_| {});
    let foreign = self::root("Root").leaf(HOST, |_| {});
    let name = CertificateFault::OtherName {
        wanted: HOST.into(),
        names: vec!["console.example.org".into()],
    };
    let unknown = CertificateFault::UnknownIssuer { self_signed: false };
    for (leaf, expected) in
        [(&old, CertificateFault::Expired), (&early, CertificateFault::NotYetValid), (&other, name)]
    {
        assert_eq!(verdict(vec![leaf.der.clone()], &leaf.key, &roots).await, Err(expected));
    }
    // Same name, other key.
    for roots in [&roots[..], &[]] {
        let found = verdict(vec![foreign.der.clone()], &foreign.key, roots).await;
        assert_eq!(found, Err(unknown.clone()));
    }
}

#[tokio::test]
async fn a_self_signed_one_is_told_and_may_be_trusted() {
    let strange = root("Root");
    for is_authority in [false, true] {
        let own = self_signed(HOST, is_authority);
        let chain = vec![own.der.clone()];
        for roots in [&[][..], std::slice::from_ref(&strange.der)] {
            assert_eq!(
                verdict(chain.clone(), &own.key, roots).await,
                Err(CertificateFault::UnknownIssuer { self_signed: true }),
                "authority: {is_authority}"
            );
        }
        assert_eq!(verdict(chain, &own.key, std::slice::from_ref(&own.der)).await, Ok(()));
        let other = self_signed("console.example.org", is_authority);
        let found =
            verdict(vec![other.der.clone()], &other.key, std::slice::from_ref(&other.der)).await;
        assert!(matches!(found, Err(CertificateFault::OtherName { .. })), "{found:?}");
    }
    let old = self_signed_and_old(HOST);
    let found = verdict(vec![old.der.clone()], &old.key, std::slice::from_ref(&old.der)).await;
    assert_eq!(found, Err(CertificateFault::Expired));
}

#[tokio::test]
async fn the_stream_works_whatever_the_verdict() {
    let own = self_signed("elsewhere.example.org", false);
    let key = PrivateKeyDer::try_from(own.key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_protocol_versions(&[&version::TLS12])
        .with_no_client_auth()
        .with_single_cert(vec![own.der], key)
        .unwrap();
    let address = serving(config).await;
    let found = secure(tcp(&address).await, &address, &[], LIMIT).await.unwrap();
    assert_eq!(found.version, "TLS 1.2");
    assert!(found.verdict.is_err());
    let error = upgrade(found.stream, &address, &[], None, LIMIT).await.unwrap_err();
    let ProbeError::Status { code: 200, line, .. } = &error else { panic!("{error:?}") };
    assert_eq!(line, "hello");
}

#[tokio::test]
async fn what_speaks_no_tls_is_told() {
    let page = "\n<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">\n<title>400</title>";
    for (greeting, shown, remedy) in [
        ("HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n", "HTTP/1.1 400 Bad Request", "use ws://"),
        (page, "<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">", "use ws://"),
        ("<html>\r\n", "<html>", "use ws://"),
        ("RFB 003.008\n", "RFB 003.008", "VNC server"),
        ("220 mail ESMTP\r\n", "220 mail ESMTP", "correct the port"),
    ] {
        let address = server(async move |mut stream| {
            stream.write_all(greeting.as_bytes()).await.unwrap();
            let _ = stream.read_to_end(&mut Vec::new()).await;
        })
        .await;
        let error = secure(tcp(&address).await, &address, &[], LIMIT).await.unwrap_err();
        let ProbeError::NotTls { what } = &error else { panic!("{error:?}") };
        assert_eq!(what, shown);
        assert!(error.remedy().contains(remedy), "{}", error.remedy());
    }
}

#[tokio::test]
async fn an_alert_a_hangup_and_silence_are_told_apart() {
    // What the console proxy answers without a certificate: fatal, handshake_failure.
    let address = server(async |mut stream| {
        stream.write_all(b"\x15\x03\x03\x00\x02\x02\x28").await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let error = secure(tcp(&address).await, &address, &[], LIMIT).await.unwrap_err();
    assert!(
        matches!(
            &error,
            ProbeError::Tls { source: Error::AlertReceived(AlertDescription::HandshakeFailure) }
        ),
        "{error:?}"
    );
    assert!(error.remedy().contains("no certificate"));

    let address = server(async |mut stream| drop(stream.read_u8().await)).await;
    let error = secure(tcp(&address).await, &address, &[], LIMIT).await.unwrap_err();
    assert!(matches!(error, ProbeError::NoAnswer { step: Step::Tls }), "{error:?}");

    let address = server(async |mut stream| drop(stream.read_to_end(&mut Vec::new()).await)).await;
    let error = secure(tcp(&address).await, &address, &[], SHORT).await.unwrap_err();
    assert!(matches!(error, ProbeError::TimedOut { step: Step::Tls, .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_that_wants_a_clients_certificate_is_told() {
    let root = root("Root");
    let leaf = root.leaf(HOST, |_| {});
    let mut store = RootCertStore::empty();
    store.add(root.der.clone()).unwrap();
    let clients = WebPkiClientVerifier::builder(Arc::new(store)).build().unwrap();
    let key = PrivateKeyDer::try_from(leaf.key.serialize_der()).unwrap();
    let config = ServerConfig::builder()
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![leaf.der], key)
        .unwrap();
    let address = serving(config).await;
    // In TLS 1.3 the client's handshake is over before the server refuses.
    let found = secure(tcp(&address).await, &address, &[root.der], LIMIT).await.unwrap();
    assert_eq!(found.verdict, Ok(()));
    let error = upgrade(found.stream, &address, &[], None, LIMIT).await.unwrap_err();
    assert!(error.remedy().contains("client's certificate"), "{}", texts(&error));
    assert!(!texts(&error).contains(TOKEN));
}

#[tokio::test]
async fn plain_where_tls_is_wanted_is_told() {
    let own = self_signed(HOST, false);
    let mut address = serving(config(vec![own.der], &own.key)).await;
    address.is_encrypted = false;
    let error = ask(&address, &[]).await.unwrap_err();
    assert!(matches!(&error, ProbeError::NotHttp { .. }), "{error:?}");
    assert!(error.remedy().contains("use wss://"), "{}", texts(&error));
    // nginx says it in HTTP.
    let body =
        "<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head>";
    let address = answering(format!("HTTP/1.1 400 Bad Request\r\n\r\n{body}")).await;
    let error = ask(&address, &[]).await.unwrap_err();
    assert!(error.remedy().contains("use wss://"), "{}", texts(&error));
}
