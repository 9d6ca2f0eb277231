//! Every kind of key in every format and place, to the end of a handshake.

use console_tls::{Tls, TlsError};
use rcgen::KeyPair;

use crate::handshake::sent;
use crate::rig::{Authority, Files, HOST, ders, identity, key, load, openssl, rsa, settings};

/// A kind of key, its format, and the PEM of it.
struct Kind {
    name: &'static str,
    pkcs8: String,
    pem: String,
}

fn ec(curve: &str) -> String {
    openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", &format!("ec_paramgen_curve:{curve}")], "")
}

fn kinds() -> Vec<Kind> {
    let mut kinds = Vec::new();
    let pkcs1 = openssl(&["pkey", "-traditional"], rsa());
    assert!(pkcs1.starts_with("-----BEGIN RSA PRIVATE KEY-----"));
    kinds.push(Kind { name: "RSA, PKCS #8", pkcs8: rsa().into(), pem: rsa().into() });
    kinds.push(Kind { name: "RSA, PKCS #1", pkcs8: rsa().into(), pem: pkcs1 });
    for curve in ["P-256", "P-384", "P-521"] {
        let pkcs8 = ec(curve);
        let sec1 = openssl(&["pkey", "-traditional"], &pkcs8);
        assert!(sec1.starts_with("-----BEGIN EC PRIVATE KEY-----"));
        // As `openssl ecparam -genkey` writes them.
        let parameters = openssl(&["ecparam", "-name", curve], "");
        assert!(parameters.starts_with("-----BEGIN EC PARAMETERS-----"));
        kinds.push(Kind { name: "EC, PKCS #8", pkcs8: pkcs8.clone(), pem: pkcs8.clone() });
        kinds.push(Kind { name: "EC, SEC 1", pkcs8: pkcs8.clone(), pem: sec1.clone() });
        let name = "EC, SEC 1 and parameters";
        kinds.push(Kind { name, pkcs8: pkcs8.clone(), pem: parameters + &sec1 });
    }
    // The curve's numbers instead of its name: the library knows them.
    let pkcs8 = ec("P-256");
    let pem = openssl(&["ec", "-param_enc", "explicit"], &pkcs8);
    assert!(pem.len() > 2 * pkcs8.len(), "{pem}");
    kinds.push(Kind { name: "EC, explicit parameters", pkcs8, pem });
    let ed25519 = openssl(&["genpkey", "-algorithm", "ED25519"], "");
    kinds.push(Kind { name: "Ed25519", pkcs8: ed25519.clone(), pem: ed25519 });
    kinds
}

fn orders<const N: usize>(of: [usize; N]) -> Vec<Vec<usize>> {
    let mut orders = vec![Vec::new()];
    for _ in 0..N {
        let longer = |order: Vec<usize>| {
            let missing = of.into_iter().filter(move |one| !order.contains(one));
            missing.map(|one| vec![one]).collect::<Vec<_>>()
        };
        orders = orders
            .into_iter()
            .flat_map(|order| {
                let ends = longer(order.clone());
                ends.into_iter().map(move |end| [order.clone(), end].concat())
            })
            .collect();
    }
    orders
}

#[test]
fn every_kind_in_every_order() {
    let root = Authority::root("Root");
    let between = root.below("Intermediate");
    for Kind { name, pkcs8, pem } in kinds() {
        let key = KeyPair::from_pem(&pkcs8).unwrap();
        let leaf = between.leaf_with(&key, HOST, |_| {});
        let parts = [pem.as_str(), &leaf.pem, &between.pem, &root.pem];
        let expected = ders(&parts[1..].concat());
        let orders = orders([0, 1, 2, 3]);
        assert_eq!(orders.len(), 24);
        for order in orders {
            let text: String = order.iter().map(|&part| parts[part]).collect();
            let without_key: Vec<_> = order.iter().filter(|&&part| part != 0).collect();
            let is_sorted = without_key.is_sorted();
            assert_eq!(identity(&text).unwrap().was_in_order(), is_sorted, "{name} {order:?}");
            let tls = load(&text).unwrap_or_else(|error| panic!("{name} {order:?}: {error}"));
            assert_eq!(sent(&tls, root.store()), expected, "{name} {order:?}");
        }
        let files = Files::new();
        let mut settings = settings(&files.write("cert.pem", parts[1..3].concat()));
        settings.key = Some(files.write("key.pem", &pem));
        let tls = Tls::load(settings).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(sent(&tls, root.store()), expected[..2], "{name}, in two files");
    }
}

