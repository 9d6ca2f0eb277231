//! The processes that have a socket, as far as we may see them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use nix::unistd::{Uid, User};
use procfs::process::{FDTarget, Process, all_processes};

/// A process that has a listening socket.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// The name of the user that it runs as, or the number where there is none.
    pub user: Option<String>,
    /// Its number; absent if it is another user's and we are not root, or of another PID namespace.
    pub pid: Option<u32>,
    /// Its name: of the file that was executed, or what it calls itself.
    pub program: Option<String>,
}

impl Holder {
    /// As somebody else saw it, who may see more.
    pub const fn known(user: Option<String>, pid: Option<u32>, program: Option<String>) -> Self {
        Self { user, pid, program }
    }

    /// What can be known of the process with this number and user; numbers that are not positive are of another PID namespace.
    pub(crate) fn new(pid: i32, user: u32) -> Self {
        let program = Process::new(pid).ok().and_then(|process| program(&process));
        let pid = u32::try_from(pid).ok().filter(|&pid| pid != 0);
        Self { user: Some(user_name(user)), pid, program }
    }

    fn of(process: &Process, socket_user: u32) -> Self {
        let user = process.uid().unwrap_or(socket_user);
        let pid = u32::try_from(process.pid()).ok();
        Self { user: Some(user_name(user)), pid, program: program(process) }
    }

    fn hidden(user: u32) -> Self {
        Self { user: Some(user_name(user)), pid: None, program: None }
    }
}

/// `nginx (pid 1234, user www-data)`, `process 1234 of user www-data`, `a process of user www-data`.
impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, pid, program } = self;
        // A process may call itself anything.
        match (program.as_deref().map(str::escape_debug), pid) {
            (Some(program), Some(pid)) => {
                write!(f, "{program} (pid {pid}")?;
                if let Some(user) = user {
                    write!(f, ", user {user}")?;
                }
                return f.write_str(")");
            }
            (Some(program), None) => write!(f, "{program}")?,
            (None, Some(pid)) => write!(f, "process {pid}")?,
            (None, None) => f.write_str("a process")?,
        }
        match user {
            Some(user) => write!(f, " of user {user}"),
            None => Ok(()),
        }
    }
}

/// A socket as the tables of `/proc/net` name it.
#[derive(Clone, Copy)]
pub(crate) struct Owned {
    pub(crate) inode: u64,
    /// Who made it.
    pub(crate) user: u32,
}

/// Who has one of `sockets`, by number; first of all those whose number can be seen.
pub(crate) fn holders(sockets: &[Owned]) -> Vec<Holder> {
    if sockets.is_empty() {
        return Vec::new();
    }
    let mut seen = BTreeSet::new();
    let mut found = BTreeMap::new();
    let mut left = MAX_DESCRIPTORS;
    for process in all_processes().into_iter().flatten().flatten().take(MAX_PROCESSES) {
        // Another user's, or gone by now.
        let Ok(descriptors) = process.fd() else { continue };
        for descriptor in descriptors.flatten() {
            left -= 1;
            if let FDTarget::Socket(inode) = descriptor.target
                && let Some(socket) = sockets.iter().find(|socket| socket.inode == inode)
            {
                seen.insert(inode);
                found.entry(process.pid()).or_insert_with(|| Holder::of(&process, socket.user));
            }
            if left == 0 {
                break;
            }
        }
        if left == 0 {
            break;
        }
    }
    let mut all: Vec<Holder> = found.into_values().collect();
    let hidden = sockets.iter().filter(|socket| !seen.contains(&socket.inode));
    let users: BTreeSet<u32> = hidden.map(|socket| socket.user).collect();
    all.extend(users.into_iter().map(Holder::hidden));
    all
}

fn program(process: &Process) -> Option<String> {
    let name = process.stat().ok()?.comm;
    // The kernel keeps 15 bytes of it (proc_pid_comm(5)).
    let whole = process.cmdline().ok().and_then(|arguments| {
        let file = Path::new(arguments.first()?).file_name()?.to_str()?.to_owned();
        (name.len() == COMM_LENGTH && file.starts_with(&name)).then_some(file)
    });
    Some(whole.unwrap_or(name)).filter(|name| !name.is_empty())
}

pub(crate) fn user_name(user: u32) -> String {
    let found = User::from_uid(Uid::from_raw(user));
    found.ok().flatten().map_or_else(|| user.to_string(), |user| user.name)
}

/// `TASK_COMM_LEN` without its NUL.
const COMM_LENGTH: usize = 15;

/// At most so many processes are looked at for a socket; one that comes later shows as its user alone. It is what pid_max was for
/// decades.
pub const MAX_PROCESSES: usize = 32_768;

/// And at most so many of their open files, at some microseconds each.
pub const MAX_DESCRIPTORS: usize = 262_144;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_prints_what_is_known() {
        let holder = |pid, program: Option<&str>, user: Option<&str>| {
            let program = program.map(Into::into);
            Holder { pid, program, user: user.map(Into::into) }.to_string()
        };
        assert_eq!(
            holder(Some(1234), Some("nginx"), Some("www-data")),
            "nginx (pid 1234, user www-data)"
        );
        assert_eq!(holder(Some(1234), Some("a\nb"), None), "a\\nb (pid 1234)");
        assert_eq!(holder(Some(1234), None, Some("root")), "process 1234 of user root");
        assert_eq!(holder(None, None, Some("root")), "a process of user root");
        assert_eq!(holder(None, None, None), "a process");
    }

    #[test]
    fn a_process_of_another_namespace_has_no_number() {
        assert_eq!(Holder::new(0, 0).pid, None);
        let us = Holder::new(std::process::id().try_into().unwrap(), 0);
        assert!(us.program.unwrap().starts_with("console_listen"));
    }
}
