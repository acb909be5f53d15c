//! The floor of a write: the rows of a new incident, inserted by bare SQL. Nothing is decided, checked or hashed: what an
//! incident of the server's left in each table is bound to prepared statements again, under other ids.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use diesel::{
    QueryResult, RunQueryDsl,
    pg::Pg,
    query_builder::{AstPass, QueryFragment, QueryId},
    sql_types::{Nullable, Text},
    sqlite::Sqlite,
};
use pointsman::{
    clock::Clock,
    db::{AnyConnection, Engine},
};

use crate::{
    bare::{self, TABLES},
    fill::{Store, id_at},
};

/// A statement that its connection keeps prepared under `N`, so that its text is looked at once.
struct Prepared<'a, const N: usize> {
    sql: &'a str,
    values: &'a [Option<String>],
}

/// The name of such a statement.
struct Name<const N: usize>;

impl<const N: usize> QueryId for Prepared<'_, N> {
    type QueryId = Name<N>;
}

macro_rules! fragment {
    ($backend:ty) => {
        impl<const N: usize> QueryFragment<$backend> for Prepared<'_, N> {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, $backend>) -> QueryResult<()> {
                let mut values = self.values.iter();
                for (n, part) in self.sql.split('?').enumerate() {
                    if n > 0 {
                        out.push_bind_param::<Nullable<Text>, _>(values.next().unwrap())?;
                    }
                    out.push_sql(part);
                }
                Ok(())
            }
        }
    };
}
fragment!(Sqlite);
fragment!(Pg);
impl<C, const N: usize> RunQueryDsl<C> for Prepared<'_, N> {}

fn execute<const N: usize>(connection: &mut AnyConnection, sql: &str, values: &[Option<String>]) {
    let query = Prepared::<N> { sql, values };
    match connection {
        AnyConnection::Sqlite(c) => query.execute(c),
        AnyConnection::Postgres(c) => query.execute(c),
    }
    .unwrap();
}

/// Runs the statement of the n-th table.
fn insert(connection: &mut AnyConnection, n: usize, sql: &str, values: &[Option<String>]) {
    let of_table = [
        execute::<0>,
        execute::<1>,
        execute::<2>,
        execute::<3>,
        execute::<4>,
        execute::<5>,
        execute::<6>,
        execute::<7>,
        execute::<8>,
    ];
    of_table[n](connection, sql, values);
}

const NUMBERS: usize = TABLES.len();
const CHAIN: usize = TABLES.len() + 1;

/// What a column of a row holds.
#[derive(Clone)]
enum Value {
    /// The same as in the model.
    Same(Option<String>),
    /// The id of the record.
    Record,
    /// The number of the record.
    Number,
    /// An id of the row's own, which ends like this.
    Row(String),
    /// The audit chain.
    Chain,
    /// The place in it.
    Seq,
}

/// The rows of an incident in one table.
struct Rows {
    sql: String,
    rows: Vec<Vec<Value>>,
}

/// Inserts an incident over and over, on a connection of its own.
struct Floor {
    connection: AnyConnection,
    tables: Vec<Rows>,
    chain: i32,
    last: i64,
}

impl Floor {
    fn new(url: &str, model: &str, chain: i32, batch: usize) -> Self {
        let mut connection = AnyConnection::open(url).unwrap();
        connection.make_room().unwrap();
        let tables = TABLES.map(|(table, owner, _)| rows(&mut connection, table, owner, model, batch)).into();
        let last = bare::number(&mut connection, &format!("SELECT last_seq FROM audit_chain WHERE id = {chain}"));
        Floor { connection, tables, chain, last }
    }

