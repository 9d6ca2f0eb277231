//! What can be wrong with a database's URL.

use alloc::string::String;

/// Why a text is no database's URL. The texts repeat nothing that may be a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseUrlError {
    /// There is no `://`, or something else than a known scheme in front of it.
    #[error("it begins with none of sqlite://, postgresql:// and mysql://")]
    Scheme,
    /// SQLite's path does not begin at the root.
    #[error("the path is not absolute: three slashes, as in sqlite:///srv/webvirtcloud/db.sqlite3")]
    RelativePath,
    /// The part between `//` and the next slash is not `login:password@host:port`.
    #[error(
        "between // and the next / it is not login:password@host:port; in a password, write % and the two hexadecimal digits for any of :/?#[]@%"
    )]
    Authority,
    /// No database is named.
    #[error("it names no database: postgresql://login@host/database")]
    NoDatabase,
    /// No login is named where one is needed.
    #[error("it names no login: mysql://login@host/database")]
    NoLogin,
    /// A `%` without two hexadecimal digits, a NUL, or what is not UTF-8.
    #[error("its {part} has a % without two hexadecimal digits behind it, or is no UTF-8 text")]
    Encoding {
        /// Where: `login`, `password`, `database name` and so on.
        part: &'static str,
    },
    /// A parameter that means nothing here.
    #[error("it has an unknown parameter{}, known are {known}", shown(name))]
    Parameter {
        /// Its name, if that can be nothing but a name.
        name: Option<String>,
        /// Those that may be there.
        known: &'static str,
    },
    /// A parameter's value that may not be so.
    #[error("its parameter {name} is not {allowed}")]
    Value {
        /// The parameter.
        name: &'static str,
        /// What it may be.
        allowed: &'static str,
    },
}

fn shown(name: &Option<String>) -> String {
    name.as_ref().map_or_else(String::new, |name| alloc::format!(" {name}"))
}
