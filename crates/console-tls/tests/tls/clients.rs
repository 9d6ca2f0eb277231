//! Clients that show certificates.

use std::path::PathBuf;

use console_tls::{ClientCertificates, Tls, TlsError, check_client_ca, subject};
use rcgen::string::TeletexString;
use rcgen::{DnType, DnValue, ExtendedKeyUsagePurpose, date_time_ymd};
use rustls::{AlertDescription, Error, SupportedProtocolVersion, version};

use crate::handshake::Client;
use crate::rig::{Authority, Chain, Files, Leaf, ders, key, openssl, settings};

const ONLY_12: &[&SupportedProtocolVersion] = &[&version::TLS12];
const ONLY_13: &[&SupportedProtocolVersion] = &[&version::TLS13];

struct Rig {
    server: Chain,
    people: Authority,
    files: Files,
}

impl Rig {
    fn new() -> Self {
        let (server, people, files) = (Chain::new(), Authority::root("People"), Files::new());
        files.write("all.pem", server.full());
        files.write("people.pem", &people.pem);
        Self { server, people, files }
    }

    fn tls(&self, ca: PathBuf, required: bool) -> Result<Tls, TlsError> {
        let mut settings = settings(&self.files.path("all.pem"));
        settings.clients = Some(ClientCertificates { ca, required });
        Tls::load(settings)
    }

    fn client(&self) -> Client {
        Client::trusting(self.server.root.store())
    }
}

fn person(authority: &Authority, name: &str) -> Leaf {
    authority.leaf_with(&key(), name, |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    })
}

#[test]
fn who_is_let_in() {
    let rig = Rig::new();
    let foreign = Authority::root("Foreign");
    // The same name is not enough.
    let forged = Authority::root("People");
    let expired = rig.people.leaf_with(&key(), "late", |params| {
        params.not_after = date_time_ymd(2024, 1, 1);
    });
    let table = [
        ("none", None, false, true),
        ("good", Some(person(&rig.people, "Alice")), true, true),
        ("foreign", Some(person(&foreign, "Mallory")), false, false),
        ("forged", Some(person(&forged, "Alice")), false, false),
        ("expired", Some(expired), false, false),
        (
            "a server's",
            Some(rig.people.leaf_with(&key(), "host", |params| {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            })),
            false,
            false,
        ),
    ];
    let versions = [ONLY_12, ONLY_13];
    for (required, versions) in
        [true, false].into_iter().flat_map(|required| versions.map(|one| (required, one)))
    {
        let tls = rig.tls(rig.files.path("people.pem"), required).unwrap();
        assert_eq!(tls.requires_client_certificates(), required);
        for (what, shown, if_required, if_optional) in &table {
            let mut client = rig.client();
            client.versions = versions;
            let client = match shown {
                Some(leaf) => client.showing(leaf),
                None => client,
            };
            let expected = if required { *if_required } else { *if_optional };
            match client.connect(tls.config()) {
                Ok(shaken) => {
                    assert!(expected, "{what}, required: {required}");
                    let shown = shaken.server.peer_certificates().and_then(|all| all.first());
                    let name = shown.and_then(subject);
                    assert_eq!(name.as_deref(), (*what == "good").then_some("CN=Alice"));
                }
                Err(refused) => {
                    assert!(!expected, "{what}, required: {required}: {refused:?}");
                    assert!(matches!(refused.client, Some(Error::AlertReceived(_))), "{refused:?}");
                    if *what == "none" {
                        let alert = refused.client;
                        let is_plain = alert
                            == Some(Error::AlertReceived(AlertDescription::CertificateRequired));
                        assert!(
                            is_plain || versions[0].version == version::TLS12.version,
                            "{alert:?}"
                        );
                        assert_eq!(refused.server, Some(Error::NoCertificatesPresented));
                    }
                }
            }
        }
    }
    let tls = Tls::load(settings(&rig.files.path("all.pem"))).unwrap();
    assert!(!tls.requires_client_certificates());
}

#[test]
fn several_authorities_in_one_file() {
    let rig = Rig::new();
    let more = Authority::root("More People");
    let ca = rig.files.write(
        "both.pem",
        format!("\u{feff}# ours\r\n{}\r\n# theirs\r\n{}", rig.people.pem, more.pem),
    );
    check_client_ca(&ca).unwrap();
    let tls = rig.tls(ca, true).unwrap();
    for authority in [&rig.people, &more] {
        rig.client().showing(&person(authority, "Bob")).connect(tls.config()).unwrap();
    }
}

#[test]
fn what_is_no_file_of_authorities() {
    let rig = Rig::new();
    let refused = |name: &str, content: &str| {
        let path = rig.files.write(name, content);
        let error = rig.tls(path.clone(), true).unwrap_err();
        // The same for who only looks.
        assert_eq!(check_client_ca(&path).unwrap_err().to_string(), error.to_string());
        let text = error.to_string().replace(&format!("{}/", rig.files.root().display()), "");
        assert!(!error.remedy().is_empty());
        (text, error.remedy())
    };
    let key = key().serialize_pem();
    let authority = "write the certificates of the authority there that signs the clients', as PEM";
    let junk = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    let table = [
        ("key.pem", key, "there is none (it has 1 × PRIVATE KEY)"),
        ("empty.pem", String::new(), "empty.pem is not a PEM file: it is empty"),
        ("text.pem", "no authority\n".into(), "text.pem is not a PEM file: it has no PEM block"),
        (
            "junk.pem",
            [&rig.people.pem, junk].concat(),
            "certificate 2: invalid peer certificate: BadEncoding",
        ),
        (
            "half.pem",
            rig.people.pem.replace("-----END", ""),
            "half.pem is damaged: the block CERTIFICATE has no line that ends it",
        ),
    ];
    for (name, content, why) in table {
        let (text, remedy) = refused(name, &content);
        let what = "cannot be used to check clients' certificates";
        assert_eq!(text, format!("the certificates in {name} {what}: {why}"));
        assert_eq!(remedy, authority);
    }
    let missing = rig.tls(rig.files.path("missing.pem"), true).unwrap_err();
    assert!(matches!(missing, TlsError::Unreadable { .. }), "{missing}");
    assert_eq!(missing.remedy(), "correct the path in cert, key or client_ca");
    let folder = rig.tls(rig.files.root().to_owned(), false).unwrap_err();
    assert!(matches!(folder, TlsError::NotAFile { .. }), "{folder}");
}

#[test]
fn a_subject_of_what_is_no_certificate() {
    assert_eq!(subject(&b"junk".as_slice().into()), None);
    let request = openssl(&["pkey", "-pubout", "-outform", "pem"], key().serialize_pem());
    assert_eq!(subject(&request.into_bytes().into()), None);
}

/// As old authorities wrote them: a T61String with Latin-1 in it.
#[test]
fn a_subject_that_is_not_unicode() {
    let root = Authority::root("People");
    let leaf = root.leaf_with(&key(), "Mxller", |params| {
        params.distinguished_name = rcgen::DistinguishedName::new();
        let teletex = TeletexString::try_from("Mxller").unwrap();
        params.distinguished_name.push(DnType::CommonName, DnValue::TeletexString(teletex));
        params.distinguished_name.push(DnType::OrganizationName, "People & Co");
    });
    let mut der = ders(&leaf.pem).remove(0).to_vec();
    let at = der.windows(6).rposition(|part| part == b"Mxller").unwrap();
    der[at + 1] = 0xfc;
    let shown = subject(&der.into()).unwrap();
    assert_eq!(shown, "CN=M\u{fc}ller, O=People & Co");
}
