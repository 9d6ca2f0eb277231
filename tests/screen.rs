//! What a person does at a console in the browser: look, type, and see the guest's answer.

use harness::{Browser, Guest, Result};

use crate::PATIENCE;

/// The canvas has more than one colour.
const DRAWN: &str = "(() => {
    const canvas = document.querySelector('#screen canvas');
    if (!canvas || !canvas.width) return false;
    const image = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const pixels = new Uint32Array(image.data.buffer);
    return pixels.some((pixel) => pixel !== pixels[0]);
})()";

/// Waits until the open page shows a picture.
pub(crate) async fn sees_a_picture(browser: &Browser) -> Result<()> {
    browser.wait_for_state("connected", PATIENCE).await?;
    browser.wait_for("the first picture", DRAWN, PATIENCE).await
}

/// Waits for the picture, types, and sees the picture change with the echo.
pub(crate) async fn types_and_sees_the_echo(
    browser: &Browser,
    guest: &Guest,
    text: &str,
) -> Result<()> {
    sees_a_picture(browser).await?;
    let before = browser.screen_digest().await?;
    browser.run("document.querySelector('#screen canvas').focus()").await?;
    let mut expected = guest.serial()?;
    // QEMU's keyboard holds 16 scan codes, and SPICE delivers keys without a pause between them.
    for key in text.split_inclusive(|_: char| true) {
        browser.type_text(key).await?;
        expected.push_str(key);
        guest.wait_for_serial(&expected, PATIENCE)?;
    }
    browser.wait_for_screen_change(&before, PATIENCE).await
}
