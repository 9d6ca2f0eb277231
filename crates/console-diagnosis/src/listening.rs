//! Where the proxy should listen: whether it can, who has the port, and whether it is the proxy, and answers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use console_config::{Listen, ListenAddress, ServerSettings};
use console_listen::{Address, Holder, ListenError, Passed, who_listens};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::checks::{LISTEN_ADDRESS, LISTEN_LOOPBACK, LISTEN_PORT, LISTEN_RUNNING};
use crate::options::Options;
use crate::report::Branch;

/// Looks at each listener; returns the address of the first that browsers can speak to and where the proxy answers.
pub(crate) async fn examine(
    branch: &Branch,
    options: &Options,
    settings: &ServerSettings,
) -> Option<SocketAddr> {
    let mut found = None;
    for listen in &settings.listen {
        match &listen.address {
            ListenAddress::Tcp { host, port } => {
                let at = tcp(branch, options, settings, listen, host, *port).await;
                if !listen.proxy_protocol {
                    found = found.or(at);
                }
            }
            ListenAddress::Unix { path, .. } => unix(branch, options, listen, path).await,
            ListenAddress::Systemd { .. } => branch.skip(
                LISTEN_RUNNING,
                format!(
                    "{}: systemd has the socket; systemctl list-sockets shows where it is",
                    listen.address
                ),
            ),
        }
    }
    found
}

async fn tcp(
    branch: &Branch,
    options: &Options,
    settings: &ServerSettings,
    listen: &Listen,
    host: &str,
    port: u16,
) -> Option<SocketAddr> {
    let shown = listen.address.to_string();
    let addresses = match own_addresses(branch, options, host, port).await {
        Ok(addresses) => addresses,
        Err((text, remedy)) => {
            branch.fail(LISTEN_ADDRESS, format!("{shown}: {text}"), remedy);
            return None;
        }
    };
    branch.ok(LISTEN_ADDRESS, format!("{shown} is this machine's"));
    let is_loopback = addresses.iter().all(|address| address.ip().is_loopback());
    if !is_loopback {
        branch.ok(LISTEN_LOOPBACK, format!("{shown} can be reached from other machines"));
    } else if settings.trusted_proxies.is_empty() && !is_behind(settings) {
        branch.warn(
            LISTEN_LOOPBACK,
            format!("{shown} is reached by browsers on this machine only, and no reverse proxy is trusted"),
            "write host = \"0.0.0.0\" (WS_HOST, -H), which means all addresses; or, behind a reverse proxy on this machine, trusted_proxies = [\"127.0.0.1\"]",
        );
    } else {
        branch.ok(LISTEN_LOOPBACK, format!("{shown} is for the reverse proxy"));
    }
    let mut found = None;
    for address in addresses {
        found = found.or(running(branch, options, settings, listen, address).await);
    }
    found
}

/// Whether browsers are meant to come by another port or path, which only a reverse proxy has.
fn is_behind(settings: &ServerSettings) -> bool {
    let public = &settings.public;
    public.path.is_some() || public.port.is_some_and(|port| port.get() == 443)
}

/// The addresses that a name means, if all of them can be listened on. A free port of each is opened for a moment to see.
async fn own_addresses(
    branch: &Branch,
    options: &Options,
    host: &str,
    port: u16,
) -> Result<Vec<SocketAddr>, (String, String)> {
    let any_port = Address::Tcp { host: host.to_owned(), port: 0 };
    let opening = tokio::task::spawn_blocking(move || {
        let opened = console_listen::open(&[any_port], Passed::none())?;
        Ok(opened
            .iter()
            .filter_map(|one| match &one.socket {
                console_listen::Socket::Tcp(listener) => listener.local_addr().ok(),
                console_listen::Socket::Unix(_) => None,
            })
            .collect::<Vec<_>>())
    });
    let opened =
        branch.during(format!("resolving {host}"), timeout(options.limit(), opening)).await;
    match opened {
        Ok(Ok(Ok(addresses))) => {
            Ok(addresses.iter().map(|address| SocketAddr::new(address.ip(), port)).collect())
        }
        Ok(Ok(Err(error))) => {
            let error: ListenError = error;
            Err((
                whole(&error),
                error.remedy().unwrap_or_else(|| "see what the system says".into()),
            ))
        }
        Ok(Err(_)) => Err(("the look at it failed".into(), "try again".into())),
        Err(_) => Err((
            format!("the name was not resolved within {:?}", options.limit()),
            "see /etc/resolv.conf, or write an address; 0.0.0.0 means all".into(),
        )),
    }
}

