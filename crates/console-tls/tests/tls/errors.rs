//! Each fault has its own words and a remedy, and nothing of a key is in them.

use std::fs;

use console_tls::rustls::crypto::aws_lc_rs;
use console_tls::{ClientCertificates, Identity, Tls, TlsError, TlsSettings};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use crate::rig::{Chain, load, openssl, root, server_params, settings, write};

/// The error's words without the folder, after it has been seen to have a remedy and no secret.
fn words(folder: &std::path::Path, error: &TlsError, secrets: &[&str]) -> String {
    assert!(error.remedy().len() > 5, "{error}");
    let all = format!("{error} {error:?} {}", error.remedy());
    for secret in secrets {
        for line in secret.lines().filter(|line| line.len() > 20 && !line.starts_with("---")) {
            assert!(!all.contains(line), "{all}");
        }
    }
    error.to_string().replace(&format!("{}/", folder.display()), "")
}

#[test]
fn files_that_are_no_certificates_and_keys() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let chain = Chain::new();
    let (own, key) = (chain.own.as_str(), chain.key.as_str());
    fs::write(dir.join("plain.key"), key).unwrap();
    openssl(dir, "pkey -in plain.key -aes128 -passout pass:x -out pkcs8.key");
    openssl(dir, "ec -in plain.key -aes128 -passout pass:x -out sec1.key");
    openssl(dir, "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out small.key");
    openssl(dir, "ecparam -name secp256k1 -genkey -noout -out koblitz.key");
    openssl(dir, "ecparam -name prime256v1 -param_enc explicit -genkey -noout -out explicit.key");
    fs::write(dir.join("own.pem"), own).unwrap();
    openssl(dir, "x509 -in own.pem -outform der -out own.der");
    openssl(dir, "pkcs12 -export -in own.pem -inkey plain.key -passout pass:x -out own.p12");
    let text = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
    let (pkcs8, sec1, small) = (text("pkcs8.key"), text("sec1.key"), text("small.key"));
    let (koblitz, explicit) = (text("koblitz.key"), text("explicit.key"));
    let supported =
        "supported are RSA (2048 to 8192 bits), ECDSA (P-256, P-384, P-521) and Ed25519";
    let cut = own.get(..200).unwrap();
    let bytes = |name: &str| fs::read(dir.join(name)).unwrap();
    for (cert, key, expected) in [
        (
            own.as_bytes().to_vec(),
            None,
            "no private key is in cert.pem (it has 1 × CERTIFICATE)".to_owned(),
        ),
        (own.into(), Some(own), "no private key is in key.pem (it has 1 × CERTIFICATE)".into()),
        (key.into(), None, "no certificate is in cert.pem (it has 1 × PRIVATE KEY)".into()),
        (
            own.into(),
            Some(&pkcs8),
            "the private key in key.pem is encrypted, and nobody is there to type its passphrase"
                .into(),
        ),
        (
            own.into(),
            Some(&sec1),
            "the private key in key.pem is encrypted, and nobody is there to type its passphrase"
                .into(),
        ),
        (
            format!("{sec1}{own}").into(),
            None,
            "the private key in cert.pem is encrypted, and nobody is there to type its passphrase"
                .into(),
        ),
        (
            own.into(),
            Some(&small),
            format!("the private key in key.pem cannot be used: {supported}"),
        ),
        (
            own.into(),
            Some(&koblitz),
            format!("the private key in key.pem cannot be used: {supported}"),
        ),
        (b"".to_vec(), None, "cert.pem is not a PEM file: it is empty".into()),
        (b"hello".to_vec(), None, "cert.pem is not a PEM file: it has no PEM block".into()),
        (bytes("own.der"), None, "cert.pem is not a PEM file: it has no PEM block".into()),
        (bytes("own.p12"), None, "cert.pem is not a PEM file: it has no PEM block".into()),
        (
            cut.into(),
            None,
            "cert.pem is damaged: the block CERTIFICATE has no line that ends it".into(),
        ),
        (own.replace("MI", "M!").into(), None, "cert.pem is damaged: a block is not base64".into()),
        (
            own.replace("CERTIFICATE-----", "CERTIFICATE----").into(),
            None,
            "cert.pem is damaged: a line begins a block, but does not end in five dashes".into(),
        ),
        (
            format!("{own}-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n{key}")
                .into(),
            None,
            "certificate 2 in cert.pem is no X.509 certificate".into(),
        ),
        (
            "-----BEGIN OPENSSH PRIVATE KEY-----\naGVsbG8=\n-----END OPENSSH PRIVATE KEY-----\n"
                .repeat(2)
                .into(),
            None,
            "no certificate is in cert.pem (it has 2 × OPENSSH PRIVATE KEY)".into(),
        ),
        (vec![b'x'; 1024 * 1024 + 1], None, "cert.pem is larger than 1048576 bytes".into()),
        (
            "-----BEGIN X-----\n".repeat(501).into(),
            None,
            "cert.pem has more than 500 PEM blocks".into(),
        ),
    ] {
        let error = load(dir, cert, key).err().unwrap_or_else(|| panic!("taken, not {expected}"));
        let secrets = [chain.key.as_str(), &pkcs8, &sec1, &small, &koblitz, &explicit];
        assert_eq!(words(dir, &error, &secrets), expected);
    }
    let other = KeyPair::generate().unwrap().serialize_pem();
    let error = load(dir, format!("{own}{}", chain.between.pem()), Some(&other)).unwrap_err();
    let expected =
        "the private key in key.pem fits no certificate in cert.pem (CN=own; CN=Between)";
    assert_eq!(words(dir, &error, &[&other]), expected);
    for (path, expected) in
        [(dir.join("missing"), "missing cannot be read"), (dir.to_owned(), " is not a file")]
    {
        let error = Identity::load(&path, None, &aws_lc_rs::default_provider()).unwrap_err();
        assert!(error.to_string().ends_with(expected), "{error}");
    }
}

