//! A hypervisor's SSH servers, and behind them a byte server of the test's own that does as it is told.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use console_backend::{Backend, OpenError, Opener, SshError, SshHost, SshLimits};
use console_route::Route;
use futures_util::future::join_all;
use harness::{Bed, Remote, Result, SshServer};
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::time::{sleep, timeout};

use crate::PATIENCE;

/// A hypervisor, and a server that it reaches.
pub(crate) struct Rig {
    pub(crate) bed: Bed,
    pub(crate) remote: Remote,
    pub(crate) console: SocketAddr,
    /// How many connections the console has now.
    pub(crate) open: Arc<AtomicUsize>,
    /// How often it has been sent what it was to be sent.
    pub(crate) right: Arc<AtomicUsize>,
}

/// Its queue is full, so who connects waits, as at a machine that drops what it gets.
pub(crate) struct Deaf {
    pub(crate) address: SocketAddr,
    _socket: Socket,
    _held: Vec<TcpStream>,
}

impl Rig {
    pub(crate) async fn start() -> Result<Self> {
        let bed = Bed::start()?;
        let remote = bed.remote()?;
        let listener = TcpListener::bind((remote.near_v4(), 0)).await?;
        let console = listener.local_addr()?;
        let [open, right] = [(); 2].map(|()| Arc::<AtomicUsize>::default());
        let counts = (open.clone(), right.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, counts.clone()));
            }
        });
        Ok(Self { bed, remote, console, open, right })
    }

    /// The same on a UNIX socket.
    pub(crate) fn socket(&self, name: &str) -> Result<PathBuf> {
        let path = self.bed.dir().join(name);
        let listener = UnixListener::bind(&path)?;
        let counts = (self.open.clone(), self.right.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, counts.clone()));
            }
        });
        Ok(path)
    }

    /// Root at `server`, by the bed's key; its host key is known.
    pub(crate) fn host(&self, server: &SshServer) -> Result<SshHost> {
        let mut host = SshHost::new(self.remote.v4().to_string(), "root");
        host.port = server.port().try_into()?;
        host.keys.push(self.remote.ssh_key());
        host.known_hosts.push(self.remote.ssh_known_hosts());
        Ok(host)
    }

    /// The way to the console through `host`.
    pub(crate) fn route(&self, host: &SshHost) -> Result<Route<Arc<SshHost>>> {
        let (address, port) = (self.console.ip().to_string(), self.console.port().try_into()?);
        Ok(Route::SshTcp { via: Arc::new(host.clone()), host: address, port })
    }

    /// A port that takes no connections.
    pub(crate) async fn deaf(&self) -> Result<Deaf> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((self.remote.near_v4(), 0)).into())?;
        socket.listen(0)?;
        let address = socket.local_addr()?.as_socket().context("an address")?;
        let fill = (0..4).map(|_| timeout(Duration::from_millis(200), TcpStream::connect(address)));
        let held = join_all(fill).await.into_iter().flatten().flatten().collect();
        Ok(Deaf { address, _socket: socket, _held: held })
    }

    /// Until the console has no connection any more.
    pub(crate) async fn all_gone(&self) {
        until("the console's connections to end", || self.open.load(Relaxed) == 0).await;
    }

    /// What opening the console through `host` alone comes to: it answers, or the error.
    pub(crate) async fn attempt(
        &self,
        host: &SshHost,
        limits: SshLimits,
    ) -> Result<Result<(), Arc<SshError>>> {
        let route = self.route(host)?;
        let opener = Opener::new(PATIENCE, limits);
        let outcome = match timeout(PATIENCE, opener.open(&route)).await? {
            Ok(mut backend) => {
                echo(&mut backend, b"hello").await?;
                Ok(())
            }
            Err(OpenError::Ssh { source, .. }) => Err(source),
            Err(other) => bail!("{other:?}"),
        };
        opener.close().await;
        Ok(outcome)
    }
}

/// Waits for something that other tasks of this thread bring about.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waited = async {
        while !is_so() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(timeout(PATIENCE, waited).await.is_ok(), "waited {PATIENCE:?} for {what}");
}

/// Limits that a test need not wait long for.
pub(crate) fn quick() -> SshLimits {
    let second = Duration::from_secs(1);
    SshLimits {
        connect_timeout: second,
        handshake_timeout: 2 * second,
        auth_timeout: 2 * second,
        channel_timeout: 2 * second,
        keepalive_interval: 2 * second,
        keepalive_count: 1,
        ..SshLimits::default()
    }
}

