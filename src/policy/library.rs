//! The policies, modules, tables and calendars that ship, and those of a folder of the same shape:
//! `rules/<decision>/<name>.rhai`, `rules/modules/<name>.rhai`, `rules/tables/<name>.json` and `rules/calendars/<name>.json`.
//!
//! **Invariant:** what ships is inside the program, so that it starts without any file.

use std::{fs, io, path::Path, sync::LazyLock};

use super::{
    decision::{DECISIONS, Decision},
    host::Offline,
    module::{Linked, Module, Modules},
    table::Table,
};
use crate::{
    error::{Error, Result},
    record::calendar::{BUSINESS_HOURS, Calendars, row::NewCalendar},
};

/// What a policy and a lookup table may be called.
pub const NAME: &str = "A name is 1 to 100 lower-case letters, digits and `_`, and starts with a letter.";

/// Whether a policy or a lookup table may be called so: its name stands in scripts, in paths and as a file.
pub fn is_name(name: &str) -> bool {
    name.len() <= 100
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

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
    /// Whether it is live from the first start.
    pub fn starts_live(&self) -> bool {
        LIVE.contains(&(self.decision, self.name.as_str()))
    }
}

/// What a source says of itself: its leading `//!` lines.
pub fn purpose(source: &str) -> String {
    let lines = source.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
    lines.collect::<Vec<_>>().join(" ")
}

/// Scripts by decision, modules, tables and calendars by name.
#[derive(Clone, Debug)]
pub struct Library {
    /// The functions that scripts share.
    pub modules: Vec<Module>,
    /// The scripts.
    pub scripts: Vec<Script>,
    /// The tables.
    pub tables: Vec<Table>,
    /// The calendars.
    pub calendars: Vec<NewCalendar>,
}

macro_rules! scripts { ($($decision:ident $folder:literal: $($name:literal)+;)+) => {
    /// What is live from the first start comes first in its decision.
    const SCRIPTS: &[(Decision, &str, &str)] = &[$($(
        (Decision::$decision, $name, include_str!(concat!("../../rules/", $folder, "/", $name, ".rhai"))),
    )+)+];
} }

macro_rules! modules { ($($name:literal)+) => {
    const MODULES: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../rules/modules/", $name, ".rhai")))),+];
} }

macro_rules! tables { ($($name:literal)+) => {
    const TABLES: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../rules/tables/", $name, ".json")))),+];
} }

/// The first is asked where a policy names none.
const CALENDARS: &[(&str, &str)] = &[
    (BUSINESS_HOURS, include_str!("../../rules/calendars/business-hours.json")),
    ("around-the-clock", include_str!("../../rules/calendars/around-the-clock.json")),
];

scripts! {
    Priority "priority": "impact_and_urgency" "problems" "age" "attack_under_way" "out_of_hours" "reopened";
    Routing "routing": "incidents" "bounced" "environments" "follow_the_sun" "on_duty" "organisations";
    Guard "guard": "incidents" "closing" "hardware" "holding" "major_incidents" "ownership";
    Escalation "escalation": "incidents" "bounced" "major_incidents" "reopened" "silence" "vip";
    AssessRisk "assess_risk": "changes" "plans" "shared_parts" "team_history";
    Approve "approve": "changes" "freeze_periods" "separation_of_duties" "outages";
}

modules! { "criticality" }

tables! {
    "age_limits" "category_teams" "ci_class_teams" "duty_teams" "environment_teams" "organisation_teams" "priority_matrix"
    "sun_teams"
}

/// What is live from the first start; an administrator publishes the rest where it fits.
const LIVE: &[(Decision, &str)] = &[
    (Decision::Priority, "impact_and_urgency"),
    (Decision::Priority, "problems"),
    (Decision::Routing, "incidents"),
    (Decision::Guard, "incidents"),
    (Decision::Escalation, "incidents"),
    (Decision::AssessRisk, "changes"),
    (Decision::Approve, "changes"),
    (Decision::Approve, "freeze_periods"),
    (Decision::Approve, "separation_of_duties"),
];

