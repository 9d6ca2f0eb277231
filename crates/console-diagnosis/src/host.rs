//! One hypervisor: the way to it, and libvirt there.

use std::path::Path;
use std::time::Duration;

use console_backend::Opener;
use console_inventory::{Host, SshAccess};
use console_libvirt::{About, Libvirt, Version};
use console_resolve::endpoint;
use console_route::HostAccess;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::checks::{HOST_LIBVIRT, HOST_NAME, HOST_PORT};
use crate::report::Branch;
use crate::ssh;
use crate::tunnels::Tunnels;
use crate::wording::{quoted, shown};

/// What all hosts and guests are tried with.
pub(crate) struct Tools {
    pub(crate) opener: Opener,
    pub(crate) libvirt: Libvirt,
    pub(crate) limit: Duration,
    pub(crate) all_domains: bool,
}

/// The way to the host and its libvirt; nothing if that does not answer.
pub(crate) async fn reach(branch: &Branch, tools: &Tools, host: &Host) -> Option<Tunnels> {
    let mut tunnels = Tunnels::NotNeeded;
    if let HostAccess::Ssh { via, .. } = host.access() {
        let login = ssh::examine(branch, &tools.opener, via).await;
        if !login.is_reached {
            branch.skip(HOST_LIBVIRT, "its SSH server cannot be reached");
            return None;
        }
        if login.would_write
            && let Some(why) = would_be_written(host, via)
        {
            branch.skip(HOST_LIBVIRT, why);
            return None;
        }
        tunnels = login.report.map_or(Tunnels::Fail, |report| Tunnels::Known(Box::new(report)));
    } else if let Some((name, port)) = host.libvirt_address()
        && !port_is_open(branch, tools, name, port).await
    {
        branch.skip(HOST_LIBVIRT, "its port cannot be reached");
        return None;
    }
    let endpoint = endpoint(host);
    let asking = tools.libvirt.about(&endpoint);
    match branch.during(format!("asking libvirt on {}", host.name()), asking).await {
        Ok(about) => {
            branch.ok(HOST_LIBVIRT, told(&about));
            tunnels.conclude(host);
            Some(tunnels)
        }
        Err(error) => {
            if matches!(tunnels, Tunnels::Fail) && host.libvirt_uri().contains("ssh") {
                branch.skip(
                    HOST_LIBVIRT,
                    format!("it is reached by SSH, which fails for libvirt as well: {error}"),
                );
            } else {
                branch.fail(
                    HOST_LIBVIRT,
                    error.to_string(),
                    error.remedy().unwrap_or(LIBVIRTS_LOG),
                );
            }
            None
        }
    }
}

/// libvirt's own SSH clients write a key down that is new to them, where the settings or ssh_config want it so. Nothing is changed here, so they are
/// not started then; unless what they write goes nowhere.
fn would_be_written(host: &Host, via: &SshAccess) -> Option<&'static str> {
    let uri = host.libvirt_uri();
    let goes_nowhere = via.known_hosts.first().is_none_or(|file| file == Path::new("/dev/null"));
    let is_strict = uri.contains("known_hosts_verify=normal");
    (uri.contains("ssh") && !is_strict && !goes_nowhere).then_some(
        "libvirt's SSH client would write the host's key down, and this program changes nothing: open a console there, or log in once with ssh as the service's user, and check again",
    )
}

fn told(about: &About) -> String {
    let version = |version: &Option<Version>| {
        version.as_ref().map_or_else(String::new, |version| format!(" {version}"))
    };
    format!(
        "libvirt{} with {}{}, library {} here, {}",
        version(&about.daemon),
        about.hypervisor,
        version(&about.hypervisor_version),
        about.library,
        shown(about.round_trip)
    )
}

/// Each address of a name is tried, as libvirt does.
async fn port_is_open(branch: &Branch, tools: &Tools, name: &str, port: u16) -> bool {
    let resolving = timeout(tools.limit, lookup_host((name, port)));
    let addresses: Vec<_> = match branch.during(format!("resolving {name}"), resolving).await {
        Ok(Ok(addresses)) => addresses.collect(),
        failed => {
            let why = match failed {
                Ok(Err(error)) => error.to_string(),
                _ => format!("no answer within {:?}", tools.limit),
            };
            branch.fail(
                HOST_NAME,
                format!("{name} has no address: {why}"),
                format!("correct hostname (in [[hosts]], or the host in the panel), or make the name known; getent hosts {} shows what it means", quoted(name)),
            );
            branch.skip(HOST_PORT, "its name has no address");
            return false;
        }
    };
    let mut shown_addresses: Vec<String> =
        addresses.iter().map(|address| address.ip().to_string()).collect();
    shown_addresses.dedup();
    if shown_addresses != [name] {
        branch.ok(HOST_NAME, format!("{name} is {}", shown_addresses.join(", ")));
    }
    let share = tools.limit / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut why = "the name has no address".to_owned();
    for address in addresses {
        let connecting = timeout(share, TcpStream::connect(address));
        match branch.during(format!("connecting to {address}"), connecting).await {
            Ok(Ok(_)) => {
                branch.ok(HOST_PORT, format!("{address} is open"));
                return true;
            }
            Ok(Err(error)) => why = format!("{address}: {error}"),
            Err(_) => why = format!("{address}: no answer within {share:?}"),
        }
    }
    branch.fail(
        HOST_PORT,
        format!("libvirt's port cannot be reached: {why}"),
        listening_remedy(port),
    );
    false
}

/// libvirtd's sockets are systemd's, and cannot be added while it runs.
fn listening_remedy(port: u16) -> String {
    let socket = if port == 16514 { "tls" } else { "tcp" };
    format!(
        "on that host: systemctl stop libvirtd && systemctl enable --now libvirtd-{socket}.socket && systemctl start libvirtd (virtproxyd-{socket}.socket where virtqemud runs), and let its firewall pass port {port} from this machine"
    )
}

/// Where more stands than libvirt says to its clients.
pub(crate) const LIBVIRTS_LOG: &str =
    "journalctl -u libvirtd -u virtqemud -n 50 # on that host: libvirt's log";
