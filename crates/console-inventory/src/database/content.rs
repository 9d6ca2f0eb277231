//! All that a panel's database says of hosts and guests, for a diagnosis.

use console_token::HostId;

use crate::database::guest::{GuestRow, PanelGuest};
use crate::database::question::Panel;
use crate::database::row::HostRow;
use crate::host::{Host, SshOptions};
use crate::inventory::InventoryError;
use crate::ssh_config::SshConfig;

/// How many guests are looked at when a panel's whole content is.
pub const MAX_CHECKED_GUESTS: usize = 100_000;

/// What a panel's database holds: its hosts as they are reached, and its guests.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PanelContent {
    /// Whose database it is.
    pub panel: Panel,
    /// The hosts that can be used, by their number; they and the others are at most [`MAX_CHECKED_HOSTS`](crate::MAX_CHECKED_HOSTS).
    pub hosts: Vec<Host>,
    /// Why the others cannot: each an [`InventoryError::UnusableRow`].
    pub unusable: Vec<InventoryError>,
    /// The guests in the order of their rows, at most [`MAX_CHECKED_GUESTS`] together with the odd ones.
    pub guests: Vec<PanelGuest>,
    /// A sentence for each guest whose uuid is none or whose host does not exist, at most 100: with more of them, the last sentence tells
    /// how many are not told. No uuid is in them.
    pub odd_guests: Vec<String>,
}

impl PanelContent {
    pub(crate) fn new(
        panel: Panel,
        host_rows: Vec<HostRow>,
        guest_rows: Vec<GuestRow>,
        ssh: &SshConfig,
        options: &SshOptions,
    ) -> Self {
        let (mut hosts, mut unusable) = (Vec::new(), Vec::new());
        for row in host_rows {
            match row.host_id() {
                Some(_) => match row.into_host(ssh, options) {
                    Ok(host) => hosts.push(host),
                    Err(error) => unusable.push(error),
                },
                None => unusable.push(InventoryError::UnusableRow {
                    id: HostId::new(0),
                    host: row.shown_name(),
                    what: "its number is negative, and no console's link can have it".into(),
                }),
            }
        }
        let (mut guests, mut odd_guests, mut untold) = (Vec::new(), Vec::new(), 0_usize);
        for row in guest_rows {
            match row.into_guest() {
                Ok(guest) => guests.push(guest),
                Err(sentence) if odd_guests.len() < MAX_ODD => odd_guests.push(sentence),
                Err(_) => untold += 1,
            }
        }
        if untold > 0 {
            // Its place is the last one's.
            odd_guests.truncate(MAX_ODD - 1);
            odd_guests.push(format!("and {} further guests are odd", untold + 1));
        }
        Self { panel, hosts, unusable, guests, odd_guests }
    }
}

/// The most sentences about odd guests.
const MAX_ODD: usize = 100;
