//! With whose eyes to look. Root becomes the service's user for good and runs this program anew, with the service's environment: that libvirt's
//! client and ssh find the same home, keys and agent as the service's do.

use std::ffi::OsString;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use console_assembly::{ServiceUser, service_user};
use console_config::{ListenAddress, Settings, Sources};
use console_diagnosis::{Report, who_looks};
use console_listen::{Holder, who_listens};
use nix::unistd::{Gid, Uid, User, geteuid, getgrouplist, setgid, setgroups, setuid};
use serde::{Deserialize, Serialize};

use crate::cli::{CommandLine, settings_of};
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
    /// The service's own flags, if they count.
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
    let flags =
        service.as_ref().filter(|_| !line.has_settings).map(|service| service.flags.clone());
    if let (Some(flags), Some(service)) = (&flags, &service) {
        // It may listen elsewhere than our own environment says.
        holders = self::holders(&settings_of(flags, service.environment.clone()));
    }
    let seen = |how| Seen {
        how,
        pid,
        flags: flags.clone(),
        holders: holders
            .iter()
            .map(|(address, who)| (*address, who.iter().map(SeenHolder::of).collect()))
            .collect(),
    };
    let environment = match &service {
        Some(service) if flags.is_some() => service.environment.clone(),
        _ => std::env::vars_os().collect(),
    };
    if let Some(name) = &line.user {
        let user = named(name)?;
        return become_user(&user, groups_of(&user)?, environment, &seen(How::Asked));
    }
    if let Some(service) = &service {
        let groups = service.groups.iter().copied().map(Gid::from_raw).collect();
        let user = Uid::from_raw(service.uid);
        if user.is_root() && flags.is_none() {
            return Ok(after(line, seen(How::Service)));
        }
        let user = User::from_uid(user)?.unwrap_or_else(|| nameless(service));
        return become_user(&user, groups, environment, &seen(How::Service));
    }
    match unit.user {
        Some(name) if name != "root" => {
            let user = named(&name).context("webvirtmgr-console.service has that user")?;
            become_user(&user, groups_of(&user)?, environment, &seen(How::Unit))
        }
        _ => Ok(after(line, seen(How::Unknown))),
    }
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

fn named(name: &str) -> Result<User> {
    User::from_name(name)
        .with_context(|| format!("user {name} cannot be looked up"))?
        .with_context(|| format!("there is no user {name}: getent passwd lists them"))
}

/// systemd's dynamic users have no entry where its NSS module is missing.
fn nameless(service: &Service) -> User {
    User {
        name: service.uid.to_string(),
        passwd: c"".to_owned(),
        uid: Uid::from_raw(service.uid),
        gid: Gid::from_raw(service.gid),
        gecos: c"".to_owned(),
        dir: "/nonexistent".into(),
        shell: "/usr/sbin/nologin".into(),
    }
}

fn groups_of(user: &User) -> Result<Vec<Gid>> {
    let name = std::ffi::CString::new(user.name.as_str()).context("the user's name has a NUL")?;
    getgrouplist(&name, user.gid)
        .with_context(|| format!("the groups of {} cannot be read", user.name))
}

/// Gives up being root for good.
fn become_user(
    user: &User,
    groups: Vec<Gid>,
    environment: Vec<(OsString, OsString)>,
    seen: &Seen,
) -> Result<Acting> {
    let cannot = || format!("cannot become user {}", user.name);
    setgroups(&groups).with_context(cannot)?;
    setgid(user.gid).with_context(cannot)?;
    setuid(user.uid).with_context(cannot)?;
    let usual = [
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
    let ours =
        usual.iter().filter_map(|name| Some((OsString::from(name), std::env::var_os(name)?)));
    let is_ours = |name: &OsString| {
        let name = name.to_string_lossy();
        name == "HOME" || name == "USER" || name == "LOGNAME" || name == "SSH_AUTH_SOCK"
    };
    // Root's home, agent and name are not that user's.
    let is_services = seen.flags.is_some();
    let theirs = environment.into_iter().filter(|(name, _)| is_services || !is_ours(name));
    let error = Command::new("/proc/self/exe")
        .arg0("console-check")
        .args(std::env::args_os().skip(1))
        .env_clear()
        .env("HOME", &user.dir)
        .env("USER", &user.name)
        .env("LOGNAME", &user.name)
        .envs(theirs)
        .envs(ours)
        .env(SEEN, serde_json::to_string(seen).context("cannot hand over what was seen")?)
        .current_dir("/")
        .exec();
    Err(error).context("cannot run this program as that user")
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

/// How the program hands over to itself.
const SEEN: &str = "CONSOLE_CHECK_SEEN";
