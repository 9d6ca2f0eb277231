//! libvirt daemons that restart, hang, or are behind SSH.

use std::time::Duration;

use harness::websocket::Client;
use harness::{Bed, Proxy, ProxyBuilder, Result, Sshd, wait};

async fn opens(proxy: &Proxy, uuid: uuid::Uuid) -> Result<()> {
    let path = format!("/?token=1-{uuid}");
    let mut client = Client::open(proxy.address(), &path, &[]).await?;
    let banner = client.read(12).await;
    let banner =
        banner.map_err(|error| wait::with_log(&error, "webvirtmgr-console", &proxy.log()))?;
    assert_eq!(banner, b"RFB 003.008\n");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_libvirtd_costs_no_console() -> Result<()> {
    let mut bed = Bed::start()?;
    let guest = bed.guest("survivor").start()?;
    let proxy = bed.proxy().arg("-v").start()?;
    opens(&proxy, guest.uuid()).await?;
    let running = Client::open(proxy.address(), &format!("/?token=1-{}", guest.uuid()), &[]).await;
    let mut running = running?;
    running.read(12).await?;
    bed.libvirtd_mut().restart()?;
    opens(&proxy, guest.uuid()).await?;
    assert_eq!(proxy.log().matches("connected to libvirt").count(), 2, "{}", proxy.log());
    // A session that was open does not notice.
    running.send(harness::websocket::Message::binary(&b"RFB 003.008\n"[..])).await?;
    assert_eq!(running.read(2).await?, b"\x01\x01");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_libvirtd_that_hangs_ends_in_its_time_out_after_the_101() -> Result<()> {
    let mut bed = Bed::start()?;
    let guest = bed.guest("patient").start()?;
    let proxy = bed.proxy().setting("lookup_timeout = 1").start()?;
    opens(&proxy, guest.uuid()).await?;
    let threads = proxy.usage()?.threads;
    bed.libvirtd_mut().pause()?;
    let path = format!("/?token=1-{}", guest.uuid());
    for _ in 0..8 {
        // Opening waits for the 101 only: it comes while libvirtd says nothing.
        let mut client = Client::open(proxy.address(), &path, &[]).await?;
        let closed = client.closed().await?;
        assert_eq!(closed.code, 4503, "{closed:?}");
    }
    // Hanging calls are abandoned, but not without a bound.
    assert!(proxy.usage()?.threads <= threads + 3, "{:?}, {threads} before", proxy.usage()?);
    bed.libvirtd_mut().resume()?;
    let answers = async {
        loop {
            if opens(&proxy, guest.uuid()).await.is_ok() {
                return;
            }
        }
    };
    tokio::time::timeout(crate::PATIENCE, answers).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn libvirt_is_asked_through_a_real_ssh_server() -> Result<()> {
    let bed = Bed::start()?;
    let guest = bed.guest("via-ssh").start()?;
    let sshd = Sshd::start(bed.dir())?;
    let socket = bed.libvirtd().dir().join("run/libvirt-sock");
    let uri = format!(
        "qemu+ssh://root@{}/system?command={}&socket={}&proxy=netcat",
        sshd.address(),
        sshd.client().display(),
        socket.display()
    );
    let proxy = ProxyBuilder::new(bed.dir()).host(1, "ssh", &uri).start()?;
    opens(&proxy, guest.uuid()).await?;
    opens(&proxy, guest.uuid()).await?;
    assert_eq!(sshd.connections(), 1, "one connection is kept for all");
    // An unknown host key ends in libvirt's own words.
    std::fs::write(sshd.known_hosts(), "")?;
    let proxy = ProxyBuilder::new(bed.dir()).host(1, "ssh", &uri).start()?;
    let path = format!("/?token=1-{}", guest.uuid());
    let closed = Client::open(proxy.address(), &path, &[]).await?.closed().await?;
    assert_eq!(closed.code, 4503);
    proxy.wait_for_log("Host key verification failed", Duration::from_secs(5))
}
