//! Files of the HTML5 clients (noVNC), which are other projects' and lie in a folder of this machine.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use tracing::{info, warn};

/// Where noVNC is looked for when `web_root` is not set: Debian's package, then global installs of the npm package.
pub const NOVNC_FOLDERS: [&str; 4] = [
    "/usr/share/novnc",
    "/usr/lib/node_modules/@novnc/novnc",
    "/usr/local/lib/node_modules/@novnc/novnc",
    "/usr/share/nodejs/@novnc/novnc",
];

/// A folder whose files may be served, and nothing outside it.
#[derive(Debug)]
pub(crate) struct ClientFiles {
    /// Canonical, so that a file's own canonical path can be compared with it.
    root: PathBuf,
}

/// A file's content and what it is.
#[derive(Debug)]
pub(crate) struct ClientFile {
    pub(crate) content_type: &'static str,
    pub(crate) content: Bytes,
}

impl ClientFiles {
    /// noVNC's folder: `web_root` alone where it is set, else the first of [`NOVNC_FOLDERS`] that has it.
    pub(crate) fn novnc(web_root: Option<&Path>) -> Option<Self> {
        let found = match web_root {
            Some(folder) => Self::with_novnc(folder),
            None => NOVNC_FOLDERS.iter().find_map(|folder| Self::with_novnc(Path::new(folder))),
        };
        match (&found, web_root) {
            (Some(files), _) => {
                info!(folder = %files.root.display(), "the console page uses noVNC")
            }
            (None, Some(folder)) => warn!(
                web_root = %folder.display(),
                "the console page is off: web_root has no core/rfb.js; it must be noVNC's own folder"
            ),
            (None, None) => warn!(
                remedy = GET_NOVNC,
                "the console page is off: noVNC's files were not found; WebSockets work all the same"
            ),
        }
        found
    }

    fn with_novnc(folder: &Path) -> Option<Self> {
        let root = folder.canonicalize().ok()?;
        root.join("core/rfb.js").is_file().then_some(Self { root })
    }

    /// The file at `path`, relative to the folder; `None` for everything that is not a plain file of a known type in it.
    pub(crate) async fn read(&self, path: &str) -> Option<ClientFile> {
        let content_type = content_type(path)?;
        if !path.split('/').all(is_plain_name) {
            return None;
        }
        // A link may lead out of the folder.
        let file = tokio::fs::canonicalize(self.root.join(path)).await.ok()?;
        let metadata = tokio::fs::metadata(&file).await.ok()?;
        if !file.starts_with(&self.root) || !metadata.is_file() || metadata.len() > MAX_FILE {
            return None;
        }
        let content = tokio::fs::read(&file).await.ok()?.into();
        Some(ClientFile { content_type, content })
    }
}

/// What to do where the client's files are missing.
pub(crate) const GET_NOVNC: &str = "install Debian's package novnc or the npm package @novnc/novnc, or set web_root to noVNC's folder, then restart";

/// `Content-Type` by the name's ending; only what a browser client consists of is served.
fn content_type(path: &str) -> Option<&'static str> {
    let (_, ending) = path.rsplit_once('.')?;
    TYPES.iter().find(|(known, _)| *known == ending).map(|(_, content_type)| *content_type)
}

/// One step of a path that stays where it is: no `..`, no hidden file, nothing that needs decoding.
fn is_plain_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

const TYPES: [(&str, &str); 6] = [
    ("js", "text/javascript; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("json", "application/json"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("wasm", "application/wasm"),
];

/// The largest file served, in bytes; noVNC's largest has 0.3 MiB.
const MAX_FILE: u64 = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn serves_the_folder_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let root = parent.path().join("novnc");
        std::fs::create_dir_all(root.join("core")).unwrap();
        std::fs::write(root.join("core/rfb.js"), "export {}").unwrap();
        std::fs::write(root.join("core/.hidden.js"), "no").unwrap();
        std::fs::write(root.join("core/notes.txt"), "no").unwrap();
        std::fs::write(parent.path().join("secret.js"), "no").unwrap();
        std::fs::create_dir(root.join("folder.js")).unwrap();
        std::os::unix::fs::symlink(parent.path().join("secret.js"), root.join("link.js")).unwrap();
        std::os::unix::fs::symlink("core/rfb.js", root.join("inside.js")).unwrap();

        let files = ClientFiles::novnc(Some(&root)).unwrap();
        for good in ["core/rfb.js", "inside.js"] {
            let file = files.read(good).await.unwrap();
            assert_eq!(&file.content[..], b"export {}", "{good}");
            assert_eq!(file.content_type, "text/javascript; charset=utf-8");
        }
        for bad in [
            "",
            "core",
            "core/",
            "core/../core/rfb.js",
            "../secret.js",
            "..%2fsecret.js",
            "/etc/x.js",
            "core//rfb.js",
            "core/.hidden.js",
            "core/notes.txt",
            "link.js",
            "folder.js",
            "core\\rfb.js",
            "core/rfb.js\0",
            "missing.js",
            ".js",
        ] {
            assert!(files.read(bad).await.is_none(), "{bad:?} was served");
        }
    }

    #[test]
    fn a_folder_without_novnc_turns_the_page_off() {
        let empty = tempfile::tempdir().unwrap();
        assert!(ClientFiles::novnc(Some(empty.path())).is_none());
        assert!(ClientFiles::novnc(Some(Path::new("/nonexistent"))).is_none());
    }
}
