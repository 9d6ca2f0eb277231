//! From the settings to a rustls configuration.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::unistd::{Gid, Group, Uid, User};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, SupportedProtocolVersion};

use crate::TlsError;
use crate::certificate::{Certificate, Moment};
use crate::check::{Finding, check};
use crate::file::PemFile;
use crate::identity::Identity;

/// What a TLS server is told.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// The file with the certificate, its chain, and the private key if `key` is none.
    pub cert: PathBuf,
    /// The file with the private key.
    pub key: Option<PathBuf>,
    /// The oldest version of TLS that is spoken.
    pub min_version: TlsVersion,
    /// Whether clients show certificates, too.
    pub clients: Option<ClientCertificates>,
    /// The name or address that browsers connect to, for the check.
    pub public_name: Option<String>,
    /// The certificates that this system trusts, for the check.
    pub roots: Vec<CertificateDer<'static>>,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    #[default]
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

/// Which certificates clients show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificates {
    /// The file with the certificates of the authorities that sign them.
    pub ca: PathBuf,
    /// Whether a client without one is refused.
    pub required: bool,
}

/// A configuration, and what there is to say of it.
pub(crate) struct Built {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) certificate: Certificate,
    pub(crate) findings: Vec<Finding>,
}

/// Reads the files and checks them. Blocks.
pub(crate) fn build(settings: &TlsSettings) -> Result<Built, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let now = Moment::now();
    let identity = Identity::load(&settings.cert, settings.key.as_deref(), &provider)?;
    dates(&identity, &settings.cert, now)?;
    let mut findings = check(
        &identity,
        settings.public_name.as_deref(),
        &settings.roots,
        &provider.signature_verification_algorithms,
        now,
    );
    findings.extend(key_readable_by_all(settings.key.as_ref().unwrap_or(&settings.cert)));

    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions(settings.min_version))
        .map_err(TlsError::Rustls)?;
    let builder = match &settings.clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            builder.with_client_cert_verifier(verifier(&clients.ca, clients.required, provider)?)
        }
    };
    let key = SingleCertAndKey::from(identity.certified_key());
    let mut config = builder.with_cert_resolver(Arc::new(key));
    // RFC 7301: WebSockets are opened in HTTP/1.1 (RFC 6455 section 4.1).
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Built { config: Arc::new(config), certificate: identity.certificate().clone(), findings })
}

fn versions(min: TlsVersion) -> &'static [&'static SupportedProtocolVersion] {
    static BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
    match min {
        TlsVersion::Tls12 => &BOTH,
        TlsVersion::Tls13 => BOTH.split_at(1).0,
    }
}

/// Whether the server's own certificate, which came from `path`, holds at `now`: it is not served otherwise.
///
/// # Errors
///
/// [`TlsError::Expired`] or [`TlsError::NotYetValid`].
pub fn dates(identity: &Identity, path: &Path, now: Moment) -> Result<(), TlsError> {
    let own = identity.certificate();
    let (path, name) = (path.to_owned(), own.name().to_owned());
    if now > own.not_after() {
        return Err(TlsError::Expired { path, name, at: own.not_after(), now });
    }
    if now < own.not_before() {
        return Err(TlsError::NotYetValid { path, name, at: own.not_before(), now });
    }
    Ok(())
}

/// Whether every user of this machine can read the file at `path`, which has a private key: [`Finding::KeyReadableByAll`]. What cannot be
/// looked at is not said to be. Blocks (names of groups may come over the network).
pub fn key_readable_by_all(path: &Path) -> Option<Finding> {
    let seen = std::fs::metadata(path).ok()?;
    let mode = seen.mode() & 0o7777;
    // Whoever may not pass a folder on the way cannot read what is in it.
    let real = std::fs::canonicalize(path).ok()?;
    let passes = |folder: Metadata| folder.mode() & 0o001 != 0;
    let can_pass = |folder: &Path| std::fs::metadata(folder).is_ok_and(passes);
    let is_reachable = real.ancestors().skip(1).all(can_pass);
    (mode & 0o004 != 0 && is_reachable).then(|| Finding::KeyReadableByAll {
        path: path.to_owned(),
        mode,
        is_ours: seen.uid() == Uid::effective().as_raw(),
        group: our_group(),
    })
}

/// The primary group of our effective user.
fn our_group() -> Option<String> {
    let user = User::from_uid(Uid::effective()).ok().flatten();
    let group = Group::from_gid(user.map_or_else(Gid::effective, |user| user.gid));
    Some(group.ok().flatten()?.name)
}

/// Whether the file at `path` has the certificates of authorities that clients' certificates can be checked with. Blocks.
///
/// # Errors
///
/// [`TlsError`]: it cannot be read, or [`TlsError::ClientCa`].
pub fn check_client_ca(path: &Path) -> Result<(), TlsError> {
    verifier(path, true, Arc::new(aws_lc_rs::default_provider())).map(drop)
}

fn verifier(
    ca: &Path,
    required: bool,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsError> {
    let unusable = |why| TlsError::ClientCa { path: ca.to_owned(), why };
    let file = PemFile::read(ca).map_err(|error| match error {
        TlsError::Unreadable { .. } | TlsError::NotAFile { .. } => error,
        // Its remedy is for a server's own file.
        error => unusable(error.to_string()),
    })?;
    if file.certificates.is_empty() {
        return Err(unusable(format!("there is none (it has {})", file.contents())));
    }
    let mut roots = RootCertStore::empty();
    for (index, one) in file.certificates.into_iter().enumerate() {
        let number = index + 1;
        roots.add(one).map_err(|error| unusable(format!("certificate {number}: {error}")))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = if required { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|error| unusable(error.to_string()))
}

/// The certificates that this system trusts; empty where it has none. Reads `SSL_CERT_FILE` and `SSL_CERT_DIR` as OpenSSL does. Blocks.
pub fn system_roots() -> Vec<CertificateDer<'static>> {
    rustls_native_certs::load_native_certs().certs
}
