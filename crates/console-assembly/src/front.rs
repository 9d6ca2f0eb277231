//! Where connections are accepted, and what they are encrypted with.

use console_config::{ListenAddress, MinTlsVersion, ServerSettings, TlsFiles};
use console_listen::Address;
use console_tls::{ClientCertificates, TlsSettings, TlsVersion, system_roots};

/// The places to listen at, in the settings' order.
pub fn listen_addresses(settings: &ServerSettings) -> Vec<Address> {
    settings.listen.iter().map(|listen| address(&listen.address)).collect()
}

/// The name or address that browsers connect to, if it is known; IPv6 without brackets.
pub fn public_name(settings: &ServerSettings) -> Option<String> {
    let host = settings.public.host.as_ref()?;
    Some(host.host().trim_matches(['[', ']']).to_owned())
}

/// What TLS is told. Reads the certificates that the system trusts.
pub fn tls_settings(files: &TlsFiles, public_name: Option<String>) -> TlsSettings {
    TlsSettings {
        cert: files.cert.clone(),
        key: files.key.clone(),
        min_version: match files.min_version {
            MinTlsVersion::Tls12 => TlsVersion::Tls12,
            MinTlsVersion::Tls13 => TlsVersion::Tls13,
        },
        clients: files.clients.as_ref().map(|clients| ClientCertificates {
            ca: clients.ca.clone(),
            required: clients.required,
        }),
        public_name,
        roots: system_roots(),
    }
}

fn address(at: &ListenAddress) -> Address {
    match at {
        ListenAddress::Tcp { host, port } => Address::Tcp { host: host.clone(), port: *port },
        ListenAddress::Unix { path, mode } => Address::Unix { path: path.clone(), mode: *mode },
        ListenAddress::Systemd { name } => Address::Systemd { name: name.clone() },
    }
}
