//! `cert`, `key` and what else there is to TLS.

use std::path::PathBuf;

use crate::paths::absolute_rule;
use crate::reader::{Reader, switch, text};
use crate::trusted_proxies::TrustedProxies;

/// The keys of TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Key `cert`: an absolute path.
    pub cert: PathBuf,
    /// Key `key`: an absolute path. Default none: the key is in `cert`.
    pub key: Option<PathBuf>,
    /// Key `tls_min_version`. Default 1.2.
    pub min_version: MinTlsVersion,
    /// Keys `client_ca` and `client_certificate`. Default none: clients are not asked.
    pub clients: Option<ClientCa>,
}

/// The oldest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MinTlsVersion {
    /// `1.2`.
    #[default]
    Tls12,
    /// `1.3`.
    Tls13,
}

/// Which certificates clients show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCa {
    /// Key `client_ca`: an absolute path.
    pub ca: PathBuf,
    /// Key `client_certificate`: whether a client without one is refused. Default yes.
    pub required: bool,
}

/// The files, and whether plain connections are refused.
pub(crate) fn read(from: &mut Reader<'_>) -> (Option<TlsFiles>, bool) {
    let cert = from.optional("cert", &absolute_rule());
    let key = from.optional("key", &absolute_rule());
    let mut ssl_only = false;
    from.set("ssl_only", &mut ssl_only, &switch());
    let min_version = from.optional("tls_min_version", &version());
    let ca = from.optional("client_ca", &absolute_rule());
    let required = from.optional(
        "client_certificate",
        &text("required or optional", |word| match word {
            "required" => Some(true),
            "optional" => Some(false),
            _ => None,
        }),
    );
    if !from.has("cert") {
        for needs in ["key", "client_ca"] {
            if from.has(needs) {
                from.refuse(needs, |key| format!("{key} is of no use without cert"));
            }
        }
    }
    if from.has("client_certificate") && !from.has("client_ca") {
        from.refuse("client_certificate", |key| format!("{key} is of no use without client_ca"));
    }
    let clients = ca.map(|ca| ClientCa { ca, required: required.unwrap_or(true) });
    if clients.as_ref().is_some_and(|clients| clients.required) && !ssl_only {
        from.refuse("client_ca", |key| {
            format!("{key} needs ssl_only = true, for a plain connection shows no certificate; or write client_certificate = \"optional\"")
        });
    }
    let min_version = min_version.unwrap_or_default();
    (cert.map(|cert| TlsFiles { cert, key, min_version, clients }), ssl_only)
}

/// Somebody must be able to connect: encrypted to us, or to a trusted proxy that has the certificate.
pub(crate) fn compare(from: &mut Reader<'_>, ssl_only: bool, trusted_proxies: &TrustedProxies) {
    if ssl_only && !from.has("cert") && trusted_proxies.is_empty() {
        from.refuse("ssl_only", |key| {
            format!("{key} needs cert, or trusted_proxies that have the certificate: as it is nobody could connect")
        });
    }
}

fn version() -> crate::reader::Rule<'static, MinTlsVersion> {
    // 1.2 is a number in TOML to whoever forgets the quotes.
    Box::new(|value| {
        let written =
            value.to_num().and_then(|number| number.to_f64()).map(|number| number.to_string());
        match written.as_deref().or(value.as_str()) {
            Some("1.2") => Ok(MinTlsVersion::Tls12),
            Some("1.3") => Ok(MinTlsVersion::Tls13),
            _ => Err(format!("{}, allowed is 1.2 or 1.3", crate::reader::found(value))),
        }
    })
}
