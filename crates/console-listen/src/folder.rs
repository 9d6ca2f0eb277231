//! A UNIX socket's folder, and its lock.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{
    AtFlags, FlockOperation, Mode, OFlags, flock, fstat, open, openat, statat, unlinkat,
};

/// An open folder. Closing it gives up its lock.
#[derive(Debug)]
pub(crate) struct Folder(OwnedFd);

impl Folder {
    /// Links are followed: the folder is the administrator's choice.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(open(path, flags, Mode::empty())?))
    }

    /// Locks it against everybody who locks it, for as long as the folder is open or until [`unlock`](Self::unlock). It leaves no file
    /// behind, as a lock beside the socket would.
    pub(crate) fn lock(&self, patience: Duration) -> io::Result<()> {
        let end = Instant::now() + patience;
        loop {
            match flock(&self.0, FlockOperation::NonBlockingLockExclusive) {
                Err(error) if error == rustix::io::Errno::WOULDBLOCK && Instant::now() < end => {
                    sleep(PAUSE);
                }
                other => return Ok(other?),
            }
        }
    }

    pub(crate) fn unlock(&self) -> io::Result<()> {
        Ok(flock(&self.0, FlockOperation::Unlock)?)
    }

    /// A descriptor of the file itself, opened for nothing but its name (open(2), `O_PATH`). A link is not followed.
    pub(crate) fn find(&self, name: &OsStr) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(openat(&self.0, name, flags, Mode::empty())?)
    }

    /// Removes the name if it is still this file's. Between the look and the removal, only who heeds no lock could put another there.
    pub(crate) fn remove(&self, name: &OsStr, file: &OwnedFd) -> io::Result<()> {
        let found = fstat(file)?;
        let there = statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if (found.st_dev, found.st_ino) == (there.st_dev, there.st_ino) {
            unlinkat(&self.0, name, AtFlags::empty())?;
        }
        Ok(())
    }
}

/// Who holds the folder's lock holds it for a few system calls; more than this is somebody else's doing.
pub const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// Between two attempts at the lock: flock(2) knows no time-out.
const PAUSE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_has_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Folder::open(folder.path()).unwrap();
        let (one, other) = (open(), open());
        one.lock(Duration::ZERO).unwrap();
        let error = other.lock(Duration::ZERO).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        one.unlock().unwrap();
        other.lock(Duration::ZERO).unwrap();
        // Closing is unlocking.
        drop(other);
        one.lock(Duration::ZERO).unwrap();
    }
}
