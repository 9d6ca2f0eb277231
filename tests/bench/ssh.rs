//! Tunnels: our connection with its channels beside `ssh -W` and `ssh -L`, to the same server.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use console_backend::{Opener, SshHost, SshLimits};
use console_route::Route;
use futures_util::future::try_join_all;
use harness::process::Usage;
use harness::{Sshd, wait};
use rustix::process::Pid;
use tokio::io::{AsyncBufReadExt, BufReader, copy_bidirectional_with_sizes};
use tokio::net::{UnixListener, UnixStream};
use tokio::process::{Child, Command};

use crate::peer::Peer;
use crate::table::{self, Row};
use crate::{MIB, READ_SIZE};

const BLAST: usize = 256 * MIB;
const ROUNDS: usize = 3;
const SETUPS: usize = 15;
const ROUND_TRIPS: usize = 300;
const READY: Duration = Duration::from_secs(20);

pub(crate) async fn bench(backend: SocketAddr, folder: &Path) -> Result<()> {
    let sshd = Sshd::start(folder)?;
    let server = sshd.address();
    let [theirs, ours] = ["ssh-L.sock", "ours.sock"].map(|name| folder.join(name));
    let port = server.port().to_string();
    let forward = format!("{}:{backend}", theirs.display());
    let ssh_l = Command::new(sshd.client())
        .args(["-N", "-p", &port, "-L", &forward, "root@127.0.0.1"])
        .kill_on_drop(true)
        .spawn()?;
    wait::until("ssh -L to listen", READY, || Ok(theirs.exists().then_some(())))?;
    let mut relay = Command::new(std::env::current_exe()?)
        .arg("--ssh-relay")
        .args([&ours, &sshd.key(), sshd.known_hosts()])
        .args([server.to_string(), backend.to_string()])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let out = relay.stdout.take().context("no output")?;
    BufReader::new(out).read_line(&mut String::new()).await?;
    let ways = [Way { at: theirs, pid: pid(&ssh_l)? }, Way { at: ours, pid: pid(&relay)? }];

    println!("SSH, first byte: {SETUPS} times each");
    let host = host(&sshd.key(), sshd.known_hosts(), server)?;
    let route = route(host, backend)?;
    let (mut cold, mut warm) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    let kept = Opener::new(READY, SshLimits::default());
    for _ in 0..SETUPS {
        let start = Instant::now();
        let mut ssh_w = Command::new(sshd.client())
            .args(["-W", &backend.to_string(), "-p", &port, "root@127.0.0.1"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let pipes = tokio::io::join(
            ssh_w.stdout.take().context("no output")?,
            ssh_w.stdin.take().context("no input")?,
        );
        Peer::stream(pipes).echo(b"E").await?;
        let theirs = milliseconds(start);
        drop(ssh_w);
        let start = Instant::now();
        let fresh = Opener::new(READY, SshLimits::default());
        Peer::stream(fresh.open(&route).await?).echo(b"E").await?;
        cold[0].push((theirs, 0.0));
        cold[1].push((milliseconds(start), 0.0));
        let start = Instant::now();
        Peer::stream(kept.open(&route).await?).echo(b"E").await?;
        warm[0].push((theirs, 0.0));
        warm[1].push((milliseconds(start), 0.0));
    }
    let first_bytes = [
        Row::new("first byte, cold, ms", &cold, |r| r.0),
        Row::new("first byte, warm, ms", &warm, |r| r.0),
    ];

    let mut rows = Vec::new();
    for (channels, names) in [
        (1, ["throughput, 1 channel, MiB/s", "CPU, 1 channel, s/GiB"]),
        (10, ["throughput, 10 channels, MiB/s", "CPU, 10 channels, s/GiB"]),
    ] {
        println!("SSH, throughput over {channels}: {ROUNDS} rounds, each way in turn");
        let mut results = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for (way, result) in ways.iter().zip(&mut results) {
                result.push(way.blast(channels).await?);
            }
        }
        rows.push(Row::new(names[0], &results, |r| r.0));
        rows.push(Row::new(names[1], &results, |r| r.1));
    }
    println!("SSH, round trips beside four floods: {ROUNDS} rounds, each way in turn");
    let mut results = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (way, result) in ways.iter().zip(&mut results) {
            result.push(way.trips_beside_floods().await?);
        }
    }
    rows.push(Row::new("round trip, 4 floods, p50, ms", &results, |r| r.0));
    rows.push(Row::new("round trip, 4 floods, p99, ms", &results, |r| r.1));
    table::print("ssh -W", "ours", &first_bytes);
    table::print("ssh -L", "ours", &rows);
    Ok(())
}

