//! Files that cannot be used, each with its own text and remedy.

use console_tls::{Identity, Tls, TlsError};

use crate::rig::{Authority, Chain, Files, HOST, key, load, openssl, openssl_bytes, rsa, settings};

/// What loading one file says, without its folder, and the remedy.
fn refused(text: impl AsRef<[u8]>) -> (String, String) {
    let files = Files::new();
    let error = Tls::load(settings(&files.write("all.pem", text))).unwrap_err();
    let folder = format!("{}/", files.root().display());
    (error.to_string().replace(&folder, ""), error.remedy())
}

const WRITE: &str = "write PEM there: the certificate, its chain and its private key, or what the file is for of these";

#[test]
fn what_is_no_pem() {
    let table: [(&[u8], &str); 6] = [
        (b"", "all.pem is not a PEM file: it is empty"),
        (b"\n", "all.pem is not a PEM file: it has no PEM block"),
        (b"hello\n", "all.pem is not a PEM file: it has no PEM block"),
        (b"----BEGIN CERTIFICATE----\n", "all.pem is not a PEM file: it has no PEM block"),
        (b"ssh-ed25519 AAAA\n", "all.pem is not a PEM file: it has no PEM block"),
        (&[0xff, 0xfe, b'-', 0, b'-', 0], "all.pem is not a PEM file: it is UTF-16 text"),
    ];
    for (text, expected) in table {
        assert_eq!(refused(text), (expected.to_owned(), WRITE.to_owned()));
    }
}

#[test]
fn binary_files() {
    let chain = Chain::new();
    let der = openssl_bytes(&["x509", "-outform", "der"], &chain.leaf.pem);
    let files = Files::new();
    let all = files.write("all.pem", chain.full());
    let all = all.to_str().unwrap();
    let pkcs12 = openssl_bytes(&["pkcs12", "-export", "-passout", "pass:", "-in", all], "");
    for bytes in [der, pkcs12] {
        let (text, remedy) = refused(bytes);
        assert_eq!(text, "all.pem is not a PEM file: it has no PEM block");
        assert!(remedy.starts_with("it looks like DER or PKCS #12; openssl x509 -inform der"));
    }
}

#[test]
fn damaged_blocks() {
    let chain = Chain::new();
    let full = chain.full();
    let half = &chain.leaf.pem[..chain.leaf.pem.len() / 2];
    let table = [
        (half.to_owned(), "the block CERTIFICATE has no line that ends it"),
        ([half, "\n", &full].concat(), "the block CERTIFICATE has no line that ends it"),
        (
            full.trim_end().trim_end_matches('-').into(),
            "the block PRIVATE KEY has no line that ends it",
        ),
        (
            full.replacen("END CERTIFICATE", "END PRIVATE KEY", 1),
            "the block CERTIFICATE has no line that ends it",
        ),
        (
            full.replacen("BEGIN CERTIFICATE-----", "BEGIN CERTIFICATE---", 1),
            "a line begins a block, but does not end in five dashes",
        ),
        (
            full.replacen("CERTIFICATE-----\n", "CERTIFICATE-----\n!!!", 1),
            "the block CERTIFICATE is not base64",
        ),
        (full.replacen('\n', " ", 10000), "the lines of a block are joined to one"),
        (full.replacen('\n', "\\n", 10000), "the lines of a block are joined to one"),
    ];
    for (text, what) in table {
        let text = text.replace("\r\n", "\n");
        assert_eq!(
            refused(&text),
            (format!("all.pem is damaged: {what}"), WRITE.to_owned()),
            "{text}"
        );
    }
}

#[test]
fn certificates_that_are_none() {
    let chain = Chain::new();
    let junk = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    let (text, remedy) = refused([&chain.full(), junk].concat());
    assert_eq!(text, "certificate 3 in all.pem is no X.509 certificate");
    assert_eq!(remedy, "write the server's certificate there, as PEM");
    let (text, remedy) = refused(&chain.leaf.key);
    assert_eq!(text, "no certificate is in all.pem (it has 1 × PRIVATE KEY)");
    assert!(
        remedy.starts_with("cert names a private key: name the certificate's file"),
        "{remedy}"
    );
    let public = openssl(&["pkey", "-pubout"], &chain.leaf.key);
    let (_, remedy) = refused(&public);
    assert_eq!(remedy, "write the server's certificate there, as PEM");
    // More behind it than a certificate has: rustls would not take it.
    let mut der = openssl_bytes(&["x509", "-outform", "der"], &chain.leaf.pem);
    der.push(0);
    let body = openssl(&["base64"], der);
    let longer = format!("-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n");
    let (text, _) = refused([longer.as_str(), &chain.leaf.key].concat());
    assert_eq!(text, "certificate 1 in all.pem is no X.509 certificate");
}

