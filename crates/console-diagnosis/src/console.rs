//! One console, step by step: token → host → libvirt → XML → graphics → route → backend → first bytes.

use console_inventory::{Host, Inventory, InventoryError, PanelContent};
use console_resolve::endpoint;
use console_token::ConsoleToken;

use crate::checks::{
    DOMAIN_KNOWN, DOMAIN_LISTED, HOST_KNOWN, INVENTORY_DATABASE, INVENTORY_NUMBERS, INVENTORY_ROWS,
    TOKEN_FORM,
};
use crate::everything::{read, tools};
use crate::guests;
use crate::host::{self, Tools};
use crate::options::Options;
use crate::report::{Branch, Report};
use crate::token::{self, Malformed};

/// Follows a token as the proxy does.
pub async fn console(report: &Report, options: &Options, token: &str) {
    let branch = report.section("Settings");
    let Some(settings) = read(&branch, options).await else { return };
    let Some((inventory, tools)) = tools(&branch, options, &settings) else { return };
    drop(branch);

    let branch = report.section("Console");
    let token = match token::read(token) {
        Ok(token) => token,
        Err(Malformed { text, remedy }) => {
            branch.fail(TOKEN_FORM, text, remedy);
            return;
        }
    };
    // Masked: who has it has the console.
    branch.ok(TOKEN_FORM, format!("host {}, domain {}", token.host(), token.domain()));
    let finding = inventory.host(token);
    let host = match branch.during("looking the host up", finding).await {
        Ok(host) => host,
        Err(error) => {
            unknown(&branch, &tools, &inventory, token, &error).await;
            return;
        }
    };
    branch.ok(HOST_KNOWN, format!("host {} is {}", host.id(), host.name()));
    let Some(tunnels) = host::reach(&branch, &tools, &host).await else { return };
    let uuid = token.domain().as_uuid();
    match guests::plan(&branch, &tools, &host, uuid, None).await {
        Ok(None) => {}
        Ok(Some(plan)) => {
            let tunnels = tunnels.told(&branch, &tools, &[&plan]).await;
            guests::open(&branch, &tools, &plan, &tunnels).await;
        }
        Err((check, text, remedy)) => {
            if check != DOMAIN_KNOWN || !renamed(&branch, &tools, &inventory, &host, token).await {
                branch.fail(check, text, remedy);
            }
        }
    }
    tools.opener.close().await;
}

async fn unknown(
    branch: &Branch,
    tools: &Tools,
    inventory: &Inventory,
    token: ConsoleToken,
    error: &InventoryError,
) {
    let check = match error {
        InventoryError::UnknownHost { .. } => HOST_KNOWN,
        InventoryError::UnknownGuest { .. } => DOMAIN_LISTED,
        InventoryError::UnusableRow { .. } => INVENTORY_ROWS,
        InventoryError::Clash { .. } => INVENTORY_NUMBERS,
        _ => INVENTORY_DATABASE,
    };
    if check == DOMAIN_LISTED {
        branch.ok(HOST_KNOWN, format!("host {} is in the panel's database", token.host()));
        if let Ok(Some(content)) = inventory.panel().await {
            if listed_otherwise(branch, tools, &content, token).await {
                return;
            }
            if let Some(place) = elsewhere(&content, token) {
                branch.fail(
                    check,
                    format!("{error}; it is on {place}"),
                    "take that host's number into the token, or open the hosts' pages in the panel, which list their guests anew",
                );
                return;
            }
        }
    }
    let known = inventory.hosts().map(|host| host.id().to_string()).collect::<Vec<_>>();
    let text = match check {
        HOST_KNOWN if !known.is_empty() => {
            format!("{error}; the configuration has {}", known.join(", "))
        }
        _ => error.to_string(),
    };
    branch.fail(check, text, error.remedy());
}

/// Another host that the panel lists the guest on.
fn elsewhere(content: &PanelContent, token: ConsoleToken) -> Option<String> {
    let uuid = token.domain().as_uuid();
    let guest = content.guests.iter().find(|guest| guest.uuid == uuid)?;
    let host = content.hosts.iter().find(|host| host.id() == guest.host);
    let name = host.map(|host| format!(" ({})", host.name())).unwrap_or_default();
    Some(format!("host {}{name}", guest.host))
}

/// The panel may know the guest by the uuid that it had: libvirt tells its name.
async fn listed_otherwise(
    branch: &Branch,
    tools: &Tools,
    content: &PanelContent,
    token: ConsoleToken,
) -> bool {
    let Some(host) = content.hosts.iter().find(|host| host.id() == token.host()) else {
        return false;
    };
    let uuid = token.domain().as_uuid();
    let Ok(listed) = tools.libvirt.domains(&endpoint(host)).await else { return false };
    let Some(domain) = listed.iter().find(|domain| domain.uuid == uuid) else { return false };
    let on_host = |guest: &&_| {
        let guest: &console_inventory::PanelGuest = guest;
        guest.host == host.id() && guest.name == domain.name
    };
    match content.guests.iter().find(on_host) {
        Some(guest) => {
            guests::other_uuid(branch, host, guest, uuid);
            true
        }
        None => false,
    }
}

/// libvirt may know the guest by another uuid: the panel tells its name.
async fn renamed(
    branch: &Branch,
    tools: &Tools,
    inventory: &Inventory,
    host: &Host,
    token: ConsoleToken,
) -> bool {
    let Ok(Some(content)) = inventory.panel().await else { return false };
    let uuid = token.domain().as_uuid();
    let Some(guest) = content.guests.iter().find(|guest| guest.uuid == uuid) else { return false };
    let Ok(listed) = tools.libvirt.domains(&endpoint(host)).await else { return false };
    let Some(domain) = listed.iter().find(|domain| domain.name == guest.name) else { return false };
    guests::other_uuid(branch, host, guest, domain.uuid);
    true
}