/// One of the two that are compared: where it listens.
struct Way {
    at: PathBuf,
    pid: Pid,
}

impl Way {
    async fn open(&self) -> Result<Peer> {
        let mut peer = Peer::stream(UnixStream::connect(&self.at).await?);
        peer.echo(b"E").await?;
        Ok(peer)
    }

    /// MiB/s and the tunnelling process's CPU seconds for a GiB.
    async fn blast(&self, channels: usize) -> Result<(f64, f64)> {
        let mut peers = try_join_all((0..channels).map(|_| self.open())).await?;
        let (start, cpu) = (Instant::now(), Usage::of(self.pid)?.cpu);
        try_join_all(peers.iter_mut().map(|peer| peer.blast(BLAST / channels))).await?;
        let cpu = (Usage::of(self.pid)?.cpu - cpu).as_secs_f64();
        let mib = (BLAST / channels * channels) as f64 / MIB as f64;
        Ok((mib / start.elapsed().as_secs_f64(), cpu * 1024.0 / mib))
    }

    /// The median and the 99th percentile of small echoes while four others blast, in milliseconds.
    async fn trips_beside_floods(&self) -> Result<(f64, f64)> {
        let mut floods = try_join_all((0..4).map(|_| self.open())).await?;
        let mut small = self.open().await?;
        let flooding = try_join_all(floods.iter_mut().map(|peer| peer.blast(64 * BLAST)));
        let typing = async {
            let mut times = Vec::new();
            for _ in 0..ROUND_TRIPS {
                let start = Instant::now();
                small.echo(b"sixteen bytes ..").await?;
                times.push(milliseconds(start));
            }
            times.sort_by(f64::total_cmp);
            let at = |share: f64| {
                times.get((ROUND_TRIPS as f64 * share) as usize).copied().unwrap_or(f64::NAN)
            };
            Result::<_>::Ok((at(0.5), at(0.99)))
        };
        tokio::select! {
            typed = typing => typed,
            _ = flooding => anyhow::bail!("the floods ended first"),
        }
    }
}

/// A process that does what `ssh -L` does: SOCKET KEY KNOWN_HOSTS SERVER TARGET.
pub(crate) async fn relay(mut arguments: impl Iterator<Item = String>) -> Result<()> {
    let mut next = || arguments.next().context("too few arguments");
    let listener = UnixListener::bind(next()?)?;
    let host = host(next()?.as_ref(), next()?.as_ref(), next()?.parse()?)?;
    let route = route(host, next()?.parse()?)?;
    let opener = Arc::new(Opener::new(READY, SshLimits::default()));
    println!("listening");
    loop {
        let (mut client, _) = listener.accept().await?;
        let (opener, route) = (opener.clone(), route.clone());
        tokio::spawn(async move {
            let mut backend = opener.open(&route).await?;
            copy_bidirectional_with_sizes(&mut client, &mut backend, READ_SIZE, READ_SIZE).await?;
            Result::<()>::Ok(())
        });
    }
}

fn host(key: &Path, known_hosts: &Path, server: SocketAddr) -> Result<SshHost> {
    Ok(SshHost {
        port: server.port().try_into()?,
        keys: vec![key.to_owned()],
        known_hosts: vec![known_hosts.to_owned()],
        ..SshHost::new(server.ip().to_string(), "root")
    })
}

fn route(host: SshHost, target: SocketAddr) -> Result<Route<Arc<SshHost>>> {
    let port = target.port().try_into()?;
    Ok(Route::SshTcp { via: Arc::new(host), host: target.ip().to_string(), port })
}

fn pid(child: &Child) -> Result<Pid> {
    child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())).context("it has ended")
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}
