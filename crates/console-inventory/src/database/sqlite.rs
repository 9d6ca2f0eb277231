//! SQLite, without ever being in the panel's way.
//!
//! The file belongs to the web application, which must be able to write at any moment, and as a rule runs as another user than we do. So:
//!
//! - It is opened for reading only, for one query, and closed. In rollback mode a writer waits for those milliseconds, no more.
//! - In WAL mode even a reader creates the files `-wal` and `-shm` where they are missing, and what our user creates the application's user may
//!   not write: each of its writes would fail from then on. They are missing whenever nobody has the file open, which with Django is most
//!   of the time. Then all data is in the file itself, so it is read as immutable, which creates nothing and locks nothing, and afterwards
//!   it is proved that it was: the same file, unchanged, and still no `-wal`. Where they are there, a reader's lock of our own keeps them there
//!   until we are done: who closes the file last would delete them between our look and SQLite's.
//! - One at a time: whether it is in WAL mode its header tells, and to close a file drops all locks that a process has on it (POSIX), those
//!   of another connection of ours included.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::unistd::Uid;
use permission_denied::Denied;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Sqlite};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::database::error::{AskError, DatabaseError};
use crate::database::question::{self, Found, Question, Statements, queries};

const STATEMENTS: Statements = Statements {
    tables: "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') \
             AND name IN ('servers_compute', 'instance_instance', 'computes_compute', 'instances_instance')",
    webvirtmgr: queries!("servers_compute", "instance_instance", "INTEGER", "?1", "?2"),
    webvirtcloud: queries!("computes_compute", "instances_instance", "INTEGER", "?1", "?2"),
};

/// In a task of its own, which keeps the place until it has ended: a file system that hangs costs one thread, not one for each lookup.
pub(crate) async fn ask(
    path: PathBuf,
    until: Instant,
    question: Question,
    place: OwnedSemaphorePermit,
) -> Result<Found, AskError> {
    let asked = tokio::spawn(async move {
        let found = look(&path, until, &question).await;
        drop(place);
        found
    });
    asked.await.unwrap_or_else(|_| Err(sqlx::Error::WorkerCrashed.into()))
}

