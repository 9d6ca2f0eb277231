//! `cargo xtask bench`: the proxy beside a plain TCP relay, its TLS beside its plain side, and its SSH tunnels beside the ssh program; same
//! machine, same minute, same bytes.
//!
//! The backend and the client live in this process; the proxy and the TCP relay are processes of their own, so that their CPU time and
//! memory can be read from /proc. Two cores are shared by all of them: trust the ratios, not the absolute numbers.

#![allow(clippy::print_stdout, reason = "a benchmark prints its results")]

mod peer;
mod ssh;
mod table;

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use harness::bed::Folder;
use harness::certificates::Authority;
use harness::process::Usage;
use harness::tls_client::TlsClient;
use harness::{Node, ProxyBuilder};
use peer::Peer;
use rustix::process::Pid;
use table::Row;
use tokio::io::{
    AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy_bidirectional_with_sizes,
};
use tokio::net::{TcpListener, TcpStream};

/// One throughput run; long enough for CPU time to be counted in ticks of 10 ms.
const BLAST: usize = 512 * MIB;
const ROUNDS: usize = 5;
const ROUND_TRIPS: usize = 4000;
const SETUPS: usize = 200;
const IDLE_SESSIONS: usize = 400;
/// `console_websocket::READ_SIZE`.
const READ_SIZE: usize = 32 * 1024;
const MIB: usize = 1024 * 1024;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("--tcp-relay") => return tcp_relay(arguments.next().context("no target")?).await,
        Some("--ssh-relay") => return ssh::relay(arguments).await,
        _ => {}
    }
    let backend = TcpListener::bind("127.0.0.1:0").await?;
    let backend_address = backend.local_addr()?;
    tokio::spawn(serve_backend(backend));

    let mut relay = tokio::process::Command::new(std::env::current_exe()?)
        .args(["--tcp-relay", &backend_address.to_string()])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut first_line = String::new();
    let out = relay.stdout.take().context("no output")?;
    BufReader::new(out).read_line(&mut first_line).await?;
    let relay_address: SocketAddr = first_line.trim().parse()?;
    let relay_pid = relay.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
    let relay_pid = relay_pid.context("the relay has ended")?;

    let folder = Folder::new()?;
    let mut node = Node::new(folder.path());
    let token = format!("1-{}", node.vnc_at(backend_address));
    let root = Authority::new("bench")?;
    let cert = root.server(&["localhost"])?.write(&folder.path().join("bench.pem"), &[])?;
    let uri = node.uri()?;
    let proxy = || {
        let proxy = ProxyBuilder::new(folder.path()).host(1, "bench", &uri);
        proxy.setting(&format!("cert = {cert:?}")).start()
    };
    let tls = TlsClient::trusting(&root.certificate())?;
    let way = |at, token: Option<&String>, tls: Option<&TlsClient>, pid| Way {
        at,
        token: token.cloned(),
        tls: tls.cloned(),
        pid,
    };
    let bare = way(relay_address, None, None, relay_pid);
    {
        let proxy = proxy()?;
        let ours = way(proxy.address(), Some(&token), None, proxy.pid());
        table::print("TCP relay", "proxy", &compare([&bare, &ours]).await?);
    }
    {
        // A proxy each: the memory that one's sessions gave back would be the other's.
        let (for_plain, for_encrypted) = (proxy()?, proxy()?);
        let plain = way(for_plain.address(), Some(&token), None, for_plain.pid());
        let encrypted = way(for_encrypted.address(), Some(&token), Some(&tls), for_encrypted.pid());
        table::print("ws", "wss", &compare([&plain, &encrypted]).await?);
    }
    ssh::bench(backend_address, folder.path()).await
}

