//! What a policy may ask while it runs, and the record of each answer.
//!
//! **Invariant:** everything that a decision learned beyond its input is in its [`HostCall`]s, so that [`Recorded`] can
//! give the same answers again.

use std::{collections::HashMap, sync::Arc};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    facts::Cell,
    table::{Head, Row, Table},
};
use crate::{clock::Moment, error::Result};

/// Look-ups for a running policy. They are answered from memory or an open transaction: a policy is short.
pub trait Host: Send + Sync {
    /// Whether there is a team of this name that can be given work.
    fn team_exists(&self, name: &str) -> bool;
    /// Whether there is a user of this name that can be given work; an error when nobody can tell at the moment.
    fn user_exists(&self, name: &str) -> Result<bool>;
    /// The names of teams, for suggestions.
    fn team_names(&self) -> Vec<String>;
    /// A lookup table.
    fn table(&self, name: &str) -> Option<Arc<Table>>;
    /// The names of tables, for suggestions.
    fn table_names(&self) -> Vec<String>;
    /// Whether the moment is within business hours: Monday to Friday, 08:00 to 18:00 UTC. Policies that need other hours
    /// keep them in a lookup table.
    fn business_hours(&self, at: Moment) -> bool;
}

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// Whether a team exists.
    TeamExists,
    /// Whether a user exists.
    UserExists,
    /// The head of a table.
    Table,
    /// The row of a table for a key.
    Find,
    /// Whether it is within business hours.
    BusinessHours,
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    /// There is none.
    Nothing,
    /// Yes or no.
    Bool(bool),
    /// A row.
    Row(Row),
    /// Columns and key of a table.
    Head(Arc<Head>),
}

/// One look-up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HostCall {
    /// What was asked.
    pub function: Asked,
    /// For what.
    #[schema(value_type = Vec<serde_json::Value>)]
    pub arguments: Vec<Cell>,
    /// What was answered: nothing, yes or no, a row, or the head of a table.
    #[schema(value_type = serde_json::Value)]
    pub result: Answer,
}

/// A host that gives recorded answers.
pub struct Recorded {
    answers: HashMap<(Asked, Vec<Cell>), bool>,
    tables: HashMap<String, Arc<Table>>,
}

/// A key, and the row that answered it.
type Answered = (Vec<Cell>, Vec<Cell>);

impl Recorded {
    /// From the look-ups of one decision.
    pub fn new(calls: &[HostCall]) -> Recorded {
        let mut answers = HashMap::new();
        let mut tables: HashMap<String, (Arc<Head>, Vec<Answered>)> = HashMap::new();
        for call in calls {
            match (&call.result, &*call.arguments) {
                (Answer::Bool(answer), arguments) => drop(answers.insert((call.function, arguments.to_vec()), *answer)),
                (Answer::Head(head), [Cell::Text(name), ..]) => {
                    tables.entry(name.to_string()).or_insert_with(|| (Arc::clone(head), Vec::new()));
                }
                (Answer::Row(row), [Cell::Text(name), key @ ..]) => {
                    if let Some((_, rows)) = tables.get_mut(name.as_str()) {
                        rows.push((key.to_vec(), row.to_vec()));
                    }
                }
                (Answer::Nothing | Answer::Head(_) | Answer::Row(_), _) => {}
            }
        }
        let table = |(name, (head, rows)): (String, (Arc<Head>, Vec<_>))| {
            let table = Table::of_answers(&name, Head::clone(&head), rows).ok()?;
            Some((name, Arc::new(table)))
        };
        Recorded { answers, tables: tables.into_iter().filter_map(table).collect() }
    }

    fn answer(&self, asked: Asked, argument: &str) -> bool {
        self.answers.get(&(asked, vec![Cell::Text(argument.into())])).copied().unwrap_or(false)
    }
}

impl Host for Recorded {
    fn team_exists(&self, name: &str) -> bool {
        self.answer(Asked::TeamExists, name)
    }
    fn user_exists(&self, name: &str) -> Result<bool> {
        Ok(self.answer(Asked::UserExists, name))
    }
    fn team_names(&self) -> Vec<String> {
        Vec::new()
    }
    fn table(&self, name: &str) -> Option<Arc<Table>> {
        self.tables.get(name).cloned()
    }
    fn table_names(&self) -> Vec<String> {
        Vec::new()
    }
    fn business_hours(&self, at: Moment) -> bool {
        self.answer(Asked::BusinessHours, &at.to_string())
    }
}

