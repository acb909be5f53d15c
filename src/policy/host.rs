//! What a policy may ask while it runs, and the record of each answer.
//!
//! **Invariant:** everything that a decision learned beyond its input is in its [`HostCall`]s, so that [`Recorded`] can
//! give the same answers again.

mod recorded;

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    build::Tables,
    facts::Cell,
    library,
    table::{Head, Row, Table},
};
use crate::{clock::Moment, error::Result, record::calendar::Calendars};

pub use recorded::{Recorded, RecordedOr};

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
    /// The row of such a table for a key.
    fn find(&self, table: &Table, key: &[Cell]) -> Option<Row> {
        table.find(key).cloned()
    }
    /// The names of tables, for suggestions.
    fn table_names(&self) -> Vec<String>;
    /// Whether a calendar is open at a moment; nothing where there is no such calendar.
    fn business_hours(&self, calendar: &str, at: Moment) -> Option<bool>;
    /// The names of calendars, for suggestions.
    fn calendar_names(&self) -> Vec<String>;
    /// The user name of whoever of a team is on call at a moment.
    fn on_call(&self, team: &str, at: Moment) -> Option<String>;
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
    /// Whether a calendar is open.
    BusinessHours,
    /// Who is on call.
    OnCall,
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    /// There is none.
    Nothing,
    /// Yes or no.
    Bool(bool),
    /// A name.
    Text(String),
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
    /// What was answered: nothing, yes or no, a name, a row, or the head of a table.
    #[schema(value_type = serde_json::Value)]
    pub result: Answer,
}

impl HostCall {
    /// About how many bytes it holds.
    pub fn bytes(&self) -> usize {
        let answered = match &self.result {
            Answer::Nothing | Answer::Bool(_) => 0,
            Answer::Text(text) => text.len(),
            Answer::Row(row) => row.iter().map(Cell::bytes).sum(),
            Answer::Head(head) => head.columns.iter().map(|column| column.name.len()).sum(),
        };
        answered + self.arguments.iter().map(Cell::bytes).sum::<usize>()
    }
}

/// A host that answers as another does, but for some tables.
pub struct WithTables {
    host: Arc<dyn Host>,
    tables: Arc<Tables>,
}

impl WithTables {
    /// As `host` answers, with these tables in place of those of their names.
    pub fn over<'a>(host: &'a Arc<dyn Host>, tables: &Arc<Tables>) -> Cow<'a, Arc<dyn Host>> {
        if tables.is_empty() {
            return Cow::Borrowed(host);
        }
        let other: Arc<dyn Host> = Arc::new(WithTables { host: Arc::clone(host), tables: Arc::clone(tables) });
        Cow::Owned(other)
    }
}

impl Host for WithTables {
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
        self.tables.get(name).cloned().or_else(|| self.host.table(name))
    }
    fn table_names(&self) -> Vec<String> {
        let others = self.host.table_names().into_iter().filter(|name| !self.tables.contains_key(name));
        others.chain(self.tables.keys().cloned()).collect()
    }
    fn business_hours(&self, calendar: &str, at: Moment) -> Option<bool> {
        self.host.business_hours(calendar, at)
    }
    fn calendar_names(&self) -> Vec<String> {
        self.host.calendar_names()
    }
    fn on_call(&self, team: &str, at: Moment) -> Option<String> {
        self.host.on_call(team, at)
    }
}

/// What a host answers otherwise than another.
enum But {
    /// There is no team and no user of this name.
    Without(String),
    /// Of this team, this user is on call.
    OnDuty(String, String),
}

/// A host that answers as another does, but for one thing.
pub struct Except {
    host: Arc<dyn Host>,
    but: But,
}

impl Except {
    /// As `host` answers, without a team or a user of this name.
    pub fn without(host: Arc<dyn Host>, name: impl Into<String>) -> Except {
        Except { host, but: But::Without(name.into()) }
    }

    /// As `host` answers, with this user on call for this team.
    pub fn on_duty(host: Arc<dyn Host>, team: impl Into<String>, user: impl Into<String>) -> Except {
        Except { host, but: But::OnDuty(team.into(), user.into()) }
    }

    fn lacks(&self, name: &str) -> bool {
        matches!(&self.but, But::Without(gone) if gone == name)
    }
}

impl Host for Except {
    fn team_exists(&self, name: &str) -> bool {
        !self.lacks(name) && self.host.team_exists(name)
    }
    fn user_exists(&self, name: &str) -> Result<bool> {
        if self.lacks(name) { Ok(false) } else { self.host.user_exists(name) }
    }
    fn team_names(&self) -> Vec<String> {
        self.host.team_names()
    }
    fn table(&self, name: &str) -> Option<Arc<Table>> {
        self.host.table(name)
    }
    fn find(&self, table: &Table, key: &[Cell]) -> Option<Row> {
        self.host.find(table, key)
    }
    fn table_names(&self) -> Vec<String> {
        self.host.table_names()
    }
    fn business_hours(&self, calendar: &str, at: Moment) -> Option<bool> {
        self.host.business_hours(calendar, at)
    }
    fn calendar_names(&self) -> Vec<String> {
        self.host.calendar_names()
    }
    fn on_call(&self, team: &str, at: Moment) -> Option<String> {
        match &self.but {
            But::OnDuty(of, user) if of == team => Some(user.clone()),
            But::OnDuty(..) | But::Without(_) => self.host.on_call(team, at),
        }
    }
}

/// A host without a server: the tables that it is given, any team and user, the calendars that ship unless it is given
/// others, and nobody on call. For tests of policies and for working offline.
pub struct Offline {
    tables: HashMap<String, Arc<Table>>,
    calendars: Calendars,
}

impl Offline {
    /// With these tables.
    pub fn new(tables: impl IntoIterator<Item = Table>) -> Offline {
        let tables = tables.into_iter().map(|t| (t.name().to_owned(), Arc::new(t))).collect();
        Offline { tables, calendars: library::calendars() }
    }

    /// The same with these calendars, those that it had in place of others of their name.
    #[must_use]
    pub fn with_calendars(mut self, calendars: Calendars) -> Offline {
        self.calendars.extend(calendars);
        self
    }
}

impl Default for Offline {
    fn default() -> Offline {
        Offline::new([])
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
    fn business_hours(&self, calendar: &str, at: Moment) -> Option<bool> {
        Some(self.calendars.get(calendar)?.is_open(at))
    }
    fn calendar_names(&self) -> Vec<String> {
        self.calendars.keys().cloned().collect()
    }
    fn on_call(&self, _: &str, _: Moment) -> Option<String> {
        None
    }
}
