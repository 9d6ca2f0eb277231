//! `console-check url` on ways that do not lead to a console.

use harness::Result;
use harness::reverse_proxy::ReverseProxy;

use crate::check_bench::{Bench, Closed, Fault, Well, broken};
use crate::check_front::passes_on;

pub(crate) const FAULTS: &[Fault] = &[
    broken("the address is no WebSocket's", "url.form"),
    broken("the name has no address", "url.name"),
    broken("nothing listens there", "url.connect"),
    broken("wss:// to a port that is plain", "url.tls"),
    broken("the authority is not known", "url.certificate"),
    broken("the certificate is for another name than the address has", "url.certificate"),
    broken("the reverse proxy has no such path", "url.upgrade"),
    broken("the reverse proxy does not reach the console proxy", "url.upgrade"),
    broken("the server closes the port to strangers' pages", "url.upgrade"),
    broken("a server answers a subprotocol that was not offered", "url.subprotocol"),
    broken("the token's guest does not exist", "url.ping"),
    broken("the reverse proxy cuts a connection that is idle (--slow)", "url.idle"),
];

/// Longer than the minute after which most reverse proxies cut what is silent: here one that has its default.
#[tokio::test(flavor = "multi_thread")]
async fn an_idle_console_outlives_a_reverse_proxys_patience() -> Result<()> {
    let well = Well::start()?;
    let port = well.port();
    let front = passes_on(port);
    let nginx = ReverseProxy::nginx(well.bed.dir(), &front, Some(&well.file("console.pem")))?;
    let settings = well
        .settings()
        .setting("public_host = \"localhost\"")
        .setting(&format!("public_port = {}", nginx.address().port()));
    let checked = settings.check(port, &["--slow"])?;
    checked.expect_well()?;
    checked.expect("browser.idle", "ok")?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_on_a_browsers_way_is_the_first_finding() -> Result<()> {
    let well = Well::start()?;
    let (bench, port) = (Bench::new(FAULTS), well.port());
    let settings = well.settings().without_file();
    let visit = |url: &str| settings.check(port, &["url", url]);
    let token = format!("1-{}", well.guest.uuid());
    for scheme in ["ws", "wss"] {
        let checked = visit(&format!("{scheme}://localhost:{port}/?token={token}"))?;
        checked.expect_well()?;
        checked.expect("url.ping", "ok")?;
        assert!(!checked.report.to_string().contains(&token), "{}", checked.shown());
    }
    visit(&format!("wss://localhost:{port}/"))?.expect_well()?;

    bench.finds("the address is no WebSocket's", &visit("ftp://localhost/")?)?;
    bench.finds("the name has no address", &visit("wss://console.invalid:6080/")?)?;
    let nobody = Closed::new()?;
    let closed = nobody.port()?;
    bench.finds("nothing listens there", &visit(&format!("ws://localhost:{closed}/"))?)?;
    let plain = ReverseProxy::nginx(well.bed.dir(), "location / { return 200 panel; }", None)?;
    let at = |proxy: &ReverseProxy| proxy.address().port();
    bench.finds(
        "wss:// to a port that is plain",
        &visit(&format!("wss://localhost:{}/", at(&plain)))?,
    )?;
    let stranger = harness::certificates::Authority::new("stranger")?.server(&["localhost"])?;
    let stranger = stranger.write(&well.file("stranger.pem"), &[])?;
    let front = passes_on(port);
    let unknown = ReverseProxy::nginx(well.bed.dir(), &front, Some(&stranger))?;
    let checked = visit(&format!("wss://localhost:{}/", at(&unknown)))?;
    bench.finds("the authority is not known", &checked)?;
    let checked = visit(&format!("wss://127.0.0.1:{port}/"))?;
    bench.finds("the certificate is for another name than the address has", &checked)?;
    let lost = ReverseProxy::nginx(well.bed.dir(), "location / { return 404; }", None)?;
    let checked = visit(&format!("ws://localhost:{}/novncd/", at(&lost)))?;
    bench.finds("the reverse proxy has no such path", &checked)?;
    let broken = format!("location / {{ proxy_pass http://127.0.0.1:{closed}; }}");
    let broken = ReverseProxy::nginx(well.bed.dir(), &broken, None)?;
    let checked = visit(&format!("ws://localhost:{}/", at(&broken)))?;
    bench.finds("the reverse proxy does not reach the console proxy", &checked)?;
    // nginx hides the name, so the proxy takes the page for a stranger's.
    let hidden =
        front.replace("proxy_set_header Host $http_host", "proxy_set_header Host wsnovncd");
    let strict = well.plain().setting("origin_check = \"enforce\"").start()?;
    let hidden = hidden.replace(&port.to_string(), &strict.address().port().to_string());
    let hidden = ReverseProxy::nginx(well.bed.dir(), &hidden, None)?;
    let checked = visit(&format!("ws://localhost:{}/", at(&hidden)))?;
    bench.finds("the server closes the port to strangers' pages", &checked)?;
    let chatty = format!("add_header Sec-WebSocket-Protocol binary always; {front}");
    let chatty = ReverseProxy::nginx(well.bed.dir(), &chatty, None)?;
    let checked = visit(&format!("ws://localhost:{}/", at(&chatty)))?;
    bench.finds("a server answers a subprotocol that was not offered", &checked)?;
    let gone = visit(&format!("ws://localhost:{port}/?token=1-{}", uuid::Uuid::nil()))?;
    let found = bench.finds("the token's guest does not exist", &gone)?;
    assert!(found.text.contains("4404"), "{found:?}");
    // The proxy's pings come too late for this one.
    let hasty = format!("proxy_read_timeout 4s; {front}");
    let hasty = ReverseProxy::nginx(well.bed.dir(), &hasty, None)?;
    let hasty = format!("ws://localhost:{}/?token={token}", at(&hasty));
    let checked = settings.check(port, &["url", &hasty, "--slow"])?;
    bench.finds("the reverse proxy cuts a connection that is idle (--slow)", &checked)?;
    bench.finish()
}
