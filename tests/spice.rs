//! SPICE guests in a real browser, shown by spice-html5 in our page.

use std::time::Duration;

use harness::{Bed, Browser, Console, Listen, Result};

const PATIENCE: Duration = Duration::from_secs(60);

/// The canvas has more than one colour.
const DRAWN: &str = "(() => {
    const canvas = document.querySelector('#screen canvas');
    if (!canvas) return false;
    const image = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const pixels = new Uint32Array(image.data.buffer);
    return pixels.some((pixel) => pixel !== pixels[0]);
})()";

async fn types_and_sees_the_echo(
    browser: &Browser,
    guest: &harness::Guest,
    text: &str,
) -> Result<()> {
    browser.wait_for_state("connected", PATIENCE).await?;
    browser.wait_for("the first picture", DRAWN, PATIENCE).await?;
    let before = browser.screen_digest().await?;
    browser.run("document.querySelector('#screen canvas').focus()").await?;
    browser.type_text(text).await?;
    guest.wait_for_serial(text, PATIENCE)?;
    browser.wait_for_screen_change(&before, PATIENCE).await
}

#[tokio::test]
async fn a_spice_guest_is_shown_and_takes_keys() -> Result<()> {
    let bed = Bed::start()?;
    let over_tcp = bed.guest("over tcp").console(Console::spice()).start()?;
    let path = bed.dir().join("spice.sock");
    let listen = Listen::Socket(Some(path));
    let over_unix =
        bed.guest("over unix").console(Console::Spice { listen, password: None }).start()?;
    let proxy = bed.proxy().start()?;
    let browser = Browser::start(bed.dir()).await?;
    for guest in [&over_tcp, &over_unix] {
        browser.open(&proxy.page_url(guest.uuid())).await?;
        types_and_sees_the_echo(&browser, guest, "hello spice").await?;
    }
    // The guest's end is the page's.
    over_unix.stop()?;
    browser.wait_for_state("disconnected", PATIENCE).await?;
    assert_eq!(browser.run("return document.body.dataset.closeCode").await?, "1000");
    // And it comes back.
    over_unix.start()?;
    browser.run("document.querySelector('#reconnect-now').click()").await?;
    types_and_sees_the_echo(&browser, &over_unix, "again").await
}
