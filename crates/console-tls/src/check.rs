//! Whether browsers will take a certificate: its dates, its names, and who vouches for it.

use std::fmt;
use std::time::Duration;

use permission_denied::quoted;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore};

use crate::certificate::{Certificate, Moment};
use crate::identity::Identity;

/// Something about a certificate that does not keep it from being served. `Display` says what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// The file had them in another order than they are sent in.
    Sorted {
        /// Their names, as they are sent.
        order: Vec<String>,
    },
    /// It vouches for itself: browsers ask before they believe it.
    SelfSigned {
        /// Its name.
        name: String,
    },
    /// It leads to a root that is in the file, but that this system does not know.
    UnknownRoot {
        /// The root's name.
        name: String,
    },
    /// The certificate of an issuer is missing, so clients cannot know whom to trust.
    ChainIncomplete {
        /// Whose issuer is missing.
        name: String,
        /// The missing one.
        issuer: String,
    },
    /// The chain is there, but does not hold.
    ChainBroken {
        /// Why, with the certificate's name or in webpki's words.
        why: String,
    },
    /// It is not for the name that browsers connect to.
    NameNotCovered {
        /// The name that browsers connect to.
        wanted: String,
        /// The names that it is for.
        names: Vec<String>,
    },
    /// The private key's file can be read by every user of this machine.
    KeyReadableByAll {
        /// The file.
        path: std::path::PathBuf,
        /// Its mode.
        mode: u32,
        /// Whether it is our effective user's.
        is_ours: bool,
        /// Our effective user's primary group, if it has a name.
        group: Option<String>,
    },
    /// It, or one of its issuers that is sent along, expires within [`EXPIRY_WARNING`].
    ExpiresSoon {
        /// Whose time is nearly up.
        name: String,
        /// Until when it holds.
        at: Moment,
        /// Whole days until then, 0 for less than one.
        days: i64,
    },
    /// It, or one of its issuers that is sent along, has a key or a signature that is no longer believed.
    Weak {
        /// Its name.
        name: String,
        /// Why, as [`Certificate::weakness`] has it.
        why: String,
    },
}

impl Finding {
    /// Whether browsers or people may be hurt by it; otherwise it is good to know.
    pub fn is_warning(&self) -> bool {
        !matches!(self, Self::Sorted { .. } | Self::SelfSigned { .. })
    }

    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Sorted { .. } => "none needed".to_owned(),
            Self::SelfSigned { .. } => {
                "open the page once by https and accept the certificate, or get one from an authority".to_owned()
            }
            Self::UnknownRoot { name } => {
                let file = file_name(name);
                format!("install it on the machines with browsers, and here as /usr/local/share/ca-certificates/{file}.crt with update-ca-certificates")
            }
            Self::ChainIncomplete { issuer, .. } => {
                format!("append the certificate of {issuer} to the file (authorities offer it as chain or fullchain); if it is a root, this system does not know it, and browsers may: see to ca-certificates")
            }
            Self::ChainBroken { .. } => {
                "get the certificate's chain from the authority again".to_owned()
            }
            Self::NameNotCovered { wanted, .. } => {
                format!("get a certificate for {wanted}, or set public_host to a name that it is for")
            }
            Self::KeyReadableByAll { path, is_ours: true, .. } => {
                format!("chmod 600 {}", quoted(path))
            }
            // Without its group the service may be one of those others.
            Self::KeyReadableByAll { path, group, .. } => {
                let path = quoted(path);
                let group = group.as_deref().map_or_else(|| "GROUP".to_owned(), |name| quoted(name.as_ref()));
                format!("chgrp {group} {path} && chmod 640 {path}, with the service's group")
            }
            Self::ExpiresSoon { .. } => {
                "renew it (certbot renew, or as your authority has it); a renewed file is taken up without a restart".to_owned()
            }
            Self::Weak { .. } => {
                "get another one, and its chain, with an RSA key of 2048 bits or more or an ECDSA key, signed with SHA-256 or better".to_owned()
            }
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sorted { order } => {
                write!(
                    f,
                    "the certificates were not in order and are sent as: {}",
                    order.join("; ")
                )
            }
            Self::SelfSigned { name } => write!(f, "{name} is self-signed"),
            Self::UnknownRoot { name } => write!(
                f,
                "the chain leads to {name}, which this system does not know: browsers that have it believe it"
            ),
            Self::ChainIncomplete { name, issuer } => write!(
                f,
                "the chain is incomplete: the issuer of {name}, {issuer}, is neither in the file nor known to this system"
            ),
            Self::ChainBroken { why } => write!(f, "the chain does not hold: {why}"),
            Self::NameNotCovered { wanted, names } if names.is_empty() => write!(
                f,
                "browsers connect to {wanted}, but the certificate is for no name (it has no subject alternative name)"
            ),
            Self::NameNotCovered { wanted, names } => write!(
                f,
                "browsers connect to {wanted}, but the certificate is for {}",
                names.join(", ")
            ),
            Self::KeyReadableByAll { path, mode, .. } => write!(
                f,
                "the private key in {} can be read by every user of this machine (mode {mode:04o})",
                path.display()
            ),
            Self::ExpiresSoon { name, at, days } => {
                write!(f, "{name} expires at {at}, in ")?;
                match days {
                    ..=0 => write!(f, "less than a day"),
                    1 => write!(f, "1 day"),
                    days => write!(f, "{days} days"),
                }
            }
            Self::Weak { name, why } => write!(f, "{name} is too weak to be trusted: {why}"),
        }
    }
}

