//! Whatever clients and consoles do, descriptors, threads and memory return to the start.

use std::net::SocketAddr;

use harness::bed::Folder;
use harness::process::Usage;
use harness::websocket::{Client, Message, http};
use harness::{Node, Proxy, ProxyBuilder, Result, wait};
use rustix::process::{Resource, Rlimit, prlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

use crate::PATIENCE;

/// Memory that an allocator may keep after hundreds of sessions.
const SLACK: u64 = 24 * 1024 * 1024;

struct Rig {
    proxy: Proxy,
    echo: Uuid,
    silent: Uuid,
    before: Usage,
    _folder: Folder,
}

impl Rig {
    /// A proxy with an echoing and a silent console, warmed up.
    async fn start() -> Result<Self> {
        let folder = Folder::new()?;
        let echo = listen(true).await?;
        let silent = listen(false).await?;
        let mut node = Node::new(folder.path());
        let (echo, silent) = (node.vnc_at(echo), node.vnc_at(silent));
        let proxy = ProxyBuilder::new(folder.path())
            .host(1, "node", &node.uri()?)
            .setting("header_timeout = 1\nclose_timeout = 1")
            .start()?;
        // What is opened once and kept (libvirt's connection, its threads) is not a leak.
        for _ in 0..20 {
            let mut client =
                Client::open(proxy.address(), &format!("/?token=1-{echo}"), &[]).await?;
            client.send(Message::binary(&b"x"[..])).await?;
            client.read(1).await?;
        }
        let mut rig = Self { before: proxy.usage()?, proxy, echo, silent, _folder: folder };
        wait::until("the warm-up's sessions to end", PATIENCE, || {
            let ended = rig.proxy.log().matches("session closed").count() == 20;
            Ok(ended.then_some(()))
        })?;
        rig.before = rig.proxy.usage()?;
        Ok(rig)
    }

    fn path(&self, domain: Uuid) -> String {
        format!("/?token=1-{domain}")
    }

    /// Waits until the proxy holds what it held at the start, and every session has had its closing line.
    fn settles(&self) -> Result<()> {
        let settled =
            wait::until("descriptors and threads to return to the start", PATIENCE, || {
                let now = self.proxy.usage()?;
                let same = now.descriptors <= self.before.descriptors
                    && now.threads <= self.before.threads;
                Ok(same.then_some(now))
            });
        let now = match settled {
            Ok(now) => now,
            Err(error) => {
                anyhow::bail!("{error}: {:?}, before {:?}", self.proxy.usage()?, self.before)
            }
        };
        assert!(now.resident <= self.before.resident + SLACK, "{now:?}, before {:?}", self.before);
        let log = self.proxy.log();
        let opened = log.matches("session opened").count();
        let closed = log
            .lines()
            .filter(|line| line.contains("session closed code=") && line.contains("to_client="))
            .count();
        assert_eq!(opened, closed, "opened and closed sessions in the log");
        Ok(())
    }
}

/// A console that echoes, or one that takes everything and says nothing.
async fn listen(echo: bool) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                    let bytes = buffer.get(..length).unwrap_or_default();
                    if echo && stream.write_all(bytes).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    Ok(address)
}

#[tokio::test(flavor = "multi_thread")]
async fn half_closed_clients_leave_nothing() -> Result<()> {
    let rig = Rig::start().await?;
    let mut held = Vec::new();
    for _ in 0..50 {
        let mut client = Client::open(rig.proxy.address(), &rig.path(rig.echo), &[]).await?;
        client.send(Message::binary(&b"x"[..])).await?;
        client.read(1).await?;
        // Only its sending side is closed; its receiving side stays open for as long as it likes.
        client.stream.get_mut().shutdown().await?;
        held.push(client);
    }
    rig.settles()?;
    drop(held);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_consoles_leave_nothing_when_their_clients_go() -> Result<()> {
    let rig = Rig::start().await?;
    let mut clients = Vec::new();
    for _ in 0..50 {
        clients.push(Client::open(rig.proxy.address(), &rig.path(rig.silent), &[]).await?);
    }
    wait::until("all sessions to open", PATIENCE, || {
        Ok((rig.proxy.log().matches("session opened").count() >= 70).then_some(()))
    })?;
    assert!(rig.proxy.usage()?.descriptors >= rig.before.descriptors + 100);
    drop(clients);
    rig.settles()
}

#[tokio::test(flavor = "multi_thread")]
async fn unfinished_requests_leave_nothing() -> Result<()> {
    let rig = Rig::start().await?;
    let mut held = Vec::new();
    for beginning in ["", "GET / HTTP/1.1\r\n", "GET /console?token=x HTTP/1.1\r\nHost: x\r\n\r\n"]
    {
        for _ in 0..20 {
            let mut stream = TcpStream::connect(rig.proxy.address()).await?;
            stream.write_all(beginning.as_bytes()).await?;
            held.push(stream);
        }
    }
    rig.settles()?;
    drop(held);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_sessions_dropped_at_random_leave_nothing() -> Result<()> {
    let rig = Rig::start().await?;
    let mut tasks = tokio::task::JoinSet::new();
    // A fixed seed: a failure can be repeated. Numbers of SplitMix64.
    let mut seed = 0x5eed_u64;
    let mut random = move || {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (z ^ (z >> 27)) >> 33
    };
    for _ in 0..200 {
        let address = rig.proxy.address();
        let path = rig.path(if random() % 4 == 0 { rig.silent } else { rig.echo });
        let (way, rounds, size) = (random() % 5, random() % 20, random() % 60_000);
        tasks.spawn(async move {
            if way == 0 {
                // Gone before the answer to its upgrade was read.
                let mut stream = TcpStream::connect(address).await?;
                let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
                return Ok(stream.write_all(head.as_bytes()).await?);
            }
            let mut client = Client::open(address, &path, &[]).await?;
            for _ in 0..rounds {
                client.send(Message::binary(vec![7; usize::try_from(size)?])).await?;
            }
            match way {
                1 => client.stream.close(None).await?,
                2 => client.stream.get_ref().set_zero_linger()?,
                3 => client.stream.get_mut().shutdown().await?,
                _ => {}
            }
            Result::<()>::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    rig.settles()
}

#[tokio::test(flavor = "multi_thread")]
async fn running_out_of_descriptors_is_waited_out() -> Result<()> {
    let rig = Rig::start().await?;
    let few = u64::try_from(rig.before.descriptors)? + 5;
    let limit = Rlimit { current: Some(few), maximum: Some(few) };
    prlimit(Some(rig.proxy.pid()), Resource::Nofile, limit)?;
    let mut held = Vec::new();
    for _ in 0..20 {
        held.push(TcpStream::connect(rig.proxy.address()).await?);
    }
    rig.proxy.wait_for_log("cannot accept connections", PATIENCE)?;
    // The pauses grow: a loop without them would write thousands of lines before the first client's time is over.
    drop(held);
    let answer = http(rig.proxy.address(), "GET", "/", &[]).await?;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let complaints = rig.proxy.log().matches("cannot accept connections").count();
    assert!(complaints < 100, "{complaints} lines: accepting spins");
    rig.settles()
}
