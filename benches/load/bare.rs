//! Bare SQL: copies of records, table by table, which fill a database.

use diesel::{
    QueryResult, RunQueryDsl,
    connection::SimpleConnection,
    pg::Pg,
    query_builder::{AstPass, QueryFragment, QueryId},
    sql_types::Text,
    sqlite::Sqlite,
};
use pointsman::db::{AnyConnection, Engine};
use serde_json::{Value, json};

/// The tables that a new incident has rows in: name, the column that names the record, and which rows of it a fill takes.
pub const TABLES: [(&str, &str, &str); 9] = [
    ("record", "id", ""),
    ("incident", "record_id", ""),
    ("participant", "record_id", ""),
    ("record_tag", "record_id", ""),
    ("custom_value", "record_id", ""),
    ("record_text", "record_id", ""),
    ("decision", "record_id", " AND old.record_version = 1"),
    ("outbox", "record_id", " AND old.event = 'incident.created'"),
    ("audit", "subject_id", " AND old.subject_version = 1"),
];

/// The audit chain that copies are appended to.
const CHAIN: i32 = 0;

/// A record that is to be a copy of another one.
pub struct Copy {
    pub id: String,
    pub number: String,
    /// The record that it is like.
    pub like: String,
    /// How many seconds before its model everything happened to it.
    pub earlier: i64,
}

/// Statement text and values, kept prepared by the connection.
struct Bare<'a> {
    sql: &'a str,
    values: Vec<String>,
}

impl QueryId for Bare<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

