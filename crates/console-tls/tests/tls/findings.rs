//! Dates, names, and who vouches: what is refused, and what is only said.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use console_tls::{Finding, Tls, key_readable_by_all};
use rcgen::date_time_ymd;

use crate::logs;
use crate::rig::{Authority, Chain, Files, HOST, findings, key, load, openssl, server, settings};

pub(crate) fn texts(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(ToString::to_string).collect()
}

#[test]
fn dates() {
    let root = Authority::root("Root");
    let past = root.leaf_with(&key(), HOST, |params| {
        params.not_after = date_time_ymd(2024, 2, 29);
    });
    let error = load([past.pem, past.key].concat()).unwrap_err();
    let text = error.to_string();
    let (_, text) = text.split_once("all.pem ").unwrap();
    let (at, now) = text.split_once(" (now it is 20").unwrap();
    assert_eq!(at, "expired at 2024-02-29 00:00 UTC");
    assert!(now.ends_with(" UTC)"), "{now}");
    assert_eq!(error.remedy(), "renew it");

    let future = root.leaf_with(&key(), HOST, |params| {
        params.not_before = date_time_ymd(2090, 1, 31);
    });
    let error = load([future.pem, future.key].concat()).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("the certificate CN=console.example.org in /"), "{text}");
    assert!(
        text.contains("all.pem is not valid before 2090-01-31 00:00 UTC (now it is 20"),
        "{text}"
    );
    assert_eq!(error.remedy(), "set this machine's clock, or wait");
}

#[test]
fn dates_that_no_calendar_has() {
    // 9999-12-31 23:59:59 is RFC 5280's "no end".
    let root = Authority::root("Root");
    let leaf = root.leaf_with(&key(), HOST, |params| {
        params.not_after = date_time_ymd(9999, 12, 31);
    });
    load([leaf.pem, leaf.key].concat()).unwrap();
}

#[test]
fn an_issuer_that_expired() {
    let root = Authority::root("Root");
    let between = root.below_with("Intermediate", key(), |params| {
        params.not_after = date_time_ymd(2024, 2, 29);
    });
    let leaf = between.leaf(HOST);
    let text = [leaf.pem.as_str(), &between.pem, &leaf.key].concat();
    load(&text).unwrap();
    let found = findings(&text, None, &root.pem);
    assert_eq!(
        texts(&found),
        ["the chain does not hold: CN=Intermediate expired at 2024-02-29 00:00 UTC"]
    );
    assert!(found[0].is_warning());
    assert_eq!(found[0].remedy(), "get the certificate's chain from the authority again");
}

#[test]
fn an_issuer_of_tomorrow() {
    let root = Authority::root("Root");
    let between = root.below_with("Intermediate", key(), |params| {
        params.not_before = date_time_ymd(2090, 1, 31);
    });
    let leaf = between.leaf(HOST);
    let found = findings([leaf.pem.as_str(), &between.pem, &leaf.key].concat(), None, &root.pem);
    assert_eq!(
        texts(&found),
        ["the chain does not hold: CN=Intermediate is not valid before 2090-01-31 00:00 UTC"]
    );
}

#[test]
fn whose_issuer_is_missing() {
    let chain = Chain::new();
    let alone = [chain.leaf.pem.as_str(), &chain.leaf.key].concat();
    let found = findings(&alone, None, &chain.root.pem);
    assert_eq!(
        texts(&found),
        [
            "the chain is incomplete: the issuer of CN=console.example.org, CN=Intermediate, is neither in the file nor known to this system"
        ]
    );
    assert!(found[0].is_warning());
    assert_eq!(
        found[0].remedy(),
        "append the certificate of CN=Intermediate to the file (authorities offer it as chain or fullchain); if it is a root, this system does not know it, and browsers may: see to ca-certificates"
    );

    let found = findings(chain.full(), None, "");
    assert_eq!(
        texts(&found),
        [
            "the chain is incomplete: the issuer of CN=Intermediate, CN=Root, is neither in the file nor known to this system"
        ]
    );
    assert!(findings(chain.full(), None, &chain.root.pem).is_empty());
}