/// All that is to be said of an identity whose dates are right.
///
/// `public_name` is the name or address that browsers connect to, if it is known; `roots` are the certificates that this system trusts
/// ([`system_roots`](crate::system_roots)).
pub fn check(
    identity: &Identity,
    public_name: Option<&str>,
    roots: &[CertificateDer<'static>],
    algorithms: &WebPkiSupportedAlgorithms,
    now: Moment,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !identity.was_in_order() {
        let order = identity.chain().map(|one| one.name().to_owned()).collect();
        findings.push(Finding::Sorted { order });
    }
    findings.extend(chain(identity, roots, algorithms, now));
    findings.extend(public_name.and_then(|name| name_not_covered(identity, name)));
    findings.extend(weak(identity));
    findings.extend(identity.chain().filter_map(|one| expires_soon(one, now)));
    findings
}

/// Only the first is the server's own, so a self-signed one behind it is a root.
fn weak(identity: &Identity) -> impl Iterator<Item = Finding> {
    let own = identity.certificate();
    identity.chain().filter_map(move |one| {
        let why = one.weakness_as(one != own && one.is_self_issued())?;
        Some(Finding::Weak { name: one.name().to_owned(), why })
    })
}

/// One that has expired is another matter: [`dates`](crate::dates), or the chain does not hold.
fn expires_soon(one: &Certificate, now: Moment) -> Option<Finding> {
    let at = one.not_after();
    let left = u64::try_from(at.timestamp().saturating_sub(now.timestamp())).ok()?;
    let (name, days) = (one.name().to_owned(), now.days_until(at));
    (left <= EXPIRY_WARNING.as_secs()).then_some(Finding::ExpiresSoon { name, at, days })
}

fn chain(
    identity: &Identity,
    roots: &[CertificateDer<'static>],
    algorithms: &WebPkiSupportedAlgorithms,
    now: Moment,
) -> Option<Finding> {
    let own = identity.certificate();
    if own.is_self_signed(algorithms) {
        // webpki takes none for a server's that may sign others, too; who has installed it believes it all the same.
        let is_known = roots.contains(&own.der);
        return (!is_known).then(|| Finding::SelfSigned { name: own.name().to_owned() });
    }
    let Err(error) = verify(identity, roots, algorithms, now) else { return None };
    // A private authority's root that is sent along is one that its users may know.
    let is_root = |one: &&Certificate| one.is_self_signed(algorithms);
    for root in identity.issuers().iter().filter(is_root) {
        if verify(identity, std::slice::from_ref(&root.der), algorithms, now).is_ok() {
            return Some(Finding::UnknownRoot { name: root.name().to_owned() });
        }
    }
    if let Some(why) = broken_link(identity, algorithms) {
        return Some(Finding::ChainBroken { why });
    }
    if error == Error::InvalidCertificate(CertificateError::UnknownIssuer) {
        let last = identity.chain().take_while(|one| !one.is_self_signed(algorithms)).last()?;
        let (name, issuer) = (last.name().to_owned(), last.issuer_name().to_owned());
        return Some(Finding::ChainIncomplete { name, issuer });
    }
    let why = identity.issuers().iter().find_map(|one| wrong_date(one, now));
    Some(Finding::ChainBroken { why: why.unwrap_or_else(|| error.to_string()) })
}

/// Whether the certificate leads to one of `roots` by those that are sent with it.
fn verify(
    identity: &Identity,
    roots: &[CertificateDer<'static>],
    algorithms: &WebPkiSupportedAlgorithms,
    now: Moment,
) -> Result<(), Error> {
    let mut anchors = RootCertStore::empty();
    anchors.add_parsable_certificates(roots.iter().cloned());
    let issuers: Vec<_> = identity.issuers().iter().map(|one| one.der.clone()).collect();
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let own = ParsedCertificate::try_from(&identity.certificate().der)?;
    verify_server_cert_signed_by_trust_anchor(&own, &anchors, &issuers, time, algorithms.all)
}

/// A common name as a file may be called, `Example-Root-CA`, or `NAME`.
fn file_name(subject: &str) -> String {
    let common = subject.split(", ").find_map(|part| part.strip_prefix("CN=")).unwrap_or_default();
    let words = common.split(|one: char| !one.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    if words.is_empty() { "NAME".to_owned() } else { words.join("-") }
}

/// webpki does not say whose signature is wrong.
fn broken_link(identity: &Identity, algorithms: &WebPkiSupportedAlgorithms) -> Option<String> {
    let mut links = identity.chain().zip(identity.issuers());
    let (one, issuer) = links.find(|(one, issuer)| {
        one.is_issued_by(issuer) && one.is_signed_by(issuer, algorithms) == Some(false)
    })?;
    Some(format!("{} was not signed with the key of {}", one.name(), issuer.name()))
}

/// Nor who is too old, and it has the times in seconds.
fn wrong_date(one: &Certificate, now: Moment) -> Option<String> {
    if now > one.not_after() {
        return Some(format!("{} expired at {}", one.name(), one.not_after()));
    }
    let is_early = now < one.not_before();
    is_early.then(|| format!("{} is not valid before {}", one.name(), one.not_before()))
}

fn name_not_covered(identity: &Identity, name: &str) -> Option<Finding> {
    // An IPv6 address has brackets in a URL, and none in a certificate.
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    let wanted = ServerName::try_from(bare).ok()?;
    let own = identity.certificate();
    let covered = ParsedCertificate::try_from(&own.der)
        .and_then(|parsed| verify_server_name(&parsed, &wanted));
    // Not every fault that webpki finds in it is one of its names.
    let is_name = match covered {
        Ok(()) => false,
        Err(Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => true,
        Err(_) => own.names().is_empty(),
    };
    is_name
        .then(|| Finding::NameNotCovered { wanted: name.to_owned(), names: own.names().to_vec() })
}

/// How long before its end a certificate is worth a warning. 21 days: certbot renews those of 90 days 30 days before, so by then something has
/// gone wrong for more than a week, and there is time left for people.
pub const EXPIRY_WARNING: Duration = Duration::from_secs(21 * 24 * 60 * 60);
