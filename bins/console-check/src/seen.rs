//! What root saw before it became somebody else, handed over in memory: an environment is seen by every child.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use console_config::{Flag, KEYS, Sources};
use console_listen::Holder;
use rustix::fs::{MemfdFlags, memfd_create};
use serde::{Deserialize, Serialize};

use crate::told::is_setting;
use crate::whose::Whose;

/// What root saw before it became somebody else.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) whose: Whose,
    pub(crate) open_files: Option<u64>,
    file: PathBuf,
    file_required: bool,
    environment: Vec<(String, String)>,
    flags: Vec<(String, String)>,
    holders: Vec<(SocketAddr, Vec<SeenHolder>)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SeenHolder {
    user: Option<String>,
    pid: Option<u32>,
    program: Option<String>,
}

impl Seen {
    pub(crate) fn new(
        whose: Whose,
        sources: Sources,
        holders: Vec<(SocketAddr, Vec<Holder>)>,
        open_files: Option<u64>,
    ) -> Self {
        let Sources { file, file_required, environment, flags } = sources;
        let of = |Holder { user, pid, program, .. }| SeenHolder { user, pid, program };
        Self {
            whose,
            open_files,
            file,
            file_required,
            environment: environment.into_iter().filter(|(name, _)| is_setting(name)).collect(),
            flags: flags.into_iter().map(|flag| (flag.key.to_owned(), flag.value)).collect(),
            holders: holders
                .into_iter()
                .map(|(address, who)| (address, who.into_iter().map(of).collect()))
                .collect(),
        }
    }

    /// The settings to look at.
    pub(crate) fn sources(&self) -> Sources {
        let key = |name: &str| KEYS.iter().find(|key| key.name == name).map(|key| key.name);
        let flag =
            |(name, value): &(String, String)| Some(Flag { key: key(name)?, value: value.clone() });
        Sources {
            file: self.file.clone(),
            file_required: self.file_required,
            environment: self.environment.clone(),
            flags: self.flags.iter().filter_map(flag).collect(),
        }
    }

    /// Who listens.
    pub(crate) fn holders(self) -> Vec<(SocketAddr, Vec<Holder>)> {
        let known = |one: SeenHolder| Holder::known(one.user, one.pid, one.program);
        let all = self.holders.into_iter();
        all.map(|(address, who)| (address, who.into_iter().map(known).collect())).collect()
    }

    /// For the program that this process becomes: what holds it until then, and the variable that says where it is.
    pub(crate) fn hand_over(&self) -> Result<(OwnedFd, (OsString, OsString))> {
        let cannot = "cannot hand over what was seen";
        let bytes = serde_json::to_vec(self).context(cannot)?;
        let mut file = File::from(memfd_create("seen", MemfdFlags::empty()).context(cannot)?);
        file.write_all(&bytes).context(cannot)?;
        let place = format!("{DESCRIPTOR}{}", file.as_raw_fd());
        Ok((file.into(), (SEEN.into(), place.into())))
    }

    /// What was handed over to this process, if anything.
    pub(crate) fn take() -> Result<Option<Self>> {
        let Some(place) = std::env::var_os(SEEN) else { return Ok(None) };
        let number = place.to_str().and_then(|place| place.strip_prefix(DESCRIPTOR)?.parse().ok());
        let seen = number.context("it names no descriptor").and_then(Self::read);
        seen.map(Some).with_context(|| format!("{SEEN} is set, and not by this program: unset it"))
    }

    fn read(number: i32) -> Result<Self> {
        ensure!(number > 2, "that descriptor is something else");
        let mut bytes = Vec::new();
        let file = File::open(format!("/proc/self/fd/{number}"))?;
        ensure!(file.metadata()?.is_file(), "that descriptor is something else");
        file.take(MAX_SEEN).read_to_end(&mut bytes)?;
        let seen = serde_json::from_slice(&bytes)?;
        // Nor is it for our children.
        nix::unistd::close(number)?;
        Ok(seen)
    }
}

/// How the program says to itself where it is.
const SEEN: &str = "CONSOLE_CHECK_SEEN";
const DESCRIPTOR: &str = "fd:";

/// An environment and flags have less than 2 MiB together on all usual systems (execve(2)), and JSON's escapes make of it a few times as much.
const MAX_SEEN: u64 = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whose::How;

    #[test]
    fn what_is_handed_over_arrives_and_is_gone() {
        let mut sources = Sources { file: "/c".into(), file_required: true, ..Sources::default() };
        sources.environment.push(("WS_DATABASE_URL".into(), "mysql://u:secret@h/d".into()));
        sources.flags.push(Flag { key: "port", value: "6081".into() });
        let mut given = sources.clone();
        given.environment.push(("PASSWORD".into(), "of somebody".into()));
        let holder = Holder::known(Some("u".into()), Some(7), None);
        let holders = vec![(([127, 0, 0, 1], 6081).into(), vec![holder])];
        let whose = Whose::new(How::Unit);
        let seen = Seen::new(whose.clone(), given, holders.clone(), Some(1024));
        let (descriptor, (_, place)) = seen.hand_over().unwrap();
        let place = place.into_string().unwrap();
        assert!(!place.contains("secret"));
        let number: i32 = place.strip_prefix("fd:").unwrap().parse().unwrap();
        // As after exec(2): nobody else closes it.
        assert_eq!(std::os::fd::IntoRawFd::into_raw_fd(descriptor), number);
        let read = Seen::read(number).unwrap();
        assert_eq!((&read.whose, read.open_files, read.sources()), (&whose, Some(1024), sources));
        assert_eq!(read.holders(), holders);
        assert!(Seen::read(0).is_err());
    }
}
