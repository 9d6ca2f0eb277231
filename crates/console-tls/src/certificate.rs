//! One X.509 certificate (RFC 5280), as far as a server's operator needs to know it.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::CertificateDer;
use x509_parser::asn1_rs::ToDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::objects::{oid_registry, oid2abbrev};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::time::ASN1Time;
use x509_parser::x509::{AlgorithmIdentifier, X509Name};

/// A certificate, and what it says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    pub(crate) der: CertificateDer<'static>,
    name: String,
    issuer_name: String,
    names: Vec<String>,
    not_before: Moment,
    not_after: Moment,
    subject: Vec<u8>,
    issuer: Vec<u8>,
    /// The public key's bits, without its algorithm, which is written in more ways than one.
    pub(crate) public_key: Vec<u8>,
    subject_key_id: Option<Vec<u8>>,
    authority_key_id: Option<Vec<u8>>,
}

impl Certificate {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// [`NotACertificate`], when it is none.
    pub fn parse(der: CertificateDer<'static>) -> Result<Self, NotACertificate> {
        let (rest, found) = X509Certificate::from_der(&der).map_err(|_| NotACertificate)?;
        if !rest.is_empty() {
            return Err(NotACertificate);
        }
        let (mut names, mut subject_key_id, mut authority_key_id) = (Vec::new(), None, None);
        for extension in found.iter_extensions() {
            match extension.parsed_extension() {
                ParsedExtension::SubjectAlternativeName(all) => {
                    names = all.general_names.iter().filter_map(general_name).collect();
                }
                ParsedExtension::SubjectKeyIdentifier(id) => subject_key_id = Some(id.0.to_vec()),
                ParsedExtension::AuthorityKeyIdentifier(id) => {
                    authority_key_id = id.key_identifier.as_ref().map(|id| id.0.to_vec());
                }
                _ => {}
            }
        }
        let name = match distinguished(found.subject()) {
            name if !name.is_empty() => name,
            // RFC 5280 section 4.1.2.6: without a subject, the alternative names say who it is.
            _ => names.first().cloned().unwrap_or_else(|| "a certificate without a name".into()),
        };
        let validity = found.validity();
        Ok(Self {
            name,
            issuer_name: distinguished(found.issuer()),
            not_before: Moment(validity.not_before.timestamp()),
            not_after: Moment(validity.not_after.timestamp()),
            subject: found.subject().as_raw().to_vec(),
            issuer: found.issuer().as_raw().to_vec(),
            public_key: found.public_key().subject_public_key.data.to_vec(),
            names,
            subject_key_id,
            authority_key_id,
            der,
        })
    }

    /// Its subject, as in `C=DE, CN=console.example.org`, or its first alternative name; at most 200 characters, none of them a
    /// control character.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its issuer's subject.
    pub fn issuer_name(&self) -> &str {
        &self.issuer_name
    }

    /// The DNS names and addresses that it is for.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// From when it holds.
    pub fn not_before(&self) -> Moment {
        self.not_before
    }

    /// Until when it holds.
    pub fn not_after(&self) -> Moment {
        self.not_after
    }

    /// Whether it names itself as its issuer: a root, or one that somebody made for himself.
    pub fn is_self_issued(&self) -> bool {
        self.is_issued_by(self)
    }

    /// Whether `issuer` is who signed it, going by the names and, where both tell them, by the key identifiers.
    pub(crate) fn is_issued_by(&self, issuer: &Self) -> bool {
        let keys = self.authority_key_id.as_ref().zip(issuer.subject_key_id.as_ref());
        self.issuer == issuer.subject && keys.is_none_or(|(named, has)| named == has)
    }

