//! Whether tunnels lead to the consoles of an SSH host: what its server said, and what opens.

use std::sync::Arc;

use console_assembly::ssh_host;
use console_backend::{Forwarding, SshReport};
use console_inventory::{Host, SshAccess};
use console_route::Route;

use crate::checks::{Check, SSH_FORWARD_SOCKET, SSH_FORWARD_TCP};
use crate::guests::Plan;
use crate::host::Tools;
use crate::report::{Branch, Status};

/// What is known of a host's tunnels.
pub(crate) enum Tunnels {
    /// It is not reached by SSH.
    NotNeeded,
    /// It is, but the login fails, which has been told.
    Fail,
    /// What its server lets us do.
    Known(Box<SshReport>),
}

impl Tunnels {
    /// OpenSSH does not tell a socket that it may not tunnel to from one that is not there; but libvirt's own is there if libvirt answers.
    pub(crate) fn conclude(&mut self, host: &Host) {
        let uri = host.libvirt_uri();
        let is_usual = uri.starts_with("qemu+ssh://")
            && !uri.contains("socket=")
            && uri.split('?').next().is_some_and(|uri| uri.ends_with("/system"));
        if let Self::Known(report) = self
            && is_usual
            && let Forwarding::Unknown(_) = report.socket_forwarding
        {
            let why = "libvirt's own socket is there, but no tunnel leads to it".to_owned();
            report.socket_forwarding = Forwarding::Forbidden(why);
        }
    }

    /// Says what the server forwards, and whether these consoles need it. What was forbidden to another place may be allowed to a console
    /// (`PermitOpen`), so one that opens proves it.
    pub(crate) async fn told(mut self, branch: &Branch, tools: &Tools, plans: &[&Plan]) -> Self {
        let Self::Known(report) = &mut self else { return self };
        let tcp = || plans.iter().filter(|plan| matches!(plan.routed.route, Route::SshTcp { .. }));
        let sockets =
            || plans.iter().filter(|plan| matches!(plan.routed.route, Route::SshUnix { .. }));
        if report.tcp_forwarding != Forwarding::Allowed && opens(branch, tools, tcp()).await {
            report.tcp_forwarding = Forwarding::Allowed;
        }
        if report.socket_forwarding != Forwarding::Allowed && opens(branch, tools, sockets()).await
        {
            report.socket_forwarding = Forwarding::Allowed;
        }
        let (to_ports, to_sockets) = ("TCP ports", "UNIX sockets");
        let (port_option, socket_option) =
            ("AllowTcpForwarding local", "AllowStreamLocalForwarding local");
        let needs = (tcp().next().is_some(), sockets().next().is_some());
        tell(branch, SSH_FORWARD_TCP, &report.tcp_forwarding, needs.0, to_ports, port_option);
        tell(
            branch,
            SSH_FORWARD_SOCKET,
            &report.socket_forwarding,
            needs.1,
            to_sockets,
            socket_option,
        );
        self
    }

    /// Why no tunnel can lead there, where that has been told already.
    pub(crate) fn none_to(&self, route: &Route<Arc<SshAccess>>) -> Option<&'static str> {
        let is_socket = match route {
            Route::SshTcp { .. } => false,
            Route::SshUnix { .. } => true,
            _ => return None,
        };
        let forwarding = match self {
            Self::NotNeeded => return None,
            Self::Fail => return Some("it needs a tunnel, and SSH to the host fails"),
            Self::Known(report) if is_socket => &report.socket_forwarding,
            Self::Known(report) => &report.tcp_forwarding,
        };
        matches!(forwarding, Forwarding::Forbidden(_))
            .then_some("it needs a tunnel, which the SSH server forbids")
    }
}

/// Whether one of the first few opens.
async fn opens<'a>(
    branch: &Branch,
    tools: &Tools,
    plans: impl Iterator<Item = &'a &'a Plan>,
) -> bool {
    for plan in plans.take(TRIED) {
        let route = plan.routed.route.clone();
        let route = route.map_via(|access| Arc::new(ssh_host(Arc::unwrap_or_clone(access))));
        let opening = tools.opener.open(&route);
        if branch.during(format!("trying a tunnel to {route}"), opening).await.is_ok() {
            return true;
        }
    }
    false
}

fn tell(
    branch: &Branch,
    check: Check,
    forwarding: &Forwarding,
    is_needed: bool,
    what: &str,
    option: &str,
) {
    match forwarding {
        Forwarding::Allowed => branch.ok(check, format!("tunnels to {what} are allowed")),
        Forwarding::Unknown(why) => {
            let text = format!("whether tunnels to {what} are allowed cannot be told: {why}");
            branch.skip(check, text);
        }
        Forwarding::Forbidden(why) => {
            let (status, need) = match is_needed {
                true => (Status::Error, "guests of this host need them"),
                false => (Status::Warning, "no guest that runs now needs them"),
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

/// How many consoles are tried to see whether a tunnel leads to one.
const TRIED: usize = 3;
