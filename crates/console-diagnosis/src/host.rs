//! One hypervisor: the way to it, libvirt there, and then its guests.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use console_assembly::ssh_host;
use console_backend::{Forwarding, HostKeyState, Opener, SshReport};
use console_inventory::{Host, PanelGuest, SshAccess};
use console_libvirt::{About, Libvirt, Listed};
use console_resolve::endpoint;
use console_route::{HostAccess, Route, Routed};
use futures_util::stream::{self, StreamExt};
use libvirt_graphics::Domain;
use secrecy::ExposeSecret;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use uuid::Uuid;

use crate::backend::{self, Trial, shown};
use crate::checks::{
    BACKEND_OPEN, Check, DOMAIN_KNOWN, DOMAIN_LISTED, DOMAIN_UUID, DOMAIN_XML, HOST_LIBVIRT,
    HOST_NAME, HOST_PORT,
};
use crate::domain::{self, Seen};
use crate::inventory::masked;
use crate::report::Branch;
use crate::ssh;

/// What all hosts and guests are tried with.
pub(crate) struct Tools {
    pub(crate) opener: Opener,
    pub(crate) libvirt: Libvirt,
    pub(crate) limit: Duration,
    pub(crate) all_domains: bool,
}

/// A host that answers.
pub(crate) struct Reached {
    /// What its SSH server lets us do, if it is reached by SSH and takes the login.
    ssh: Option<SshReport>,
    /// Whether it is reached by SSH, and does not take the login.
    ssh_fails: bool,
}

/// A guest's console that was found to be in order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Good {
    pub(crate) uuid: Uuid,
}

/// The way to the host and its libvirt; nothing if that does not answer.
pub(crate) async fn reach(branch: &Branch, tools: &Tools, host: &Host) -> Option<Reached> {
    let (mut found, mut ssh_fails) = (None, false);
    if let HostAccess::Ssh { via, .. } = host.access() {
        match ssh::examine(branch, &tools.opener, via).await {
            Ok(report) => found = Some(report),
            Err(true) => ssh_fails = true,
            Err(false) => {
                branch.skip(HOST_LIBVIRT, "its SSH server cannot be reached");
                return None;
            }
        }
    } else if let Some((name, port)) = host.libvirt_address()
        && !port_is_open(branch, tools, name, port).await
    {
        branch.skip(HOST_LIBVIRT, "its port cannot be reached");
        return None;
    }
    if let Some(report) = &found
        && let Some(why) = would_be_written(report, host)
    {
        branch.skip(HOST_LIBVIRT, why);
        return None;
    }
    let endpoint = endpoint(host);
    let asking = tools.libvirt.about(&endpoint);
    match branch.during(format!("asking libvirt on {}", host.name()), asking).await {
        Ok(about) => {
            branch.ok(HOST_LIBVIRT, told(&about));
            if let Some(report) = &mut found {
                conclude(report, host);
            }
            Some(Reached { ssh: found, ssh_fails })
        }
        Err(error) => {
            let remedy = error
                .remedy()
                .unwrap_or("see libvirt's log on that host: journalctl -u libvirtd -u virtqemud");
            branch.fail(HOST_LIBVIRT, error.to_string(), remedy);
            None
        }
    }
}

/// libvirt's own SSH clients write a key down that is new to them, where the settings or ssh_config want it so. Nothing is changed here, so they are
/// not started then; unless what they write goes nowhere.
fn would_be_written(report: &SshReport, host: &Host) -> Option<&'static str> {
    let HostAccess::Ssh { via, .. } = host.access() else { return None };
    let goes_nowhere = via.known_hosts.first().is_none_or(|file| file == Path::new("/dev/null"));
    let is_strict = host.libvirt_uri().contains("known_hosts_verify=normal");
    let is_by_ssh = host.libvirt_uri().contains("ssh");
    (report.host_key_state == HostKeyState::WouldBeAccepted && is_by_ssh && !is_strict && !goes_nowhere)
        .then_some("libvirt's SSH client would write the host's key down, and this program changes nothing: open a console there, or log in once with ssh as the service's user, and check again")
}

