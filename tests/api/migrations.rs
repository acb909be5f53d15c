//! The migrations: the same schema on both databases, the one that the code believes in, and the way back.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use diesel::{RunQueryDsl, sql_types::Text};
use pointsman::db::{AnyConnection, Engine, migrate};

use crate::support::{TestDatabase, golden::source};

/// What each database words in its own way, and what stands for it when the two are compared.
const WORDINGS: &[(&str, &str)] = &[
    (" COLLATE \"C\"", ""),
    ("DOUBLE PRECISION", "DOUBLE"),
    ("BYTEA", "BLOB"),
    ("seq INTEGER PRIMARY KEY AUTOINCREMENT", "seq BIGINT NOT NULL"),
    ("seq BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY, PRIMARY KEY (xid, seq)", "seq BIGINT NOT NULL"),
    ("seq BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "seq BIGINT NOT NULL"),
    (" DEFAULT (hex(randomblob(16)))", ""),
    ("DEFAULT (pg_current_xact_id()::text::bigint)", "DEFAULT 0"),
];

/// Column → type class and whether it may be null.
type Columns = BTreeMap<String, (String, bool)>;

/// What each database does in its own way: the tables of searchable words, and the triggers that raise epochs, whose effect
/// `nodes.rs` compares.
const OF_ONE: &[&str] =
    &["record_text", "record_index", "_epoch", "TRIGGER", "FUNCTION", "INTO graph_change", "FROM graph_change"];

#[derive(diesel::QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

#[expect(clippy::disallowed_methods, reason = "what a database says of itself has no table")]
fn lines(connection: &mut AnyConnection, sql: &str) -> BTreeSet<String> {
    let lines: Vec<Line> = diesel::sql_query(sql).load(connection).unwrap();
    lines.into_iter().map(|line| line.line).collect()
}

/// Everything that the database says of its schema.
fn described(connection: &mut AnyConnection) -> BTreeSet<String> {
    match connection.engine() {
        Engine::Sqlite => {
            lines(connection, "SELECT type || ' ' || name || ' ' || coalesce(sql, '') AS line FROM sqlite_master")
        }
        Engine::Postgres => {
            let columns = "SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default, collation_name, is_identity) AS line \
                           FROM information_schema.columns WHERE table_schema = current_schema()";
            let indexes = "SELECT replace(indexdef, current_schema() || '.', '') AS line FROM pg_indexes WHERE schemaname = current_schema()";
            let constraints = "SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) AS line FROM pg_constraint \
                               WHERE connamespace = current_schema()::regnamespace";
            [columns, indexes, constraints].iter().flat_map(|sql| lines(connection, sql)).collect()
        }
    }
}

fn empty() -> (TestDatabase, AnyConnection) {
    let database = TestDatabase::create_empty();
    let connection = AnyConnection::open(&database.url()).unwrap();
    (database, connection)
}

#[test]
fn the_way_up_leads_to_the_same_place_after_the_way_down() {
    let (_database, mut connection) = empty();
    let before = described(&mut connection);
    assert!(!migrate::up(&mut connection).unwrap().is_empty());
    let first = described(&mut connection);
    assert_eq!(migrate::up(&mut connection).unwrap(), Vec::<String>::new());
    while migrate::status(&mut connection).unwrap().iter().any(|step| step.applied) {
        migrate::down(&mut connection).unwrap();
    }
    let own = |line: &&String| !line.contains("__diesel_schema_migrations") && !line.contains("sqlite_sequence");
    let left: Vec<String> = described(&mut connection).iter().filter(own).cloned().collect();
    let before: Vec<String> = before.iter().filter(own).cloned().collect();
    assert_eq!(left, before, "the way down leaves something behind");
    migrate::up(&mut connection).unwrap();
    assert_eq!(described(&mut connection), first);
}

#[test]
fn a_store_with_records_goes_down_and_up() {
    let database = TestDatabase::create();
    let mut config = pointsman::config::Config::default();
    config.database.url = pointsman::config::DatabaseUrl::new(database.url());
    let clock = pointsman::clock::Clock::set_to(crate::support::tuesday());
    drop(pointsman::assembly::Assembly::open(config, clock).unwrap());
    let mut connection = AnyConnection::open(&database.url()).unwrap();
    while migrate::status(&mut connection).unwrap().iter().any(|step| step.applied) {
        migrate::down(&mut connection).unwrap();
    }
    assert!(!migrate::up(&mut connection).unwrap().is_empty());
}

/// The SQL of all migrations of a database, one statement a line.
fn statements(database: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(database);
    let mut folders: Vec<_> = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    let mut text = String::new();
    for folder in folders {
        assert!(folder.join("down.sql").exists(), "{} has no way back", folder.display());
        text += &std::fs::read_to_string(folder.join("up.sql")).unwrap();
    }
    let plain: String = text.lines().map(|line| line.split("--").next().unwrap_or("").to_owned() + " ").collect();
    let squeezed = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    squeezed.split(';').map(|statement| statement.trim().to_owned()).filter(|s| !s.is_empty()).collect()
}

/// A statement in words that both databases share.
fn plain(statement: String) -> String {
    WORDINGS.iter().fold(statement, |statement, (theirs, ours)| statement.replace(theirs, ours))
}

fn class(of: &str) -> &'static str {
    match of.to_uppercase().as_str() {
        "TEXT" => "Text",
        "INTEGER" | "INT" => "Integer",
        "BIGINT" => "BigInt",
        "BOOLEAN" => "Bool",
        "TIMESTAMP" => "Timestamp",
        "DOUBLE" => "Double",
        "BLOB" => "Binary",
        other => panic!("a type that only one database knows: {other}"),
    }
}

