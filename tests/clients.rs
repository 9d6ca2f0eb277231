//! The clients' own pages, which web panels serve: noVNC's and spice-html5's show a guest, and why there is none.

use harness::site::Site;
use harness::{Bed, Browser, Console, Proxy, Result, packages};
use uuid::Uuid;

use crate::PATIENCE;

/// noVNC's own page, told to connect at once.
fn novnc(site: &Site, proxy: &Proxy, token: &str) -> String {
    let (host, port) = (proxy.address().ip(), proxy.address().port());
    site.url(&format!(
        "vnc.html?autoconnect=1&host={host}&port={port}&path=websockify%3Ftoken%3D{token}"
    ))
}

/// spice-html5's own page; it puts the token into a cookie.
fn spice(site: &Site, proxy: &Proxy, token: &str) -> String {
    let (host, port) = (proxy.address().ip(), proxy.address().port());
    site.url(&format!("spice_auto.html?host={host}&port={port}&path=websockify&token={token}"))
}

/// Tokens that lead nowhere: a guest that is off, one that nobody knows, no token at all, a host that does not answer. With each, how the reason
/// begins and SPICE's code for it.
fn failures(off: Uuid) -> [(String, &'static str, u8); 4] {
    let stranger = "0a000000-0000-4000-8000-000000000001";
    [
        (format!("1-{off}"), "the guest is shut off", 9),
        (format!("1-{stranger}"), "the hypervisor has no such guest", 9),
        ("nonsense".to_owned(), "malformed console token", 7),
        (format!("7-{stranger}"), "the hypervisor cannot be asked", 1),
    ]
}

#[tokio::test]
async fn novncs_own_page_shows_a_guest_and_why_there_is_none() -> Result<()> {
    let bed = Bed::start()?;
    let guest = bed.guest("shown").start()?;
    let off = bed.guest("off").define()?;
    let proxy =
        bed.proxy().host(7, "down", "qemu+unix:///system?socket=/nonexistent/sock").start()?;
    let site = Site::start(&packages::novnc()?)?;
    let browser = Browser::start(bed.dir()).await?;
    browser.open(&novnc(&site, &proxy, &format!("1-{}", guest.uuid()))).await?;
    let connected = "document.documentElement.classList.contains('noVNC_connected')";
    browser.wait_for("noVNC to be connected", connected, PATIENCE).await?;
    for (token, reason, _) in failures(off.uuid()) {
        browser.open(&novnc(&site, &proxy, &token)).await?;
        let shown =
            format!("document.querySelector('#noVNC_status').textContent.includes('{reason}')");
        browser.wait_for("noVNC to show the reason", &shown, PATIENCE).await?;
    }
    Ok(())
}

#[tokio::test]
async fn spice_html5s_own_page_shows_a_guest_and_that_there_is_none() -> Result<()> {
    let bed = Bed::start()?;
    let guest = bed.guest("shown").console(Console::spice()).start()?;
    let off = bed.guest("off").console(Console::spice()).define()?;
    let proxy =
        bed.proxy().host(7, "down", "qemu+unix:///system?socket=/nonexistent/sock").start()?;
    let site = Site::start(&packages::spice_html5()?)?;
    let browser = Browser::start(bed.dir()).await?;
    browser.open(&spice(&site, &proxy, &format!("1-{}", guest.uuid()))).await?;
    let connected = "document.querySelector('#spice-screen canvas')";
    browser.wait_for("spice-html5 to show a picture", connected, PATIENCE).await?;
    for (token, _, error) in failures(off.uuid()) {
        browser.open(&spice(&site, &proxy, &token)).await?;
        let said = format!(
            "document.querySelector('#message-div').textContent.includes('reply link error {error}')"
        );
        browser.wait_for("spice-html5 to show the error", &said, PATIENCE).await?;
    }
    Ok(())
}
