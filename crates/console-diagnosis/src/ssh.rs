//! A host's SSH server: the way there, its key, the login, and what it forwards.

use std::sync::Arc;

use console_assembly::ssh_host;
use console_backend::{Forwarding, HostKeyState, Opener, SshError, SshReport, SshStep};
use console_inventory::{SshAccess, SshProxy};

use crate::backend::{chain, shown};
use crate::checks::{
    Check, HOST_NAME, SSH_CONFIG, SSH_FORWARD_SOCKET, SSH_FORWARD_TCP, SSH_HOST_KEY, SSH_LOGIN,
    SSH_REACH,
};
use crate::report::{Branch, Status};

/// Logs in and looks; the report of a login that worked, or whether anything answers there at all.
pub(crate) async fn examine(
    branch: &Branch,
    opener: &Opener,
    access: &Arc<SshAccess>,
) -> Result<SshReport, bool> {
    let host = Arc::new(ssh_host(SshAccess::clone(access)));
    let examining = opener.examine(&host);
    match branch.during(format!("logging in at {}", access.name), examining).await {
        Ok(report) => {
            branch.ok(HOST_NAME, address(access));
            branch.ok(SSH_CONFIG, entry(access));
            branch.ok(SSH_REACH, format!("{} answers", report.server));
            let state = match report.host_key_state {
                HostKeyState::Known => "known",
                HostKeyState::WouldBeAccepted => {
                    "not known yet; it will be believed at the first console (ssh_host_keys)"
                }
            };
            branch.ok(SSH_HOST_KEY, format!("{}: {state}", report.host_key));
            let before: Vec<String> = report
                .attempts
                .iter()
                .map(|attempt| format!("{} {}; ", attempt.what, attempt.outcome))
                .collect();
            branch.ok(
                SSH_LOGIN,
                format!(
                    "{} by {}{} (round trip {})",
                    report.user,
                    before.concat(),
                    report.method,
                    shown(report.round_trip)
                ),
            );
            Ok(report)
        }
        Err(error) => {
            let check = check_of(&error);
            for (passed, text) in [
                (HOST_NAME, address(access)),
                (SSH_CONFIG, entry(access)),
                (SSH_REACH, format!("{} answers", address(access))),
                (SSH_HOST_KEY, "known".to_owned()),
            ] {
                if passed == check {
                    break;
                }
                branch.ok(passed, text);
            }
            branch.fail(check, chain(&*error), error.remedy());
            Err(check != HOST_NAME && check != SSH_REACH && check != SSH_CONFIG)
        }
    }
}

/// What the login may tunnel, and whether its guests need it.
pub(crate) fn forwarding(branch: &Branch, report: &SshReport, needs_tcp: bool, needs_socket: bool) {
    let told = [
        (
            SSH_FORWARD_TCP,
            &report.tcp_forwarding,
            needs_tcp,
            "TCP ports",
            "AllowTcpForwarding local",
        ),
        (
            SSH_FORWARD_SOCKET,
            &report.socket_forwarding,
            needs_socket,
            "UNIX sockets",
            "AllowStreamLocalForwarding local",
        ),
    ];
    for (check, forwarding, is_needed, what, option) in told {
        match forwarding {
            Forwarding::Allowed => branch.ok(check, format!("tunnels to {what} are allowed")),
            Forwarding::Unknown(why) => {
                branch.skip(
                    check,
                    format!("whether tunnels to {what} are allowed cannot be told: {why}"),
                );
            }
            Forwarding::Forbidden(why) => {
                let status = if is_needed { Status::Error } else { Status::Warning };
                let need = if is_needed {
                    "guests of this host need them"
                } else {
                    "no guest that runs now needs them"
                };
                branch.tell(
                    status,
                    check,
                    format!("the SSH server forbids tunnels to {what}, and {need}: {why}"),
                    format!("write {option} into its /etc/ssh/sshd_config (and no DisableForwarding yes, no-port-forwarding in authorized_keys, or PermitOpen), then systemctl reload ssh there"),
                );
            }
        }
    }
}

fn address(access: &SshAccess) -> String {
    if access.hostname.contains(':') {
        format!("[{}]:{}", access.hostname, access.port)
    } else {
        format!("{}:{}", access.hostname, access.port)
    }
}

/// What ssh_config and the settings make of the host's name.
fn entry(access: &SshAccess) -> String {
    let mut text = format!("{} is {}@{}", access.name, access.user, address(access));
    match access.keys.as_slice() {
        [] => text.push_str(", with the usual keys"),
        keys => {
            let keys: Vec<String> = keys.iter().map(|key| key.display().to_string()).collect();
            text.push_str(&format!(", with {}", keys.join(", ")));
        }
    }
    if access.agent.is_some() {
        text.push_str(" and an agent");
    }
    if let SshProxy::Jump(jump) = &access.proxy {
        text.push_str(&format!(", over {}", jump.name));
    }
    text
}

fn check_of(error: &SshError) -> Check {
    match error {
        SshError::Resolve { .. } => HOST_NAME,
        SshError::ProxyCommand { .. } => SSH_CONFIG,
        SshError::KnownHosts { .. }
        | SshError::HostKeyUnknown { .. }
        | SshError::HostKeyChanged { .. }
        | SshError::HostKeyRevoked { .. } => SSH_HOST_KEY,
        SshError::Authentication { .. }
        | SshError::TimedOut { step: SshStep::Authentication, .. } => SSH_LOGIN,
        SshError::Forbidden { .. } => SSH_FORWARD_TCP,
        SshError::Jump { source, .. } => check_of(source),
        _ => SSH_REACH,
    }
}