#[test]
fn certificate_and_key_in_each_others_place() {
    let chain = Chain::new();
    let files = Files::new();
    let (cert, key) =
        (files.write("cert.pem", &chain.leaf.pem), files.write("key.pem", &chain.leaf.key));
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let error = Identity::load(&key, Some(&cert), &provider).unwrap_err();
    assert_eq!(error.path(), Some(key.as_path()));
    assert!(error.remedy().starts_with("cert and key are swapped"), "{}", error.remedy());
    for other in [&key, &files.path("missing.pem")] {
        let error = Identity::load(&key, Some(other), &provider).unwrap_err();
        assert!(error.remedy().starts_with("cert names a private key"), "{}", error.remedy());
    }
    // A key's file that cannot be read is told by its path.
    let missing = files.path("missing.pem");
    let error = Identity::load(&cert, Some(&missing), &provider).unwrap_err();
    assert_eq!(error.path(), Some(missing.as_path()));
}

#[test]
fn no_key() {
    let chain = Chain::new();
    let certificates = [chain.leaf.pem.as_str(), &chain.between.pem].concat();
    let (text, remedy) = refused(&certificates);
    assert_eq!(text, "no private key is in all.pem (it has 2 × CERTIFICATE)");
    assert_eq!(
        remedy,
        "name the private key's file in key (WS_KEY, --key), or append the key to the certificate's file"
    );
    let files = Files::new();
    let mut settings = settings(&files.write("cert.pem", &certificates));
    settings.key = Some(files.write("key.pem", openssl(&["pkey", "-pubout"], &chain.leaf.key)));
    let error = Tls::load(settings).unwrap_err();
    assert!(error.to_string().ends_with("key.pem (it has 1 × PUBLIC KEY)"), "{error}");
    assert_eq!(error.remedy(), "name the file that has the private key");
}

#[test]
fn encrypted_keys() {
    let root = Authority::root("Root");
    let leaf = root.leaf(HOST);
    let sec1 = openssl(&["pkey", "-traditional"], &leaf.key);
    let pass = ["-passout", "pass:secret"];
    let keys = [
        openssl(&[&["pkcs8", "-topk8"], &pass[..]].concat(), &leaf.key),
        openssl(&[&["ec", "-aes256"], &pass[..]].concat(), &sec1),
        openssl(&[&["rsa", "-traditional", "-aes128"], &pass[..]].concat(), rsa()),
    ];
    assert!(keys[1].contains("Proc-Type: 4,ENCRYPTED"));
    for key in &keys {
        for text in [key.clone(), key.replace('\n', "\r\n"), key.replace('\n', "\r")] {
            for text in [[leaf.pem.as_str(), &text], [&text, &leaf.pem]] {
                let (text, remedy) = refused(text.concat());
                assert_eq!(
                    text,
                    "the private key in all.pem is encrypted, and nobody is there to type its passphrase"
                );
                assert_eq!(
                    remedy,
                    "decrypt it with openssl pkey -in FILE -out NEW, let only the service's user read NEW, and name it in key (WS_KEY, --key)"
                );
            }
        }
        let files = Files::new();
        let mut settings = settings(&files.write("cert.pem", &leaf.pem));
        settings.key = Some(files.write("key.pem", key));
        let error = Tls::load(settings).unwrap_err();
        assert!(error.to_string().contains("/key.pem is encrypted"), "{error}");
    }
}

#[test]
fn a_key_of_another() {
    let chain = Chain::new();
    let files = Files::new();
    let mut settings = settings(&files.write("cert.pem", chain.full()));
    settings.key = Some(files.write("key.pem", key().serialize_pem()));
    let error = Tls::load(settings).unwrap_err();
    let folder = files.root().display();
    assert_eq!(
        error.to_string(),
        format!(
            "the private key in {folder}/key.pem fits no certificate in {folder}/cert.pem (CN=console.example.org; CN=Intermediate)"
        )
    );
    assert!(
        error.remedy().starts_with("name the key that the certificate was made for; openssl x509")
    );
}

#[test]
fn what_is_no_file_and_what_is_too_much() {
    let files = Files::new();
    let error = Tls::load(settings(files.root())).unwrap_err();
    assert_eq!(error.to_string(), format!("{} is not a file", files.root().display()));
    assert_eq!(error.remedy(), "correct the path in cert, key or client_ca");
    // A device without end, and a pipe that nobody writes to.
    assert!(matches!(Tls::load(settings("/dev/zero".as_ref())), Err(TlsError::NotAFile { .. })));
    let pipe = files.path("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    assert!(matches!(Tls::load(settings(&pipe)), Err(TlsError::NotAFile { .. })));

    let missing = files.path("missing.pem");
    let error = Tls::load(settings(&missing)).unwrap_err();
    assert_eq!(error.to_string(), format!("{} cannot be read", missing.display()));
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.starts_with("No such file or directory"), "{source}");

    let chain = Chain::new();
    let mib = [chain.full(), "#".repeat(1024 * 1024)].concat();
    assert_eq!(refused(mib), ("all.pem is larger than 1048576 bytes".to_owned(), WRITE.to_owned()));
    let block = "-----BEGIN X-----\n-----END X-----\n";
    let many = [chain.full(), block.repeat(500)].concat();
    assert_eq!(
        refused(many),
        ("all.pem has more than 500 PEM blocks".to_owned(), WRITE.to_owned())
    );
    load([chain.full(), block.repeat(490)].concat()).unwrap();
}
