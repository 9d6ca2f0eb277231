//! What can be wrong with a configuration.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::{MAX_FILE_SIZE, Note};

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be opened or read. A missing file is an error only if it was named by somebody.
    #[error("{}: cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is no configuration.
    #[error("{}: is larger than {MAX_FILE_SIZE} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file is not TOML, which is UTF-8.
    #[error("{}: line {line}, column {column}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The character in the line, counted from 1.
        column: usize,
        /// What the TOML parser said.
        message: String,
    },
    /// Values that may not be as they are, one for each line of the text.
    #[error("{}", lines(problems))]
    Invalid {
        /// What is wrong; never empty.
        problems: Vec<Problem>,
        /// What counts for nothing, which may be the cause.
        notes: Vec<Note>,
    },
}

/// One value that may not be as it is. `Display` is one line: `<origin>: <what is wrong>`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The file's path, `environment variable …` or `flag …`.
    pub origin: String,
    /// The key with its table, as in `hosts[1].connection`; the second `[[hosts]]` of the file is number 1.
    pub key: String,
    /// What is wrong: the key again, what was found, and what is allowed.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.what)
    }
}

fn lines(problems: &[Problem]) -> String {
    let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
