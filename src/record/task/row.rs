//! Tasks in the database.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    clock::Moment,
    db::{AnyConnection, JsonText},
    error::{Error, Result},
    id::{RecordId, RowId, TeamId, UserId},
    schema::task,
};

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// It is to be done.
    Open,
    /// It was done.
    Done,
    /// It was not needed.
    Skipped,
}

impl TaskState {
    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            TaskState::Open => "open",
            TaskState::Done => "done",
            TaskState::Skipped => "skipped",
        }
    }
    fn stored(text: &str) -> TaskState {
        let all = [TaskState::Open, TaskState::Done, TaskState::Skipped];
        all.into_iter().find(|state| state.as_str() == text).unwrap_or(TaskState::Open)
    }
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = task, treat_none_as_null = true, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct TaskRow {
    pub id: RowId,
    pub record_id: RecordId,
    pub position: i32,
    pub title: String,
    pub description: String,
    pub team_id: Option<TeamId>,
    pub assignee_id: Option<UserId>,
    /// Ids of tasks of the same record.
    pub depends_on: JsonText,
    pub state: String,
    pub created_at: Moment,
    pub done_at: Option<Moment>,
    pub done_by_id: Option<UserId>,
}

impl TaskRow {
    /// Those of a record, in their order.
    pub fn of_record(connection: &mut AnyConnection, record: RecordId) -> Result<Vec<Self>> {
        let mine = task::table.filter(task::record_id.eq(record));
        Ok(mine.order((task::position, task::id)).load(connection)?)
    }

    /// The one of that id, of this record.
    pub fn find(connection: &mut AnyConnection, record: RecordId, id: RowId) -> Result<Self> {
        let found = task::table.find(id).filter(task::record_id.eq(record)).first(connection).optional()?;
        found.ok_or_else(|| Error::not_found("task"))
    }

    /// Stores a new one.
    pub fn insert(&self, connection: &mut AnyConnection) -> Result<()> {
        diesel::insert_into(task::table).values(self).execute(connection)?;
        Ok(())
    }

    /// Stores it as it is now.
    pub fn update(&self, connection: &mut AnyConnection) -> Result<()> {
        diesel::update(task::table.find(self.id)).set(self).execute(connection)?;
        Ok(())
    }

    /// Deletes it.
    pub fn delete(&self, connection: &mut AnyConnection) -> Result<()> {
        diesel::delete(task::table.find(self.id)).execute(connection)?;
        Ok(())
    }

    /// Where it stands.
    pub fn state(&self) -> TaskState {
        TaskState::stored(&self.state)
    }

    /// Whether it is to be done.
    pub fn is_open(&self) -> bool {
        self.state() == TaskState::Open
    }

    /// What has to be done before.
    pub fn needs(&self) -> Result<Vec<RowId>> {
        self.depends_on.read()
    }
}
