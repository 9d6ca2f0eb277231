//! Where things lie: the workspace, its target folder, the test bed's part of it.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The workspace's root: above the package that cargo runs, else where this code was built.
///
/// What cargo says now goes first, because two clones may share a target folder.
pub fn workspace() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let built = Path::new(env!("CARGO_MANIFEST_DIR"));
        let running = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let running = running.as_deref().into_iter().flat_map(Path::ancestors);
        let is_root = |dir: &&Path| dir.join("bins/webvirtmgr-console/Cargo.toml").is_file();
        running.chain(built.ancestors()).find(is_root).unwrap_or(built).to_path_buf()
    })
}

/// Cargo's target folder: `CARGO_TARGET_DIR`, else `target` in the workspace.
pub fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => workspace().join(dir),
        None => workspace().join("target"),
    }
}

/// The test bed's folder in the target folder: running beds, unpacked packages, caches and logs.
pub fn testbed() -> PathBuf {
    target().join("testbed")
}

/// Finds a program on `PATH`, and in the folders where Debian keeps daemons, which are missing from many users' `PATH`.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}
