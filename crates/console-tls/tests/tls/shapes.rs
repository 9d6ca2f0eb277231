//! Keys of every kind and format, in files of every order, with everything that may stand in between.

use std::fs;

use rcgen::KeyPair;

use crate::rig::{Chain, load, names, openssl};

#[test]
fn every_kind_of_key_in_every_format_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    for (make, formats) in [
        ("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048", &["pkey", "rsa -traditional"][..]),
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256", &["pkey", "ec"]),
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384", &["pkey", "ec"]),
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521", &["pkey", "ec"]),
        ("genpkey -algorithm ED25519", &["pkey"]),
    ] {
        openssl(dir, &format!("{make} -out made.key"));
        let chain = Chain::with(&fs::read_to_string(dir.join("made.key")).unwrap());
        for format in formats {
            openssl(dir, &format!("{format} -in made.key -out written.key"));
            let key = fs::read_to_string(dir.join("written.key")).unwrap();
            for (cert, apart) in [
                (format!("{key}{}{}", chain.own, chain.between.pem()), None),
                (format!("{}{}{key}", chain.own, chain.between.pem()), None),
                (format!("{}{}", chain.own, chain.between.pem()), Some(&*key)),
            ] {
                let identity = load(dir, cert, apart)
                    .unwrap_or_else(|error| panic!("{make} {format}: {error}"));
                assert_eq!(names(&identity), ["CN=own", "CN=Between"], "{make} {format}");
                assert!(identity.was_in_order());
            }
        }
    }
    // What `openssl ecparam -genkey` writes: the curve in a block of its own before the key.
    openssl(dir, "ecparam -name prime256v1 -genkey -out sec1.key");
    openssl(dir, "pkey -in sec1.key -out made.key");
    let chain = Chain::with(&fs::read_to_string(dir.join("made.key")).unwrap());
    let key = fs::read_to_string(dir.join("sec1.key")).unwrap();
    assert!(key.contains("EC PARAMETERS"));
    load(dir, format!("{}{key}", chain.own), None).unwrap();
}

#[test]
fn the_files_order_does_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let chain = Chain::new();
    let blocks =
        [&chain.key, &chain.own, &chain.between.pem(), &chain.root.pem()].map(Clone::clone);
    let mut orders: Vec<Vec<usize>> = vec![vec![]];
    for block in 0..blocks.len() {
        let longer = |order: &Vec<usize>| {
            let order = order.clone();
            (0..=order.len()).map(move |at| [&order[..at], &[block], &order[at..]].concat())
        };
        orders = orders.iter().flat_map(longer).collect();
    }
    assert_eq!(orders.len(), 24);
    for order in orders {
        let text: String = order.iter().map(|block| blocks[*block].as_str()).collect();
        let identity = load(folder.path(), &text, None).unwrap();
        assert_eq!(names(&identity), ["CN=own", "CN=Between", "CN=Root"]);
        let is_sorted = order.into_iter().filter(|block| *block != 0).is_sorted();
        assert_eq!(identity.was_in_order(), is_sorted);
    }
}

#[test]
fn what_editors_and_tools_put_in_between_does_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let chain = Chain::new();
    let whole = format!("{}{}{}", chain.own, chain.between.pem(), chain.key);
    let bag = "Bag Attributes\n    friendlyName: own\nsubject=CN = own\n\nissuer=CN = Between\n";
    let request = {
        let params = crate::rig::named("request");
        params.serialize_request(&KeyPair::generate().unwrap()).unwrap().pem().unwrap()
    };
    for (what, text) in [
        ("Windows' line ends", whole.replace('\n', "\r\n")),
        ("old line ends", whole.replace("\r\n", "\n").replace('\n', "\r")),
        ("a mark at the start", format!("\u{feff}{whole}")),
        ("comments", whole.replace("-----BEGIN", "# a comment \u{e4}\n-----BEGIN")),
        ("bag attributes", whole.replace("-----BEGIN", &format!("{bag}-----BEGIN"))),
        ("blanks at the end of lines", whole.replace("\r\n", "\n").replace('\n', "  \n")),
        ("tabs at the end of lines", whole.replace("\r\n", "\n").replace('\n', "\t\n")),
        ("indented lines", whole.replace("\r\n", "\n").replace('\n', "\n    ")),
        ("empty lines", whole.replace("-----BEGIN", "\n\n-----BEGIN")),
        ("no last line end", whole.trim_end().to_owned()),
        ("everything twice", format!("{whole}{whole}")),
        ("a request beside", format!("{request}{whole}")),
        (
            "Diffie-Hellman parameters beside",
            format!(
                "{whole}-----BEGIN DH PARAMETERS-----\nMAYCAQ8CAQI=\n-----END DH PARAMETERS-----\n"
            ),
        ),
        ("another key beside", format!("{}{whole}", KeyPair::generate().unwrap().serialize_pem())),
    ] {
        let identity =
            load(folder.path(), text, None).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(names(&identity), ["CN=own", "CN=Between"], "{what}");
    }
    // A key in the certificate's file does not count where another file is named.
    let other = KeyPair::generate().unwrap().serialize_pem();
    load(folder.path(), format!("{}{other}", chain.own), Some(&chain.key)).unwrap();
}

#[test]
fn a_certificate_of_version_1_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    openssl(dir, "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem");
    openssl(dir, "req -new -key key.pem -subj /CN=old -out request.pem");
    openssl(dir, "x509 -req -in request.pem -signkey key.pem -days 2 -out cert.pem");

    let text = fs::read_to_string(dir.join("cert.pem")).unwrap();
    let key = fs::read_to_string(dir.join("key.pem")).unwrap();
    assert_eq!(names(&load(dir, text, Some(&key)).unwrap()), ["CN=old"]);
}
