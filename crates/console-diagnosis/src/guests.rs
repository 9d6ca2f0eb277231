//! The guests of a hypervisor that answers.

use std::collections::HashSet;
use std::sync::Arc;

use console_assembly::ssh_host;
use console_inventory::{Host, PanelGuest, SshAccess};
use console_libvirt::{Endpoint, Listed, LookupError};
use console_resolve::endpoint;
use console_route::Routed;
use futures_util::stream::{self, StreamExt};
use libvirt_graphics::Domain;
use secrecy::ExposeSecret;
use uuid::Uuid;

use crate::backend::{self, Trial};
use crate::checks::{
    BACKEND_OPEN, Check, DOMAIN_KNOWN, DOMAIN_LISTED, DOMAIN_UUID, DOMAIN_XML, HOST_LIBVIRT,
};
use crate::domain::{self, Seen, pasted};
use crate::host::{LIBVIRTS_LOG, Tools};
use crate::report::Branch;
use crate::tunnels::Tunnels;
use crate::wording::{literal, masked, quoted};

/// A check that failed, with its text and remedy, not told yet.
pub(crate) type Failed = (Check, String, String);

/// A guest's console that was found to be in order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Good {
    pub(crate) uuid: Uuid,
}

/// All guests of a host: those that run, or all. The panel's own list is none for hosts that are not in its database.
pub(crate) async fn examine(
    branch: &Branch,
    tools: &Tools,
    host: &Host,
    tunnels: Tunnels,
    panel: Option<Vec<&PanelGuest>>,
) -> Vec<Good> {
    let endpoint = endpoint(host);
    let listing = tools.libvirt.domains(&endpoint);
    let listed = match branch.during("listing the guests", listing).await {
        Ok(listed) => listed,
        Err(error) => {
            let text = format!("the guests cannot be listed: {error}");
            branch.fail(HOST_LIBVIRT, text, error.remedy().unwrap_or(LIBVIRTS_LOG));
            return Vec::new();
        }
    };
    if let Some(panel) = &panel {
        compare(branch, host, &listed, panel);
    }
    let mut chosen: Vec<&Listed> =
        listed.iter().filter(|domain| tools.all_domains || domain.is_active).collect();
    if chosen.len() > MAX_DOMAINS {
        let text = format!("{} further guests are not looked at", chosen.len() - MAX_DOMAINS);
        branch.skip(DOMAIN_KNOWN, text);
        chosen.truncate(MAX_DOMAINS);
    }
    // In their order, whoever is quicker.
    let branches: Vec<_> =
        chosen.iter().map(|domain| (branch.section(domain.name.clone()), *domain)).collect();
    let known: HashSet<Uuid> = panel.iter().flatten().map(|guest| guest.uuid).collect();
    let planning = stream::iter(branches).map(|(branch, listed)| {
        let is_listed = panel.is_none() || known.contains(&listed.uuid);
        async move {
            if !is_listed {
                unlisted(&branch, listed);
            }
            let planned = plan(&branch, tools, host, listed.uuid, Some(listed)).await;
            let plan = planned.unwrap_or_else(|(check, text, remedy)| {
                branch.fail(check, text, remedy);
                None
            });
            (branch, listed.uuid, plan)
        }
    });
    let plans: Vec<_> = planning.buffered(AT_ONCE).collect().await;
    let found: Vec<&Plan> = plans.iter().filter_map(|(.., plan)| plan.as_ref()).collect();
    let tunnels = &tunnels.told(branch, tools, &found).await;
    let opening = stream::iter(plans).map(|(branch, uuid, plan)| async move {
        let is_good = open(&branch, tools, &plan?, tunnels).await;
        is_good.then_some(Good { uuid })
    });
    opening.buffer_unordered(AT_ONCE).filter_map(std::future::ready).collect().await
}

fn unlisted(branch: &Branch, listed: &Listed) {
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
                format!(
                    "the panel lists {} ({}), which libvirt on this host does not have",
                    guest.name,
                    masked(guest.uuid)
                ),
                "open the host's page in the panel, which lists its guests anew; the guest may have been moved or removed",
            ),
        }
    }
}

