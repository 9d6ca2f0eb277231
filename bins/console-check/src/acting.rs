//! With whose eyes to look. Root becomes the service's user for good and runs this program anew, with the service's home and agent: that libvirt's
//! client and ssh find the same keys as the service's do.

use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use console_assembly::{ServiceUser, service_user};
use console_config::{Settings, Sources};
use console_diagnosis::{Report, who_looks};
use console_listen::Holder;
use nix::unistd::{User, geteuid};

use crate::cli::CommandLine;
use crate::eyes::Eyes;
use crate::port::{holders, proxy_among};
use crate::process::{Service, is_apart, running};
use crate::seen::Seen;
use crate::told::{Told, over};
use crate::unit::Unit;
use crate::whose::{How, Others, Whence, Whose};

/// Who looks, and at what.
#[derive(Debug)]
pub(crate) struct Acting {
    pub(crate) user: ServiceUser,
    pub(crate) sources: Sources,
    pub(crate) holders: Vec<(SocketAddr, Vec<Holder>)>,
    pub(crate) pid: Option<u32>,
    /// How many files the service may have open, which does not run.
    pub(crate) open_files: Option<u64>,
    whose: Whose,
}

/// Finds out, and does not return if that needs another user: this program then runs anew.
pub(crate) fn find(line: &CommandLine) -> Result<Acting> {
    if !line.task.needs_service() {
        return Ok(Acting::ours(line, How::Anybody));
    }
    if let Some(seen) = Seen::take()? {
        return Ok(Acting::after(seen));
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
        return Ok(Acting::ours(line, How::Ourselves));
    }
    let unit = Unit::find();
    let (pid, others) = which(line, &unit);
    let service = pid.and_then(Service::of);
    let told = service.as_ref().map_or(unit.told.as_ref(), |service| Some(&service.told));
    let base = told.filter(|_| !line.has_own_settings());
    let sources = match base {
        Some(base) => over(&line.sources, base.sources()),
        None => line.sources.clone(),
    };
    let settings = match base {
        None => Whence::Ours,
        Some(_) if line.has_settings() => Whence::Both,
        Some(_) => Whence::Theirs,
    };
    let (how, eyes) = eyes(line, service.as_ref(), &unit)?;
    let is_theirs =
        how == How::Unit || service.as_ref().is_some_and(|one| one.uid == eyes.uid().as_raw());
    // It may listen elsewhere than our own settings say.
    let loaded = Settings::load(sources.clone()).ok().map(|loaded| loaded.settings);
    let is_units = how == How::Unit || pid.is_some() && pid == unit.pid;
    let hidden = if is_units { unit.hidden.as_slice() } else { &[] };
    let hidden = hidden_files(hidden, &sources, loaded.as_ref());
    let holders = loaded.map(|settings| holders(&settings.server)).unwrap_or_default();
    let open_files = unit.open_files.filter(|_| service.is_none());
    let whose = Whose { how, pid, settings, others, hidden };
    let seen = Seen::new(whose, sources, holders, open_files);
    // Root with settings of its own is who it is already.
    if eyes.uid().is_root() && base.is_none() {
        return Ok(Acting::after(seen));
    }
    let (_handed_over, variable) = seen.hand_over()?;
    let mut environment = environment(told.filter(|_| is_theirs));
    environment.push(variable);
    match eyes.become_them(environment)? {}
}

/// The service's process, and those that it is not. A port that somebody names says which; otherwise the unit does.
fn which(line: &CommandLine, unit: &Unit) -> (Option<u32>, Others) {
    let by_port = || {
        let loaded = Settings::load(line.sources.clone()).ok()?;
        proxy_among(&holders(&loaded.settings.server))
    };
    let found =
        if line.has_settings() { by_port().or(unit.pid) } else { unit.pid.or_else(by_port) };
    let is_ours = |pid| Some(pid) == unit.pid || line.has_own_settings() || !is_apart(pid);
    let all = match found {
        Some(pid) => vec![pid],
        None if line.has_settings() => Vec::new(),
        None => running(PROGRAM),
    };
    let (own, apart): (Vec<u32>, Vec<u32>) = all.into_iter().partition(|pid| is_ours(*pid));
    match (own.as_slice(), apart.as_slice()) {
        ([], []) => (None, Others::None),
        ([pid], _) => (Some(*pid), Others::None),
        ([], [pid]) => (None, Others::Apart(*pid)),
        ([], _) => (None, Others::Several(apart)),
        _ => (None, Others::Several(own)),
    }
}

