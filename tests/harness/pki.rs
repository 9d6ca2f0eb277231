//! Certificates for libvirt's TLS (<https://libvirt.org/kbase/tlscerts.html>), made by openssl(1) and good for two days.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// What the certificates may be used for. libvirt refuses a server's that could sign others.
const CONFIG: &str = "\
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
[end]
basicConstraints = critical,CA:FALSE
";

/// An authority: it signs certificates of its own.
#[derive(Debug)]
pub(crate) struct Authority {
    dir: PathBuf,
}

impl Authority {
    /// A new one, in a new folder.
    pub(crate) fn new(dir: &Path, name: &str) -> Result<Self> {
        fs::create_dir_all(dir)?;
        fs::write(dir.join("openssl.conf"), CONFIG)?;
        let authority = Self { dir: dir.to_owned() };
        authority.make("cacert.pem", "cakey.pem", name, "authority", &[])?;
        Ok(authority)
    }

    /// A server's certificate for these addresses, in `servercert.pem` and `serverkey.pem`.
    pub(crate) fn server(&self, addresses: &[String]) -> Result<()> {
        let names: Vec<String> = addresses.iter().map(|one| format!("IP:{one}")).collect();
        let names = format!("subjectAltName={}", names.join(","));
        let options = ["-CA", "cacert.pem", "-CAkey", "cakey.pem", "-addext", &names];
        self.make("servercert.pem", "serverkey.pem", "server", "end", &options)
    }

    /// A client's, in `clientcert.pem` and `clientkey.pem`.
    pub(crate) fn client(&self) -> Result<()> {
        let options = ["-CA", "cacert.pem", "-CAkey", "cakey.pem"];
        self.make("clientcert.pem", "clientkey.pem", "client", "end", &options)
    }

    /// Its folder, which is a `pkipath` for libvirt.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    fn make(&self, cert: &str, key: &str, name: &str, kind: &str, more: &[&str]) -> Result<()> {
        let output = Command::new("openssl")
            .args(["req", "-x509", "-config", "openssl.conf", "-extensions", kind, "-days", "2"])
            .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
            .args(["-subj", &format!("/CN={name}"), "-out", cert, "-keyout", key])
            .args(more)
            .current_dir(&self.dir)
            .output()
            .context("cannot run openssl")?;
        if !output.status.success() {
            bail!("openssl: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }
}
