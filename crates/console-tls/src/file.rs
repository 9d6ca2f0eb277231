//! Reading a PEM file.

use std::fs::{File, metadata};
use std::io::{self, Read};
use std::path::Path;

use permission_denied::Denied;
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer,
};

use crate::TlsError;
use crate::pem::{Block, blocks};

/// What a PEM file holds, each in the file's order.
pub(crate) struct PemFile {
    pub(crate) certificates: Vec<CertificateDer<'static>>,
    pub(crate) keys: Vec<PrivateKeyDer<'static>>,
    /// The labels of all its blocks, for messages.
    pub(crate) labels: Vec<String>,
    pub(crate) has_encrypted_key: bool,
    /// A private key in a format that is none of TLS (DSA, OpenSSH).
    pub(crate) has_foreign_key: bool,
}

impl PemFile {
    /// Reads a file. Blocks.
    pub(crate) fn read(path: &Path) -> Result<Self, TlsError> {
        let bytes = read(path)?;
        let malformed = |what| TlsError::Malformed { path: path.to_owned(), what };
        let blocks = blocks(&bytes).map_err(malformed)?;
        if blocks.is_empty() {
            return Err(not_pem(path, &bytes));
        }
        if blocks.len() > MAX_BLOCKS {
            return Err(TlsError::TooManyBlocks { path: path.to_owned() });
        }
        let mut file = Self {
            certificates: Vec::new(),
            keys: Vec::new(),
            labels: blocks.iter().map(|block| block.shown().to_owned()).collect(),
            has_encrypted_key: false,
            has_foreign_key: false,
        };
        for block in &blocks {
            file.add(block).map_err(malformed)?;
        }
        Ok(file)
    }

    fn add(&mut self, block: &Block<'_>) -> Result<(), String> {
        let der =
            || block.decode().ok_or_else(|| format!("the block {} is not base64", block.shown()));
        match block.label {
            // RFC 7468 section 5.3: the two others are of old programs.
            b"CERTIFICATE" | b"X509 CERTIFICATE" | b"X.509 CERTIFICATE" => {
                self.certificates.push(der()?.into());
            }
            b"TRUSTED CERTIFICATE" => {
                let what = "a TRUSTED CERTIFICATE is for OpenSSL alone; openssl x509 -in FILE makes a CERTIFICATE of it";
                return Err(what.to_owned());
            }
            b"ENCRYPTED PRIVATE KEY" => self.has_encrypted_key = true,
            label if label.ends_with(b"PRIVATE KEY") && block.is_encrypted() => {
                self.has_encrypted_key = true;
            }
            b"PRIVATE KEY" => self.keys.push(PrivatePkcs8KeyDer::from(der()?).into()),
            b"RSA PRIVATE KEY" => self.keys.push(PrivatePkcs1KeyDer::from(der()?).into()),
            b"EC PRIVATE KEY" => self.keys.push(PrivateSec1KeyDer::from(der()?).into()),
            label if label.ends_with(b" PRIVATE KEY") => self.has_foreign_key = true,
            _ => {}
        }
        Ok(())
    }

    /// What is in it, for a message: `2 × CERTIFICATE, 1 × PUBLIC KEY`.
    pub(crate) fn contents(&self) -> String {
        let mut counted: Vec<(&str, usize)> = Vec::new();
        for label in &self.labels {
            match counted.iter_mut().find(|(known, _)| known == label) {
                Some((_, count)) => *count += 1,
                None => counted.push((label, 1)),
            }
        }
        let counted: Vec<_> =
            counted.iter().map(|(label, count)| format!("{count} × {label}")).collect();
        counted.join(", ")
    }
}

fn not_pem(path: &Path, bytes: &[u8]) -> TlsError {
    let what = match bytes {
        [] => "it is empty",
        // What Windows PowerShell makes of any text.
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "it is UTF-16 text",
        _ => "it has no PEM block",
    };
    // An ASN.1 SEQUENCE: DER, or PKCS #12.
    let is_binary = bytes.first() == Some(&0x30);
    TlsError::NotPem { path: path.to_owned(), what, is_binary }
}

/// The whole of a file of bounded size.
fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |source: io::Error| {
        let denied = (source.kind() == io::ErrorKind::PermissionDenied)
            .then(|| Denied::opening(path))
            .flatten();
        TlsError::Unreadable { path: path.to_owned(), denied, source }
    };
    // A pipe would be waited for.
    if !metadata(path).map_err(failed)?.is_file() {
        return Err(TlsError::NotAFile { path: path.to_owned() });
    }
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_FILE_SIZE).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path).map_err(failed)?.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > MAX_FILE_SIZE {
        return Err(TlsError::TooLarge { path: path.to_owned() });
    }
    Ok(bytes)
}

/// The largest file, in bytes: a chain has some KiB.
pub(crate) const MAX_FILE_SIZE: usize = 1024 * 1024;

/// The most PEM blocks in one file: a bundle of all public authorities has some 150.
pub(crate) const MAX_BLOCKS: usize = 500;