/// Whose eyes: who was asked for, else the running service's, else the unit's, else root's.
fn eyes(line: &CommandLine, service: Option<&Service>, unit: &Unit) -> Result<(How, Eyes)> {
    if let Some(name) = &line.user {
        return Ok((How::Asked, Eyes::named(name)?));
    }
    if let Some(service) = service {
        return Ok((How::Service, Eyes::of_service(service)?));
    }
    let Some(name) = unit.user.as_ref().filter(|_| unit.pid.is_none()) else {
        return Ok((How::Unknown, Eyes::named("root")?));
    };
    Ok(match Eyes::of_unit(unit, name)? {
        Some(eyes) => (How::Unit, eyes),
        None => (How::Dynamic, Eyes::named("root")?),
    })
}

/// What another user gets of an environment: of ours what is this terminal's, of the service's what is that user's own.
fn environment(theirs: Option<&Told>) -> Vec<(OsString, OsString)> {
    let own = USUAL.iter().filter_map(|name| Some((name.into(), std::env::var_os(name)?)));
    let theirs = theirs.into_iter().flat_map(|told| &told.environment);
    own.chain(theirs.filter(|(name, _)| is_personal(name)).cloned()).collect()
}

fn is_personal(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    PERSONAL.contains(&name) || PERSONAL_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Files of the settings that lie where the unit sees others, or none.
fn hidden_files(folders: &[&str], sources: &Sources, settings: Option<&Settings>) -> Vec<String> {
    let tls = settings.and_then(|settings| settings.server.tls.as_ref());
    let files = [Some(&sources.file), tls.map(|tls| &tls.cert)];
    let is_hidden = |file: &&Path| folders.iter().any(|folder| file.starts_with(folder));
    let files = files.into_iter().flatten().map(PathBuf::as_path);
    files.filter(is_hidden).map(|file| file.display().to_string()).collect()
}

impl Acting {
    /// Says in the report who looks; returns the name.
    pub(crate) fn told(&self, report: &Report) -> String {
        let name = self.user.name.clone();
        let name = if name.is_empty() { geteuid().to_string() } else { name };
        if let Some((text, remedy)) = self.whose.told(&name) {
            who_looks(report, text, remedy);
        }
        name
    }

    /// With our own rights and settings, whatever the service has.
    fn ours(line: &CommandLine, how: How) -> Self {
        Self {
            user: us(),
            sources: line.sources.clone(),
            holders: Vec::new(),
            pid: None,
            open_files: None,
            whose: Whose::new(how),
        }
    }

    fn after(seen: Seen) -> Self {
        Self {
            user: us(),
            sources: seen.sources(),
            pid: seen.whose.pid,
            open_files: seen.open_files,
            whose: seen.whose.clone(),
            holders: seen.holders(),
        }
    }
}

fn us() -> ServiceUser {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    service_user(variable("HOME"), variable("SSH_AUTH_SOCK"))
}

/// The proxy's name, as its file has it.
pub(crate) const PROGRAM: &str = "webvirtmgr-console";

/// What is of whoever looks at the report.
const USUAL: [&str; 7] = ["PATH", "TERM", "LANG", "LC_ALL", "LC_CTYPE", "NO_COLOR", "COLUMNS"];

/// What is a user's own: root's home, agent and name are not another user's.
const PERSONAL: [&str; 4] = ["HOME", "USER", "LOGNAME", "SSH_AUTH_SOCK"];
const PERSONAL_PREFIXES: [&str; 3] = ["XDG_", "LIBVIRT_", "SSL_CERT_"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_user_gets_no_secret_and_nothing_of_roots() {
        let told = Told {
            environment: [
                ("HOME", "/h"),
                ("XDG_RUNTIME_DIR", "/run/user/7"),
                ("LIBVIRT_DEFAULT_URI", "test:///default"),
                ("WS_DATABASE_URL", "mysql://u:secret@h/d"),
                ("AWS_SECRET_ACCESS_KEY", "secret"),
                ("LD_PRELOAD", "/x.so"),
            ]
            .map(|(name, value)| (name.into(), value.into()))
            .to_vec(),
            ..Told::default()
        };
        let names = |told| {
            let usual = |name: &OsString| USUAL.iter().any(|usual| name == usual);
            let names = environment(told).into_iter().map(|(name, _)| name);
            names.filter(|name| !usual(name)).collect::<Vec<_>>()
        };
        assert_eq!(names(Some(&told)), ["HOME", "XDG_RUNTIME_DIR", "LIBVIRT_DEFAULT_URI"]);
        assert!(names(None).is_empty());
    }

    #[test]
    fn files_that_the_unit_does_not_see() {
        let mut sources = Sources { file: "/root/c.toml".into(), ..Sources::default() };
        assert_eq!(hidden_files(&["/home", "/root"], &sources, None), ["/root/c.toml"]);
        assert!(hidden_files(&["/tmp"], &sources, None).is_empty());
        sources.file = "/rooted/c.toml".into();
        assert!(hidden_files(&["/root"], &sources, None).is_empty());
    }
}
