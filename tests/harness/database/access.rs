//! How a server is reached: everything that a URL says, and what it says by default.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;

use super::Engine;

/// One login of a server.
#[derive(Clone, Debug)]
pub struct Access {
    pub(super) engine: Engine,
    pub(super) port: u16,
    pub(super) login: String,
    pub(super) password: String,
    pub(super) database: String,
    pub(super) socket: PathBuf,
    pub(super) authority: PathBuf,
}

impl Access {
    /// The only address that it listens on.
    pub fn host(&self) -> &'static str {
        "127.0.0.1"
    }

    /// Its TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The login.
    pub fn login(&self) -> &str {
        &self.login
    }

    /// The password: letters and digits only.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The database's name.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// What Django calls its socket: PostgreSQL's folder, MariaDB's file.
    pub fn socket(&self) -> &PathBuf {
        &self.socket
    }

    /// A file with the certificate of the authority that signed the server's, which is for `127.0.0.1` and `localhost`.
    pub fn authority(&self) -> &PathBuf {
        &self.authority
    }

    /// Over TCP. What is said about TLS is the client's business.
    pub fn url(&self) -> String {
        let Self { port, login, password, database, .. } = self;
        format!("{}://{login}:{password}@{}:{port}/{database}", self.scheme(), self.host())
    }

    /// Over TCP with TLS, the server's certificate and name being checked.
    pub fn verified_url(&self) -> String {
        let authority = self.authority.display();
        match self.engine {
            Engine::MariaDb => {
                format!("{}?ssl-mode=VERIFY_IDENTITY&ssl-ca={authority}", self.url())
            }
            _ => format!("{}?sslmode=verify-full&sslrootcert={authority}", self.url()),
        }
    }

    /// Over the UNIX socket.
    pub fn socket_url(&self) -> String {
        let socket = self.socket.display();
        match self.engine {
            Engine::MariaDb => format!("{}?socket={socket}", self.url()),
            _ => format!("{}?host={socket}", self.url()),
        }
    }

    fn scheme(&self) -> &'static str {
        match self.engine {
            Engine::MariaDb => "mysql",
            _ => "postgresql",
        }
    }
}

/// A password that nobody knows.
pub(super) fn random_password() -> Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/uuid")?.trim().replace('-', ""))
}
