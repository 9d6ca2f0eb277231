//! Many consoles in one SSH connection: none loses a byte, none waits for another, none is left behind.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use anyhow::Context as _;
use console_backend::{Backend, OpenError, Opener, SshError, SshHost, SshLimits, SshStep};
use console_route::Route;
use futures_util::future::{join_all, try_join_all};
use harness::Result;
use harness::process::Usage;
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::PATIENCE;
use crate::ssh_rig::{Rig, ask_for, check, echo, pattern, quick, to_socket, until};

/// No keep-alive: it would wake up, and hide, a connection that had missed something.
fn no_tick() -> SshLimits {
    SshLimits { keepalive_interval: Duration::from_secs(3600), ..SshLimits::default() }
}

/// How many connections a server has taken so far.
fn logins(log: &str) -> usize {
    log.matches("Accepted publickey").count()
}

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
    assert_eq!(rig.open.load(Relaxed), 100);
    try_join_all(consoles.iter_mut().map(|console| echo(console, b"hello"))).await?;
    assert_eq!(logins(&server.log()), 2, "{}", server.log());
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

/// The way to a TCP port through `host`.
fn to_port(host: &SshHost, at: SocketAddr) -> Result<Route<Arc<SshHost>>> {
    let (via, port) = (Arc::new(host.clone()), at.port().try_into()?);
    Ok(Route::SshTcp { via, host: at.ip().to_string(), port })
}

/// A console that nobody reads is paused: the others go on, it costs no more than its buffers, and when it is read again it is all there.
#[tokio::test]
async fn a_stalled_console_holds_up_nobody_and_loses_nothing() -> Result<()> {
    const FLOOD: usize = 32 * MIB;
    let mut rig = Rig::start().await?;
    let server = rig.remote.ssh_server("")?;
    let route = rig.route(&rig.host(&server)?)?;
    let opener = Opener::new(PATIENCE, no_tick());
    let mut stalled = try_join_all((0..4).map(|_| opener.open(&route))).await?;
    for console in &mut stalled {
        ask_for(console, FLOOD).await?;
    }
    let mut busy = opener.open(&route).await?;
    let before = Usage::of(rustix::process::getpid())?.resident;
    for _ in 0..3 {
        ask_for(&mut busy, FLOOD).await?;
        check(&mut busy, 0, FLOOD).await?;
        echo(&mut busy, b"key").await?;
    }
    // Four windows, what is on the way, and the allocator's own.
    let grown = Usage::of(rustix::process::getpid())?.resident.saturating_sub(before);
    assert!(grown < 24 * MIB as u64, "{grown} bytes");
    // New ones open beside them, and the other direction of a stalled one is free.
    echo(&mut opener.open(&route).await?, b"new").await?;
    for console in &mut stalled {
        check(console, 0, FLOOD).await?;
        echo(console, b"still here").await?;
    }
    assert_eq!(logins(&server.log()), 1);
    Ok(())
}

/// Each console gets its turn while others are flooded.
#[tokio::test]
async fn small_things_get_through_between_floods() -> Result<()> {
    let mut rig = Rig::start().await?;
    let server = rig.remote.ssh_server("")?;
    let route = rig.route(&rig.host(&server)?)?;
    let opener = Opener::new(PATIENCE, no_tick());
    let mut floods = try_join_all((0..4).map(|_| opener.open(&route))).await?;
    let mut small = opener.open(&route).await?;
    for console in &mut floods {
        ask_for(console, 256 * MIB).await?;
    }
    let flooding = floods.iter_mut().map(|console| check(console, 0, 256 * MIB));
    let typing = async {
        for _ in 0..100 {
            echo(&mut small, b"key").await?;
        }
        Ok(())
    };
    // The floods are not over by then.
    tokio::select! {
        typed = typing => typed,
        _ = try_join_all(flooding) => panic!("a hundred keys took longer than a GiB"),
    }
}