#[test]
fn a_traditional_dsa_key_is_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let dsa = "-----BEGIN DSA PRIVATE KEY-----\naGVsbG8=\n-----END DSA PRIVATE KEY-----\n";
    let error = load(folder.path(), Chain::new().own, Some(dsa)).unwrap_err();
    assert!(error.to_string().ends_with("(it has 1 × DSA PRIVATE KEY)"), "{error}");
}

/// A self-signed one with these dates, in a file with its key.
fn dated(from: (i32, u8, u8), to: (i32, u8, u8)) -> String {
    let key = KeyPair::generate().unwrap();
    let mut params: CertificateParams = server_params(&["localhost"]);
    params.not_before = date_time_ymd(from.0, from.1, from.2);
    params.not_after = date_time_ymd(to.0, to.1, to.2);
    format!("{}{}", params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[test]
fn certificates_out_of_their_time() {
    let folder = tempfile::tempdir().unwrap();
    for (from, to, expected) in [
        (
            (2020, 1, 1),
            (2020, 2, 3),
            "the certificate CN=own in cert.pem expired at 2020-02-03 00:00 UTC (now it is 2",
        ),
        (
            (2950, 1, 2),
            (2999, 1, 1),
            "the certificate CN=own in cert.pem is not valid before 2950-01-02 00:00 UTC (now it is 2",
        ),
    ] {
        let file = write(folder.path(), "cert.pem", dated(from, to));
        let error = Tls::load(settings(&file)).unwrap_err();
        let words = words(folder.path(), &error, &[]);
        assert!(words.starts_with(expected) && words.ends_with(" UTC)"), "{words}");
    }
    Tls::load(settings(&write(folder.path(), "cert.pem", dated((2020, 1, 1), (2999, 1, 1)))))
        .unwrap();
}

#[test]
fn authorities_of_clients_that_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let chain = Chain::new();
    let cert = write(folder.path(), "cert.pem", format!("{}{}", chain.own, chain.key));
    let with = |ca: &std::path::Path| TlsSettings {
        clients: Some(ClientCertificates { ca: ca.to_owned(), required: true }),
        ..settings(&cert)
    };
    for (text, expected) in [
        (chain.key.clone(), "no certificate is in ca.pem (it has 1 × PRIVATE KEY)"),
        ("x".to_owned(), "ca.pem is not a PEM file: it has no PEM block"),
    ] {
        let error = Tls::load(with(&write(folder.path(), "ca.pem", text))).unwrap_err();
        assert_eq!(words(folder.path(), &error, &[&chain.key]), expected);
    }
    let junk = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    let error = Tls::load(with(&write(folder.path(), "ca.pem", junk))).unwrap_err();
    assert!(
        error.to_string().contains("cannot be used to check clients' certificates: "),
        "{error}"
    );
    Tls::load(with(&write(folder.path(), "ca.pem", root("People").pem()))).unwrap();
}
