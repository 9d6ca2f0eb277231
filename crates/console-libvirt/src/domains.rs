//! All domains of a libvirt, in two calls however many they are.

use std::collections::HashSet;

use uuid::Uuid;
use virt::connect::Connect;
use virt::error::Error;
use virt::sys;

use crate::request::Question;

/// The most domains of a list; libvirt's protocol itself ends at 16,384.
pub const MAX_LISTED: usize = 10_000;

/// A domain as a list has it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listed {
    /// Its name, in libvirt's words: it may have any character that libvirt lets pass.
    pub name: String,
    /// Its uuid.
    pub uuid: Uuid,
    /// Whether it runs; a paused one does.
    pub is_active: bool,
    /// Whether it is paused: its console answers, and nothing moves there.
    pub is_paused: bool,
}

/// Who is there?
pub(crate) struct Domains;

impl Question for Domains {
    type Answer = Vec<Listed>;

    fn ask(&self, connection: &Connect) -> Result<Self::Answer, Error> {
        // Name, uuid and id come with the list and are read here without another call; of the states only a list for each tells.
        let all = connection.list_all_domains(EVERY)?;
        let paused: HashSet<Uuid> = connection
            .list_all_domains(sys::VIR_CONNECT_LIST_DOMAINS_PAUSED)?
            .iter()
            .map(virt::domain::Domain::uuid)
            .collect::<Result<_, _>>()?;
        let mut listed = Vec::with_capacity(all.len());
        for domain in &all {
            let uuid = domain.uuid()?;
            let is_active = domain.id().is_some();
            // It may have been started between the two lists.
            let is_paused = is_active && paused.contains(&uuid);
            listed.push(Listed { name: domain.name()?, uuid, is_active, is_paused });
        }
        listed.sort_by(|a, b| (&a.name, a.uuid).cmp(&(&b.name, b.uuid)));
        listed.truncate(MAX_LISTED);
        Ok(listed)
    }
}

/// Without a filter every domain is listed, running or not (`virConnectListAllDomains`).
const EVERY: sys::virConnectListAllDomainsFlags = 0;
