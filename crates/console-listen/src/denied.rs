//! Whose a folder or a socket is that we may not use.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Group, Uid, User};

/// What stands in the way: a socket, a folder, or the nearest folder above that we can see at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    path: PathBuf,
    owner: String,
    mode: u32,
    user: String,
}

impl Denied {
    /// Looks for the obstacle on the way to `path`. Blocks (names of users may come over the network).
    pub(crate) fn find(path: &Path) -> Option<Self> {
        // Of a folder that we may not pass we see itself, but nothing inside.
        // Links on the way are followed as the system does it; the socket's own is not.
        let (obstacle, seen) = path.ancestors().find_map(|at| {
            let seen = if at == path { fs::symlink_metadata(at) } else { fs::metadata(at) };
            Some((at, seen.ok()?))
        })?;
        let owner = format!(
            "{}:{}",
            named(
                seen.uid(),
                User::from_uid(Uid::from_raw(seen.uid())).map(|user| user.map(|user| user.name))
            ),
            named(
                seen.gid(),
                Group::from_gid(Gid::from_raw(seen.gid()))
                    .map(|group| group.map(|group| group.name))
            )
        );
        let us = Uid::effective();
        let user = named(us.as_raw(), User::from_uid(us).map(|user| user.map(|user| user.name)));
        Some(Self { path: obstacle.to_owned(), owner, mode: seen.mode() & PERMISSIONS, user })
    }
}

/// `/run/vnc.sock belongs to root:kvm with mode 0750, and we run as nobody`.
impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, owner, mode, user } = self;
        let path = path.to_string_lossy();
        write!(
            f,
            "{} belongs to {owner} with mode {mode:04o}, and we run as {user}",
            path.escape_debug()
        )
    }
}

/// The name, or the number where there is none.
fn named(number: u32, name: nix::Result<Option<String>>) -> String {
    name.ok().flatten().unwrap_or_else(|| number.to_string())
}

/// The bits that chmod(1) sets.
const PERMISSIONS: u32 = 0o7777;
