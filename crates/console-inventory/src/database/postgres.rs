//! PostgreSQL.

use std::time::Duration;

use database_url::{DatabaseServer, TlsMode};
use secrecy::ExposeSecret;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection, Postgres};

use crate::database::error::{AskError, tls_files};
use crate::database::question::{self, Found, Question, Statements, queries};

const STATEMENTS: Statements = Statements {
    // As the login's search_path has it.
    tables: "SELECT t FROM unnest(ARRAY['servers_compute', 'instance_instance', 'computes_compute', 'instances_instance']) AS t \
             WHERE to_regclass(t) IS NOT NULL",
    webvirtmgr: queries!("servers_compute", "instance_instance", "BIGINT", "$1", "$2"),
    webvirtcloud: queries!("computes_compute", "instances_instance", "BIGINT", "$1", "$2"),
};

pub(crate) async fn ask(
    server: &DatabaseServer,
    limit: Duration,
    question: &Question,
) -> Result<Found, AskError> {
    tls_files(server)?;
    // A backend that waits for a lock does not notice that we are gone, and the panel needs the server's connections.
    let patience = (limit * 9 / 10).as_millis().max(1);
    let begin = format!("BEGIN READ ONLY; SET LOCAL statement_timeout = {patience}");
    let mut connection = options(server).connect().await.map_err(explained)?;
    let found =
        question::ask::<Postgres>(&mut connection, &STATEMENTS, Some(begin), question).await;
    // A farewell, so that the server's log has no complaint about us. The answer is there, whatever becomes of it.
    let _ = connection.close().await;
    found.map_err(|error| match error {
        AskError::Sqlx(error) => explained(error),
        other => other,
    })
}

/// What the URL leaves open, libpq's variables say (`PGPASSWORD`, `PGSSLMODE`).
fn options(server: &DatabaseServer) -> PgConnectOptions {
    let mut options = PgConnectOptions::new_without_pgpass()
        .host(&server.host)
        .port(server.port.map_or(PORT, Into::into))
        .database(&server.database)
        .application_name("webvirtmgr-console")
        // PgBouncer refuses connections that set it.
        .extra_float_digits(None)
        .disable_statement_logging();
    if let Some(folder) = &server.socket {
        options = options.socket(folder);
    }
    if let Some(login) = &server.login {
        options = options.username(login);
    }
    if let Some(password) = &server.password {
        options = options.password(password.expose_secret());
    }
    let tls = &server.tls;
    options = match tls.mode {
        TlsMode::Disable => options.ssl_mode(PgSslMode::Disable),
        // libpq's default, too, so a variable may say otherwise.
        TlsMode::Prefer => options,
        TlsMode::Require => options.ssl_mode(PgSslMode::Require),
        TlsMode::VerifyCa => options.ssl_mode(PgSslMode::VerifyCa),
        TlsMode::VerifyFull => options.ssl_mode(PgSslMode::VerifyFull),
    };
    if let Some(ca) = &tls.ca {
        options = options.ssl_root_cert(ca);
    }
    if let (Some(cert), Some(key)) = (&tls.cert, &tls.key) {
        options = options.ssl_client_cert(cert).ssl_client_key(key);
    }
    options
}

/// By the codes of PostgreSQL's appendix "Error Codes".
fn explained(error: sqlx::Error) -> AskError {
    let Some(told) = error.as_database_error() else { return error.into() };
    let (code, text) = (told.code().unwrap_or_default(), told.message().to_owned());
    match code.as_ref() {
        // Invalid authorisation, no such database, no grant.
        "28000" | "28P01" | "3D000" | "42501" => AskError::Refused(text),
        // query_canceled, by the bound above.
        "57014" => AskError::TimedOut,
        // Starting up, shutting down, out of connections; 08: connection exceptions.
        code if code.starts_with("57P") || code.starts_with("53") || code.starts_with("08") => {
            AskError::Unreachable(text)
        }
        _ => error.into(),
    }
}

const PORT: u16 = 5432;
