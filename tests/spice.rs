//! SPICE guests in a real browser, shown by spice-html5 in our page.

use harness::{Bed, Browser, Console, Listen, Result};

use crate::PATIENCE;
use crate::screen::types_and_sees_the_echo;

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
    browser.wait_for("the guest's end", ENDED, PATIENCE).await?;
    // And it comes back.
    over_unix.start()?;
    browser.run("document.querySelector('#reconnect-now').click()").await?;
    types_and_sees_the_echo(&browser, &over_unix, "again").await
}

#[tokio::test]
async fn a_spice_password_is_asked_for_until_it_is_right() -> Result<()> {
    let bed = Bed::start()?;
    let password = Some("s3cret".to_owned());
    let console = Console::Spice { listen: Listen::loopback(), password };
    let guest = bed.guest("locked").console(console).start()?;
    let proxy = bed.proxy().start()?;
    let browser = Browser::start(bed.dir()).await?;
    browser.open(&proxy.page_url(guest.uuid())).await?;
    for (attempt, said) in [("wrong", "protected by a password"), ("s3cret", "not accepted")] {
        browser.wait_for_state("password", PATIENCE).await?;
        let advice = format!("document.querySelector('#advice').textContent.includes('{said}')");
        browser.wait_for("the page to say why", &advice, PATIENCE).await?;
        let enter = format!(
            "document.querySelector('#password').value = '{attempt}';
             document.querySelector('#password-form').requestSubmit()"
        );
        browser.run(&enter).await?;
    }
    types_and_sees_the_echo(&browser, &guest, "open").await
}

/// spice-html5 spoils one ticket in 256. Here it spoils the first of the main channel, and then the first of the display's.
#[tokio::test]
async fn a_spoiled_ticket_is_not_the_persons_trouble() -> Result<()> {
    let bed = Bed::start()?;
    let guest = bed.guest("unlucky").console(Console::spice()).start()?;
    let (package, spoiled) = (harness::packages::spice_html5()?, bed.dir().join("spice-html5"));
    let copied = std::process::Command::new("cp").arg("-r").args([&package, &spoiled]).status()?;
    assert!(copied.success());
    // The channels come in any order, so a ticket is told whose it is; its leading zeros kept, no other is spoiled.
    for (file, old, new) in [
        ("spiceconn.js", "String.fromCharCode(0)))", "String.fromCharCode(0), this.type))"),
        ("ticket.js", "function rsa_encrypt(rsa, str)", "function rsa_encrypt(rsa, str, channel)"),
        (
            "ticket.js",
            "    return ret;\n}\n\nexport",
            "    while (ret.length < oaep.length) ret.unshift(0);\n    \
             const tickets = (globalThis.tickets ??= {});\n    \
             tickets[channel] = (tickets[channel] ?? 0) + 1;\n    \
             if (channel <= 2 && tickets[channel] === 1) ret[0] ^= 255;\n    return ret;\n}\n\nexport",
        ),
    ] {
        let text = std::fs::read_to_string(spoiled.join(file))?;
        assert_eq!(text.matches(old).count(), 1, "{file} is another than it was: {old}");
        std::fs::write(spoiled.join(file), text.replace(old, new))?;
    }
    let proxy = bed.proxy().spice_root(&spoiled).start()?;
    let browser = Browser::start(bed.dir()).await?;
    browser.open(&proxy.page_url(guest.uuid())).await?;
    types_and_sees_the_echo(&browser, &guest, "ok").await?;
    // Each of the two was given a second chance, and the display's is a whole new console.
    assert_eq!(browser.run("return globalThis.tickets[1]").await?, 3);
    assert_eq!(browser.run("return globalThis.tickets[2]").await?, 2);
    Ok(())
}

#[tokio::test]
async fn a_viewer_that_does_not_load_is_tried_once_more_and_told() -> Result<()> {
    let bed = Bed::start()?;
    let guest = bed.guest("unseen").console(Console::spice()).start()?;
    let (package, broken) = (harness::packages::spice_html5()?, bed.dir().join("spice-html5"));
    let copied = std::process::Command::new("cp").arg("-r").args([&package, &broken]).status()?;
    assert!(copied.success());
    std::fs::remove_file(broken.join("wire.js"))?;
    let proxy = bed.proxy().spice_root(&broken).start()?;
    let browser = Browser::start(bed.dir()).await?;
    browser.open(&proxy.page_url(guest.uuid())).await?;
    browser.wait_for_state("failed", PATIENCE).await?;
    let shown = browser.run("return document.querySelector('#headline').textContent").await?;
    assert_eq!(shown, "Viewer did not load");
    let reloads = "return performance.getEntriesByType('navigation')[0].type";
    assert_eq!(browser.run(reloads).await?, "reload");
    // The person's own reload finds what is there again.
    std::fs::copy(package.join("wire.js"), broken.join("wire.js"))?;
    browser.run("document.querySelector('#reconnect-now').click()").await?;
    types_and_sees_the_echo(&browser, &guest, "ok").await
}

