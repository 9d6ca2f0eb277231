//! What goes wrong with another hypervisor: each fault has its code in its time, other hosts do not notice, and what is back works again without
//! a restart of the proxy.

use std::time::{Duration, Instant};

use harness::websocket::Client;
use harness::{Bed, Guest, Proxy, Remote, Result};
use uuid::Uuid;

use crate::PATIENCE;
use crate::remote::{SSH, TCP, TLS, line, login, password, ssh, with_remote};

/// The proxy's bound for a lookup in these tests, in seconds; what fails at once must not take so long.
const LOOKUP: &str = "lookup_timeout = 2";

/// What a session may take that ends in a time-out of 2 s: generous, since only a hang is looked for.
const BOUND: Duration = Duration::from_secs(20);

/// A guest of this machine, which must go on whatever happens to the other one, and one of the other.
fn guests(bed: &Bed, remote: &Remote) -> Result<(Guest, Guest)> {
    let anywhere = harness::Console::Vnc {
        listen: harness::Listen::Address("::".into()),
        password: None,
        websocket: false,
    };
    Ok((bed.guest("near").start()?, remote.guest("far").console(anywhere).start()?))
}

pub(crate) async fn open(proxy: &Proxy, host: u64, guest: Uuid) -> Result<Client> {
    Client::open(proxy.address(), &format!("/?token={host}-{guest}"), &[]).await
}

pub(crate) async fn opens(proxy: &Proxy, host: u64, guest: Uuid) -> Result<bool> {
    // A refusal begins with the same 12 bytes, so what follows decides: QEMU waits for our version.
    let mut client = open(proxy, host, guest).await?;
    client.send(harness::websocket::Message::binary(&b"RFB 003.008\n"[..])).await?;
    Ok(client.read(13).await?[12] != 0)
}

/// The code of a session that fails, which it must within [`BOUND`].
pub(crate) async fn fails(proxy: &Proxy, host: u64, guest: Uuid) -> Result<u16> {
    let start = Instant::now();
    let closed = open(proxy, host, guest).await?.closed().await?;
    assert!(start.elapsed() < BOUND, "{:?}", start.elapsed());
    Ok(closed.code)
}

/// It works again by itself: the pause after a failure may still have to pass.
pub(crate) async fn recovers(proxy: &Proxy, host: u64, guest: Uuid) -> Result<()> {
    let start = Instant::now();
    while !opens(proxy, host, guest).await? {
        assert!(start.elapsed() < PATIENCE, "host {host} did not come back:\n{}", proxy.log());
    }
    Ok(())
}

#[tokio::test]
async fn refused_credentials_are_told_at_once_in_libvirts_words() -> Result<()> {
    let bed = Bed::start()?;
    let remote = bed.remote()?;
    let (near, far) = guests(&bed, &remote)?;
    let nobody_known = bed.dir().join("no_known_hosts");
    std::fs::write(&nobody_known, "")?;
    let (v4, stranger) = (remote.v4(), remote.stranger_pki().display());
    let proxy = bed
        .proxy()
        .setting("lookup_timeout = 20")
        .host_with(
            2,
            &[
                line("connection", "tcp"),
                line("hostname", v4),
                login(),
                line("password", "wr0ng-one"),
            ],
        )
        .host_with(3, &[line("connection", "tcp"), line("hostname", v4)])
        .host_with(
            4,
            &[
                line("connection", "tls"),
                line("hostname", v4),
                login(),
                password(&remote),
                line("uri", format!("qemu+tls://{v4}/system?pkipath={stranger}")),
            ],
        )
        .host_with(5, &ssh(&remote, &nobody_known.display().to_string()))
        .start()?;
    for (host, words) in [
        (2, "authentication failed"),
        (3, "authentication failed"),
        (4, "Unable to read TLS confirmation"),
        (5, "host key"),
    ] {
        let before = proxy.log().len();
        let start = Instant::now();
        assert_eq!(fails(&proxy, host, far.uuid()).await?, 4503, "host {host}");
        assert!(start.elapsed() < Duration::from_secs(15), "not at once: {:?}", start.elapsed());
        let log = proxy.log();
        let said = &log[before..];
        assert!(said.contains(words) && said.contains("remedy"), "host {host}: {said}");
    }
    assert!(opens(&proxy, 1, near.uuid()).await?);
    let log = proxy.log();
    for secret in ["wr0ng-one", remote.password()] {
        assert!(!log.contains(secret), "{log}");
    }
    Ok(())
}

