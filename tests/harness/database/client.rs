//! Asking a database: one connection for each call, which says as much about the way there as about the rows.

use std::future::Future;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use sqlx::{AssertSqlSafe, Connection, MySqlConnection, PgConnection, Row as _, SqliteConnection};

/// For one call, connecting included.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// One row, every value as text; `None` is NULL.
pub type Row = Vec<Option<String>>;

/// What stands for a `?`.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// A number.
    Integer(i64),
    /// Text, or NULL.
    Text(Option<&'a str>),
}

/// Does the same over whichever connection the URL asks for.
macro_rules! connected {
    ($url:expr, $connection:ident => $work:expr) => {
        match $url.split(':').next() {
            Some("postgresql") => connected!(PgConnection, $url, $connection => $work),
            Some("mysql") => connected!(MySqlConnection, $url, $connection => $work),
            Some("sqlite") => connected!(SqliteConnection, $url, $connection => $work),
            _ => bail!("{} is no database's URL", $url),
        }
    };
    ($kind:ty, $url:expr, $connection:ident => $work:expr) => {
        bounded(async {
            let mut connection = <$kind>::connect($url).await?;
            let $connection = &mut connection;
            let result = $work;
            // Without a word of farewell both servers would log an error. MariaDB may hang up first.
            let _ = connection.close().await;
            result
        })
        .await
    };
}

/// Runs statements.
pub(super) async fn run(url: &str, sql: &str) -> Result<()> {
    connected!(url, connection => {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop)
    })
}

/// Runs one statement with a value for each `?`.
pub(super) async fn run_with(url: &str, sql: &str, values: &[Value<'_>]) -> Result<()> {
    let sql = if url.starts_with("postgresql") { numbered(sql) } else { sql.to_owned() };
    connected!(url, connection => {
        let mut query = sqlx::query(AssertSqlSafe(sql.as_str()));
        for value in values {
            query = match value {
                Value::Integer(number) => query.bind(number),
                Value::Text(text) => query.bind(text),
            };
        }
        query.execute(connection).await.map(drop)
    })
}

/// The rows of a query.
pub(super) async fn rows(url: &str, sql: &str) -> Result<Vec<Row>> {
    connected!(url, connection => {
        // Not prepared: then PostgreSQL and MariaDB send text whatever the column's type, and SQLite makes text of it.
        let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(connection).await;
        rows.and_then(|rows| {
            rows.iter()
                .map(|row| (0..row.len()).map(|column| row.try_get_unchecked(column)).collect())
                .collect()
        })
    })
}

async fn bounded<T>(work: impl Future<Output = sqlx::Result<T>>) -> Result<T> {
    let done = tokio::time::timeout(PATIENCE, work).await;
    Ok(done.with_context(|| format!("waited {} s for the database", PATIENCE.as_secs()))??)
}

/// PostgreSQL's way to write parameters: `$1` for the first `?`. None of the statements has one in a literal.
fn numbered(sql: &str) -> String {
    let mut parts = sql.split('?');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.enumerate().fold(first, |sql, (index, part)| format!("{sql}${}{part}", index + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_numbered() {
        assert_eq!(numbered("SET a = ?, b = ? WHERE c = ?"), "SET a = $1, b = $2 WHERE c = $3");
        assert_eq!(numbered("SELECT 1"), "SELECT 1");
    }
}