/// The server exchanges keys anew after each MiB, in the middle of floods in both directions.
#[tokio::test(flavor = "multi_thread")]
async fn new_keys_in_the_middle_of_a_flood() -> Result<()> {
    const FLOOD: usize = 24 * MIB;
    let mut rig = Rig::start().await?;
    let server = rig.remote.ssh_server("RekeyLimit 1M\nLogLevel DEBUG1")?;
    let route = rig.route(&rig.host(&server)?)?;
    let opener = Opener::new(PATIENCE, no_tick());
    let consoles = try_join_all((0..4).map(|_| opener.open(&route))).await?;
    let floods = consoles.into_iter().enumerate().map(|(number, mut console)| async move {
        if number % 2 == 0 {
            ask_for(&mut console, FLOOD).await?;
            check(&mut console, 0, FLOOD).await?;
        } else {
            console.write_all(format!("C{FLOOD:012}").as_bytes()).await?;
            for done in (0..FLOOD).step_by(MIB) {
                timeout(PATIENCE, console.write_all(&pattern(done, MIB))).await??;
            }
            let mut answer = [0; 5];
            timeout(PATIENCE, console.read_exact(&mut answer)).await??;
            assert_eq!(&answer, b"right");
        }
        echo(&mut console, b"hello").await
    });
    try_join_all(floods).await?;
    let exchanges = server.log().matches("rekey in after").count();
    assert!(exchanges > 20, "{exchanges} exchanges");
    assert_eq!(logins(&server.log()), 1);
    Ok(())
}

/// Both ways of ending a direction reach the other end, after the last byte.
#[tokio::test]
async fn each_direction_ends_by_itself() -> Result<()> {
    let mut rig = Rig::start().await?;
    let server = rig.remote.ssh_server("")?;
    let route = rig.route(&rig.host(&server)?)?;
    let opener = Opener::new(PATIENCE, SshLimits::default());
    let mut console = opener.open(&route).await?;
    ask_for(&mut console, MIB).await?;
    console.shutdown().await?;
    check(&mut console, 0, MIB).await?;
    let mut rest = Vec::new();
    timeout(PATIENCE, console.read_to_end(&mut rest)).await??;
    assert!(rest.is_empty(), "{rest:?}");
    assert!(console.write_all(b"late").await.is_err());
    rig.all_gone().await;
    Ok(())
}

/// Whoever writes and leaves has written, as on a socket.
#[tokio::test]
async fn the_last_bytes_of_a_session_that_leaves_arrive() -> Result<()> {
    let mut rig = Rig::start().await?;
    let server = rig.remote.ssh_server("")?;
    let route = rig.route(&rig.host(&server)?)?;
    let opener = Opener::new(PATIENCE, no_tick());
    for (round, length) in [100, 64 * 1024, 3 * MIB].into_iter().enumerate() {
        let mut console = opener.open(&route).await?;
        console.write_all(format!("C{length:012}").as_bytes()).await?;
        timeout(PATIENCE, console.write_all(&pattern(0, length))).await??;
        drop(console);
        until("the last bytes", || rig.right.load(Relaxed) == round + 1).await;
    }
    rig.all_gone().await;
    Ok(())
}

