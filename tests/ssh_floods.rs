//! Consoles of one SSH connection under load: none loses a byte, and none waits for another.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use console_backend::{Opener, SshLimits};
use futures_util::future::{join_all, try_join_all};
use harness::Result;
use harness::process::Usage;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::PATIENCE;
use crate::ssh_rig::{
    MIB, Rig, ask_for, check, echo, logins, no_tick, pattern, pieces, to_port, until,
};

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
    // Four windows, the other one, and what grows beside them.
    let grown = Usage::of(rustix::process::getpid())?.resident.saturating_sub(before);
    assert!(grown < 4 * MIB as u64, "{grown} bytes");
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
    // Once the console has gone for good, who still writes is told.
    let gone = TcpListener::bind((rig.remote.near_v4(), 0)).await?;
    let route = to_port(&rig.host(&server)?, gone.local_addr()?)?;
    let (console, accepted) = tokio::join!(opener.open(&route), gone.accept());
    let mut console = console?;
    drop(accepted?);
    timeout(PATIENCE, console.read_to_end(&mut rest)).await??;
    timeout(PATIENCE, async {
        while console.write_all(b"anybody there?").await.is_ok() {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await?;
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

/// Also where the console itself has nothing more to say, and where it is slow; but one that takes nothing is not waited for.
#[tokio::test]
async fn a_console_that_takes_nothing_is_left_in_time() -> Result<()> {
    let mut rig = Rig::start().await?;
    let server = rig.remote.ssh_server("LogLevel DEBUG2")?;
    let console = TcpListener::bind((rig.remote.near_v4(), 0)).await?;
    let route = to_port(&rig.host(&server)?, console.local_addr()?)?;
    let opener = Opener::new(PATIENCE, no_tick());
    for reads in [true, false] {
        let (session, accepted) = tokio::join!(opener.open(&route), console.accept());
        let (mut session, (mut console, _)) = (session?, accepted?);
        console.shutdown().await?;
        timeout(PATIENCE, session.read_to_end(&mut Vec::new())).await??;
        // Until all that is between them is full.
        let (chunk, mut written) = (vec![b'x'; 64 * 1024], 0);
        while let Ok(count) = timeout(Duration::from_secs(3), session.write(&chunk)).await {
            written += count?;
        }
        drop(session);
        let mut taken = Vec::new();
        if reads {
            timeout(PATIENCE, console.read_to_end(&mut taken)).await??;
            assert_eq!(taken.len(), written);
        } else {
            // Ours; the first one closed, too.
            until("the channel to be closed", || server.log().matches("rcvd close").count() == 2)
                .await;
            timeout(PATIENCE, console.read_to_end(&mut taken)).await??;
            assert!(taken.len() < written, "nothing was left out");
        }
    }
    Ok(())
}

/// A network may cut what it carries anywhere: in the middle of a packet, of its length, of a login; and take little at a time.
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_and_goes_in_small_pieces_is_whole() -> Result<()> {
    let mut rig = Rig::start().await?;
    let server = rig.remote.ssh_server("RekeyLimit 300K")?;
    let relay = TcpListener::bind((rig.remote.near_v4(), 0)).await?;
    let mut host = rig.host(&server)?;
    host.host_key_alias = Some(host.hostname.clone());
    host.hostname = rig.remote.near_v4().to_string();
    host.port = relay.local_addr()?.port().try_into()?;
    let to = (rig.remote.v4(), server.port());
    tokio::spawn(async move {
        let (near, _) = relay.accept().await?;
        let far = TcpStream::connect(to).await?;
        near.set_nodelay(true)?;
        let ((mut near_read, mut near_write), (mut far_read, mut far_write)) =
            (near.into_split(), far.into_split());
        tokio::spawn(async move { pieces(&mut near_read, &mut far_write).await });
        pieces(&mut far_read, &mut near_write).await
    });
    let opener = Opener::new(PATIENCE, no_tick());
    let mut console = opener.open(&rig.route(&host)?).await?;
    echo(&mut console, b"hello").await?;
    ask_for(&mut console, MIB).await?;
    check(&mut console, 0, MIB).await?;
    console.write_all(format!("C{MIB:012}").as_bytes()).await?;
    timeout(PATIENCE, console.write_all(&pattern(0, MIB))).await??;
    let mut answer = [0; 5];
    timeout(PATIENCE, console.read_exact(&mut answer)).await??;
    assert_eq!(&answer, b"right");
    Ok(())
}

/// Consoles come and go at random, in the middle of whatever they do; then nothing is left.
#[tokio::test(flavor = "multi_thread")]
async fn a_minute_of_coming_and_going() -> Result<()> {
    let mut rig = Rig::start().await?;
    let server = rig.remote.ssh_server("RekeyLimit 16M")?;
    let route = rig.route(&rig.host(&server)?)?;
    // Room for all of them, and more for those whose end the server has yet to agree to; places that got lost would soon be missed.
    let limits = SshLimits { channels_per_connection: 8, connections_per_host: 4, ..no_tick() };
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
    // None of them broke.
    assert!(logins(&server.log()) <= 4, "{}", server.log());
    echo(&mut opener.open(&route).await?, b"hello").await?;
    Ok(())
}
