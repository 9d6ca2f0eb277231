//! All settings together.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use figment::{Profile, Provider};

use crate::effective::Effective;
use crate::reader::Reader;
use crate::{
    ConfigError, DatabaseSettings, HostSettings, Note, ServerSettings, Sources, SshSettings,
};
use crate::{database, ssh};

/// What the sources say, checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The server's own.
    pub server: ServerSettings,
    /// The panel's database, if its hosts are to be found.
    pub database: Option<DatabaseSettings>,
    /// Keys `ssh_…` above all hosts: how the database's SSH hosts are reached, and those of the file where they do not say.
    pub ssh: SshSettings,
    /// The hypervisors, in the file's order, each `id` once. May be empty.
    pub hosts: Vec<HostSettings>,
}

/// Settings, and where they come from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// Each with its source, to be shown to people.
    pub effective: Effective,
    /// What the sources say that could not be used, and is nobody's fault.
    pub notes: Vec<Note>,
}

impl Settings {
    /// Reads the file, lays the sources over each other and checks the result. Blocks while it reads.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]: the file cannot be read or is not TOML, or all that is wrong with the values.
    pub fn load(sources: Sources) -> Result<Loaded, ConfigError> {
        let (sources, notes) = sources.merged()?;
        let tables = sources.data().unwrap_or_default();
        let table = tables.get(&Profile::Default).cloned().unwrap_or_default();

        let mut problems = Vec::new();
        let mut reader = Reader::new(&sources, &table, &mut problems);
        let database = database::read(&mut reader);
        let ssh = ssh::read(&mut reader, Some(true), &SshSettings::default());
        let server = ServerSettings::read(&mut reader);
        let mut ids = HashMap::new();
        let mut index = 0_usize;
        let hosts = reader.tables("hosts", |table| {
            let host = HostSettings::read(table, &ssh);
            if let Some(host) = &host {
                match ids.entry(host.id) {
                    Entry::Vacant(free) => _ = free.insert(index),
                    Entry::Occupied(first) => {
                        let first = first.get();
                        let what = format!("hosts[{first}] has this id already");
                        table.reject("id", &what);
                    }
                }
            }
            index += 1;
            host
        });
        reader.finish();
        if problems.is_empty() {
            let effective = Effective::of(&sources, &table);
            Ok(Loaded { settings: Self { server, database, ssh, hosts }, effective, notes })
        } else {
            Err(ConfigError::Invalid { problems, notes })
        }
    }
}
