//! Who has a place to listen at, and whether it is the proxy, and answers.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use console_config::{Listen, ServerSettings};
use console_listen::{Holder, who_listens};
use permission_denied::Denied;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::answer::{Answer, ask, bounded};
use crate::checks::{LISTEN_PORT, LISTEN_RUNNING};
use crate::options::Options;
use crate::report::Branch;

/// What has been found that keeps the proxy from starting, by its check's id: that nothing listens follows from it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Doubt(pub(crate) Option<&'static str>);

/// Says whose a TCP port is; returns where the proxy answers.
pub(crate) async fn tcp(
    branch: &Branch,
    options: &Options,
    settings: &ServerSettings,
    listen: &Listen,
    address: SocketAddr,
    doubt: &Doubt,
) -> Option<SocketAddr> {
    if address.port() == 0 {
        branch
            .skip(LISTEN_RUNNING, "with port 0 the system chooses one, which the proxy's log says");
        return None;
    }
    let holders = holders(options, address).await;
    if holders.is_empty() {
        branch.ok(LISTEN_PORT, format!("nobody else has {address}"));
        nobody(branch, options, &address.to_string(), address.port(), doubt);
        return None;
    }
    let who = holders.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let (is_ours, is_hidden) = (holders.iter().any(is_proxy), holders.iter().all(is_hidden));
    if may_be_systemds(&holders) && !is_ours {
        branch.ok(LISTEN_PORT, format!("{address} is listened on by {who}"));
        branch.skip(
            LISTEN_RUNNING,
            "it may be systemd's, and a connection would start the service: systemctl start webvirtmgr-console, and check again as root",
        );
        return None;
    }
    if listen.proxy_protocol {
        // It expects a header, and from trusted proxies alone.
        return for_proxies(branch, address, &who, is_ours, is_hidden);
    }
    let reachable = reachable(address);
    let asking = async { ask(TcpStream::connect(reachable).await).await };
    let answer =
        branch.during(format!("asking {reachable}"), bounded(options.limit(), asking)).await;
    let ours = || branch.ok(LISTEN_PORT, format!("{address} is the proxy's"));
    match answer {
        Answer::Proxy(version) => {
            ours();
            version_told(branch, &address.to_string(), &version, &who);
        }
        Answer::TlsOnly if settings.ssl_only => {
            ours();
            branch.ok(LISTEN_RUNNING, format!("{who} answers on {address}, by TLS only"));
        }
        Answer::Silent if is_ours || is_hidden => {
            ours();
            branch.fail(
                LISTEN_RUNNING,
                format!("{who} listens on {address}, but did not answer within {:?}", options.limit()),
                "systemctl restart webvirtmgr-console # it hangs or is stopped: report it with its log",
            );
            return None;
        }
        _ if is_ours => {
            ours();
            branch.warn(
                LISTEN_RUNNING,
                format!("another version of webvirtmgr-console answers on {address}, or one with other settings; {who}"),
                "systemctl restart webvirtmgr-console # so that the installed version and the settings count",
            );
        }
        _ => {
            branch.fail(
                LISTEN_PORT,
                format!("{address} is taken by {who}"),
                taken_remedy(&holders),
            );
            branch.skip(LISTEN_RUNNING, "another program has the port");
            return None;
        }
    }
    Some(reachable)
}

fn for_proxies(
    branch: &Branch,
    address: SocketAddr,
    who: &str,
    is_ours: bool,
    is_hidden: bool,
) -> Option<SocketAddr> {
    if is_ours {
        branch.ok(LISTEN_PORT, format!("{address} is the proxy's"));
        branch.ok(LISTEN_RUNNING, format!("{who} listens on {address}, for reverse proxies"));
    } else if is_hidden {
        branch.skip(
            LISTEN_RUNNING,
            format!("{who} listens on {address}; only root sees which program that is"),
        );
    } else {
        branch.fail(LISTEN_PORT, format!("{address} is taken by {who}"), taken_remedy(&[]));
    }
    None
}

/// Says whether the proxy answers at a UNIX socket.
pub(crate) async fn unix(
    branch: &Branch,
    options: &Options,
    listen: &Listen,
    path: &Path,
    doubt: &Doubt,
) {
    let place = path.display().to_string();
    let connected = timeout(options.limit(), UnixStream::connect(path)).await;
    let stream = match connected.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into())) {
        Ok(stream) => stream,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            let why = Denied::connecting(path)
                .map_or_else(|| error.to_string(), |denied| denied.to_string());
            branch.skip(LISTEN_RUNNING, format!("{place} may not be opened: {why}"));
            return;
        }
        Err(_) => return nobody(branch, options, &place, u16::MAX, doubt),
    };
    if listen.proxy_protocol {
        branch.ok(LISTEN_RUNNING, format!("{place} takes connections, from reverse proxies"));
        return;
    }
    match bounded(options.limit(), ask(Ok(stream))).await {
        Answer::Proxy(version) => version_told(branch, &place, &version, "a UNIX socket"),
        Answer::TlsOnly => branch.ok(LISTEN_RUNNING, format!("{place} answers, by TLS only")),
        Answer::Silent => branch.fail(
            LISTEN_RUNNING,
            format!("{place} takes connections, but nothing answered within {:?}", options.limit()),
            "systemctl restart webvirtmgr-console # it hangs or is stopped",
        ),
        Answer::Other => branch.fail(
            LISTEN_PORT,
            format!("{place} is another program's"),
            "choose another path in listen, as in listen = [\"unix:/run/webvirtmgr-console/console.sock\"]",
        ),
    }
}

