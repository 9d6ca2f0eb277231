//! The hypervisors.

use console_config::{Connection, DatabaseSettings, HostSettings, ServerSettings, Settings};
use console_inventory::{Host, Inventory, Login, PanelDatabase, SshConfig, SshUser};
use console_libvirt::LibvirtSettings;

use crate::error::AssemblyError;
use crate::ssh::{ssh_config, ssh_options};

/// The settings' hosts and the panel's database, with the ssh_config of `user` where the settings name none.
///
/// # Errors
///
/// [`AssemblyError`]: ssh_config cannot be read, or contradicts a host's settings.
pub fn inventory(settings: &Settings, user: &SshUser) -> Result<Inventory, AssemblyError> {
    let hosts = settings.hosts.iter().map(|settings| host(settings, user));
    let inventory = Inventory::new(hosts.collect::<Result<Vec<_>, _>>()?);
    let Some(DatabaseSettings { url, timeout }) = &settings.database else { return Ok(inventory) };
    let config = ssh_config(&settings.ssh, user)?;
    let options = ssh_options(&settings.ssh);
    Ok(inventory.with_database(PanelDatabase::new(url.clone(), *timeout, config, options)))
}

/// How patient to be with libvirt.
pub fn libvirt_settings(settings: &ServerSettings) -> LibvirtSettings {
    LibvirtSettings { timeout: settings.lookup_timeout, ..LibvirtSettings::default() }
}

fn host(settings: &HostSettings, user: &SshUser) -> Result<Host, AssemblyError> {
    let config = match &settings.connection {
        Connection::Ssh(_) => ssh_config(&settings.ssh, user)
            .map_err(|source| AssemblyError::SshConfig { host: settings.name.clone(), source })?,
        _ => SshConfig::default(),
    };
    let connection = match &settings.connection {
        Connection::Socket => console_inventory::Connection::Socket,
        Connection::Tcp(endpoint) => console_inventory::Connection::Tcp(endpoint.clone()),
        Connection::Tls(endpoint) => console_inventory::Connection::Tls(endpoint.clone()),
        Connection::Ssh(endpoint) => {
            console_inventory::Connection::Ssh(endpoint.clone(), ssh_options(&settings.ssh))
        }
    };
    let login = Login {
        name: settings.login.clone(),
        password: settings.password.as_ref().map(|password| password.expose().into()),
    };
    let uri = settings.uri.as_deref();
    Ok(Host::new(settings.id, &settings.name, &connection, login, &config, uri)?)
}
