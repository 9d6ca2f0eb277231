//! What stays behind: nothing. Alone in its file, and so in its process, because it counts the process's threads.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::io::Write;
use std::time::{Duration, Instant};

use console_libvirt::{Libvirt, LibvirtSettings};
use uuid::Uuid;

const WEB: Uuid = Uuid::from_u128(0x0a000000_0000_4000_8000_000000000001);

/// Threads of this process with this name (at most 15 characters are kept).
fn workers() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|name| name.starts_with("libvirt-worker"))
        .count()
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn dropping_ends_the_threads_and_lookups_leak_no_descriptors() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "<node><domain type='test'><name>x</name><uuid>{WEB}</uuid><memory>1024</memory><os><type>hvm</type></os></domain></node>").unwrap();
    let uri = format!("test://{}", file.path().display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut first = None;
    let libvirt = Libvirt::new(LibvirtSettings::default());
    runtime.block_on(async {
        for _ in 0..1000 {
            libvirt.domain_xml(&uri.as_str().into(), WEB).await.unwrap();
            first.get_or_insert_with(descriptors);
        }
    });
    assert_eq!(workers(), 1);
    assert_eq!(descriptors(), first.unwrap());
    drop(libvirt);
    let deadline = Instant::now() + Duration::from_secs(20);
    while workers() > 0 && Instant::now() < deadline {
        std::thread::yield_now();
    }
    assert_eq!(workers(), 0);
}
