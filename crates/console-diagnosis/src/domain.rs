//! One guest as libvirt describes it: whether it runs, what console it has, and how that would be reached.

use std::fmt;
use std::sync::Arc;

use console_inventory::{Host, SshAccess};
use console_route::{HostAccess, RouteError, Routed, route};
use console_tls::Moment;
use libvirt_graphics::{Domain, Graphics, GraphicsKind, Listen, Port};

use crate::checks::{
    Check, DOMAIN_GRAPHICS, DOMAIN_LISTEN, DOMAIN_PASSWORD, DOMAIN_PORT, DOMAIN_ROUTE,
    DOMAIN_STATE, DOMAIN_TLS, DOMAIN_WEBSOCKET,
};
use crate::report::{Branch, Status};
use crate::wording::quoted;

/// How a guest's host is reached, as far as the judgement and its remedies need it.
pub(crate) struct Seen<'a, Via> {
    /// How this machine reaches it.
    pub(crate) access: &'a HostAccess<Via>,
    /// The URI to paste behind `virsh -c`.
    pub(crate) uri: String,
    /// Whether somebody asks for this guest's console: then that it has none is an error.
    pub(crate) is_wanted: bool,
    /// Whether libvirt has it paused, which its XML does not tell.
    pub(crate) is_paused: bool,
}

impl<'a> Seen<'a, Arc<SshAccess>> {
    pub(crate) fn from(host: &'a Host, is_wanted: bool, is_paused: bool) -> Self {
        Self { access: host.access(), uri: pasted(host.libvirt_uri()), is_wanted, is_paused }
    }
}

impl<Via> Seen<'_, Via> {
    /// A command to paste.
    pub(crate) fn virsh(&self, command: &str, domain: &str) -> String {
        format!("virsh -c {} {command} {}", quoted(&self.uri), quoted(domain))
    }
}

/// A person with a shell has keys and known hosts of his own; but a socket elsewhere he would not find.
pub(crate) fn pasted(uri: &str) -> String {
    let Some((bare, query)) = uri.split_once('?') else { return uri.to_owned() };
    match query.split('&').find(|parameter| parameter.starts_with("socket=")) {
        Some(socket) => format!("{bare}?{socket}"),
        None => bare.to_owned(),
    }
}

/// Says what there is to say of a guest; returns its console's place if it has one that can be reached.
pub(crate) fn judge<Via: Clone + fmt::Display>(
    branch: &Branch,
    domain: &Domain,
    seen: &Seen<'_, Via>,
) -> Option<Routed<Via>> {
    let decided = route(seen.access, domain, None);
    if let Err(RouteError::ShutOff) = decided {
        let text = format!("{} is shut off", domain.name());
        if seen.is_wanted {
            branch.fail(DOMAIN_STATE, text, seen.virsh("start", domain.name()));
        } else {
            branch.skip(DOMAIN_STATE, text);
        }
        return None;
    }
    if seen.is_paused {
        branch.warn(
            DOMAIN_STATE,
            format!("{} is paused: its console opens and shows its last picture", domain.name()),
            format!(
                "{} # virsh domstate --reason says why it is",
                seen.virsh("resume", domain.name())
            ),
        );
    } else {
        branch.ok(DOMAIN_STATE, format!("{} runs", domain.name()));
    }
    let graphics = console(domain);
    let routed = match decided {
        Ok(routed) => {
            let listening = graphics.map(listening).unwrap_or_default();
            branch.ok(DOMAIN_GRAPHICS, routed.kind.to_string());
            branch.ok(DOMAIN_LISTEN, format!("{listening}; the host is reached by {}", by(seen)));
            Some(routed)
        }
        Err(error) => {
            refuse(branch, domain, seen, graphics, &error);
            None
        }
    };
    for graphics in domain.graphics() {
        websocket(branch, domain, seen, graphics);
    }
    if let Some(graphics) = graphics {
        password(branch, domain, seen, graphics);
    }
    if let Some(routed) = &routed {
        branch.ok(DOMAIN_ROUTE, routed.route.to_string());
    }
    routed
}

fn refuse<Via>(
    branch: &Branch,
    domain: &Domain,
    seen: &Seen<'_, Via>,
    graphics: Option<&Graphics>,
    error: &RouteError,
) {
    let check = check_of(error);
    let listening = graphics.map(listening).unwrap_or_default();
    if check != DOMAIN_GRAPHICS {
        branch.ok(
            DOMAIN_GRAPHICS,
            graphics.map(|graphics| graphics.kind.to_string()).unwrap_or_default(),
        );
    }
    let text = match error {
        RouteError::RemoteLoopback { .. } | RouteError::RemoteSocket { .. } => {
            format!("{error} ({listening}; the host is reached by {})", by(seen))
        }
        _ if listening.is_empty() => error.to_string(),
        _ => format!("{error} ({listening})"),
    };
    let remedy = error.remedy();
    // Loopback would be the next thing in the way.
    let remedy = match seen.access {
        HostAccess::Remote { .. } => remedy
            .replace("address='127.0.0.1'", "address='0.0.0.0'")
            .replace("autoport='yes'/>", "autoport='yes' listen='0.0.0.0'/>"),
        _ => remedy.to_owned(),
    };
    let remedy = format!("{} # {remedy}", seen.virsh("edit", domain.name()));
    // A server without a screen may be meant so.
    let status =
        if check == DOMAIN_GRAPHICS && !seen.is_wanted { Status::Warning } else { Status::Error };
    branch.tell(status, check, text, remedy);
}

