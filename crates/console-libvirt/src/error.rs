//! Why a libvirt has no answer.

use std::time::Duration;

use uuid::Uuid;
use virt::error::{ErrorNumber, ErrorNumberEnum};

use crate::shown::{scrubbed, shown};

/// Why a domain could not be looked up, or a libvirt could not be asked otherwise. Cheap to clone: everybody who waits for one attempt gets the same error.
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
    /// Nothing accepts connections where it should listen; libvirt was not troubled.
    #[error("cannot connect to {uri}: {address}: {text}")]
    Silent {
        /// Which libvirt.
        uri: String,
        /// Host and TCP port.
        address: String,
        /// What the system said.
        text: String,
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
    pub(crate) fn silent(uri: &str, host: &str, port: u16, error: &std::io::Error) -> Self {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        Self::Silent { uri: shown(uri), address: format!("{host}:{port}"), text: error.to_string() }
    }

    /// Whether the connection could not be opened, so that the next attempt may wait.
    pub(crate) const fn is_unconnected(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Silent { .. })
    }

    pub(crate) fn unreachable(uri: &str, error: &virt::error::Error) -> Self {
        Self::Unreachable {
            uri: shown(uri),
            text: scrubbed(error.message(), uri),
            code: error.code().to_raw(),
        }
    }

    pub(crate) fn refused(uri: &str, uuid: Option<Uuid>, error: &virt::error::Error) -> Self {
        let code = error.code().to_raw();
        if let Some(uuid) = uuid
            && code == ErrorNumberEnum::from(ErrorNumber::NoDomain).to_raw()
        {
            return Self::NoSuchDomain { uri: shown(uri), uuid };
        }
        Self::Refused { uri: shown(uri), text: scrubbed(error.message(), uri), code }
    }

    /// What an administrator can do about it, where that is known.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::NoSuchDomain { .. } => Some(
                "see whether the domain was removed or moved to another host: virsh list --all --uuid",
            ),
            Self::Unreachable { uri, text, code } => Some(unreachable_remedy(uri, text, *code)),
            Self::Silent { uri, .. } if is_ssh(transport(uri)) => {
                Some("see whether sshd runs there, its port, and firewalls between")
            }
            Self::Silent { .. } => Some(
                "see whether the host runs, listens there (libvirtd --listen or its TCP or TLS socket unit), and no firewall stands between",
            ),
            Self::TimedOut { .. } | Self::Hanging { .. } => {
                Some("see whether libvirtd on that host hangs, or a firewall drops its port")
            }
            Self::Busy { .. } | Self::NoThread { .. } | Self::Refused { .. } => None,
        }
    }
}

/// What stands behind the driver's name, `ssh` in `qemu+ssh://…`; nothing for a socket here, and for TLS.
fn transport(uri: &str) -> &str {
    let scheme = uri.split("://").next().unwrap_or_default();
    scheme.split_once('+').map_or("", |(_, transport)| transport)
}

fn is_ssh(transport: &str) -> bool {
    matches!(transport, "ssh" | "libssh" | "libssh2")
}