/// OpenSSH does not tell a socket that it may not tunnel to from one that is not there; but libvirt's own is there if libvirt answers.
fn conclude(report: &mut SshReport, host: &Host) {
    let is_usual = host.libvirt_uri().starts_with("qemu+ssh://")
        && !host.libvirt_uri().contains("socket=")
        && host.libvirt_uri().split('?').next().is_some_and(|uri| uri.ends_with("/system"));
    if is_usual && let Forwarding::Unknown(_) = report.socket_forwarding {
        let why = "libvirt's own socket is there, but no tunnel leads to it".to_owned();
        report.socket_forwarding = Forwarding::Forbidden(why);
    }
}

fn told(about: &About) -> String {
    let version = |version: &Option<_>| {
        version
            .as_ref()
            .map_or_else(String::new, |version: &console_libvirt::Version| format!(" {version}"))
    };
    format!(
        "libvirt{} with {}{}, library {} here, {}",
        version(&about.daemon),
        about.hypervisor,
        version(&about.hypervisor_version),
        about.library,
        shown(about.round_trip)
    )
}

/// Each address of a name is tried, as libvirt does.
async fn port_is_open(branch: &Branch, tools: &Tools, name: &str, port: u16) -> bool {
    let resolving = timeout(tools.limit, lookup_host((name, port)));
    let addresses: Vec<_> = match branch.during(format!("resolving {name}"), resolving).await {
        Ok(Ok(addresses)) => addresses.collect(),
        failed => {
            let why = match failed {
                Ok(Err(error)) => error.to_string(),
                _ => format!("no answer within {:?}", tools.limit),
            };
            branch.fail(
                HOST_NAME,
                format!("{name} has no address: {why}"),
                format!("correct hostname (in [[hosts]], or the host in the panel), or make the name known: getent hosts {name} shows what it means"),
            );
            branch.skip(HOST_PORT, "its name has no address");
            return false;
        }
    };
    let mut shown_addresses: Vec<String> =
        addresses.iter().map(|address| address.ip().to_string()).collect();
    shown_addresses.dedup();
    branch.ok(HOST_NAME, format!("{name} is {}", shown_addresses.join(", ")));
    let share = tools.limit / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut why = "the name has no address".to_owned();
    for address in addresses {
        let connecting = timeout(share, TcpStream::connect(address));
        match branch.during(format!("connecting to {address}"), connecting).await {
            Ok(Ok(_)) => {
                branch.ok(HOST_PORT, format!("{address} is open"));
                return true;
            }
            Ok(Err(error)) => why = format!("{address}: {error}"),
            Err(_) => why = format!("{address}: no answer within {share:?}"),
        }
    }
    branch.fail(
        HOST_PORT,
        format!("libvirt's port cannot be reached: {why}"),
        listening_remedy(port),
    );
    false
}

/// libvirtd's sockets are systemd's, and cannot be added while it runs.
fn listening_remedy(port: u16) -> String {
    let socket = if port == 16514 { "tls" } else { "tcp" };
    format!(
        "on that host: systemctl stop libvirtd && systemctl enable --now libvirtd-{socket}.socket && systemctl start libvirtd (virtproxyd-{socket}.socket where virtqemud runs), and let its firewall pass port {port} from this machine"
    )
}

