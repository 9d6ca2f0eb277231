//! `console-check` on certificates that are wrong.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use harness::Result;
use harness::certificates::Authority;

use crate::check_bench::{Bench, Fault, Shared, Well, broken, warned};

pub(crate) const FAULTS: &[Fault] = &[
    warned("no certificate is configured", "certificate.none"),
    broken("the certificate's file is not there", "certificate.file"),
    broken("the certificate's file is DER", "certificate.file"),
    broken("the service's user may not read the certificate", "certificate.file"),
    broken("the service's user may not read the key's own file", "certificate.key"),
    broken("there is no private key in WS_CERT", "certificate.key"),
    broken("the private key has a passphrase", "certificate.key"),
    broken("the private key is RSA with 1024 bits", "certificate.key"),
    broken("the private key is another certificate's", "certificate.pair"),
    warned("the certificates are in the wrong order", "certificate.order"),
    broken("a certificate of another chain is in the file", "certificate.order"),
    broken("the certificate has expired", "certificate.dates"),
    broken("the certificate is for later", "certificate.dates"),
    warned("the certificate expires in ten days", "certificate.dates"),
    warned("the certificate in between is missing", "certificate.chain"),
    warned("the root is in the file, and this system does not know it", "certificate.chain"),
    warned("the certificate is self-signed", "certificate.chain"),
    broken("the certificate is for another name than WS_PUBLIC_HOST", "certificate.names"),
    warned("the certificate is signed with SHA-1", "certificate.strength")
        .with(&["certificate.chain"]),
    warned("everybody on the machine can read the private key", "certificate.private"),
    broken("the authority for clients' certificates is no certificate", "certificate.clients"),
    broken("the running proxy serves an older certificate", "certificate.served"),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_of_a_certificate_is_the_first_finding() -> Result<()> {
    let well = Well::start()?;
    let (bench, port) = (Bench::new(FAULTS), well.port());
    let finds = |planted: &str, file: &str| {
        let checked = well.with_cert(file).check(port, &[])?;
        // What the proxy serves is another one, of course, unless it is broken before that can be seen.
        let is_served = |id: &str| id == "certificate.served";
        let checked = without(checked, is_served);
        bench.finds(planted, &checked)
    };
    let write = |name: &str, text: &str| -> Result<()> {
        fs::write(well.file(name), text)?;
        fs::set_permissions(well.file(name), Permissions::from_mode(0o600))?;
        Ok(())
    };
    let plain = well.plain().start()?;
    let none = well.plain().check(plain.address().port(), &[])?;
    bench.finds("no certificate is configured", &none)?;
    finds("the certificate's file is not there", "missing.pem")?;
    openssl(
        &well.file("x"),
        &["x509", "-in", "console.pem", "-outform", "der", "-out", "console.der"],
    )?;
    finds("the certificate's file is DER", "console.der")?;

    // A folder that everybody may pass, and a file that nobody else may read.
    let shared = Shared::new(&well.bed, "certificates")?;
    fs::copy(well.file("console.pem"), shared.file("console.pem"))?;
    fs::set_permissions(shared.file("console.pem"), Permissions::from_mode(0o600))?;
    let config = shared.file("console.toml");
    let pem = shared.file("console.pem");
    fs::write(
        &config,
        format!(
            "port = {port}\ncert = \"{}\"\n[[hosts]]\nid = 1\nconnection = \"socket\"\nuri = \"test:///default\"\n",
            pem.display()
        ),
    )?;
    fs::set_permissions(&config, Permissions::from_mode(0o644))?;
    let as_nobody = well.plain().without_file().arg("--config").arg(&config.display().to_string());
    let denied = as_nobody.check(port, &["--user", "nobody"]);
    let found = bench.finds("the service's user may not read the certificate", &denied?)?;
    ensure!(found.text.contains("nobody"), "{found:?}");

    let (own, key) = (&well.identity.certificate, &well.identity.key);
    let shared = Shared::new(&well.bed, "keys")?;
    let cert = shared.write("cert.pem", own)?;
    let apart = shared.write("key.pem", key)?;
    fs::set_permissions(&apart, Permissions::from_mode(0o600))?;
    let text = format!(
        "port = {port}\ncert = \"{}\"\nkey = \"{}\"\n[[hosts]]\nid = 1\nconnection = \"socket\"\nuri = \"test:///default\"\n",
        cert.display(),
        apart.display()
    );
    let config = shared.write("console.toml", &text)?.display().to_string();
    let as_nobody = well.plain().without_file().arg("--config").arg(&config);
    let denied = as_nobody.check(port, &["--user", "nobody"])?;
    let found = bench.finds("the service's user may not read the key's own file", &denied)?;
    ensure!(found.text.contains("key.pem"), "{found:?}");
    write("keyless.pem", own)?;
    finds("there is no private key in WS_CERT", "keyless.pem")?;
    openssl(
        &well.file("x"),
        &["pkey", "-in", "console.pem", "-aes256", "-passout", "pass:secret", "-out", "locked.key"],
    )?;
    let locked = fs::read_to_string(well.file("locked.key"))?;
    write("locked.pem", &format!("{own}{locked}"))?;
    let found = finds("the private key has a passphrase", "locked.pem")?;
    ensure!(!found.text.contains("secret"));
    let request = [
        "req",
        "-x509",
        "-nodes",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
    ];
    let small = ["-newkey", "rsa:1024", "-days", "90", "-keyout", "small.key", "-out", "small.crt"];
    openssl(&well.file("x"), &[&request[..], &small[..]].concat())?;
    join(&well, &["small.crt", "small.key"], "small.pem")?;
    finds("the private key is RSA with 1024 bits", "small.pem")?;
    let other = well.authority.server(&["localhost"])?;
    write("other.pem", &format!("{own}{}", other.key))?;
    finds("the private key is another certificate's", "other.pem")?;

    let between = well.authority.authority("in between")?;
    let leaf = between.server(&["localhost"])?;
    let root = well.authority.certificate();
    write(
        "order.pem",
        &format!("{}{}{}{root}", leaf.key, between.certificate(), leaf.certificate),
    )?;
    finds("the certificates are in the wrong order", "order.pem")?;
    let stranger = Authority::new("stranger")?.certificate();
    write("stranger.pem", &format!("{own}{stranger}{key}"))?;
    finds("a certificate of another chain is in the file", "stranger.pem")?;
    for (planted, from, until) in [
        ("the certificate has expired", -100, -1),
        ("the certificate is for later", 30, 100),
        ("the certificate expires in ten days", -10, 10),
    ] {
        let dated = well.authority.server_between(&["localhost"], from, until)?;
        dated.write(&well.file("dated.pem"), &[])?;
        finds(planted, "dated.pem")?;
    }
    leaf.write(&well.file("incomplete.pem"), &[])?;
    finds("the certificate in between is missing", "incomplete.pem")?;
    let private = Authority::new("private")?;
    let known_to_few = private.server(&["localhost"])?;
    known_to_few.write(&well.file("private.pem"), &[private.certificate()])?;
    finds("the root is in the file, and this system does not know it", "private.pem")?;
    self_signed(&well, "self.pem")?;
    finds("the certificate is self-signed", "self.pem")?;
    let sha1 =
        ["-newkey", "rsa:2048", "-sha1", "-days", "90", "-keyout", "sha1.key", "-out", "sha1.crt"];
    openssl(&well.file("x"), &[&request[..], &sha1[..]].concat())?;
    join(&well, &["sha1.crt", "sha1.key"], "sha1.pem")?;
    let weak = without(well.with_cert("sha1.pem").check(port, &[])?, |id| {
        id == "certificate.served" || id == "certificate.chain"
    });
    bench.finds("the certificate is signed with SHA-1", &weak)?;

    well.authority.server(&["console.example.org"])?.write(&well.file("named.pem"), &[])?;
    let named = well.with_cert("named.pem").setting("public_host = \"localhost\"");
    let named = without(named.check(port, &[])?, |id| id == "certificate.served");
    bench.finds("the certificate is for another name than WS_PUBLIC_HOST", &named)?;
    let shared = Shared::new(&well.bed, "certificates")?;
    let open = well.identity.write(&shared.file("open.pem"), &[])?;
    fs::set_permissions(&open, Permissions::from_mode(0o644))?;
    let open = well.plain().setting(&format!("cert = \"{}\"", open.display())).check(port, &[]);
    bench.finds("everybody on the machine can read the private key", &open?)?;
    write("clients.pem", "no certificate")?;
    let clients = well.file("clients.pem");
    let clients = well
        .settings()
        .setting(&format!("client_ca = \"{}\"", clients.display()))
        .setting("client_certificate = \"optional\"");
    bench.finds(
        "the authority for clients' certificates is no certificate",
        &clients.check(port, &[])?,
    )?;
    other.write(&well.file("newer.pem"), &[])?;
    let served = well.with_cert("newer.pem").check(port, &[])?;
    bench.finds("the running proxy serves an older certificate", &served)?;
    bench.finish()
}

/// The report without these findings.
fn without(
    mut checked: harness::check::Checked,
    leave_out: impl Fn(&str) -> bool,
) -> harness::check::Checked {
    for section in checked.report["sections"].as_array_mut().into_iter().flatten() {
        if let Some(findings) = section["findings"].as_array_mut() {
            findings.retain(|finding| !leave_out(finding["id"].as_str().unwrap_or_default()));
        }
    }
    // Its exit status as if they were not.
    let has_errors = !checked.with_status("error").is_empty();
    checked.code = i32::from(has_errors);
    checked
}

/// One for localhost that people make to try things out, with its key.
pub(crate) fn self_signed(well: &Well, name: &str) -> Result<()> {
    let args = "req -x509 -nodes -subj /CN=localhost -addext subjectAltName=DNS:localhost -newkey rsa:2048 -days 90 -keyout self.key -out self.crt";
    openssl(&well.file("x"), &args.split(' ').collect::<Vec<_>>())?;
    join(well, &["self.crt", "self.key"], name)
}

fn openssl(beside: &Path, args: &[&str]) -> Result<()> {
    let folder = beside.parent().context("no folder")?;
    let output = Command::new("openssl").args(args).current_dir(folder).output()?;
    ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn join(well: &Well, parts: &[&str], name: &str) -> Result<()> {
    let texts: Vec<String> =
        parts.iter().map(|part| fs::read_to_string(well.file(part))).collect::<Result<_, _>>()?;
    fs::write(well.file(name), texts.concat())?;
    Ok(fs::set_permissions(well.file(name), Permissions::from_mode(0o600))?)
}