/// libvirt has few codes for what goes wrong with a connection; its words tell more.
fn unreachable_remedy(uri: &str, text: &str, code: u32) -> &'static str {
    let says = |words: &str| text.contains(words);
    let transport = transport(uri);
    let is_ssh = is_ssh(transport);
    let is_here = transport == "unix" || uri.contains(":///");
    let is_refused = code == ErrorNumberEnum::from(ErrorNumber::AuthFailed).to_raw()
        || says("uthentication")
        || says("password response");
    if says("Host key verification failed") || says("host key") || says("known_hosts") {
        "the host's SSH key is not known here or has changed: compare it on the host, then enter it into known_hosts (ssh-keyscan, ssh-keygen -R)"
    } else if is_ssh && (is_refused || says("Permission denied (") || says("publickey")) {
        "the host's SSH server takes neither key nor password: see the host's login and ssh_key, and authorized_keys there"
    } else if is_refused {
        "see the host's login and password (on that host, saslpasswd2 -a libvirt LOGIN sets it); over plain TCP only SASL's DIGEST-MD5 and GSSAPI work"
    } else if says("certificate") || says("TLS") {
        "see the certificates: those of pkipath in the host's uri, or /etc/pki/CA/cacert.pem and /etc/pki/libvirt here, and libvirtd's own"
    } else if says("Permission denied") && is_here {
        "let the service's user use libvirt's socket: usermod -aG libvirt USER, then restart the service"
    } else if says("Permission denied") && is_ssh {
        "let the SSH login use libvirt's socket on that host: add it to group libvirt there (usermod -aG libvirt USER)"
    } else if (says("No such file") || says("Connection refused")) && is_here {
        "start libvirtd (systemctl start libvirtd), or correct the host's uri"
    } else if says("No such file") || says("Connection refused") {
        "start libvirtd on that host (systemctl start libvirtd), or correct the host's uri"
    } else {
        "try it as the service's user: virsh -c <uri> list"
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
                LookupError::Silent { uri: uri(), address: "hv1:16509".into(), text: "no".into() },
                "cannot connect to qemu:///system: hv1:16509: no",
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

    #[test]
    fn who_is_silent_is_sshd_or_libvirtd() {
        for (uri, expected) in [
            ("qemu+ssh://root@hv1/system", "sshd"),
            ("qemu+libssh2://hv1/system", "sshd"),
            ("qemu+libssh://hv1/system", "sshd"),
            ("qemu+tcp://hv1/system", "libvirtd --listen"),
            ("qemu://hv1/system", "libvirtd --listen"),
        ] {
            let refused = std::io::ErrorKind::ConnectionRefused.into();
            let remedy = LookupError::silent(uri, "hv1", 22, &refused).remedy().unwrap();
            assert!(remedy.contains(expected), "{uri}: {remedy}");
        }
    }

    #[test]
    fn libvirts_words_lead_to_the_remedy_of_their_transport() {
        let auth = ErrorNumberEnum::from(ErrorNumber::AuthFailed).to_raw();
        for (uri, text, code, expected) in [
            ("qemu+tcp://hv1/system", "authentication failed", auth, "SASL"),
            ("qemu+tcp://hv1/system", "authentication failed: no mechanism", 1, "SASL"),
            (
                "qemu+libssh2://root@hv1/system",
                "authentication with private key '/k' has failed: Username/PublicKey combination invalid",
                auth,
                "authorized_keys",
            ),
            ("qemu+libssh2://hv1/system", "Waiting for password response", 1, "authorized_keys"),
            (
                "qemu+ssh://hv1/system",
                "root@hv1: Permission denied (publickey).",
                38,
                "authorized_keys",
            ),
            ("qemu+ssh://hv1/system", "Host key verification failed.", 38, "known_hosts"),
            (
                "qemu+libssh2://hv1/system",
                "!!! SSH HOST KEY VERIFICATION FAILED !!!: host key for 'hv1'",
                1,
                "known_hosts",
            ),
            (
                "qemu+ssh://hv1/system",
                "Failed to connect socket: Permission denied",
                38,
                "that host: add it to group libvirt there",
            ),
            (
                "qemu:///system",
                "Failed to connect socket to '/run/x': Permission denied",
                38,
                "service's user use libvirt's socket",
            ),
            ("qemu+tls://hv1/system", "Unable to read TLS confirmation", 1, "certificates"),
            (
                "qemu:///system",
                "Failed to connect socket: No such file or directory",
                38,
                "start libvirtd",
            ),
            ("qemu+tcp://hv1/system", "something new", 1, "virsh -c"),
        ] {
            let remedy = unreachable_remedy(uri, text, code);
            assert!(remedy.contains(expected), "{uri} {text}: {remedy}");
        }
    }
}