fn nobody(branch: &Branch, options: &Options, place: &str, port: u16, doubt: &Doubt) {
    if let Some(id) = doubt.0 {
        branch.skip(
            LISTEN_RUNNING,
            format!(
                "nothing listens on {place}: the proxy does not start as long as {id} is broken"
            ),
        );
        return;
    }
    if let Some(pid) = options.proxy_pid {
        let text = format!(
            "nothing listens on {place}: webvirtmgr-console runs as process {pid}, but with other settings"
        );
        branch.fail(
            LISTEN_RUNNING,
            text,
            "systemctl restart webvirtmgr-console # so that these settings count; or correct WS_PORT and WS_HOST to what it has",
        );
        return;
    }
    let lowest = lowest_port();
    let privileged = match port < lowest {
        true => format!(
            "; ports below {lowest} need AmbientCapabilities=CAP_NET_BIND_SERVICE in its unit"
        ),
        false => String::new(),
    };
    branch.fail(
        LISTEN_RUNNING,
        format!(
            "nothing listens on {place}: webvirtmgr-console does not run, or elsewhere{privileged}"
        ),
        START,
    );
}

/// The lowest port that any user may listen on (ip(7), `ip_unprivileged_port_start`).
fn lowest_port() -> u16 {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    text.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(1024)
}

fn version_told(branch: &Branch, place: &str, version: &str, who: &str) {
    if version == OWN_VERSION {
        branch
            .ok(LISTEN_RUNNING, format!("webvirtmgr-console {version} answers on {place}; {who}"));
    } else {
        branch.warn(
            LISTEN_RUNNING,
            format!("webvirtmgr-console {version} answers on {place}, and this is console-check {OWN_VERSION}; {who}"),
            "systemctl restart webvirtmgr-console # so that the installed version runs",
        );
    }
}

fn taken_remedy(holders: &[Holder]) -> String {
    let program = holders.iter().find_map(|holder| holder.program.as_deref()).unwrap_or_default();
    let pid = holders.iter().find_map(|holder| holder.pid);
    let see = pid.map(|pid| format!("ps -fp {pid} # shows it; ")).unwrap_or_default();
    if program.starts_with("python") || program.contains("websockify") || program == "novncd" {
        format!(
            "{see}if it is the panel's own script, which this program replaces, stop it (supervisorctl status, systemctl status) and start webvirtmgr-console"
        )
    } else {
        format!(
            "{see}stop it, or choose another port for one of both: port = 6081 (WS_PORT, -p), which the panel must know as well (WS_PUBLIC_PORT of WebVirtCloud, WS_PORT of WebVirtMgr); OpenStack's nova-novncproxy uses 6080, too"
        )
    }
}

async fn holders(options: &Options, address: SocketAddr) -> Vec<Holder> {
    if let Some((_, holders)) = options.holders.iter().find(|(other, _)| *other == address) {
        return holders.clone();
    }
    let looking = tokio::task::spawn_blocking(move || who_listens(address));
    // It reads /proc, whose size is bounded there.
    timeout(options.limit(), looking).await.map_or_else(|_| Vec::new(), Result::unwrap_or_default)
}

fn is_proxy(holder: &Holder) -> bool {
    holder.program.as_deref() == Some("webvirtmgr-console")
}

fn is_hidden(holder: &Holder) -> bool {
    holder.program.is_none()
}

/// systemd holds the socket of a service that it starts with the first connection; who is not root does not see that it is systemd.
fn may_be_systemds(holders: &[Holder]) -> bool {
    let is_its = |holder: &Holder| {
        holder.pid == Some(1) || (is_hidden(holder) && holder.user.as_deref() == Some("root"))
    };
    Path::new("/run/systemd/system").exists() && holders.iter().any(is_its)
}

/// Where this machine reaches a listener.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

const OWN_VERSION: &str = env!("CARGO_PKG_VERSION");

const START: &str = "systemctl start webvirtmgr-console; if it ends again, journalctl -u webvirtmgr-console -n 20 says why";
