//! Logins and passwords: the test driver asks for them as SASL does.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::io::Write;
use std::net::TcpListener;

use console_libvirt::{Endpoint, Libvirt, LibvirtSettings, LookupError};
use uuid::Uuid;

const WEB: Uuid = Uuid::from_u128(0x0a000000_0000_4000_8000_000000000001);

/// A test driver's node that wants `tester` with `s3cret`.
fn guarded_node() -> (tempfile::NamedTempFile, Endpoint) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(
        file,
        "<node><auth><user password='s3cret'>tester</user></auth>\
         <domain type='test'><name>web-1</name><uuid>{WEB}</uuid><memory>1024</memory><os><type>hvm</type></os></domain></node>"
    )
    .unwrap();
    let uri = format!("test://{}", file.path().display());
    (file, Endpoint::new(uri))
}

#[tokio::test]
async fn the_right_password_opens_and_a_wrong_one_is_refused_in_libvirts_words() {
    let libvirt = Libvirt::new(LibvirtSettings::default());
    let (_file, node) = guarded_node();
    let with = |login: &str, password: &str| {
        node.clone().with_password(Some(login.into()), password.into())
    };
    let right = libvirt.domain_xml(&with("tester", "s3cret"), WEB).await;
    assert!(right.unwrap().contains("web-1"));
    for (login, password) in [("tester", "wr0ng"), ("stranger", "s3cret"), ("tester", "")] {
        let error = libvirt.domain_xml(&with(login, password), WEB).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains("authentication failed"), "{text}");
        assert!(!text.contains("s3cret") && !text.contains("wr0ng"), "{text}");
        assert!(error.remedy().unwrap().contains("login and password"), "{error:?}");
    }
    // Nobody to ask.
    let error = libvirt.domain_xml(&node, WEB).await.unwrap_err();
    assert!(error.remedy().unwrap().contains("login and password"), "{error:?}");
}

#[tokio::test]
async fn a_password_in_a_malformed_uri_is_not_repeated() {
    let libvirt = Libvirt::new(LibvirtSettings::default());
    for uri in ["qemu+tcp://root:s3cret@[bad/system", "qemu+tcp://root:s3cret@hv 1/system"] {
        let error = libvirt.domain_xml(&uri.into(), WEB).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains("root@") && !text.contains("s3cret"), "{text}");
    }
}

#[tokio::test]
async fn nothing_that_listens_is_said_at_once_and_not_tried_again_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let libvirt = Libvirt::new(LibvirtSettings::default());
    let endpoint = Endpoint::new("test:///default").listening_on("127.0.0.1", port);
    let error = libvirt.domain_xml(&endpoint, WEB).await.unwrap_err();
    assert!(matches!(error, LookupError::Silent { .. }), "{error:?}");
    assert!(
        error.to_string().contains(&format!("127.0.0.1:{port}: Connection refused")),
        "{error}"
    );
    // It listens now, but the pause has just begun; once that is over it is found.
    let _listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    assert_eq!(libvirt.domain_xml(&endpoint, WEB).await, Err(error));
    let found = async {
        while let Err(LookupError::Silent { .. }) = libvirt.domain_xml(&endpoint, WEB).await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), found).await.unwrap();
    let answer = libvirt.domain_xml(&endpoint, WEB).await;
    assert!(matches!(answer, Err(LookupError::NoSuchDomain { .. })), "{answer:?}");
}
