//! Models of changes: templates that bring fields and tasks along.
//!
//! A field of the model counts where the change itself says nothing; its tasks become tasks of the change when that is made.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Change, STANDARD, lifecycle};
use crate::{
    clock::Moment,
    db::{AnyConnection, JsonText},
    error::{Error, FieldError, Result},
    id::{RecordId, RowId, TeamId},
    record::{
        draft::Draft,
        store::Desk,
        task::row::{TaskRow, TaskState},
    },
    schema::change_model,
};

/// The most tasks of a model.
pub const TASKS: usize = 50;
/// The longest description of a task, in characters.
const DESCRIPTION: usize = 8_000;

/// What a change is filled with where it says nothing itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = ChangeModelFields)]
pub struct ModelFields {
    /// What it is about, at length.
    #[schema(max_length = 32000)]
    pub description: Option<String>,
    /// Why it is worth it.
    #[schema(max_length = 8000)]
    pub justification: Option<String>,
    /// How it is made.
    #[schema(max_length = 16000)]
    pub implementation_plan: Option<String>,
    /// How it is undone.
    #[schema(max_length = 16000)]
    pub backout_plan: Option<String>,
    /// How it is seen that it works.
    #[schema(max_length = 16000)]
    pub test_plan: Option<String>,
    /// Who is told what, and when.
    #[schema(max_length = 16000)]
    pub communication_plan: Option<String>,
    /// Which team makes it.
    pub team_id: Option<TeamId>,
}

/// A task that a change gets along.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ChangeModelTask)]
pub struct ModelTask {
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
    /// The places of tasks of the model, from 1, that have to be done before.
    #[serde(default)]
    #[schema(required = false, max_items = 50)]
    pub depends_on: Vec<i32>,
}

/// A model as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = change_model, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct ModelRow {
    pub id: RowId,
    pub name: String,
    pub description: String,
    pub change_type: String,
    pub fields: JsonText,
    pub tasks: JsonText,
    pub active: bool,
    pub version: i32,
    pub created_at: Moment,
    pub updated_at: Moment,
}

impl ModelRow {
    /// The one of that name that is active.
    fn active(connection: &mut AnyConnection, name: &str) -> Result<Option<Self>> {
        let found = change_model::table.filter(change_model::name.eq(name)).filter(change_model::active.eq(true));
        Ok(found.first(connection).optional()?)
    }

    /// The names of those that are active.
    pub(super) fn names(connection: &mut AnyConnection) -> Result<Vec<String>> {
        let active = change_model::table.filter(change_model::active.eq(true)).order(change_model::name);
        Ok(active.select(change_model::name).load(connection)?)
    }
}

/// Refuses tasks that don't stand in order.
pub fn check_tasks(tasks: &[ModelTask]) -> Result<()> {
    let mut errors = Vec::new();
    if tasks.len() > TASKS {
        errors.push(FieldError::new("/tasks", "too_many", format!("A model has at most {TASKS} tasks.")));
    }
    for (n, task) in tasks.iter().enumerate() {
        let length = task.title.trim().chars().count();
        if length == 0 || length > 200 {
            errors.push(FieldError::new(format!("/tasks/{n}/title"), "wrong_form", "A title has 1 to 200 characters."));
        }
        if task.description.chars().count() > DESCRIPTION {
            let detail = format!("A description has at most {DESCRIPTION} characters.");
            errors.push(FieldError::new(format!("/tasks/{n}/description"), "too_long", detail));
        }
        let is_before = |place: &i32| usize::try_from(*place).is_ok_and(|place| (1..=n).contains(&place));
        if !task.depends_on.iter().all(is_before) {
            let detail = "A task depends on tasks that stand before it.";
            errors.push(FieldError::new(format!("/tasks/{n}/depends_on"), "out_of_order", detail));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Error::invalid_all(errors)) }
}

/// Fills a new change with what its model says.
pub(super) fn fill(draft: &mut Draft<Change>, desk: &mut Desk<'_, '_>) -> Result<()> {
    let Some(name) = draft.details.model.clone().filter(|_| draft.before.is_none()) else { return Ok(()) };
    let found = ModelRow::active(desk.unit.reference(), &name)?;
    let refuse = |detail: String| Error::invalid("/model", "no_such_reference", detail);
    let model = found.ok_or_else(|| refuse(format!("There is no active model `{name}`.")))?;
    if model.change_type != draft.details.change_type {
        return Err(refuse(format!("`{name}` is a model of {} changes.", model.change_type)));
    }
    let fields: ModelFields = model.fields.read()?;
    let (header, details) = (&mut draft.header, &mut draft.details);
    if header.description.is_empty() {
        header.description = fields.description.unwrap_or_default();
    }
    if header.team_id.is_none() && header.assignee_id.is_none() {
        header.team_id = fields.team_id;
    }
    let plans = [
        (&mut details.justification, fields.justification),
        (&mut details.implementation_plan, fields.implementation_plan),
        (&mut details.backout_plan, fields.backout_plan),
        (&mut details.test_plan, fields.test_plan),
        (&mut details.communication_plan, fields.communication_plan),
    ];
    for (own, of_model) in plans {
        *own = own.take().or(of_model);
    }
    Ok(())
}

