//! Lookups against libvirt's in-process test driver, and against daemons that do not behave.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use console_libvirt::{Endpoint, Libvirt, LibvirtSettings, LookupError, MAX_ABANDONED};
use futures_util::future::join_all;
use uuid::Uuid;

const WEB: Uuid = Uuid::from_u128(0x0a000000_0000_4000_8000_000000000001);

fn quick() -> Libvirt {
    Libvirt::new(LibvirtSettings {
        timeout: Duration::from_millis(400),
        ..LibvirtSettings::default()
    })
}

/// A test driver's node with one domain.
fn node() -> (tempfile::NamedTempFile, Endpoint) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(
        file,
        "<node><domain type='test'><name>web-1</name><uuid>{WEB}</uuid><memory>1024</memory><os><type>hvm</type></os>\
         <devices><graphics type='vnc' port='5907' listen='127.0.0.1' passwd='hidden'/></devices></domain></node>"
    )
    .unwrap();
    let uri = Endpoint::new(format!("test://{}", file.path().display()));
    (file, uri)
}

#[tokio::test]
async fn finds_a_domain_and_says_which_it_does_not_know() {
    let libvirt = Libvirt::new(LibvirtSettings::default());
    let (_file, uri) = node();
    let xml = libvirt.domain_xml(&uri, WEB).await.unwrap();
    assert!(xml.contains("port='5907'") && xml.contains("id='1'"), "{xml}");
    assert!(!xml.contains("hidden"), "passwords are not asked for");
    let error = libvirt.domain_xml(&uri, Uuid::nil()).await.unwrap_err();
    assert!(matches!(error, LookupError::NoSuchDomain { .. }), "{error:?}");
    assert!(error.remedy().is_some());
}

#[tokio::test]
async fn keeps_libvirts_own_words() {
    let libvirt = Libvirt::new(LibvirtSettings::default());
    for (uri, words) in [
        ("test:///nonexistent/node.xml", "failed to parse xml document"),
        (
            "qemu+unix:///system?socket=/nonexistent/libvirt-sock",
            "Failed to connect socket to '/nonexistent/libvirt-sock'",
        ),
    ] {
        let error = libvirt.domain_xml(&uri.into(), WEB).await.unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, LookupError::Unreachable { .. }), "{error:?}");
        assert!(text.to_lowercase().contains(&words.to_lowercase()), "{text}");
        assert!(!text.contains("socket=/"), "parameters are not shown: {text}");
    }
}

/// Accepts connections, counts them, keeps them open and says nothing, as a stopped daemon does.
fn silent_daemon() -> (Endpoint, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let uri = Endpoint::new(format!("qemu+tcp://127.0.0.1:{port}/system"));
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = accepted.clone();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept() {
            count.fetch_add(1, Relaxed);
            held.push(stream);
        }
    });
    (uri, accepted)
}

#[tokio::test]
async fn a_daemon_that_hangs_costs_a_time_out_and_a_bounded_number_of_threads() {
    let (uri, accepted) = silent_daemon();
    let libvirt = quick();
    // All at once: one connection is opened, all end in time.
    let start = Instant::now();
    for answer in join_all((0..200).map(|_| libvirt.domain_xml(&uri, WEB))).await {
        let error = answer.unwrap_err();
        assert!(matches!(error, LookupError::TimedOut { .. }), "{error:?}");
    }
    assert!(start.elapsed() < Duration::from_secs(10), "the time-out is 0.4 s");
    assert_eq!(accepted.load(Relaxed), 1);
    // One after the other: each finds the last one hanging, until there are enough of them.
    let mut refused_at_once = false;
    for _ in 0..MAX_ABANDONED + 2 {
        refused_at_once |=
            matches!(libvirt.domain_xml(&uri, WEB).await, Err(LookupError::Hanging { .. }));
    }
    assert!(refused_at_once);
    assert_eq!(accepted.load(Relaxed), MAX_ABANDONED + 1);
    // Other hosts do not notice.
    let (_file, good) = node();
    assert!(Libvirt::new(LibvirtSettings::default()).domain_xml(&good, WEB).await.is_ok());
}

/// Accepts one connection after the other and closes it at once.
#[tokio::test]
async fn a_failed_attempt_answers_all_who_waited_for_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let uri = Endpoint::new(format!("qemu+tcp://127.0.0.1:{port}/system"));
    let (attempts, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(std::sync::Barrier::new(2)));
    let (count, wait) = (attempts.clone(), gate.clone());
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            if count.fetch_add(1, Relaxed) == 0 {
                wait.wait();
            }
            drop(stream);
        }
    });
    let libvirt = Libvirt::new(LibvirtSettings::default());
    let mut waiting = Box::pin(join_all((0..100).map(|_| libvirt.domain_xml(&uri, WEB))));
    // Polled once, all of them have entered the queue; only then the attempt may fail.
    assert!(futures_util::poll!(&mut waiting).is_pending());
    tokio::task::spawn_blocking(move || gate.wait()).await.unwrap();
    for answer in waiting.await {
        assert!(matches!(answer, Err(LookupError::Unreachable { .. })), "{answer:?}");
    }
    assert_eq!(attempts.load(Relaxed), 1, "each of those who waited tried anew");
}

#[tokio::test]
async fn a_request_that_is_dropped_is_withdrawn() {
    let (uri, _) = silent_daemon();
    let libvirt = quick();
    for _ in 0..2 * console_libvirt::MAX_WAITING {
        let request = libvirt.domain_xml(&uri, WEB);
        let polled = futures_util::poll!(std::pin::pin!(request));
        assert!(
            !matches!(polled, std::task::Poll::Ready(Err(LookupError::Busy { .. }))),
            "requests that nobody waits for fill the queue"
        );
    }
}