/// A host that answers as another does, but for one table.
pub struct WithTable {
    host: Arc<dyn Host>,
    table: Arc<Table>,
}

impl WithTable {
    /// As `host` answers, with this table in place of the one of its name.
    pub fn new(host: Arc<dyn Host>, table: Arc<Table>) -> WithTable {
        WithTable { host, table }
    }
}

impl Host for WithTable {
    fn team_exists(&self, name: &str) -> bool {
        self.host.team_exists(name)
    }
    fn user_exists(&self, name: &str) -> Result<bool> {
        self.host.user_exists(name)
    }
    fn team_names(&self) -> Vec<String> {
        self.host.team_names()
    }
    fn table(&self, name: &str) -> Option<Arc<Table>> {
        if name == self.table.name() { Some(Arc::clone(&self.table)) } else { self.host.table(name) }
    }
    fn table_names(&self) -> Vec<String> {
        let mine = self.table.name();
        let others = self.host.table_names().into_iter().filter(|name| name != mine);
        others.chain([mine.to_owned()]).collect()
    }
    fn business_hours(&self, at: Moment) -> bool {
        self.host.business_hours(at)
    }
}

/// A host without a server: the tables that it is given, any team and user, business hours Monday to Friday 08:00 to
/// 18:00 UTC. For tests of policies and for working offline.
#[derive(Default)]
pub struct Offline {
    tables: HashMap<String, Arc<Table>>,
}

impl Offline {
    /// With these tables.
    pub fn new(tables: impl IntoIterator<Item = Table>) -> Offline {
        Offline { tables: tables.into_iter().map(|t| (t.name().to_owned(), Arc::new(t))).collect() }
    }
}

impl Host for Offline {
    fn team_exists(&self, name: &str) -> bool {
        !name.is_empty()
    }
    fn user_exists(&self, name: &str) -> Result<bool> {
        Ok(!name.is_empty())
    }
    fn team_names(&self) -> Vec<String> {
        Vec::new()
    }
    fn table(&self, name: &str) -> Option<Arc<Table>> {
        self.tables.get(name).cloned()
    }
    fn table_names(&self) -> Vec<String> {
        self.tables.keys().cloned().collect()
    }
    fn business_hours(&self, at: Moment) -> bool {
        use chrono::{Datelike, Timelike};
        let at = at.utc();
        at.weekday().number_from_monday() <= 5 && (8..18).contains(&at.hour())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::policy::{
        decision::Decision,
        evaluate::{Input, evaluate},
        facts,
        functions::test_clock,
        program::compile,
        runner::on_ample_stack,
    };

    #[test]
    fn what_was_looked_up_by_ranges_is_answered_again_from_the_written_log() {
        let columns = json!([
            {"name": "share", "type": "decimal", "match": "range"}, {"name": "at", "type": "time", "match": "range"},
            {"name": "team", "type": "text"},
        ]);
        let rows = json!([["0..1", "2025-01-01..", "a"], ["0..=0.5", "*", "b"], ["*", "*", "c"]]);
        let table = Table::from_json("t", &json!({"columns": columns, "keys": 2, "rows": rows})).unwrap();
        let source = "fn route(i) {\n    for share in [7, 0, 0] { notify(table(\"t\").find(share, now()).team); }\n    \
                      notify(table(\"t\").find(0, i.opened_at).team);\n    if !table(\"t\").has(1, ()) { leave() }\n}\n";
        on_ample_stack(|| {
            let program = compile(source, Decision::Routing).unwrap();
            let mut record = facts::Facts::builder(&facts::incident());
            record.set("opened_at", "2024-01-01T00:00:00Z".parse::<Moment>().unwrap()).unwrap();
            let input = Input::new(record.build(), test_clock());
            let host: Arc<dyn Host> = Arc::new(Offline::new([table]));
            let then = evaluate(&program, &input, &host);
            let gists: Vec<String> = then.said().map(crate::policy::decision::Effect::gist).collect();
            assert_eq!(gists, ["notify c", "notify a", "notify a", "notify b", "leave"], "{:?}", then.error);
            let log: Vec<HostCall> = serde_json::from_str(&serde_json::to_string(&then.host_calls).unwrap()).unwrap();
            let recorded: Arc<dyn Host> = Arc::new(Recorded::new(&log));
            let now = evaluate(&program, &input, &recorded);
            assert_eq!((now.effects, now.host_calls), (then.effects, then.host_calls));
        })
        .unwrap();
    }
}
