//! A fresh database for each test: an SQLite file, or a schema of its own on the PostgreSQL server that
//! `POINTSMAN_TEST_DATABASE_URL` names.

use std::{path::PathBuf, sync::OnceLock};

use diesel::{Connection, PgConnection, connection::SimpleConnection};
use pointsman::{
    assembly::Assembly,
    clock::Clock,
    config::{Config, DatabaseUrl},
    id::RowId,
};

/// A database of one test. It goes when the test ends.
pub enum TestDatabase {
    Sqlite(tempfile::TempDir),
    Postgres {
        server: String,
        schema: String,
    },
    /// A whole database, for tools that know nothing smaller.
    Alone {
        server: String,
        name: String,
    },
}

/// The PostgreSQL server of the tests, whose machine may be slow.
fn postgres() -> Option<String> {
    let server = std::env::var("POINTSMAN_TEST_DATABASE_URL").ok()?;
    let joint = if server.contains('?') { '&' } else { '?' };
    Some(format!("{server}{joint}connect_timeout=60"))
}

impl TestDatabase {
    pub fn create() -> Self {
        let database = Self::create_empty();
        if let TestDatabase::Sqlite(folder) = &database {
            std::fs::copy(template(), folder.path().join("test.db")).unwrap();
        }
        database
    }

    /// A database without tables.
    pub fn create_empty() -> Self {
        match postgres() {
            Some(server) => {
                let schema = format!("test_{}", RowId::new().as_str().replace('-', ""));
                let mut connection = PgConnection::establish(&server).unwrap();
                connection.batch_execute(&format!("CREATE SCHEMA {schema}")).unwrap();
                TestDatabase::Postgres { server, schema }
            }
            None => TestDatabase::Sqlite(tempfile::tempdir().unwrap()),
        }
    }

    /// A database without tables that shares nothing with those of other tests.
    pub fn create_alone() -> Self {
        let Some(server) = postgres() else { return Self::create_empty() };
        let name = format!("test_{}", RowId::new().as_str().replace('-', ""));
        let mut connection = PgConnection::establish(&server).unwrap();
        connection.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0")).unwrap();
        TestDatabase::Alone { server, name }
    }

    pub fn url(&self) -> String {
        match self {
            TestDatabase::Sqlite(folder) => folder.path().join("test.db").display().to_string(),
            TestDatabase::Postgres { server, schema } => {
                format!("{server}&options=-csearch_path%3D{schema}")
            }
            TestDatabase::Alone { server, name } => {
                let (address, parameters) = server.split_once('?').unwrap_or((server, ""));
                let (host, _) = address.rsplit_once('/').unwrap();
                format!("{host}/{name}?{parameters}")
            }
        }
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (server, statement) = match self {
            TestDatabase::Sqlite(_) => return,
            TestDatabase::Postgres { server, schema } => (server, format!("DROP SCHEMA {schema} CASCADE")),
            TestDatabase::Alone { server, name } => (server, format!("DROP DATABASE {name} WITH (FORCE)")),
        };
        if let Ok(mut connection) = PgConnection::establish(server) {
            drop(connection.batch_execute(&statement));
        }
    }
}

/// An SQLite file that was brought up to date once; each test copies it.
fn template() -> &'static PathBuf {
    static TEMPLATE: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = TEMPLATE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("template.db");
        let mut config = Config::default();
        config.database.url = DatabaseUrl::new(path.display().to_string());
        let assembly = Assembly::open(config, Clock::set_to(super::tuesday())).unwrap();
        let Assembly { writer, database, kernel, policies, .. } = assembly;
        drop((kernel, policies));
        writer.close();
        database.connect().unwrap().batch_execute("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        (folder, path)
    });
    path
}
