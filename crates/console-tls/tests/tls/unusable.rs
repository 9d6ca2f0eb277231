//! New files that cannot be used, while the server runs.

use std::fs;
use std::time::Duration;

use console_tls::ClientCertificates;
use rcgen::{CertificateParams, date_time_ymd};
use tokio::time::sleep;

use crate::handshake::Client;
use crate::rig::{key, settings};
use crate::watched::{Rig, both, rewrite, until};

#[tokio::test(start_paused = true)]
async fn a_bad_file_is_told_once_and_changes_nothing() {
    let rig = Rig::one_file();
    let path = rig.files.path("all.pem");
    let good = both(&rig.root.leaf("second"));
    for (number, bad) in ["", "junk", &good[..good.len() / 2], &good.replace("PRIVATE", "PUBLIC")]
        .into_iter()
        .enumerate()
    {
        rewrite(&path, bad);
        until("a complaint", || rig.complaints().len() > number).await;
        rig.settle().await;
        assert_eq!(rig.complaints().len(), number + 1, "{:?}", rig.complaints());
        assert_eq!(rig.served(), "first");
    }
    assert!(rig.complaints()[0].contains("is not a PEM file: it is empty"));
    assert!(rig.complaints()[0].contains("remedy=\"write PEM there: the certificate"));
    rewrite(&path, &good);
    rig.until("second").await;
}

#[tokio::test(start_paused = true)]
async fn a_removed_file_and_its_return() {
    let rig = Rig::one_file();
    let path = rig.files.path("all.pem");
    fs::remove_file(&path).unwrap();
    rig.settle().await;
    let complaints = rig.complaints();
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert!(complaints[0].contains("cannot be read: No such file or directory"), "{complaints:?}");
    assert_eq!(rig.served(), "first");
    rig.files.write("all.pem", both(&rig.root.leaf("second")));
    rig.until("second").await;
}

#[tokio::test(start_paused = true)]
async fn one_for_later_is_taken_when_its_time_comes() {
    let rig = Rig::one_file();
    let after = std::time::SystemTime::now() + Duration::from_secs(3);
    let leaf = rig.root.leaf_with(&key(), "second", |params: &mut CertificateParams| {
        params.not_before = after.into();
    });
    rewrite(&rig.files.path("all.pem"), &both(&leaf));
    until("a complaint", || rig.complaints().len() == 1).await;
    assert_eq!(rig.served(), "first");
    // Certificates go by the world's clock.
    let bound = std::time::Instant::now() + Duration::from_secs(20);
    while !is_second(&rig) {
        assert!(std::time::Instant::now() < bound);
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(rig.complaints().len(), 1, "{:?}", rig.complaints());
}

/// Nobody would look for the second fault, where the first one went away by itself.
#[tokio::test(start_paused = true)]
async fn what_is_found_behind_a_fault_that_passes_is_told_too() {
    let rig = Rig::new(|files, root| {
        let mut settings = settings(&files.write("all.pem", both(&root.leaf("first"))));
        let ca = files.write("people.pem", &root.pem);
        settings.clients = Some(ClientCertificates { ca, required: false });
        settings
    });
    let after = std::time::SystemTime::now() + Duration::from_secs(3);
    let leaf = rig.root.leaf_with(&key(), "second", |params: &mut CertificateParams| {
        params.not_before = after.into();
    });
    rewrite(&rig.files.path("people.pem"), "junk");
    rewrite(&rig.files.path("all.pem"), &both(&leaf));
    until("a complaint", || rig.complaints().len() == 1).await;
    assert!(rig.complaints()[0].contains("is not valid before"), "{:?}", rig.complaints());
    let bound = std::time::Instant::now() + Duration::from_secs(20);
    while rig.complaints().len() == 1 {
        assert!(std::time::Instant::now() < bound);
        sleep(Duration::from_secs(1)).await;
    }
    rig.settle().await;
    assert_eq!(rig.complaints().len(), 2, "{:?}", rig.complaints());
    assert!(rig.complaints()[1].contains("cannot be used to check clients' certificates"));
    assert_eq!(rig.served(), "first");
}

/// A certificate of the next second is refused by the client of this one.
fn is_second(rig: &Rig) -> bool {
    let shaken = Client::trusting(rig.root.store()).connect(rig.tls.config());
    shaken.is_ok_and(|shaken| console_tls::subject(&shaken.chain()[0]).unwrap() == "CN=second")
}

#[tokio::test(start_paused = true)]
async fn an_old_certificate_is_told_of_once() {
    let rig = Rig::new(|files, root| {
        let until = std::time::SystemTime::now() + Duration::from_secs(2);
        let leaf = root.leaf_with(&key(), "short-lived", |params| params.not_after = until.into());
        settings(&files.write("all.pem", both(&leaf)))
    });
    let told =
        || rig.logs.lines("short-lived").iter().filter(|line| line.contains("expired at")).count();
    let bound = std::time::Instant::now() + Duration::from_secs(20);
    while told() == 0 {
        assert!(std::time::Instant::now() < bound);
        sleep(Duration::from_secs(1)).await;
    }
    rig.settle().await;
    assert_eq!(told(), 1);
    // A new file that has expired as well does not take its place.
    let late =
        rig.root.leaf_with(&key(), "late", |params| params.not_after = date_time_ymd(2024, 1, 1));
    rewrite(&rig.files.path("all.pem"), &both(&late));
    rig.settle().await;
    let complaints = rig.complaints();
    assert_eq!(complaints.len(), 1);
    assert!(complaints[0].contains("expired at 2024-01-01 00:00 UTC"), "{complaints:?}");
}
