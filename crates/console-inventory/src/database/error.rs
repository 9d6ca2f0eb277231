//! Why a panel's database cannot be asked.

use std::fs::File;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use database_url::DatabaseServer;

/// Why a panel's database cannot be asked. No password is in the texts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// SQLite's file is not there.
    #[error("{}: there is no such file", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// SQLite's file may not be read.
    #[error("{}: permission denied{obstacle}", path.display())]
    Denied {
        /// The file.
        path: PathBuf,
        /// What stands in the way, after `: `, where that can be seen.
        obstacle: String,
    },
    /// The file is something else.
    #[error("{}: is no SQLite database", path.display())]
    NotSqlite {
        /// The file.
        path: PathBuf,
    },
    /// SQLite's files beside the database are of no use to us.
    #[error("{}: its last writer left it unfinished, or keeps files beside it that we may not read", path.display())]
    Unfinished {
        /// The file.
        path: PathBuf,
    },
    /// A certificate or key for TLS cannot be read.
    #[error("{database}: {}: cannot be read: {text}", path.display())]
    TlsFile {
        /// The database.
        database: String,
        /// The file.
        path: PathBuf,
        /// What the system said.
        text: String,
    },
    /// Another program has locked SQLite's file.
    #[error("{database}: is locked by another program")]
    Locked {
        /// The database.
        database: String,
    },
    /// The server does not answer, or not as it should.
    #[error("{database}: cannot be reached: {text}")]
    Unreachable {
        /// The database.
        database: String,
        /// What the system or the server said.
        text: String,
    },
    /// The server does not let us in.
    #[error("{database}: lets us not in: {text}")]
    Refused {
        /// The database.
        database: String,
        /// What the server said.
        text: String,
    },
    /// TLS failed.
    #[error("{database}: TLS failed: {text}")]
    Tls {
        /// The database.
        database: String,
        /// What failed.
        text: String,
    },
    /// It is a database, but no panel's.
    #[error(
        "{database}: has neither WebVirtMgr's tables (servers_compute, instance_instance) nor WebVirtCloud's (computes_compute, instances_instance){}",
        found(tables)
    )]
    NoPanel {
        /// The database.
        database: String,
        /// Those of the four tables that are there.
        tables: Vec<String>,
    },
    /// Whose hosts are meant cannot be told.
    #[error("{database}: has the tables of both WebVirtMgr and WebVirtCloud")]
    BothPanels {
        /// The database.
        database: String,
    },
    /// No answer in time.
    #[error("{database}: did not answer within {limit:?}")]
    TimedOut {
        /// The database.
        database: String,
        /// The bound.
        limit: Duration,
    },
    /// Anything else.
    #[error("{database}: {text}")]
    Failed {
        /// The database.
        database: String,
        /// What the database said.
        text: String,
    },
}

fn found(tables: &[String]) -> String {
    match tables {
        [] => String::new(),
        tables => format!(", only {}", tables.join(", ")),
    }
}

impl DatabaseError {
    /// Whether it may pass by itself. Anything else stays until somebody changes a setting or the database.
    pub const fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Locked { .. }
                | Self::Unfinished { .. }
                | Self::Unreachable { .. }
                | Self::TimedOut { .. }
                | Self::Failed { .. }
        )
    }

    /// What an administrator can do about it.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::Missing { .. } => {
                "set database_url to the panel's database; settings.py has its place in DATABASES"
            }
            Self::Denied { .. } => {
                "let our user read the file and pass its folders, or run as the panel's user"
            }
            Self::Unfinished { .. } => {
                "nothing, if it passes; else open the panel once, see owner and mode of its -wal, -shm and -journal, or run as the panel's user"
            }
            Self::TlsFile { .. } => "correct its path in database_url, or let our user read it",
            Self::NotSqlite { .. } => {
                "set database_url to the panel's database, not to a dump or a journal of it"
            }
            Self::Locked { .. } => {
                "nothing, if it passes; else see who holds the file open (fuser), a backup for instance, or raise database_timeout"
            }
            Self::Unreachable { .. } => {
                "see that the database server runs and may be reached from here"
            }
            Self::Refused { .. } => {
                "see login, password, database name and grants: SELECT on the panel's hosts and instances is enough"
            }
            Self::Tls { .. } => {
                "see sslmode in database_url, sslrootcert for an authority of your own, and the server's certificate"
            }
            Self::NoPanel { .. } => {
                "set database_url to the database in the panel's settings.py (DATABASES), and let our login see its tables"
            }
            Self::BothPanels { .. } => "give each panel a database of its own",
            Self::TimedOut { .. } => {
                "see the database's load and the network in between, or raise database_timeout"
            }
            Self::Failed { .. } => "see the database's own log",
        }
    }
}

/// The same before it is known whose error it is.
#[derive(Debug)]
pub(crate) enum AskError {
    NoPanel { found: Vec<String> },
    BothPanels,
    Locked,
    Unreachable(String),
    Refused(String),
    TimedOut,
    TlsFile(PathBuf, String),
    Sqlx(sqlx::Error),
    Known(DatabaseError),
}

impl From<sqlx::Error> for AskError {
    fn from(error: sqlx::Error) -> Self {
        Self::Sqlx(error)
    }
}

impl AskError {
    /// As the error of this database.
    pub(crate) fn at(self, database: String, limit: Duration) -> DatabaseError {
        match self {
            Self::TimedOut => DatabaseError::TimedOut { database, limit },
            Self::TlsFile(path, text) => DatabaseError::TlsFile { database, path, text },
            Self::NoPanel { found } => DatabaseError::NoPanel { database, tables: found },
            Self::BothPanels => DatabaseError::BothPanels { database },
            Self::Locked => DatabaseError::Locked { database },
            Self::Unreachable(text) => DatabaseError::Unreachable { database, text: line(&text) },
            Self::Refused(text) => DatabaseError::Refused { database, text: line(&text) },
            Self::Known(error) => error,
            Self::Sqlx(error) => match error {
                // That is how rustls' errors come out of a handshake.
                sqlx::Error::Io(error) if error.kind() == ErrorKind::InvalidData => {
                    DatabaseError::Tls { database, text: line(&error.to_string()) }
                }
                sqlx::Error::Io(error) => {
                    DatabaseError::Unreachable { database, text: line(&error.to_string()) }
                }
                sqlx::Error::Tls(error) => {
                    DatabaseError::Tls { database, text: line(&error.to_string()) }
                }
                sqlx::Error::Database(error) => {
                    DatabaseError::Failed { database, text: line(error.message()) }
                }
                other => DatabaseError::Failed { database, text: line(&other.to_string()) },
            },
        }
    }
}

/// That the files for TLS can be read: what comes of them is an error without their names.
pub(crate) fn tls_files(server: &DatabaseServer) -> Result<(), AskError> {
    let files = [&server.tls.ca, &server.tls.cert, &server.tls.key];
    for path in files.into_iter().flatten() {
        File::open(path).map_err(|error| AskError::TlsFile(path.into(), error.to_string()))?;
    }
    Ok(())
}

/// A server's words on one line, and not too many of them.
fn line(text: &str) -> String {
    let text = text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty());
    text.collect::<Vec<_>>()
        .join(", ")
        .chars()
        .filter(|one| !one.is_control())
        .take(MAX_WORDS)
        .collect()
}

/// The most characters of a server's words that a message repeats.
const MAX_WORDS: usize = 300;
