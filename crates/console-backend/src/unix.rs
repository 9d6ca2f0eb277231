//! UNIX stream sockets, opened so that nobody can put another socket in the place of the guest's.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use permission_denied::Denied;
use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use tokio::net::UnixStream;
use tokio::time::sleep;

/// What is at a path that should be a socket.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something else: its kind, as the error names it.
    NotASocket(&'static str),
    /// There, but not for us.
    Denied(Denied),
    /// Anything else.
    System(io::Error),
}

/// Connects to the socket at `path`. A symbolic link there is not followed: whoever may write the folder could point it at any
/// other socket of this machine. The caller bounds the time.
pub(crate) async fn connect(path: &str) -> Result<UnixStream, Failure> {
    let at = PathBuf::from(path);
    // A file system over the network may be silent.
    match blocking(move || find(&at)).await {
        Ok(found) => {
            let socket = found?;
            // By its descriptor: the path may name something else by now (proc(5), /proc/self/fd).
            match patiently(&format!("/proc/self/fd/{}", socket.as_raw_fd())).await {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    Err(denied(path, error).await)
                }
                other => other.map_err(Failure::System),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Err(denied(path, error).await)
        }
        Err(error) => Err(Failure::System(error)),
    }
}

/// A descriptor of the socket itself, opened for nothing but its name (open(2), `O_PATH`).
fn find(path: &Path) -> io::Result<Result<OwnedFd, Failure>> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = open(path, flags, Mode::empty())?;
    let kind = match FileType::from_raw_mode(fstat(&found)?.st_mode) {
        FileType::Socket => return Ok(Ok(found)),
        FileType::Symlink => "a symbolic link",
        FileType::Directory => "a directory",
        FileType::RegularFile => "a file",
        _ => "a device or a pipe",
    };
    Ok(Err(Failure::NotASocket(kind)))
}

/// QEMU's VNC sockets have a backlog of 1: with another client just ahead of us the answer is "try again" (connect(2), `EAGAIN`),
/// which on a UNIX socket nothing announces the end of.
async fn patiently(path: &str) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(PAUSE).await,
            other => return other,
        }
    }
}

async fn denied(path: &str, error: io::Error) -> Failure {
    let path = PathBuf::from(path);
    match blocking(move || Ok(Denied::connecting(&path))).await {
        Ok(Some(denied)) => Failure::Denied(denied),
        _ => Failure::System(error),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Between two attempts at a full backlog.
const PAUSE: Duration = Duration::from_millis(20);