fn check_of(error: &RouteError) -> Check {
    match error {
        RouteError::ShutOff => DOMAIN_STATE,
        RouteError::NoGraphics
        | RouteError::Unsupported { .. }
        | RouteError::NotThisKind { .. } => DOMAIN_GRAPHICS,
        RouteError::NoPort { .. } => DOMAIN_PORT,
        RouteError::TlsOnly { .. } => DOMAIN_TLS,
        _ => DOMAIN_LISTEN,
    }
}

/// The device that the decision is about.
fn console(domain: &Domain) -> Option<&Graphics> {
    domain
        .graphics()
        .iter()
        .find(|graphics| matches!(graphics.kind, GraphicsKind::Vnc | GraphicsKind::Spice))
}

/// `vnc listens on 127.0.0.1 port 5900`, in the words of the XML.
fn listening(graphics: &Graphics) -> String {
    let kind = &graphics.kind;
    let place = match graphics.listens.first() {
        Some(Listen::Socket { path }) => {
            let path = path.as_ref().or(graphics.socket.as_ref());
            return format!(
                "{kind} listens on the socket {}",
                path.map_or("without a path", String::as_str)
            );
        }
        Some(Listen::None) => return format!("{kind} has <listen type='none'>"),
        Some(Listen::Address { address } | Listen::Network { address, .. }) => {
            address.as_deref().or(graphics.listen.as_deref())
        }
        _ => graphics.listen.as_deref(),
    };
    if let (None, Some(path)) = (graphics.listens.first(), &graphics.socket) {
        return format!("{kind} listens on the socket {path}");
    }
    let place = match place {
        None | Some("") => "every address".to_owned(),
        Some(address @ ("0.0.0.0" | "::")) => format!("every address ({address})"),
        Some(address) => address.to_owned(),
    };
    let port = |name: &str, port: Port| match port {
        Port::Number(number) => format!(" {name} {number}"),
        Port::Unallocated => format!(" {name} -1"),
        Port::Missing => String::new(),
    };
    format!(
        "{kind} listens on {place}{}{}",
        port("port", graphics.port),
        port("tlsPort", graphics.tls_port)
    )
}

fn by<Via>(seen: &Seen<'_, Via>) -> &'static str {
    match seen.access {
        HostAccess::Local => "libvirt's socket on this machine",
        HostAccess::Ssh { .. } => "SSH",
        _ => "TCP or TLS",
    }
}

fn websocket<Via>(branch: &Branch, domain: &Domain, seen: &Seen<'_, Via>, graphics: &Graphics) {
    if graphics.websocket == Port::Missing {
        return;
    }
    let port = graphics.websocket.number().map_or_else(|| "-1".to_owned(), |port| port.to_string());
    branch.warn(
        DOMAIN_WEBSOCKET,
        format!(
            "its <graphics> has websocket='{port}': WebVirtMgr's page then opens that port instead of this proxy's, and QEMU's own WebSocket server is one that strangers should not reach (CVE-2015-1779, CVE-2025-11234)"
        ),
        format!("{} # remove websocket='{port}' from <graphics>, then start it anew", seen.virsh("edit", domain.name())),
    );
}

fn password<Via>(branch: &Branch, domain: &Domain, seen: &Seen<'_, Via>, graphics: &Graphics) {
    if graphics.password.is_none() {
        return;
    }
    let Some(until) = &graphics.password_valid_to else {
        branch.ok(DOMAIN_PASSWORD, "the console has a password, which the page will ask for");
        return;
    };
    if is_past(until, &Moment::now().to_string()) {
        branch.fail(
            DOMAIN_PASSWORD,
            format!("the console's password expired at {until} UTC: nobody can log in at it"),
            format!(
                "{} # remove or change passwdValidTo='{until}' at <graphics>, then start it anew",
                seen.virsh("edit", domain.name())
            ),
        );
    } else {
        branch.ok(DOMAIN_PASSWORD, format!("the console has a password, valid until {until} UTC"));
    }
}

/// Both in UTC: `2026-01-31T12:00:00` (libvirt) and `2026-01-31 12:00 UTC` ([`Moment`]).
fn is_past(until: &str, now: &str) -> bool {
    let minute = |text: &str| text.get(..16).map(|text| text.replace('T', " "));
    minute(until) < minute(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_pasted_without_what_a_person_has() {
        for (uri, expected) in [
            ("qemu:///system", "qemu:///system"),
            ("qemu+ssh://hv1/system?no_tty=1&keyfile=/k", "qemu+ssh://hv1/system"),
            ("qemu+unix:///system?x=1&socket=/s", "qemu+unix:///system?socket=/s"),
        ] {
            assert_eq!(pasted(uri), expected);
        }
    }

    #[test]
    fn times_are_compared_to_the_minute() {
        let now = "2026-11-29 23:30 UTC";
        for (until, expected) in [
            ("2026-11-29T23:29:59", true),
            ("2026-11-29T23:31:00", false),
            ("2010-04-09T15:51:00", true),
            ("2027-01-01T00:00:00", false),
        ] {
            assert_eq!(is_past(until, now), expected, "{until}");
        }
    }
}
