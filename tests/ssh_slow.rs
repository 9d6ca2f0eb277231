//! Consoles that do not answer, behind servers that do: libssh2 can have one request for a channel under way, and it may take minutes.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use anyhow::bail;
use console_backend::{OpenError, Opener, SshError, SshLimits, SshStep};
use futures_util::future::{join_all, try_join_all};
use harness::Result;
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixListener;
use tokio::time::{sleep, timeout};

use crate::PATIENCE;
use crate::ssh_rig::{Rig, echo, logins, quick, to_port, to_socket, until};

/// A server works on one request at a time (libssh2's rule), so one that takes long would hold up those behind it.
#[tokio::test]
async fn a_console_that_does_not_answer_holds_up_no_other() -> Result<()> {
    let mut rig = Rig::start().await?;
    let server = rig.remote.ssh_server("")?;
    let host = rig.host(&server)?;
    let route = rig.route(&host)?;
    let deaf = rig.deaf().await?;
    let deaf_route = to_port(&host, deaf.address)?;
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

/// libssh2's own patience is a minute, after which it would take the whole connection for dead; the server's kernel tries for two.
#[tokio::test]
async fn a_console_that_never_answers_holds_up_one_connection_and_ends_none() -> Result<()> {
    let mut rig = Rig::start().await?;
    let server = rig.remote.ssh_server("")?;
    let host = rig.host(&server)?;
    let route = rig.route(&host)?;
    let deaf = rig.deaf().await?;
    let deaf_route = to_port(&host, deaf.address)?;
    let limits = SshLimits { idle_timeout: Duration::from_secs(8), ..quick() };
    let opener = Opener::new(PATIENCE, limits);
    let mut first = opener.open(&route).await?;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(66) {
        // As often as a person, or a script, may try.
        let late = join_all((0..3).map(|_| opener.open(&deaf_route)));
        for late in timeout(PATIENCE, late).await? {
            let Err(OpenError::Ssh { source, .. }) = late else { panic!("it answered") };
            assert!(matches!(*source, SshError::TimedOut { step: SshStep::Channel, .. }));
        }
        echo(&mut first, b"still here").await?;
        echo(&mut opener.open(&route).await?, b"new").await?;
    }
    // One more is opened where a loaded machine is slow.
    let connections = logins(&server.log());
    assert!((2..=4).contains(&connections), "{}", server.log());
    // What nobody waits for keeps no connection open.
    drop(first);
    let ends = || server.log().matches("Received disconnect").count();
    until("the connections to end", || ends() == connections).await;
    Ok(())
}

#[tokio::test]
async fn one_that_answers_opens_among_many_that_do_not() -> Result<()> {
    let mut rig = Rig::start().await?;
    let server = rig.remote.ssh_server("")?;
    let host = rig.host(&server)?;
    let route = rig.route(&host)?;
    let deaf = try_join_all((0..5).map(|_| rig.deaf())).await?;
    let opener = Opener::new(PATIENCE, SshLimits::default());
    let late = deaf.iter().map(|deaf| {
        let (opener, host) = (&opener, &host);
        async move {
            match opener.open(&to_port(host, deaf.address)?).await {
                Err(OpenError::Ssh { source, .. }) => Ok(source.is_time_out()),
                other => bail!("{other:?}"),
            }
        }
    });
    // One of them is the last to be let through on each connection.
    let (late, console) = tokio::join!(try_join_all(late), opener.open(&route));
    echo(&mut console?, b"hello").await?;
    assert_eq!(late?, [true; 5]);
    opener.close().await;
    Ok(())
}

/// Also where no further connection is allowed: another one that is open will do.
#[tokio::test]
async fn a_console_goes_round_one_that_does_not_answer_when_no_connection_may_be_opened()
-> Result<()> {
    let mut rig = Rig::start().await?;
    let server = rig.remote.ssh_server("")?;
    let host = rig.host(&server)?;
    let route = rig.route(&host)?;
    let deaf = rig.deaf().await?;
    let deaf_route = to_port(&host, deaf.address)?;
    let limits =
        SshLimits { channels_per_connection: 3, connections_per_host: 2, ..SshLimits::default() };
    let opener = Opener::new(PATIENCE, limits);
    let mut consoles = Vec::new();
    for _ in 0..4 {
        consoles.push(opener.open(&route).await?);
    }
    // Two of the three places in the first connection are free again.
    consoles.drain(..2);
    until("two to be gone", || rig.open.load(Relaxed) == 2).await;
    sleep(Duration::from_millis(200)).await;
    let others = async {
        sleep(Duration::from_millis(100)).await;
        echo(&mut opener.open(&route).await?, b"hello").await
    };
    let (late, others) = tokio::join!(opener.open(&deaf_route), others);
    assert!(late.is_err());
    others?;
    assert_eq!(logins(&server.log()), 2, "{}", server.log());
    opener.close().await;
    Ok(())
}

/// QEMU lets one connection wait at its VNC socket, and a server tells a full queue like any refusal.
#[tokio::test]
async fn a_socket_whose_queue_is_full_is_asked_again() -> Result<()> {
    let mut rig = Rig::start().await?;
    let server = rig.remote.ssh_server("")?;
    let host = rig.host(&server)?;
    let path = rig.bed.dir().join("busy.sock");
    let busy = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    busy.bind(&SockAddr::unix(&path)?)?;
    busy.listen(1)?;
    let route = to_socket(&host, &path);
    let opener = Opener::new(PATIENCE, SshLimits::default());
    let accept = async {
        // Two wait, and the third has been refused once.
        until("the queue to be full", || server.log().contains("failed: Resource temp")).await;
        busy.set_nonblocking(true)?;
        let busy = UnixListener::from_std(busy.into())?;
        let all = (0..3).map(|_| busy.accept());
        Ok(try_join_all(all).await?.len())
    };
    let opened = try_join_all((0..3).map(|_| opener.open(&route)));
    let (opened, accepted): (_, Result<usize>) = tokio::join!(opened, accept);
    assert_eq!((opened?.len(), accepted?), (3, 3));
    opener.close().await;
    Ok(())
}
