//! What lets us in: a command for whoever may give it.

use std::fs;
use std::path::Path;

use crate::{Denied, Kind, Part, quoted, shell};

impl Denied {
    /// How to let our user use `wanted`, the path that was asked about: a command to paste, or what to do where none is good. Blocks.
    ///
    /// A folder on the way is to be passed (`chmod o+x`), the file or socket itself to be read or written by our primary group. A home is left
    /// closed. Where the mode allows it already, the command is one that shows what else may deny it.
    ///
    /// ```
    /// use permission_denied::Denied;
    ///
    /// let path = "/etc/passwd".as_ref();
    /// let remedy = Denied::opening(path).unwrap().remedy(path);
    /// // Everybody may read it, so nothing is to be changed there.
    /// assert!(remedy.starts_with("its mode allows it"));
    /// ```
    pub fn remedy(&self, wanted: &Path) -> String {
        let (user, path) = (&self.user, quoted(&self.path));
        let is_on_the_way = self.kind == Kind::Folder && !is_same(&self.path, wanted);
        let needed = match self.kind {
            Kind::Folder if is_on_the_way => "x",
            Kind::Folder => "rx",
            Kind::Socket => "rw",
            Kind::File => "r",
        };
        let part = self.part;
        if self.allows(needed) {
            return format!(
                "its mode allows it: see its access control list (getfacl {path}), SELinux or AppArmor (journalctl -k), and what systemd hides (ProtectHome, InaccessiblePaths)"
            );
        }
        match part {
            Part::Owner => format!("chmod u+{needed} {path}"),
            _ if is_on_the_way && self.is_home => {
                format!("move the file elsewhere, for {path} is not for {user} to pass")
            }
            Part::Group => format!("chmod g+{needed} {path}"),
            Part::Others if is_on_the_way => format!("chmod o+x {path}"),
            Part::Others => {
                format!("chgrp {} {path} && chmod g+{needed} {path}", shell::word(&self.group))
            }
        }
    }

    /// Whether our part of the mode has all that is `needed`.
    fn allows(&self, needed: &str) -> bool {
        let ours = match self.part {
            Part::Owner => self.mode >> 6,
            Part::Group => self.mode >> 3,
            Part::Others => self.mode,
        };
        let bit = |one| match one {
            'r' => 4,
            'w' => 2,
            _ => 1,
        };
        needed.chars().all(|one| ours & bit(one) != 0)
    }
}

/// Whether the obstacle is what was wanted; what is behind a folder that we may not pass has no real name for us.
fn is_same(obstacle: &Path, wanted: &Path) -> bool {
    fs::canonicalize(wanted).is_ok_and(|real| real == obstacle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(path: &str, kind: Kind, part: Part, mode: u32) -> Denied {
        Denied {
            path: path.into(),
            owner: "root:root".into(),
            mode,
            user: "console".into(),
            group: "console".into(),
            kind,
            part,
            is_home: path.starts_with("/home"),
        }
    }

    #[test]
    fn each_obstacle_has_its_command() {
        let wanted = "/nowhere/at/all";
        for (path, kind, part, mode, expected) in [
            ("/etc/x", Kind::Folder, Part::Others, 0o750, "chmod o+x /etc/x"),
            ("/etc/x y", Kind::Folder, Part::Others, 0o750, "chmod o+x '/etc/x y'"),
            ("/etc/x", Kind::Folder, Part::Group, 0o700, "chmod g+x /etc/x"),
            ("/home/a", Kind::Folder, Part::Owner, 0o000, "chmod u+x /home/a"),
            (
                "/home/a",
                Kind::Folder,
                Part::Others,
                0o750,
                "move the file elsewhere, for /home/a is not for console to pass",
            ),
            (
                "/etc/it's",
                Kind::File,
                Part::Others,
                0o600,
                r"chgrp console '/etc/it'\''s' && chmod g+r '/etc/it'\''s'",
            ),
            ("/home/a/x", Kind::File, Part::Group, 0o600, "chmod g+r /home/a/x"),
            ("/etc/x", Kind::File, Part::Owner, 0o000, "chmod u+r /etc/x"),
            (
                "/run/x.sock",
                Kind::Socket,
                Part::Others,
                0o660,
                "chgrp console /run/x.sock && chmod g+rw /run/x.sock",
            ),
        ] {
            assert_eq!(denied(path, kind, part, mode).remedy(wanted.as_ref()), expected);
        }
        let allowed = denied("/etc/x", Kind::Folder, Part::Others, 0o751).remedy(wanted.as_ref());
        assert!(allowed.contains("getfacl /etc/x"), "{allowed}");
    }

    #[test]
    fn a_folder_that_is_wanted_itself_is_to_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap();
        let path = real.to_str().unwrap();
        let denied = denied(path, Kind::Folder, Part::Others, 0o700);
        assert_eq!(
            denied.remedy(folder.path()),
            format!("chgrp console {path} && chmod g+rx {path}")
        );
        assert_eq!(denied.remedy(&real.join("file")), format!("chmod o+x {path}"));
    }
}
