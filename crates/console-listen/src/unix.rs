//! UNIX sockets: an exact mode, and no two listeners on one path.
//!
//! The folder is locked (flock(2)) from the look at what is there to the moment the new socket listens. So of two processes of this
//! crate that start at once, one listens and the other is told who does. Programs that do not lock are not kept out: one that
//! has bound but does not listen yet looks as one that is gone.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use rustix::fs::{FileType, Mode, chmod, fchmod, fstat};
use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::error::ListenError;
use crate::folder::{Folder, LOCK_TIMEOUT};
use crate::holder::{Holder, Owned, holders};
use crate::listening::BACKLOG;
use crate::unix_socket::{SocketFile, UnixSocket};
use permission_denied::Denied;

/// Listens on `path`, whose file gets exactly `mode`. To see whether an old socket is left over it is connected to.
pub(crate) fn open(path: &Path, mode: u32) -> Result<UnixSocket, ListenError> {
    // `x.sock/` and `x.sock/.` are folders' names, although the standard library finds a file's in them.
    let bytes = path.as_os_str().as_bytes();
    let is_file = path.is_absolute() && !bytes.ends_with(b"/") && !bytes.ends_with(b"/.");
    let (Some(parent), Some(name), true) = (path.parent(), path.file_name(), is_file) else {
        return Err(ListenError::NotAbsolute { path: path.to_owned() });
    };
    let length = bytes.len();
    if length > MAX_PATH {
        return Err(ListenError::PathTooLong { path: path.to_owned(), length });
    }
    let folder = Folder::open(parent).map_err(|error| folder_failed(path, parent, error))?;
    folder.lock(LOCK_TIMEOUT).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => ListenError::Locked { path: path.to_owned() },
        _ => failed(path, error),
    })?;
    make_room(path, parent, &folder, name)?;
    let failed_here = |error| folder_failed(path, parent, error);
    let (socket, file) = bind(path, folder, name, mode).map_err(failed_here)?;
    let listening = || {
        // The umask has taken its part of the mode, and a folder's default ACL may have.
        chmod(by_descriptor(&file), permissions(mode))?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        file.folder().unlock()
    };
    match listening() {
        Ok(()) => Ok(UnixSocket::bound(UnixListener::from(socket), file)),
        Err(error) => Err(failed(path, error)),
    }
}

/// A bound socket that does not listen yet. Its file has the mode without what the umask takes from it, never more.
fn bind(path: &Path, folder: Folder, name: &OsStr, mode: u32) -> io::Result<(Socket, SocketFile)> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // On Linux bind(2) takes the file's mode from the socket's own.
    fchmod(&socket, permissions(mode))?;
    socket.bind(&SockAddr::unix(path)?)?;
    Ok((socket, SocketFile::find(folder, name.to_owned())?))
}

/// Removes a socket that nobody listens on, and nothing else.
fn make_room(path: &Path, parent: &Path, folder: &Folder, name: &OsStr) -> Result<(), ListenError> {
    let found = match folder.find(name) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(folder_failed(path, parent, error)),
    };
    let kind = fstat(&found).map_err(|error| failed(path, error.into()))?.st_mode;
    let found_here = match FileType::from_raw_mode(kind) {
        FileType::Socket => return replace(path, parent, folder, name, &found),
        FileType::Symlink => "a symbolic link",
        FileType::Directory => "a directory",
        FileType::RegularFile => "a file",
        _ => "a device or a pipe",
    };
    Err(ListenError::NotASocket { path: path.to_owned(), found: found_here })
}

