//! What a URL says.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;
use core::num::NonZeroU16;

use secrecy::{ExposeSecret, SecretString};

/// Where a database is.
///
/// `Display` has no password and no parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// `sqlite:///absolute/path`.
    Sqlite {
        /// The file, an absolute path.
        path: String,
    },
    /// `postgresql://` or `postgres://`.
    Postgres(DatabaseServer),
    /// `mysql://` or `mariadb://`.
    MySql(DatabaseServer),
}

/// A database on a server.
#[derive(Clone, Debug)]
pub struct DatabaseServer {
    /// A name or address, IPv6 without brackets; `localhost` where none is given.
    pub host: String,
    /// The port, if it is not the usual one.
    pub port: Option<NonZeroU16>,
    /// The UNIX socket in place of host and port, an absolute path. For PostgreSQL its folder (libpq's `host`), for MySQL the socket itself.
    pub socket: Option<String>,
    /// The login; without one it is left to the client library.
    pub login: Option<String>,
    /// The password.
    pub password: Option<SecretString>,
    /// The database's name.
    pub database: String,
    /// How the connection is encrypted.
    pub tls: ServerTls,
}

/// Passwords are compared, too.
impl PartialEq for DatabaseServer {
    fn eq(&self, other: &Self) -> bool {
        let all = |one: &Self| {
            let Self { host, port, socket, login, password: _, database, tls } = one.clone();
            (host, port, socket, login, database, tls)
        };
        let password = |one: &Self| one.password.as_ref().map(|one| one.expose_secret().to_owned());
        all(self) == all(other) && password(self) == password(other)
    }
}

impl Eq for DatabaseServer {}

/// How a connection to a server is encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerTls {
    /// `sslmode` or `ssl-mode`.
    pub mode: TlsMode,
    /// `sslrootcert` or `ssl-ca`: authorities besides the usual ones, a PEM file's absolute path.
    pub ca: Option<String>,
    /// `sslcert` or `ssl-cert`: our certificate, a PEM file's absolute path.
    pub cert: Option<String>,
    /// `sslkey` or `ssl-key`: its key, a PEM file's absolute path.
    pub key: Option<String>,
}

/// How much encryption is asked for (libpq, "SSL Support"; MySQL, `--ssl-mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsMode {
    /// `disable`, MySQL's `disabled`: none.
    Disable,
    /// `prefer`, MySQL's `preferred`: if the server has it; nobody's certificate is looked at.
    #[default]
    Prefer,
    /// `require`, MySQL's `required`: always; nobody's certificate is looked at.
    Require,
    /// `verify-ca`: the certificate must be signed by a known authority.
    VerifyCa,
    /// `verify-full`, MySQL's `verify-identity`: and be for this host.
    VerifyFull,
}

/// Without password and parameters.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, server) = match self {
            Self::Sqlite { path } => return write!(f, "sqlite://{}", path.escape_debug()),
            Self::Postgres(server) => ("postgresql", server),
            Self::MySql(server) => ("mysql", server),
        };
        write!(f, "{scheme}://")?;
        if let Some(login) = &server.login {
            write!(f, "{}@", login.escape_debug())?;
        }
        match (&server.socket, server.host.contains(':')) {
            (Some(socket), _) => write!(f, "{}", socket.escape_debug())?,
            (None, true) => write!(f, "[{}]", server.host)?,
            (None, false) => write!(f, "{}", server.host)?,
        }
        if let Some(port) = server.port.filter(|_| server.socket.is_none()) {
            write!(f, ":{port}")?;
        }
        write!(f, "/{}", server.database.escape_debug())
    }
}