#[test]
fn a_root_that_is_in_the_file_only() {
    let chain = Chain::new();
    let text = [chain.full(), chain.root.pem.clone()].concat();
    assert!(findings(&text, None, &chain.root.pem).is_empty());
    let stranger = Authority::root("Stranger").pem;
    for roots in ["", &stranger] {
        let found = findings(&text, None, roots);
        assert_eq!(
            texts(&found),
            [
                "the chain leads to CN=Root, which this system does not know: browsers that have it believe it"
            ]
        );
        assert!(found[0].is_warning());
        assert_eq!(
            found[0].remedy(),
            "install it on the machines with browsers, and here as /usr/local/share/ca-certificates/Root.crt with update-ca-certificates"
        );
    }
    for (name, file) in [
        ("C=DE, O=People, CN=People's Root (G2)", "/People-s-Root-G2.crt"),
        ("O=People", "/NAME.crt"),
        ("CN=../../x y", "/x-y.crt"),
    ] {
        let remedy = Finding::UnknownRoot { name: name.into() }.remedy();
        assert!(remedy.contains(file), "{remedy}");
    }
}

#[test]
fn an_issuer_of_the_same_name_with_another_key() {
    let root = Authority::root("Root");
    let (signer, impostor) = (root.below("Intermediate"), root.below("Intermediate"));
    let leaf = signer.leaf_with(&key(), HOST, |params| {
        params.use_authority_key_identifier_extension = false;
    });
    let text = [leaf.pem.as_str(), &impostor.pem, &leaf.key].concat();
    load(&text).unwrap();
    let found = findings(&text, None, &root.pem);
    assert_eq!(
        texts(&found),
        [
            "the chain does not hold: CN=console.example.org was not signed with the key of CN=Intermediate"
        ]
    );
}

#[test]
fn not_for_servers() {
    let root = Authority::root("Root");
    let leaf = root.leaf_with(&key(), HOST, |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    });
    let found = findings([leaf.pem, leaf.key].concat(), None, &root.pem);
    assert!(matches!(&found[..], [Finding::ChainBroken { .. }]), "{found:?}");
}

#[test]
fn one_that_vouches_for_itself() {
    let key = key();
    let pem = server(HOST).self_signed(&key).unwrap().pem();
    let text = [pem.as_str(), &key.serialize_pem()].concat();
    assert!(findings(&text, Some(HOST), &pem).is_empty());
    let found = findings(&text, Some(HOST), &Authority::root(HOST).pem);
    assert_eq!(texts(&found), ["CN=console.example.org is self-signed"]);
    assert!(!found[0].is_warning());
    assert!(found[0].remedy().starts_with("open the page once by https"));
}

#[test]
fn one_of_version_1() {
    let key = openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "");
    let request = openssl(&["req", "-new", "-key", "/dev/stdin", "-subj", "/CN=console"], &key);
    let files = Files::new();
    let key_file = files.write("key.pem", &key);
    let key_file = key_file.to_str().unwrap();
    let pem = openssl(&["x509", "-req", "-signkey", key_file, "-days", "90"], &request);
    let text = [pem, key].concat();
    load(&text).unwrap();
    let found = findings(&text, Some(HOST), "");
    assert_eq!(
        texts(&found),
        [
            "CN=console is self-signed",
            "browsers connect to console.example.org, but the certificate is for no name (it has no subject alternative name)",
        ]
    );
}

