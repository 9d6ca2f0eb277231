//! With whose eyes to look. Root becomes the service's user for good and runs this program anew, with the service's environment: that libvirt's
//! client and ssh find the same home, keys and agent as the service's do.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use console_assembly::{ServiceUser, service_user};
use console_config::{ListenAddress, Settings, Sources};
use console_diagnosis::{Report, who_looks};
use console_listen::{Holder, who_listens};
use nix::unistd::{User, geteuid};
use serde::{Deserialize, Serialize};

use crate::cli::{CommandLine, settings_of};
use crate::eyes::Eyes;
use crate::process::{Service, Unit};

/// Who looks, and at what.
#[derive(Debug)]
pub(crate) struct Acting {
    pub(crate) user: ServiceUser,
    pub(crate) sources: Sources,
    pub(crate) holders: Vec<(SocketAddr, Vec<Holder>)>,
    pub(crate) pid: Option<u32>,
    how: How,
}

/// How it was found out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum How {
    /// `--user`.
    Asked,
    /// The running service's.
    Service,
    /// The unit's; it does not run.
    Unit,
    /// The unit's, which is made when it starts.
    Dynamic,
    /// Nobody knows the service.
    Unknown,
    /// We are not root, and see what we may.
    Ourselves,
    /// It does not matter for what is asked.
    Anybody,
}