fn module(name: &str, source: &str) -> Module {
    Module { name: name.to_owned(), version: 1, source: source.to_owned() }
}

fn table(name: &str, text: &str) -> Result<Table> {
    let json = serde_json::from_str(text).map_err(|e| Error::invalid("", "wrong_type", format!("{name}: {e}.")))?;
    Table::from_json(name, &json)
}

/// A calendar as its file says it.
pub(super) fn calendar(name: &str, text: &str) -> Result<NewCalendar> {
    let json = serde_json::from_str(text).map_err(|e| Error::invalid("", "wrong_type", format!("{name}: {e}.")))?;
    NewCalendar::from_json(name, json)
}

/// The calendars that ship, ready to be asked.
pub(super) fn calendars() -> Calendars {
    static READY: LazyLock<Calendars> = LazyLock::new(|| {
        let ready =
            |(name, text): &(&str, &str)| Some(((*name).to_owned(), calendar(name, text).ok()?.calendar().ok()?));
        CALENDARS.iter().filter_map(ready).collect()
    });
    READY.clone()
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
        let modules = MODULES.iter().map(|(name, source)| module(name, source)).collect();
        let calendars = CALENDARS.iter().map(|(name, text)| calendar(name, text)).collect::<Result<_>>()?;
        Ok(Library { modules, scripts: SCRIPTS.iter().map(script).collect(), tables, calendars })
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
        let modules = files(&folder.join("modules"), "rhai")?;
        let modules = modules.iter().map(|(name, source)| module(name, source)).collect();
        let calendars = files(&folder.join("calendars"), "json")?;
        let calendars = calendars.iter().map(|(name, text)| calendar(name, text)).collect::<Result<_>>()?;
        Ok(Library { modules, scripts, tables, calendars })
    }

    /// A script with the modules that it uses.
    pub fn linked(&self, script: &Script) -> Linked {
        Linked::new(&script.source, &Modules::new(self.modules.iter().cloned(), Vec::new()))
    }

    /// A host without a server that has these tables.
    pub fn offline(&self) -> Offline {
        Offline::new(self.tables.iter().cloned())
    }
}

/// Name and text of the files of a folder with this extension, by name; none when there is no such folder.
///
/// # Errors
/// One can't be read.
pub fn files(folder: &Path, extension: &str) -> Result<Vec<(String, String)>> {
    let named = |(name, text): (String, io::Result<String>)| match text {
        Ok(text) => Ok((name, text)),
        Err(e) => {
            let path = folder.join(format!("{name}.{extension}"));
            Err(Error::internal(format!("{} can't be read: {e}", path.display())))
        }
    };
    texts(folder, extension)?.into_iter().map(named).collect()
}

