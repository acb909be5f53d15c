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

impl Recorded {
    /// From the look-ups of one decision.
    pub fn new(calls: &[HostCall]) -> Recorded {
        let mut answers = HashMap::new();
        let mut heads: HashMap<String, (Arc<Head>, Vec<Row>)> = HashMap::new();
        for call in calls {
            match (&call.result, call.arguments.first()) {
                (Answer::Bool(answer), _) => drop(answers.insert((call.function, call.arguments.clone()), *answer)),
                (Answer::Head(head), Some(Cell::Text(name))) => {
                    heads.entry(name.to_string()).or_insert_with(|| (Arc::clone(head), Vec::new()));
                }
                (Answer::Row(row), Some(Cell::Text(name))) => {
                    if let Some((_, rows)) = heads.get_mut(name.as_str())
                        && !rows.contains(row)
                    {
                        rows.push(Arc::clone(row));
                    }
                }
                (Answer::Nothing | Answer::Head(_) | Answer::Row(_), _) => {}
            }
        }
        let table = |(name, (head, rows)): (String, (Arc<Head>, Vec<Row>))| {
            let rows = rows.iter().map(|r| r.to_vec()).collect();
            let table = Table::new(&name, Head::clone(&head), rows).ok()?;
            Some((name, Arc::new(table)))
        };
        Recorded { answers, tables: heads.into_iter().filter_map(table).collect() }
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
