//! Hypervisors over the network: libvirt by TCP, TLS and SSH, and consoles on their addresses.

use harness::{Bed, Console, Listen, Remote, Result};

use crate::PATIENCE;

/// The lines of `[[hosts]]` for `remote`.
fn host(connection: &str, hostname: &str, more: &[String]) -> Vec<String> {
    let lines = [format!("connection = \"{connection}\""), format!("hostname = \"{hostname}\"")];
    [&lines, more].concat()
}

fn sasl(password: &str) -> Vec<String> {
    vec![format!("login = \"{}\"", harness::remote::LOGIN), format!("password = \"{password}\"")]
}

#[tokio::test]
async fn smoke() -> Result<()> {
    let bed = Bed::start()?;
    let remote: Remote = bed.remote()?;
    let anywhere = Console::Vnc {
        listen: Listen::Address("0.0.0.0".into()),
        password: None,
        websocket: false,
    };
    let guest = remote.guest("far away").console(anywhere).start()?;
    let lines = host("tcp", &remote.v4().to_string(), &sasl(harness::remote::PASSWORD));
    let proxy = bed.proxy().host_with(2, &lines).start()?;
    let mut client = harness::websocket::Client::open(
        proxy.address(),
        &format!("/?token=2-{}", guest.uuid()),
        &[],
    )
    .await?;
    assert_eq!(client.read(12).await?, b"RFB 003.008\n");
    proxy.wait_for_log("session opened", PATIENCE)
}
