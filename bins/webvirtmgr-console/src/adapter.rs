//! Where the server's question meets console-resolve's answer, and the settings' hosts the inventory's.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use console_config::{HostSettings, Settings, SshHostKeys, SshTunnel};
use console_inventory::{
    Connection, Host, Inventory, Login, SshAccess, SshConfig, SshOptions, SshUser, Tunnel,
};
use console_libvirt::{Libvirt, LibvirtSettings};
use console_proxy::{
    ConsoleKind, ConsoleToken, Fault, HostKeys, Refusal, Resolve, SshHost, SshProxy, Target,
};
use console_resolve::{ResolveError, ResolveFault, Resolver};

/// [`Resolver`] as the proxy asks for it.
#[derive(Debug)]
pub(crate) struct Adapter(Resolver);

/// The resolver that the settings describe.
pub(crate) fn resolver(settings: &Settings) -> Result<Adapter> {
    let user = &service_user();
    let libvirt =
        LibvirtSettings { timeout: settings.server.lookup_timeout, ..LibvirtSettings::default() };
    let hosts: Vec<Host> =
        settings.hosts.iter().map(|host| inventory_host(host, user)).collect::<Result<_>>()?;
    Ok(Adapter(Resolver::new(Inventory::new(hosts), Libvirt::new(libvirt))))
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
    let ssh = &settings.ssh;
    let config = match (&settings.connection, &ssh.config) {
        (console_config::Connection::Ssh(_), Some(file)) => SshConfig::of_file(file, user),
        (console_config::Connection::Ssh(_), None) => SshConfig::of_user(user),
        _ => Ok(SshConfig::default()),
    };
    let config = config.with_context(|| format!("host {}", settings.name))?;
    let connection = match &settings.connection {
        console_config::Connection::Socket => Connection::Socket,
        console_config::Connection::Tcp(endpoint) => Connection::Tcp(endpoint.clone()),
        console_config::Connection::Tls(endpoint) => Connection::Tls(endpoint.clone()),
        console_config::Connection::Ssh(endpoint) => {
            let options = SshOptions {
                key: ssh.key.clone(),
                known_hosts: ssh.known_hosts.clone(),
                own_config: ssh.config.is_some(),
                accept_new: ssh.host_keys == SshHostKeys::AcceptNew,
                tunnel: match ssh.tunnel {
                    SshTunnel::WhenNeeded => Tunnel::WhenNeeded,
                    SshTunnel::Always => Tunnel::Always,
                },
            };
            Connection::Ssh(endpoint.clone(), options)
        }
    };
    let login = Login {
        name: settings.login.clone(),
        password: settings.password.as_ref().map(|password| password.expose().into()),
    };
    let uri = settings.uri.as_deref();
    Ok(Host::new(settings.id, &settings.name, &connection, login, &config, uri)?)
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
        host_keys: if access.accept_new { HostKeys::AcceptNew } else { HostKeys::Strict },
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

impl Resolve for Adapter {
    async fn resolve(
        &self,
        token: ConsoleToken,
        wanted: Option<ConsoleKind>,
    ) -> Result<Target, Refusal> {
        let console = self.0.resolve(token, wanted).await.map_err(refusal)?;
        let route =
            console.route.map_via(|access| Arc::new(ssh_host(Arc::unwrap_or_clone(access))));
        Ok(Target { guest_name: console.domain, kind: console.kind, route })
    }

    fn forget(&self, token: ConsoleToken) {
        self.0.forget(token);
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