/// All measurements of two ways.
async fn compare(ways: [&Way; 2]) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (name, measure) in [("throughput", true), ("round trip", false)] {
        println!("{name}: {ROUNDS} rounds, one after the other, each way in turn");
        let mut results = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for (way, result) in ways.into_iter().zip(&mut results) {
                let peer = way.open().await?;
                result.push(if measure {
                    blast(peer, way.pid).await?
                } else {
                    trips(peer).await?
                });
            }
        }
        rows.extend(if measure {
            [
                Row::new("throughput, MiB/s", &results, |r| r.0),
                Row::new("CPU, s/GiB", &results, |r| r.1),
            ]
        } else {
            [
                Row::new("round trip p50, us", &results, |r| r.0),
                Row::new("round trip p99, us", &results, |r| r.1),
            ]
        });
    }
    println!("session setup: {SETUPS} sessions, one after the other");
    let mut setups = [Vec::new(), Vec::new()];
    for _ in 0..SETUPS {
        for (way, result) in ways.into_iter().zip(&mut setups) {
            let start = Instant::now();
            let mut peer = way.open().await?;
            peer.echo(b"E").await?;
            result.push((start.elapsed().as_secs_f64() * 1e3, 0.0));
        }
    }
    rows.push(Row::new("session setup p50, ms", &setups, |r| r.0));

    println!("memory: {IDLE_SESSIONS} sessions that have each moved 1 MiB and idle now");
    let mut memory = [Vec::new(), Vec::new()];
    for (way, result) in ways.into_iter().zip(&mut memory) {
        let before = Usage::of(way.pid)?.resident;
        let mut idle = Vec::new();
        for _ in 0..IDLE_SESSIONS {
            let mut peer = way.open().await?;
            peer.blast(MIB).await?;
            idle.push(peer);
        }
        let grown = Usage::of(way.pid)?.resident.saturating_sub(before);
        result.push((grown as f64 / 1024.0 / IDLE_SESSIONS as f64, 0.0));
    }
    rows.push(Row::new("memory, KiB/session", &memory, |r| r.0));
    Ok(rows)
}

/// One of the two that are compared.
struct Way {
    at: SocketAddr,
    /// The proxy's; the plain relay needs none.
    token: Option<String>,
    tls: Option<TlsClient>,
    pid: Pid,
}

impl Way {
    async fn open(&self) -> Result<Peer> {
        match (&self.token, &self.tls) {
            (None, _) => Peer::tcp(self.at).await,
            (Some(token), None) => Peer::websocket(self.at, token).await,
            (Some(token), Some(tls)) => Peer::encrypted(tls, self.at, token).await,
        }
    }
}

/// MiB/s and the relaying process's CPU seconds for a GiB.
async fn blast(mut peer: Peer, pid: Pid) -> Result<(f64, f64)> {
    let (start, cpu) = (Instant::now(), Usage::of(pid)?.cpu);
    peer.blast(BLAST).await?;
    let cpu = (Usage::of(pid)?.cpu - cpu).as_secs_f64();
    let seconds = start.elapsed().as_secs_f64();
    Ok((BLAST as f64 / MIB as f64 / seconds, cpu * 1024.0 * MIB as f64 / BLAST as f64))
}

/// The median and the 99th percentile of 16-byte echoes, in microseconds.
async fn trips(mut peer: Peer) -> Result<(f64, f64)> {
    peer.echo(b"E").await?;
    let mut times = Vec::with_capacity(ROUND_TRIPS);
    for _ in 0..ROUND_TRIPS {
        let start = Instant::now();
        peer.echo(b"sixteen bytes ..").await?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let at = |share: f64| {
        let index = (ROUND_TRIPS as f64 * share) as usize;
        times.get(index).copied().unwrap_or(Duration::ZERO).as_secs_f64() * 1e6
    };
    Ok((at(0.5), at(0.99)))
}

/// The console's stand-in: `B` and a length asks for so many bytes, anything else comes back.
async fn serve_backend(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            stream.set_nodelay(true)?;
            let picture = vec![0x5a; 64 * 1024];
            let mut buffer = vec![0; 4096];
            loop {
                let length = match stream.read(&mut buffer).await? {
                    0 => return Ok::<_, std::io::Error>(()),
                    length => length,
                };
                let request = buffer.get(..length).unwrap_or_default();
                let Some(wanted) = request.strip_prefix(b"B") else {
                    stream.write_all(request).await?;
                    continue;
                };
                let wanted = String::from_utf8_lossy(wanted);
                let mut left: usize = wanted.parse().unwrap_or_default();
                while left > 0 {
                    let step = left.min(picture.len());
                    stream.write_all(picture.get(..step).unwrap_or_default()).await?;
                    left -= step;
                }
            }
        });
    }
}

/// The comparison: nothing but accept, connect and copy.
async fn tcp_relay(target: String) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (mut client, _) = listener.accept().await?;
        let target = target.clone();
        tokio::spawn(async move {
            let mut backend = TcpStream::connect(target).await?;
            client.set_nodelay(true)?;
            backend.set_nodelay(true)?;
            // As much for one read as the proxy takes: tokio's own 8 KiB would flatter the proxy.
            copy_bidirectional_with_sizes(&mut client, &mut backend, READ_SIZE, READ_SIZE).await
        });
    }
}
