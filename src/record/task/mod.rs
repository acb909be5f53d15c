//! Tasks of a record of any kind: what is to be done, in order, and what has to be done before.
//!
//! Each thing that happens to a task is a change of its record (`store::beside`). A step of a lifecycle may need all of them
//! done or skipped (`Step::needs_tasks`).
//!
//! **Invariant:** a task is done or skipped only after those that it depends on; they stand before it, so nothing runs in circles.

pub mod act;
pub mod input;
pub mod row;
pub mod shown;

use crate::{
    db::AnyConnection,
    error::{FieldError, Result},
    id::RecordId,
};

/// What it is called among the changes of a record.
pub const BESIDE: &str = "task";
/// The most tasks of one record.
pub const MOST: usize = 200;

/// What is in the way of a step that needs all tasks done: those that are open, if any are.
pub fn in_the_way(connection: &mut AnyConnection, record: RecordId) -> Result<Option<FieldError>> {
    let open = row::TaskRow::of_record(connection, record)?.into_iter().filter(row::TaskRow::is_open);
    let open: Vec<String> = open.map(|task| format!("\"{}\"", task.title)).collect();
    let detail = format!("Tasks are open: {}.", open.join(", "));
    Ok((!open.is_empty()).then(|| FieldError::new("", "task", detail)))
}
