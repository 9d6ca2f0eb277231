//! Why there is no TLS.

use std::io;
use std::path::{Path, PathBuf};

use permission_denied::Denied;

use crate::certificate::Moment;
use crate::file::{MAX_BLOCKS, MAX_FILE_SIZE};

/// What is wrong with a certificate, a key, or an authority's file. No text has anything of a key in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// It cannot be opened or read.
    #[error("{} cannot be read{}", path.display(), why(.denied.as_ref()))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What stands in the way, if it is a permission.
        denied: Option<Denied>,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A folder, a pipe or a device.
    #[error("{} is not a file", path.display())]
    NotAFile {
        /// What was named.
        path: PathBuf,
    },
    /// More than 1 MiB.
    #[error("{} is larger than {MAX_FILE_SIZE} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// No PEM block in it.
    #[error("{} is not a PEM file: {what}", path.display())]
    NotPem {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        what: &'static str,
        /// Whether it looks like DER or PKCS #12.
        is_binary: bool,
    },
    /// More PEM blocks than any chain has.
    #[error("{} has more than {MAX_BLOCKS} PEM blocks", path.display())]
    TooManyBlocks {
        /// The file.
        path: PathBuf,
    },
    /// A PEM block that cannot be read.
    #[error("{} is damaged: {what}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// How.
        what: String,
    },
    /// A PEM block that calls itself a certificate.
    #[error("certificate {number} in {} is no X.509 certificate", path.display())]
    NotACertificate {
        /// The file.
        path: PathBuf,
        /// Which of its certificates, from 1.
        number: usize,
    },
    /// No certificate in the file.
    #[error("no certificate is in {} (it has {contents})", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
        /// What is in it.
        contents: String,
        /// Where the certificate may be instead.
        place: CertificatePlace,
    },
    /// No private key in the file.
    #[error("no private key is in {} (it has {contents})", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
        /// What is in it.
        contents: String,
        /// Whether the settings named no file for the key.
        may_be_elsewhere: bool,
    },
    /// The key has a passphrase.
    #[error("the private key in {} is encrypted, and nobody is there to type its passphrase", path.display())]
    EncryptedKey {
        /// The file.
        path: PathBuf,
    },
    /// A key that TLS does not know, or a damaged one.
    #[error(
        "the private key in {} cannot be used: supported are RSA (2048 to 8192 bits), ECDSA (P-256, P-384, P-521) and Ed25519",
        path.display()
    )]
    UnsupportedKey {
        /// The file.
        path: PathBuf,
    },
    /// The key is another certificate's.
    #[error("the private key in {} fits no certificate in {} ({})", key.display(), cert.display(), names.join("; "))]
    KeyMismatch {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// The certificates' names.
        names: Vec<String>,
    },
    /// Two certificates for which there are keys.
    #[error("{} has two certificates that could be the server's own: {}", path.display(), names.join("; "))]
    SeveralOwn {
        /// The file.
        path: PathBuf,
        /// Their names.
        names: Vec<String>,
    },
    /// Certificates that are not of the server's chain.
    #[error("{} cannot be put in order: not in the chain of {name} are {}", path.display(), strangers.join("; "))]
    Unsorted {
        /// The file.
        path: PathBuf,
        /// The server's own certificate.
        name: String,
        /// Those that belong to another chain, or whose link is missing.
        strangers: Vec<String>,
    },
    /// The server's certificate is too old.
    #[error("the certificate {name} in {} expired at {at} (now it is {now})", path.display())]
    Expired {
        /// The file.
        path: PathBuf,
        /// Its name.
        name: String,
        /// Until when it held.
        at: Moment,
        /// This machine's time.
        now: Moment,
    },
    /// The server's certificate is for later.
    #[error("the certificate {name} in {} is not valid before {at} (now it is {now})", path.display())]
    NotYetValid {
        /// The file.
        path: PathBuf,
        /// Its name.
        name: String,
        /// From when it holds.
        at: Moment,
        /// This machine's time.
        now: Moment,
    },
    /// The clients' authority cannot be used.
    #[error("the certificates in {} cannot be used to check clients' certificates: {why}", path.display())]
    ClientCa {
        /// The file.
        path: PathBuf,
        /// In webpki's words.
        why: String,
    },
    /// rustls does not take the whole.
    #[error("TLS cannot be set up")]
    Rustls(#[source] rustls::Error),
}