#[tokio::test]
async fn a_console_that_is_refused_shows_the_proxys_words() -> Result<()> {
    let bed = Bed::start()?;
    let guest = bed.guest("goes off").console(Console::spice()).start()?;
    let proxy = bed.proxy().start()?;
    let browser = Browser::start(bed.dir()).await?;
    browser.open(&proxy.page_url(guest.uuid())).await?;
    browser.wait_for_state("connected", PATIENCE).await?;
    guest.stop()?;
    browser.wait_for("the guest's end", ENDED, PATIENCE).await?;
    browser.run("document.querySelector('#reconnect-now').click()").await?;
    let shown = "document.querySelector('#reason').textContent";
    let refused = format!("{shown} === 'the guest is shut off (code 4409)'");
    browser.wait_for("the proxy's words", &refused, PATIENCE).await?;
    browser.wait_for_state("failed", PATIENCE).await
}

/// Sound brings the channels playback and record, and each port one of its own: nine WebSockets with one token.
#[tokio::test]
async fn a_guest_with_many_devices_has_all_its_channels() -> Result<()> {
    let bed = Bed::start()?;
    let port = |name| {
        format!(
            "<channel type='spiceport'><source channel='org.example.{name}'/>\
             <target type='virtio' name='org.example.{name}'/></channel>"
        )
    };
    let guest = bed
        .guest("many")
        .console(Console::spice())
        .device("<sound model='ich6'/><audio id='1' type='spice'/>")
        .device(&["a", "b", "c"].map(port).concat())
        .start()?;
    let proxy = bed.proxy().start()?;
    let browser = Browser::start(bed.dir()).await?;
    browser.open(&proxy.page_url(guest.uuid())).await?;
    types_and_sees_the_echo(&browser, &guest, "ok").await?;
    let lines = |words: &str| proxy.log().matches(words).count();
    harness::wait::until("nine channels", PATIENCE, || {
        Ok((lines("session opened") == 9).then_some(()))
    })?;
    // They all end with the page.
    browser.open("about:blank").await?;
    harness::wait::until(
        "their ends",
        PATIENCE,
        || Ok((lines("session closed") == 9).then_some(())),
    )
}

/// spice-html5 opens 4 WebSockets and more; libvirt is asked once. It cannot answer a second time: it hangs.
#[tokio::test]
async fn the_channels_of_one_console_share_a_lookup() -> Result<()> {
    use harness::websocket::{Client, Message};
    let mut bed = Bed::start()?;
    let guest = bed.guest("both").console(Console::spice()).console(Console::vnc()).start()?;
    let proxy = bed.proxy().setting("lookup_timeout = 0.5").start()?;
    let spice = format!("/?token=1-{}", guest.uuid());
    let vnc = format!("{spice}&graphics=vnc");
    // Warms libvirt's connection.
    Client::open(proxy.address(), &vnc, &[]).await?.read(12).await?;
    let _main = Client::open(proxy.address(), &spice, &[]).await?;
    proxy.wait_for_log("kind=spice", PATIENCE)?;
    bed.libvirtd_mut().pause()?;
    let mut channel = Client::open(proxy.address(), &spice, &[]).await?;
    channel.send(Message::binary(&LINK[..])).await?;
    assert_eq!(&channel.read(16).await?[..4], b"REDQ");
    // Not so a VNC console of the same guest, which is looked up anew each time.
    let mut vnc = Client::open(proxy.address(), &vnc, &[]).await?;
    assert_eq!(vnc.closed().await?.code, 4503);
    bed.libvirtd_mut().resume()
}

/// Where the killed QEMU had bytes left to read the kernel resets the connection: lost, not ended.
const ENDED: &str = "['1000', '4502'].includes(document.body.dataset.closeCode)";

/// A SPICE client's first message, for a main channel.
const LINK: [u8; 34] = [
    b'R', b'E', b'D', b'Q', 2, 0, 0, 0, 2, 0, 0, 0, 18, 0, 0, 0, // header
    0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 18, 0, 0, 0, // message
];
