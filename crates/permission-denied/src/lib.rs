//! Whose a path is that we may not use.
//!
//! What it is: after the system has said "permission denied", [`Denied`] looks for what stands in the way (the file or socket itself, or
//! the first folder on the way to it that we may not pass) and names its owner, its mode and the user that we are.
//!
//! What it is not: it does not decide whether something is allowed, and it knows nothing of access control lists and security modules.
//!
//! # Example
//!
//! ```
//! use permission_denied::Denied;
//!
//! let denied = Denied::opening("/etc/passwd".as_ref()).unwrap();
//! assert!(denied.to_string().starts_with("/etc/passwd belongs to root:root with mode 0644, and we run as "));
//! ```

#![forbid(unsafe_code)]

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Group, Uid, User};

/// What stands in the way: the socket, or the first folder on the way to it that we may not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    path: PathBuf,
    owner: String,
    mode: u32,
    user: String,
}

impl Denied {
    /// Looks for the obstacle on the way to a file, links followed. Blocks (names of users may come over the network).
    pub fn opening(path: &Path) -> Option<Self> {
        let mut at = path.to_owned();
        for _ in 0..MAX_LINKS {
            let Ok(target) = fs::read_link(&at) else { break };
            at = at.parent().unwrap_or_else(|| Path::new("/")).join(target);
        }
        // `live/../archive` is nothing that anybody wants to read.
        let folder = at.parent().and_then(|folder| fs::canonicalize(folder).ok());
        if let (Some(folder), Some(name)) = (folder, at.file_name()) {
            at = folder.join(name);
        }
        Self::connecting(&at)
    }

    /// Looks for the obstacle on the way to a socket that is not followed if it is a link. Blocks as [`opening`](Self::opening).
    pub fn connecting(path: &Path) -> Option<Self> {
        // Of a folder that we may not pass we see itself, but nothing inside.
        // Links on the way are followed as the system does it; the socket's own is not.
        let (obstacle, seen) = path.ancestors().find_map(|at| {
            let seen = if at == path { fs::symlink_metadata(at) } else { fs::metadata(at) };
            Some((at, seen.ok()?))
        })?;
        let whole = if obstacle == path { None } else { fs::canonicalize(obstacle).ok() };
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
        Some(Self {
            path: whole.unwrap_or_else(|| obstacle.to_owned()),
            owner,
            mode: seen.mode() & PERMISSIONS,
            user,
        })
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

/// As many links as the system follows (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// The bits that chmod(1) sets.
const PERMISSIONS: u32 = 0o7777;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn the_obstacle_is_the_last_that_can_be_seen() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let link = folder.path().join("link");
        symlink("file", &link).unwrap();

        let shown = |denied: Option<Denied>| denied.unwrap().to_string();
        assert!(shown(Denied::opening(&link)).starts_with(&format!("{} ", file.display())));
        assert!(shown(Denied::opening(&link)).contains(" with mode 0640, "));
        assert!(shown(Denied::connecting(&link)).starts_with(&format!("{} ", link.display())));
        fs::create_dir(folder.path().join("live")).unwrap();
        let link = folder.path().join("live").join("link");
        symlink("../file", &link).unwrap();
        let file = file.canonicalize().unwrap();
        assert!(shown(Denied::opening(&link)).starts_with(&format!("{} ", file.display())));
        let missing = folder.path().join("no").join("such");
        let folder = format!("{} ", folder.path().display());
        assert!(shown(Denied::opening(&missing)).starts_with(&folder));
    }

    #[test]
    fn links_in_a_circle_end() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        symlink("link", &link).unwrap();
        assert!(Denied::opening(&link).is_some());
    }
}
