//! Which database it is. Everything that differs between SQLite and PostgreSQL is in this folder.

mod locks;
pub mod search;
mod value;

use std::{
    thread,
    time::{Duration, Instant},
};

use diesel::{
    Connection as _, MultiConnection, PgConnection, RunQueryDsl, SqliteConnection,
    connection::{AnsiTransactionManager, CacheSize, SimpleConnection, TransactionManager},
    prelude::*,
    result::{ConnectionError, DatabaseErrorKind},
    sql_types::{BigInt, Bool, Nullable, Text},
};

use super::{
    Condition,
    sql::{Bind, Sql},
};
use crate::{
    error::{Code, Error, Result},
    on_either,
    schema::{outbox, webhook},
};

/// How long a new SQLite file is given to be made a WAL by another process.
const SETTLING: Duration = Duration::from_secs(1);

/// A connection to either database.
#[derive(MultiConnection)]
pub enum AnyConnection {
    /// An SQLite file.
    Sqlite(SqliteConnection),
    /// A PostgreSQL server.
    Postgres(PgConnection),
}

/// Keeps count of nested transactions, so that diesel's own fit in.
type Transactions = <AnyConnection as diesel::Connection>::TransactionManager;

/// Which database an address means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// SQLite, in this process.
    Sqlite,
    /// PostgreSQL, over the network.
    Postgres,
}

impl Engine {
    /// Expressions for the day and the month, in UTC, on which a clock ended.
    pub fn day_and_month_of_end(self) -> [&'static str; 2] {
        match self {
            Engine::Sqlite => {
                ["strftime('%Y-%m-%d', service_clock.ended_at)", "strftime('%Y-%m', service_clock.ended_at)"]
            }
            Engine::Postgres => {
                ["to_char(service_clock.ended_at, 'YYYY-MM-DD')", "to_char(service_clock.ended_at, 'YYYY-MM')"]
            }
        }
    }

    /// Reads the scheme: a plain path or `sqlite://` is SQLite, `postgres://` and `postgresql://` are PostgreSQL, and
    /// anything else is refused, so that a typing mistake never becomes a file. So is TLS in a build that has none.
    pub fn of(url: &str) -> Result<Engine> {
        match url.split_once("://") {
            None if !url.is_empty() => Ok(Engine::Sqlite),
            Some(("sqlite", path)) if !path.is_empty() => Ok(Engine::Sqlite),
            Some(("postgres" | "postgresql", rest)) if wants_tls(rest) && !cfg!(feature = "postgres-tls") => {
                let detail = "This build knows no TLS to PostgreSQL, which the database address asks for: build it with \
                    `--features postgres-tls`, or leave TLS to a proxy beside the server.";
                Err(Error::new(Code::Malformed, detail))
            }
            Some(("postgres" | "postgresql", _)) => Ok(Engine::Postgres),
            _ => Err(Error::new(
                Code::Malformed,
                "The database address is neither a file path, `sqlite://…` nor `postgres://…`.",
            )),
        }
    }
}

/// Whether the parameters of a PostgreSQL address refuse a connection without TLS.
fn wants_tls(address: &str) -> bool {
    let parameters = address.split_once('?').map_or("", |(_, parameters)| parameters);
    let demands = ["sslmode=require", "sslmode=verify-ca", "sslmode=verify-full", "ssl=true"];
    parameters.split('&').any(|parameter| demands.contains(&parameter))
}

/// The address with the times after which a server that does not answer is given up, unless it says so itself.
fn in_time(url: &str) -> String {
    // In seconds, and milliseconds without an acknowledgement.
    let times = [("connect_timeout", "2"), ("keepalives_idle", "10"), ("tcp_user_timeout", "10000")];
    times.iter().filter(|(name, _)| !url.contains(&format!("{name}="))).fold(url.to_owned(), |url, (name, value)| {
        let joint = if url.contains('?') { '&' } else { '?' };
        format!("{url}{joint}{name}={value}")
    })
}

/// The file behind an SQLite address.
pub fn sqlite_path(url: &str) -> &str {
    url.strip_prefix("sqlite://").unwrap_or(url)
}

