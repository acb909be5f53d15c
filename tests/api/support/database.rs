//! A fresh database for each test: an SQLite file, or a database on the PostgreSQL server that `POINTSMAN_TEST_DATABASE_URL` names.

use std::sync::OnceLock;

use diesel::{Connection, PgConnection, connection::SimpleConnection};
use pointsman::{
    assembly::Assembly,
    clock::Clock,
    config::{Config, DatabaseUrl},
    db::AnyConnection,
    id::RowId,
};

/// A database of one test. It goes when the test ends.
pub enum TestDatabase {
    Sqlite(tempfile::TempDir),
    Postgres { server: String, name: String },
}

/// The PostgreSQL server of the tests, whose machine may be slow.
fn postgres() -> Option<String> {
    let server = std::env::var("POINTSMAN_TEST_DATABASE_URL").ok()?;
    let joint = if server.contains('?') { '&' } else { '?' };
    Some(format!("{server}{joint}connect_timeout=60"))
}

/// The file of an SQLite database.
const FILE: &str = "test.db";

impl TestDatabase {
    /// A database as a server leaves it that has started once.
    pub fn create() -> Self {
        match template() {
            TestDatabase::Sqlite(folder) => {
                let copy = tempfile::tempdir().unwrap();
                std::fs::copy(folder.path().join(FILE), copy.path().join(FILE)).unwrap();
                TestDatabase::Sqlite(copy)
            }
            TestDatabase::Postgres { server, name } => TestDatabase::copied(server.clone(), name),
        }
    }

    /// A database without tables.
    pub fn create_empty() -> Self {
        match postgres() {
            Some(server) => TestDatabase::copied(server, "template0"),
            None => TestDatabase::Sqlite(tempfile::tempdir().unwrap()),
        }
    }

    fn copied(server: String, of: &str) -> Self {
        let name = format!("test_{}", RowId::new().as_str().replace('-', ""));
        let mut connection = PgConnection::establish(&server).unwrap();
        connection.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {of}")).unwrap();
        TestDatabase::Postgres { server, name }
    }

    pub fn url(&self) -> String {
        match self {
            TestDatabase::Sqlite(folder) => folder.path().join(FILE).display().to_string(),
            TestDatabase::Postgres { server, name } => {
                let (address, parameters) = server.split_once('?').unwrap_or((server, ""));
                let (host, _) = address.rsplit_once('/').unwrap();
                format!("{host}/{name}?{parameters}")
            }
        }
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let TestDatabase::Postgres { server, name } = self else { return };
        if let Ok(mut connection) = PgConnection::establish(server) {
            drop(connection.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")));
        }
    }
}

/// A database that was brought up to date once; each test copies it, so nothing of it may be open any more.
fn template() -> &'static TestDatabase {
    static TEMPLATE: OnceLock<TestDatabase> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let database = TestDatabase::create_empty();
        let mut config = Config::default();
        config.database.url = DatabaseUrl::new(database.url());
        let assembly = Assembly::open(config, Clock::set_to(super::tuesday())).unwrap();
        let Assembly { writer, kernel, policies, .. } = assembly;
        drop((kernel, policies));
        writer.close();
        settle(&database);
        database
    })
}

/// Leaves nothing beside the file of an SQLite database, and ends who is still connected to one on PostgreSQL.
fn settle(database: &TestDatabase) {
    match database {
        TestDatabase::Sqlite(_) => {
            AnyConnection::open(&database.url()).unwrap().batch_execute("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        }
        TestDatabase::Postgres { server, name } => {
            let others = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
            PgConnection::establish(server).unwrap().batch_execute(&others).unwrap();
        }
    }
}
