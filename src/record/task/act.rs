//! What is done with tasks. Each is a change of their record, in whose history it stands.

use serde_json::{Value, json};

use super::{
    BESIDE, MOST,
    input::{NewTask, TaskChange},
    row::{TaskRow, TaskState},
};
use crate::{
    auth::horizon::Horizon,
    db::JsonText,
    error::{Code, Error, FieldError, Result},
    id::{RecordId, RowId, TeamId, UserId},
    record::{
        draft::Aside,
        kind::Kind,
        store::{Desk, Outcome},
    },
};

const TITLE: usize = 200;
const DESCRIPTION: usize = 8_000;
/// Places that can be named.
const PLACES: std::ops::RangeInclusive<i32> = 1..=1_000;
/// The most tasks that one can depend on.
const NEEDS: usize = 50;

fn write(
    desk: &mut Desk<'_, '_>,
    (kind, id): (&'static Kind, RecordId),
    expected: Option<i32>,
    (action, before, after): (&'static str, Value, Value),
) -> Result<Outcome> {
    let practice = desk.kernel.practice(kind.name)?;
    practice.beside(desk, id, expected, Aside::new("update", action, BESIDE, before, after))
}

fn told(task: &TaskRow) -> Value {
    json!({"id": task.id, "title": task.title, "state": task.state})
}

/// Adds a task.
pub fn add(
    desk: &mut Desk<'_, '_>,
    of: (&'static Kind, RecordId),
    expected: Option<i32>,
    new: &NewTask,
) -> Result<(Outcome, RowId)> {
    let all = TaskRow::of_record(desk.unit.settled(of.1)?, of.1)?;
    if all.len() >= MOST {
        return Err(Error::new(Code::Conflict, format!("A record has at most {MOST} tasks.")));
    }
    check_words(Some(&new.title), Some(&new.description))?;
    check_numbers(new.position, &new.depends_on)?;
    check_people(desk, new.team_id, new.assignee_id)?;
    let last = all.last().map_or(0, |task| task.position);
    let task = TaskRow {
        id: RowId::new(),
        record_id: of.1,
        position: new.position.unwrap_or(last + 1),
        title: new.title.trim().to_owned(),
        description: new.description.clone(),
        team_id: new.team_id,
        assignee_id: new.assignee_id,
        depends_on: JsonText::of(&new.depends_on)?,
        state: TaskState::Open.as_str().to_owned(),
        created_at: desk.cause.at,
        done_at: None,
        done_by_id: None,
    };
    check_order(&task, &all)?;
    let outcome = write(desk, of, expected, ("task_added", Value::Null, told(&task)))?;
    task.insert(desk.unit.settled(of.1)?)?;
    Ok((outcome, task.id))
}

/// Changes a task, or says that it is done.
pub fn change(
    desk: &mut Desk<'_, '_>,
    of: (&'static Kind, RecordId),
    id: RowId,
    expected: Option<i32>,
    change: &TaskChange,
) -> Result<Outcome> {
    let connection = desk.unit.settled(of.1)?;
    let before = TaskRow::find(connection, of.1, id)?;
    let all = TaskRow::of_record(connection, of.1)?;
    check_words(change.title.as_deref(), change.description.as_deref())?;
    check_numbers(change.position, change.depends_on.as_deref().unwrap_or_default())?;
    check_people(desk, change.team_id.flatten(), change.assignee_id.flatten())?;
    let mut task = before.clone();
    task.title = change.title.as_ref().map_or(task.title, |title| title.trim().to_owned());
    task.description = change.description.clone().unwrap_or(task.description);
    task.team_id = change.team_id.unwrap_or(task.team_id);
    task.assignee_id = change.assignee_id.unwrap_or(task.assignee_id);
    task.position = change.position.unwrap_or(task.position);
    if let Some(needs) = &change.depends_on {
        task.depends_on = JsonText::of(needs)?;
    }
    check_order(&task, &all)?;
    let state = change.state.unwrap_or(before.state());
    if state != before.state() {
        check_turn(&task, state, &all)?;
        state.as_str().clone_into(&mut task.state);
        let is_over = state != TaskState::Open;
        task.done_at = is_over.then_some(desk.cause.at);
        task.done_by_id = is_over.then_some(desk.cause.caller.user);
    }
    let action = match state {
        TaskState::Done if before.is_open() => "task_done",
        TaskState::Skipped if before.is_open() => "task_skipped",
        TaskState::Done | TaskState::Skipped | TaskState::Open => "task_changed",
    };
    let outcome = write(desk, of, expected, (action, told(&before), told(&task)))?;
    task.update(desk.unit.settled(of.1)?)?;
    Ok(outcome)
}

/// Takes a task away on which no other depends.
pub fn remove(
    desk: &mut Desk<'_, '_>,
    of: (&'static Kind, RecordId),
    id: RowId,
    expected: Option<i32>,
) -> Result<Outcome> {
    let connection = desk.unit.settled(of.1)?;
    let task = TaskRow::find(connection, of.1, id)?;
    for other in TaskRow::of_record(connection, of.1)? {
        if other.needs()?.contains(&id) {
            return Err(Error::new(Code::Conflict, format!("\"{}\" depends on it.", other.title)));
        }
    }
    let outcome = write(desk, of, expected, ("task_removed", told(&task), Value::Null))?;
    task.delete(desk.unit.settled(of.1)?)?;
    Ok(outcome)
}

fn check_words(title: Option<&str>, description: Option<&str>) -> Result<()> {
    let length = title.map(|title| title.trim().chars().count());
    if length.is_some_and(|length| length == 0 || length > TITLE) {
        return Err(Error::invalid("/title", "wrong_form", format!("A title has 1 to {TITLE} characters.")));
    }
    if description.is_some_and(|text| text.chars().count() > DESCRIPTION) {
        let detail = format!("`description` has at most {DESCRIPTION} characters.");
        return Err(Error::invalid("/description", "too_long", detail));
    }
    Ok(())
}

fn check_numbers(position: Option<i32>, needs: &[RowId]) -> Result<()> {
    if position.is_some_and(|position| !PLACES.contains(&position)) {
        let detail = format!("`position` is {} to {}.", PLACES.start(), PLACES.end());
        return Err(Error::invalid("/position", "out_of_range", detail));
    }
    if needs.len() > NEEDS {
        return Err(Error::invalid("/depends_on", "too_many", format!("A task depends on at most {NEEDS} others.")));
    }
    Ok(())
}

/// Refuses people and teams that the caller doesn't see.
fn check_people(desk: &mut Desk<'_, '_>, team: Option<TeamId>, user: Option<UserId>) -> Result<()> {
    let connection = desk.unit.reference();
    let horizon = Horizon::of(connection, &desk.cause.caller)?;
    let mut errors = Vec::new();
    let missing =
        |pointer: &str, what: &str| FieldError::new(pointer, "no_such_reference", format!("There is no such {what}."));
    if let Some(team) = team
        && !horizon.sees_active_team(connection, team)?
    {
        errors.push(missing("/team_id", "active team"));
    }
    if let Some(user) = user
        && !horizon.sees_active_user(connection, user)?
    {
        errors.push(missing("/assignee_id", "active user"));
    }
    if errors.is_empty() { Ok(()) } else { Err(Error::invalid_all(errors)) }
}

/// What a task depends on stands before it, and what depends on it behind.
fn check_order(task: &TaskRow, all: &[TaskRow]) -> Result<()> {
    let place = |task: &TaskRow| (task.position, task.id);
    let mut errors = Vec::new();
    for (n, id) in task.needs()?.iter().enumerate() {
        let pointer = format!("/depends_on/{n}");
        match all.iter().find(|other| other.id == *id && other.id != task.id) {
            None => errors.push(FieldError::new(pointer, "no_such_reference", "The record has no such task.")),
            Some(before) if place(before) >= place(task) => {
                let detail = format!("\"{}\" does not stand before it.", before.title);
                errors.push(FieldError::new(pointer, "out_of_order", detail));
            }
            Some(_) => (),
        }
    }
    for later in all.iter().filter(|other| place(other) <= place(task)) {
        if later.needs()?.contains(&task.id) {
            let detail = format!("\"{}\" depends on it and would stand before it.", later.title);
            errors.push(FieldError::new("/position", "out_of_order", detail));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Error::invalid_all(errors)) }
}

/// A task has its turn when all that it depends on is over, and comes back only while nothing that depends on it is.
fn check_turn(task: &TaskRow, to: TaskState, all: &[TaskRow]) -> Result<()> {
    let in_the_way = match to {
        TaskState::Open => {
            all.iter().find(|other| !other.is_open() && other.needs().is_ok_and(|n| n.contains(&task.id)))
        }
        TaskState::Done | TaskState::Skipped => {
            let needs = task.needs()?;
            all.iter().find(|other| other.is_open() && needs.contains(&other.id))
        }
    };
    let Some(other) = in_the_way else { return Ok(()) };
    let why = if to == TaskState::Open { "is over and depends on it" } else { "has to be done before" };
    Err(Error::new(Code::Conflict, format!("\"{}\" {why}.", other.title)))
}
