//! Consoles that only their own machine can open, through its SSH server.

use harness::{Bed, Browser, Listen, Result};

use crate::remote::{SSH, at, spice, vnc, with_remote};
use crate::screen::types_and_sees_the_echo;

#[tokio::test]
async fn consoles_behind_an_ssh_server_open_in_a_browser() -> Result<()> {
    let bed = Bed::start()?;
    let remote = bed.remote()?;
    let socket = |name: &str| Listen::Socket(Some(bed.dir().join(name)));
    let guests = [
        ("loopback", vnc(at("127.0.0.1"))),
        ("loopback six", spice(at("::1"))),
        ("a socket", vnc(socket("vnc.sock"))),
        ("a spice socket", spice(socket("spice.sock"))),
    ];
    let guests: Vec<_> = guests
        .into_iter()
        .map(|(name, console)| remote.guest(name).console(console).start())
        .collect::<Result<_>>()?;
    let proxy = with_remote(bed.proxy(), &remote).start()?;
    let browser = Browser::start(bed.dir()).await?;
    for guest in &guests {
        browser.open(&proxy.page_url_at(SSH, guest.uuid())).await?;
        types_and_sees_the_echo(&browser, guest, "ok").await?;
    }
    Ok(())
}
