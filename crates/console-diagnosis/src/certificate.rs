//! The certificate's files, with the eyes of the service's user.

use std::sync::Arc;

use console_assembly::{public_name, tls_settings};
use console_config::{ServerSettings, TlsFiles};
use console_tls::rustls::crypto::aws_lc_rs;
use console_tls::{
    Certificate, EXPIRY_WARNING, Finding, Identity, Moment, TlsError, TlsSettings, check,
    check_client_ca, dates, key_readable_by_all,
};

use crate::checks::{
    CERTIFICATE_CHAIN, CERTIFICATE_CLIENTS, CERTIFICATE_DATES, CERTIFICATE_FILE, CERTIFICATE_KEY,
    CERTIFICATE_NAMES, CERTIFICATE_NONE, CERTIFICATE_ORDER, CERTIFICATE_PAIR, CERTIFICATE_PRIVATE,
    CERTIFICATE_STRENGTH, Check,
};
use crate::listening::is_behind;
use crate::report::{Branch, Status};
use crate::wording::counted;

/// Looks at the files; returns the server's own certificate if it can be used. Blocks.
pub(crate) fn examine(branch: &Branch, settings: &ServerSettings) -> Option<Own> {
    let Some(files) = &settings.tls else {
        none(branch, settings);
        return None;
    };
    let wanted = tls_settings(files, public_name(settings));
    let own = load(branch, &wanted);
    clients(branch, files);
    own
}

/// The server's own certificate.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    pub(crate) certificate: Certificate,
    /// Whether who signed it is not known to this system, which browsers may know all the same.
    pub(crate) is_private: bool,
}

fn none(branch: &Branch, settings: &ServerSettings) {
    if is_behind(settings) {
        branch.ok(CERTIFICATE_NONE, "none here: the reverse proxy has it");
        return;
    }
    branch.warn(
        CERTIFICATE_NONE,
        "no certificate is configured: pages that are loaded by https cannot connect, for browsers let them open wss:// only",
        "set cert (WS_CERT) to a PEM file with certificate, chain and private key; to try it out: openssl req -x509 -newkey rsa:2048 -nodes -days 90 -subj /CN=NAME -addext subjectAltName=DNS:NAME -keyout /etc/webvirtmgr-console/console.pem -out /etc/webvirtmgr-console/console.pem, with the NAME that browsers connect to",
    );
}

fn load(branch: &Branch, wanted: &TlsSettings) -> Option<Own> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let now = Moment::now();
    let identity = match Identity::load(&wanted.cert, wanted.key.as_deref(), &provider) {
        Ok(identity) => identity,
        Err(error) => {
            // What was looked at before it is well; the key may be in a file of its own.
            let is_keys = wanted.key.is_some() && error.path() == wanted.key.as_deref();
            let check = if is_keys { CERTIFICATE_KEY } else { check_of(&error) };
            if check != CERTIFICATE_FILE {
                branch.ok(CERTIFICATE_FILE, wanted.cert.display().to_string());
            }
            branch.fail(check, whole(&error), error.remedy());
            return None;
        }
    };
    let own = identity.certificate();
    let count = identity.chain().count();
    branch.ok(
        CERTIFICATE_FILE,
        format!("{} ({})", wanted.cert.display(), counted(count, "certificate")),
    );
    let key = wanted.key.as_deref().unwrap_or(&wanted.cert);
    branch.ok(CERTIFICATE_KEY, format!("{} in {}", own.key_kind(), key.display()));
    branch.ok(CERTIFICATE_PAIR, format!("it is the key of {}", own.name()));
    let findings = check(
        &identity,
        wanted.public_name.as_deref(),
        &wanted.roots,
        &provider.signature_verification_algorithms,
        now,
    );
    let findings: Vec<Finding> = findings.into_iter().chain(key_readable_by_all(key)).collect();
    tell(branch, &findings, CERTIFICATE_ORDER, "the server's own comes first");
    match dates(&identity, &wanted.cert, now) {
        Err(error) => {
            branch.fail(CERTIFICATE_DATES, error.to_string(), error.remedy());
            branch.skip(CERTIFICATE_CHAIN, "without right dates no chain holds");
        }
        Ok(()) => {
            let fine =
                format!("until {} ({} days)", own.not_after(), now.days_until(own.not_after()));
            tell(branch, &findings, CERTIFICATE_DATES, &fine);
            let fine = "it leads to an authority that this system trusts";
            tell(branch, &findings, CERTIFICATE_CHAIN, fine);
        }
    }
    let named = wanted.public_name.as_deref().map_or_else(
        || format!("it is for {}", own.names().join(", ")),
        |name| format!("it is for {name}"),
    );
    tell(branch, &findings, CERTIFICATE_NAMES, &named);
    tell(branch, &findings, CERTIFICATE_STRENGTH, &own.key_kind());
    tell(branch, &findings, CERTIFICATE_PRIVATE, "others on this machine cannot read the key");
    let is_private = findings
        .iter()
        .any(|finding| matches!(finding, Finding::SelfSigned { .. } | Finding::UnknownRoot { .. }));
    Some(Own { certificate: own.clone(), is_private })
}