    /// Inserts one incident for each of these ids and numbers, in one transaction.
    fn insert(&mut self, new: &[(String, String)]) {
        self.connection.begin_write().unwrap();
        let some = |value: String| vec![Some(value)];
        let sql = "UPDATE number_sequence SET next_number = next_number + CAST(? AS INTEGER) WHERE kind = 'incident'";
        execute::<NUMBERS>(&mut self.connection, sql, &some(new.len().to_string()));
        for (n, Rows { sql, rows }) in self.tables.iter().enumerate().filter(|(_, table)| !table.rows.is_empty()) {
            let mut values = Vec::with_capacity(new.len() * rows.len() * rows[0].len());
            for (id, number) in new {
                for row in rows {
                    self.last += i64::from(row.iter().any(|value| matches!(value, Value::Seq)));
                    values.extend(row.iter().map(|value| match value {
                        Value::Same(same) => same.clone(),
                        Value::Record => Some(id.clone()),
                        Value::Number => Some(number.clone()),
                        Value::Row(end) => Some(format!("{}{end}", &id[..32])),
                        Value::Chain => Some(self.chain.to_string()),
                        Value::Seq => Some(self.last.to_string()),
                    }));
                }
            }
            insert(&mut self.connection, n, sql, &values);
        }
        let sql = format!("UPDATE audit_chain SET last_seq = CAST(? AS BIGINT) WHERE id = {}", self.chain);
        execute::<CHAIN>(&mut self.connection, &sql, &some(self.last.to_string()));
        self.connection.commit().unwrap();
    }
}

/// What the model has in a table, and the statement that inserts it for all records of a transaction.
fn rows(connection: &mut AnyConnection, table: &str, owner: &str, model: &str, batch: usize) -> Rows {
    let engine = connection.engine();
    let columns = bare::columns(connection, table);
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let texts = names.iter().map(|name| format!("CAST({name} AS TEXT)")).collect::<Vec<_>>().join(", ");
    let array = match engine {
        Engine::Sqlite => format!("json_array({texts})"),
        Engine::Postgres => format!("CAST(json_build_array({texts}) AS text)"),
    };
    let found = bare::words(connection, &format!("SELECT {array} AS word FROM {table} WHERE {owner} = '{model}'"));
    let value = |(name, value): (&&str, Option<String>)| match *name {
        "number" => Value::Number,
        name if name == owner => Value::Record,
        "id" => Value::Row(value.unwrap()[32..].to_owned()),
        "chain" => Value::Chain,
        "seq" => Value::Seq,
        _ => Value::Same(value),
    };
    let row = |text: &String| {
        let values: Vec<Option<String>> = serde_json::from_str(text).unwrap();
        names.iter().zip(values).map(value).collect()
    };
    let rows: Vec<Vec<Value>> = found.iter().map(row).collect();
    let place = |(_, kind): &(String, String)| match engine {
        Engine::Sqlite => "?".to_owned(),
        Engine::Postgres => format!("CAST(? AS {kind})"),
    };
    let places = format!("({})", columns.iter().map(place).collect::<Vec<_>>().join(", "));
    let places = vec![places; rows.len() * batch].join(", ");
    let sql = format!("INSERT INTO {table} ({}) VALUES {places}", names.join(", "));
    Rows { sql, rows }
}

/// How many rows an incident is.
pub fn size(url: &str, model: &str) -> usize {
    Floor::new(url, model, 0, 1).tables.iter().map(|table| table.rows.len()).sum()
}

/// Inserts copies of `model` for so long, from `threads` connections with `batch` records in each transaction. Gives records a
/// second.
pub fn run(store: &Store, model: &str, threads: usize, batch: usize, seconds: u64) -> f64 {
    static RUN: AtomicUsize = AtomicUsize::new(0);
    let run = RUN.fetch_add(1, Ordering::Relaxed);
    let now = Clock::System.now();
    let work = |thread: usize| {
        // Each has an audit chain to itself, as the server's writers have.
        let mut floor = Floor::new(&store.url, model, i32::try_from(thread).unwrap_or(0), batch);
        let (start, mut made) = (Instant::now(), 0);
        while start.elapsed() < Duration::from_secs(seconds) {
            let new = |n: usize| (id_at(now, 0), format!("FLR-{}-{run}-{thread}-{}", now.unix_seconds(), made + n));
            floor.insert(&(0..batch).map(new).collect::<Vec<_>>());
            made += batch;
        }
        made as f64 / start.elapsed().as_secs_f64()
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|n| scope.spawn(move || work(n))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

/// Connections that write one commit each.
pub fn alone(engine: Engine) -> usize {
    match engine {
        Engine::Sqlite => 1,
        Engine::Postgres => 8,
    }
}

/// Connections that write in groups: as many as the server has writers.
pub fn writers(engine: Engine) -> usize {
    match engine {
        Engine::Sqlite => 1,
        Engine::Postgres => 2,
    }
}