/// Where a standard change is not what its model says, which alone was agreed: in its plans as they are given or changed, or because the
/// model is no longer in use when it is scheduled.
pub(super) fn departures(draft: &Draft<Change>, desk: &mut Desk<'_, '_>) -> Result<Vec<FieldError>> {
    let Change { change_type, model: Some(name), .. } = &draft.details else { return Ok(Vec::new()) };
    let plans = |details: &Change| {
        [
            ("implementation_plan", details.implementation_plan.clone()),
            ("backout_plan", details.backout_plan.clone()),
            ("test_plan", details.test_plan.clone()),
        ]
    };
    let old = draft.old().map(|(_, old)| plans(old));
    let is_to_be_agreed = draft.step.is_some_and(|step| step.needs_approval)
        && draft.old().is_some_and(|(header, _)| header.state == lifecycle::NEW);
    if change_type != STANDARD || (old.as_ref() == Some(&plans(&draft.details)) && !is_to_be_agreed) {
        return Ok(Vec::new());
    }
    let Some(model) = ModelRow::active(desk.unit.reference(), name)? else {
        let detail = format!("The model `{name}` is not in use any more.");
        return Ok(vec![FieldError::new("/model", "no_such_reference", detail)]);
    };
    let fields: ModelFields = model.fields.read()?;
    let said = [fields.implementation_plan, fields.backout_plan, fields.test_plan];
    let wrong = plans(&draft.details).into_iter().zip(said).filter(|((_, own), said)| said.is_some() && own != said);
    let detail = "A standard change is made as its model says: make a normal one where it is to be otherwise.";
    Ok(wrong.map(|((field, _), _)| FieldError::new(format!("/{field}"), "fixed", detail)).collect())
}

/// The tasks of its model that a standard change lacks when it is to be agreed to.
pub(super) fn lacking_tasks(draft: &Draft<Change>, desk: &mut Desk<'_, '_>) -> Result<Vec<FieldError>> {
    let Change { change_type, model: Some(name), .. } = &draft.details else { return Ok(Vec::new()) };
    let is_to_be_agreed = draft.step.is_some_and(|step| step.needs_approval)
        && draft.old().is_some_and(|(header, _)| header.state == lifecycle::NEW);
    if change_type != STANDARD || !is_to_be_agreed {
        return Ok(Vec::new());
    }
    let Some(model) = ModelRow::active(desk.unit.reference(), name)? else { return Ok(Vec::new()) };
    let id = draft.header.id;
    let own = TaskRow::of_record(desk.unit.settled(id)?, id)?;
    let has = |title: &str| own.iter().any(|task| task.title == title && task.state() != TaskState::Skipped);
    let lacks = |title: &str| {
        let detail =
            format!("Its model has the task \"{title}\", and it has not: make a normal change where it is not needed.");
        FieldError::new("", "task", detail)
    };
    let tasks: Vec<ModelTask> = model.tasks.read()?;
    let titles = tasks.iter().map(|task| task.title.trim());
    Ok(titles.filter(|title| !has(title)).map(lacks).collect())
}

/// Gives a change that was just made the tasks of its model.
pub(super) fn give_tasks(written: &Draft<Change>, desk: &mut Desk<'_, '_>) -> Result<()> {
    let Some(name) = written.details.model.as_deref().filter(|_| written.before.is_none()) else { return Ok(()) };
    let Some(model) = ModelRow::active(desk.unit.reference(), name)? else { return Ok(()) };
    let tasks: Vec<ModelTask> = model.tasks.read()?;
    let ids: Vec<RowId> = tasks.iter().map(|_| RowId::new()).collect();
    let record_id: RecordId = written.header.id;
    for ((task, id), position) in tasks.into_iter().zip(&ids).zip(1..) {
        let needs = task.depends_on.iter().filter_map(|place| ids.get(usize::try_from(*place - 1).ok()?));
        let row = TaskRow {
            id: *id,
            record_id,
            position,
            title: task.title.trim().to_owned(),
            description: task.description,
            team_id: task.team_id,
            assignee_id: None,
            depends_on: JsonText::of(&needs.collect::<Vec<_>>())?,
            state: TaskState::Open.as_str().to_owned(),
            created_at: desk.cause.at,
            done_at: None,
            done_by_id: None,
        };
        row.insert(desk.unit.settled(record_id)?)?;
    }
    Ok(())
}
