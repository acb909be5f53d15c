//! The migrations, embedded in the binary.
//!
//! **Invariant:** a database that a newer version has migrated is refused, never guessed at.

use diesel::migration::{Migration, MigrationSource, MigrationVersion};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::AnyConnection;
use crate::error::{Code, Error, Result};

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// One migration and whether the database has it.
#[derive(Debug, serde::Serialize)]
pub struct Step {
    /// The folder's name.
    pub name: String,
    /// Whether it has been applied.
    pub applied: bool,
}

/// Runs `work` while no other node runs any. On SQLite, what must not run twice takes the lock of its own transaction.
pub fn exclusively<T>(connection: &mut AnyConnection, work: impl FnOnce(&mut AnyConnection) -> Result<T>) -> Result<T> {
    use diesel::connection::SimpleConnection;
    if connection.engine() == super::Engine::Sqlite {
        return work(connection);
    }
    // An arbitrary constant, which all nodes share.
    connection.batch_execute("SELECT pg_advisory_lock(7046029254386353131)")?;
    let outcome = work(connection);
    connection.batch_execute("SELECT pg_advisory_unlock(7046029254386353131)")?;
    outcome
}

/// Applies what is missing; gives the names of those applied.
pub fn up(connection: &mut AnyConnection) -> Result<Vec<String>> {
    refuse_newer(connection)?;
    match connection {
        AnyConnection::Sqlite(_) => up_sqlite(connection),
        AnyConnection::Postgres(c) => names(c.run_pending_migrations(POSTGRES).map_err(failed)?),
    }
}

/// In one transaction, which has the lock before it looks what is missing: of nodes that start at once, one does it.
fn up_sqlite(connection: &mut AnyConnection) -> Result<Vec<String>> {
    connection.begin_write()?;
    let AnyConnection::Sqlite(c) = connection else { return Ok(Vec::new()) };
    let applied = c.run_pending_migrations(SQLITE).map_err(failed).and_then(names);
    if applied.is_ok() {
        connection.commit()?;
    } else {
        connection.roll_back_all()?;
    }
    applied
}

/// Takes back the newest migration; gives its name.
pub fn down(connection: &mut AnyConnection) -> Result<String> {
    let version = match connection {
        AnyConnection::Sqlite(c) => c.revert_last_migration(SQLITE).map_err(failed)?.to_string(),
        AnyConnection::Postgres(c) => c.revert_last_migration(POSTGRES).map_err(failed)?.to_string(),
    };
    Ok(version)
}

/// Every migration in order, and whether it has been applied.
pub fn status(connection: &mut AnyConnection) -> Result<Vec<Step>> {
    let applied = applied(connection)?;
    Ok(known(connection)?
        .into_iter()
        .map(|name| Step { applied: applied.iter().any(|v| is_of(v, &name)), name })
        .collect())
}

/// The names of the migrations that this binary brings for the connection's database.
fn known(connection: &AnyConnection) -> Result<Vec<String>> {
    fn names<DB: diesel::backend::Backend>(source: &EmbeddedMigrations) -> Result<Vec<String>> {
        let migrations: Vec<Box<dyn Migration<DB>>> = source.migrations().map_err(failed)?;
        let mut names: Vec<String> = migrations.iter().map(|m| m.name().to_string()).collect();
        names.sort();
        Ok(names)
    }
    match connection {
        AnyConnection::Sqlite(_) => names::<diesel::sqlite::Sqlite>(&SQLITE),
        AnyConnection::Postgres(_) => names::<diesel::pg::Pg>(&POSTGRES),
    }
}

fn applied(connection: &mut AnyConnection) -> Result<Vec<String>> {
    let versions: Vec<MigrationVersion<'static>> = match connection {
        AnyConnection::Sqlite(c) => c.applied_migrations().map_err(failed)?,
        AnyConnection::Postgres(c) => c.applied_migrations().map_err(failed)?,
    };
    Ok(versions.iter().map(ToString::to_string).collect())
}

fn refuse_newer(connection: &mut AnyConnection) -> Result<()> {
    let known = known(connection)?;
    match applied(connection)?.into_iter().find(|version| !known.iter().any(|name| is_of(version, name))) {
        None => Ok(()),
        Some(version) => Err(Error::new(
            Code::Conflict,
            format!(
                "The database was migrated by a newer version (it has migration {version}, which this one does not know)."
            ),
        )),
    }
}

fn is_of(version: &str, name: &str) -> bool {
    name.split('_').next() == Some(version)
}

fn names(versions: Vec<MigrationVersion<'_>>) -> Result<Vec<String>> {
    Ok(versions.iter().map(ToString::to_string).collect())
}

fn failed(error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::internal(error)
}
