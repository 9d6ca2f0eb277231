//! The parser.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::str::FromStr;

use host_endpoint::Endpoint;
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};

use crate::error::DatabaseUrlError as Error;
use crate::types::{DatabaseServer, DatabaseUrl, ServerTls, TlsMode};

impl FromStr for DatabaseUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (scheme, rest) = text.split_once("://").ok_or(Error::Scheme)?;
        match scheme.to_ascii_lowercase().as_str() {
            "sqlite" | "sqlite3" => sqlite(rest),
            "postgresql" | "postgres" => Ok(Self::Postgres(server(rest, &POSTGRES)?)),
            "mysql" | "mariadb" => Ok(Self::MySql(server(rest, &MYSQL)?)),
            _ => Err(Error::Scheme),
        }
    }
}

impl DatabaseUrl {
    /// Puts this password in. `false` if there is one already, or the database is a file: then nothing changes.
    pub fn set_password(&mut self, password: SecretString) -> bool {
        match self {
            Self::Postgres(server) | Self::MySql(server) if server.password.is_none() => {
                server.password = Some(password);
                true
            }
            _ => false,
        }
    }

    /// A URL's text with `***` in place of its password.
    pub fn masked(text: &str) -> String {
        let masked = || {
            let (scheme, rest) = text.split_once("://")?;
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let (login, _) = rest.get(..end)?.rsplit_once('@')?;
            let (login, _) = login.split_once(':')?;
            let behind = rest.rsplit_once('@')?.1;
            Some(alloc::format!("{scheme}://{login}:***@{behind}"))
        };
        masked().unwrap_or_else(|| text.to_owned())
    }

    /// Whether there is a password in it.
    pub fn has_password(&self) -> bool {
        match self {
            Self::Sqlite { .. } => false,
            Self::Postgres(server) | Self::MySql(server) => server.password.is_some(),
        }
    }
}

fn sqlite(rest: &str) -> Result<DatabaseUrl, Error> {
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    if !path.starts_with('/') {
        return Err(Error::RelativePath);
    }
    if !query.is_empty() {
        return Err(unknown(query, "none for SQLite, which is always opened for reading only"));
    }
    // SQLAlchemy's and Django's tools have a fourth slash for an absolute path.
    let path = decoded(path, "path")?;
    let path = alloc::format!("/{}", path.trim_start_matches('/'));
    if path == "/" { Err(Error::NoDatabase) } else { Ok(DatabaseUrl::Sqlite { path }) }
}

/// What differs between the servers.
struct Dialect {
    /// The parameter with the UNIX socket.
    socket: &'static [&'static str],
    parameters: &'static str,
    /// libpq takes our user's name; of MySQL's libraries each has its own idea.
    needs_login: bool,
}

const POSTGRES: Dialect = Dialect {
    socket: &["host"],
    parameters: "host (a UNIX socket's folder), sslmode, sslrootcert, sslcert and sslkey",
    needs_login: false,
};

const MYSQL: Dialect = Dialect {
    socket: &["socket", "unix_socket"],
    parameters: "socket, ssl-mode, ssl-ca, ssl-cert and ssl-key",
    needs_login: true,
};

fn server(rest: &str, dialect: &Dialect) -> Result<DatabaseServer, Error> {
    let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    // A login or password that should have been encoded.
    if path.contains(['#', '@']) || query.contains(['#', '@']) {
        return Err(Error::Authority);
    }
    let (login, place) = match authority.rsplit_once('@') {
        Some((login, place)) => (Some(login), place),
        None => (None, authority),
    };
    let (login, password) = match login.map(|login| login.split_once(':').unwrap_or((login, ""))) {
        // A second one is a password's, which should have been encoded.
        Some((login, password)) if !login.contains('@') && !password.contains([':', '@']) => {
            let password = SecretString::from(decoded(password, "password")?);
            (Some(decoded(login, "login")?), Some(password))
        }
        Some(_) => return Err(Error::Authority),
        None => (None, None),
    };
    let mut server = DatabaseServer {
        host: "localhost".to_owned(),
        port: None,
        socket: None,
        login: login.filter(|login| !login.is_empty()),
        password: password.filter(|password| !password.expose_secret().is_empty()),
        database: decoded(path.strip_prefix('/').unwrap_or(path), "database name")?,
        tls: ServerTls::default(),
    };
    match place {
        "" => {}
        // libpq takes a socket's folder for a host, too.
        place if place.starts_with("%2F") || place.starts_with("%2f") => {
            server.socket = Some(decoded(place, "host")?);
        }
        place => {
            let at: Endpoint = place.parse().map_err(|_| Error::Authority)?;
            (server.host, server.port) = (at.host, at.port);
        }
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        parameter(&mut server, pair, dialect)?;
    }
    if server.database.is_empty() || server.database.contains('/') {
        return Err(Error::NoDatabase);
    }
    if dialect.needs_login && server.login.is_none() {
        return Err(Error::NoLogin);
    }
    if server.tls.cert.is_some() != server.tls.key.is_some() {
        let allowed = "given together with its other half (sslcert and sslkey)";
        let name = if server.tls.cert.is_some() { "sslcert" } else { "sslkey" };
        return Err(Error::Value { name, allowed });
    }
    Ok(server)
}

fn parameter(server: &mut DatabaseServer, pair: &str, dialect: &Dialect) -> Result<(), Error> {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    let value = decoded(value, "parameters")?;
    let path = |name: &'static str| {
        let is_path = value.starts_with('/');
        is_path.then(|| value.clone()).ok_or(Error::Value { name, allowed: "an absolute path" })
    };
    match name {
        "sslmode" | "ssl-mode" => {
            server.tls.mode = match value.to_ascii_lowercase().replace('_', "-").as_str() {
                "disable" | "disabled" => TlsMode::Disable,
                "allow" | "prefer" | "preferred" => TlsMode::Prefer,
                "require" | "required" => TlsMode::Require,
                "verify-ca" => TlsMode::VerifyCa,
                "verify-full" | "verify-identity" => TlsMode::VerifyFull,
                _ => {
                    let allowed = "one of disable, prefer, require, verify-ca and verify-full";
                    return Err(Error::Value { name: "sslmode", allowed });
                }
            }
        }
        "sslrootcert" | "ssl-ca" => server.tls.ca = Some(path("sslrootcert")?),
        "sslcert" | "ssl-cert" => server.tls.cert = Some(path("sslcert")?),
        "sslkey" | "ssl-key" => server.tls.key = Some(path("sslkey")?),
        name if dialect.socket.contains(&name) => server.socket = Some(path("socket")?),
        _ => return Err(unknown(pair, dialect.parameters)),
    }
    Ok(())
}

/// `password=…` and the like: only what can be nothing but a name is repeated.
fn unknown(query: &str, known: &'static str) -> Error {
    let name = query.split(['=', '&']).next().unwrap_or_default();
    let is_name = (1..=40).contains(&name.len())
        && query.contains('=')
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'-'));
    Error::Parameter { name: is_name.then(|| name.to_owned()), known }
}

fn decoded(text: &str, part: &'static str) -> Result<String, Error> {
    let mut marks = text.split('%');
    marks.next();
    let is_whole =
        |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    if !marks.all(is_whole) {
        return Err(Error::Encoding { part });
    }
    let text = percent_decode_str(text).decode_utf8().map_err(|_| Error::Encoding { part })?;
    if text.contains('\0') { Err(Error::Encoding { part }) } else { Ok(text.into_owned()) }
}