fn whole(error: &ListenError) -> String {
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

/// Who has the port, and whether it is the proxy.
async fn running(
    branch: &Branch,
    options: &Options,
    settings: &ServerSettings,
    listen: &Listen,
    address: SocketAddr,
) -> Option<SocketAddr> {
    let holders = holders(options, address).await;
    if holders.is_empty() {
        branch.ok(LISTEN_PORT, format!("nobody else has {address}"));
        let (text, remedy) = match options.proxy_pid {
            Some(pid) => (
                format!(
                    "nothing listens on {address}: webvirtmgr-console runs as process {pid}, but with other settings"
                ),
                "systemctl restart webvirtmgr-console, so that the settings count; or check with those that it has: console-check without flags",
            ),
            None => {
                (format!("nothing listens on {address}: webvirtmgr-console does not run"), START)
            }
        };
        branch.fail(LISTEN_RUNNING, text, remedy);
        return None;
    }
    if holders.iter().any(|holder| holder.pid == Some(1)) && !holders.iter().any(is_proxy) {
        // A connection would start it.
        branch.ok(LISTEN_PORT, format!("{address} is systemd's, for the service"));
        branch.skip(LISTEN_RUNNING, "the service is started by the first connection: systemctl start webvirtmgr-console, to check it as well");
        return None;
    }
    let reachable = reachable(address);
    let answer = if listen.proxy_protocol {
        // It expects a header, and from trusted proxies alone.
        Answer::Silent
    } else {
        let asking = async { ask(TcpStream::connect(reachable).await).await };
        branch.during(format!("asking {reachable}"), bounded(options.limit(), asking)).await
    };
    let who = holders.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let is_ours = holders.iter().any(is_proxy);
    match answer {
        Answer::Proxy(version) => {
            branch.ok(LISTEN_PORT, format!("{address} is the proxy's"));
            version_told(branch, &address.to_string(), &version, &who);
            Some(reachable)
        }
        Answer::TlsOnly if settings.ssl_only => {
            branch.ok(LISTEN_PORT, format!("{address} is the proxy's"));
            branch.ok(LISTEN_RUNNING, format!("{who} answers on {address}, by TLS only"));
            Some(reachable)
        }
        Answer::Silent if listen.proxy_protocol && is_ours => {
            branch.ok(LISTEN_PORT, format!("{address} is the proxy's"));
            branch.ok(LISTEN_RUNNING, format!("{who} listens on {address}, for reverse proxies"));
            None
        }
        Answer::Silent if is_ours => {
            branch.ok(LISTEN_PORT, format!("{address} is the proxy's"));
            branch.fail(
                LISTEN_RUNNING,
                format!("{who} listens on {address}, but did not answer within {:?}", options.limit()),
                "it hangs or is stopped: systemctl restart webvirtmgr-console, and report it with its log",
            );
            None
        }
        _ if is_ours => {
            branch.ok(LISTEN_PORT, format!("{address} is the proxy's"));
            branch.warn(
                LISTEN_RUNNING,
                format!("another version of webvirtmgr-console answers on {address}, or one with other settings; {who}"),
                "systemctl restart webvirtmgr-console, so that the installed version and the settings count",
            );
            Some(reachable)
        }
        _ => {
            branch.fail(
                LISTEN_PORT,
                format!("{address} is taken by {who}"),
                taken_remedy(&holders),
            );
            branch.skip(LISTEN_RUNNING, "another program has the port");
            None
        }
    }
}

fn version_told(branch: &Branch, place: &str, version: &str, who: &str) {
    if version == OWN_VERSION {
        branch
            .ok(LISTEN_RUNNING, format!("webvirtmgr-console {version} answers on {place}; {who}"));
    } else {
        branch.warn(
            LISTEN_RUNNING,
            format!("webvirtmgr-console {version} answers on {place}, and this is console-check {OWN_VERSION}; {who}"),
            "systemctl restart webvirtmgr-console, so that the installed version runs",
        );
    }
}

fn taken_remedy(holders: &[Holder]) -> String {
    let program = holders.iter().find_map(|holder| holder.program.as_deref()).unwrap_or_default();
    if program.starts_with("python") || program.contains("websockify") || program == "novncd" {
        "it may be the panel's own script, which this program replaces: stop it (supervisorctl status, systemctl status shows it), then systemctl restart webvirtmgr-console".into()
    } else {
        "stop that program, or choose another port for one of both: port = 6081 (WS_PORT, -p), which the panel must know as well (WS_PUBLIC_PORT of WebVirtCloud, WS_PORT of WebVirtMgr); OpenStack's nova-novncproxy uses 6080, too".into()
    }
}

async fn holders(options: &Options, address: SocketAddr) -> Vec<Holder> {
    let told = options.holders.iter().find(|(other, _)| *other == address);
    if let Some((_, holders)) = told {
        return holders.clone();
    }
    let looking = tokio::task::spawn_blocking(move || who_listens(address));
    looking.await.unwrap_or_default()
}

fn is_proxy(holder: &Holder) -> bool {
    holder.program.as_deref() == Some("webvirtmgr-console")
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

async fn unix(branch: &Branch, options: &Options, listen: &Listen, path: &Path) {
    let place = path.display().to_string();
    let asking = async { ask(UnixStream::connect(path).await).await };
    match bounded(options.limit(), asking).await {
        Answer::Proxy(version) => version_told(branch, &place, &version, "a UNIX socket"),
        Answer::TlsOnly | Answer::Silent if listen.proxy_protocol => {
            branch.ok(LISTEN_RUNNING, format!("something listens on {place}, for reverse proxies"));
        }
        Answer::TlsOnly => branch.ok(LISTEN_RUNNING, format!("{place} answers, by TLS only")),
        Answer::Nobody(why) => branch.fail(LISTEN_RUNNING, format!("{place}: {why}"), START),
        Answer::Silent => branch.fail(
            LISTEN_RUNNING,
            format!("{place} takes connections, but nothing answered within {:?}", options.limit()),
            "it hangs or is stopped: systemctl restart webvirtmgr-console",
        ),
        Answer::Other => branch.fail(
            LISTEN_PORT,
            format!("{place} is another program's"),
            "choose another path in listen",
        ),
    }
}

/// What a listener says to `GET /`.
enum Answer {
    /// The proxy, of this version.
    Proxy(String),
    /// It wants TLS.
    TlsOnly,
    /// No answer.
    Silent,
    /// No connection.
    Nobody(String),
    /// Something else.
    Other,
}

async fn bounded(limit: Duration, asking: impl Future<Output = Answer>) -> Answer {
    timeout(limit, asking).await.unwrap_or(Answer::Silent)
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin>(connected: std::io::Result<S>) -> Answer {
    let mut stream = match connected {
        Ok(stream) => stream,
        Err(error) => return Answer::Nobody(error.to_string()),
    };
    if stream.write_all(QUESTION).await.is_err() {
        return Answer::Other;
    }
    let mut answer = Vec::new();
    // A reset after the answer does not matter.
    let _ = stream.take(MAX_ANSWER).read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    let version = |line: &str| {
        let version = line.strip_prefix("webvirtmgr-console ")?.strip_suffix(" is running")?;
        (version.len() <= 32).then(|| version.to_owned())
    };
    if let Some(version) = answer.lines().find_map(version) {
        Answer::Proxy(version)
    } else if answer.contains("this server speaks TLS only") {
        Answer::TlsOnly
    } else {
        Answer::Other
    }
}

const START: &str = "systemctl start webvirtmgr-console; if it ends again, journalctl -u webvirtmgr-console -n 20 says why";

/// What load balancers ask, too (RFC 9112 section 9.6 for `close`).
const QUESTION: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// The most bytes of an answer that are read.
const MAX_ANSWER: u64 = 4096;

const OWN_VERSION: &str = env!("CARGO_PKG_VERSION");