/// No keep-alive: it would wake up, and hide, a connection that had missed something.
pub(crate) fn no_tick() -> SshLimits {
    SshLimits { keepalive_interval: Duration::from_secs(3600), ..SshLimits::default() }
}

/// How many connections a server has taken so far.
pub(crate) fn logins(log: &str) -> usize {
    log.matches("Accepted publickey").count()
}

pub(crate) const MIB: usize = 1024 * 1024;

/// The way to a UNIX socket through `host`.
pub(crate) fn to_socket(host: &SshHost, path: &Path) -> Route<Arc<SshHost>> {
    Route::SshUnix { via: Arc::new(host.clone()), path: path.to_string_lossy().into_owned() }
}

/// The way to a TCP port through `host`.
pub(crate) fn to_port(host: &SshHost, at: SocketAddr) -> Result<Route<Arc<SshHost>>> {
    let (via, port) = (Arc::new(host.clone()), at.port().try_into()?);
    Ok(Route::SshTcp { via, host: at.ip().to_string(), port })
}

/// Sends `bytes` and waits until they have come back.
pub(crate) async fn echo(backend: &mut Backend, bytes: &[u8]) -> Result<()> {
    timeout(PATIENCE, async {
        backend.write_all(bytes).await?;
        let mut back = vec![0; bytes.len()];
        backend.read_exact(&mut back).await?;
        assert_eq!(back, bytes);
        Ok(())
    })
    .await?
}

/// Asks for `length` bytes; they are those of [`pattern`].
pub(crate) async fn ask_for(backend: &mut Backend, length: usize) -> Result<()> {
    Ok(backend.write_all(format!("B{length:012}").as_bytes()).await?)
}

/// Reads so many bytes and compares each with the [`pattern`], which had come as far as `from`.
pub(crate) async fn check(backend: &mut Backend, from: usize, length: usize) -> Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let mut done = 0;
    while done < length {
        let most = buffer.len().min(length - done);
        let read = timeout(PATIENCE, backend.read(&mut buffer[..most])).await??;
        assert!(read > 0, "the console ended after {done} bytes");
        assert!(buffer[..read] == pattern(from + done, read), "wrong bytes at {}", from + done);
        done += read;
    }
    Ok(())
}

/// Bytes that tell their place: no shift, loss or swap goes unseen.
pub(crate) fn pattern(from: usize, length: usize) -> Vec<u8> {
    (from..from + length).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect()
}

/// Carries bytes in pieces of one to thirteen.
pub(crate) async fn pieces<R, W>(from: &mut R, to: &mut W) -> std::io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut buffer = [0; 13];
    for size in (1..=buffer.len()).cycle() {
        match from.read(&mut buffer[..size]).await? {
            0 => break,
            count => to.write_all(&buffer[..count]).await?,
        }
    }
    to.shutdown().await
}

/// `B` and 12 digits ask for so many bytes of the pattern; `C` and 12 digits for the checksum of as many that follow; all else comes back.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    (open, right): (Arc<AtomicUsize>, Arc<AtomicUsize>),
) {
    open.fetch_add(1, Relaxed);
    let _ = talk(&mut stream, &right).await;
    open.fetch_sub(1, Relaxed);
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    right: &AtomicUsize,
) -> Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let first = match stream.read(&mut buffer[..1]).await? {
            0 => return Ok(stream.shutdown().await?),
            _ => buffer[0],
        };
        if !matches!(first, b'B' | b'C') {
            stream.write_all(&[first]).await?;
            continue;
        }
        stream.read_exact(&mut buffer[..12]).await?;
        let length: usize = std::str::from_utf8(&buffer[..12])?.parse()?;
        let mut done = 0;
        if first == b'B' {
            while done < length {
                let step = (length - done).min(32 * 1024);
                stream.write_all(&pattern(done, step)).await?;
                done += step;
            }
        } else {
            while done < length {
                let most = buffer.len().min(length - done);
                let read = stream.read(&mut buffer[..most]).await?;
                ensure!(read > 0 && buffer[..read] == pattern(done, read), "wrong bytes");
                done += read;
            }
            right.fetch_add(1, Relaxed);
            stream.write_all(b"right").await?;
        }
    }
}
