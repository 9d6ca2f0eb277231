//! Where the program listens: several addresses, a UNIX socket, what systemd passes, the PROXY protocol; and the panel's settings.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use harness::bed::Folder;
use harness::websocket::{Client, http};
use harness::{Node, ProxyBuilder, Result, proxy, wait};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use crate::PATIENCE;

const FRONT_PAGE: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn several_addresses_and_a_socket_serve_the_same() -> Result<()> {
    let folder = Folder::new()?;
    let socket = folder.path().join("proxy.sock");
    let entry = format!("{{ address = \"unix:{}\", mode = \"0606\" }}", socket.display());
    let mut proxy = ProxyBuilder::new(folder.path())
        .listen_on(&["\"127.0.0.1:0\"", "\"[::1]:0\"", "\"127.0.0.2:0\"", &entry])
        .start()?;
    let shown: Vec<_> = proxy.addresses().iter().map(|address| address.ip().to_string()).collect();
    assert_eq!(shown, ["127.0.0.1", "::1", "127.0.0.2"]);
    for address in proxy.addresses() {
        assert!(http(*address, "GET", "/", &[]).await?.starts_with("HTTP/1.1 200 "));
    }
    assert_eq!(socket.metadata()?.permissions().mode() & 0o7777, 0o606);
    let mut stream = UnixStream::connect(&socket).await?;
    stream.write_all(FRONT_PAGE).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(proxy.stop()?.success());
    assert!(!socket.exists(), "the socket stays behind");
    Ok(())
}

#[test]
fn what_systemd_passes_is_used_in_place_of_the_settings() -> Result<()> {
    let folder = Folder::new()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let log = folder.path().join("passed.log");
    // As systemd does it: descriptor 3, and the variables with the program's own PID.
    let script = "exec 3<&0; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web; exec \"$0\" --config /dev/null -H 192.0.2.1 <&-";
    let mut child = Command::new("sh")
        .args(["-ec", script])
        .arg(proxy::build()?)
        .env_remove("RUST_LOG")
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .stderr(std::fs::File::create(&log)?)
        .spawn()?;
    let said = format!("listening on {address}, passed by systemd as web");
    let listening = wait::until("it to listen", PATIENCE, || {
        if let Some(status) = child.try_wait()? {
            anyhow::bail!("it ended: {status}");
        }
        Ok(std::fs::read_to_string(&log)?.contains(&said).then_some(()))
    });
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("no PID")?;
    kill_process(pid, Signal::TERM)?;
    let status = child.wait()?;
    listening.map_err(|error| {
        wait::with_log(&error, "it", &std::fs::read_to_string(&log).unwrap_or_default())
    })?;
    ensure!(status.success(), "{status}");
    Ok(())
}

/// It would be open to everybody.
#[test]
fn what_systemd_passes_is_no_silent_end_of_the_proxy_protocol() -> Result<()> {
    let folder = Folder::new()?;
    let config = folder.path().join("proxied.toml");
    std::fs::write(
        &config,
        "trusted_proxies = [\"127.0.0.1\"]\nlisten = [{ address = \"127.0.0.1:0\", proxy_protocol = true }]",
    )?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let script = "exec 3<&0; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$0\" --config \"$1\" <&-";
    let log = folder.path().join("proxied.log");
    let mut child = Command::new("sh")
        .args(["-ec", script])
        .arg(proxy::build()?)
        .arg(&config)
        .env_remove("RUST_LOG")
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .stderr(std::fs::File::create(&log)?)
        .spawn()?;
    let ended = wait::until("it to end", PATIENCE, || Ok(child.try_wait()?));
    // Where it has ended, this does nothing.
    child.kill()?;
    child.wait()?;
    let said = std::fs::read_to_string(&log)?;
    assert_eq!(ended?.code(), Some(1), "{said}");
    assert!(said.contains("{ address = \"systemd:NAME\", proxy_protocol = true }"), "{said}");
    Ok(())
}