/// All guests of a host that answers: those that run, or all. The panel's own list is none for hosts that are not in its database.
pub(crate) async fn guests(
    branch: &Branch,
    tools: &Tools,
    host: &Host,
    reached: &Reached,
    panel: Option<Vec<&PanelGuest>>,
) -> Vec<Good> {
    let endpoint = endpoint(host);
    let listing = tools.libvirt.domains(&endpoint);
    let listed = match branch.during("listing the guests", listing).await {
        Ok(listed) => listed,
        Err(error) => {
            branch.fail(
                HOST_LIBVIRT,
                format!("the guests cannot be listed: {error}"),
                error.remedy().unwrap_or(
                    "see libvirt's log on that host: journalctl -u libvirtd -u virtqemud",
                ),
            );
            return Vec::new();
        }
    };
    if let Some(panel) = &panel {
        compare(branch, host, &listed, panel);
    }
    let chosen: Vec<&Listed> = listed
        .iter()
        .filter(|domain| tools.all_domains || domain.is_active)
        .take(MAX_DOMAINS)
        .collect();
    // In their order, whoever is quicker.
    let branches: Vec<_> =
        chosen.iter().map(|domain| (branch.section(domain.name.clone()), *domain)).collect();
    let known: HashSet<Uuid> = panel.iter().flatten().map(|guest| guest.uuid).collect();
    let planning = stream::iter(branches).map(|(branch, listed)| {
        let is_listed = panel.is_none() || known.contains(&listed.uuid);
        async move {
            if !is_listed {
                branch.warn(
                    DOMAIN_LISTED,
                    format!(
                        "the panel's database does not list {} ({}) on this host",
                        listed.name,
                        masked(listed.uuid)
                    ),
                    "open the host's page in the panel, which lists its guests anew",
                );
            }
            let plan = match plan(&branch, tools, host, listed.uuid, false).await {
                Ok(plan) => plan,
                Err((check, text, remedy)) => {
                    branch.fail(check, text, remedy);
                    None
                }
            };
            (branch, listed.uuid, plan)
        }
    });
    let plans: Vec<_> = planning.buffered(AT_ONCE).collect().await;
    if let Some(report) = &reached.ssh {
        let routes = || plans.iter().filter_map(|(.., plan)| Some(&plan.as_ref()?.routed.route));
        let needs_tcp = routes().any(|route| matches!(route, Route::SshTcp { .. }));
        let needs_socket = routes().any(|route| matches!(route, Route::SshUnix { .. }));
        ssh::forwarding(branch, report, needs_tcp, needs_socket);
    }
    let opening = stream::iter(plans).map(|(branch, uuid, plan)| async move {
        let is_good = open(&branch, tools, &plan?, reached).await;
        is_good.then_some(Good { uuid })
    });
    opening.buffer_unordered(AT_ONCE).filter_map(std::future::ready).collect().await
}

/// What the panel lists and libvirt does not have.
fn compare(branch: &Branch, host: &Host, listed: &[Listed], panel: &[&PanelGuest]) {
    for guest in panel {
        if listed.iter().any(|domain| domain.uuid == guest.uuid) {
            continue;
        }
        match listed.iter().find(|domain| domain.name == guest.name) {
            Some(domain) => other_uuid(branch, host, guest, domain.uuid),
            None => branch.warn(
                DOMAIN_KNOWN,
                format!("the panel lists {} ({}), which libvirt on this host does not have", guest.name, masked(guest.uuid)),
                "open the host's page in the panel, which lists its guests anew; the guest may have been moved or removed",
            ),
        }
    }
}

/// The same name, another uuid: made anew, or restored.
pub(crate) fn other_uuid(branch: &Branch, host: &Host, guest: &PanelGuest, now: Uuid) {
    branch.fail(
        DOMAIN_UUID,
        format!("the panel lists {} with uuid {}, but libvirt on {} has it with {}", guest.name, masked(guest.uuid), host.name(), masked(now)),
        "open the host's page in the panel, which takes over the new uuid; or remove the guest's row there",
    );
}

/// A console that can be tried.
pub(crate) struct Plan {
    routed: Routed<Arc<SshAccess>>,
    silent: String,
    refused: String,
}

/// Asks for the guest's XML and decides; nothing if it has no console that can be reached, which has been told then. That there is no XML has
/// not.
pub(crate) async fn plan(
    branch: &Branch,
    tools: &Tools,
    host: &Host,
    uuid: Uuid,
    is_wanted: bool,
) -> Result<Option<Plan>, Failed> {
    let endpoint = endpoint(host);
    let domain = branch.during("asking for its XML", domain(tools, &endpoint, uuid)).await?;
    branch.ok(DOMAIN_KNOWN, format!("{} on {}", domain.name(), host.name()));
    let seen = Seen::from(host, is_wanted);
    let Some(routed) = domain::judge(branch, &domain, &seen, None) else { return Ok(None) };
    let name = domain.name().to_owned();
    let silent = format!(
        "{}; if it is stopped, on the host: kill -CONT $(pgrep -f 'guest={name},'); else {}",
        seen.virsh("domcontrol", &name),
        seen.virsh("reset", &name)
    );
    let refused = format!(
        "{} shows where its console is; on the host, ss -ltnp and the guest's log in /var/log/libvirt/qemu show whether QEMU listens there",
        seen.virsh("domdisplay", &name)
    );
    Ok(Some(Plan { routed, silent, refused }))
}

