//! Versions of TLS, and ALPN.

use console_tls::{Tls, TlsVersion};
use rustls::{
    AlertDescription, Error, PeerIncompatible, ProtocolVersion, SupportedProtocolVersion, version,
};

use crate::handshake::Client;
use crate::rig::{Chain, Files, settings};

const TLS12: &[&SupportedProtocolVersion] = &[&version::TLS12];
const TLS13: &[&SupportedProtocolVersion] = &[&version::TLS13];

fn server(chain: &Chain, min_version: TlsVersion) -> Tls {
    let files = Files::new();
    let mut settings = settings(&files.write("all.pem", chain.full()));
    settings.min_version = min_version;
    Tls::load(settings).unwrap()
}

#[test]
fn the_oldest_version_is_kept() {
    let chain = Chain::new();
    let mut client = Client::trusting(chain.root.store());
    let (both, only13) = (server(&chain, TlsVersion::Tls12), server(&chain, TlsVersion::Tls13));
    assert_eq!(client.connect(both.config()).unwrap().version(), ProtocolVersion::TLSv1_3);
    client.versions = TLS13;
    for server in [&both, &only13] {
        assert_eq!(client.connect(server.config()).unwrap().version(), ProtocolVersion::TLSv1_3);
    }
    client.versions = TLS12;
    assert_eq!(client.connect(both.config()).unwrap().version(), ProtocolVersion::TLSv1_2);
    let refused = client.connect(only13.config()).unwrap_err();
    assert_eq!(refused.client, Some(Error::AlertReceived(AlertDescription::ProtocolVersion)));
    assert!(
        matches!(
            refused.server,
            Some(Error::PeerIncompatible(
                PeerIncompatible::SupportedVersionsExtensionRequired
                    | PeerIncompatible::Tls13RequiredForQuic
                    | PeerIncompatible::Tls12NotOfferedOrEnabled
            ))
        ),
        "{refused:?}"
    );
    assert_eq!(TlsVersion::default(), TlsVersion::Tls12);
}

#[test]
fn only_http_1_1_is_spoken() {
    let chain = Chain::new();
    let server = server(&chain, TlsVersion::Tls12);
    let mut client = Client::trusting(chain.root.store());
    for versions in [TLS12, TLS13] {
        client.versions = versions;
        let table: [(&'static [&'static str], Option<&str>); 4] = [
            (&["http/1.1"], Some("http/1.1")),
            (&["h2", "http/1.1"], Some("http/1.1")),
            (&["http/1.1", "h3"], Some("http/1.1")),
            (&[], None),
        ];
        for (offered, chosen) in table {
            client.alpn = offered;
            let shaken = client.connect(server.config()).unwrap();
            assert_eq!(shaken.alpn(), chosen, "{offered:?}");
        }
        for offered in [&["h2"][..], &["http/1.0", "spdy/3"]] {
            client.alpn = offered;
            let refused = client.connect(server.config()).unwrap_err();
            // RFC 7301 section 3.2.
            let alert = AlertDescription::NoApplicationProtocol;
            assert_eq!(refused.client, Some(Error::AlertReceived(alert)));
            assert_eq!(refused.server, Some(Error::NoApplicationProtocol));
        }
    }
}
