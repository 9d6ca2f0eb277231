//! A UNIX socket and its file, which goes when the socket does.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::time::Duration;

use crate::folder::Folder;

/// A listening UNIX socket. When it is dropped its file is removed, unless systemd passed it.
#[derive(Debug)]
pub struct UnixSocket {
    // Dropped first: nobody takes a file for left over that somebody still listens on.
    file: Option<SocketFile>,
    listener: UnixListener,
}

impl UnixSocket {
    pub(crate) fn bound(listener: UnixListener, file: SocketFile) -> Self {
        Self { file: Some(file), listener }
    }

    /// systemd made the file, and keeps the socket when we are gone.
    pub(crate) fn passed(listener: UnixListener) -> Self {
        Self { file: None, listener }
    }

    /// The listener.
    #[must_use]
    pub fn listener(&self) -> &UnixListener {
        &self.listener
    }

    /// The listener, for a runtime that wants to own it, and the file to be kept as long: dropping it removes the file. `None` if
    /// systemd passed the socket.
    #[must_use]
    pub fn into_parts(self) -> (UnixListener, Option<SocketFile>) {
        (self.listener, self.file)
    }
}

/// A socket's file. When this is dropped the file is removed, if it is still the same and not another's with its name.
#[derive(Debug)]
pub struct SocketFile {
    folder: Folder,
    name: OsString,
    /// The file itself: as long as it is open, no other file gets its inode number.
    file: OwnedFd,
}

impl SocketFile {
    pub(crate) fn find(folder: Folder, name: OsString) -> io::Result<Self> {
        let file = folder.find(&name)?;
        Ok(Self { folder, name, file })
    }

    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }
}

impl AsFd for SocketFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // What stays is replaced by the next that listens there.
        if self.folder.lock(DROP_PATIENCE).is_ok() {
            let _ = self.folder.remove(&self.name, &self.file);
        }
    }
}

/// How long dropping may wait for the folder's lock. Another of our kind holds it for some system calls.
const DROP_PATIENCE: Duration = Duration::from_millis(500);