#[tokio::test]
async fn a_libvirtd_that_hangs_or_dies_is_found_again() -> Result<()> {
    let bed = Bed::start()?;
    let mut remote = bed.remote()?;
    let (near, far) = guests(&bed, &remote)?;
    let proxy = with_remote(bed.proxy(), &remote).setting(LOOKUP).start()?;
    for host in [TCP, TLS, SSH] {
        assert!(opens(&proxy, host, far.uuid()).await?, "{host}:\n{}", proxy.log());
    }
    // A session that is open does not notice either.
    let mut running = open(&proxy, TCP, far.uuid()).await?;
    running.read(12).await?;

    remote.libvirtd_mut().pause()?;
    for host in [TCP, TLS, SSH] {
        assert_eq!(fails(&proxy, host, far.uuid()).await?, 4503, "host {host}");
        assert!(opens(&proxy, 1, near.uuid()).await?);
    }
    remote.libvirtd_mut().resume()?;
    for host in [TCP, TLS, SSH] {
        recovers(&proxy, host, far.uuid()).await?;
    }

    remote.libvirtd_mut().kill()?;
    for host in [TCP, TLS, SSH] {
        assert_eq!(fails(&proxy, host, far.uuid()).await?, 4503, "host {host}");
        assert!(opens(&proxy, 1, near.uuid()).await?);
    }
    remote.libvirtd_mut().revive()?;
    for host in [TCP, TLS, SSH] {
        recovers(&proxy, host, far.uuid()).await?;
    }
    running.send(harness::websocket::Message::binary(&b"RFB 003.008\n"[..])).await?;
    assert_ne!(running.read(1).await?, [0]);
    Ok(())
}

#[tokio::test]
async fn a_host_that_vanishes_ends_in_time_outs_and_is_found_again() -> Result<()> {
    let bed = Bed::start()?;
    let mut remote = bed.remote()?;
    let (near, far) = guests(&bed, &remote)?;
    let proxy =
        with_remote(bed.proxy(), &remote).setting(LOOKUP).setting("connect_timeout = 1").start()?;
    // Known before it goes, and not known at all.
    assert!(opens(&proxy, TCP, far.uuid()).await?);
    remote.unplug()?;
    for host in [TCP, TLS, SSH, TCP] {
        assert_eq!(fails(&proxy, host, far.uuid()).await?, 4503, "host {host}");
        assert!(opens(&proxy, 1, near.uuid()).await?);
    }
    remote.plug()?;
    for host in [TCP, TLS, SSH] {
        recovers(&proxy, host, far.uuid()).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_qemu_that_is_killed_ends_its_session_and_its_successor_is_found() -> Result<()> {
    let bed = Bed::start()?;
    let remote = bed.remote()?;
    let (near, far) = guests(&bed, &remote)?;
    let proxy = with_remote(bed.proxy(), &remote).start()?;
    let mut session = open(&proxy, TCP, far.uuid()).await?;
    session.read(12).await?;
    far.kill()?;
    let closed = session.closed().await?;
    assert!([1000, 4502].contains(&closed.code), "{closed:?}");
    assert_eq!(fails(&proxy, TCP, far.uuid()).await?, 4409);
    assert!(opens(&proxy, 1, near.uuid()).await?);
    far.start()?;
    assert!(opens(&proxy, TCP, far.uuid()).await?, "{}", proxy.log());
    Ok(())
}
