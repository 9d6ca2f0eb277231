//! Authorities, certificates and files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use console_tls::rustls::crypto::aws_lc_rs;
use console_tls::{Identity, TlsError, TlsSettings, TlsVersion};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

pub(crate) type Ca = CertifiedIssuer<'static, KeyPair>;

/// A chain of three, and the key to its first.
pub(crate) struct Chain {
    pub(crate) root: Ca,
    pub(crate) between: Ca,
    pub(crate) own: String,
    pub(crate) key: String,
}

pub(crate) fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

pub(crate) fn root(name: &str) -> Ca {
    CertifiedIssuer::self_signed(authority_params(name), KeyPair::generate().unwrap()).unwrap()
}

pub(crate) fn under(issuer: &Ca, name: &str) -> Ca {
    under_with(issuer, name, KeyPair::generate().unwrap())
}

pub(crate) fn under_with(issuer: &Ca, name: &str, key: KeyPair) -> Ca {
    let mut params = authority_params(name);
    params.use_authority_key_identifier_extension = true;
    CertifiedIssuer::signed_by(params, key, issuer).unwrap()
}

pub(crate) fn server_params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, "own");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params
}

pub(crate) fn server(issuer: &Ca, key: &KeyPair) -> String {
    server_params(&["localhost"]).signed_by(key, issuer).unwrap().pem()
}

impl Chain {
    pub(crate) fn new() -> Self {
        Self::with(&KeyPair::generate().unwrap().serialize_pem())
    }

    /// For a key that is there already, as PKCS #8.
    pub(crate) fn with(key: &str) -> Self {
        let root = root("Root");
        let between = under(&root, "Between");
        let own = server(&between, &KeyPair::from_pem(key).unwrap());
        Self { root, between, own, key: key.to_owned() }
    }
}

/// Writes a file that only its owner can read.
pub(crate) fn write(folder: &Path, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// Loads what is in one file, or in two.
pub(crate) fn load(
    folder: &Path,
    cert: impl AsRef<[u8]>,
    key: Option<&str>,
) -> Result<Identity, TlsError> {
    let cert = write(folder, "cert.pem", cert);
    let key = key.map(|key| write(folder, "key.pem", key));
    Identity::load(&cert, key.as_deref(), &aws_lc_rs::default_provider())
}

/// The names of a chain in its order.
pub(crate) fn names(identity: &Identity) -> Vec<String> {
    identity.chain().map(|one| one.name().to_owned()).collect()
}

pub(crate) fn settings(cert: &Path) -> TlsSettings {
    TlsSettings {
        cert: cert.to_owned(),
        key: None,
        min_version: TlsVersion::Tls12,
        clients: None,
        public_name: None,
        roots: Vec::new(),
    }
}

/// Runs openssl(1) in `folder`; the words of `arguments` have no blanks in them.
pub(crate) fn openssl(folder: &Path, arguments: &str) {
    let output =
        Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
}
