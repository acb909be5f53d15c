//! Tasks as the API shows them.

use serde::Serialize;
use utoipa::ToSchema;

use super::row::{TaskRow, TaskState};
use crate::{
    clock::Moment,
    db::AnyConnection,
    error::Result,
    id::{RowId, TeamId},
    record::person::{Person, people},
};

/// Something that is to be done for a record.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Task {
    /// Its id.
    pub id: RowId,
    /// Its place among the tasks of the record.
    pub position: i32,
    /// What is to be done.
    pub title: String,
    /// How it is done.
    pub description: String,
    /// Which team does it; null for none.
    #[schema(required = true)]
    pub team_id: Option<TeamId>,
    /// Who does it; null for nobody yet.
    #[schema(required = true)]
    pub assignee: Option<Person>,
    /// Tasks of the record that have to be done before.
    pub depends_on: Vec<RowId>,
    /// Where it stands.
    pub state: TaskState,
    /// When it was added.
    pub created_at: Moment,
    /// When it was done or skipped; null before.
    #[schema(required = true)]
    pub done_at: Option<Moment>,
    /// Who did or skipped it; null before.
    #[schema(required = true)]
    pub done_by: Option<Person>,
}

impl Task {
    /// These rows, in their order.
    pub fn of(connection: &mut AnyConnection, rows: Vec<TaskRow>) -> Result<Vec<Self>> {
        let people = people(connection, rows.iter().flat_map(|row| [row.assignee_id, row.done_by_id]).flatten())?;
        let shown = rows.into_iter().map(|row| {
            let person = |id| people.get(&id).cloned();
            Ok(Task {
                depends_on: row.needs()?,
                state: row.state(),
                assignee: row.assignee_id.and_then(person),
                done_by: row.done_by_id.and_then(person),
                id: row.id,
                position: row.position,
                title: row.title,
                description: row.description,
                team_id: row.team_id,
                created_at: row.created_at,
                done_at: row.done_at,
            })
        });
        shown.collect()
    }
}
