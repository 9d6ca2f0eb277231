//! How a chain is put in order, and what belongs to none.

use rcgen::KeyPair;

use crate::rig::{Chain, load, names, root, server, server_params, under, under_with};

fn sorted(blocks: &[&String]) -> Result<Vec<String>, String> {
    let folder = tempfile::tempdir().unwrap();
    match load(folder.path(), blocks.iter().map(|block| block.as_str()).collect::<String>(), None) {
        Ok(identity) => Ok(names(&identity)),
        Err(error) => Err(error.to_string().replace(&format!("{}/", folder.path().display()), "")),
    }
}

#[test]
fn a_long_chain_is_sorted_without_its_root_too() {
    let key = KeyPair::generate().unwrap();
    let top = root("Root");
    let (a, b, c);
    a = under(&top, "A");
    b = under(&a, "B");
    c = under(&b, "C");
    let own = server(&c, &key);
    assert_eq!(
        sorted(&[&a.pem(), &c.pem(), &own, &b.pem(), &key.serialize_pem()]).unwrap(),
        ["CN=own", "CN=C", "CN=B", "CN=A"]
    );
}

#[test]
fn a_root_signed_by_another_root_keeps_both_ways() {
    let key = KeyPair::generate().unwrap();
    let (old, new) = (root("Old"), root("New"));
    let new_key = KeyPair::from_pem(&new.key().serialize_pem()).unwrap();
    let crossed = under_with(&old, "New", new_key);
    let between = under(&new, "Between");
    let own = server(&between, &key);
    let key = key.serialize_pem();
    // The way that leads further comes first, the other's end last.
    assert_eq!(
        sorted(&[&new.pem(), &key, &old.pem(), &crossed.pem(), &own, &between.pem()]).unwrap(),
        ["CN=own", "CN=Between", "CN=New", "CN=Old", "CN=New"]
    );
    assert_eq!(
        sorted(&[&crossed.pem(), &own, &between.pem(), &key]).unwrap(),
        ["CN=own", "CN=Between", "CN=New"]
    );
}

#[test]
fn of_two_issuers_with_one_name_the_key_decides() {
    let key = KeyPair::generate().unwrap();
    let top = root("Root");
    let (first, second) = (under(&top, "Between"), under(&top, "Between"));
    let own = server(&second, &key);
    let key = key.serialize_pem();
    for blocks in
        [[&own, &first.pem(), &second.pem(), &key], [&own, &second.pem(), &first.pem(), &key]]
    {
        // The other one is nobody's issuer here.
        let refused = sorted(&blocks).unwrap_err();
        assert_eq!(
            refused,
            "cert.pem cannot be put in order: not in the chain of CN=own are CN=Between"
        );
    }
    assert_eq!(sorted(&[&second.pem(), &own, &key]).unwrap(), ["CN=own", "CN=Between"]);
}

#[test]
fn what_belongs_to_no_chain_is_named() {
    let chain = Chain::new();
    let (stranger, other) = (root("Stranger").pem(), root("Other").pem());
    let refused = sorted(&[&stranger, &chain.own, &chain.key, &other]).unwrap_err();
    assert_eq!(
        refused,
        "cert.pem cannot be put in order: not in the chain of CN=own are CN=Stranger; CN=Other"
    );
    // Its link is missing.
    let refused = sorted(&[&chain.own, &chain.key, &chain.root.pem()]).unwrap_err();
    assert_eq!(refused, "cert.pem cannot be put in order: not in the chain of CN=own are CN=Root");
}

#[test]
fn two_certificates_for_one_key_are_both_named() {
    let key = KeyPair::generate().unwrap();
    let top = root("Root");
    let old = server(&top, &key);
    let mut params = server_params(&["console.example.org"]);
    params.distinguished_name.push(rcgen::DnType::OrganizationName, "renewed");
    let new = params.signed_by(&key, &top).unwrap().pem();
    let refused = sorted(&[&old, &new, &key.serialize_pem()]).unwrap_err();
    assert_eq!(
        refused,
        "cert.pem has two certificates that could be the server's own: CN=own; CN=own, O=renewed"
    );
}

#[test]
fn authorities_that_sign_each_other_end() {
    let key = KeyPair::generate().unwrap();
    let (a, b) = (root("A"), root("B"));
    let a_by_b = under_with(&b, "A", KeyPair::from_pem(&a.key().serialize_pem()).unwrap());
    let b_by_a = under_with(&a, "B", KeyPair::from_pem(&b.key().serialize_pem()).unwrap());
    let own = server(&a, &key);
    let found = sorted(&[&own, &a_by_b.pem(), &b_by_a.pem(), &key.serialize_pem()]).unwrap();
    assert_eq!(found, ["CN=own", "CN=A", "CN=B"]);
}
