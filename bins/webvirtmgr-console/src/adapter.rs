//! Where the server's question meets console-resolve's answer, and the settings' hosts the inventory's.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use console_assembly::ssh_host;
use console_config::{DatabaseUrl, ServerSettings, Settings};
use console_inventory::InventoryError;
use console_libvirt::Libvirt;
use console_proxy::{ConsoleKind, ConsoleToken, Fault, Refusal, Resolve, Target};
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
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let user = console_assembly::service_user(variable("HOME"), variable("SSH_AUTH_SOCK"));
    if settings.hosts.is_empty() && settings.database.is_none() {
        warn!(
            remedy =
                "set database_url to the panel's database, or add [[hosts]] to the configuration",
            "no host is configured, so no token leads to a console"
        );
    }
    let inventory = console_assembly::inventory(settings, &user)?;
    let libvirt = Libvirt::new(console_assembly::libvirt_settings(&settings.server));
    let database = settings.database.as_ref().map(|database| database.url.clone());
    Ok(Adapter { resolver: Resolver::new(inventory, libvirt), database })
}

/// The server's settings; its bound is for a lookup as a whole, the database's part included.
pub(crate) fn bounds(settings: Settings) -> ServerSettings {
    let mut server = settings.server;
    server.lookup_timeout += settings.database.map_or(Duration::ZERO, |database| database.timeout);
    server
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
