//! What people say about tasks, as the API takes it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::row::TaskState;
use crate::{
    id::{RowId, TeamId, UserId},
    record::input::given,
};

/// Something that is to be done for a record.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTask {
    /// What is to be done, in one line.
    #[schema(min_length = 1, max_length = 200)]
    pub title: String,
    /// How it is done.
    #[serde(default)]
    #[schema(required = false, max_length = 8000)]
    pub description: String,
    /// Which team does it.
    #[serde(default)]
    #[schema(required = false)]
    pub team_id: Option<TeamId>,
    /// Who does it.
    #[serde(default)]
    #[schema(required = false)]
    pub assignee_id: Option<UserId>,
    /// Its place among the tasks of the record, from 1; after all others if it is left out.
    #[serde(default)]
    #[schema(required = false, minimum = 1, maximum = 1000)]
    pub position: Option<i32>,
    /// Tasks of the record that have to be done before.
    #[serde(default)]
    #[schema(required = false, max_items = 50)]
    pub depends_on: Vec<RowId>,
}

/// What is to be other about a task. What is left out stays as it is.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskChange {
    /// What is to be done, in one line.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, value_type = String, min_length = 1, max_length = 200)]
    pub title: Option<String>,
    /// How it is done.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, value_type = String, max_length = 8000)]
    pub description: Option<String>,
    /// Which team does it; null for none.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, value_type = Option<TeamId>)]
    pub team_id: Option<Option<TeamId>>,
    /// Who does it; null for nobody yet.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, value_type = Option<UserId>)]
    pub assignee_id: Option<Option<UserId>>,
    /// Its place among the tasks of the record.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, value_type = i32, minimum = 1, maximum = 1000)]
    pub position: Option<i32>,
    /// Tasks of the record that have to be done before.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, value_type = Vec<RowId>, max_items = 50)]
    pub depends_on: Option<Vec<RowId>>,
    /// Where it stands now.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, value_type = TaskState)]
    pub state: Option<TaskState>,
}