impl AnyConnection {
    /// Opens a connection and sets what durability and referential integrity need.
    pub fn open(url: &str) -> std::result::Result<Self, ConnectionError> {
        let engine = Engine::of(url).map_err(|e| ConnectionError::InvalidConnectionUrl(e.detail))?;
        let mut connection = match engine {
            Engine::Sqlite => {
                keep_private(sqlite_path(url));
                AnyConnection::Sqlite(SqliteConnection::establish(sqlite_path(url))?)
            }
            Engine::Postgres => AnyConnection::Postgres(PgConnection::establish(&in_time(url))?),
        };
        let settings = match connection {
            AnyConnection::Sqlite(_) => {
                "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                 PRAGMA foreign_keys = ON; PRAGMA cache_size = -2000; PRAGMA temp_store = MEMORY;"
            }
            AnyConnection::Postgres(_) => "SET synchronous_commit = on; SET TIME ZONE 'UTC'; SET jit = off;",
        };
        // Of several nodes that open a new SQLite file at once, those that don't make it a WAL are refused without waiting.
        let started = Instant::now();
        loop {
            match connection.batch_execute(settings) {
                Err(_) if engine == Engine::Sqlite && started.elapsed() < SETTLING => thread::sleep(SETTLING / 50),
                outcome => break outcome.map_err(ConnectionError::CouldntSetupConfiguration)?,
            }
        }
        Ok(connection)
    }

    /// Waits no longer for the lock of another process than who asks should wait for an answer.
    pub fn hurry(&mut self) -> QueryResult<()> {
        match self {
            AnyConnection::Sqlite(c) => c.batch_execute("PRAGMA busy_timeout = 900"),
            AnyConnection::Postgres(_) => Ok(()),
        }
    }

    /// For who writes: keeps what a group of writes touches in memory, rather than writing it twice, and leaves it to
    /// [`checkpoint`](Self::checkpoint) to move what was logged, until that is 32 MiB. The log begins anew when all of it was moved
    /// and nobody reads in it; what it had grown to by then, beyond 64 MiB, is given back.
    pub fn make_room(&mut self) -> QueryResult<()> {
        match self {
            AnyConnection::Sqlite(c) => c.batch_execute(
                "PRAGMA cache_size = -8000; PRAGMA wal_autocheckpoint = 8000; \
                 PRAGMA journal_size_limit = 67108864;",
            ),
            AnyConnection::Postgres(_) => Ok(()),
        }
    }

    /// Moves what was logged into the database, without making anybody wait. PostgreSQL does so by itself.
    pub fn checkpoint(&mut self) -> QueryResult<()> {
        match self {
            AnyConnection::Sqlite(c) => c.batch_execute("PRAGMA wal_checkpoint(PASSIVE)"),
            AnyConnection::Postgres(_) => Ok(()),
        }
    }

    /// Which database this is.
    pub fn engine(&self) -> Engine {
        match self {
            AnyConnection::Sqlite(_) => Engine::Sqlite,
            AnyConnection::Postgres(_) => Engine::Postgres,
        }
    }

    /// Opens a transaction that may write. SQLite takes the write lock at once, so that it can't fail half-way for it.
    pub fn begin_write(&mut self) -> QueryResult<()> {
        match self {
            AnyConnection::Sqlite(c) => AnsiTransactionManager::begin_transaction_sql(c, "BEGIN IMMEDIATE"),
            AnyConnection::Postgres(c) => AnsiTransactionManager::begin_transaction_sql(c, "BEGIN"),
        }
    }

    /// Opens a transaction within the one that is open.
    pub fn begin_nested(&mut self) -> QueryResult<()> {
        Transactions::begin_transaction(self)
    }

    /// Ends the innermost transaction and keeps what it did.
    pub fn commit(&mut self) -> QueryResult<()> {
        Transactions::commit_transaction(self)
    }

    /// Ends the innermost transaction and takes back what it did.
    pub fn roll_back(&mut self) -> QueryResult<()> {
        Transactions::rollback_transaction(self)
    }

    /// Ends all transactions, however deep, and takes back what they did.
    pub fn roll_back_all(&mut self) -> QueryResult<()> {
        while self.is_in_transaction()? {
            self.roll_back()?;
        }
        Ok(())
    }

