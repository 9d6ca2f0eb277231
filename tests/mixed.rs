//! Encrypted and plain clients side by side, and a certificate that is renewed under them.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::ensure;
use harness::bed::Folder;
use harness::certificates::{Authority, Issued};
use harness::tls_client::{TlsClient, der};
use harness::websocket::{Client, Message};
use harness::{Node, Proxy, ProxyBuilder, Result, wait};
use rustix::process::Signal;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::PATIENCE;
use crate::encrypted::NAMES;

/// A console that sends everything back; and a token that leads to it.
async fn echo(folder: &Folder) -> Result<(String, String, JoinSet<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut node = Node::new(folder.path());
    let uuid = node.vnc_at(listener.local_addr()?);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut consoles = JoinSet::new();
        while let Ok((mut console, _)) = listener.accept().await {
            consoles.spawn(async move {
                let (mut from, mut to) = console.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    Ok((node.uri()?, format!("/?token=1-{uuid}"), tasks))
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    client: &mut Client<S>,
    word: &str,
) -> Result<()> {
    client.send(Message::binary(word.as_bytes().to_vec())).await?;
    let back = client.read(word.len()).await?;
    ensure!(back == word.as_bytes(), "{word:?} came back as {back:?}");
    Ok(())
}

/// Opens a session, exchanges something, waits until all have, and exchanges something again.
async fn session<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    path: &str,
    number: usize,
    all: &Barrier,
) -> Result<()> {
    let mut client = Client::open_over(stream, "localhost", path, &[]).await?;
    exchange(&mut client, &format!("first of {number}")).await?;
    all.wait().await;
    exchange(&mut client, &format!("second of {number}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_and_encrypted_clients_share_a_port_by_the_hundred() -> Result<()> {
    const CLIENTS: usize = 400;
    let folder = Folder::new()?;
    let root = Authority::new("Root")?;
    let cert = root.server(&NAMES)?.write(&folder.path().join("all.pem"), &[])?;
    let (uri, path, _echo) = echo(&folder).await?;
    let proxy = ProxyBuilder::new(folder.path())
        .host(1, "node", &uri)
        .setting(&format!("cert = {cert:?}"))
        .start()?;
    let (address, tls) = (proxy.address(), TlsClient::trusting(&root.certificate())?);
    let all = Arc::new(Barrier::new(CLIENTS));
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let (path, tls, all) = (path.clone(), tls.clone(), all.clone());
        clients.spawn(async move {
            if number % 2 == 0 {
                session(tls.connect(address).await?, &path, number, &all).await
            } else {
                let stream = tokio::net::TcpStream::connect(address).await?;
                session(stream, &path, number, &all).await
            }
        });
    }
    let ended = tokio::time::timeout(3 * PATIENCE, clients.join_all()).await?;
    ended.into_iter().collect::<Result<Vec<()>>>()?;
    Ok(())
}

/// Waits until new handshakes show this certificate.
async fn until_shown(tls: &TlsClient, proxy: &Proxy, issued: &Issued) -> Result<()> {
    let expected = der(&issued.certificate)?;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while tls.visit(proxy.address()).await? != expected {
        ensure!(
            tokio::time::Instant::now() < deadline,
            "the new certificate is not shown:\n{}",
            proxy.log()
        );
    }
    Ok(())
}

/// Puts a link in the place of whatever is at `path`, in one step.
fn relink(target: &str, path: &Path) -> Result<()> {
    let new = path.with_file_name("swapped");
    symlink(target, &new)?;
    fs::rename(new, path)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_taken_up_and_no_handshake_fails() -> Result<()> {
    let folder = Folder::new()?;
    let dir = folder.path().join("tls");
    let root = Authority::new("Root")?;
    let renewed = || root.server(&NAMES);
    // As Kubernetes mounts a secret: the file is a link through a link that is swapped.
    for (version, issued) in [("v0", renewed()?), ("v1", renewed()?)] {
        fs::create_dir_all(dir.join(version))?;
        issued.write(&dir.join(version).join("tls.pem"), &[])?;
    }
    let second =
        Issued { certificate: fs::read_to_string(dir.join("v1/tls.pem"))?, key: String::new() };
    symlink("v0", dir.join("..data"))?;
    let cert = dir.join("tls.pem");
    symlink("..data/tls.pem", &cert)?;

    let (uri, path, _echo) = echo(&folder).await?;
    let mut proxy = ProxyBuilder::new(folder.path())
        .host(1, "node", &uri)
        .setting(&format!("cert = {cert:?}"))
        .start()?;
    let (address, tls) = (proxy.address(), TlsClient::trusting(&root.certificate())?);
    let mut session =
        Client::open_over(tls.connect(address).await?, "localhost", &path, &[]).await?;
    exchange(&mut session, "before").await?;
    let load = Load::start(&tls, address);

    relink("v1", &dir.join("..data"))?;
    until_shown(&tls, &proxy, &second).await?;
    // As certbot does it: the link itself goes to another file.
    let third = renewed()?;
    third.write(&dir.join("archive3.pem"), &[])?;
    relink("archive3.pem", &cert)?;
    until_shown(&tls, &proxy, &third).await?;
    // By rename over it, and in place.
    let fourth = renewed()?;
    fourth.write(&dir.join("new.pem"), &[])?;
    fs::rename(dir.join("new.pem"), &cert)?;
    until_shown(&tls, &proxy, &fourth).await?;
    let fifth = renewed()?;
    fifth.write(&cert, &[])?;
    until_shown(&tls, &proxy, &fifth).await?;

    // What is no certificate changes nothing, whoever asks for it.
    fs::write(&cert, "-----BEGIN CERTIFICATE-----\n")?;
    proxy.wait_for_log(
        "the new certificate cannot be used, so the old one stays in use",
        PATIENCE,
    )?;
    proxy.signal(Signal::HUP)?;
    wait::until("a second refusal", PATIENCE, || {
        Ok((proxy.log().matches("the old one stays in use").count() > 1).then_some(()))
    })?;
    until_shown(&tls, &proxy, &fifth).await?;
    // SIGHUP does not wait for the watch.
    let sixth = renewed()?;
    sixth.write(&cert, &[])?;
    proxy.signal(Signal::HUP)?;
    until_shown(&tls, &proxy, &sixth).await?;

    exchange(&mut session, "after").await?;
    let handshakes = load.stop().await?;
    ensure!(handshakes > 100, "only {handshakes} handshakes in all that time");
    Ok(())
}

#[test]
fn a_hangup_without_a_certificate_changes_nothing() -> Result<()> {
    let folder = Folder::new()?;
    let mut proxy = ProxyBuilder::new(folder.path()).start()?;
    proxy.signal(Signal::HUP)?;
    proxy.wait_for_log("there is no certificate to reload", PATIENCE)?;
    ensure!(proxy.stop()?.success(), "{}", proxy.log());
    Ok(())
}

/// Clients that shake hands again and again.
struct Load {
    tasks: JoinSet<Result<()>>,
    stop: Arc<AtomicBool>,
    handshakes: Arc<AtomicUsize>,
}

impl Load {
    fn start(tls: &TlsClient, address: SocketAddr) -> Self {
        let (stop, handshakes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut tasks = JoinSet::new();
        for _ in 0..4 {
            let (tls, stop, handshakes) = (tls.clone(), stop.clone(), handshakes.clone());
            tasks.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    tls.visit(address).await?;
                    handshakes.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            });
        }
        Self { tasks, stop, handshakes }
    }

    /// How many there were; an error if one failed.
    async fn stop(self) -> Result<usize> {
        self.stop.store(true, Ordering::Relaxed);
        self.tasks.join_all().await.into_iter().collect::<Result<Vec<()>>>()?;
        Ok(self.handshakes.load(Ordering::Relaxed))
    }
}
