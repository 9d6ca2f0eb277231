//! What a diagnosis asks: who a libvirt is, whom it has, and which passwords its consoles want.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::io::Write;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use console_libvirt::{Endpoint, Libvirt, LibvirtSettings, LookupError};
use secrecy::ExposeSecret;
use uuid::Uuid;

const WEB: Uuid = Uuid::from_u128(0x0a000000_0000_4000_8000_000000000001);

/// A test driver's node with these domains.
fn node(domains: &[(&str, u128, &str)]) -> (tempfile::NamedTempFile, Endpoint) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "<node>").unwrap();
    for (name, uuid, state) in domains {
        let uuid = Uuid::from_u128(*uuid);
        write!(
            file,
            "<domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'><name>{name}</name><uuid>{uuid}</uuid>\
             <memory>1024</memory><os><type>hvm</type></os><devices><graphics type='vnc' port='5907' listen='127.0.0.1' \
             passwd='hidden' passwdValidTo='2030-01-02T03:04:05'/></devices>{state}</domain>"
        )
        .unwrap();
    }
    write!(file, "</node>").unwrap();
    let uri = Endpoint::new(format!("test://{}", file.path().display()));
    (file, uri)
}

#[tokio::test]
async fn tells_who_it_is_and_how_far_away() {
    let libvirt = Libvirt::new(LibvirtSettings::default());
    let start = Instant::now();
    let about = libvirt.about(&"test:///default".into()).await.unwrap();
    let all = start.elapsed();
    let library = virt::connect::Connect::version().unwrap();
    let number = |version: console_libvirt::Version| {
        version.major * 1_000_000 + version.minor * 1_000 + version.release
    };
    assert_eq!(number(about.library), library);
    // The driver is the library's own, and so is its version.
    assert_eq!(about.daemon, Some(about.library));
    assert_eq!(about.hypervisor.to_lowercase(), "test");
    assert_eq!(about.hypervisor_version.unwrap().to_string(), "0.0.2");
    let mut name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    name.truncate(name.trim_end().len());
    // libvirt may have made a full name of it.
    assert!(about.hostname.starts_with(name.split('.').next().unwrap()), "{about:?}");
    // It is one part of what the whole took.
    assert!(about.round_trip < all, "{about:?} in {all:?}");
}

#[tokio::test]
async fn lists_who_runs_who_is_paused_and_who_is_off_by_name() {
    let libvirt = Libvirt::new(LibvirtSettings::default());
    // The test driver's states are virDomainState: 3 paused, 5 shut off.
    let state = |number: u32| format!("<test:runstate>{number}</test:runstate>");
    let (paused, off) = (state(3), state(5));
    let (_file, uri) =
        node(&[("web", 3, ""), ("db", 1, &paused), ("mail", 2, &off), ("Zope", 4, "")]);
    let listed = libvirt.domains(&uri).await.unwrap();
    let listed: Vec<_> = listed
        .iter()
        .map(|one| (one.name.as_str(), one.uuid.as_u128(), one.is_active, one.is_paused))
        .collect();
    assert_eq!(
        listed,
        [
            ("Zope", 4, true, false),
            ("db", 1, true, true),
            ("mail", 2, false, false),
            ("web", 3, true, false)
        ]
    );
    let (_file, empty) = node(&[]);
    assert_eq!(libvirt.domains(&empty).await.unwrap(), []);
}

#[tokio::test]
async fn passwords_are_told_to_who_asks_for_them_and_printed_to_nobody() {
    let libvirt = Libvirt::new(LibvirtSettings::default());
    let (_file, uri) = node(&[("web", WEB.as_u128(), "")]);
    let secret = libvirt.domain_xml_with_passwords(&uri, WEB).await.unwrap();
    let xml = secret.expose_secret();
    assert!(xml.contains("passwd='hidden'") && xml.contains("2030-01-02T03:04:05"), "{xml}");
    assert!(!format!("{secret:?}").contains("hidden"));
    // Over the same connection everybody else still gets none.
    let xml = libvirt.domain_xml(&uri, WEB).await.unwrap();
    assert!(xml.contains("port='5907'") && !xml.contains("hidden"), "{xml}");
    let unknown = libvirt.domain_xml_with_passwords(&uri, Uuid::nil()).await;
    assert!(matches!(unknown, Err(LookupError::NoSuchDomain { .. })), "{unknown:?}");
}

#[tokio::test]
async fn every_question_fails_as_a_lookup_does() {
    // However slow this machine is at the moment.
    let hour = Duration::from_secs(60 * 60);
    let patient = LibvirtSettings { timeout: hour, ..LibvirtSettings::default() };
    let libvirt = Libvirt::new(patient);
    let nobody = Endpoint::new("qemu+unix:///system?socket=/nonexistent/libvirt-sock");
    let error = libvirt.about(&nobody).await.unwrap_err();
    assert!(matches!(error, LookupError::Unreachable { .. }), "{error:?}");
    // The pause after that attempt holds for all of them, and the attempt after it has the same words.
    assert_eq!(libvirt.domains(&nobody).await, Err(error.clone()));
    assert_eq!(libvirt.domain_xml(&nobody, WEB).await, Err(error));

    // Accepts and says nothing, however long one waits.
    let libvirt = Libvirt::new(LibvirtSettings {
        timeout: Duration::from_millis(400),
        ..LibvirtSettings::default()
    });
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let silent = Endpoint::new(format!("qemu+tcp://127.0.0.1:{port}/system"));
    let (about, domains, xml) = tokio::join!(
        libvirt.about(&silent),
        libvirt.domains(&silent),
        libvirt.domain_xml_with_passwords(&silent, WEB),
    );
    for error in [about.unwrap_err(), domains.unwrap_err(), xml.unwrap_err()] {
        assert!(matches!(error, LookupError::TimedOut { .. }), "{error:?}");
    }
}
