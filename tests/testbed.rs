//! The test bed itself, without any proxy: libvirtd starts, guests boot and echo, Chromium opens a page, and nothing outlives it.

use std::time::Duration;

use harness::bed::Folder;
use harness::rfb::Rfb;
use harness::{Bed, Browser, Console, Result};

/// For one thing to happen on a busy machine.
const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_guest_boots_shows_its_name_and_echoes_keys_and_com1() -> Result<()> {
    let bed = Bed::start()?;
    let guest = bed.guest("demo").start()?;
    let (address, port) = guest.display("vnc")?;
    assert_eq!(address, "127.0.0.1");
    assert!(bed.libvirtd().ports().displays().contains(&port), "port {port} is not the bed's");

    let mut vnc = Rfb::connect(&address, port)?;
    assert!(vnc.name.contains("demo"), "{}", vnc.name);
    assert_eq!((vnc.width, vnc.height), (720, 400));

    let before = vnc.screen()?;
    vnc.type_text("hello\u{8}p\n")?;
    guest.wait_for_serial("hello\u{8}p\r", SOON)?;
    let typed = changed(&mut vnc, &before)?;
    guest.send_serial(b"from COM1")?;
    changed(&mut vnc, &typed)?;
    // What came in by COM1 is shown, not sent back.
    assert_eq!(guest.serial()?, "ready demo\r\nhello\u{8}p\r");
    Ok(())
}

#[test]
fn beds_run_side_by_side() -> Result<()> {
    let (one, two) = (Bed::start()?, Bed::start()?);
    let first = one.guest("twin").console(Console::vnc()).start()?;
    let second = two.guest("twin").console(Console::vnc()).start()?;
    let ((_, first_port), (_, second_port)) = (first.display("vnc")?, second.display("vnc")?);
    assert_ne!(first_port, second_port);

    Rfb::connect("127.0.0.1", first_port)?.type_text("one")?;
    Rfb::connect("127.0.0.1", second_port)?.type_text("two")?;
    first.wait_for_serial("one", SOON)?;
    second.wait_for_serial("two", SOON)?;
    assert!(!first.serial()?.contains("two"));
    Ok(())
}

#[tokio::test]
async fn chromium_opens_a_page_takes_keys_and_tells_its_console() -> Result<()> {
    let folder = Folder::new()?;
    let browser = Browser::start(folder.path()).await?;
    let page = "data:text/html,<body data-state=connecting><input autofocus \
                oninput=\"if (this.value === 'Hi there') document.body.dataset.state = 'connected'\">";
    browser.open(page).await?;
    browser.run("document.querySelector('input').focus(); console.error('a cry')").await?;
    browser.type_text("Hi there").await?;
    browser.wait_for_state("connected", SOON).await?;

    let picture = folder.path().join("page.png");
    browser.screenshot(&picture).await?;
    assert!(std::fs::read(&picture)?.starts_with(b"\x89PNG"));

    let failed = browser.wait_for_state("failed", Duration::ZERO).await.unwrap_err().to_string();
    assert!(failed.contains("waited 0 s for the page to be failed"), "{failed}");
    assert!(failed.contains("a cry"), "no console in: {failed}");
    Ok(())
}

/// Waits until the screen is another than `before`.
fn changed(vnc: &mut Rfb, before: &[u8]) -> Result<Vec<u8>> {
    harness::wait::until("the guest's screen to change", SOON, || {
        let now = vnc.screen()?;
        Ok((now != before).then_some(now))
    })
}
