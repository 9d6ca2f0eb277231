//! The console page in a real browser, on real guests.

use harness::reverse_proxy::ReverseProxy;
use harness::{Bed, Browser, Console, Listen, Proxy, Result};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;

use crate::PATIENCE;

/// Focuses the guest's screen and types.
async fn type_into(browser: &Browser, text: &str) -> Result<()> {
    browser.run("document.querySelector('#screen canvas').focus()").await?;
    browser.type_text(text).await
}

async fn text_of(browser: &Browser, selector: &str) -> Result<String> {
    let script = format!("return document.querySelector({})?.textContent ?? ''", json!(selector));
    Ok(browser.run(&script).await?.as_str().unwrap_or_default().trim().to_owned())
}

async fn click(browser: &Browser, selector: &str) -> Result<()> {
    browser.run(&format!("document.querySelector({}).click()", json!(selector))).await.map(drop)
}

async fn close_code(browser: &Browser, code: u16) -> Result<()> {
    let condition = format!("document.body.dataset.closeCode === '{code}'");
    browser.wait_for(&format!("close code {code}"), &condition, PATIENCE).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_show_two_guests_and_keys_reach_the_right_one() -> Result<()> {
    let bed = Bed::start()?;
    let (one, two) = (bed.guest("one").start()?, bed.guest("two").start()?);
    let proxy = bed.proxy().start()?;
    let browser = Browser::start(bed.dir()).await?;

    browser.open(&proxy.page_url(one.uuid())).await?;
    browser.wait_for_state("connected", PATIENCE).await?;
    let first_tab = browser.client().window().await?;
    let second_tab = browser.client().new_window(true).await?.handle;
    browser.client().switch_to_window(second_tab).await?;
    browser.open(&proxy.page_url(two.uuid())).await?;
    browser.wait_for_state("connected", PATIENCE).await?;
    assert_eq!(text_of(&browser, "#guest-name").await?, "two");
    type_into(&browser, "to two").await?;
    two.wait_for_serial("to two", PATIENCE)?;

    browser.client().switch_to_window(first_tab).await?;
    assert_eq!(text_of(&browser, "#guest-name").await?, "one");
    assert_eq!(text_of(&browser, "#status").await?, "Connected");
    let before = browser.screen_digest().await?;
    type_into(&browser, "To One").await?;
    one.wait_for_serial("To One", PATIENCE)?;
    browser.wait_for_screen_change(&before, PATIENCE).await?;

    assert!(!one.serial()?.contains("two") && !two.serial()?.contains("One"));
    // The panel's own token cookie must not be overwritten.
    assert_eq!(browser.run("return document.cookie").await?, "");
    // Chromium's own advice about the test's reading of the canvas aside.
    let console = browser.console();
    let complaints: Vec<&str> = console.lines().filter(|line| !line.contains("Canvas2D")).collect();
    let failed = browser.failed_requests();
    assert!(complaints.is_empty(), "the page made Chromium complain: {complaints:?} {failed:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn buttons_do_what_they_say() -> Result<()> {
    let bed = Bed::start()?;
    let guest = bed.guest("buttons").start()?;
    let proxy = bed.proxy().start()?;
    let browser = Browser::start(bed.dir()).await?;
    browser.open(&proxy.page_url(guest.uuid())).await?;
    browser.wait_for_state("connected", PATIENCE).await?;

    let width = "document.querySelector('#screen canvas').getBoundingClientRect().width";
    browser.wait_for("the screen to fill the window", &format!("{width} > 1000"), PATIENCE).await?;
    click(&browser, "#scaling").await?;
    browser.wait_for("the screen's own size", &format!("{width} === 720"), PATIENCE).await?;

    // The BIOS reboots the guest, which says so once more.
    click(&browser, "#send-cad").await?;
    guest.wait_for_serial("ready buttons\r\nready buttons\r\n", PATIENCE)?;

    click(&browser, "#reconnect").await?;
    proxy.wait_for_log("session{id=2", PATIENCE)?;
    browser.wait_for_state("connected", PATIENCE).await?;
    type_into(&browser, "again").await?;
    guest.wait_for_serial("again", PATIENCE)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_is_told_in_words_and_reconnecting_works() -> Result<()> {
    let bed = Bed::start()?;
    let guest = bed.guest("ends").start()?;
    let proxy = bed.proxy().start()?;
    let browser = Browser::start(bed.dir()).await?;
    browser.open(&proxy.page_url(guest.uuid())).await?;
    browser.wait_for_state("connected", PATIENCE).await?;

    guest.stop()?;
    // Where the killed QEMU had bytes left to read the kernel resets the connection: lost, not ended.
    let ended = "['1000', '4502'].includes(document.body.dataset.closeCode)";
    browser.wait_for("the guest's end", ended, PATIENCE).await?;
    let reason = text_of(&browser, "#reason").await?;
    assert!(reason.contains("the guest's console"), "{reason}");

    // Shut off, it has no console.
    click(&browser, "#reconnect").await?;
    close_code(&browser, 4409).await?;
    browser.wait_for_state("failed", PATIENCE).await?;
    let reason = text_of(&browser, "#reason").await?;
    assert!(reason.contains("the guest is shut off") && reason.contains("4409"), "{reason}");

    guest.start()?;
    click(&browser, "#reconnect").await?;
    browser.wait_for_state("connected", PATIENCE).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_asked_for_until_it_is_right() -> Result<()> {
    let bed = Bed::start()?;
    let console = Console::Vnc {
        listen: Listen::loopback(),
        password: Some("right1".into()),
        websocket: false,
    };
    let guest = bed.guest("locked").console(console).start()?;
    let proxy = bed.proxy().start()?;
    let browser = Browser::start(bed.dir()).await?;
    browser.open(&proxy.page_url(guest.uuid())).await?;
    for (password, verdict) in [
        ("wrong", "/not accepted/.test(document.body.innerText)"),
        ("right1", "document.body.dataset.state === 'connected'"),
    ] {
        browser.wait_for_state("password", PATIENCE).await?;
        let script = format!(
            "document.querySelector('#password').value = {};
             document.querySelector('#password-form').requestSubmit()",
            json!(password)
        );
        browser.run(&script).await?;
        browser.wait_for("the password's verdict", verdict, PATIENCE).await?;
    }
    type_into(&browser, "in").await?;
    guest.wait_for_serial("in", PATIENCE)?;
    let page = browser.run("return document.documentElement.outerHTML").await?.to_string();
    assert!(!page.contains("right1") && !proxy.log().contains("right1"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_console_that_cannot_open_has_a_page_that_says_why() -> Result<()> {
    let bed = Bed::start()?;
    let off = bed.guest("off").define()?;
    let proxy = bed.proxy().start()?;
    let browser = Browser::start(bed.dir()).await?;
    let table = [
        (proxy.page_url(off.uuid()), "the guest is shut off"),
        (proxy.page_url(uuid::Uuid::nil()), "the hypervisor has no such guest"),
        (page(&proxy, "?token=9-00000000-0000-4000-8000-000000000001"), "does not know this host"),
        (page(&proxy, "?token=nonsense"), "the token has no dash"),
        (page(&proxy, ""), "no console token"),
    ];
    for (url, words) in table {
        browser.open(&url).await?;
        let text = browser.run("return document.body.innerText").await?;
        assert!(text.as_str().is_some_and(|text| text.contains(words)), "{url}: {text}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxys_end_is_told_and_the_page_comes_back_by_itself() -> Result<()> {
    let bed = Bed::start()?;
    let guest = bed.guest("stays").start()?;
    let mut proxy = bed.proxy().start()?;
    let browser = Browser::start(bed.dir()).await?;
    browser.open(&proxy.page_url(guest.uuid())).await?;
    browser.wait_for_state("connected", PATIENCE).await?;
    let port = proxy.address().port();
    proxy.stop()?;
    let not_connected = "document.body.dataset.state !== 'connected'";
    browser.wait_for("the end", not_connected, PATIENCE).await?;
    let _again = bed.proxy().listen("127.0.0.1", port).start()?;
    browser.wait_for_state("connected", PATIENCE).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_websocket_goes_to_the_public_host() -> Result<()> {
    let bed = Bed::start()?;
    let guest = bed.guest("public").start()?;
    let public = bed.proxy().start()?;
    let page = bed.proxy().setting(&format!("public_host = \"{}\"", public.address())).start()?;
    let browser = Browser::start(bed.dir()).await?;
    browser.open(&page.page_url(guest.uuid())).await?;
    browser.wait_for_state("connected", PATIENCE).await?;
    public.wait_for_log("session opened", PATIENCE)?;
    assert!(!page.log().contains("session opened"), "{}", page.log());
    Ok(())
}

fn page(proxy: &Proxy, query: &str) -> String {
    format!("http://{}/console{query}", proxy.address())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_websocket_goes_to_the_public_port_and_path() -> Result<()> {
    let bed = Bed::start()?;
    let guest = bed.guest("public").start()?;
    let public = TcpListener::bind("127.0.0.1:0").await?;
    let port = public.local_addr()?.port();
    let browser = Browser::start(bed.dir()).await?;
    let localhost = "public_host = \"localhost\"\n";
    for (host, is_rewritten, expected) in
        [("", false, "127.0.0.1"), ("", true, "127.0.0.1"), (localhost, false, "localhost")]
    {
        let settings = format!("{host}public_port = {port}\npublic_path = \"/x/\"");
        let page = bed.proxy().setting(&settings).start()?;
        let mut url = page.page_url(guest.uuid());
        // WebVirtCloud's own nginx file passes no Host, so nginx writes the upstream's name.
        let location = format!(
            "location / {{ proxy_pass http://wsnovncd; }} }} upstream wsnovncd {{ server {};",
            page.address()
        );
        let front = ReverseProxy::nginx(bed.dir(), &location, None)?;
        if is_rewritten {
            url = url.replace(&page.address().to_string(), &front.address().to_string());
        }
        browser.open(&url).await?;
        let (stream, _) = tokio::time::timeout(PATIENCE, public.accept()).await??;
        let mut lines = BufReader::new(stream).lines();
        let head = async {
            let mut head = Vec::new();
            while let Some(line) = lines.next_line().await?.filter(|line| !line.is_empty()) {
                head.push(line);
            }
            Ok::<_, std::io::Error>(head)
        };
        let head = tokio::time::timeout(PATIENCE, head).await??;
        assert_eq!(head[0], format!("GET /x/?token=1-{} HTTP/1.1", guest.uuid()));
        assert!(head.contains(&format!("Host: {expected}:{port}")), "{head:?}");
    }
    Ok(())
}
