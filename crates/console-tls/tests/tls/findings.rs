//! What is said of certificates that are served all the same.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use console_tls::rustls::crypto::aws_lc_rs;
use console_tls::rustls::pki_types::CertificateDer;
use console_tls::rustls::pki_types::pem::PemObject;
use console_tls::{Finding, Moment, check};
use rcgen::KeyPair;

use crate::rig::{Chain, load, root, server, server_params, under, under_with};

/// What is found of these blocks, with these roots on the system.
fn findings(blocks: &[&str], name: Option<&str>, roots: &[&str]) -> Vec<Finding> {
    let folder = tempfile::tempdir().unwrap();
    let identity = load(folder.path(), blocks.concat(), None).unwrap();
    let roots: Vec<_> =
        roots.iter().map(|pem| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).collect();
    let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
    check(&identity, name, &roots, &algorithms, Moment::now())
}

fn shown(findings: &[Finding]) -> Vec<String> {
    findings
        .iter()
        .map(|finding| {
            assert!(finding.remedy().len() > 5 || !finding.is_warning());
            let mark = if finding.is_warning() { "warning" } else { "note" };
            format!("{mark}: {finding}")
        })
        .collect()
}

#[test]
fn a_chain_is_complete_with_its_root_in_the_file_or_on_the_system() {
    let Chain { root, between, own, key } = Chain::new();
    let (root, between) = (root.pem(), between.pem());
    let other = crate::rig::root("Other").pem();
    let nothing = Vec::<String>::new();
    assert_eq!(shown(&findings(&[&own, &between, &root, &key], None, &[])), nothing);
    assert_eq!(shown(&findings(&[&own, &between, &key], None, &[&other, &root])), nothing);
    let missing = "neither in the file nor known to this system";
    assert_eq!(
        shown(&findings(&[&own, &between, &key], None, &[&other])),
        [format!(
            "warning: the chain is incomplete: the issuer of CN=Between, CN=Root, is {missing}"
        )]
    );
    assert_eq!(
        shown(&findings(&[&own, &key], None, &[&root])),
        [format!(
            "warning: the chain is incomplete: the issuer of CN=own, CN=Between, is {missing}"
        )]
    );
    assert_eq!(
        shown(&findings(&[&between, &key, &own], None, &[&root])),
        ["note: the certificates were not in order and are sent as: CN=own; CN=Between"]
    );
}

#[test]
fn a_chain_that_only_looks_right_is_told() {
    let chain = Chain::new();
    // The same name and key identifier, another key: only the signature tells.
    let impostor = {
        let mut params = crate::rig::named("Between");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let id = params.key_identifier(chain.between.key());
        params.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(id);
        params.signed_by(&KeyPair::generate().unwrap(), &chain.root).unwrap().pem()
    };
    let found = findings(&[&chain.own, &impostor, &chain.root.pem(), &chain.key], None, &[]);
    assert!(matches!(found.as_slice(), [Finding::ChainBroken { .. }]), "{found:?}");
    // An issuer out of its time is told, and no error: browsers may know a newer one.
    let key = KeyPair::generate().unwrap();
    let top = root("Root");
    let between_key = KeyPair::generate().unwrap();
    let current =
        under_with(&top, "Between", KeyPair::from_pem(&between_key.serialize_pem()).unwrap());
    let own = server(&current, &key);
    let old = {
        let mut params = crate::rig::named("Between");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        params.not_before = rcgen::date_time_ymd(2019, 1, 1);
        params.signed_by(&between_key, &top).unwrap().pem()
    };
    let found = shown(&findings(&[&own, &old, &top.pem(), &key.serialize_pem()], None, &[]));
    assert!(
        found.len() == 1
            && found[0].starts_with("warning: the chain does not hold: ")
            && found[0].contains("xpired"),
        "{found:?}"
    );
}

#[test]
fn a_self_signed_one_is_a_note() {
    let key = KeyPair::generate().unwrap();
    let own = server_params(&["localhost"]).self_signed(&key).unwrap().pem();
    assert_eq!(
        shown(&findings(&[&own, &key.serialize_pem()], None, &[])),
        ["note: CN=own is self-signed"]
    );
}

#[test]
fn names_are_compared_as_browsers_do_it() {
    let key = KeyPair::generate().unwrap();
    let top = root("Root");
    let between = under(&top, "Between");
    for (names, wanted, covered) in [
        (&["console.example.org"][..], "console.example.org", true),
        (&["console.example.org"], "CONSOLE.example.org", true),
        (&["console.example.org"], "example.org", false),
        (&["example.org", "console.example.org"], "console.example.org", true),
        (&["*.example.org"], "console.example.org", true),
        (&["*.example.org"], "a.console.example.org", false),
        (&["*.example.org"], "example.org", false),
        (&["192.0.2.1"], "192.0.2.1", true),
        (&["192.0.2.1"], "192.0.2.2", false),
        (&["2001:db8::1"], "2001:db8::1", true),
        // Browsers have not looked at the common name for years.
        (&[], "own", false),
    ] {
        let own = server_params(names).signed_by(&key, &between).unwrap().pem();
        let found =
            findings(&[&own, &between.pem(), &top.pem(), &key.serialize_pem()], Some(wanted), &[]);
        assert_eq!(found.is_empty(), covered, "{names:?} {wanted}: {found:?}");
        if !covered {
            let said = shown(&found).concat();
            let expected = match names {
                [] => {
                    "the certificate is for no name (it has no subject alternative name)".to_owned()
                }
                names => format!(
                    "warning: browsers connect to {wanted}, but the certificate is for {}",
                    names.join(", ")
                ),
            };
            assert!(said.contains(&expected), "{said}");
        }
    }
}

#[test]
fn what_a_certificate_says_of_itself_cannot_break_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = server_params(&["localhost"]);
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, format!("a\nb\u{1b}[31m{}", "x".repeat(1000)));
    let text = format!("{}{}", params.self_signed(&key).unwrap().pem(), key.serialize_pem());
    let identity = load(folder.path(), text, None).unwrap();
    let name = identity.certificate().name();
    assert!(name.chars().count() <= 200 && !name.chars().any(char::is_control), "{name:?}");
}

#[test]
fn a_key_that_all_can_read_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let chain = Chain::new();
    let cert = crate::rig::write(folder.path(), "cert.pem", format!("{}{}", chain.own, chain.key));
    for (mode, expected) in [(0o644, true), (0o604, true), (0o640, false), (0o600, false)] {
        fs::set_permissions(&cert, fs::Permissions::from_mode(mode)).unwrap();
        let (_, said) = console_tls::inspect(&crate::rig::settings(&cert)).unwrap();
        let is_told =
            said.iter().any(|finding| matches!(finding, Finding::KeyReadableByAll { .. }));
        assert_eq!(is_told, expected, "{mode:o}");
    }
}