#[test]
fn a_key_that_all_can_read() {
    let chain = Chain::new();
    let logs = logs::captured();
    for (folder, file, is_said) in
        [(0o755, 0o644, true), (0o755, 0o640, false), (0o755, 0o600, false), (0o750, 0o644, false)]
    {
        let files = Files::new();
        let path = files.write("all.pem", chain.full());
        fs::set_permissions(&path, Permissions::from_mode(file)).unwrap();
        fs::set_permissions(files.root(), Permissions::from_mode(folder)).unwrap();
        Tls::load(settings(&path)).unwrap();
        let expected = format!(
            "the private key in {} can be read by every user of this machine (mode 0644)",
            path.display()
        );
        assert_eq!(logs.with(&path, &expected).len(), usize::from(is_said), "{folder:o} {file:o}");
        assert_eq!(logs.with(&path, "chmod 600 ").len(), usize::from(is_said));
        let found = key_readable_by_all(&path);
        assert_eq!(found.is_some(), is_said);
        let is_right = |found| matches!(found, Finding::KeyReadableByAll { path: of, mode: 0o644, is_ours: true, .. } if of == path);
        assert!(found.is_none_or(is_right));
    }
    // The key's file counts, not the certificate's.
    let files = Files::new();
    let mut settings = settings(&files.write("cert.pem", &chain.leaf.pem));
    settings.key = Some(files.write("key.pem", &chain.leaf.key));
    fs::set_permissions(files.root(), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(files.path("cert.pem"), Permissions::from_mode(0o644)).unwrap();
    Tls::load(settings.clone()).unwrap();
    assert!(logs.with(files.root(), "every user").is_empty());
    fs::set_permissions(files.path("key.pem"), Permissions::from_mode(0o604)).unwrap();
    Tls::load(settings).unwrap();
    assert_eq!(logs.with(files.root(), "(mode 0604)").len(), 1);
}

#[test]
fn a_key_that_all_can_read_stays_the_services() {
    let remedy = |is_ours, group: Option<&str>| {
        let (path, group) = ("/srv/it's/key.pem".into(), group.map(str::to_owned));
        Finding::KeyReadableByAll { path, mode: 0o644, is_ours, group }.remedy()
    };
    let path = r"'/srv/it'\''s/key.pem'";
    assert_eq!(remedy(true, Some("console")), format!("chmod 600 {path}"));
    assert_eq!(
        remedy(false, Some("console")),
        format!("chgrp console {path} && chmod 640 {path}, with the service's group")
    );
    assert!(remedy(false, None).starts_with("chgrp GROUP '"));
}

#[test]
fn sorting_is_said_with_the_order() {
    let chain = Chain::new();
    let text = [chain.between.pem.as_str(), &chain.leaf.pem, &chain.leaf.key].concat();
    let found = findings(&text, Some(HOST), &chain.root.pem);
    assert_eq!(
        texts(&found),
        [
            "the certificates were not in order and are sent as: CN=console.example.org; CN=Intermediate"
        ]
    );
    assert!(!found[0].is_warning());
    assert_eq!(found[0].remedy(), "none needed");
}

#[test]
fn the_load_is_told_with_its_findings() {
    let root = Authority::root("Told Root");
    let leaf = root.leaf("told-leaf");
    let logs = logs::captured();
    load([root.pem, leaf.pem, leaf.key].concat()).unwrap();
    let lines = logs.lines("told-leaf");
    assert!(lines[0].contains("certificate loaded") && lines[0].contains("INFO"), "{lines:?}");
    assert!(lines[0].contains(HOST) && lines[0].contains("until="), "{lines:?}");
    assert!(lines[1].contains("were not in order and are sent as: CN=told-leaf; CN=Told Root"));
    assert_eq!(lines.len(), 2, "{lines:?}");
    let warned = logs.lines("leads to CN=Told Root");
    assert!(warned.len() == 1 && warned[0].contains("WARN"), "{warned:?}");
}

/// TLS has no algorithm for its key, so nobody can say here that it did not sign.
#[test]
fn an_issuer_with_too_small_a_key() {
    let files = Files::new();
    let (leaf, small) = (Authority::root("Server").leaf(HOST), files.path("small.key"));
    let (small, authority) = (small.to_str().unwrap(), files.path("small.pem"));
    let of_small = ["-newkey", "rsa:1024", "-nodes", "-keyout", small, "-subj", "/CN=Small"];
    openssl(&[&["req", "-x509", "-out", authority.to_str().unwrap()][..], &of_small].concat(), "");
    let server = files.write("server.key", &leaf.key);
    let server = server.to_str().unwrap();
    let request = openssl(&["req", "-new", "-key", server, "-subj", "/CN=server"], "");
    let by_small = ["-CA", authority.to_str().unwrap(), "-CAkey", small, "-set_serial", "2"];
    let own = openssl(&[&["x509", "-req"][..], &by_small].concat(), request);
    let small = fs::read_to_string(&authority).unwrap();
    let found = findings([own, leaf.key, small].concat(), None, "");
    assert!(!texts(&found).is_empty());
    assert!(!texts(&found).iter().any(|text| text.contains("was not signed")), "{found:?}");
}
