//! The panel's database: whether it answers, and whether what it says makes sense.

use std::collections::HashMap;

use console_inventory::{Inventory, InventoryError, PanelContent};
use uuid::Uuid;

use crate::checks::{INVENTORY_DATABASE, INVENTORY_NUMBERS, INVENTORY_ROWS, INVENTORY_UUIDS};
use crate::report::Branch;
use crate::wording::{counted, masked};

/// Looks at the database, if there is one; also says whether what is wrong keeps the proxy from starting.
pub(crate) async fn examine(
    branch: &Branch,
    inventory: &Inventory,
) -> (Option<PanelContent>, bool) {
    let content = match branch.during("asking the panel's database", inventory.panel()).await {
        Ok(Some(content)) => content,
        Ok(None) => return (None, false),
        Err(error) => {
            branch.fail(INVENTORY_DATABASE, error.to_string(), error.remedy());
            let may_pass = matches!(&error, InventoryError::Database(error) if error.may_pass());
            return (None, !may_pass);
        }
    };
    let (hosts, guests) = (content.hosts.len() + content.unusable.len(), content.guests.len());
    branch.ok(
        INVENTORY_DATABASE,
        format!(
            "{}'s, with {} and {}",
            content.panel,
            counted(hosts, "host"),
            counted(guests, "guest")
        ),
    );
    let has_clash = numbers(branch, inventory, &content);
    rows(branch, &content);
    uuids(branch, &content);
    (Some(content), has_clash)
}

fn numbers(branch: &Branch, inventory: &Inventory, content: &PanelContent) -> bool {
    let mut is_fine = true;
    for ours in inventory.hosts() {
        for theirs in content.hosts.iter().filter(|theirs| theirs.id() == ours.id()) {
            is_fine = false;
            let error = InventoryError::Clash {
                id: ours.id(),
                ours: ours.name().to_owned(),
                theirs: theirs.name().to_owned(),
            };
            branch.fail(INVENTORY_NUMBERS, error.to_string(), error.remedy());
        }
    }
    if is_fine {
        branch.ok(INVENTORY_NUMBERS, "each number means one host");
    }
    !is_fine
}

fn rows(branch: &Branch, content: &PanelContent) {
    for row in &content.unusable {
        branch.fail(INVENTORY_ROWS, row.to_string(), row.remedy());
    }
    for row in &content.odd_guests {
        branch.warn(
            INVENTORY_ROWS,
            row.as_str(),
            "open the host's page in the panel, which lists its guests anew, or remove the row",
        );
    }
    if content.unusable.is_empty() && content.odd_guests.is_empty() {
        branch.ok(INVENTORY_ROWS, "all of them make sense");
    }
}

fn uuids(branch: &Branch, content: &PanelContent) {
    let mut seen: HashMap<Uuid, Vec<String>> = HashMap::new();
    for guest in &content.guests {
        let place = format!("{} on host {}", guest.name, guest.host);
        seen.entry(guest.uuid).or_default().push(place);
    }
    let mut twice: Vec<_> = seen.into_iter().filter(|(_, places)| places.len() > 1).collect();
    twice.sort();
    for (uuid, places) in twice.iter().take(MAX_TOLD) {
        branch.warn(
            INVENTORY_UUIDS,
            format!("{} is listed {} times: {}", masked(*uuid), places.len(), places.join(", ")),
            "open the hosts' pages in the panel, which list their guests anew; a guest that was copied needs a uuid of its own (virsh edit)",
        );
    }
    if twice.len() > MAX_TOLD {
        branch.skip(INVENTORY_UUIDS, format!("and {} further ones", twice.len() - MAX_TOLD));
    }
    if twice.is_empty() {
        branch.ok(INVENTORY_UUIDS, "each uuid once");
    }
}

/// The most guests that are named for one fault.
const MAX_TOLD: usize = 20;
