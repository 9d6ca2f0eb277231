//! What to say to the person and what to do.

use super::error::{SshError, SshStep};

impl SshError {
    /// A short text for the person in front of the browser: no host name, no path, no login.
    pub const fn public_reason(&self) -> &'static str {
        match self {
            Self::Resolve { .. } | Self::Connect { .. } | Self::Jump { .. } => {
                "the hypervisor's SSH server cannot be reached"
            }
            Self::TimedOut { step: SshStep::Channel, .. } => {
                "the guest's console did not answer in time"
            }
            Self::TimedOut { .. } => "the hypervisor's SSH server did not answer in time",
            Self::ProxyCommand { .. } | Self::KnownHosts { .. } => {
                "the console proxy's SSH settings need attention"
            }
            Self::Handshake { .. } => "the hypervisor's SSH server cannot be talked to",
            Self::HostKeyUnknown { .. } => "the hypervisor's SSH host key is not known",
            Self::HostKeyChanged { .. } => "the hypervisor's SSH host key has changed",
            Self::HostKeyRevoked { .. } => "the hypervisor's SSH host key is revoked",
            Self::Authentication { .. } => "the hypervisor's SSH server refuses the login",
            Self::Full { .. } => "too many consoles of this hypervisor are open",
            Self::Forbidden { .. } => "the hypervisor's SSH server forbids tunnels",
            Self::Refused { .. } => "the guest's console refused the connection",
            Self::Lost { .. } => "the SSH connection to the hypervisor was lost",
        }
    }

    /// Whether it is a time-out, of the SSH server or of the console behind it.
    pub fn is_time_out(&self) -> bool {
        match self {
            Self::TimedOut { .. } => true,
            Self::Jump { source, .. } => source.is_time_out(),
            _ => false,
        }
    }

    /// What an administrator can do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Resolve { .. } => {
                "see hostname of the host's settings, and HostName in ssh_config".into()
            }
            Self::Connect { .. } | Self::TimedOut { step: SshStep::Connect, .. } => {
                "see whether sshd runs there, its port (hostname = \"name:port\"), and firewalls between".into()
            }
            Self::TimedOut { step: SshStep::Handshake, .. } | Self::Handshake { .. } => {
                "see whether it is an SSH server, and its log: it may be busy (MaxStartups) or hang".into()
            }
            Self::TimedOut { step: SshStep::Authentication, .. } => {
                "see the SSH server's log, and raise ssh_auth_timeout if it is that slow".into()
            }
            Self::TimedOut { step: SshStep::Channel, .. } => {
                "see whether the guest's console answers on its own host".into()
            }
            Self::Jump { source, .. } => match **source {
                Self::Refused { .. } => "see whether sshd runs there, its port, and firewalls between it and its jump host".into(),
                _ => source.remedy(),
            },
            Self::ProxyCommand { .. } => {
                "write ProxyJump in ssh_config instead of ProxyCommand".into()
            }
            Self::KnownHosts { file, .. } => {
                format!(
                    "let the service's user read and write {}, which is text of at most 4 MiB",
                    file.display()
                )
            }
            Self::HostKeyUnknown { scan, .. } => format!(
                "compare the key on the host (for key in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf $key; done), then: {scan}; or write \
                 ssh_host_keys = \"accept-new\""
            ),
            Self::HostKeyChanged { name, file, scan, .. } => format!(
                "ask why: if the host was installed anew: ssh-keygen -R '{name}' -f '{}', and then: {scan}; if not, do not connect",
                file.display()
            ),
            Self::HostKeyRevoked { .. } => "give the host a new key".into(),
            Self::Authentication { user, .. } => format!(
                "add the service user's public key to ~{user}/.ssh/authorized_keys there (ssh-copy-id), or write login, ssh_key or password into its [[hosts]]"
            ),
            Self::Full { .. } => {
                "raise ssh_channels_per_connection or ssh_connections_per_host, or see who holds so many".into()
            }
            Self::Forbidden { .. } => {
                "in the server's sshd_config: AllowTcpForwarding local (and AllowStreamLocalForwarding local), no DisableForwarding, PermitOpen \
                 any; in authorized_keys no no-port-forwarding"
                    .into()
            }
            Self::Refused { is_socket: true, .. } => {
                "see on the host whether the socket is there and the SSH login may open it, and in its sshd_config AllowStreamLocalForwarding \
                 local, AllowTcpForwarding local and PermitOpen any"
                    .into()
            }
            Self::Refused { .. } => {
                "see on the host what <graphics> listens on (ss -ltn), and whether the guest runs".into()
            }
            Self::Lost { .. } => "see the SSH server's log and the network between".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssh::error::Attempt;

    #[test]
    fn the_texts_say_what_failed_and_what_to_type() {
        let unknown = SshError::HostKeyUnknown {
            name: "[hv1]:2222".into(),
            key: "ssh-ed25519 SHA256:x".into(),
            files: vec!["/k".into()],
            scan: "ssh-keyscan -p 2222 hv1 >> /k".into(),
        };
        assert_eq!(
            unknown.to_string(),
            "no host key is known for the SSH server [hv1]:2222; it shows ssh-ed25519 SHA256:x, and none is in /k"
        );
        assert!(unknown.remedy().contains("ssh-keyscan -p 2222 hv1 >> /k"), "{}", unknown.remedy());
        let attempt =
            |what: &str, outcome: &str| Attempt { what: what.into(), outcome: outcome.into() };
        let refused = |attempts| SshError::Authentication {
            server: "hv1:22".into(),
            user: "root".into(),
            accepts: "publickey".into(),
            attempts,
        };
        assert_eq!(
            refused(vec![attempt("key /a", "refused"), attempt("key /b", "is not there")])
                .to_string(),
            "the SSH server hv1:22 refuses the login root: it accepts publickey; tried: key /a refused, key /b is not there"
        );
        assert!(refused(vec![]).to_string().ends_with("there is no key, agent or password to try"));
    }
}
