//! A SQLite file. The library comes with the test bed; SQLite needs no server.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::client::{self, Row};

/// A database in a file, which stays where it is.
#[derive(Clone, Debug)]
pub struct Sqlite {
    path: PathBuf,
}

impl Sqlite {
    /// A new one: an empty file is an empty database.
    ///
    /// # Errors
    ///
    /// The file is there, or cannot be made.
    pub fn create(path: &Path) -> Result<Self> {
        let created = OpenOptions::new().write(true).create_new(true).open(path);
        created.with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { path: path.to_owned() })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The same as a URL, in sqlx's form.
    pub fn url(&self) -> String {
        format!("sqlite://{}", self.path.display())
    }

    /// Runs statements; see [`Database::run`](super::Database::run).
    ///
    /// # Errors
    ///
    /// It cannot be opened, or refuses one.
    pub async fn run(&self, sql: &str) -> Result<()> {
        client::run(&self.url(), sql).await
    }

    /// The rows that a query gives, every value as text.
    ///
    /// # Errors
    ///
    /// It cannot be opened, or refuses the query.
    pub async fn rows(&self, sql: &str) -> Result<Vec<Row>> {
        client::rows(&self.url(), sql).await
    }
}
