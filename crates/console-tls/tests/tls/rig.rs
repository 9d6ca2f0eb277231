//! Authorities, certificates and files, made when a test needs them.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use console_tls::{Finding, Identity, Moment, Tls, TlsError, TlsSettings, TlsVersion, check};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tempfile::TempDir;

/// The name that all certificates here are for, unless a test says otherwise.
pub(crate) const HOST: &str = "console.example.org";

/// Who signs.
pub(crate) struct Authority {
    pub(crate) pem: String,
    pub(crate) issuer: Issuer<'static, KeyPair>,
}

/// A certificate for a server or a client, and its key as PKCS #8.
pub(crate) struct Leaf {
    pub(crate) pem: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn root(name: &str) -> Self {
        Self::root_with(name, key())
    }

    pub(crate) fn root_with(name: &str, key: KeyPair) -> Self {
        let params = authority(name);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// An authority below this one.
    pub(crate) fn below(&self, name: &str) -> Self {
        self.below_with(name, key(), |_| {})
    }

    pub(crate) fn below_with(
        &self,
        name: &str,
        key: KeyPair,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        let mut params = authority(name);
        params.use_authority_key_identifier_extension = true;
        change(&mut params);
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn leaf(&self, name: &str) -> Leaf {
        self.leaf_with(&key(), name, |_| {})
    }

    pub(crate) fn leaf_with(
        &self,
        key: &KeyPair,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Leaf {
        let mut params = server(name);
        params.use_authority_key_identifier_extension = true;
        change(&mut params);
        let pem = params.signed_by(key, &self.issuer).unwrap().pem();
        Leaf { pem, key: key.serialize_pem() }
    }

    /// What a client that trusts this authority alone has.
    pub(crate) fn store(&self) -> RootCertStore {
        store(&self.pem)
    }
}

/// A chain of three, and the server's key.
pub(crate) struct Chain {
    pub(crate) root: Authority,
    pub(crate) between: Authority,
    pub(crate) leaf: Leaf,
}

impl Chain {
    pub(crate) fn new() -> Self {
        let root = Authority::root("Root");
        let between = root.below("Intermediate");
        let leaf = between.leaf(HOST);
        Self { root, between, leaf }
    }

    /// As most authorities hand it out: without the root.
    pub(crate) fn full(&self) -> String {
        [self.leaf.pem.as_str(), &self.between.pem, &self.leaf.key].concat()
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// A certificate with a common name, for [`HOST`].
pub(crate) fn server(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new([HOST.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

pub(crate) fn key() -> KeyPair {
    KeyPair::generate().unwrap()
}

/// The only RSA key: it takes its time.
pub(crate) fn rsa() -> &'static str {
    static RSA: LazyLock<String> = LazyLock::new(|| {
        openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "")
    });
    &RSA
}

pub(crate) fn store(pem: &str) -> RootCertStore {
    let mut store = RootCertStore::empty();
    for one in ders(pem) {
        store.add(one).unwrap();
    }
    store
}

pub(crate) fn ders(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).map(Result::unwrap).collect()
}

/// What rcgen cannot, OpenSSL can.
pub(crate) fn openssl(arguments: &[&str], input: impl AsRef<[u8]>) -> String {
    String::from_utf8(openssl_bytes(arguments, input)).unwrap()
}

pub(crate) fn openssl_bytes(arguments: &[&str], input: impl AsRef<[u8]>) -> Vec<u8> {
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("these tests need the program openssl");
    child.stdin.take().unwrap().write_all(input.as_ref()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments:?}: {said}");
    output.stdout
}

/// A folder with files in it, as private as they should be.
pub(crate) struct Files(TempDir);

impl Files {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        path
    }
}

/// The settings of a server with everything in one file.
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

/// Loads one file with all in it.
pub(crate) fn load(text: impl AsRef<[u8]>) -> Result<Tls, TlsError> {
    let files = Files::new();
    Tls::load(settings(&files.write("all.pem", text)))
}

/// Looks at one file with all in it.
pub(crate) fn identity(text: impl AsRef<[u8]>) -> Result<Identity, TlsError> {
    let files = Files::new();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    Identity::load(&files.write("all.pem", text), None, &provider)
}

/// The common names of a chain, as it is sent.
pub(crate) fn order(identity: &Identity) -> Vec<String> {
    identity.chain().map(|one| one.name().trim_start_matches("CN=").to_owned()).collect()
}

/// What there is to say of one file with all in it.
pub(crate) fn findings(
    text: impl AsRef<[u8]>,
    public_name: Option<&str>,
    roots: &str,
) -> Vec<Finding> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let algorithms = provider.signature_verification_algorithms;
    check(&identity(text).unwrap(), public_name, &ders(roots), &algorithms, Moment::now())
}
