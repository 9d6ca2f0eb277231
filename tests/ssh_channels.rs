//! Many consoles over few SSH connections: when one is opened, shared, closed, and what it takes and gives back.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use console_backend::{Backend, OpenError, Opener, SshError, SshLimits};
use futures_util::future::try_join_all;
use harness::Result;
use harness::process::Usage;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

use crate::PATIENCE;
use crate::ssh_rig::{
    MIB, Rig, ask_for, check, echo, logins, no_tick, quick, to_port, to_socket, until,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_consoles_share_two_connections() -> Result<()> {
    let mut rig = Rig::start().await?;
    let server = rig.remote.ssh_server("")?;
    let host = rig.host(&server)?;
    let opener = Opener::new(PATIENCE, SshLimits::default());
    let (by_tcp, socket) = (rig.route(&host)?, rig.socket("many.sock")?);
    let by_socket = to_socket(&host, &socket);
    // All at once, so that all of them ask for the first connection.
    let opened =
        (0..100).map(|number| opener.open(if number % 2 == 0 { &by_tcp } else { &by_socket }));
    let mut consoles: Vec<Backend> = try_join_all(opened).await?;
    until("100 to be there", || rig.open.load(Relaxed) == 100).await;
    try_join_all(consoles.iter_mut().map(|console| echo(console, b"hello"))).await?;
    assert_eq!(logins(&server.log()), 2, "{}", server.log());
    // Not one more that came to nothing.
    assert_eq!(server.log().matches("Connection from").count(), 2, "{}", server.log());
    // The places of those that go are taken again.
    consoles.truncate(20);
    until("80 to be gone", || rig.open.load(Relaxed) == 20).await;
    let more = try_join_all((0..80).map(|_| opener.open(&by_tcp))).await?;
    assert_eq!(logins(&server.log()), 2, "{}", server.log());
    // Here is the end, said so that it can be understood.
    let narrow =
        SshLimits { channels_per_connection: 2, connections_per_host: 2, ..SshLimits::default() };
    let few = Opener::new(PATIENCE, narrow);
    let _four = try_join_all((0..4).map(|_| few.open(&by_tcp))).await?;
    let Err(OpenError::Ssh { source, .. }) = few.open(&by_tcp).await else { panic!("a fifth") };
    assert!(matches!(*source, SshError::Full { connections: 2, channels: 2, .. }), "{source}");
    drop((consoles, more));
    opener.close().await;
    few.close().await;
    rig.all_gone().await;
    Ok(())
}

/// sshd counts neither kind of channel as a session (sshd_config(5), MaxSessions).
#[tokio::test]
async fn the_servers_limit_of_sessions_is_none_of_consoles() -> Result<()> {
    let mut rig = Rig::start().await?;
    let server = rig.remote.ssh_server("MaxSessions 1")?;
    let route = rig.route(&rig.host(&server)?)?;
    let opener = Opener::new(PATIENCE, SshLimits::default());
    let mut consoles = try_join_all((0..10).map(|_| opener.open(&route))).await?;
    try_join_all(consoles.iter_mut().map(|console| echo(console, b"hello"))).await?;
    let none = rig.remote.ssh_server("MaxSessions 0")?;
    rig.attempt(&rig.host(&none)?, SshLimits::default()).await??;
    Ok(())
}

#[tokio::test]
async fn forbidden_tunnels_and_closed_consoles_are_told_apart() -> Result<()> {
    let mut rig = Rig::start().await?;
    let closed = TcpListener::bind((rig.remote.near_v4(), 0)).await?.local_addr()?;
    let socket = rig.socket("open.sock")?;
    let missing = rig.bed.dir().join("missing.sock");
    for (options, tcp, unix) in [
        ("", true, true),
        ("AllowTcpForwarding no", false, false),
        ("AllowStreamLocalForwarding no", true, false),
        ("DisableForwarding yes", false, false),
        ("PermitOpen none", false, false),
    ] {
        let server = rig.remote.ssh_server(options)?;
        let host = rig.host(&server)?;
        let opener = Opener::new(PATIENCE, SshLimits::default());
        let tcp_route = rig.route(&host)?;
        match opener.open(&tcp_route).await {
            Ok(mut console) if tcp => echo(&mut console, b"hello").await?,
            Err(OpenError::Ssh { source, .. }) if !tcp => {
                assert!(matches!(*source, SshError::Forbidden { .. }), "{options}: {source}");
                assert!(source.remedy().contains("AllowTcpForwarding"), "{}", source.remedy());
            }
            other => panic!("{options}: {other:?}"),
        }
        match opener.open(&to_socket(&host, &socket)).await {
            Ok(mut console) if unix => echo(&mut console, b"hello").await?,
            // OpenSSH says the same of a socket that is forbidden, missing or not for the login.
            Err(OpenError::Ssh { source, .. }) if !unix => {
                assert!(matches!(*source, SshError::Refused { is_socket: true, .. }), "{source}");
                assert!(
                    source.remedy().contains("AllowStreamLocalForwarding"),
                    "{}",
                    source.remedy()
                );
            }
            other => panic!("{options}: {other:?}"),
        }
        if tcp {
            let (closed, missing) = (to_port(&host, closed)?, to_socket(&host, &missing));
            for (route, expected) in [(closed, false), (missing, true)] {
                let Err(OpenError::Ssh { source, .. }) = opener.open(&route).await else {
                    panic!("{route} opened")
                };
                let is_refused =
                    matches!(*source, SshError::Refused { is_socket, .. } if is_socket == expected);
                assert!(is_refused, "{source}");
            }
        }
        opener.close().await;
    }
    Ok(())
}

/// A connection ends when nobody has needed it for a while, and the next console gets a new one.
#[tokio::test]
async fn an_idle_connection_is_closed_and_opened_again() -> Result<()> {
    let mut rig = Rig::start().await?;
    let server = rig.remote.ssh_server("")?;
    let route = rig.route(&rig.host(&server)?)?;
    let opener =
        Opener::new(PATIENCE, SshLimits { idle_timeout: Duration::from_millis(300), ..no_tick() });
    for round in 1..=3 {
        let mut console = opener.open(&route).await?;
        // A console keeps it, however quiet it is.
        sleep(Duration::from_secs(1)).await;
        echo(&mut console, b"hello").await?;
        drop(console);
        until("the connection's end", || {
            server.log().matches("Received disconnect").count() == round
        })
        .await;
        assert_eq!(logins(&server.log()), round);
    }
    Ok(())
}

/// A connection is given up for the server's silence, not for the consoles'.
#[tokio::test]
async fn quiet_and_unread_consoles_outlive_many_keep_alives() -> Result<()> {
    let mut rig = Rig::start().await?;
    let server = rig.remote.ssh_server("LogLevel DEBUG1")?;
    let probes = || server.log().matches("keepalive@").count();
    let route = rig.route(&rig.host(&server)?)?;
    // After 3 s, and one without an answer is enough.
    let limits = SshLimits { keepalive_interval: Duration::from_secs(3), ..quick() };
    let opener = Opener::new(PATIENCE, limits);
    let mut quiet = opener.open(&route).await?;
    // One that is heard of needs no probe.
    for _ in 0..20 {
        echo(&mut quiet, b"busy").await?;
        sleep(Duration::from_millis(400)).await;
    }
    assert_eq!(probes(), 0, "{}", server.log());
    let mut unread = opener.open(&route).await?;
    ask_for(&mut unread, 8 * MIB).await?;
    sleep(Duration::from_secs(7)).await;
    assert!((1..=3).contains(&probes()), "{}", server.log());
    echo(&mut quiet, b"hello").await?;
    check(&mut unread, 0, 8 * MIB).await?;
    assert_eq!(logins(&server.log()), 1, "{}", server.log());
    opener.close().await;
    Ok(())
}

/// QEMU speaks first, and its first bytes may come together with the server's consent.
#[tokio::test]
async fn a_console_that_speaks_first_is_heard() -> Result<()> {
    let mut rig = Rig::start().await?;
    let server = rig.remote.ssh_server("")?;
    let host = rig.host(&server)?;
    let listener = TcpListener::bind((rig.remote.near_v4(), 0)).await?;
    let route = to_port(&host, listener.local_addr()?)?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                stream.write_all(b"RFB 003.008\n").await?;
                stream.read_to_end(&mut Vec::new()).await
            });
        }
    });
    let opener = Opener::new(PATIENCE, no_tick());
    for _ in 0..300 {
        let mut console = opener.open(&route).await?;
        let mut first = [0; 12];
        timeout(PATIENCE, console.read_exact(&mut first)).await??;
        assert_eq!(&first, b"RFB 003.008\n");
    }
    Ok(())
}