macro_rules! fragment {
    ($backend:ty) => {
        impl QueryFragment<$backend> for Bare<'_> {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, $backend>) -> QueryResult<()> {
                for (n, part) in self.sql.split('?').enumerate() {
                    if n > 0 {
                        out.push_bind_param::<Text, _>(&self.values[n - 1])?;
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
impl<C> RunQueryDsl<C> for Bare<'_> {}

/// Copies records.
pub struct Copier {
    connection: AnyConnection,
    statements: Vec<String>,
    last: i64,
}

impl Copier {
    /// Of all incidents, on a connection of its own. It moves all times and takes only what a record began with.
    pub fn new(url: &str) -> Self {
        let mut connection = AnyConnection::open(url).unwrap();
        for (table, owner, some) in TABLES {
            // Apart, so that copies don't make them harder to find.
            let gather = format!(
                "CREATE TEMP TABLE model_{table} AS SELECT old.* FROM {table} AS old \
                 WHERE old.{owner} IN (SELECT id FROM record WHERE kind = 'incident'){some}; \
                 CREATE INDEX model_{table}_by_owner ON model_{table} ({owner})"
            );
            connection.batch_execute(&gather).unwrap();
        }
        let statements = TABLES.iter().map(|(table, owner, _)| statement(&mut connection, table, owner)).collect();
        let last = number(&mut connection, &format!("SELECT last_seq FROM audit_chain WHERE id = {CHAIN}"));
        Copier { connection, statements, last }
    }

    /// Makes copies in one transaction.
    pub fn copy(&mut self, copies: &[Copy]) {
        let new: Vec<Value> = copies
            .iter()
            .map(|c| json!({"id": c.id, "number": c.number, "model": c.like, "earlier": c.earlier}))
            .collect();
        let new = Value::Array(new).to_string();
        self.connection.begin_write().unwrap();
        for (sql, (table, _, _)) in self.statements.iter().zip(TABLES) {
            let mut values = vec![new.clone()];
            if table == "audit" {
                values = vec![CHAIN.to_string(), self.last.to_string(), new.clone()];
            }
            let written = execute(&mut self.connection, Bare { sql, values });
            if table == "audit" {
                self.last += i64::try_from(written).unwrap();
            }
        }
        let numbers =
            "UPDATE number_sequence SET next_number = next_number + CAST(? AS INTEGER) WHERE kind = 'incident'";
        execute(&mut self.connection, Bare { sql: numbers, values: vec![copies.len().to_string()] });
        let chain = "UPDATE audit_chain SET last_seq = CAST(? AS BIGINT) WHERE id = CAST(? AS INTEGER)";
        let values = vec![self.last.to_string(), CHAIN.to_string()];
        execute(&mut self.connection, Bare { sql: chain, values });
        self.connection.commit().unwrap();
    }
}

fn execute(connection: &mut AnyConnection, query: Bare<'_>) -> usize {
    match connection {
        AnyConnection::Sqlite(c) => query.execute(c),
        AnyConnection::Postgres(c) => query.execute(c),
    }
    .unwrap()
}

/// `INSERT INTO table … SELECT … FROM table JOIN what is new`.
fn statement(connection: &mut AnyConnection, table: &str, owner: &str) -> String {
    let engine = connection.engine();
    let columns = columns(connection, table);
    let value = |(column, kind): &(String, String)| match column.as_str() {
        "number" => "new.number".to_owned(),
        column if column == owner => "new.id".to_owned(),
        "id" => "substr(new.id, 1, 32) || substr(old.id, 33)".to_owned(),
        "chain" => "CAST(? AS INTEGER)".to_owned(),
        "seq" => "CAST(? AS BIGINT) + row_number() OVER ()".to_owned(),
        column if kind.starts_with("TIMESTAMP") => match engine {
            Engine::Sqlite => format!("strftime('%Y-%m-%d %H:%M:%f', old.{column}, (-new.earlier) || ' seconds')"),
            Engine::Postgres => format!("old.{column} - new.earlier * interval '1 second'"),
        },
        column => format!("old.{column}"),
    };
    let values: Vec<String> = columns.iter().map(value).collect();
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let new = match engine {
        Engine::Sqlite => {
            "(SELECT json_extract(value, '$.id') AS id, json_extract(value, '$.number') AS number, \
             json_extract(value, '$.model') AS model, json_extract(value, '$.earlier') AS earlier FROM json_each(?)) AS new \
             CROSS JOIN"
        }
        Engine::Postgres => {
            "json_to_recordset(CAST(? AS json)) AS new (id text, number text, model text, earlier bigint) CROSS JOIN"
        }
    };
    format!(
        "INSERT INTO {table} ({}) SELECT {} FROM {new} model_{table} AS old WHERE old.{owner} = new.model",
        names.join(", "),
        values.join(", ")
    )
}

#[derive(diesel::QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    kind: String,
}

/// The columns that are written: not those that the database fills in by itself.
pub fn columns(connection: &mut AnyConnection, table: &str) -> Vec<(String, String)> {
    let sql = match connection.engine() {
        Engine::Sqlite => format!("SELECT name, type AS kind FROM pragma_table_info('{table}')"),
        Engine::Postgres => format!(
            "SELECT column_name::text AS name, upper(data_type::text) AS kind FROM information_schema.columns \
             WHERE table_name = '{table}' AND table_schema = current_schema() AND is_generated = 'NEVER' ORDER BY ordinal_position"
        ),
    };
    let by_itself = |name: &str| matches!((table, name), ("outbox", "xid" | "seq") | ("record_text", "position"));
    let rows: Vec<Column> = load(connection, &sql);
    rows.into_iter().map(|c| (c.name, c.kind)).filter(|(name, _)| !by_itself(name)).collect()
}

#[derive(diesel::QueryableByName)]
struct Number {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    n: i64,
}

/// One number.
pub fn number(connection: &mut AnyConnection, sql: &str) -> i64 {
    load::<Number>(connection, &format!("SELECT CAST(({sql}) AS BIGINT) AS n")).first().map_or(0, |row| row.n)
}

#[derive(diesel::QueryableByName)]
struct Word {
    #[diesel(sql_type = Text)]
    word: String,
}

/// A column of texts; `sql` calls it `word`.
pub fn words(connection: &mut AnyConnection, sql: &str) -> Vec<String> {
    load::<Word>(connection, sql).into_iter().map(|row| row.word).collect()
}

#[expect(clippy::disallowed_methods, reason = "the floor is bare SQL")]
fn load<T>(connection: &mut AnyConnection, sql: &str) -> Vec<T>
where
    T: diesel::deserialize::QueryableByName<Sqlite> + diesel::deserialize::QueryableByName<Pg> + 'static,
{
    match connection {
        AnyConnection::Sqlite(c) => diesel::sql_query(sql).load(c),
        AnyConnection::Postgres(c) => diesel::sql_query(sql).load(c),
    }
    .unwrap()
}

/// Tells the planner of what was filled in.
pub fn analyse(connection: &mut AnyConnection) {
    connection.batch_execute("ANALYZE").unwrap();
}

/// Runs one statement by itself.
pub fn run(url: &str, sql: &str) {
    AnyConnection::open(url).unwrap().batch_execute(sql).unwrap();
}