/// What root saw before it became somebody else.
#[derive(Debug, Serialize, Deserialize)]
struct Seen {
    how: How,
    pid: Option<u32>,
    /// The service's own flags, if they count; its environment is ours by then.
    flags: Option<Vec<String>>,
    holders: Vec<(SocketAddr, Vec<SeenHolder>)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SeenHolder {
    user: Option<String>,
    pid: Option<u32>,
    program: Option<String>,
}

/// Finds out, and does not return if that needs another user: this program then runs anew.
pub(crate) fn find(line: &CommandLine) -> Result<Acting> {
    if !line.task.needs_service() {
        return Ok(ours(line, How::Anybody));
    }
    if let Some(seen) = std::env::var_os(SEEN) {
        let seen: Seen = serde_json::from_slice(seen.as_encoded_bytes())
            .with_context(|| format!("{SEEN} is set, and not by this program: unset it"))?;
        return Ok(after(line, seen));
    }
    if !geteuid().is_root() {
        if let Some(wanted) = &line.user
            && Some(wanted)
                != User::from_uid(geteuid()).ok().flatten().map(|user| user.name).as_ref()
        {
            bail!(
                "only root can look with another user's eyes: sudo console-check --user {wanted}"
            );
        }
        return Ok(ours(line, How::Ourselves));
    }
    let unit = Unit::find();
    let mut holders = holders(&line.sources);
    let pid = unit.pid.or_else(|| proxy_among(&holders));
    let service = pid.and_then(Service::of);
    let told = service.as_ref().map_or(unit.told.as_ref(), |service| Some(&service.told));
    let told = told.filter(|_| !line.has_settings);
    if let Some(told) = told {
        // It may listen elsewhere than our own environment says.
        holders = self::holders(&settings_of(&told.flags, told.environment.clone()));
    }
    let (how, eyes) = whose(line, service.as_ref(), &unit)?;
    let is_theirs =
        how == How::Unit || service.as_ref().is_some_and(|one| one.uid == eyes.uid().as_raw());
    let seen = Seen {
        how,
        pid,
        flags: told.map(|told| told.flags.clone()),
        holders: holders
            .iter()
            .map(|(address, who)| (*address, who.iter().map(SeenHolder::of).collect()))
            .collect(),
    };
    if eyes.uid().is_root() && told.is_none() {
        return Ok(after(line, seen));
    }
    let mut environment =
        told.map_or_else(|| std::env::vars_os().collect(), |told| told.environment.clone());
    if told.is_none() || !is_theirs {
        environment.retain(|(name, _)| !PERSONAL.iter().any(|personal| name == personal));
    }
    environment
        .extend(USUAL.iter().filter_map(|name| Some((name.into(), std::env::var_os(name)?))));
    let told = serde_json::to_string(&seen).context("cannot hand over what was seen")?;
    environment.push((SEEN.into(), told.into()));
    match eyes.become_them(environment)? {}
}

/// Whose eyes: who was asked for, else the running service's, else the unit's, else root's.
fn whose(line: &CommandLine, service: Option<&Service>, unit: &Unit) -> Result<(How, Eyes)> {
    if let Some(name) = &line.user {
        return Ok((How::Asked, Eyes::named(name)?));
    }
    if let Some(service) = service {
        return Ok((How::Service, Eyes::of_service(service)?));
    }
    let Some(name) = &unit.user else { return Ok((How::Unknown, Eyes::named("root")?)) };
    Ok(match Eyes::of_unit(unit, name)? {
        Some(eyes) => (How::Unit, eyes),
        None => (How::Dynamic, Eyes::named("root")?),
    })
}

impl Acting {
    /// Says in the report who looks; returns the name.
    pub(crate) fn told(&self, report: &Report) -> String {
        let name = self.user.name.clone();
        let name = if name.is_empty() { geteuid().to_string() } else { name };
        let text = match self.how {
            How::Anybody => return name,
            How::Asked => format!("{name}, as --user says"),
            How::Service => format!(
                "{name}, the user of the running service (process {})",
                self.pid.unwrap_or_default()
            ),
            How::Unit => {
                format!("{name}, the user of webvirtmgr-console.service, which does not run")
            }
            How::Dynamic => format!(
                "{name}: webvirtmgr-console.service has DynamicUser=yes, so its user is there only while it runs"
            ),
            How::Unknown => format!(
                "{name}: no service of webvirtmgr-console was found here; --user NAME looks with another user's eyes"
            ),
            How::Ourselves => {
                format!("{name}: only root can look with the service's eyes (sudo console-check)")
            }
        };
        who_looks(report, text);
        name
    }
}

/// Root's eyes are enough.
fn ours(line: &CommandLine, how: How) -> Acting {
    Acting { user: us(), sources: line.sources.clone(), holders: Vec::new(), pid: None, how }
}

fn after(line: &CommandLine, seen: Seen) -> Acting {
    let sources = match &seen.flags {
        Some(flags) => settings_of(flags, std::env::vars_os().collect()),
        None => line.sources.clone(),
    };
    let holders = seen
        .holders
        .into_iter()
        .map(|(address, holders)| (address, holders.into_iter().map(SeenHolder::told).collect()));
    Acting { user: us(), sources, holders: holders.collect(), pid: seen.pid, how: seen.how }
}

fn us() -> ServiceUser {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    service_user(variable("HOME"), variable("SSH_AUTH_SOCK"))
}

/// Who listens where the settings say, which only root sees in full.
fn holders(sources: &Sources) -> Vec<(SocketAddr, Vec<Holder>)> {
    let Ok(loaded) = Settings::load(sources.clone()) else { return Vec::new() };
    let mut found = Vec::new();
    for listen in &loaded.settings.server.listen {
        let ListenAddress::Tcp { host, port } = &listen.address else { continue };
        for address in (host.as_str(), *port).to_socket_addrs().into_iter().flatten() {
            found.push((address, who_listens(address)));
        }
    }
    found
}

fn proxy_among(holders: &[(SocketAddr, Vec<Holder>)]) -> Option<u32> {
    let all = holders.iter().flat_map(|(_, holders)| holders);
    all.filter(|holder| holder.program.as_deref() == Some("webvirtmgr-console"))
        .find_map(|holder| holder.pid)
}

impl SeenHolder {
    fn of(holder: &Holder) -> Self {
        let Holder { user, pid, program, .. } = holder.clone();
        Self { user, pid, program }
    }

    fn told(self) -> Holder {
        Holder::known(self.user, self.pid, self.program)
    }
}

/// What is a user's own: root's home, agent and name are not another user's.
const PERSONAL: [&str; 4] = ["HOME", "USER", "LOGNAME", "SSH_AUTH_SOCK"];

/// What is of whoever looks at the report, and of this machine.
const USUAL: [&str; 9] = [
    "PATH",
    "TERM",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "NO_COLOR",
    "COLUMNS",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// How the program hands over to itself.
const SEEN: &str = "CONSOLE_CHECK_SEEN";
