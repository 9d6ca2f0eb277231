//! Where the server's question meets console-resolve's answer, and the settings' hosts the inventory's.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use console_config::{
    DatabaseSettings, DatabaseUrl, HostSettings, ServerSettings, Settings, SshHostKeys,
    SshSettings, SshTunnel,
};
use console_inventory::{
    Connection, Host, Inventory, InventoryError, Login, PanelDatabase, SshAccess, SshConfig,
    SshOptions, SshUser, Tunnel,
};
use console_libvirt::{Libvirt, LibvirtSettings};
use console_proxy::{
    ConsoleKind, ConsoleToken, Fault, HostKeys, Refusal, Resolve, SshHost, SshProxy, Target,
};
use console_resolve::{ResolveError, ResolveFault, Resolver};
use tracing::{error, info, warn};

/// [`Resolver`] as the proxy asks for it.
#[derive(Debug)]
pub(crate) struct Adapter {
    resolver: Resolver,
    /// The panel's database, for the log.
    database: Option<DatabaseUrl>,
}

/// The resolver that the settings describe.
pub(crate) fn resolver(settings: &Settings) -> Result<Adapter> {
    let user = &service_user();
    let libvirt =
        LibvirtSettings { timeout: settings.server.lookup_timeout, ..LibvirtSettings::default() };
    let hosts: Vec<Host> =
        settings.hosts.iter().map(|host| inventory_host(host, user)).collect::<Result<_>>()?;
    if hosts.is_empty() && settings.database.is_none() {
        warn!(
            remedy =
                "set database_url to the panel's database, or add [[hosts]] to the configuration",
            "no host is configured, so no token leads to a console"
        );
    }
    let mut inventory = Inventory::new(hosts);
    if let Some(DatabaseSettings { url, timeout }) = &settings.database {
        let config = ssh_config(&settings.ssh, user)?;
        let options = ssh_options(&settings.ssh);
        let database = PanelDatabase::new(url.clone(), *timeout, config, options);
        inventory = inventory.with_database(database);
    }
    let database = settings.database.as_ref().map(|database| database.url.clone());
    Ok(Adapter { resolver: Resolver::new(inventory, Libvirt::new(libvirt)), database })
}

/// The server's settings; its bound is for a lookup as a whole, the database's part included.
pub(crate) fn bounds(settings: Settings) -> ServerSettings {
    let mut server = settings.server;
    server.lookup_timeout += settings.database.map_or(Duration::ZERO, |database| database.timeout);
    server
}

/// Who this program runs as.
fn service_user() -> SshUser {
    // As ssh does it: HOME may still be that of who started us.
    let user = nix::unistd::User::from_uid(nix::unistd::Uid::effective()).ok().flatten();
    let (name, home) = user.map(|user| (user.name, user.dir)).unzip();
    let home = home.or_else(|| std::env::var_os("HOME").map(PathBuf::from));
    let agent = std::env::var_os("SSH_AUTH_SOCK").map(PathBuf::from);
    let home = home.unwrap_or_else(|| "/nonexistent".into());
    SshUser { name: name.unwrap_or_default(), home, agent }
}

fn inventory_host(settings: &HostSettings, user: &SshUser) -> Result<Host> {
    let config = match &settings.connection {
        console_config::Connection::Ssh(_) => {
            ssh_config(&settings.ssh, user).with_context(|| format!("host {}", settings.name))?
        }
        _ => SshConfig::default(),
    };
    let connection = match &settings.connection {
        console_config::Connection::Socket => Connection::Socket,
        console_config::Connection::Tcp(endpoint) => Connection::Tcp(endpoint.clone()),
        console_config::Connection::Tls(endpoint) => Connection::Tls(endpoint.clone()),
        console_config::Connection::Ssh(endpoint) => {
            Connection::Ssh(endpoint.clone(), ssh_options(&settings.ssh))
        }
    };
    let login = Login {
        name: settings.login.clone(),
        password: settings.password.as_ref().map(|password| password.expose().into()),
    };
    let uri = settings.uri.as_deref();
    Ok(Host::new(settings.id, &settings.name, &connection, login, &config, uri)?)
}

fn ssh_config(settings: &SshSettings, user: &SshUser) -> Result<SshConfig> {
    Ok(match &settings.config {
        Some(file) => SshConfig::of_file(file, user),
        None => SshConfig::of_user(user),
    }?)
}

