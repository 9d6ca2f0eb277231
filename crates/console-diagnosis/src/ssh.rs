//! A host's SSH server: the way there, its key, and the login.

use std::sync::Arc;

use console_assembly::ssh_host;
use console_backend::{HostKeyState, Opener, SshError, SshReport, SshStep};
use console_inventory::{SshAccess, SshProxy};

use crate::checks::{
    Check, HOST_NAME, SSH_CONFIG, SSH_FORWARD_TCP, SSH_HOST_KEY, SSH_LOGIN, SSH_REACH,
};
use crate::report::Branch;
use crate::wording::{chain, shown};

/// What came of a login.
pub(crate) struct Login {
    /// What the server lets us do, if it took the login.
    pub(crate) report: Option<SshReport>,
    /// Whether a server answers there.
    pub(crate) is_reached: bool,
    /// Whether a key is new that the settings or ssh_config would have written down.
    pub(crate) would_write: bool,
}

/// Logs in and looks.
pub(crate) async fn examine(branch: &Branch, opener: &Opener, access: &Arc<SshAccess>) -> Login {
    let host = Arc::new(ssh_host(SshAccess::clone(access)));
    let examining = opener.examine(&host);
    match branch.during(format!("logging in at {}", access.name), examining).await {
        Ok(report) => {
            branch.ok(HOST_NAME, address(access));
            branch.ok(SSH_CONFIG, entry(access));
            branch.ok(SSH_REACH, format!("{} answers", report.server));
            branch
                .ok(SSH_HOST_KEY, format!("{}: {}", report.host_key, state(report.host_key_state)));
            branch.ok(SSH_LOGIN, login(&report));
            Login { is_reached: true, would_write: report.would_write, report: Some(report) }
        }
        Err(failure) => {
            let error = &failure.error;
            let check = check_of(error);
            let passed = [
                (HOST_NAME, address(access)),
                (SSH_CONFIG, entry(access)),
                (SSH_REACH, format!("{} answers", address(access))),
                (SSH_HOST_KEY, failure.host_key_state.map(state).unwrap_or_default().to_owned()),
            ];
            // Of a server behind a jump host that fails nothing is known.
            let is_jump = matches!(**error, SshError::Jump { .. });
            let passed = passed.into_iter().take(if is_jump { 2 } else { 4 });
            for (passed, text) in passed.take_while(|(passed, _)| *passed != check) {
                branch.ok(passed, text);
            }
            branch.fail(check, chain(&**error), error.remedy());
            Login {
                report: None,
                is_reached: ![HOST_NAME, SSH_REACH, SSH_CONFIG].contains(&check),
                would_write: failure.passed_keys_unknown,
            }
        }
    }
}

fn state(state: HostKeyState) -> &'static str {
    match state {
        HostKeyState::Known => "known",
        HostKeyState::WouldBeAccepted => {
            "not known yet; it will be believed at the first console (ssh_host_keys)"
        }
    }
}

/// Each way in that was tried, the last of which was taken.
fn login(report: &SshReport) -> String {
    let before = report.attempts.iter();
    let before = before.map(|attempt| format!("{} {}; ", attempt.what, attempt.outcome));
    format!(
        "{} by {}{} (round trip {})",
        report.user,
        before.collect::<String>(),
        report.method,
        shown(report.round_trip)
    )
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
