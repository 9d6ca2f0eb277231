//! PEM as editors, mailers and tools leave it.

use crate::handshake::sent;
use crate::rig::{
    Authority, Chain, Files, HOST, Leaf, ders, findings, identity, load, openssl, openssl_bytes,
    order,
};

/// What has to come out, whatever was done to the text.
fn assert_loads(what: &str, chain: &Chain, text: impl AsRef<[u8]>) {
    let tls = load(text).unwrap_or_else(|error| panic!("{what}: {error}"));
    let expected = ders(&[chain.leaf.pem.as_str(), &chain.between.pem].concat());
    assert_eq!(sent(&tls, chain.root.store()), expected, "{what}");
}

#[test]
fn line_ends_blanks_and_marks() {
    let chain = Chain::new();
    let text = chain.full().replace("\r\n", "\n");
    let lines = |change: &dyn Fn(&str) -> String| -> String { text.lines().map(change).collect() };
    assert_loads("LF", &chain, &text);
    assert_loads("CR LF", &chain, text.replace('\n', "\r\n"));
    assert_loads("CR", &chain, text.replace('\n', "\r"));
    assert_loads("CR CR LF", &chain, text.replace('\n', "\r\r\n"));
    assert_loads("byte order mark", &chain, format!("\u{feff}{text}"));
    let marked = text.replace("-----BEGIN", "\u{feff}-----BEGIN");
    assert_loads("a mark in front of each block", &chain, &marked);
    assert_loads("and no line ends between", &chain, marked.replace("\n\u{feff}", "\u{feff}"));
    assert_loads("no last line end", &chain, text.trim_end());
    assert_loads("blanks at ends", &chain, lines(&|line| format!("{line} \t \n")));
    assert_loads("blanks at ends, CR LF", &chain, lines(&|line| format!("{line}  \r\n")));
    assert_loads("indented", &chain, lines(&|line| format!("    {line}\n")));
    assert_loads("empty lines", &chain, lines(&|line| format!("\n{line}\n\n")));
    assert_loads("NUL at the end", &chain, format!("{text}\0\0"));
    // RFC 7468 section 3: parsers should take any length of line.
    let joined = text.replace("-----\n", "-----\r").replace('\n', "").replace('\r', "\n");
    let joined = joined.replace("-----END", "\n-----END").replace("\n\n", "\n");
    assert_loads("one long line", &chain, joined);
}

#[test]
fn text_between_blocks() {
    let chain = Chain::new();
    let (leaf, between, key) = (&chain.leaf.pem, &chain.between.pem, &chain.leaf.key);
    let comments = [
        "# renewed by hand\n# - do not touch -\n",
        "Bag Attributes\n    localKeyID: 01 00 00 00\n    friendlyName: console\nKey Attributes: <No Attributes>\nsubject=CN = console\n\nissuer=CN = Intermediate\n\n",
        "\u{e4}\u{f6}\u{fc} \u{1f511}\n",
        "----\n-----\n----- not a block -----\n",
        "Proc-Type: 4,ENCRYPTED\n",
        "password: secret\nMIIB\n",
        " 1 s:CN = Intermediate\n   i:CN = Root\n",
    ];
    for comment in comments {
        assert_loads(
            comment,
            &chain,
            [comment, leaf, comment, key, comment, between, comment].concat(),
        );
    }
    let latin1: Vec<u8> = [b"\xe4\xf6\xfc\xff\n".as_slice(), chain.full().as_bytes()].concat();
    assert_loads("Latin-1", &chain, latin1);
    let described = openssl(&["x509", "-text"], leaf);
    assert!(described.starts_with("Certificate:"));
    assert_loads("openssl x509 -text", &chain, [&described, between.as_str(), key].concat());
}

#[test]
fn what_pkcs12_leaves() {
    let chain = Chain::new();
    let files = Files::new();
    let all = files.write("all.pem", chain.full());
    let all = all.to_str().unwrap();
    let arguments = ["pkcs12", "-export", "-passout", "pass:", "-name", "console", "-in", all];
    let pkcs12 = openssl_bytes(&arguments, "");
    let text = openssl(&["pkcs12", "-nodes", "-passin", "pass:"], pkcs12);
    assert!(text.contains("Bag Attributes"), "{text}");
    assert_loads("openssl pkcs12 -nodes", &chain, text);
}

#[test]
fn two_files_put_together_without_a_line_end() {
    let chain = Chain::new();
    let parts = [&chain.leaf.pem, &chain.between.pem, &chain.leaf.key];
    let text: String = parts.iter().map(|part| part.trim_end()).collect();
    assert!(text.contains("-----END CERTIFICATE----------BEGIN CERTIFICATE-----"));
    assert_loads("cat", &chain, text);
}

#[test]
fn other_blocks_are_ignored() {
    let chain = Chain::new();
    let request =
        openssl(&["req", "-new", "-key", "/dev/stdin", "-subj", "/CN=x"], &chain.leaf.key);
    let public = openssl(&["pkey", "-pubout"], &chain.leaf.key);
    let parameters = openssl(&["ecparam", "-name", "P-384"], "");
    let others = [
        request.as_str(),
        &public,
        &parameters,
        "-----BEGIN DH PARAMETERS-----\nMAYCAQUCAQI=\n-----END DH PARAMETERS-----\n",
        "-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n",
        "-----BEGIN PGP SIGNATURE-----\nVersion: GnuPG v1\n\niQ!!\n=abcd\n-----END PGP SIGNATURE-----\n",
    ];
    for other in others {
        assert_loads(other, &chain, [other, &chain.full()].concat());
        assert_loads(other, &chain, [&chain.full(), other].concat());
    }
}

#[test]
fn old_labels() {
    let chain = Chain::new();
    // RFC 7468 section 5.3 knows both for a certificate.
    for label in ["X509 CERTIFICATE", "X.509 CERTIFICATE"] {
        let text = chain.full().replace("CERTIFICATE", label);
        assert_loads(label, &chain, text);
    }
    // A trusted certificate has more behind it, which is not sent.
    let trusted = openssl(&["x509", "-trustout", "-addtrust", "serverAuth"], &chain.leaf.pem);
    let error = load([trusted.as_str(), &chain.leaf.key].concat()).unwrap_err();
    assert!(error.to_string().contains("TRUSTED CERTIFICATE"), "{error}");
    let error = load([chain.full(), trusted].concat()).unwrap_err();
    assert!(error.to_string().contains("TRUSTED CERTIFICATE"), "{error}");
}

#[test]
fn a_certificate_more_than_once() {
    let chain = Chain::new();
    let text = [chain.full(), chain.full(), chain.between.pem.clone()].concat();
    assert_loads("three times", &chain, &text);
    let identity = identity(&text).unwrap();
    assert_eq!(order(&identity), [HOST, "Intermediate"]);
    assert!(!identity.was_in_order(), "what is sent is not what is in the file");
}

#[test]
fn large_chains_are_quick() {
    let mut authority = Authority::root("Root");
    let mut text = String::new();
    for number in 0..120 {
        authority = authority.below(&format!("Intermediate {number}"));
        text.insert_str(0, &authority.pem);
    }
    let Leaf { pem, key } = authority.leaf(HOST);
    let text = [text, key, pem].concat();
    assert_eq!(order(&identity(&text).unwrap()).len(), 121);
    // And nobody can make the check work without end.
    assert_eq!(findings(&text, None, "").len(), 2);
}
