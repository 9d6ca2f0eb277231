//! Whether a certificate is for the name that browsers connect to.

use rcgen::{CertificateParams, CustomExtension, DnType, SanType};

use crate::findings::texts;
use crate::rig::{Authority, HOST, findings, identity, key};

#[test]
fn names() {
    let root = Authority::root("Root");
    let text = |names: &[&str], own: &str| {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, own);
        let key = key();
        let pem = params.signed_by(&key, &root.issuer).unwrap().pem();
        [pem, key.serialize_pem()].concat()
    };
    let dns = text(&[HOST, "b.example.org"], HOST);
    let wildcard = text(&["*.example.org"], HOST);
    let address = text(&["192.0.2.1", "2001:db8::1"], HOST);
    let none = text(&[], HOST);
    let table = [
        (&dns, HOST, true),
        (&dns, "CONSOLE.example.org", true),
        (&dns, "b.example.org", true),
        (&dns, "c.example.org", false),
        (&dns, "example.org", false),
        (&wildcard, HOST, true),
        (&wildcard, "a.b.example.org", false),
        (&wildcard, "example.org", false),
        (&address, "192.0.2.1", true),
        (&address, "192.0.2.2", false),
        (&address, "2001:db8::1", true),
        (&address, "2001:db8:0::1", true),
        (&address, "[2001:db8::1]", true),
        (&address, "[2001:db8::2]", false),
        (&address, HOST, false),
        (&dns, "192.0.2.1", false),
        (&none, HOST, false),
    ];
    for (text, wanted, is_covered) in table {
        let found = findings(text, Some(wanted), &root.pem);
        assert_eq!(found.is_empty(), is_covered, "{wanted}: {found:?}");
    }
    let found = findings(&dns, Some("c.example.org"), &root.pem);
    assert_eq!(
        texts(&found),
        [
            "browsers connect to c.example.org, but the certificate is for console.example.org, b.example.org"
        ]
    );
    assert!(found[0].is_warning());
    assert_eq!(
        found[0].remedy(),
        "get a certificate for c.example.org, or set public_host to a name that it is for"
    );
    let found = findings(&address, Some(HOST), &root.pem);
    assert_eq!(
        texts(&found),
        [
            "browsers connect to console.example.org, but the certificate is for 192.0.2.1, 2001:db8::1"
        ]
    );
    let found = findings(&none, Some(HOST), &root.pem);
    assert!(texts(&found)[0].ends_with("is for no name (it has no subject alternative name)"));
    // Without a subject, the first name says who it is.
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::IpAddress([192, 0, 2, 7].into())];
    params.distinguished_name = rcgen::DistinguishedName::new();
    let key = key();
    let pem = params.signed_by(&key, &root.issuer).unwrap().pem();
    let nameless = identity([pem, key.serialize_pem()].concat()).unwrap();
    assert_eq!(nameless.certificate().name(), "192.0.2.7");
}

/// Webpki does not take it at all, but not for its names.
#[test]
fn another_fault_is_no_fault_of_the_name() {
    let root = Authority::root("Root");
    let leaf = root.leaf_with(&key(), HOST, |params| {
        let mut extension = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
        extension.set_criticality(true);
        params.custom_extensions.push(extension);
    });
    let found = findings([leaf.pem, leaf.key].concat(), Some(HOST), &root.pem);
    assert!(!texts(&found).iter().any(|text| text.contains("browsers connect to")), "{found:?}");
}
