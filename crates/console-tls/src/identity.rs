//! A server's certificate chain and private key.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, SigningKey};
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::TlsError;
use crate::certificate::Certificate;
use crate::chain;
use crate::error::CertificatePlace;
use crate::file::PemFile;

/// A certificate chain in order, and the key to its first.
#[derive(Debug)]
pub struct Identity {
    own: Certificate,
    issuers: Vec<Certificate>,
    key: Arc<dyn SigningKey>,
    was_in_order: bool,
}

impl Identity {
    /// Reads the certificates from `cert`, and the private key from `key` or, without one, from `cert` as well. Within a file the order
    /// does not matter: the server's own certificate is the one that the key fits. Blocks.
    ///
    /// # Errors
    ///
    /// [`TlsError`]: what is wrong with which file. Dates and names are not looked at here ([`check`](crate::check)).
    pub fn load(
        cert: &Path,
        key: Option<&Path>,
        provider: &CryptoProvider,
    ) -> Result<Self, TlsError> {
        let file = PemFile::read(cert)?;
        if file.certificates.is_empty() {
            return Err(TlsError::NoCertificate {
                path: cert.to_owned(),
                contents: file.contents(),
                place: place(&file, key),
            });
        }
        let key_file = key.map(PemFile::read).transpose()?;
        let keys = Keys {
            path: key.unwrap_or(cert),
            file: key_file.as_ref().unwrap_or(&file),
            may_be_elsewhere: key.is_none(),
        };
        let certificates = parse(cert, &file.certificates)?;
        let (own, key, rest) = pair(certificates, &keys, cert, provider)?;
        let name = own.name().to_owned();
        let issuers = chain::sort(&own, rest, &provider.signature_verification_algorithms)
            .map_err(|strangers| TlsError::Unsorted {
                path: cert.to_owned(),
                name,
                strangers: strangers.0,
            })?;
        let mut identity = Self { own, issuers, key, was_in_order: true };
        identity.was_in_order = identity.chain().map(|one| &one.der).eq(&file.certificates);
        Ok(identity)
    }

    /// The server's own certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.own
    }

    /// All certificates, the server's own first.
    pub fn chain(&self) -> impl Iterator<Item = &Certificate> {
        std::iter::once(&self.own).chain(&self.issuers)
    }

    pub(crate) fn issuers(&self) -> &[Certificate] {
        &self.issuers
    }

    /// Whether the file had the certificates in this order already.
    pub fn was_in_order(&self) -> bool {
        self.was_in_order
    }

    pub(crate) fn certified_key(&self) -> CertifiedKey {
        // Not compared with the key once more: rustls would refuse version 1 certificates, which some make for themselves.
        CertifiedKey::new(self.chain().map(|one| one.der.clone()).collect(), self.key.clone())
    }
}

/// Where the certificate may be that is not in `file`.
fn place(file: &PemFile, key: Option<&Path>) -> CertificatePlace {
    let has_key = file.has_encrypted_key || file.has_foreign_key || !file.keys.is_empty();
    // Whatever is wrong with the other file, this one is told.
    let other = key.and_then(|key| PemFile::read(key).ok());
    match other {
        Some(other) if has_key && !other.certificates.is_empty() => CertificatePlace::KeyFile,
        _ if has_key => CertificatePlace::Elsewhere,
        _ => CertificatePlace::Unknown,
    }
}

/// Each certificate once.
fn parse(path: &Path, found: &[CertificateDer<'static>]) -> Result<Vec<Certificate>, TlsError> {
    let mut certificates: Vec<Certificate> = Vec::new();
    for (index, der) in found.iter().enumerate() {
        let number = index + 1;
        let one = Certificate::parse(der.clone())
            .map_err(|_| TlsError::NotACertificate { path: path.to_owned(), number })?;
        if !certificates.contains(&one) {
            certificates.push(one);
        }
    }
    Ok(certificates)
}

type Pair = (Certificate, Arc<dyn SigningKey>, Vec<Certificate>);

/// Where a private key is looked for.
struct Keys<'a> {
    path: &'a Path,
    file: &'a PemFile,
    may_be_elsewhere: bool,
}

impl Keys<'_> {
    /// Why none of them fits any of the certificates.
    fn error(&self, has_usable: bool, cert: &Path, certificates: &[Certificate]) -> TlsError {
        let path = self.path.to_owned();
        if self.file.has_encrypted_key {
            // It may well be the one, whatever else is there.
            TlsError::EncryptedKey { path }
        } else if has_usable {
            let names = certificates.iter().map(|one| one.name().to_owned()).collect();
            TlsError::KeyMismatch { cert: cert.to_owned(), key: path, names }
        } else if self.file.has_foreign_key || !self.file.keys.is_empty() {
            TlsError::UnsupportedKey { path }
        } else {
            let (contents, may_be_elsewhere) = (self.file.contents(), self.may_be_elsewhere);
            TlsError::NoKey { path, contents, may_be_elsewhere }
        }
    }
}

/// Finds the one certificate that one of the keys fits. Keys that cannot be used do not matter beside one that can.
fn pair(
    mut certificates: Vec<Certificate>,
    keys: &Keys<'_>,
    cert: &Path,
    provider: &CryptoProvider,
) -> Result<Pair, TlsError> {
    let mut found: Option<(usize, Arc<dyn SigningKey>)> = None;
    let mut has_usable = false;
    for key in &keys.file.keys {
        let Ok(key) = provider.key_provider.load_private_key(key.clone_key()) else { continue };
        has_usable = true;
        let public = key.public_key();
        let public = public.as_ref().and_then(|info| {
            let (_, info) = SubjectPublicKeyInfo::from_der(info.as_ref()).ok()?;
            Some(info.subject_public_key.data.to_vec())
        });
        for (index, one) in certificates.iter().enumerate() {
            if Some(&one.public_key) != public.as_ref() {
                continue;
            }
            if let Some((other, _)) = found.as_ref().filter(|(other, _)| *other != index) {
                let other = certificates.get(*other).map_or("", Certificate::name);
                return Err(TlsError::SeveralOwn {
                    path: cert.to_owned(),
                    names: vec![other.to_owned(), one.name().to_owned()],
                });
            }
            found = Some((index, key.clone()));
        }
    }
    let Some((index, key)) = found else { return Err(keys.error(has_usable, cert, &certificates)) };
    let own = certificates.remove(index);
    Ok((own, key, certificates))
}
