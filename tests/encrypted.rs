//! TLS and plain on one port: openssl, Chromium and hundreds of clients; certificates as administrators have them.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use harness::bed::Folder;
use harness::certificates::{Authority, Issued};
use harness::websocket::http;
use harness::{Bed, Browser, Proxy, ProxyBuilder, Result};

use crate::PATIENCE;

/// The names that a test's proxy is reached by.
pub(crate) const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];

/// openssl s_client with these arguments, and after the handshake a request for the front page.
fn s_client(address: SocketAddr, arguments: &[&str]) -> Result<String> {
    asked(address, arguments, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

fn asked(address: SocketAddr, arguments: &[&str], request: &str) -> Result<String> {
    let mut client = Command::new("openssl")
        .args([
            "s_client",
            "-connect",
            &address.to_string(),
            "-servername",
            "localhost",
            "-ign_eof",
        ])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut input) = client.stdin.take() {
        // Whoever has been refused reads nothing any more.
        let _ = std::io::Write::write_all(&mut input, request.as_bytes());
    }
    let Output { stdout, stderr, .. } = client.wait_with_output()?;
    Ok(format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

fn proxy_with(folder: &Folder, settings: &[String]) -> Result<Proxy> {
    settings
        .iter()
        .fold(ProxyBuilder::new(folder.path()), |proxy, line| proxy.setting(line))
        .start()
}

fn line(key: &str, path: &Path) -> String {
    format!("{key} = \"{}\"", path.display())
}

const RUNNING: &str = " is running";

#[tokio::test]
async fn openssl_shakes_hands_in_both_versions_and_plain_is_served_beside() -> Result<()> {
    let folder = Folder::new()?;
    let (root, ca) = (Authority::new("Root")?, folder.path().join("ca.pem"));
    std::fs::write(&ca, root.certificate())?;
    let cert = root.server(&NAMES)?.write(&folder.path().join("all.pem"), &[])?;
    let proxy = proxy_with(&folder, &[line("cert", &cert)])?;
    let ca = ca.to_string_lossy();
    for (version, shown) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let said = s_client(
            proxy.address(),
            &[version, "-CAfile", &ca, "-verify_return_error", "-alpn", "h2,http/1.1"],
        )?;
        for part in [RUNNING, "Verify return code: 0 (ok)", "ALPN protocol: http/1.1", shown] {
            assert!(said.contains(part), "{part} is missing: {said}");
        }
    }
    let said = s_client(proxy.address(), &["-alpn", "h2"])?;
    proxy.wait_for_log("let the client offer http/1.1", PATIENCE)?;
    assert!(said.contains("no application protocol"), "{said}");
    let said = s_client(proxy.address(), &["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"])?;
    assert!(said.contains("SSL alert number"), "{said}");
    let plain = http(proxy.address(), "GET", "/", &[]).await?;
    assert!(plain.contains(RUNNING), "{plain}");
    Ok(())
}

#[tokio::test]
async fn what_is_too_old_or_plain_can_be_refused() -> Result<()> {
    let folder = Folder::new()?;
    let cert =
        Authority::new("Root")?.server(&NAMES)?.write(&folder.path().join("all.pem"), &[])?;
    let settings =
        [line("cert", &cert), "ssl_only = true".into(), "tls_min_version = \"1.3\"".into()];
    let proxy = proxy_with(&folder, &settings)?;
    assert!(s_client(proxy.address(), &["-tls1_3"])?.contains(RUNNING));
    let said = s_client(proxy.address(), &["-tls1_2"])?;
    assert!(said.contains("alert protocol version"), "{said}");
    let plain = http(proxy.address(), "GET", "/", &[]).await?;
    assert!(plain.starts_with("HTTP/1.1 403 ") && plain.contains("https:// and wss://"), "{plain}");
    proxy.wait_for_log("a plain request was refused (ssl_only)", PATIENCE)
}

#[tokio::test]
async fn without_a_certificate_openssl_gets_an_alert_and_the_log_a_remedy() -> Result<()> {
    let folder = Folder::new()?;
    let proxy = ProxyBuilder::new(folder.path()).start()?;
    for version in ["-tls1_2", "-tls1_3"] {
        let said = s_client(proxy.address(), &[version])?;
        assert!(said.contains("alert handshake failure"), "{said}");
    }
    proxy.wait_for_log("a client speaks TLS, but no certificate is configured", PATIENCE)?;
    assert!(proxy.log().contains("set cert (WS_CERT, --cert)"), "{}", proxy.log());
    assert!(http(proxy.address(), "GET", "/", &[]).await?.contains(RUNNING));
    Ok(())
}

/// Each kind of key as openssl(1) writes it, in one file with its chain upside down.
#[test]
fn every_kind_of_key_shakes_hands() -> Result<()> {
    let folder = Folder::new()?;
    let root = Authority::new("Root")?;
    let between = root.authority("Between")?;
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, root.certificate())?;
    for (kind, make, write) in [
        ("rsa", "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048", "pkey"),
        ("rsa-pkcs1", "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048", "rsa -traditional"),
        ("p256", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256", "pkey"),
        ("p256-sec1", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256", "ec"),
        ("p384", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384", "pkey"),
        ("p521", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521", "pkey"),
        ("ed25519", "genpkey -algorithm ED25519", "pkey"),
    ] {
        let script = format!(
            "openssl {make} -out \"$0.pkcs8\" && openssl {write} -in \"$0.pkcs8\" -out \"$0.key\""
        );
        let base = folder.path().join(kind);
        assert!(
            Command::new("sh").args(["-ec", &script]).arg(&base).output()?.status.success(),
            "{kind}"
        );
        let pkcs8 = std::fs::read_to_string(base.with_extension("pkcs8"))?;
        let key = std::fs::read_to_string(base.with_extension("key"))?;
        let own = between.server_with(&NAMES, &pkcs8)?.certificate;
        let cert = base.with_extension("pem");
        let text =
            format!("{}{}# between\r\n{own}{key}", root.certificate(), between.certificate());
        std::fs::write(&cert, text.replace("\r\n", "\n").replace('\n', "\r\n"))?;
        let proxy = proxy_with(&folder, &[line("cert", &cert)])?;
        let said =
            s_client(proxy.address(), &["-CAfile", &ca.to_string_lossy(), "-verify_return_error"])?;
        assert!(
            said.contains(RUNNING) && said.contains("Verify return code: 0 (ok)"),
            "{kind}: {said}"
        );
        proxy.wait_for_log(
            "the certificates were not in order and are sent as: CN=server; CN=Between; CN=Root",
            PATIENCE,
        )?;
    }
    Ok(())
}

#[test]
fn each_wrong_file_is_refused_at_start_with_its_own_words() -> Result<()> {
    let folder = Folder::new()?;
    let file = |name: &str| folder.path().join(name);
    let root = Authority::new("Root")?;
    let good = root.server(&NAMES)?;
    let other = root.server(&NAMES)?;
    good.write(&file("good.pem"), &[])?;
    std::fs::write(file("bare.pem"), &good.certificate)?;
    std::fs::write(file("other.key"), &other.key)?;
    let stranger = Authority::new("Stranger")?.certificate();
    Issued { certificate: good.certificate.clone(), key: good.key.clone() }
        .write(&file("stray.pem"), &[stranger])?;
    let encrypt = "openssl pkey -in \"$0/good.pem\" -aes128 -passout pass:x -out \"$0/locked.key\"";
    assert!(
        Command::new("sh").args(["-ec", encrypt]).arg(folder.path()).output()?.status.success()
    );
    let old = root_made_old(&folder)?;
    for (cert, key, expected) in [
        ("missing.pem", None, "missing.pem cannot be read"),
        ("bare.pem", None, "no private key is in "),
        ("bare.pem", Some("other.key"), "fits no certificate in "),
        (
            "bare.pem",
            Some("locked.key"),
            "is encrypted, and nobody is there to type its passphrase",
        ),
        (
            "stray.pem",
            None,
            "cannot be put in order: not in the chain of CN=server are CN=Stranger",
        ),
        (old, None, "expired at 2020-01-02 00:00 UTC"),
    ] {
        let mut program = Command::new(harness::proxy::build()?);
        program.args(["-H", "127.0.0.1", "-p", "0", "--config", "/dev/null", "-c"]).arg(file(cert));
        if let Some(key) = key {
            program.arg("-k").arg(file(key));
        }
        let output = program.env_remove("RUST_LOG").output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(64), "{said}");
        assert!(
            said.contains(expected) && said.contains("remedy="),
            "{expected:?} is missing: {said}"
        );
    }
    Ok(())
}

/// A certificate that is long past; the name of its file.
fn root_made_old(folder: &Folder) -> Result<&'static str> {
    let key = rcgen::KeyPair::generate()?;
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()])?;
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2020, 1, 2);
    let certificate = params.self_signed(&key)?.pem();
    Issued { certificate, key: key.serialize_pem() }.write(&folder.path().join("old.pem"), &[])?;
    Ok("old.pem")
}