    /// Gives up the statements that are kept prepared.
    pub fn forget_prepared(&mut self) -> QueryResult<()> {
        for size in [CacheSize::Disabled, CacheSize::Unbounded] {
            self.set_prepared_statement_cache_size(size);
        }
        match self {
            AnyConnection::Sqlite(_) => Ok(()),
            AnyConnection::Postgres(c) => c.batch_execute("DEALLOCATE ALL"),
        }
    }

    /// Lets the planner know how many rows there are of what. PostgreSQL finds out by itself, once a minute: where a table has
    /// doubled since, what was planned for few rows takes hundreds of times as long until then.
    pub fn learn_sizes(&mut self) -> QueryResult<()> {
        match self {
            AnyConnection::Sqlite(c) => c.batch_execute("PRAGMA analysis_limit = 400; PRAGMA optimize = 0x10002;"),
            AnyConnection::Postgres(c) => {
                let grown = diesel::select(diesel::dsl::sql::<Nullable<Text>>(
                    "(SELECT string_agg(quote_ident(relname), ', ') FROM pg_stat_user_tables \
                      WHERE schemaname = current_schema() AND n_mod_since_analyze >= greatest(100, n_live_tup / 2))",
                ));
                let grown: Option<String> = grown.get_result(c)?;
                grown.map_or(Ok(()), |tables| c.batch_execute(&format!("ANALYZE {tables}")))
            }
        }
    }

    /// Runs `work` so that it sees one moment of the store: in the transaction that is open, or else in one of its own.
    pub fn at_one_moment<T>(&mut self, work: impl FnOnce(&mut AnyConnection) -> Result<T>) -> Result<T> {
        if self.is_in_transaction()? { work(self) } else { self.snapshot(work) }
    }

    fn is_in_transaction(&mut self) -> QueryResult<bool> {
        Ok(Transactions::transaction_manager_status_mut(self).transaction_depth()?.is_some())
    }

    /// Whether the transaction that is open may have written what the epochs tell of at its commit only. Those of SQLite tell at once.
    pub fn awaits_epochs(&mut self) -> QueryResult<bool> {
        match self {
            AnyConnection::Sqlite(_) => Ok(false),
            AnyConnection::Postgres(c) => {
                diesel::select(diesel::dsl::sql::<Bool>("pg_current_xact_id_if_assigned() IS NOT NULL")).get_result(c)
            }
        }
    }

