//! What a certificate's key and signature are, and whether they are still believed.

use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use x509_parser::asn1_rs::{Oid, Tag, oid};
use x509_parser::certificate::X509Certificate;
use x509_parser::objects::{oid_registry, oid2sn};
use x509_parser::oid_registry as oids;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::RSAPublicKey;
use x509_parser::signature_algorithm::RsaSsaPssParams;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

use crate::certificate::{Certificate, shown};

impl Certificate {
    /// The whole of it in DER, as it was read.
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// Its SHA-256 fingerprint, of the DER, as browsers and `openssl x509 -fingerprint -sha256` have it but in lower case:
    /// `SHA256:ab:cd:…`, 32 bytes.
    pub fn fingerprint(&self) -> String {
        let bytes: Vec<_> =
            Sha256::digest(&self.der).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("SHA256:{}", bytes.join(":"))
    }

    /// What kind of key it has: `RSA 2048 bits`, `ECDSA P-256`, `Ed25519`, or else the algorithm's name, or its number in dots.
    pub fn key_kind(&self) -> String {
        let Ok((_, found)) = X509Certificate::from_der(&self.der) else {
            return "unknown".to_owned();
        };
        let key = found.public_key();
        let kind = &key.algorithm.algorithm;
        if let Some(bits) = rsa_bits(key) {
            format!("RSA {bits} bits")
        } else if *kind == oids::OID_KEY_TYPE_EC_PUBLIC_KEY {
            format!("ECDSA {}", curve(&key.algorithm))
        } else if *kind == oids::OID_SIG_ED25519 {
            "Ed25519".to_owned()
        } else if *kind == oids::OID_SIG_ED448 {
            "Ed448".to_owned()
        } else {
            named(kind)
        }
    }

    /// Why neither browsers nor people should trust its key or its signature: an RSA key of fewer than 2048 bits, or a signature with SHA-1
    /// or one of MD2, MD4 and MD5 (CA/Browser Forum's Baseline Requirements, sections 6.1.5 and 7.1.3.2). `None` if both are fine.
    ///
    /// Nobody looks at the signature of a root, which is believed for being there; one that signed itself counts as a root if it may sign others
    /// and is for no name. [`check`](crate::check) knows a server's own certificate from a root by its place.
    pub fn weakness(&self) -> Option<String> {
        let is_authority =
            X509Certificate::from_der(&self.der).is_ok_and(|(_, found)| found.is_ca());
        self.weakness_as(self.is_self_issued() && is_authority && self.names().is_empty())
    }

    /// The same where it is known whether it stands there as a root.
    pub(crate) fn weakness_as(&self, is_root: bool) -> Option<String> {
        let (_, found) = X509Certificate::from_der(&self.der).ok()?;
        let bits = rsa_bits(found.public_key()).filter(|bits| *bits < MIN_RSA_BITS);
        let key =
            bits.map(|bits| format!("its RSA key has {bits} bits, fewer than {MIN_RSA_BITS}"));
        let digest = old_digest(&found.signature_algorithm).filter(|_| !is_root);
        let signature = digest.map(|digest| format!("it is signed with {digest}"));
        let whys: Vec<_> = key.into_iter().chain(signature).collect();
        (!whys.is_empty()).then(|| whys.join(", and "))
    }
}

/// The modulus' length (RFC 8017 section 3.1), also of keys that are for RSASSA-PSS alone; `None` if it is no RSA key.
fn rsa_bits(key: &SubjectPublicKeyInfo<'_>) -> Option<usize> {
    let kind = &key.algorithm.algorithm;
    if *kind != oids::OID_PKCS1_RSAENCRYPTION && *kind != oids::OID_PKCS1_RSASSAPSS {
        return None;
    }
    let (_, rsa) = RSAPublicKey::from_der(&key.subject_public_key.data).ok()?;
    let mut digits = rsa.modulus.iter().skip_while(|byte| **byte == 0);
    let first = digits.next()?;
    let top = usize::try_from(u8::BITS - first.leading_zeros()).ok()?;
    Some(digits.count() * 8 + top)
}

/// RFC 5480 section 2.1.1: a name, and nothing else in certificates of the web.
fn curve(key: &AlgorithmIdentifier<'_>) -> String {
    let name = key.parameters.as_ref().filter(|parameters| parameters.tag() == Tag::Oid);
    match name.and_then(|name| name.as_oid().ok()) {
        Some(name) if name == oids::OID_EC_P256 => "P-256".to_owned(),
        Some(name) if name == oids::OID_NIST_EC_P384 => "P-384".to_owned(),
        Some(name) if name == oids::OID_NIST_EC_P521 => "P-521".to_owned(),
        Some(name) => named(&name),
        None => "with a curve of its own".to_owned(),
    }
}

/// The digest under a signature, if it is one for which others can be found.
fn old_digest(signature: &AlgorithmIdentifier<'_>) -> Option<&'static str> {
    let kind = &signature.algorithm;
    if *kind == oids::OID_PKCS1_RSASSAPSS {
        // RFC 4055 section 3.1: SHA-1 unless it says otherwise.
        let parameters = signature.parameters.as_ref().map(RsaSsaPssParams::try_from);
        let is_sha1 = match parameters {
            Some(Ok(parameters)) => *parameters.hash_algorithm_oid() == oids::OID_HASH_SHA1,
            Some(Err(_)) => false,
            None => true,
        };
        return is_sha1.then_some("SHA-1");
    }
    OLD_SIGNATURES.iter().find(|(old, _)| old == kind).map(|(_, digest)| *digest)
}

fn named(kind: &Oid<'_>) -> String {
    oid2sn(kind, oid_registry()).map_or_else(|_| shown(&kind.to_id_string()), str::to_owned)
}

/// Signature algorithms and the digest in each (RFC 3279 section 2.2; the last two are OIW's, which old programs write).
const OLD_SIGNATURES: [(Oid<'static>, &str); 8] = [
    (oids::OID_PKCS1_MD2WITHRSAENC, "MD2"),
    (oids::OID_PKCS1_MD4WITHRSAENC, "MD4"),
    (oids::OID_PKCS1_MD5WITHRSAENC, "MD5"),
    (oids::OID_PKCS1_SHA1WITHRSA, "SHA-1"),
    (oids::OID_SIG_DSA_WITH_SHA1, "SHA-1"),
    (oid!(1.2.840.10045.4.1), "SHA-1"),
    (oids::OID_MD5_WITH_RSA, "MD5"),
    (oids::OID_SHA1_WITH_RSA, "SHA-1"),
];

/// The shortest RSA keys that public authorities have signed since 2014, in bits.
const MIN_RSA_BITS: usize = 2048;
