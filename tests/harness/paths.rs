//! Where things lie: the workspace, its target folder, the test bed's part of it.

use std::env;
use std::path::{Path, PathBuf};

/// The workspace's root.
pub fn workspace() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests)
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
