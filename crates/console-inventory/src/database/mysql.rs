//! MySQL and MariaDB.

use std::time::Duration;

use database_url::{DatabaseServer, TlsMode};
use secrecy::ExposeSecret;
use sqlx::mysql::{MySqlConnectOptions, MySqlDatabaseError, MySqlSslMode};
use sqlx::{ConnectOptions, Connection, MySql};

use crate::database::error::{AskError, tls_files};
use crate::database::question::{self, Found, Question, Statements, queries};

const STATEMENTS: Statements = Statements {
    // MySQL 8 has these names as binary strings.
    tables: "SELECT CAST(table_name AS CHAR) FROM information_schema.tables WHERE table_schema = DATABASE() \
             AND table_name IN ('servers_compute', 'instance_instance', 'computes_compute', 'instances_instance')",
    webvirtmgr: queries!("servers_compute", "instance_instance", "SIGNED", "?", "?"),
    webvirtcloud: queries!("computes_compute", "instances_instance", "SIGNED", "?", "?"),
};

pub(crate) async fn ask(
    server: &DatabaseServer,
    limit: Duration,
    question: &Question,
) -> Result<Found, AskError> {
    tls_files(server)?;
    // A connection that waits for a table's lock does not notice that we are gone, and the panel needs the server's. Whole seconds, at least one.
    let patience = (limit * 9 / 10).as_secs().max(1);
    let begin = format!("SET SESSION lock_wait_timeout = {patience}; START TRANSACTION READ ONLY");
    let mut connection = options(server).connect().await.map_err(explained)?;
    let found = question::ask::<MySql>(&mut connection, &STATEMENTS, Some(begin), question).await;
    // A farewell, so that the server's log has no complaint about us. The answer is there, whatever becomes of it.
    let _ = connection.close().await;
    found.map_err(|error| match error {
        AskError::Sqlx(error) => explained(error),
        other => other,
    })
}

fn options(server: &DatabaseServer) -> MySqlConnectOptions {
    let mut options = MySqlConnectOptions::new()
        .host(&server.host)
        .port(server.port.map_or(PORT, Into::into))
        .database(&server.database)
        // Nothing of what these set matters to our queries.
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .timezone(None)
        .disable_statement_logging();
    if let Some(socket) = &server.socket {
        options = options.socket(socket);
    }
    if let Some(login) = &server.login {
        options = options.username(login);
    }
    if let Some(password) = &server.password {
        options = options.password(password.expose_secret());
    }
    let tls = &server.tls;
    options = options.ssl_mode(match tls.mode {
        TlsMode::Disable => MySqlSslMode::Disabled,
        TlsMode::Prefer => MySqlSslMode::Preferred,
        TlsMode::Require => MySqlSslMode::Required,
        TlsMode::VerifyCa => MySqlSslMode::VerifyCa,
        TlsMode::VerifyFull => MySqlSslMode::VerifyIdentity,
    });
    if let Some(ca) = &tls.ca {
        options = options.ssl_ca(ca);
    }
    if let (Some(cert), Some(key)) = (&tls.cert, &tls.key) {
        options = options.ssl_client_cert(cert).ssl_client_key(key);
    }
    options
}

/// By the numbers of MySQL's "Server Error Message Reference".
fn explained(error: sqlx::Error) -> AskError {
    let told =
        error.as_database_error().and_then(|told| told.try_downcast_ref::<MySqlDatabaseError>());
    let Some(told) = told else { return error.into() };
    let (number, text) = (told.number(), told.message().to_owned());
    match number {
        // No access for this login, to this database, this table or column; no such database; not from this host.
        1044 | 1045 | 1049 | 1130 | 1142 | 1143 | 1698 => AskError::Refused(text),
        // Too many connections, shutting down, too many of this login's, host blocked after errors.
        1040 | 1053 | 1129 | 1203 | 1226 => AskError::Unreachable(text),
        // Lock wait timeout, by the bound above.
        1205 => AskError::TimedOut,
        _ => error.into(),
    }
}

const PORT: u16 = 3306;
