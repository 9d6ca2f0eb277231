//! Why a domain could not be looked up.

use std::time::Duration;

use uuid::Uuid;
use virt::error::{ErrorNumber, ErrorNumberEnum};

/// Why a domain could not be looked up. Cheap to clone: everybody who waits for one attempt gets the same error.
///
/// The texts are for a log: they name the URI (without its parameters) and carry libvirt's own words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// libvirt does not know the domain.
    #[error("{uri} has no domain {}", masked(*uuid))]
    NoSuchDomain {
        /// Which libvirt.
        uri: String,
        /// The domain; its middle is masked in the text.
        uuid: Uuid,
    },
    /// The connection could not be opened.
    #[error("cannot connect to {uri}: {text}")]
    Unreachable {
        /// Which libvirt.
        uri: String,
        /// libvirt's own words.
        text: String,
        /// libvirt's error code (`virErrorNumber`).
        code: u32,
    },
    /// libvirt answered with another error.
    #[error("{uri} answers: {text}")]
    Refused {
        /// Which libvirt.
        uri: String,
        /// libvirt's own words.
        text: String,
        /// libvirt's error code (`virErrorNumber`).
        code: u32,
    },
    /// No answer within [`LibvirtSettings::timeout`](crate::LibvirtSettings::timeout).
    #[error("{uri} did not answer within {limit:?}")]
    TimedOut {
        /// Which libvirt.
        uri: String,
        /// The time-out.
        limit: Duration,
    },
    /// So many calls hang inside libvirt already that no further one is begun.
    #[error("{uri} has not answered for {silent_for:?}")]
    Hanging {
        /// Which libvirt.
        uri: String,
        /// Since the call under way was begun.
        silent_for: Duration,
    },
    /// [`MAX_WAITING`](crate::MAX_WAITING) requests wait for this libvirt already.
    #[error("too many requests wait for {uri}")]
    Busy {
        /// Which libvirt.
        uri: String,
    },
    /// The system gave no thread.
    #[error("cannot start a thread for {uri}: {text}")]
    NoThread {
        /// Which libvirt.
        uri: String,
        /// What the system said.
        text: String,
    },
}

impl LookupError {
    pub(crate) fn unreachable(uri: &str, error: &virt::error::Error) -> Self {
        Self::Unreachable {
            uri: shown(uri),
            text: error.message().to_owned(),
            code: error.code().to_raw(),
        }
    }

    pub(crate) fn refused(uri: &str, uuid: Uuid, error: &virt::error::Error) -> Self {
        let code = error.code().to_raw();
        if code == ErrorNumberEnum::from(ErrorNumber::NoDomain).to_raw() {
            return Self::NoSuchDomain { uri: shown(uri), uuid };
        }
        Self::Refused { uri: shown(uri), text: error.message().to_owned(), code }
    }

    /// What an administrator can do about it, where that is known.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::NoSuchDomain { .. } => Some(
                "see whether the domain was removed or moved to another host: virsh list --all --uuid",
            ),
            Self::Unreachable { text, code, .. } => {
                if *code == ErrorNumberEnum::from(ErrorNumber::AuthFailed).to_raw() {
                    Some("see the host's login and password")
                } else if text.contains("Permission denied") {
                    Some("let the service's user use libvirt's socket: add it to group libvirt")
                } else if text.contains("No such file") || text.contains("Connection refused") {
                    Some("start libvirtd on that host, or correct the host's uri")
                } else {
                    Some("try it as the service's user: virsh -c <uri> list")
                }
            }
            Self::TimedOut { .. } | Self::Hanging { .. } => {
                Some("see whether libvirtd on that host hangs, or a firewall drops its port")
            }
            Self::Busy { .. } | Self::NoThread { .. } | Self::Refused { .. } => None,
        }
    }
}

/// A URI without its parameters, which may name key files, and without a password.
pub(crate) fn shown(uri: &str) -> String {
    let plain = uri.split(['?', '#']).next().unwrap_or_default();
    match plain.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            let host = match authority.rsplit_once('@') {
                Some((login, host)) => {
                    format!("{}@{host}", login.split(':').next().unwrap_or_default())
                }
                None => authority.to_owned(),
            };
            format!("{scheme}://{host}/{path}")
        }
        None => plain.to_owned(),
    }
}

fn masked(uuid: Uuid) -> String {
    let text = uuid.as_simple().to_string();
    format!("{}-****-{}", text.get(..8).unwrap_or_default(), text.get(28..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_uris_have_no_parameters_and_no_password() {
        for (uri, expected) in [
            ("qemu:///system", "qemu:///system"),
            (
                "qemu+tls://root:secret@hv1:16514/system?pkipath=/secret",
                "qemu+tls://root@hv1:16514/system",
            ),
            ("qemu+unix:///system?socket=/run/x", "qemu+unix:///system"),
            ("test:///etc/file.xml", "test:///etc/file.xml"),
            ("nonsense", "nonsense"),
        ] {
            assert_eq!(shown(uri), expected);
        }
    }

    #[test]
    fn every_error_reads_well_and_masks_the_uuid() {
        let uri = || "qemu:///system".to_owned();
        let uuid = Uuid::from_u128(0x0a1b2c3d_4e5f_4061_8283_94a5b6c7d8e9);
        let limit = Duration::from_secs(10);
        for (error, expected) in [
            (
                LookupError::NoSuchDomain { uri: uri(), uuid },
                "qemu:///system has no domain 0a1b2c3d-****-d8e9",
            ),
            (
                LookupError::Unreachable { uri: uri(), text: "no".into(), code: 38 },
                "cannot connect to qemu:///system: no",
            ),
            (
                LookupError::Refused { uri: uri(), text: "no".into(), code: 1 },
                "qemu:///system answers: no",
            ),
            (
                LookupError::TimedOut { uri: uri(), limit },
                "qemu:///system did not answer within 10s",
            ),
            (
                LookupError::Hanging { uri: uri(), silent_for: limit },
                "qemu:///system has not answered for 10s",
            ),
            (LookupError::Busy { uri: uri() }, "too many requests wait for qemu:///system"),
            (
                LookupError::NoThread { uri: uri(), text: "no".into() },
                "cannot start a thread for qemu:///system: no",
            ),
        ] {
            assert_eq!(error.to_string(), expected);
        }
    }
}
