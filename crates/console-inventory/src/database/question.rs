//! What a panel's database is asked, in SQL.

use std::fmt;

use sqlx::database::HasStatementCache;
use sqlx::{AssertSqlSafe, ColumnIndex, Database, Decode, Encode, Executor, IntoArguments, Type};

use crate::database::error::AskError;
use crate::database::guest::GuestRow;
use crate::database::row::HostRow;

/// Whose database it is, which its tables tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Panel {
    /// It has `servers_compute` and `instance_instance`.
    WebVirtMgr,
    /// It has `computes_compute` and `instances_instance`.
    WebVirtCloud,
}

impl fmt::Display for Panel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WebVirtMgr => "WebVirtMgr",
            Self::WebVirtCloud => "WebVirtCloud",
        })
    }
}

/// What is asked.
#[derive(Debug)]
pub(crate) enum Question {
    /// One host, and whether it has this guest.
    Guest { host: i64, uuid: String },
    /// All hosts.
    Hosts,
    /// All guests.
    Guests,
}

/// What is found: hosts, or guests where those were asked for.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) panel: Panel,
    pub(crate) hosts: Vec<HostRow>,
    pub(crate) guests: Vec<GuestRow>,
}

/// One engine's SQL.
pub(crate) struct Statements {
    /// Which of the four tables are there.
    pub(crate) tables: &'static str,
    pub(crate) webvirtmgr: Queries,
    pub(crate) webvirtcloud: Queries,
}

pub(crate) struct Queries {
    guest: &'static str,
    hosts: &'static str,
    guests: &'static str,
}

impl Queries {
    pub(crate) const fn new(
        guest: &'static str,
        hosts: &'static str,
        guests: &'static str,
    ) -> Self {
        Self { guest, hosts, guests }
    }
}

/// The queries for one panel's tables, where this engine writes its integer type and its two parameters so. As the panels' own proxies have it,
/// a guest is one that the panel lists on that host.
macro_rules! queries {
    ($hosts:literal, $guests:literal, $integer:literal, $uuid:literal, $id:literal) => {
        $crate::database::question::Queries::new(
            concat!(
                "SELECT CAST(c.id AS ",
                $integer,
                "), c.name, c.hostname, c.login, c.password, CAST(c.type AS ",
                $integer,
                "), ",
                "(SELECT COUNT(*) FROM ",
                $guests,
                " i WHERE i.compute_id = c.id AND i.uuid = ",
                $uuid,
                ") ",
                "FROM ",
                $hosts,
                " c WHERE c.id = ",
                $id
            ),
            concat!(
                "SELECT CAST(c.id AS ",
                $integer,
                "), c.name, c.hostname, c.login, c.password, CAST(c.type AS ",
                $integer,
                "), ",
                "(SELECT COUNT(*) FROM ",
                $guests,
                " i WHERE i.compute_id = c.id) ",
                "FROM ",
                $hosts,
                " c ORDER BY c.id LIMIT 10000"
            ),
            concat!(
                "SELECT CAST(i.id AS ",
                $integer,
                "), CAST(i.compute_id AS ",
                $integer,
                "), i.name, i.uuid, ",
                "(SELECT COUNT(*) FROM ",
                $hosts,
                " c WHERE c.id = i.compute_id) ",
                "FROM ",
                $guests,
                " i ORDER BY i.id LIMIT 100000"
            ),
        )
    };
}
pub(crate) use queries;

/// After `begin`, which begins a transaction that cannot write, finds out whose tables there are, and asks them.
pub(crate) async fn ask<DB>(
    connection: &mut DB::Connection,
    statements: &Statements,
    begin: Option<String>,
    question: &Question,
) -> Result<Found, AskError>
where
    DB: Database + HasStatementCache,
    DB::Arguments: IntoArguments<DB>,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> i64: Encode<'q, DB> + Decode<'q, DB> + Type<DB>,
    for<'q> String: Encode<'q, DB> + Decode<'q, DB> + Type<DB>,
    usize: ColumnIndex<DB::Row>,
{
    let is_begun = begin.is_some();
    if let Some(begin) = begin {
        (&mut *connection).execute(AssertSqlSafe(begin)).await?;
    }
    // Statements without a name: PgBouncer hands the server's connection on to others, who have theirs.
    let tables = sqlx::query_scalar(statements.tables).persistent(false);
    let tables: Vec<String> = tables.fetch_all(&mut *connection).await?;
    let panel = panel(&tables)?;
    let queries = match panel {
        Panel::WebVirtMgr => &statements.webvirtmgr,
        Panel::WebVirtCloud => &statements.webvirtcloud,
    };
    let query = match question {
        Question::Guest { host, uuid } => {
            // In the order in which MySQL, which numbers no parameters, meets them.
            sqlx::query(queries.guest).bind(uuid.clone()).bind(*host)
        }
        Question::Hosts => sqlx::query(queries.hosts),
        Question::Guests => sqlx::query(queries.guests),
    };
    let rows = query.persistent(false).fetch_all(&mut *connection).await?;
    if is_begun {
        (&mut *connection).execute("ROLLBACK").await?;
    }
    let (mut hosts, mut guests) = (Vec::new(), Vec::new());
    match question {
        Question::Guest { .. } | Question::Hosts => {
            hosts = rows.iter().map(HostRow::decode).collect::<Result<_, _>>()?;
        }
        Question::Guests => guests = rows.iter().map(GuestRow::decode).collect(),
    }
    Ok(Found { panel, hosts, guests })
}

fn panel(tables: &[String]) -> Result<Panel, AskError> {
    // MySQL may fold the case of names.
    let has = |name: &str| tables.iter().any(|table| table.eq_ignore_ascii_case(name));
    let webvirtmgr = has("servers_compute") && has("instance_instance");
    let webvirtcloud = has("computes_compute") && has("instances_instance");
    match (webvirtmgr, webvirtcloud) {
        (true, false) => Ok(Panel::WebVirtMgr),
        (false, true) => Ok(Panel::WebVirtCloud),
        (true, true) => Err(AskError::BothPanels),
        (false, false) => Err(AskError::NoPanel { found: tables.to_vec() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::{MAX_CHECKED_GUESTS, MAX_CHECKED_HOSTS};

    #[test]
    fn the_queries_end_where_the_constants_say() {
        let queries = queries!("hosts", "guests", "INTEGER", "?1", "?2");
        assert!(queries.hosts.ends_with(&format!(" LIMIT {MAX_CHECKED_HOSTS}")));
        assert!(queries.guests.ends_with(&format!(" LIMIT {MAX_CHECKED_GUESTS}")));
    }

    #[test]
    fn the_tables_tell_whose_database_it_is() {
        let of =
            |tables: &[&str]| panel(&tables.iter().map(ToString::to_string).collect::<Vec<_>>());
        let mgr = ["servers_compute", "instance_instance"];
        let cloud = ["INSTANCES_INSTANCE", "computes_compute"];
        assert_eq!(of(&mgr).unwrap(), Panel::WebVirtMgr);
        assert_eq!(of(&cloud).unwrap(), Panel::WebVirtCloud);
        assert!(matches!(of(&[mgr, cloud].concat()), Err(AskError::BothPanels)));
        for few in [&mgr[..1], &cloud[..1], &["servers_compute", "instances_instance"], &[]] {
            assert!(matches!(of(few), Err(AskError::NoPanel { .. })), "{few:?}");
        }
    }
}
