//! Files of the HTML5 clients (noVNC, spice-html5), which are other projects' and lie in folders of this machine.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use console_route::ConsoleKind;
use tracing::{info, warn};

/// One of the HTML5 clients.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) name: &'static str,
    /// The folder's name under `/console/`.
    pub(crate) folder: &'static str,
    /// Where it is looked for when its setting is not set.
    usual: &'static [&'static str],
    setting: &'static str,
    /// A file that tells its folder from others.
    mark: &'static str,
    /// What to do where its files are missing.
    pub(crate) how_to_get: &'static str,
}

pub(crate) const NOVNC: Client = Client {
    name: "noVNC",
    folder: "novnc",
    usual: &NOVNC_FOLDERS,
    setting: "web_root",
    mark: "core/rfb.js",
    how_to_get: "install Debian's package novnc or the npm package @novnc/novnc, or set web_root to noVNC's folder, then restart",
};

pub(crate) const SPICE_HTML5: Client = Client {
    name: "spice-html5",
    folder: "spice-html5",
    usual: &SPICE_FOLDERS,
    setting: "spice_root",
    mark: "spiceconn.js",
    how_to_get: "install Debian's package spice-html5, or set spice_root to the folder of its main.js, then restart",
};

/// Where noVNC is looked for when `web_root` is not set: Debian's package, then global installs of the npm package.
pub const NOVNC_FOLDERS: [&str; 4] = [
    "/usr/share/novnc",
    "/usr/lib/node_modules/@novnc/novnc",
    "/usr/local/lib/node_modules/@novnc/novnc",
    "/usr/share/nodejs/@novnc/novnc",
];

/// Where spice-html5 is looked for when `spice_root` is not set: Debian's package, then Fedora's and that of later versions.
pub const SPICE_FOLDERS: [&str; 2] = ["/usr/share/spice-html5", "/usr/share/spice-html5/src"];

/// The clients whose files were found.
#[derive(Debug)]
pub(crate) struct Clients {
    novnc: Option<ClientFiles>,
    spice: Option<ClientFiles>,
}

impl Clients {
    /// Looks for them; what is not found is said once, here.
    pub(crate) fn find(web_root: Option<&Path>, spice_root: Option<&Path>) -> Self {
        Self {
            novnc: ClientFiles::find(&NOVNC, web_root),
            spice: ClientFiles::find(&SPICE_HTML5, spice_root),
        }
    }

    /// The client for this kind of console, and its files if they are there.
    pub(crate) const fn showing(
        &self,
        kind: ConsoleKind,
    ) -> (&'static Client, Option<&ClientFiles>) {
        match kind {
            ConsoleKind::Vnc => (&NOVNC, self.novnc.as_ref()),
            ConsoleKind::Spice => (&SPICE_HTML5, self.spice.as_ref()),
        }
    }

    /// The client of a path under `/console/`, its files, and the path in its folder.
    pub(crate) fn of_path<'a>(
        &self,
        path: &'a str,
    ) -> Option<(&'static Client, Option<&ClientFiles>, &'a str)> {
        let (folder, file) = path.split_once('/')?;
        [ConsoleKind::Vnc, ConsoleKind::Spice]
            .map(|kind| self.showing(kind))
            .into_iter()
            .find_map(|(client, files)| (client.folder == folder).then_some((client, files, file)))
    }
}

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
    /// The client's folder: the setting's alone where it is set, else the first of the usual ones that has it.
    fn find(client: &Client, root: Option<&Path>) -> Option<Self> {
        let found = match root {
            Some(folder) => Self::with(client, folder),
            None => client.usual.iter().find_map(|folder| Self::with(client, Path::new(folder))),
        };
        let Client { name, setting, mark, .. } = client;
        match (&found, root) {
            (Some(files), _) => {
                info!(folder = %files.root.display(), "the console page uses {name}")
            }
            (None, Some(folder)) => warn!(
                folder = %folder.display(),
                "the console page has no {name}: {setting} has no {mark}; it must be {name}'s own folder"
            ),
            (None, None) => warn!(
                remedy = client.how_to_get,
                "the console page has no {name}: its files were not found; WebSockets work all the same"
            ),
        }
        found
    }

    fn with(client: &Client, folder: &Path) -> Option<Self> {
        let root = folder.canonicalize().ok()?;
        root.join(client.mark).is_file().then_some(Self { root })
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

        let files = ClientFiles::find(&NOVNC, Some(&root)).unwrap();
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
    fn a_folder_without_the_client_turns_its_page_off() {
        let empty = tempfile::tempdir().unwrap();
        for client in [&NOVNC, &SPICE_HTML5] {
            assert!(ClientFiles::find(client, Some(empty.path())).is_none());
            assert!(ClientFiles::find(client, Some(Path::new("/nonexistent"))).is_none());
        }
    }
}
