//! Whose a path is that we may not use.
//!
//! What it is: after the system has said "permission denied", [`Denied`] looks for what stands in the way (the file or socket itself, or
//! the first folder on the way to it that we may not pass) and names its owner, its mode and the user that we are. [`Denied::remedy`] is the
//! command that lets us in, and [`quoted`] writes a path as such commands have it.
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
//! assert_eq!(denied.path().to_str(), Some("/etc/passwd"));
//! ```

#![forbid(unsafe_code)]

mod remedy;
mod shell;

pub use shell::quoted;

use std::fmt;
use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Component, Path, PathBuf};

use nix::unistd::{Gid, Group, Uid, User};

/// What stands in the way: the socket, or the first folder on the way to it that we may not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    path: PathBuf,
    owner: Box<str>,
    mode: u32,
    user: Box<str>,
    /// Our primary group.
    group: Box<str>,
    kind: Kind,
    part: Part,
    /// Somebody's home, or in one.
    is_home: bool,
}

/// What it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Folder,
    Socket,
    /// Or a device, or a pipe.
    File,
}

/// Which part of its mode is for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Owner,
    Group,
    Others,
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

    /// What stands in the way, by its real name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Who we are: our effective user's name, or its number where there is none.
    pub fn user(&self) -> &str {
        &self.user
    }

    fn at(obstacle: &Path) -> Option<Self> {
        let seen = fs::symlink_metadata(obstacle).ok()?;
        let (owner, us) = (user(Uid::from_raw(seen.uid())), user(Uid::effective()));
        let our_group = us.as_ref().map_or_else(Gid::effective, |us| us.gid);
        let owner_name =
            owner.as_ref().map_or_else(|| seen.uid().to_string(), |owner| owner.name.clone());
        let us_name = us.map_or_else(|| Uid::effective().to_string(), |us| us.name);
        Some(Self {
            path: obstacle.to_owned(),
            owner: format!("{owner_name}:{}", group(Gid::from_raw(seen.gid()))).into(),
            mode: seen.mode() & PERMISSIONS,
            user: us_name.into(),
            group: group(our_group).into(),
            kind: kind(&seen),
            part: match () {
                () if seen.uid() == Uid::effective().as_raw() => Part::Owner,
                () if [our_group, Gid::effective()].map(Gid::as_raw).contains(&seen.gid()) => {
                    Part::Group
                }
                () => Part::Others,
            },
            is_home: is_in_home(obstacle, owner.as_ref()),
        })
    }
}

fn kind(seen: &Metadata) -> Kind {
    match seen.file_type() {
        kind if kind.is_dir() => Kind::Folder,
        kind if kind.is_socket() => Kind::Socket,
        _ => Kind::File,
    }
}

/// Users of services have their homes elsewhere, some of them at the root.
fn is_in_home(path: &Path, owner: Option<&User>) -> bool {
    let own = owner.map(|owner| owner.dir.as_path()).filter(|home| *home != Path::new("/"));
    HOMES.iter().map(Path::new).chain(own).any(|home| path.starts_with(home))
}

fn user(id: Uid) -> Option<User> {
    User::from_uid(id).ok().flatten()
}

/// The name, or the number where there is none.
fn group(id: Gid) -> String {
    let found = Group::from_gid(id).ok().flatten();
    found.map_or_else(|| id.to_string(), |group| group.name)
}

/// `/run/vnc.sock belongs to root:kvm with mode 0750, and we run as nobody`.
impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, owner, mode, user, .. } = self;
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

/// As many links as the system follows (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// Where homes are.
const HOMES: [&str; 2] = ["/root", "/home"];

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
    fn homes_are_told() {
        let own = User::from_uid(Uid::from_raw(0)).unwrap().unwrap();
        for (path, expected) in [
            ("/root", true),
            ("/home/a/b", true),
            ("/homework", false),
            ("/var/lib/a/x", true),
            ("/var/lib", false),
        ] {
            let owner = User { dir: "/var/lib/a".into(), ..own.clone() };
            assert_eq!(is_in_home(path.as_ref(), Some(&owner)), expected, "{path}");
        }
        let owner = User { dir: "/".into(), ..own };
        assert!(!is_in_home("/etc".as_ref(), Some(&owner)));
    }

    #[test]
    fn who_we_are_and_what_it_is() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let denied = Denied::opening(file.path()).unwrap();
        assert_eq!(denied.path(), file.path().canonicalize().unwrap());
        assert_eq!((denied.kind, denied.part), (Kind::File, Part::Owner));
        assert!(denied.to_string().ends_with(&format!("we run as {}", denied.user())));
        assert_eq!(Denied::opening("/".as_ref()).unwrap().kind, Kind::Folder);
    }

    #[test]
    fn links_in_a_circle_end() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        symlink("link", &link).unwrap();
        assert!(Denied::opening(&link).is_some());
    }
}