#[test]
fn a_key_file_goes_before_the_key_beside_the_certificate() {
    let root = Authority::root("Root");
    let (old, leaf) = (root.leaf("old"), root.leaf("new"));
    let files = Files::new();
    let mut settings = settings(&files.write("cert.pem", [leaf.pem.as_str(), &old.key].concat()));
    settings.key = Some(files.write("key.pem", &leaf.key));
    let tls = Tls::load(settings.clone()).unwrap();
    assert_eq!(sent(&tls, root.store()), ders(&leaf.pem));

    // And a key that is beside the certificate, but not in the file that is named, is not found.
    files.write("cert.pem", [leaf.pem.as_str(), &leaf.key].concat());
    files.write("key.pem", &old.key);
    assert!(matches!(Tls::load(settings), Err(TlsError::KeyMismatch { .. })));
}

#[test]
fn of_several_keys_the_one_that_fits() {
    let root = Authority::root("Root");
    let (leaf, other) = (root.leaf(HOST), key().serialize_pem());
    let dsa = openssl(&["dsaparam", "-genkey", "-noout", "1024"], "");
    let secp256k1 = ec("secp256k1");
    let encrypted = openssl(&["pkcs8", "-topk8", "-passout", "pass:secret"], &other);
    let traditional =
        openssl(&["rsa", "-aes128", "-traditional", "-passout", "pass:secret"], rsa());
    assert!(traditional.contains("Proc-Type: 4,ENCRYPTED"));
    for beside in [&other, &dsa, &secp256k1, &encrypted, &traditional] {
        for text in [[&leaf.pem, &leaf.key, beside], [beside, &leaf.key, &leaf.pem]] {
            let text = text.map(String::as_str).concat();
            let tls = load(&text).unwrap_or_else(|error| panic!("{error}\n{beside}"));
            assert_eq!(sent(&tls, root.store()), ders(&leaf.pem));
        }
    }
    // The same key twice, in two formats.
    let sec1 = openssl(&["pkey", "-traditional"], &leaf.key);
    load([leaf.pem.as_str(), &leaf.key, &sec1].concat()).unwrap();
}

#[test]
fn keys_that_tls_does_not_know() {
    let root = Authority::root("Root");
    let leaf = root.leaf(HOST);
    let keys = [
        openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"], ""),
        openssl(&["dsaparam", "-genkey", "-noout", "1024"], ""),
        openssl(
            &["pkcs8", "-topk8", "-nocrypt"],
            openssl(&["dsaparam", "-genkey", "-noout", "1024"], ""),
        ),
        ec("secp256k1"),
        openssl(&["genpkey", "-algorithm", "X25519"], ""),
        openssl(&["genpkey", "-algorithm", "ED448"], ""),
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaA==\n-----END OPENSSH PRIVATE KEY-----\n"
            .into(),
        "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n".into(),
        "-----BEGIN EC PRIVATE KEY-----\n-----END EC PRIVATE KEY-----\n".into(),
    ];
    for key in keys {
        let error = load([leaf.pem.as_str(), &key].concat()).unwrap_err();
        let text = error.to_string();
        assert!(text.ends_with(
            "/all.pem cannot be used: supported are RSA (2048 to 8192 bits), ECDSA (P-256, P-384, P-521) and Ed25519"
        ), "{text}\n{key}");
        assert!(matches!(error, TlsError::UnsupportedKey { .. }));
        assert!(error.remedy().starts_with("make another with openssl genpkey"));
    }
}