#[test]
fn clients_show_certificates_where_they_have_to() -> Result<()> {
    let folder = Folder::new()?;
    let file = |name: &str| folder.path().join(name);
    let (root, people) = (Authority::new("Root")?, Authority::new("People")?);
    let cert = root.server(&NAMES)?.write(&file("all.pem"), &[])?;
    std::fs::write(file("people.pem"), people.certificate())?;
    let alice = people.client("alice")?.write(&file("alice.pem"), &[])?;
    let mallory = Authority::new("Others")?.client("mallory")?.write(&file("mallory.pem"), &[])?;
    let (alice, mallory) = (alice.to_string_lossy(), mallory.to_string_lossy());
    let ca = line("client_ca", &file("people.pem"));

    let settings = [line("cert", &cert), ca.clone(), "ssl_only = true".into()];
    let proxy = proxy_with(&folder, &settings)?;
    assert!(s_client(proxy.address(), &["-cert", &alice, "-key", &alice])?.contains(RUNNING));
    for arguments in [&[][..], &["-cert", &mallory, "-key", &mallory]] {
        let said = s_client(proxy.address(), arguments)?;
        assert!(!said.contains(RUNNING) && said.contains("alert"), "{said}");
    }
    // A session's lines have the certificate's subject.
    let request = "GET /?token=x HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let said = asked(proxy.address(), &["-cert", &alice, "-key", &alice], request)?;
    assert!(said.contains("101 Switching Protocols"), "{said}");
    proxy.wait_for_log("subject=\"CN=alice\"", PATIENCE)?;
    proxy.wait_for_log("the client has to show a certificate", PATIENCE)?;
    proxy.wait_for_log("must be signed by an authority in client_ca", PATIENCE)?;

    let settings = [line("cert", &cert), ca, "client_certificate = \"optional\"".into()];
    let proxy = proxy_with(&folder, &settings)?;
    assert!(s_client(proxy.address(), &["-cert", &alice, "-key", &alice])?.contains(RUNNING));
    assert!(s_client(proxy.address(), &[])?.contains(RUNNING));
    assert!(!s_client(proxy.address(), &["-cert", &mallory, "-key", &mallory])?.contains(RUNNING));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_opens_a_console_by_https_and_another_one_by_http() -> Result<()> {
    let bed = Bed::start()?;
    let guest = bed.guest("seen").start()?;
    let issued = Authority::new("Root")?.server(&NAMES)?;
    let cert = issued.write(&bed.dir().join("all.pem"), &[])?;
    let proxy = bed.proxy().setting(&line("cert", &cert)).start()?;
    let plain = proxy.page_url(guest.uuid());
    let encrypted = plain.replacen("http://", "https://", 1);

    let trusting = Browser::trusting(bed.dir(), &issued.fingerprint()?).await?;
    trusting.open(&encrypted).await?;
    trusting.wait_for_state("connected", PATIENCE).await?;
    trusting.open(&plain).await?;
    trusting.wait_for_state("connected", PATIENCE).await?;
    // Who does not know the certificate does not get in, and the log knows why.
    let stranger = Browser::start(bed.dir()).await?;
    let opened = stranger.open(&encrypted).await;
    let state = stranger.run("return document.body?.dataset?.state ?? ''").await?;
    assert!(opened.is_err() || state == "", "{state}");
    proxy.wait_for_log("the browser does not trust the certificate", PATIENCE)
}
