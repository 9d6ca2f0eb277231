//! The bed: a working folder, a libvirtd in it, and all that a test starts on it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

use crate::guest::GuestBuilder;
use crate::libvirtd::Libvirtd;
use crate::packages::Emulator;
use crate::proxy::ProxyBuilder;
use crate::remote::Remote;
use crate::{lease, paths};

/// A folder under `target/testbed` that goes when it is dropped, and with the next bed if this process is killed.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes a new one, open to us alone, and clears those of processes that are gone.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    pub fn new() -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let root = paths::testbed();
        fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display()))?;
        clear_stale(&root);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let dir = root.canonicalize()?.join(format!("run-{}-{number}", process::id()));
        fs::create_dir(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        fs::set_permissions(&dir, Permissions::from_mode(0o700))?;
        Ok(Self(dir))
    }

    /// Its absolute path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

/// A test bed with a libvirtd of its own.
///
/// Guests, proxies and browsers that are started on it are values of their own, to be dropped before it; what is still there
/// when the bed goes is ended by the kernel with libvirtd's cage.
#[derive(Debug)]
pub struct Bed {
    // Dropped in this order: first the daemon with its guests, then the folder.
    libvirtd: Libvirtd,
    folder: Folder,
}

impl Bed {
    /// Starts a libvirtd in a new folder.
    ///
    /// # Errors
    ///
    /// A package is missing (the error says how to get it), or libvirtd does not start.
    pub fn start() -> Result<Self> {
        let emulator = Emulator::find()?;
        let folder = Folder::new()?;
        let libvirtd = Libvirtd::start(folder.path(), &emulator)?;
        Ok(Self { libvirtd, folder })
    }

    /// The libvirtd.
    pub fn libvirtd(&self) -> &Libvirtd {
        &self.libvirtd
    }

    /// The libvirtd, to pause or restart it.
    pub fn libvirtd_mut(&mut self) -> &mut Libvirtd {
        &mut self.libvirtd
    }

    /// The bed's folder; a test may put files into it.
    pub fn dir(&self) -> &Path {
        self.folder.path()
    }

    /// A guest in the making; one VNC console on 127.0.0.1 unless told otherwise.
    pub fn guest(&self, name: &str) -> GuestBuilder {
        GuestBuilder::new(self.libvirtd.virsh().clone(), name, &self.dir().join("guests"))
    }

    /// Another hypervisor, in a network of its own.
    ///
    /// # Errors
    ///
    /// See [`Remote::start`].
    pub fn remote(&self) -> Result<Remote> {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Remote::start(&self.dir().join(format!("hv{number}")), &Emulator::find()?)
    }

    /// A proxy in the making that knows this bed's libvirtd as host 1.
    pub fn proxy(&self) -> ProxyBuilder {
        ProxyBuilder::new(self.dir()).host(1, "bed", self.libvirtd.uri())
    }
}

/// Removes the folders of processes that are gone.
fn clear_stale(root: &Path) {
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix("run-")?.split('-').next());
        if let Some(pid) = pid.and_then(|pid| pid.parse().ok())
            && !crate::process::exists(pid)
        {
            remove(&entry.path());
        }
    }
}

/// Removes a folder; where root's daemons left files of their own in it, as root.
fn remove(dir: &Path) {
    if fs::remove_dir_all(dir).is_err() && dir.exists() {
        let _ = lease::as_root("rm").arg("-rf").arg("--").arg(dir).status();
    }
}
