//! Each failure after the 101: its close code and reason for the person, its cause and remedy for the log.

use harness::websocket::{Client, Message};
use harness::{Bed, Console, Listen, Node, Proxy, Result};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test(flavor = "multi_thread")]
async fn every_failure_of_a_real_hypervisor_has_its_code() -> Result<()> {
    let bed = Bed::start()?;
    let off = bed.guest("off").define()?;
    let bare = bed.guest("bare").no_console().start()?;
    let deaf = Console::Vnc { listen: Listen::None, password: None, websocket: false };
    let deaf = bed.guest("deaf").console(deaf).start()?;
    let proxy =
        bed.proxy().host(2, "gone", "qemu+unix:///system?socket=/nonexistent/sock").start()?;
    let unknown = uuid::Uuid::from_u128(7);
    let table = [
        (format!("/?token=1-{}", off.uuid()), 4409, "the guest is shut off", "virsh start"),
        (
            format!("/?token=1-{}", bare.uuid()),
            4409,
            "the guest has no graphics device",
            "<graphics",
        ),
        (
            format!("/?token=1-{}", deaf.uuid()),
            4409,
            "the guest's vnc console listens nowhere (listen type none)",
            "<listen",
        ),
        (format!("/?token=1-{unknown}"), 4404, "the hypervisor has no such guest", "virsh list"),
        (
            format!("/?token=3-{unknown}"),
            4404,
            "the console proxy does not know this host",
            "[[hosts]]",
        ),
        (format!("/?token=2-{unknown}"), 4503, "the hypervisor cannot be asked", "start libvirtd"),
        (
            "/?token=1-x".to_owned(),
            4400,
            "malformed console token: the domain uuid has 1 characters, expected 36",
            "<host id>-<domain uuid>",
        ),
        ("/".to_owned(), 4400, "no console token: open the console from the web panel", "cookie"),
    ];
    for (path, code, reason, remedy) in table {
        let mut client = Client::open(proxy.address(), &path, &[]).await?;
        let closed = client.closed().await?;
        assert_eq!((closed.code, closed.reason.as_str()), (code, reason), "{path}");
        let log = proxy.log();
        let line = log.lines().rfind(|line| line.contains("session failed")).unwrap_or_default();
        assert!(line.contains(remedy) && line.contains("cause="), "{path}: {line}");
    }
    // libvirt's own words are in the log, and in no reason.
    assert!(
        proxy.log().contains("Failed to connect socket to '/nonexistent/sock'"),
        "{}",
        proxy.log()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_console_that_refuses_resets_or_takes_too_long_has_its_code() -> Result<()> {
    let folder = harness::bed::Folder::new()?;
    let closed_port = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let backend = TcpListener::bind("127.0.0.1:0").await?;
    let mut node = Node::new(folder.path());
    let (refuses, answers) = (node.vnc_at(closed_port), node.vnc_at(backend.local_addr()?));
    let proxy = harness::ProxyBuilder::new(folder.path())
        .host(1, "node", &node.uri()?)
        .setting("max_sessions = 1")
        .start()?;

    let mut client = Client::open(proxy.address(), &format!("/?token=1-{refuses}"), &[]).await?;
    let closed = client.closed().await?;
    assert_eq!(
        (closed.code, closed.reason.as_str()),
        (4502, "the guest's console refused the connection")
    );

    let path = format!("/?token=1-{answers}");
    let (mut client, console) = the_only_session(&proxy, &path, &backend).await?;
    // With linger 0 close sends a reset (socket(7), SO_LINGER).
    console.set_zero_linger()?;
    drop(console);
    assert_eq!(client.closed().await?.code, 4502);

    for (message, code) in [(Message::text("x"), 1003), (Message::binary(vec![0; 2 << 20]), 1009)] {
        let (mut client, held) = the_only_session(&proxy, &path, &backend).await?;
        let mut too_many = Client::open(proxy.address(), &path, &[]).await?;
        assert_eq!(too_many.closed().await?.code, 1013);
        client.send(message).await?;
        assert_eq!(client.closed().await?.code, code);
        drop(held);
    }
    Ok(())
}

/// Opens a session as soon as the one before has given its place back.
async fn the_only_session(
    proxy: &Proxy,
    path: &str,
    backend: &TcpListener,
) -> Result<(Client, TcpStream)> {
    let open = async {
        loop {
            let mut client = Client::open(proxy.address(), path, &[]).await?;
            tokio::select! {
                accepted = backend.accept() => return Ok((client, accepted?.0)),
                closed = client.closed() => assert_eq!(closed?.code, 1013),
            }
        }
    };
    tokio::time::timeout(crate::PATIENCE, open).await?
}