/// A session in which somebody else speaks for the client; the log has whom it speaks for.
#[tokio::test]
async fn the_log_has_the_clients_own_address() -> Result<()> {
    let folder = Folder::new()?;
    let console = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let mut node = Node::new(folder.path());
    let path = format!("/?token=1-{}", node.vnc_at(console.local_addr()?));
    let proxy = ProxyBuilder::new(folder.path())
        .listen_on(&["{ address = \"127.0.0.1:0\", proxy_protocol = true }", "\"127.0.0.1:0\""])
        .setting("trusted_proxies = [\"127.0.0.1\"]")
        .host(1, "node", &node.uri()?)
        .start()?;
    let [proxied, plain] = proxy.addresses() else { anyhow::bail!("{:?}", proxy.addresses()) };
    proxy.wait_for_log(&format!("consoles are at http://{plain}/console"), PATIENCE)?;
    let _one = Client::open(*plain, &path, &["X-Forwarded-For: 203.0.113.9, 192.0.2.7"]).await?;
    proxy.wait_for_log("client=192.0.2.7 ", PATIENCE)?;
    let mut stream = TcpStream::connect(*proxied).await?;
    stream.write_all(b"PROXY TCP6 2001:db8::7 ::1 4711 6080\r\n").await?;
    let _two =
        Client::open_over(stream, "localhost", &path, &["X-Forwarded-For: 203.0.113.9"]).await?;
    proxy.wait_for_log("client=[2001:db8::7]:4711 ", PATIENCE)?;
    let refused = http(*proxied, "GET", "/", &[]).await;
    assert!(refused.as_ref().map_or(true, String::is_empty), "{refused:?}");
    proxy.wait_for_log("no PROXY protocol header came, but HTTP", PATIENCE)?;
    assert!(!proxy.log().contains("203.0.113.9"), "{}", proxy.log());
    Ok(())
}

#[tokio::test]
async fn the_panels_settings_are_enough() -> Result<()> {
    let folder = Folder::new()?;
    let cert = harness::certificates::Authority::new("Root")?.server(&crate::encrypted::NAMES)?;
    let cert = cert.write(&folder.path().join("console.pem"), &[])?;
    let python = folder.path().join("settings.py");
    let text = format!(
        "import os\nWS_HOST = '127.0.0.1'\nWS_PORT = 0\nWS_PUBLIC_HOST = 'panel.example.org'\nWS_PUBLIC_PORT = 443\n\
         WS_PUBLIC_PATH = '/novncd/'\nWS_CERT = {:?}\nWS_KEY = os.environ.get('KEY')\n",
        cert.display().to_string()
    );
    std::fs::write(&python, text)?;
    let shown = Command::new(proxy::build()?)
        .args(["--config", "/dev/null", "--print-config", "--django-settings"])
        .arg(&python)
        .output()?;
    let shown = String::from_utf8(shown.stdout)?;
    for line in [
        format!("port = 0  # {}", python.display()),
        format!("public_path = \"/novncd/\"  # {}", python.display()),
        "# key is not set".to_owned(),
    ] {
        assert!(shown.lines().any(|found| found == line), "{line} is missing in {shown}");
    }
    // Without -H and -p, which would be stronger.
    let config = folder.path().join("none.toml");
    std::fs::write(&config, "")?;
    let mut server = harness::lease::Leashed::start(
        "panel",
        &proxy::build()?,
        &[
            "--config".as_ref(),
            config.as_os_str(),
            "--django-settings".as_ref(),
            python.as_os_str(),
        ],
        &[],
        folder.path(),
    )?;
    wait::until("it to say where consoles are", PATIENCE, || {
        let log = server.log();
        let url = "consoles are at https://panel.example.org/novncd/console?token=";
        let note = "settings.py:8: WS_KEY is not given a literal";
        let names = "browsers connect to panel.example.org, but the certificate is for localhost, 127.0.0.1";
        Ok([url, note, names].iter().all(|said| log.contains(said)).then_some(()))
    })
    .map_err(|error| wait::with_log(&error, "it", &server.log()))?;
    assert!(server.stop(PATIENCE)?.success());
    Ok(())
}
