//! Keys and signatures: what they are called, and which are no longer believed.

use console_tls::{Certificate, Finding};

use crate::findings::texts;
use crate::rig::{Authority, Files, HOST, ders, findings, key, openssl, openssl_bytes, rsa};

fn certificate(pem: &str) -> Certificate {
    Certificate::parse(ders(pem).remove(0)).unwrap()
}

/// One that signed itself, made by `openssl req -x509` with these arguments more; no authority by default.
fn self_signed(arguments: &[&str]) -> Certificate {
    let files = Files::new();
    let key = files.path("key");
    let fixed = ["req", "-x509", "-nodes", "-subj", "/CN=Me", "-keyout", key.to_str().unwrap()];
    certificate(&openssl(&[&fixed[..], arguments].concat(), ""))
}

const EC: [&str; 4] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];

#[test]
fn kinds_of_keys() {
    for (arguments, expected) in [
        (&["-newkey", "rsa:2048"][..], "RSA 2048 bits"),
        (&["-newkey", "rsa:1024"], "RSA 1024 bits"),
        (&["-newkey", "rsa:1023"], "RSA 1023 bits"),
        (&["-newkey", "rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048"], "RSA 2048 bits"),
        (&EC, "ECDSA P-256"),
        (&["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"], "ECDSA P-384"),
        (&["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521"], "ECDSA P-521"),
        (&["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"], "ECDSA 1.3.132.0.10"),
        (
            &[&EC[..], &["-pkeyopt", "ec_param_enc:explicit"]].concat(),
            "ECDSA with a curve of its own",
        ),
        (&["-newkey", "ed25519"], "Ed25519"),
        (&["-newkey", "ed448"], "Ed448"),
    ] {
        assert_eq!(self_signed(arguments).key_kind(), expected, "{arguments:?}");
    }
}

#[test]
fn the_fingerprint_is_openssls() {
    let pem = Authority::root("Root").leaf(HOST).pem;
    let theirs = openssl(&["x509", "-noout", "-fingerprint", "-sha256"], &pem);
    let (_, theirs) = theirs.trim().split_once('=').unwrap();
    let one = certificate(&pem);
    assert_eq!(one.fingerprint(), format!("SHA256:{}", theirs.to_lowercase()));
    assert_eq!(one.der().as_ref(), openssl_bytes(&["x509", "-outform", "der"], &pem));
}

#[test]
fn what_is_too_weak() {
    let leaf = ["-addext", "subjectAltName=DNS:me.example.org"];
    let pss = ["-newkey", "rsa:2048", "-sigopt", "rsa_padding_mode:pss"];
    let sha1 = Some("it is signed with SHA-1");
    for (arguments, expected) in [
        (&["-newkey", "rsa:2048"][..], None),
        (&["-newkey", "rsa:2047"], Some("its RSA key has 2047 bits, fewer than 2048")),
        // Two years are no weakness here: an authority of one's own may sign for as long as it likes.
        (&[&EC[..], &leaf, &["-days", "730"]].concat(), None),
        (&[&EC[..], &leaf, &["-sha1"]].concat(), sha1),
        (&["-newkey", "rsa:2048", leaf[0], leaf[1], "-sha1"], sha1),
        (&["-newkey", "rsa:2048", leaf[0], leaf[1], "-md5"], Some("it is signed with MD5")),
        (&[&pss[..], &leaf, &["-sha1"]].concat(), sha1),
        (&[&pss[..], &leaf, &["-sha256"]].concat(), None),
        (&["-newkey", "ed25519", leaf[0], leaf[1]], None),
        (
            &["-newkey", "rsa:1024", leaf[0], leaf[1], "-sha1"],
            Some("its RSA key has 1024 bits, fewer than 2048, and it is signed with SHA-1"),
        ),
        // A root's own signature, but not its key.
        (&["-newkey", "rsa:2048", "-sha1"], None),
        (&["-newkey", "rsa:1024", "-sha1"], Some("its RSA key has 1024 bits, fewer than 2048")),
        // It may sign nobody.
        (&["-newkey", "rsa:2048", "-sha1", "-addext", "basicConstraints=CA:FALSE"], sha1),
    ] {
        assert_eq!(self_signed(arguments).weakness().as_deref(), expected, "{arguments:?}");
    }
}

#[test]
fn weak_ones_of_a_chain() {
    let files = Files::new();
    let root_key = files.write("root.key", rsa());
    let root_key = root_key.to_str().unwrap();
    let root = openssl(&["req", "-x509", "-sha1", "-key", root_key, "-subj", "/CN=Root"], "");
    let root_file = files.write("root.pem", &root);
    let signed = |key: &str, digest: &str| {
        let key = files.write("leaf.key", key);
        let key = key.to_str().unwrap();
        let request = openssl(&["req", "-new", "-key", key, "-subj", "/CN=Leaf"], "");
        let by = ["-CA", root_file.to_str().unwrap(), "-CAkey", root_key, "-set_serial", "2"];
        openssl(&[&["x509", "-req", digest, "-days", "90"][..], &by].concat(), request)
    };
    let weak = |text: String| {
        let mut found = findings(text, None, &root);
        found.retain(|one| matches!(one, Finding::Weak { .. }));
        found
    };
    let key = key().serialize_pem();
    // The root's signature is as old, but nobody looks at it.
    assert_eq!(weak([&*signed(&key, "-sha256"), &root, &key].concat()), []);
    let found = weak([&*signed(&key, "-sha1"), &root, &key].concat());
    assert_eq!(texts(&found), ["CN=Leaf is too weak to be trusted: it is signed with SHA-1"]);
    assert!(found[0].is_warning());
    assert!(found[0].remedy().starts_with("get another one, and its chain, with an RSA key of"));
    // As the server's own, it is no root, whatever it says.
    let found = weak([&*root, rsa()].concat());
    assert_eq!(texts(&found), ["CN=Root is too weak to be trusted: it is signed with SHA-1"]);
}

#[test]
fn an_issuer_with_a_short_key() {
    let files = Files::new();
    let small = files.path("small.key");
    let small = small.to_str().unwrap();
    let of_small = ["-newkey", "rsa:1024", "-nodes", "-keyout", small, "-subj", "/CN=Small"];
    let authority = openssl(&[&["req", "-x509", "-days", "90"][..], &of_small].concat(), "");
    let authority_file = files.write("small.pem", &authority);
    let leaf = key().serialize_pem();
    let leaf_file = files.write("leaf.key", &leaf);
    let request =
        openssl(&["req", "-new", "-key", leaf_file.to_str().unwrap(), "-subj", "/CN=Leaf"], "");
    let by = ["-CA", authority_file.to_str().unwrap(), "-CAkey", small, "-set_serial", "2"];
    let own = openssl(&[&["x509", "-req", "-days", "90"][..], &by].concat(), request);
    let found = findings([own, authority, leaf].concat(), None, "");
    let (name, why) = ("CN=Small".to_owned(), "its RSA key has 1024 bits, fewer than 2048".into());
    assert!(found.contains(&Finding::Weak { name, why }), "{found:?}");
}