/// Consoles come and go at random, in the middle of whatever they do; then nothing is left.
#[tokio::test(flavor = "multi_thread")]
async fn a_minute_of_coming_and_going() -> Result<()> {
    let mut rig = Rig::start().await?;
    let server = rig.remote.ssh_server("RekeyLimit 16M")?;
    let route = rig.route(&rig.host(&server)?)?;
    let limits = SshLimits { channels_per_connection: 8, ..no_tick() };
    let opener = Arc::new(Opener::new(PATIENCE, limits));
    echo(&mut opener.open(&route).await?, b"hello").await?;
    let end = tokio::time::Instant::now() + Duration::from_secs(60);
    let before = Usage::of(rustix::process::getpid())?.resident;
    let workers = (0..12_u64).map(|worker| {
        let (opener, route) = (opener.clone(), route.clone());
        async move {
            let mut dice = worker.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut roll = move |sides: u64| {
                dice ^= dice << 13;
                dice ^= dice >> 7;
                dice ^= dice << 17;
                dice % sides
            };
            let mut opened = 0;
            while tokio::time::Instant::now() < end {
                let Ok(console) =
                    timeout(Duration::from_millis(1 + roll(200)), opener.open(&route)).await
                else {
                    // Given up while it was opened.
                    continue;
                };
                let mut console = console?;
                opened += 1;
                match roll(5) {
                    0 => {}
                    1 => ask_for(&mut console, 8 * MIB).await?,
                    2 => {
                        let length = usize::try_from(roll(2_000_000))?;
                        ask_for(&mut console, length).await?;
                        check(&mut console, 0, length).await?;
                    }
                    3 => console.write_all(&vec![b'x'; usize::try_from(roll(300_000))?]).await?,
                    _ => {
                        echo(
                            &mut console,
                            &pattern(7, 100)
                                .repeat(10)
                                .iter()
                                .map(|byte| byte | 0x80)
                                .collect::<Vec<_>>(),
                        )
                        .await?
                    }
                }
            }
            Result::<u64>::Ok(opened)
        }
    });
    let opened: u64 = join_all(workers).await.into_iter().sum::<Result<u64>>()?;
    assert!(opened > 300, "only {opened}");
    rig.all_gone().await;
    let grown = Usage::of(rustix::process::getpid())?.resident.saturating_sub(before);
    assert!(grown < 48 * MIB as u64, "{grown} bytes");
    assert!(logins(&server.log()) <= 3, "{}", server.log());
    echo(&mut opener.open(&route).await?, b"hello").await?;
    Ok(())
}

/// A connection ends when nobody has needed it for a while, and the next console gets a new one.
#[tokio::test]
async fn an_idle_connection_is_closed_and_opened_again() -> Result<()> {
    let mut rig = Rig::start().await?;
    let server = rig.remote.ssh_server("")?;
    let route = rig.route(&rig.host(&server)?)?;
    let opener =
        Opener::new(PATIENCE, SshLimits { idle_timeout: Duration::from_millis(300), ..quick() });
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

/// A server works on one request at a time (libssh2's rule), so one that takes long would hold up those behind it.
#[tokio::test]
async fn a_console_that_does_not_answer_holds_up_no_other() -> Result<()> {
    let mut rig = Rig::start().await?;
    let server = rig.remote.ssh_server("")?;
    let host = rig.host(&server)?;
    let route = rig.route(&host)?;
    // Its queue is full, so who connects waits, as at a machine that drops what it gets.
    let deaf = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    deaf.bind(&SocketAddr::from((rig.remote.near_v4(), 0)).into())?;
    deaf.listen(0)?;
    let at = deaf.local_addr()?.as_socket().context("an address")?;
    let fill = (0..4).map(|_| timeout(Duration::from_millis(200), TcpStream::connect(at)));
    let _held = join_all(fill).await;
    let deaf_route = to_port(&host, at)?;
    let limits = SshLimits { channel_timeout: Duration::from_secs(4), ..SshLimits::default() };
    let opener = Opener::new(PATIENCE, limits);
    let mut first = opener.open(&route).await?;
    let others = async {
        // It is under way by now.
        sleep(Duration::from_millis(100)).await;
        let mut consoles = try_join_all((0..5).map(|_| opener.open(&route))).await?;
        try_join_all(consoles.iter_mut().map(|console| echo(console, b"hello"))).await?;
        echo(&mut first, b"still here").await
    };
    let (late, others) = tokio::join!(opener.open(&deaf_route), others);
    let Err(OpenError::Ssh { source, .. }) = late else { panic!("it answered") };
    assert!(matches!(*source, SshError::TimedOut { step: SshStep::Channel, .. }), "{source}");
    others?;
    opener.close().await;
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

const MIB: usize = 1024 * 1024;