/// The same name, another uuid: made anew, or restored.
pub(crate) fn other_uuid(branch: &Branch, host: &Host, guest: &PanelGuest, now: Uuid) {
    branch.fail(
        DOMAIN_UUID,
        format!(
            "the panel lists {} with uuid {}, but libvirt on {} has it with {}",
            guest.name,
            masked(guest.uuid),
            host.name(),
            masked(now)
        ),
        "open the host's page in the panel, which takes over the new uuid; or remove the guest's row there",
    );
}

/// A console that can be tried.
pub(crate) struct Plan {
    pub(crate) routed: Routed<Arc<SshAccess>>,
    silent: String,
    refused: String,
}

/// Asks for the guest's XML and decides; nothing if it has no console that can be reached, which has been told then. That there is no XML has
/// not. A guest that comes from no list is one that somebody asks for.
pub(crate) async fn plan(
    branch: &Branch,
    tools: &Tools,
    host: &Host,
    uuid: Uuid,
    listed: Option<&Listed>,
) -> Result<Option<Plan>, Failed> {
    let endpoint = endpoint(host);
    let domain = branch.during("asking for its XML", domain(tools, &endpoint, uuid)).await?;
    branch.ok(DOMAIN_KNOWN, format!("{} on {}", domain.name(), host.name()));
    let is_paused = match listed {
        Some(listed) => listed.is_paused,
        None => {
            let all = tools.libvirt.domains(&endpoint).await.unwrap_or_default();
            all.iter().any(|listed| listed.uuid == uuid && listed.is_paused)
        }
    };
    let seen = Seen::from(host, listed.is_none(), is_paused);
    let Some(routed) = domain::judge(branch, &domain, &seen) else { return Ok(None) };
    let name = domain.name();
    let process = quoted(&format!("guest={},", literal(name)));
    let silent = format!(
        "kill -CONT $(pgrep -f {process}) # on its host, if it was stopped; {} says whether it answers, {} starts it anew",
        seen.virsh("domcontrol", name),
        seen.virsh("reset", name)
    );
    let refused = format!(
        "{} # shows where its console is; on its host, ss -ltnp and the guest's log in /var/log/libvirt/qemu show whether QEMU listens there",
        seen.virsh("domdisplay", name)
    );
    Ok(Some(Plan { routed, silent, refused }))
}

/// The running domain, with what is known of its password.
async fn domain(tools: &Tools, endpoint: &Endpoint, uuid: Uuid) -> Result<Domain, Failed> {
    let xml = match tools.libvirt.domain_xml_with_passwords(endpoint, uuid).await {
        Ok(xml) => Ok(Domain::from_xml(xml.expose_secret().as_bytes())),
        // A login that may only look.
        Err(LookupError::Refused { .. }) => {
            let xml = tools.libvirt.domain_xml(endpoint, uuid).await;
            xml.map(|xml| Domain::from_xml(xml.as_bytes()))
        }
        Err(error) => Err(error),
    };
    let uri = quoted(&pasted(endpoint.uri()));
    match xml {
        Ok(Ok(domain)) => Ok(domain),
        Ok(Err(error)) => {
            let remedy = format!(
                "virsh -c {uri} list --uuid --name; virsh -c {uri} dumpxml NAME # shows it"
            );
            Err((DOMAIN_XML, error.to_string(), remedy))
        }
        Err(error @ LookupError::NoSuchDomain { .. }) => {
            let remedy = format!(
                "virsh -c {uri} list --all --uuid --name # shows whether it was removed, made anew or moved to another host"
            );
            Err((DOMAIN_KNOWN, error.to_string(), remedy))
        }
        Err(error) => {
            let remedy = error.remedy().unwrap_or(LIBVIRTS_LOG).to_owned();
            Err((HOST_LIBVIRT, error.to_string(), remedy))
        }
    }
}

/// Opens the console that was found.
pub(crate) async fn open(branch: &Branch, tools: &Tools, plan: &Plan, tunnels: &Tunnels) -> bool {
    if let Some(why) = tunnels.none_to(&plan.routed.route) {
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

/// The most guests of a host that are looked at.
const MAX_DOMAINS: usize = 2000;

/// How many guests of a host are tried at a time.
const AT_ONCE: usize = 8;
