//! Which certificates belong to a chain, and in which order.

use console_tls::{Finding, TlsError};
use rcgen::{DnType, KeyPair};

use crate::handshake::{Client, sent};
use crate::rig::{Authority, Chain, HOST, ders, findings, identity, key, load, order};

fn with(parts: &[&str]) -> String {
    parts.concat()
}

fn copy(key: &KeyPair) -> KeyPair {
    KeyPair::from_pem(&key.serialize_pem()).unwrap()
}

#[test]
fn a_missing_link_is_named() {
    let root = Authority::root("Root");
    let upper = root.below("Upper");
    let lower = upper.below("Lower");
    let leaf = lower.leaf(HOST);
    let text = with(&[&leaf.pem, &leaf.key, &upper.pem, &root.pem]);
    let error = load(text).unwrap_err();
    assert!(
        error.to_string().ends_with(
            "/all.pem cannot be put in order: not in the chain of CN=console.example.org are CN=Upper; CN=Root"
        ),
        "{error}"
    );
    assert_eq!(error.remedy(), "remove them from the file, or add the certificate that links them");
}

#[test]
fn a_stranger_is_named() {
    let chain = Chain::new();
    let stranger = Authority::root("Stranger").leaf("stranger.example.org");
    let error = load(with(&[&chain.full(), &stranger.pem])).unwrap_err();
    assert!(
        error.to_string().ends_with(
            "/all.pem cannot be put in order: not in the chain of CN=console.example.org are CN=stranger.example.org"
        ),
        "{error}"
    );
}

#[test]
fn two_that_the_key_fits_are_named() {
    let root = Authority::root("Root");
    let key = key();
    let (old, new) = (root.leaf_with(&key, "old", |_| {}), root.leaf_with(&key, "new", |_| {}));
    let error = load(with(&[&old.pem, &new.pem, &new.key])).unwrap_err();
    assert!(
        error.to_string().ends_with(
            "/all.pem has two certificates that could be the server's own: CN=old; CN=new"
        ),
        "{error}"
    );
    assert_eq!(error.remedy(), "leave only the one that browsers are to see in the file");
    // Two servers' certificates, and the keys to both.
    let other = root.leaf("other");
    let error = load(with(&[&old.pem, &old.key, &other.pem, &other.key])).unwrap_err();
    assert!(matches!(error, TlsError::SeveralOwn { .. }), "{error}");
}

#[test]
fn a_root_signed_by_another_root() {
    let old = Authority::root("Old Root");
    let new_key = key();
    let new = Authority::root_with("New Root", copy(&new_key));
    let cross = old.below_with("New Root", copy(&new_key), |_| {});
    let between = new.below("Intermediate");
    let leaf = between.leaf(HOST);

    let expected = ders(&with(&[&leaf.pem, &between.pem, &cross.pem]));
    for rest in [[&cross.pem, &between.pem], [&between.pem, &cross.pem]] {
        let tls = load(with(&[&leaf.key, rest[0], rest[1], &leaf.pem])).unwrap();
        for root in [&old, &new] {
            assert_eq!(sent(&tls, root.store()), expected);
        }
    }
    // The self-signed one leads nowhere, so it comes last.
    for rest in [[&cross.pem, &new.pem], [&new.pem, &cross.pem]] {
        let text = with(&[rest[0], &leaf.pem, rest[1], &between.pem, &old.pem, &leaf.key]);
        let identity = identity(&text).unwrap();
        let names = [HOST, "Intermediate", "New Root", "Old Root", "New Root"];
        assert_eq!(order(&identity), names);
        let tls = load(&text).unwrap();
        for root in [&old, &new] {
            let sent = sent(&tls, root.store());
            assert_eq!(sent[2..], ders(&with(&[&cross.pem, &old.pem, &new.pem])));
        }
        let sorted = findings(&text, None, &new.pem);
        assert!(matches!(&sorted[..], [Finding::Sorted { .. }]), "{sorted:?}");
    }
}

#[test]
fn of_two_with_one_name_the_identifier_decides() {
    let root = Authority::root("Root");
    let (right, wrong) = (root.below("Intermediate"), root.below("Intermediate"));
    let leaf = right.leaf(HOST);
    for rest in [[&right.pem, &wrong.pem], [&wrong.pem, &right.pem]] {
        let error = load(with(&[&leaf.pem, rest[0], rest[1], &leaf.key])).unwrap_err();
        assert!(
            error.to_string().ends_with("are CN=Intermediate"),
            "the other one is no part of the chain: {error}"
        );
    }
}

