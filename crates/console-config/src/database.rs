//! The keys `database_…`: the panel's database.

use std::time::Duration;

use database_url::DatabaseUrl;
use figment::value::Value;

use crate::host;
use crate::password;
use crate::reader::{Reader, Rule, seconds};
use crate::server::TIMEOUT;

/// Default of [`DatabaseSettings::timeout`]: as long as the panels themselves wait for a locked SQLite database.
pub const DEFAULT_DATABASE_TIMEOUT: Duration = Duration::from_secs(5);

/// A panel's database, which has hosts besides those of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseSettings {
    /// Key `database_url`, with what the file `database_password_file` holds.
    pub url: DatabaseUrl,
    /// Key `database_timeout`: how long it may take to answer, connecting included, 0.1 s to 1 h. Default [`DEFAULT_DATABASE_TIMEOUT`].
    pub timeout: Duration,
}

/// Nothing where no database is set.
pub(crate) fn read(from: &mut Reader<'_>) -> Option<DatabaseSettings> {
    let url = from.optional("database_url", &url());
    let file = from.optional("database_password_file", &host::password_file());
    let mut timeout = DEFAULT_DATABASE_TIMEOUT;
    from.set("database_timeout", &mut timeout, &seconds(TIMEOUT));
    if from.is_flag("database_url") && url.as_ref().is_some_and(DatabaseUrl::has_password) {
        from.refuse("database_url", |key| {
            format!("{key} has a password in it, which every user of this machine could see in the list of processes; write the password into a file, and its path into database_password_file")
        });
    }
    let Some(file) = file else { return url.map(|url| DatabaseSettings { url, timeout }) };
    if !from.has("database_url") {
        from.refuse("database_password_file", |key| format!("{key} needs database_url beside it"));
    }
    let mut url = url?;
    let password = match password::read(&file) {
        Ok(password) => password,
        Err(why) => {
            from.reject("database_password_file", &why);
            return None;
        }
    };
    let has_password = url.has_password();
    if !url.set_password(password.expose().into()) {
        let why =
            if has_password { "has a password already" } else { "is a file, which asks for none" };
        from.refuse("database_password_file", |key| {
            format!("{key} is of no use: the database of database_url {why}")
        });
        return None;
    }
    Some(DatabaseSettings { url, timeout })
}

/// Nothing of what is there is repeated, since it may be a password.
fn url() -> Rule<'static, DatabaseUrl> {
    Box::new(|value: &Value| match value.as_str().map(str::trim) {
        Some(text) => text.parse().map_err(|error| format!("no database's URL: {error}")),
        None => Err(format!("no string, allowed is {ALLOWED}")),
    })
}

const ALLOWED: &str =
    "sqlite:///path, postgresql://login@host/database or mysql://login@host/database";