/// What there is to say for one check, or that it is well.
fn tell(branch: &Branch, findings: &[Finding], check: Check, fine: &str) {
    let mut is_fine = true;
    for finding in findings.iter().filter(|finding| place_of(finding).0 == check) {
        is_fine = false;
        let (_, status) = place_of(finding);
        branch.tell(status, check, finding.to_string(), remedy(finding));
    }
    if is_fine {
        branch.ok(check, fine);
    }
}

/// A browser refuses what is for another name; of the rest it depends on the browser, or on the day.
fn place_of(finding: &Finding) -> (Check, Status) {
    match finding {
        Finding::Sorted { .. } => (CERTIFICATE_ORDER, Status::Warning),
        Finding::SelfSigned { .. } => (CERTIFICATE_CHAIN, Status::Warning),
        Finding::ChainBroken { .. } => (CERTIFICATE_CHAIN, Status::Error),
        Finding::NameNotCovered { .. } => (CERTIFICATE_NAMES, Status::Error),
        Finding::KeyReadableByAll { .. } => (CERTIFICATE_PRIVATE, Status::Warning),
        Finding::ExpiresSoon { .. } => (CERTIFICATE_DATES, Status::Warning),
        Finding::Weak { .. } => (CERTIFICATE_STRENGTH, Status::Warning),
        _ => (CERTIFICATE_CHAIN, Status::Warning),
    }
}

fn remedy(finding: &Finding) -> String {
    match finding {
        Finding::Sorted { .. } => {
            "nothing for this proxy, which sends them in order; other programs do not: write the server's own certificate first, then its issuer's, and so on".into()
        }
        Finding::ExpiresSoon { .. } => format!(
            "{} (console-check warns {} days before)",
            finding.remedy(),
            EXPIRY_WARNING.as_secs() / (24 * 60 * 60)
        ),
        other => other.remedy(),
    }
}

fn check_of(error: &TlsError) -> Check {
    match error {
        TlsError::NoKey { .. }
        | TlsError::EncryptedKey { .. }
        | TlsError::UnsupportedKey { .. } => CERTIFICATE_KEY,
        TlsError::KeyMismatch { .. } | TlsError::SeveralOwn { .. } => CERTIFICATE_PAIR,
        TlsError::Unsorted { .. } => CERTIFICATE_ORDER,
        TlsError::Expired { .. } | TlsError::NotYetValid { .. } => CERTIFICATE_DATES,
        TlsError::ClientCa { .. } => CERTIFICATE_CLIENTS,
        _ => CERTIFICATE_FILE,
    }
}

fn clients(branch: &Branch, files: &TlsFiles) {
    let Some(clients) = &files.clients else { return };
    match check_client_ca(&clients.ca) {
        Ok(()) => branch.ok(CERTIFICATE_CLIENTS, clients.ca.display().to_string()),
        Err(error) => branch.fail(CERTIFICATE_CLIENTS, whole(&error), error.remedy()),
    }
}

/// With what the system said.
fn whole(error: &TlsError) -> String {
    match std::error::Error::source(error) {
        Some(source) if !matches!(error, TlsError::Unreadable { denied: Some(_), .. }) => {
            format!("{error}: {source}")
        }
        _ => error.to_string(),
    }
}
