//! Reading a PEM file.

use std::fs::{File, metadata};
use std::io::{self, Read};
use std::path::Path;

use permission_denied::Denied;
use rustls::pki_types::pem::{Error as PemError, PemObject, SectionKind};
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer,
};

use crate::TlsError;

/// What a PEM file holds, each in the file's order.
pub(crate) struct PemFile {
    pub(crate) certificates: Vec<CertificateDer<'static>>,
    pub(crate) keys: Vec<PrivateKeyDer<'static>>,
    /// The labels of all its blocks, for messages.
    pub(crate) labels: Vec<String>,
    pub(crate) has_encrypted_key: bool,
}

impl PemFile {
    /// Reads a file. Blocks.
    pub(crate) fn read(path: &Path) -> Result<Self, TlsError> {
        let bytes = read(path)?;
        // Windows editors put one in front, where it hides the first line.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let is_empty = bytes.is_empty();
        // An ASN.1 SEQUENCE: DER, or PKCS #12.
        let is_binary = bytes.first() == Some(&0x30);
        let bytes = &trimmed(bytes);
        let labels = labels(bytes);
        if labels.is_empty() {
            let what = if is_empty { "it is empty" } else { "it has no PEM block" };
            return Err(TlsError::NotPem { path: path.to_owned(), what, is_binary });
        }
        if labels.len() > MAX_BLOCKS {
            return Err(TlsError::TooManyBlocks { path: path.to_owned() });
        }
        let mut file = Self {
            certificates: Vec::new(),
            keys: Vec::new(),
            has_encrypted_key: labels.iter().any(|label| label == "ENCRYPTED PRIVATE KEY"),
            labels,
        };
        // RFC 1421 section 4.6.1.1, as OpenSSL's traditional format has it; what follows is no key but noise.
        if bytes.split(|&byte| byte == b'\n').any(is_encryption_header) {
            file.has_encrypted_key = true;
            file.certificates = certificates(path, bytes)?;
            return Ok(file);
        }
        for block in <(SectionKind, Vec<u8>)>::pem_slice_iter(bytes) {
            let (kind, der) = block.map_err(|error| malformed(path, &error))?;
            match kind {
                SectionKind::Certificate => file.certificates.push(der.into()),
                SectionKind::PrivateKey => file.keys.push(PrivatePkcs8KeyDer::from(der).into()),
                SectionKind::RsaPrivateKey => file.keys.push(PrivatePkcs1KeyDer::from(der).into()),
                SectionKind::EcPrivateKey => file.keys.push(PrivateSec1KeyDer::from(der).into()),
                _ => {}
            }
        }
        Ok(file)
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

fn certificates(path: &Path, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    // Noise is skipped by its own error.
    let found = CertificateDer::pem_slice_iter(bytes)
        .filter(|one| !matches!(one, Err(PemError::Base64Decode(_))));
    found.collect::<Result<_, _>>().map_err(|error| malformed(path, &error))
}

fn is_encryption_header(line: &[u8]) -> bool {
    line.starts_with(b"Proc-Type:") && line.windows(9).any(|part| part == b"ENCRYPTED")
}

/// Each line without the blanks around it, which editors and indented templates leave there.
fn trimmed(bytes: &[u8]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(bytes.len());
    for line in bytes.split(|&byte| byte == b'\n' || byte == b'\r') {
        lines.extend_from_slice(line.trim_ascii());
        lines.push(b'\n');
    }
    lines
}

/// The labels of all lines that begin a block, cut to what can be shown.
fn labels(bytes: &[u8]) -> Vec<String> {
    bytes
        .split(|&byte| byte == b'\n')
        .filter_map(|line| line.strip_prefix(b"-----BEGIN "))
        .map(|label| {
            let label = String::from_utf8_lossy(label);
            let label = label.trim_end().trim_end_matches('-');
            label.chars().filter(|one| !one.is_control()).take(MAX_LABEL).collect()
        })
        .collect()
}

fn malformed(path: &Path, error: &PemError) -> TlsError {
    let label = |marker: &[u8]| String::from_utf8_lossy(marker).escape_debug().to_string();
    // The texts are ours: the library's own repeat the file.
    let what = match error {
        PemError::MissingSectionEnd { end_marker } => {
            format!("the block {} has no line that ends it", label(end_marker))
        }
        PemError::IllegalSectionStart { .. } => {
            "a line begins a block, but does not end in five dashes".to_owned()
        }
        PemError::Base64Decode(_) => "a block is not base64".to_owned(),
        _ => "a block cannot be read".to_owned(),
    };
    TlsError::Malformed { path: path.to_owned(), what }
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

/// How much of a label a message shows, in characters; the longest usual one has 21.
const MAX_LABEL: usize = 40;