    /// Whether its signature was made with the key of `issuer`; `None` if that cannot be told, for the algorithm or the size of the key is none of TLS.
    pub(crate) fn is_signed_by(
        &self,
        issuer: &Self,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Option<bool> {
        let (_, signed) = X509Certificate::from_der(&self.der).ok()?;
        let (_, signer) = X509Certificate::from_der(&issuer.der).ok()?;
        let key = signer.public_key();
        if let Ok(PublicKey::RSA(rsa)) = key.parsed()
            && !RSA_BITS.contains(&rsa.key_size())
        {
            return None;
        }
        let (signature_id, key_id) =
            (identifier(&signed.signature_algorithm)?, identifier(&key.algorithm)?);
        let algorithm = algorithms.all.iter().find(|one| {
            *one.signature_alg_id() == *signature_id && *one.public_key_alg_id() == *key_id
        })?;
        let (message, signature) = (signed.tbs_certificate.as_ref(), &signed.signature_value.data);
        Some(algorithm.verify_signature(&key.subject_public_key.data, message, signature).is_ok())
    }

    /// Whether it is signed with its own key, going by its names where the signature tells nothing.
    pub(crate) fn is_self_signed(&self, algorithms: &WebPkiSupportedAlgorithms) -> bool {
        self.is_self_issued() && self.is_signed_by(self, algorithms) != Some(false)
    }
}

/// The bytes are no X.509 certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no X.509 certificate")]
pub struct NotACertificate;

/// A second in time, as certificates have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(i64);

impl Moment {
    /// The current one.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    }

    /// Seconds since 1970-01-01 00:00 UTC.
    pub fn timestamp(self) -> i64 {
        self.0
    }

    /// Whole days from here until `later`: 0 within the same 24 hours, negative if it is past.
    pub fn days_until(self, later: Self) -> i64 {
        later.0.saturating_sub(self.0).div_euclid(DAY)
    }
}

/// `2027-01-31 12:00 UTC`.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match ASN1Time::from_timestamp(self.0).map(|time| time.to_datetime()) {
            Ok(at) => write!(
                f,
                "{:04}-{:02}-{:02} {:02}:{:02} UTC",
                at.year(),
                u8::from(at.month()),
                at.day(),
                at.hour(),
                at.minute()
            ),
            Err(_) => write!(f, "{} s after 1970", self.0),
        }
    }
}

/// A client's certificate by its subject, for logs; `None` when it is none.
pub fn subject(certificate: &CertificateDer<'_>) -> Option<String> {
    Some(Certificate::parse(certificate.clone().into_owned()).ok()?.name)
}

/// What is inside an AlgorithmIdentifier (RFC 5280 section 4.1.1.2), as rustls has it.
fn identifier(algorithm: &AlgorithmIdentifier<'_>) -> Option<Vec<u8>> {
    let mut bytes = algorithm.algorithm.to_der_vec().ok()?;
    if let Some(parameters) = &algorithm.parameters {
        bytes.extend(parameters.to_der_vec().ok()?);
    }
    Some(bytes)
}

fn distinguished(name: &X509Name<'_>) -> String {
    if let Ok(text) = name.to_string_with_registry(oid_registry()) {
        return shown(&text);
    }
    // An old authority's: its T61String (X.690) has Latin-1 in it, as everybody wrote and read them.
    let parts = name.iter_attributes().map(|attribute| {
        let kind = oid2abbrev(attribute.attr_type(), oid_registry()).unwrap_or("?");
        let latin1 = || attribute.attr_value().data.iter().map(|&byte| char::from(byte)).collect();
        format!("{kind}={}", attribute.as_str().map_or_else(|_| latin1(), str::to_owned))
    });
    shown(&parts.collect::<Vec<_>>().join(", "))
}

fn general_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(shown(name)),
        GeneralName::IPAddress(bytes) => {
            let address = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let address = address.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            address.ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

/// Anybody may write anything into a certificate. The end of a long name says more than its middle: there is usually the common name.
pub(crate) fn shown(text: &str) -> String {
    let plain: Vec<char> = text.chars().filter(|one| !one.is_control()).collect();
    let (start, end) = (MAX_SHOWN / 2, plain.len().saturating_sub(MAX_SHOWN / 2 - 1));
    match (plain.get(..start), plain.get(end..)) {
        (Some(start), Some(end)) if plain.len() > MAX_SHOWN => {
            start.iter().chain(&['…']).chain(end).collect()
        }
        _ => plain.into_iter().collect(),
    }
}

/// The RSA keys that TLS has algorithms for, in bits.
const RSA_BITS: RangeInclusive<usize> = 2048..=8192;

/// In seconds.
const DAY: i64 = 24 * 60 * 60;

/// How much of a name is kept, in characters.
const MAX_SHOWN: usize = 200;