/// A check that failed, with its text and remedy, not told yet.
pub(crate) type Failed = (Check, String, String);

/// The running domain, with what is known of its password.
async fn domain(
    tools: &Tools,
    endpoint: &console_libvirt::Endpoint,
    uuid: Uuid,
) -> Result<Domain, Failed> {
    let xml = match tools.libvirt.domain_xml_with_passwords(endpoint, uuid).await {
        Ok(xml) => Ok(Domain::from_xml(xml.expose_secret().as_bytes())),
        // A login that may only look.
        Err(console_libvirt::LookupError::Refused { .. }) => tools
            .libvirt
            .domain_xml(endpoint, uuid)
            .await
            .map(|xml| Domain::from_xml(xml.as_bytes())),
        Err(error) => Err(error),
    };
    match xml {
        Ok(Ok(domain)) => Ok(domain),
        Ok(Err(error)) => Err((
            DOMAIN_XML,
            error.to_string(),
            format!("see it: virsh -c '{}' dumpxml, with the guest's name", endpoint.uri()),
        )),
        Err(error) => {
            let check = match &error {
                console_libvirt::LookupError::NoSuchDomain { .. } => DOMAIN_KNOWN,
                _ => HOST_LIBVIRT,
            };
            let remedy = error
                .remedy()
                .unwrap_or("see libvirt's log on that host: journalctl -u libvirtd -u virtqemud");
            Err((check, error.to_string(), remedy.to_owned()))
        }
    }
}

/// Opens the console that was found.
pub(crate) async fn open(branch: &Branch, tools: &Tools, plan: &Plan, reached: &Reached) -> bool {
    if let Some(why) = reached.no_tunnel(&plan.routed.route) {
        branch.skip(BACKEND_OPEN, why);
        return false;
    }
    let route = plan.routed.route.clone();
    let route = route.map_via(|access| Arc::new(ssh_host(Arc::unwrap_or_clone(access))));
    let trial = Trial {
        opener: &tools.opener,
        limit: tools.limit,
        silent: plan.silent.clone(),
        refused: plan.refused.clone(),
    };
    backend::examine(branch, &trial, plan.routed.kind, &route).await
}

impl Reached {
    /// Why no tunnel can lead there, where that has been told already.
    fn no_tunnel(&self, route: &Route<Arc<SshAccess>>) -> Option<&'static str> {
        let forwarding = match route {
            Route::SshTcp { .. } => self.ssh.as_ref().map(|report| &report.tcp_forwarding),
            Route::SshUnix { .. } => self.ssh.as_ref().map(|report| &report.socket_forwarding),
            _ => return None,
        };
        match forwarding {
            _ if self.ssh_fails => Some("it needs a tunnel, and SSH to the host fails"),
            Some(Forwarding::Forbidden(_)) => {
                Some("it needs a tunnel, which the SSH server forbids")
            }
            _ => None,
        }
    }
}

impl Plan {
    /// Tells what the SSH server forwards, as far as this one guest needs it.
    pub(crate) fn forwarding(&self, branch: &Branch, reached: &Reached) {
        if let Some(report) = &reached.ssh {
            let route = &self.routed.route;
            let needs_tcp = matches!(route, Route::SshTcp { .. });
            let needs_socket = matches!(route, Route::SshUnix { .. });
            ssh::forwarding(branch, report, needs_tcp, needs_socket);
        }
    }
}

/// The most guests of a host that are looked at.
const MAX_DOMAINS: usize = 2000;

/// How many guests of a host are tried at a time.
const AT_ONCE: usize = 8;