/// The tables that `CREATE TABLE` statements make.
fn tables(database: &str) -> BTreeMap<String, Columns> {
    let mut tables: BTreeMap<String, Columns> = BTreeMap::new();
    for statement in statements(database).into_iter().map(plain) {
        let added = statement.strip_prefix("ALTER TABLE ").and_then(|rest| rest.split_once(" ADD COLUMN "));
        if let Some((name, definition)) = added {
            tables.get_mut(name).unwrap().extend(column(definition));
        }
        let Some((name, body)) = statement.strip_prefix("CREATE TABLE ").and_then(|rest| rest.split_once(" (")) else {
            continue;
        };
        if OF_ONE.contains(&name) {
            continue;
        }
        let columns = apart(body.trim_end_matches(')')).iter().filter_map(|part| column(part)).collect();
        tables.insert(name.to_owned(), columns);
    }
    tables
}

/// The name of a column and what it holds; nothing for a constraint.
fn column(definition: &str) -> Option<(String, (String, bool))> {
    let mut words = definition.split_whitespace();
    let (name, type_name) = (words.next()?, words.next()?);
    if ["PRIMARY", "UNIQUE", "FOREIGN", "CHECK", "CONSTRAINT"].contains(&name) {
        return None;
    }
    let needed = definition.contains("NOT NULL") || definition.contains("PRIMARY KEY");
    Some((name.to_owned(), (class(type_name).to_owned(), !needed)))
}

/// The parts between the commas that stand in no parentheses.
fn apart(text: &str) -> Vec<String> {
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => (),
        }
        parts.last_mut().unwrap().push(c);
    }
    parts.into_iter().map(|part| part.trim().to_owned()).collect()
}

#[test]
fn both_databases_get_the_same_tables_keys_and_indexes() {
    assert_eq!(tables("sqlite"), tables("postgres"));
    let rest = |database: &str| -> BTreeSet<String> {
        let of_one = |s: &String| {
            OF_ONE.iter().any(|word| s.contains(word))
                || s.starts_with("INSERT INTO audit_chain")
                || ["END", "END IF", "END $$", "RETURN NULL"].contains(&s.as_str())
                || s.starts_with("IF NOT EXISTS")
        };
        statements(database).into_iter().map(plain).filter(|s| !of_one(s)).collect()
    };
    let (sqlite, postgres) = (rest("sqlite"), rest("postgres"));
    let apart: Vec<&String> = sqlite.symmetric_difference(&postgres).collect();
    assert!(apart.is_empty(), "these differ:\n{}", apart.iter().map(|s| s.as_str()).collect::<Vec<_>>().join("\n"));
    for statement in statements("postgres") {
        let texts = statement.matches(" TEXT").count();
        assert_eq!(texts, statement.matches(" TEXT COLLATE \"C\"").count(), "texts sort as in SQLite: {statement}");
    }
}

/// The tables as `src/schema.rs` declares them.
fn believed() -> BTreeMap<String, Columns> {
    let text = source("src/schema.rs");
    let mut tables = BTreeMap::new();
    for block in text.split("diesel::table! {").skip(1) {
        let name = block.split('(').next().unwrap().trim().to_owned();
        let body = block.split_once('{').unwrap().1.split('}').next().unwrap();
        let columns = body.lines().filter_map(|line| line.trim().trim_end_matches(',').split_once(" -> "));
        let columns = columns.map(|(column, of)| {
            let nullable = of.strip_prefix("Nullable<").and_then(|of| of.strip_suffix('>'));
            (column.to_owned(), (nullable.unwrap_or(of).to_owned(), nullable.is_some()))
        });
        tables.insert(name, columns.collect());
    }
    tables
}

#[test]
fn the_code_believes_in_the_schema_that_is_there() {
    let mut believed = believed();
    assert!(believed.len() > 20);
    let (_database, mut connection) = empty();
    migrate::up(&mut connection).unwrap();
    for (table, columns) in &believed {
        let names: Vec<String> = columns.keys().map(|column| format!("\"{column}\"")).collect();
        let sql =
            format!("SELECT 'x' AS line FROM (SELECT {} FROM {table}) AS all_columns WHERE 1 = 0", names.join(", "));
        assert_eq!(lines(&mut connection, &sql).len(), 0);
    }
    OF_ONE.iter().for_each(|table| drop(believed.remove(*table)));
    for database in ["sqlite", "postgres"] {
        assert_eq!(tables(database), believed, "{database}");
    }
}
