//! What the administrator can do about an error.

use crate::error::ListenError;
use crate::holder::Holder;

impl ListenError {
    /// What to do, as half a sentence for the end of the log line; `None` where the text says it all.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        let text = match self {
            Self::Nothing => "give one with -H and -p, or host and port".into(),
            Self::Unresolved { .. } => {
                "getent hosts shows what a name means; 0.0.0.0 means all addresses".into()
            }
            Self::Overlap { .. } => "leave one of them out, or give it another port".into(),
            Self::Taken { holders, .. } => {
                format!("{}, or choose another port with -p or port", stop(holders))
            }
            Self::Privileged { lowest, .. } => format!(
                "port {lowest} or higher, or AmbientCapabilities=CAP_NET_BIND_SERVICE in the systemd unit"
            ),
            Self::NotOurs { place, .. } if place.is_ipv6() && place.ip().is_unspecified() => {
                "IPv6 is switched off here (net.ipv6.conf.all.disable_ipv6); 0.0.0.0 means all IPv4 addresses".into()
            }
            Self::NotOurs { place, .. } if place.is_ipv6() => {
                "ip addr shows them; :: means all".into()
            }
            Self::NotOurs { .. } => "ip addr shows them; 0.0.0.0 means all".into(),
            Self::NoFamily { place, .. } if place.is_ipv6() => {
                "0.0.0.0 means all IPv4 addresses".into()
            }
            Self::NoFamily { .. } => ":: means all IPv6 addresses".into(),
            Self::NotAbsolute { .. } => "write it from the root, as /run/NAME/console.sock".into(),
            Self::PathTooLong { .. } => "choose a shorter path, as /run/NAME/console.sock".into(),
            Self::NoFolder { .. } => {
                "make it, or let systemd: RuntimeDirectory= in the unit makes a folder in /run".into()
            }
            Self::Denied { .. } => {
                "give the folder to our user, or let systemd: RuntimeDirectory= in the unit makes one in /run".into()
            }
            Self::ForeignSocket { .. } => {
                "stop its server and remove it, or choose another path".into()
            }
            Self::NotASocket { .. } => "move it away, or choose another path".into(),
            Self::TakenPath { holders, .. } => {
                format!("{}, or choose another path", stop(holders))
            }
            Self::Locked { .. } => "lslocks shows by whom; a folder of its own is best".into(),
            Self::Environment { .. } => {
                "systemd sets it for a service with a socket unit; unset it otherwise".into()
            }
            Self::NotAListener { .. } => {
                "use ListenStream= in the socket unit, with Accept=no".into()
            }
            Self::NotPassed { passed, .. } if passed.is_empty() => {
                "start the program by its socket unit: systemctl start NAME.socket".into()
            }
            Self::NotPassed { .. } => "name it so by FileDescriptorName= in the socket unit".into(),
            Self::NotAsked { name, .. } => format!(
                "add systemd:{} to the list, or take the socket out of the unit",
                name.escape_debug()
            ),
            Self::Twice { .. } => "leave one of them out".into(),
            Self::Failed { .. } => return None,
        };
        Some(text)
    }
}

/// systemd keeps the sockets of a socket unit open while the service is stopped.
fn stop(holders: &[Holder]) -> &'static str {
    match holders.first() {
        Some(Holder { pid: Some(1), .. }) => {
            "stop the socket unit (systemctl list-sockets shows it)"
        }
        Some(_) => "stop it",
        None => "stop what has it (as root, ss -ltxp shows more)",
    }
}