async fn look(path: &Path, until: Instant, question: &Question) -> Result<Found, AskError> {
    loop {
        let now = state(path).await?;
        // Nobody deletes `-wal` and `-shm` while we hold it, so that SQLite cannot come to create them anew.
        let lock = if now.is_wal_mode { ReadLock::take(&now.path).await? } else { None };
        let (found, is_settled) = if now.is_wal_mode && lock.is_none() {
            // The last one is just closing it.
            (Err(AskError::Locked), false)
        } else {
            attempt(path, until, question).await?
        };
        drop(lock);
        if is_settled || Instant::now() + PAUSE >= until {
            return found;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// One look, and whether there is no need for another: what comes and goes while others open and close it is waited out.
async fn attempt(
    path: &Path,
    until: Instant,
    question: &Question,
) -> Result<(Result<Found, AskError>, bool), AskError> {
    let before = state(path).await?;
    if before.lacks_shm() {
        return Ok((Err(unfinished(path)), false));
    }
    let found = query(&before, until, question).await.map_err(|error| explained(error, path));
    if before.is_at_rest() && state(path).await? != before {
        // Somebody wrote to what was read as immutable: it may be torn.
        return Ok((Err(AskError::Locked), false));
    }
    let is_settled = !matches!(found, Err(AskError::Known(DatabaseError::Unfinished { .. })));
    Ok((found, is_settled))
}

/// A reader's lock on the database, as SQLite's own (its "unix" VFS: a read lock on the shared bytes), held by an open file description: neither
/// another `close` of ours nor SQLite's own locks in this process undo it. In WAL mode every reader and writer has it, and who closes the database
/// last needs it alone before it deletes the files beside it.
#[derive(Debug)]
struct ReadLock {
    _file: File,
}

impl ReadLock {
    /// Nothing while somebody has the database for himself.
    async fn take(path: &Path) -> Result<Option<Self>, AskError> {
        let path = path.to_owned();
        let asked = path.clone();
        let taken = tokio::task::spawn_blocking(move || {
            let file = File::open(&asked)?;
            let range = libc::flock {
                l_type: F_RDLCK,
                l_whence: SEEK_SET,
                l_start: SHARED_FIRST,
                l_len: SHARED_SIZE,
                l_pid: 0,
            };
            match fcntl(&file, FcntlArg::F_OFD_SETLK(&range)) {
                Ok(_) => Ok(Some(Self { _file: file })),
                Err(Errno::EAGAIN | Errno::EACCES) => Ok(None),
                // A file system without such locks has none that could be in the way.
                Err(_) => Ok(Some(Self { _file: file })),
            }
        });
        match taken.await {
            Ok(Ok(lock)) => Ok(lock),
            Ok(Err(error)) => Err(AskError::Known(unreadable(&path, &error))),
            Err(_) => Err(sqlx::Error::WorkerCrashed.into()),
        }
    }
}

async fn query(file: &State, until: Instant, question: &Question) -> Result<Found, AskError> {
    // A bit less than there is, so that the lock is told and not the time.
    let patience = until.saturating_duration_since(Instant::now()) * 4 / 5;
    let options = SqliteConnectOptions::new()
        .filename(&file.path)
        .read_only(true)
        .immutable(file.is_at_rest())
        .create_if_missing(false)
        .busy_timeout(patience)
        .disable_statement_logging();
    let mut connection = options.connect().await?;
    let found = question::ask::<Sqlite>(&mut connection, &STATEMENTS, None, question).await;
    // Not before it is closed is the next one's turn.
    let _ = connection.close().await;
    found
}

/// What tells whether somebody writes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    /// Its real place, beside which SQLite has its other files.
    path: PathBuf,
    is_wal_mode: bool,
    has_wal: bool,
    has_shm: bool,
    is_ours: bool,
    identity: (u64, u64, u64),
    changed: [(i64, i64); 2],
}

impl State {
    /// WAL mode, and nobody has it open.
    fn is_at_rest(&self) -> bool {
        self.is_wal_mode && !self.has_wal
    }

    /// Whether opening it would create a `-shm` of another user's; root's SQLite gives its files to the database's owner.
    fn lacks_shm(&self) -> bool {
        self.is_wal_mode && self.has_wal && !self.has_shm && !self.is_ours
    }
}

async fn state(path: &Path) -> Result<State, AskError> {
    let asked = path.to_owned();
    let read = tokio::task::spawn_blocking(move || read_state(&asked));
    match read.await {
        Ok(Ok(state)) => Ok(state),
        Ok(Err(error)) => Err(AskError::Known(unreadable(path, &error))),
        Err(_) => Err(sqlx::Error::WorkerCrashed.into()),
    }
}

fn read_state(path: &Path) -> io::Result<State> {
    let path = fs::canonicalize(path)?;
    if !fs::metadata(&path)?.is_file() {
        // A pipe would be waited for.
        return Err(ErrorKind::InvalidData.into());
    }
    let mut file = File::open(&path)?;
    let mut header = Vec::new();
    Read::by_ref(&mut file).take(HEADER).read_to_end(&mut header)?;
    // An empty file is an empty database.
    if !header.is_empty() && !header.starts_with(MAGIC) {
        return Err(ErrorKind::InvalidData.into());
    }
    let seen = file.metadata()?;
    let beside = |ending: &str| {
        let mut name = path.clone().into_os_string();
        name.push(ending);
        fs::exists(name)
    };
    let us = Uid::effective();
    Ok(State {
        is_wal_mode: header.get(READ_VERSION) == Some(&WAL_VERSION),
        has_wal: beside("-wal")?,
        has_shm: beside("-shm")?,
        is_ours: us.is_root() || us.as_raw() == seen.uid(),
        identity: (seen.dev(), seen.ino(), seen.size()),
        changed: [(seen.mtime(), seen.mtime_nsec()), (seen.ctime(), seen.ctime_nsec())],
        path,
    })
}

fn unreadable(path: &Path, error: &io::Error) -> DatabaseError {
    let path = path.to_owned();
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => DatabaseError::Missing { path },
        ErrorKind::PermissionDenied => {
            let obstacle = Denied::opening(&path).map(|denied| format!(": {denied}"));
            DatabaseError::Denied { path, obstacle: obstacle.unwrap_or_default() }
        }
        ErrorKind::InvalidData => DatabaseError::NotSqlite { path },
        _ => {
            DatabaseError::Failed { database: path.display().to_string(), text: error.to_string() }
        }
    }
}

/// By SQLite's "Result and Error Codes"; the lowest byte of an extended code is the primary one.
fn explained(error: AskError, path: &Path) -> AskError {
    let AskError::Sqlx(cause) = &error else { return error };
    let told = cause.as_database_error().and_then(|told| told.code());
    let code: Option<i32> = told.and_then(|code| code.parse().ok());
    match code.map(|code| code & 0xff) {
        // SQLITE_BUSY, SQLITE_LOCKED.
        Some(5 | 6) => AskError::Locked,
        // SQLITE_NOTADB.
        Some(26) => AskError::Known(DatabaseError::NotSqlite { path: path.to_owned() }),
        // SQLITE_CANTOPEN, SQLITE_READONLY: a crashed writer left what only a writer can clear away; or the file has gone meanwhile.
        Some(8 | 14) if path.exists() => unfinished(path),
        Some(14) => AskError::Known(DatabaseError::Missing { path: path.to_owned() }),
        _ => error,
    }
}

fn unfinished(path: &Path) -> AskError {
    AskError::Known(DatabaseError::Unfinished { path: path.to_owned() })
}

/// Between two looks at files that come and go.
const PAUSE: Duration = Duration::from_millis(10);

/// Where SQLite's locks are in the file, which is larger only in name ("unix" VFS, `SHARED_FIRST` and `SHARED_SIZE`), and fcntl(2)'s words.
const SHARED_FIRST: libc::off_t = 0x4000_0002;
const SHARED_SIZE: libc::off_t = 510;
const F_RDLCK: libc::c_short = 0;
const SEEK_SET: libc::c_short = 0;

/// SQLite's "Database File Format": the header's beginning, its size, and the byte that tells WAL mode.
const MAGIC: &[u8] = b"SQLite format 3\0";
const HEADER: u64 = 100;
const READ_VERSION: usize = 19;
const WAL_VERSION: u8 = 2;
