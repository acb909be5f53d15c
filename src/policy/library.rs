//! The policies and tables that ship, and those of a folder of the same shape: `rules/<decision>/<name>.rhai` and
//! `rules/tables/<name>.json`.
//!
//! **Invariant:** what ships is inside the program, so that it starts without any file.

use std::{fs, path::Path};

use super::{
    decision::{DECISIONS, Decision},
    host::Offline,
    table::Table,
};
use crate::error::{Error, Result};

/// A script as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The decision that it answers.
    pub decision: Decision,
    /// Its name.
    pub name: String,
    /// Its source.
    pub source: String,
}

impl Script {
    /// What it says of itself: its leading `//!` lines.
    pub fn purpose(&self) -> String {
        let lines = self.source.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
        lines.collect::<Vec<_>>().join(" ")
    }
}

/// Scripts in the order in which they are asked (by decision, then by name), and tables by name.
#[derive(Clone, Debug)]
pub struct Library {
    /// The scripts.
    pub scripts: Vec<Script>,
    /// The tables.
    pub tables: Vec<Table>,
}

const SCRIPTS: &[(Decision, &str, &str)] = &[
    (Decision::Priority, "impact_and_urgency", include_str!("../../rules/priority/impact_and_urgency.rhai")),
    (Decision::Routing, "incidents", include_str!("../../rules/routing/incidents.rhai")),
    (Decision::Guard, "incidents", include_str!("../../rules/guard/incidents.rhai")),
];

const TABLES: &[(&str, &str)] = &[
    ("category_teams", include_str!("../../rules/tables/category_teams.json")),
    ("ci_class_teams", include_str!("../../rules/tables/ci_class_teams.json")),
    ("priority_matrix", include_str!("../../rules/tables/priority_matrix.json")),
];

fn table(name: &str, text: &str) -> Result<Table> {
    let json = serde_json::from_str(text).map_err(|e| Error::invalid("", "wrong_type", format!("{name}: {e}.")))?;
    Table::from_json(name, &json)
}

impl Library {
    /// What ships.
    ///
    /// # Errors
    /// None that the tests would let pass.
    pub fn shipped() -> Result<Library> {
        let script = |&(decision, name, source): &(Decision, &str, &str)| Script {
            decision,
            name: name.to_owned(),
            source: source.to_owned(),
        };
        let tables = TABLES.iter().map(|(name, text)| table(name, text)).collect::<Result<_>>()?;
        Ok(Library { scripts: SCRIPTS.iter().map(script).collect(), tables })
    }

    /// What a folder holds.
    ///
    /// # Errors
    /// A file that can't be read, or a table that isn't one.
    pub fn from_folder(folder: &Path) -> Result<Library> {
        let mut scripts = Vec::new();
        for spec in DECISIONS {
            for (name, source) in files(&folder.join(spec.name), "rhai")? {
                scripts.push(Script { decision: spec.decision, name, source });
            }
        }
        let tables = files(&folder.join("tables"), "json")?;
        let tables = tables.iter().map(|(name, text)| table(name, text)).collect::<Result<_>>()?;
        Ok(Library { scripts, tables })
    }

    /// A host without a server that has these tables.
    pub fn offline(&self) -> Offline {
        Offline::new(self.tables.iter().cloned())
    }
}

/// Name and text of the files of a folder with this extension, by name; none when there is no such folder.
pub(super) fn files(folder: &Path, extension: &str) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    if !folder.is_dir() {
        return Ok(found);
    }
    for entry in fs::read_dir(folder).map_err(Error::internal)? {
        let path = entry.map_err(Error::internal)?.path();
        let name = path.file_stem().and_then(|n| n.to_str());
        if let (Some(name), true) = (name, path.extension().is_some_and(|e| e == extension)) {
            found.push((name.to_owned(), fs::read_to_string(&path).map_err(Error::internal)?));
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::policy::{facts, host::Host, program::compile, runner::on_ample_stack, testing::run_tests};

    #[test]
    fn what_ships_is_what_the_folder_holds() {
        let folder = Library::from_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("rules")).unwrap();
        let shipped = Library::shipped().unwrap();
        assert_eq!(shipped.scripts, folder.scripts);
        let rows = |l: &Library| l.tables.iter().map(|t| (t.name().to_owned(), t.rows().to_vec())).collect::<Vec<_>>();
        assert_eq!(rows(&shipped), rows(&folder));
    }

    #[test]
    fn the_tests_of_what_ships_pass() {
        let library = Library::shipped().unwrap();
        let host: Arc<dyn Host> = Arc::new(library.offline());
        for script in library.scripts {
            let results = on_ample_stack(|| {
                let program = compile(&script.source, script.decision).unwrap();
                run_tests(&Arc::new(program), &facts::incident(), &host)
            });
            let results = results.unwrap();
            assert!(results.len() >= 3, "{} has tests", script.name);
            for result in results {
                assert!(
                    result.passed,
                    "{:?}/{} {}: {}",
                    script.decision,
                    script.name,
                    result.name,
                    result.error.unwrap()
                );
            }
        }
    }
}