    /// Runs `work` in a transaction that sees one moment of the store and writes nothing.
    pub fn snapshot<T>(&mut self, work: impl FnOnce(&mut AnyConnection) -> Result<T>) -> Result<T> {
        match self {
            AnyConnection::Sqlite(c) => AnsiTransactionManager::begin_transaction_sql(c, "BEGIN"),
            AnyConnection::Postgres(c) => {
                AnsiTransactionManager::begin_transaction_sql(c, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            }
        }?;
        let outcome = work(self);
        self.roll_back()?;
        outcome
    }

    #[expect(clippy::disallowed_methods, reason = "this is where raw SQL belongs")]
    /// Copies an SQLite database into an empty file, as of one moment, while others write.
    pub fn copy_into(&mut self, file: &str) -> QueryResult<()> {
        match self {
            AnyConnection::Sqlite(c) => diesel::sql_query("VACUUM INTO ?").bind::<Text, _>(file).execute(c).map(|_| ()),
            AnyConnection::Postgres(_) => Err(diesel::result::Error::NotFound),
        }
    }

    /// Takes `count` numbers of a kind of record, first one first. They are never handed out again; what isn't used is a gap.
    pub fn take_numbers(&mut self, kind: &str, count: i64) -> QueryResult<i64> {
        use crate::schema::number_sequence::dsl;
        let taken = diesel::update(dsl::number_sequence.filter(dsl::kind.eq(kind)))
            .set(dsl::next_number.eq(dsl::next_number + count))
            .returning(dsl::next_number);
        let taken = on_either!(self, c => taken.get_result::<i64>(c)).optional()?;
        if let Some(next) = taken {
            return Ok(next - count);
        }
        let first = (dsl::kind.eq(kind), dsl::next_number.eq(1));
        match self {
            AnyConnection::Sqlite(c) => {
                diesel::insert_into(dsl::number_sequence).values(first).on_conflict_do_nothing().execute(c)
            }
            AnyConnection::Postgres(c) => {
                diesel::insert_into(dsl::number_sequence).values(first).on_conflict_do_nothing().execute(c)
            }
        }?;
        self.take_numbers(kind, count)
    }

    /// The condition that an event stands after a place in the order of commits, and nothing can come between them any more.
    ///
    /// SQLite has one writer, which numbers the rows as it commits them. On PostgreSQL a transaction has its id before it
    /// commits, so an event waits until every transaction with a lower id has ended, whatever that one is about.
    pub fn events_after(engine: Engine, xid: i64, seq: i64) -> Condition<outbox::table> {
        match engine {
            // That `xid` is known to be the same everywhere lets SQLite read in the order of its rows.
            Engine::Sqlite => Box::new(outbox::xid.eq(0).and(outbox::seq.gt(seq))),
            Engine::Postgres => {
                let is_settled = Sql::<Bool>::new(
                    "outbox.xid < CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)",
                );
                let is_beyond = outbox::xid.gt(xid).or(outbox::seq.gt(seq));
                Box::new(outbox::xid.ge(xid).and(is_beyond).and(is_settled))
            }
        }
    }

    /// Moves all events down, in their order, where some claim to be of transactions that are still to come: their dump was
    /// restored into a cluster that has counted less far, and they would be held back and new ones told before them.
    pub fn settle_restored_events(&mut self) -> QueryResult<usize> {
        let AnyConnection::Postgres(c) = self else { return Ok(0) };
        let next = diesel::dsl::sql::<BigInt>("CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint)");
        let next: i64 = diesel::select(next).get_result(c)?;
        let last: Option<i64> = outbox::table.select(diesel::dsl::max(outbox::xid)).first(c)?;
        match last.map(|last| last - next + 1) {
            Some(ahead) if ahead > 0 => {
                // Webhooks go on from where they were; those that have read nothing are before everything as it is.
                let readers = webhook::table.filter(webhook::cursor_xid.gt(0));
                diesel::update(readers).set(webhook::cursor_xid.eq(webhook::cursor_xid - ahead)).execute(c)?;
                diesel::update(outbox::table).set(outbox::xid.eq(outbox::xid - ahead)).execute(c)
            }
            _ => Ok(0),
        }
    }

    /// The condition that a column holds one of these words, which are letters, digits, `-` and `_`.
    pub(in crate::db) fn is_listed(engine: Engine, column: &str, words: &[&str]) -> Sql<Bool> {
        let text = |word: &str| Bind::Text(word.to_owned());
        match engine {
            // A table of a list costs more than most queries; a few values have places of their own, as many as a power of two, so
            // that there are few statements.
            Engine::Sqlite if words.len() <= FEW => {
                let (places, last) = (words.len().next_power_of_two(), words.last().copied().unwrap_or_default());
                let mut given = words.iter().copied().chain(std::iter::repeat(last)).take(places);
                let first = Sql::new(format!("{column} IN (")).bind(text(given.next().unwrap_or_default()));
                given.fold(first, |sql, word| sql.sql(", ").bind(text(word))).sql(")")
            }
            Engine::Sqlite => {
                let json = format!("[\"{}\"]", words.join("\",\""));
                Sql::new(format!("{column} IN (SELECT value FROM json_each(")).bind(Bind::Text(json)).sql("))")
            }
            Engine::Postgres => {
                // In a sub-select the list is taken apart once, not with each row.
                Sql::new(format!("{column} = ANY((SELECT string_to_array("))
                    .bind(Bind::Text(words.join(",")))
                    .sql(", ','))::text[])")
            }
        }
    }
}

/// So many words have places of their own in a statement.
const FEW: usize = 16;

/// Makes a database file that only its owner can read, since it holds keys; one that is there is left alone.
fn keep_private(path: &str) {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // Where it can't be made, opening it tells why.
    drop(options.open(path));
}

/// Runs a statement of diesel's on the connection behind a connection to either database. It means the same there, and its text
/// need not be made each time to find what is prepared: for the few that every request runs.
#[macro_export]
macro_rules! on_either {
    ($connection:expr, $c:ident => $run:expr) => {
        match $connection {
            $crate::db::AnyConnection::Sqlite($c) => $run,
            $crate::db::AnyConnection::Postgres($c) => $run,
        }
    };
}

/// Inserts rows into a table with one statement (several when there are very many), on either database.
#[macro_export]
macro_rules! insert_rows {
    ($connection:expr, $table:expr, $rows:expr) => {{
        let rows = $rows;
        let mut inserted = Ok(0);
        for part in rows.chunks(500) {
            inserted = match $connection {
                $crate::db::AnyConnection::Sqlite(c) => {
                    diesel::RunQueryDsl::execute(diesel::insert_into($table).values(part), c)
                }
                $crate::db::AnyConnection::Postgres(c) => {
                    diesel::RunQueryDsl::execute(diesel::insert_into($table).values(part), c)
                }
            };
            if inserted.is_err() {
                break;
            }
        }
        inserted.map(|_| ())
    }};
}

/// Inserts one row unless its key is taken, on either database; gives how many rows were inserted. Unlike a refused insert,
/// this leaves the transaction usable on PostgreSQL.
#[macro_export]
macro_rules! insert_unless_there {
    ($connection:expr, $table:expr, $values:expr) => {
        match $connection {
            $crate::db::AnyConnection::Sqlite(c) => {
                diesel::RunQueryDsl::execute(diesel::insert_into($table).values($values).on_conflict_do_nothing(), c)
            }
            $crate::db::AnyConnection::Postgres(c) => {
                diesel::RunQueryDsl::execute(diesel::insert_into($table).values($values).on_conflict_do_nothing(), c)
            }
        }
    };
}

impl From<diesel::result::Error> for Error {
    fn from(error: diesel::result::Error) -> Self {
        use DatabaseErrorKind::{ClosedConnection, ForeignKeyViolation, UniqueViolation};
        use diesel::result::Error as Db;
        let (code, detail) = if matches!(error, Db::NotFound) {
            return Error::not_found("such row");
        } else if matches!(error, Db::DatabaseError(UniqueViolation | ForeignKeyViolation, _)) {
            (Code::Conflict, "Something with this name or key exists, or something it refers to does not.")
        } else if matches!(error, Db::DatabaseError(ClosedConnection, _) | Db::BrokenTransactionManager) {
            (Code::Unavailable, AWAY)
        } else if let Db::DatabaseError(_, info) = &error {
            by_message(info.message())
        } else {
            (Code::Internal, FAILED)
        };
        let retry_after = (code == Code::Unavailable).then_some(1);
        Error { source: Some(Box::new(error)), retry_after, ..Error::new(code, detail) }
    }
}

const AWAY: &str = "The database is not available at the moment.";
const FAILED: &str = "Something failed on our side.";

/// SQLite and libpq tell a full disk, a lock or a lost server by their words alone.
fn by_message(message: &str) -> (Code, &'static str) {
    let full = ["database or disk is full", "No space left", "could not extend file"];
    let away = [
        "database is locked",
        "connection",
        "server closed",
        "terminating",
        "shutting down",
        "starting up",
        "read-only",
    ];
    let raced = ["could not serialize", "deadlock"];
    if raced.iter().any(|m| message.contains(m)) {
        (Code::Stale, "The record has changed meanwhile.")
    } else if full.iter().any(|m| message.contains(m)) {
        (Code::InsufficientStorage, "The disk of the database is full.")
    } else if away.iter().any(|m| message.contains(m)) {
        (Code::Unavailable, AWAY)
    } else {
        (Code::Internal, FAILED)
    }
}

impl From<ConnectionError> for Error {
    fn from(error: ConnectionError) -> Self {
        let base = Error::new(Code::Unavailable, AWAY).retry_after(1);
        Error { source: Some(Box::new(error)), ..base }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_needs_tls_is_refused_by_a_build_without() {
        for address in ["postgres://db/x?sslmode=require", "postgresql://db/x?a=b&sslmode=verify-full"] {
            match Engine::of(address) {
                Ok(engine) => assert!(engine == Engine::Postgres && cfg!(feature = "postgres-tls")),
                Err(e) => assert!(e.detail.contains("postgres-tls") && !cfg!(feature = "postgres-tls"), "{e}"),
            }
        }
        for address in ["postgres://db/x", "postgres://db/x?sslmode=prefer", "postgres://db/sslmode=require"] {
            assert_eq!(Engine::of(address).unwrap(), Engine::Postgres, "{address}");
        }
    }
}
