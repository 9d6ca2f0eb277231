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
use std::path::{Component, Path, PathBuf};

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
    /// Looks for the obstacle on the way to a file or folder, which is followed if it is a link. Blocks (names of users may come over the
    /// network).
    pub fn opening(path: &Path) -> Option<Self> {
        Self::at(&furthest(path, true)?)
    }

    /// Looks for the obstacle on the way to a socket that is not followed if it is a link. Blocks as [`opening`](Self::opening).
    pub fn connecting(path: &Path) -> Option<Self> {
        Self::at(&furthest(path, false)?)
    }

    fn at(obstacle: &Path) -> Option<Self> {
        let seen = fs::symlink_metadata(obstacle).ok()?;
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

/// How far we see on the way to `path`, by its real name: of a folder that we may not pass we see itself, but nothing inside. The links on
/// the way are followed one by one, as the system does it (path_resolution(7)).
fn furthest(path: &Path, follows_last: bool) -> Option<PathBuf> {
    let mut real = PathBuf::new();
    let mut left = backwards(&std::path::absolute(path).ok()?);
    let mut links = 0;
    while let Some(part) = left.pop() {
        if part.as_os_str() == ".." {
            real.pop();
            continue;
        }
        // The root in front of a link's target begins anew.
        let next = real.join(&part);
        let Ok(seen) = fs::symlink_metadata(&next) else { break };
        let is_followed = seen.is_symlink() && (follows_last || !left.is_empty());
        match fs::read_link(&next) {
            Ok(target) if is_followed && links < MAX_LINKS => {
                links += 1;
                left.extend(backwards(&target));
            }
            _ => real = next,
        }
    }
    Some(real)
}

/// The parts of a path, its first one last.
fn backwards(path: &Path) -> Vec<PathBuf> {
    let parts = path.components().rev().filter(|part| *part != Component::CurDir);
    parts.map(|part| part.as_os_str().into()).collect()
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
    fn links_are_followed_as_the_system_does_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("real/inner")).unwrap();
        symlink("real/inner", root.join("relative")).unwrap();
        symlink(root.join("relative"), root.join("absolute")).unwrap();
        symlink("missing", root.join("dangling")).unwrap();
        for (path, opening, connecting) in [
            ("absolute", "real/inner", "absolute"),
            ("absolute/", "real/inner", "absolute"),
            ("absolute/..", "real", "real"),
            ("absolute/../x", "real", "real"),
            ("relative/./x/y", "real/inner", "real/inner"),
            ("dangling", "", "dangling"),
            ("dangling/x", "", ""),
        ] {
            let path = root.join(path);
            let shown = |part: &str| root.join(part).components().collect::<PathBuf>();
            assert_eq!(Denied::opening(&path).unwrap().path, shown(opening), "{}", path.display());
            assert_eq!(Denied::connecting(&path).unwrap().path, shown(connecting));
        }
    }

    #[test]
    fn links_in_a_circle_end() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        symlink("link", &link).unwrap();
        assert!(Denied::opening(&link).is_some());
    }
}
