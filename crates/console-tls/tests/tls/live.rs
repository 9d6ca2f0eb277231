//! New files while the server runs.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use console_tls::{ClientCertificates, Tls};
use tokio::time::{Instant, sleep};

use crate::handshake::Client;
use crate::rig::{Authority, Files, Leaf, settings};
use crate::watched::{Rig, both, rewrite, swap_link, until};

#[tokio::test(start_paused = true)]
async fn rewritten_in_place_and_renamed_over() {
    let rig = Rig::one_file();
    let path = rig.files.path("all.pem");
    assert_eq!(rig.served(), "first");
    rewrite(&path, &both(&rig.root.leaf("second")));
    rig.until("second").await;
    let new = rig.files.write("new.pem", both(&rig.root.leaf("third")));
    fs::rename(new, &path).unwrap();
    rig.until("third").await;
    assert_eq!(rig.complaints(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_link_is_swapped() {
    let rig = Rig::new(|files, root| {
        files.write("1.pem", both(&root.leaf("first")));
        let link = files.path("current.pem");
        symlink("1.pem", &link).unwrap();
        settings(&link)
    });
    rig.files.write("2.pem", both(&rig.root.leaf("second")));
    swap_link(&rig.files.path("current.pem"), "2.pem");
    rig.until("second").await;
}

#[tokio::test(start_paused = true)]
async fn kubernetes() {
    let place = |files: &Files, version: &str, leaf: &Leaf| {
        fs::create_dir(files.path(version)).unwrap();
        files.write(&format!("{version}/tls.crt"), &leaf.pem);
        files.write(&format!("{version}/tls.key"), &leaf.key);
    };
    let rig = Rig::new(|files, root| {
        place(files, "..2026_01", &root.leaf("first"));
        symlink("..2026_01", files.path("..data")).unwrap();
        symlink("..data/tls.crt", files.path("tls.crt")).unwrap();
        symlink("..data/tls.key", files.path("tls.key")).unwrap();
        let mut settings = settings(&files.path("tls.crt"));
        settings.key = Some(files.path("tls.key"));
        settings
    });
    place(&rig.files, "..2026_02", &rig.root.leaf("second"));
    swap_link(&rig.files.path("..data"), "..2026_02");
    fs::remove_dir_all(rig.files.path("..2026_01")).unwrap();
    rig.until("second").await;
    assert_eq!(rig.complaints(), [""; 0]);
}

/// `live/` with links to `archive/`, and the version that they point to.
fn certbot(files: &Files, version: u32, leaf: &Leaf) {
    let _ = fs::create_dir(files.path("archive"));
    files.write(&format!("archive/fullchain{version}.pem"), &leaf.pem);
    files.write(&format!("archive/privkey{version}.pem"), &leaf.key);
}

fn certbot_rig() -> Rig {
    Rig::new(|files, root| {
        certbot(files, 1, &root.leaf("first"));
        fs::create_dir(files.path("live")).unwrap();
        let links = ["fullchain", "privkey"].map(|name| {
            let link = files.path(&format!("live/{name}.pem"));
            symlink(format!("../archive/{name}1.pem"), &link).unwrap();
            link
        });
        let [cert, key] = links;
        let mut settings = settings(&cert);
        settings.key = Some(key);
        settings
    })
}

#[tokio::test(start_paused = true)]
async fn certbot_changes_one_link_after_the_other() {
    let rig = certbot_rig();
    certbot(&rig.files, 2, &rig.root.leaf("second"));
    swap_link(&rig.files.path("live/privkey.pem"), "../archive/privkey2.pem");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(rig.served(), "first");
    swap_link(&rig.files.path("live/fullchain.pem"), "../archive/fullchain2.pem");
    rig.until("second").await;
    assert_eq!(rig.complaints(), [""; 0], "what was in between was not looked at");
}

#[tokio::test(start_paused = true)]
async fn a_slow_certbot_is_waited_for() {
    let rig = certbot_rig();
    certbot(&rig.files, 2, &rig.root.leaf("second"));
    swap_link(&rig.files.path("live/privkey.pem"), "../archive/privkey2.pem");
    rig.settle().await;
    assert_eq!(rig.served(), "first");
    let complaints = rig.complaints();
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert!(complaints[0].contains("fits no certificate in"), "{complaints:?}");
    swap_link(&rig.files.path("live/fullchain.pem"), "../archive/fullchain2.pem");
    rig.until("second").await;
    assert_eq!(rig.complaints().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn asked_for_it_does_not_wait() {
    let rig = Rig::one_file();
    sleep(Duration::from_millis(100)).await;
    rig.files.write("all.pem", both(&rig.root.leaf("second")));
    let before = Instant::now();
    rig.asked.notify_one();
    while rig.served() != "second" {
        assert!(before.elapsed() < Duration::from_secs(1), "that is the poll, not the request");
        sleep(Duration::from_millis(10)).await;
    }
    // Half of a file, on request: the rest is taken up by itself.
    let text = both(&rig.root.leaf("third"));
    rewrite(&rig.files.path("all.pem"), &text[..text.len() - 100]);
    rig.asked.notify_one();
    until("a complaint", || rig.complaints().len() == 1).await;
    rewrite(&rig.files.path("all.pem"), &text);
    rig.until("third").await;
    assert_eq!(rig.complaints().len(), 1);
    // Asked for the same bad file again, the answer is given again.
    rewrite(&rig.files.path("all.pem"), "junk");
    rig.settle().await;
    rig.asked.notify_one();
    rig.settle().await;
    assert_eq!(rig.complaints().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_clients_authority_changes() {
    let people = [Authority::root("Old People"), Authority::root("New People")];
    let rig = Rig::new(|files, root| {
        let mut settings = settings(&files.write("all.pem", both(&root.leaf("first"))));
        let ca = files.write("people.pem", &people[0].pem);
        settings.clients = Some(ClientCertificates { ca, required: true });
        settings
    });
    let is_let_in = |authority: &Authority| {
        let client = Client::trusting(rig.root.store()).showing(&authority.leaf("Alice"));
        client.connect(rig.tls.config()).is_ok()
    };
    assert!(is_let_in(&people[0]) && !is_let_in(&people[1]));
    rewrite(&rig.files.path("people.pem"), &people[1].pem);
    until("the new authority", || is_let_in(&people[1])).await;
    assert!(!is_let_in(&people[0]));
    rewrite(&rig.files.path("people.pem"), "junk");
    rig.settle().await;
    assert!(is_let_in(&people[1]));
    assert_eq!(rig.complaints().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn old_connections_go_on() {
    let rig = Rig::one_file();
    let mut old = Client::trusting(rig.root.store()).connect(rig.tls.config()).unwrap();
    rewrite(&rig.files.path("all.pem"), &both(&rig.root.leaf("second")));
    rig.until("second").await;
    old.speak();
}

#[test]
fn reloads_fail_no_handshake() {
    let root = Authority::root("Root");
    let files = Files::new();
    let leaves = [both(&root.leaf("first")), both(&root.leaf("second"))];
    let path = files.write("all.pem", &leaves[0]);
    let tls = Tls::load(settings(&path)).unwrap();
    let (done, shaken) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let client = Client::trusting(root.store());
                for _ in 0..100 {
                    client.connect(tls.config()).unwrap();
                    shaken.fetch_add(1, Ordering::Relaxed);
                }
                done.store(true, Ordering::Relaxed);
            });
        }
        // Two at once, and files that are half-written in between.
        for _ in 0..2 {
            scope.spawn(|| {
                for leaf in leaves.iter().cycle() {
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                    fs::write(&path, leaf).unwrap();
                    tls.reload();
                }
            });
        }
    });
    assert_eq!(shaken.into_inner(), 400);
}
