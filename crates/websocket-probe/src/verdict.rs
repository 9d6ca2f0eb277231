//! What a browser would think of a certificate.

use std::sync::Arc;

use console_tls::Certificate;
use console_tls::rustls::client::danger::ServerCertVerifier;
use console_tls::rustls::client::{WebPkiServerVerifier, verify_server_name};
use console_tls::rustls::crypto::CryptoProvider;
use console_tls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use console_tls::rustls::server::ParsedCertificate;
use console_tls::rustls::{CertificateError, Error, RootCertStore};

/// Why a browser does not take a certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateFault {
    /// It, or one of its chain, is too old.
    #[error("the certificate has expired")]
    Expired,
    /// It, or one of its chain, is for later.
    #[error("the certificate is not valid yet")]
    NotYetValid,
    /// It is for other names.
    #[error("the certificate is not for {wanted} but for {}", list(.names))]
    OtherName {
        /// The URL's host.
        wanted: String,
        /// The DNS names and addresses that it is for.
        names: Vec<String>,
    },
    /// Nobody signed it whom this machine trusts.
    #[error("{}", if *.self_signed {
        "the certificate is self-signed, and this machine does not trust it"
    } else {
        "the certificate's issuer is unknown: this machine does not trust it, or the server does not send the certificates in between"
    })]
    UnknownIssuer {
        /// It names itself as its issuer.
        self_signed: bool,
    },
    /// Something else, in webpki's words.
    #[error("the certificate is not acceptable: {0}")]
    Other(String),
}

impl CertificateFault {
    /// What an administrator can do.
    pub fn remedy(&self) -> String {
        match self {
            Self::Expired => {
                "renew it, reload the server, and see that its renewal is automatic; if it is new, set the clock of this machine".into()
            }
            Self::NotYetValid => "set the clock of this machine, or wait".into(),
            Self::OtherName { wanted, names } => match names.first() {
                Some(name) => format!("open {name} instead, or have a certificate made that has {wanted} among its names, too"),
                None => format!("have a certificate made with {wanted} as subject alternative name; browsers ignore the common name"),
            },
            Self::UnknownIssuer { self_signed: true } => {
                "for a WebSocket no browser asks whether to go on: open the same address by https:// once and accept it there, or take a certificate of an authority that browsers trust".into()
            }
            Self::UnknownIssuer { self_signed: false } => {
                "put the whole chain, without the root, into the server's certificate file; if the authority is a private one, install its root on every machine with a browser".into()
            }
            Self::Other(_) => "have another certificate made: for servers, with this host's name, and signed with a current algorithm".into(),
        }
    }
}

/// Judges `chain`, leaf first, by the dates, its name and `roots`.
pub(crate) fn judge(
    chain: &[CertificateDer<'static>],
    name: &ServerName<'static>,
    roots: &[CertificateDer<'static>],
    provider: Arc<CryptoProvider>,
) -> Result<(), CertificateFault> {
    let Some((leaf, between)) = chain.split_first() else {
        return Err(CertificateFault::Other("the server sent none".into()));
    };
    let parsed = Certificate::parse(leaf.clone()).ok();
    let mut store = RootCertStore::empty();
    // As browsers do, roots that are none are left out.
    store.add_parsable_certificates(roots.iter().cloned());
    let fault = if store.is_empty() {
        CertificateError::UnknownIssuer
    } else {
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider)
            .build()
            .map_err(|error| CertificateFault::Other(error.to_string()))?;
        match verifier.verify_server_cert(leaf, between, name, &[], UnixTime::now()) {
            Ok(_) => return Ok(()),
            Err(Error::InvalidCertificate(fault)) => fault,
            Err(error) => return Err(CertificateFault::Other(error.to_string())),
        }
    };
    let names = || parsed.as_ref().map(|leaf| leaf.names().to_vec()).unwrap_or_default();
    let other_name =
        || CertificateFault::OtherName { wanted: name.to_str().into_owned(), names: names() };
    let own = parsed.as_ref().filter(|leaf| leaf.is_self_issued());
    match fault {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            Err(CertificateFault::Expired)
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Err(CertificateFault::NotYetValid)
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Err(other_name())
        }
        // What `openssl req -x509` makes may sign others, too, which webpki does not take for a server's; browsers do where it is trusted itself.
        fault if own.is_some() && is_authority_used_as_server(&fault) => match own {
            // Its dates webpki has looked at before.
            Some(_) if roots.contains(leaf) => {
                let named = ParsedCertificate::try_from(leaf)
                    .and_then(|parsed| verify_server_name(&parsed, name));
                named.map_err(|_| other_name())
            }
            _ => Err(CertificateFault::UnknownIssuer { self_signed: true }),
        },
        // A trusted issuer's namesake signed it.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            Err(CertificateFault::UnknownIssuer { self_signed: own.is_some() })
        }
        fault => Err(CertificateFault::Other(fault.to_string())),
    }
}

/// rustls has no name of its own for webpki's `CaUsedAsEndEntity`.
fn is_authority_used_as_server(fault: &CertificateError) -> bool {
    matches!(fault, CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity"))
}

fn list(names: &[String]) -> String {
    let Some(shown) = names.get(..names.len().min(MAX_NAMES)) else { return String::new() };
    match names.len() {
        0 => "no name at all".into(),
        all if all > MAX_NAMES => format!("{} and {} more", shown.join(", "), all - MAX_NAMES),
        _ => shown.join(", "),
    }
}

/// Certificates of large sites have hundreds.
const MAX_NAMES: usize = 8;