/// Where the certificate may be that is not in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificatePlace {
    /// Nobody knows.
    Unknown,
    /// Elsewhere: this file has the private key.
    Elsewhere,
    /// In the file that was named for the key.
    KeyFile,
}

impl TlsError {
    /// The file that it is about; for a key that fits no certificate, the key's.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Unreadable { path, .. }
            | Self::NotAFile { path }
            | Self::TooLarge { path }
            | Self::NotPem { path, .. }
            | Self::TooManyBlocks { path }
            | Self::Malformed { path, .. }
            | Self::NotACertificate { path, .. }
            | Self::NoCertificate { path, .. }
            | Self::NoKey { path, .. }
            | Self::EncryptedKey { path }
            | Self::UnsupportedKey { path }
            | Self::KeyMismatch { key: path, .. }
            | Self::SeveralOwn { path, .. }
            | Self::Unsorted { path, .. }
            | Self::Expired { path, .. }
            | Self::NotYetValid { path, .. }
            | Self::ClientCa { path, .. } => Some(path),
            Self::Rustls(_) => None,
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Unreadable { denied: Some(_), .. } => {
                "let the service's user read it: by its group and chmod 640, or in systemd by LoadCredential"
            }
            Self::Unreadable { source, .. } if may_pass(source) => {
                "the file may be right: see to what the system says of it"
            }
            Self::Unreadable { .. } | Self::NotAFile { .. } => "correct the path in cert, key or client_ca",
            Self::NotPem { is_binary: true, .. } => {
                "it looks like DER or PKCS #12; openssl x509 -inform der -in FILE makes PEM of a DER certificate, openssl pkey -inform der -in FILE of a DER key, openssl pkcs12 -nodes -in FILE of PKCS #12"
            }
            Self::NotPem { .. } | Self::TooLarge { .. } | Self::TooManyBlocks { .. } | Self::Malformed { .. } => {
                "write PEM there: the certificate, its chain and its private key, or what the file is for of these"
            }
            Self::NoCertificate { place: CertificatePlace::KeyFile, .. } => {
                "cert and key are swapped: name the certificate's file in cert (WS_CERT, --cert), and the key's in key (WS_KEY, --key)"
            }
            Self::NoCertificate { place: CertificatePlace::Elsewhere, .. } => {
                "cert names a private key: name the certificate's file there, and the key's in key (WS_KEY, --key)"
            }
            Self::NotACertificate { .. } | Self::NoCertificate { .. } => {
                "write the server's certificate there, as PEM"
            }
            Self::NoKey { may_be_elsewhere: true, .. } => {
                "name the private key's file in key (WS_KEY, --key), or append the key to the certificate's file"
            }
            Self::NoKey { .. } => "name the file that has the private key",
            Self::EncryptedKey { .. } => {
                "decrypt it with openssl pkey -in FILE -out NEW, let only the service's user read NEW, and name it in key (WS_KEY, --key)"
            }
            Self::UnsupportedKey { .. } => {
                "make another with openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256, and a certificate for it"
            }
            Self::KeyMismatch { .. } => {
                "name the key that the certificate was made for; openssl x509 -noout -pubkey and openssl pkey -pubout show both public keys"
            }
            Self::SeveralOwn { .. } => "leave only the one that browsers are to see in the file",
            Self::Unsorted { .. } => "remove them from the file, or add the certificate that links them",
            Self::Expired { .. } => "renew it",
            Self::NotYetValid { .. } => "set this machine's clock, or wait",
            Self::ClientCa { .. } => "write the certificates of the authority there that signs the clients', as PEM",
            Self::Rustls(_) => "report this: the settings were taken, but rustls refuses them",
        }
        .to_owned()
    }
}

fn why(denied: Option<&Denied>) -> String {
    denied.map(|denied| format!(": {denied}")).unwrap_or_default()
}

/// Whether reading failed for a reason that is not the file's: too many open files, a network.
pub(crate) fn may_pass(source: &io::Error) -> bool {
    !matches!(
        source.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied
    )
}