/// The same, whether or not each of them can be read.
///
/// # Errors
/// The folder can't be read.
pub(super) fn texts(folder: &Path, extension: &str) -> Result<Vec<(String, io::Result<String>)>> {
    let mut found = Vec::new();
    if !folder.is_dir() {
        return Ok(found);
    }
    for entry in fs::read_dir(folder).map_err(Error::internal)? {
        let path = entry.map_err(Error::internal)?.path();
        let name = path.file_stem().and_then(|n| n.to_str());
        if let (Some(name), true) = (name, path.extension().is_some_and(|e| e == extension)) {
            found.push((name.to_owned(), fs::read_to_string(&path)));
        }
    }
    found.sort_by(|(a, _): &(String, _), (b, _)| a.cmp(b));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::policy::{facts::Schemas, host::Host, program::compile, runner::on_ample_stack, testing::run_tests};

    #[test]
    fn what_ships_is_what_the_folder_holds() {
        let folder = Library::from_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("rules")).unwrap();
        let shipped = Library::shipped().unwrap();
        let sorted = |library: &Library| {
            let mut scripts = library.scripts.clone();
            scripts.sort_by(|a, b| (a.decision, &a.name).cmp(&(b.decision, &b.name)));
            scripts
        };
        assert_eq!(sorted(&shipped), folder.scripts);
        let rows = |l: &Library| l.tables.iter().map(|t| (t.name().to_owned(), t.rows().to_vec())).collect::<Vec<_>>();
        assert_eq!((rows(&shipped), &shipped.modules), (rows(&folder), &folder.modules));
        let mut calendars = shipped.calendars;
        calendars.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(calendars, folder.calendars);
    }

    #[test]
    fn the_tables_that_ship_are_laid_out() {
        for (name, text) in TABLES {
            assert_eq!(table(name, text).unwrap().laid_out().unwrap(), *text, "{name}");
        }
    }

    #[test]
    fn the_tests_of_what_ships_pass() {
        let library = Library::shipped().unwrap();
        let host: Arc<dyn Host> = Arc::new(library.offline());
        for script in &library.scripts {
            let linked = library.linked(script);
            let results = on_ample_stack(|| {
                let program = compile(linked, script.decision).unwrap();
                let schema = Schemas::shipped().of(program.kind());
                run_tests(&Arc::new(program), schema, &host)
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

    /// What a script reads by dots of the things that its function is given, once each.
    fn fields_of(source: &str) -> String {
        let kinds: Vec<&str> = Schemas::shipped().all().map(|schema| schema.name()).collect();
        let path = format!(r"\b({}|transition|moment)((?:\??\.[a-z_]+)+)(\(?)", kinds.join("|"));
        let path = regex::Regex::new(&path).unwrap();
        let read = path.captures_iter(source).filter_map(|found| {
            let mut parts: Vec<&str> = found[2].split(['?', '.']).filter(|part| !part.is_empty()).collect();
            parts.truncate(parts.len() - usize::from(!found[3].is_empty()));
            let thing = Some(&found[1]).filter(|thing| !kinds.contains(thing));
            (!parts.is_empty()).then(|| thing.into_iter().chain(parts).collect::<Vec<_>>().join("."))
        });
        let mentions = kinds
            .iter()
            .any(|kind| source.contains(&format!("{kind}.mentions(")))
            .then(|| "title, description".to_owned());
        let all: std::collections::BTreeSet<String> = read.chain(mentions).collect();
        all.into_iter().collect::<Vec<_>>().join(", ")
    }

    fn tables_of(source: &str) -> String {
        let named = regex::Regex::new(r#"\b(?:table|matrix)\("([a-z_]+)""#).unwrap();
        let all: std::collections::BTreeSet<&str> =
            named.captures_iter(source).filter_map(|found| Some(found.get(1)?.as_str())).collect();
        all.into_iter().collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn the_page_of_the_library_tells_what_it_holds() {
        let page = include_str!("../../rules/README.md");
        let library = Library::shipped().unwrap();
        let rows = page.lines().filter(|line| line.starts_with("| `")).count();
        let files = [library.scripts.len(), library.modules.len(), library.tables.len(), library.calendars.len()];
        assert_eq!(rows, files.into_iter().sum::<usize>(), "a row for each file");
        for module in &library.modules {
            let first = module.source.lines().next().unwrap().trim_start_matches("//! ");
            let row = format!("| `modules/{}.rhai` | {first} |", module.name);
            assert!(page.lines().any(|line| line == row), "rules/README.md lacks\n{row}");
        }
        for script in &library.scripts {
            let (decision, name) = (script.decision.spec().name, &script.name);
            let first = script.source.lines().next().unwrap().trim_start_matches("//! ");
            let live = if script.starts_live() { " (live)" } else { "" };
            let (tables, fields) = (tables_of(&script.source), fields_of(&script.source));
            let row = format!("| `{decision}/{name}.rhai`{live} | {decision} | {first} | {tables} | {fields} |");
            assert!(page.lines().any(|line| line == row), "rules/README.md lacks\n{row}");
        }
        for table in &library.tables {
            let row = format!("| `tables/{}.json` | {} |", table.name(), table.doc());
            assert!(page.lines().any(|line| line == row), "rules/README.md lacks\n{row}");
        }
        for calendar in &library.calendars {
            let row = format!("| `calendars/{}.json` | {} |", calendar.name, calendar.description);
            assert!(page.lines().any(|line| line == row), "rules/README.md lacks\n{row}");
        }
    }
}