fn replace(
    path: &Path,
    parent: &Path,
    folder: &Folder,
    name: &OsStr,
    found: &OwnedFd,
) -> Result<(), ListenError> {
    let taken = |holders| Err(ListenError::TakenPath { path: path.to_owned(), holders });
    match ask(found) {
        Ok(holder) => taken(vec![holder]),
        Err(error) => match Errno::from_io_error(&error) {
            Some(Errno::CONNREFUSED) => {
                folder.remove(name, found).map_err(|error| folder_failed(path, parent, error))
            }
            // A full backlog, or a datagram socket.
            Some(Errno::AGAIN | Errno::PROTOTYPE) => taken(by_table(path)),
            Some(Errno::ACCESS | Errno::PERM) => Err(match Denied::connecting(path) {
                Some(denied) => {
                    ListenError::ForeignSocket { path: path.to_owned(), denied: Box::new(denied) }
                }
                None => failed(path, error),
            }),
            _ => Err(failed(path, error)),
        },
    }
}

/// Who listens on the socket (unix(7), `SO_PEERCRED`: who called listen(2)).
fn ask(found: &OwnedFd) -> io::Result<Holder> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A full backlog must not hold us up.
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(by_descriptor(found))?)?;
    let listener = getsockopt(&socket, PeerCredentials)?;
    Ok(Holder::new(listener.pid(), listener.uid()))
}

/// Who has a socket of this name, where the socket itself does not answer (proc_net(5), `/proc/net/unix`).
fn by_table(path: &Path) -> Vec<Holder> {
    let entries = procfs::net::unix().into_iter().flatten();
    let named = entries.filter(|entry| entry.path.as_deref() == Some(path));
    // The table does not say whose a socket is; its file does.
    let user = std::fs::symlink_metadata(path).map_or(0, |file| file.uid());
    let sockets: Vec<Owned> = named.map(|entry| Owned { inode: entry.inode, user }).collect();
    holders(&sockets)
}

/// What the system said when something was to be done in the folder.
fn folder_failed(path: &Path, folder: &Path, error: io::Error) -> ListenError {
    match Errno::from_io_error(&error) {
        Some(Errno::NOENT) => match Denied::opening(folder) {
            Some(above) => ListenError::NoFolder {
                path: path.to_owned(),
                folder: folder.to_owned(),
                above: Box::new(above),
            },
            None => failed(path, error),
        },
        Some(Errno::ACCESS | Errno::PERM) => match Denied::opening(folder) {
            Some(denied) => ListenError::Denied { path: path.to_owned(), denied: Box::new(denied) },
            None => failed(path, error),
        },
        Some(Errno::ADDRINUSE) => {
            ListenError::TakenPath { path: path.to_owned(), holders: by_table(path) }
        }
        _ => failed(path, error),
    }
}

fn failed(path: &Path, source: io::Error) -> ListenError {
    let place = format!("unix socket {}", path.to_string_lossy().escape_debug());
    ListenError::Failed { place, source }
}

/// The name of an open file, whatever its own path means by now (proc(5), `/proc/self/fd`).
fn by_descriptor(file: &impl AsFd) -> String {
    format!("/proc/self/fd/{}", file.as_fd().as_raw_fd())
}

fn permissions(mode: u32) -> Mode {
    Mode::from_raw_mode(mode & PERMISSIONS)
}

/// Reading, writing and executing: the other bits of chmod(1) mean nothing on a socket.
const PERMISSIONS: u32 = 0o777;

/// `sun_path` without its NUL (unix(7)).
const MAX_PATH: usize = 107;

#[cfg(test)]
mod tests {
    use super::*;

    /// Between bind(2) and chmod(2), when anybody may look at it. The umask is the whole process's; no other test here makes a file
    /// whose mode matters.
    #[test]
    fn a_bound_socket_is_never_more_open_than_asked() {
        let place = tempfile::tempdir().unwrap();
        let before = rustix::process::umask(Mode::empty());
        for mode in [0o600, 0o660, 0o000] {
            let name = format!("{mode:o}.sock");
            let path = place.path().join(&name);
            let folder = Folder::open(place.path()).unwrap();
            let _bound = bind(&path, folder, name.as_ref(), mode).unwrap();
            assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, mode);
        }
        rustix::process::umask(before);
    }
}