fn ssh_options(settings: &SshSettings) -> SshOptions {
    SshOptions {
        key: settings.key.clone(),
        known_hosts: settings.known_hosts.clone(),
        own_config: settings.config.is_some(),
        host_keys: settings.host_keys.map(|keys| match keys {
            SshHostKeys::Strict => console_inventory::HostKeys::Strict,
            SshHostKeys::AcceptNew => console_inventory::HostKeys::AcceptNew,
        }),
        tunnel: match settings.tunnel {
            SshTunnel::WhenNeeded => Tunnel::WhenNeeded,
            SshTunnel::Always => Tunnel::Always,
        },
    }
}

fn ssh_host(access: SshAccess) -> SshHost {
    SshHost {
        name: access.name,
        hostname: access.hostname,
        port: access.port,
        user: access.user,
        keys: access.keys,
        usual_keys: access.usual_keys,
        agent: access.agent,
        identities_only: access.identities_only,
        password: access.password,
        known_hosts: access.known_hosts,
        global_known_hosts: access.global_known_hosts,
        revoked_host_keys: access.revoked_host_keys,
        host_key_alias: access.host_key_alias,
        host_keys: match access.host_keys {
            console_inventory::HostKeys::Strict => HostKeys::Strict,
            console_inventory::HostKeys::AcceptNew => HostKeys::AcceptNew,
            console_inventory::HostKeys::Unchecked => HostKeys::Unchecked,
        },
        connect_timeout: access.connect_timeout,
        proxy: match access.proxy {
            console_inventory::SshProxy::None => SshProxy::None,
            console_inventory::SshProxy::Command => SshProxy::Command,
            console_inventory::SshProxy::Jump(jump) => {
                SshProxy::Jump(Arc::new(ssh_host(Arc::unwrap_or_clone(jump))))
            }
        },
    }
}

impl Adapter {
    /// Looks at the panel's database, if there is one, and says in the log what it holds. `false` if it cannot be asked now.
    ///
    /// # Errors
    ///
    /// It will not pass by itself.
    pub(crate) async fn check(&self) -> Result<bool, InventoryError> {
        let Some(database) = &self.database else { return Ok(true) };
        match self.resolver.check().await {
            Ok(Some(found)) => {
                let (hosts, panel) = (found.hosts.len(), found.panel);
                info!(hosts, "{panel}'s database {database}");
                for unusable in &found.unusable {
                    warn!(remedy = unusable.remedy(), "{unusable}");
                }
                Ok(true)
            }
            Ok(None) => Ok(true),
            Err(InventoryError::Database(error)) if error.may_pass() => {
                warn!(remedy = error.remedy(), "the panel's database cannot be asked now: {error}");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Checks again until the database has answered once; what is wrong with it then goes to the log. Never returns.
    pub(crate) async fn keep_checking(&self, mut is_checked: bool) {
        while !is_checked {
            tokio::time::sleep(CHECK_PAUSE).await;
            is_checked = self.check().await.unwrap_or_else(|error| {
                error!(remedy = error.remedy(), "{error}");
                true
            });
        }
        std::future::pending().await
    }
}

/// Between two looks at a database that did not answer at the start.
const CHECK_PAUSE: Duration = Duration::from_secs(10);

impl Resolve for Adapter {
    async fn resolve(
        &self,
        token: ConsoleToken,
        wanted: Option<ConsoleKind>,
    ) -> Result<Target, Refusal> {
        let console = self.resolver.resolve(token, wanted).await.map_err(refusal)?;
        let route =
            console.route.map_via(|access| Arc::new(ssh_host(Arc::unwrap_or_clone(access))));
        Ok(Target { guest_name: console.domain, kind: console.kind, route })
    }

    fn forget(&self, token: ConsoleToken) {
        self.resolver.forget(token);
    }
}

fn refusal(error: ResolveError) -> Refusal {
    let fault = match error.fault() {
        ResolveFault::NotFound => Fault::NotFound,
        ResolveFault::NoConsole if error.needs_tls() => Fault::NeedsTls,
        ResolveFault::NoConsole => Fault::NoConsole,
        ResolveFault::Unavailable => Fault::Unavailable,
    };
    Refusal {
        fault,
        kind: error.kind(),
        reason: error.public_reason(),
        remedy: error.remedy(),
        cause: error.into(),
    }
}
