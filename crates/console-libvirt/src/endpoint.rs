//! Which libvirt, and who we are there.

use std::fmt;
use std::hash::{Hash, Hasher};

use secrecy::{ExposeSecret, SecretString};

use crate::shown::shown;

/// A libvirt: its URI, and a login and password where it asks for them.
///
/// The password goes to libvirt's authentication callback only: never into a URI, an error or `Debug`.
#[derive(Clone)]
pub struct Endpoint {
    pub(crate) uri: String,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) listens_on: Option<(String, u16)>,
}

/// What libvirt's authentication callback answers.
#[derive(Clone)]
pub(crate) struct Credentials {
    /// For SASL (`VIR_CRED_AUTHNAME`); SSH takes it from the URI.
    pub(crate) login: Option<String>,
    /// For SASL and for SSH through libssh or libssh2 (`VIR_CRED_PASSPHRASE`).
    pub(crate) password: SecretString,
}

impl Endpoint {
    /// The libvirt at `uri` (libvirt, "Connection URIs"), which asks for nothing.
    pub fn new(uri: impl Into<String>) -> Self {
        Self { uri: uri.into(), credentials: None, listens_on: None }
    }

    /// The same with a password, and a login where the URI's does not count (SASL).
    #[must_use]
    pub fn with_password(self, login: Option<String>, password: SecretString) -> Self {
        Self { credentials: Some(Credentials { login, password }), ..self }
    }

    /// The same, reached at this host and TCP port. It is tried before libvirt is: libvirt has no time-out of its own when a host
    /// does not answer at all, and its threads would wait for minutes.
    #[must_use]
    pub fn listening_on(self, host: impl Into<String>, port: u16) -> Self {
        Self { listens_on: Some((host.into(), port)), ..self }
    }

    /// The URI, with its parameters.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// All that tells two endpoints apart.
    fn key(&self) -> impl Eq + Hash + '_ {
        let credentials = self.credentials.as_ref();
        let credentials = credentials.map(|one| (&one.login, one.password.expose_secret()));
        (&self.uri, credentials, &self.listens_on)
    }
}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Endpoint {}

impl Hash for Endpoint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl From<&str> for Endpoint {
    fn from(uri: &str) -> Self {
        Self::new(uri)
    }
}

/// The URI without its parameters and without a password.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("uri", &shown(&self.uri))
            .field("with_password", &self.credentials.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_printed_and_another_password_is_another_endpoint() {
        let plain = Endpoint::new("qemu+tls://root@hv1/system?pkipath=/private");
        let with = |password: &str| {
            plain.clone().with_password(Some("tester".into()), SecretString::from(password))
        };
        let printed = format!("{:?}", with("s3cret"));
        assert!(!printed.contains("s3cret") && !printed.contains("private"), "{printed}");
        assert!(with("a") == with("a") && with("a") != with("b") && plain != with("a"));
    }
}