/// What a connection takes it gives back.
#[tokio::test]
async fn fifty_connections_leave_nothing_behind() -> Result<()> {
    let mut rig = Rig::start().await?;
    let server = rig.remote.ssh_server("")?;
    let host = rig.host(&server)?;
    let route = rig.route(&host)?;
    let once = async |is_orderly: bool| -> Result<()> {
        let opener = Opener::new(PATIENCE, SshLimits::default());
        let mut consoles = try_join_all((0..3).map(|_| opener.open(&route))).await?;
        for console in &mut consoles {
            // Some of it is never read.
            ask_for(console, MIB).await?;
            check(console, 0, 1000).await?;
        }
        if is_orderly {
            opener.close().await;
        }
        Ok(())
    };
    for _ in 0..10 {
        once(true).await?;
    }
    rig.all_gone().await;
    let us = rustix::process::getpid();
    let before = Usage::of(us)?;
    for round in 0..50 {
        once(round % 2 == 0).await?;
    }
    rig.all_gone().await;
    until("the descriptors to be closed", || {
        Usage::of(us).is_ok_and(|now| now.descriptors <= before.descriptors)
    })
    .await;
    let grown = Usage::of(us)?.resident.saturating_sub(before.resident);
    assert!(grown < 8 * MIB as u64, "{grown} bytes");
    Ok(())
}
