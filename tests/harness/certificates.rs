//! Certificates for browsers, made at test time: an authority and what it signs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PublicKeyData as _,
};
use sha2::{Digest as _, Sha256};

/// An authority whose certificates nobody trusts who does not know it.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, as PEM.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// The private key, as PKCS #8.
    pub key: String,
}

impl Authority {
    /// A new one.
    ///
    /// # Errors
    ///
    /// No key can be made.
    pub fn new(name: &str) -> Result<Self> {
        let mut params = named(name)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Ok(Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)? })
    }

    /// An authority under this one.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn authority(&self, name: &str) -> Result<Self> {
        let mut params = named(name)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Ok(Self { issuer: CertifiedIssuer::signed_by(params, KeyPair::generate()?, &self.issuer)? })
    }

    /// Its own certificate as PEM.
    pub fn certificate(&self) -> String {
        self.issuer.pem()
    }

    /// A server's certificate for these names and addresses, with a new key.
    ///
    /// # Errors
    ///
    /// A name is none, or no key can be made.
    pub fn server(&self, names: &[&str]) -> Result<Issued> {
        self.server_with(names, &KeyPair::generate()?.serialize_pem())
    }

    /// The same for a key that is there already, as PKCS #8.
    ///
    /// # Errors
    ///
    /// A name is none, or the key is.
    pub fn server_with(&self, names: &[&str], key: &str) -> Result<Issued> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, "server");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(&params, &KeyPair::from_pem(key)?)
    }

    /// A server's certificate that holds from so many days after now until so many; both may be negative.
    ///
    /// # Errors
    ///
    /// As [`server`](Self::server).
    pub fn server_between(&self, names: &[&str], from: i64, until: i64) -> Result<Issued> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, "server");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.not_before = in_days(from).into();
        params.not_after = in_days(until).into();
        self.sign(&params, &KeyPair::generate()?)
    }

    /// A client's certificate.
    ///
    /// # Errors
    ///
    /// No key can be made.
    pub fn client(&self, name: &str) -> Result<Issued> {
        let mut params = named(name)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(&params, &KeyPair::generate()?)
    }

    fn sign(&self, params: &CertificateParams, key: &KeyPair) -> Result<Issued> {
        let certificate = params.signed_by(key, &self.issuer)?.pem();
        Ok(Issued { certificate, key: key.serialize_pem() })
    }
}

impl Issued {
    /// One file with the key, the certificate and what `chain` has, readable by its owner alone.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn write(&self, path: &Path, chain: &[String]) -> Result<PathBuf> {
        use std::os::unix::fs::PermissionsExt;
        let text = format!("{}{}{}", self.certificate, chain.concat(), self.key);
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        Ok(path.to_owned())
    }

    /// What Chromium's `--ignore-certificate-errors-spki-list` names it by: the base64 of its public key's SHA-256.
    ///
    /// # Errors
    ///
    /// The key is none.
    pub fn fingerprint(&self) -> Result<String> {
        let public = KeyPair::from_pem(&self.key)?.subject_public_key_info();
        Ok(BASE64.encode(Sha256::digest(public)))
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority")
    }
}

fn in_days(days: i64) -> SystemTime {
    let span = Duration::from_secs(days.unsigned_abs() * 24 * 60 * 60);
    let now = SystemTime::now();
    if days < 0 { now - span } else { now + span }
}

fn named(name: &str) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}