#[test]
fn of_two_with_one_name_and_no_identifier_the_signature_decides() {
    let root = Authority::root("Root");
    let (right, wrong) = (root.below("Intermediate"), root.below("Intermediate"));
    let leaf = right.leaf_with(&key(), HOST, |params| {
        params.use_authority_key_identifier_extension = false;
    });
    for rest in [[&right.pem, &wrong.pem], [&wrong.pem, &right.pem]] {
        let text = with(&[&leaf.pem, rest[0], rest[1], &leaf.key]);
        let first = identity(&text).unwrap().chain().nth(1).unwrap().clone();
        let expected = identity(with(&[&leaf.pem, &right.pem, &leaf.key])).unwrap();
        assert_eq!(Some(&first), expected.chain().nth(1));
        let tls = load(&text).unwrap();
        assert_eq!(sent(&tls, root.store())[1], ders(&right.pem)[0]);
        assert!(!findings(&text, None, &root.pem).iter().any(Finding::is_warning));
    }
}

#[test]
fn of_two_with_one_name_and_key_the_later_one() {
    let root = Authority::root("Root");
    let shared = key();
    let until = |year| {
        let shared = copy(&shared);
        root.below_with("Intermediate", shared, |params| {
            params.not_after = rcgen::date_time_ymd(year, 1, 1);
        })
    };
    let (old, new) = (until(2020), until(2090));
    let leaf = new.leaf(HOST);
    for rest in [[&old.pem, &new.pem], [&new.pem, &old.pem]] {
        let text = with(&[&leaf.pem, rest[0], rest[1], &leaf.key]);
        let sent = sent(&load(&text).unwrap(), root.store());
        assert_eq!(sent[1], ders(&new.pem)[0], "a renewed intermediate goes first");
        assert!(!findings(&text, None, &root.pem).iter().any(Finding::is_warning));
    }
}

#[test]
fn authorities_that_signed_each_other() {
    let (key_a, key_b) = (key(), key());
    let (a, b) = (Authority::root_with("A", copy(&key_a)), Authority::root_with("B", copy(&key_b)));
    let (a_by_b, b_by_a) =
        (b.below_with("A", copy(&key_a), |_| {}), a.below_with("B", copy(&key_b), |_| {}));
    let leaf = a.leaf(HOST);
    let text = with(&[&b_by_a.pem, &leaf.pem, &a_by_b.pem, &leaf.key]);
    assert_eq!(order(&identity(&text).unwrap()), [HOST, "A", "B"]);
    let tls = load(&text).unwrap();
    for root in [&a, &b] {
        Client::trusting(root.store()).connect(tls.config()).unwrap();
    }
}

#[test]
fn a_leaf_named_as_its_issuer() {
    // As some appliances make them: the authority has the host's name, too.
    let root = Authority::root(HOST);
    let leaf = root.leaf_with(&key(), HOST, |params| {
        params.use_authority_key_identifier_extension = false;
    });
    let text = with(&[&root.pem, &leaf.pem, &leaf.key]);
    let tls = load(&text).unwrap();
    assert_eq!(sent(&tls, root.store()), ders(&with(&[&leaf.pem, &root.pem])));
    let found = findings(&text, None, &root.pem);
    assert!(matches!(&found[..], [Finding::Sorted { .. }]), "{found:?}");
}

#[test]
fn a_maze_of_one_name_has_an_end() {
    // Each could have signed each, as far as names tell.
    let mut authority = Authority::root("Maze");
    let mut text = String::new();
    for _ in 0..400 {
        authority = authority.below_with("Maze", key(), |params| {
            params.use_authority_key_identifier_extension = false;
        });
        text += &authority.pem;
    }
    let leaf = authority.leaf_with(&key(), HOST, |params| {
        params.use_authority_key_identifier_extension = false;
    });
    let found = findings(with(&[&text, &leaf.pem, &leaf.key]), None, "");
    assert!(found.iter().any(Finding::is_warning), "nobody vouches for it: {found:?}");
}

#[test]
fn hostile_names_are_harmless() {
    let root = Authority::root("Root");
    let leaf = root.leaf_with(&key(), "x", |params| {
        let forged = format!("\u{1b}[31m\r\nWARN forged{}", "y".repeat(5000));
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, forged);
        params.distinguished_name.push(DnType::CommonName, "Alice");
    });
    let identity = identity(with(&[&leaf.pem, &leaf.key])).unwrap();
    let name = identity.certificate().name();
    assert_eq!(name.chars().count(), 200);
    assert!(name.starts_with("O=[31mWARN forgedyyy") && name.ends_with("yyy, CN=Alice"), "{name}");
    assert!(!name.chars().any(char::is_control), "{name:?}");
}
