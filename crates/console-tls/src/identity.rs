//! A server's certificate chain and private key.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::TlsError;
use crate::certificate::Certificate;
use crate::chain;
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
        let key_path = key.unwrap_or(cert);
        let (keys, contents, is_encrypted) = match key {
            None => (&file.keys, file.contents(), file.has_encrypted_key),
            Some(path) => {
                let file = &PemFile::read(path)?;
                (
                    &file.keys.iter().map(PrivateKeyDer::clone_key).collect(),
                    file.contents(),
                    file.has_encrypted_key,
                )
            }
        };
        if file.certificates.is_empty() {
            return Err(TlsError::NoCertificate {
                path: cert.to_owned(),
                contents: file.contents(),
            });
        }
        if keys.is_empty() {
            let path = key_path.to_owned();
            return Err(match is_encrypted {
                true => TlsError::EncryptedKey { path },
                false => TlsError::NoKey { path, contents, may_be_elsewhere: key.is_none() },
            });
        }
        let certificates = parse(cert, file.certificates)?;
        let order: Vec<_> = certificates.iter().map(|one| one.der.clone()).collect();
        let (own, key, rest) = pair(certificates, keys, cert, key_path, provider)?;
        let name = own.name().to_owned();
        let issuers = chain::sort(&own, rest).map_err(|strangers| TlsError::Unsorted {
            path: cert.to_owned(),
            name,
            strangers: strangers.0,
        })?;
        let mut identity = Self { own, issuers, key, was_in_order: true };
        identity.was_in_order = identity.chain().map(|one| &one.der).eq(&order);
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

/// Each certificate once.
fn parse(path: &Path, found: Vec<CertificateDer<'static>>) -> Result<Vec<Certificate>, TlsError> {
    let mut certificates: Vec<Certificate> = Vec::new();
    for (index, der) in found.into_iter().enumerate() {
        let number = index + 1;
        let one = Certificate::parse(der)
            .map_err(|_| TlsError::NotACertificate { path: path.to_owned(), number })?;
        if !certificates.contains(&one) {
            certificates.push(one);
        }
    }
    Ok(certificates)
}

type Pair = (Certificate, Arc<dyn SigningKey>, Vec<Certificate>);

/// Finds the one certificate that one of the keys fits.
fn pair(
    mut certificates: Vec<Certificate>,
    keys: &[PrivateKeyDer<'static>],
    cert_path: &Path,
    key_path: &Path,
    provider: &CryptoProvider,
) -> Result<Pair, TlsError> {
    let mut found: Option<(usize, Arc<dyn SigningKey>)> = None;
    for key in keys {
        let key = provider
            .key_provider
            .load_private_key(key.clone_key())
            .map_err(|_| TlsError::UnsupportedKey { path: key_path.to_owned() })?;
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
                    path: cert_path.to_owned(),
                    names: vec![other.to_owned(), one.name().to_owned()],
                });
            }
            found = Some((index, key.clone()));
        }
    }
    match found {
        Some((index, key)) => {
            let own = certificates.remove(index);
            Ok((own, key, certificates))
        }
        None => Err(TlsError::KeyMismatch {
            cert: cert_path.to_owned(),
            key: key_path.to_owned(),
            names: certificates.iter().map(|one| one.name().to_owned()).collect(),
        }),
    }
}
