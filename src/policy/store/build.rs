//! What versions of policies are pinned to, with what it says.

use std::sync::Arc;

use super::{ModuleRow, TableRow, VersionRow};
use crate::{
    db::AnyConnection,
    error::Result,
    policy::{
        build::{Build, Tables, Uses},
        module::{Linked, Modules},
    },
};

impl VersionRow {
    /// The versions of what it uses.
    pub fn uses(&self) -> Result<Uses> {
        self.uses.read()
    }

    /// Its source, with the modules and tables that it is pinned to.
    pub fn build(&self, connection: &mut AnyConnection) -> Result<Build> {
        let uses = self.uses()?;
        let mut modules = Vec::new();
        for (name, version) in uses.modules {
            modules.push(ModuleRow::version(connection, &name, version)?.into());
        }
        let mut tables = Tables::new();
        for (name, version) in uses.tables {
            let table = TableRow::named(connection, &name)?.table_of(connection, version)?;
            tables.insert(name, Arc::new(table));
        }
        let script = Linked::new(&self.source, &Modules::new(modules, Vec::new()));
        Ok(Build { script, tables: Arc::new(tables) })
    }
}

/// What a source is pinned to that is written now: the newest version of each module that it uses and, if it is to keep
/// them, the tables that it names as they are.
pub fn build_now(connection: &mut AnyConnection, source: &str, keep_tables: bool) -> Result<(Uses, Build)> {
    let modules = ModuleRow::used_by(connection, source)?;
    let rows = if keep_tables { TableRow::all(connection)? } else { Vec::new() };
    let (mut uses, mut tables) = (Uses { modules: modules.versions(), ..Uses::default() }, Tables::new());
    let script = Linked::new(source, &modules);
    let names = |row: &&TableRow| ['"', '`'].iter().any(|q| script.text().contains(&format!("{q}{}{q}", row.name)));
    for row in rows.iter().filter(names) {
        uses.tables.insert(row.name.clone(), row.version);
        tables.insert(row.name.clone(), Arc::new(row.table()?));
    }
    Ok((uses, Build { script, tables: Arc::new(tables) }))
}
