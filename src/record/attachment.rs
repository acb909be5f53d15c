//! Attachments: files that stand beside a record. Their bytes are chunks in the database or a file of a directory.
//!
//! Bytes are stored before the row that names them, so that an upload that breaks off leaves nothing that anybody sees; its
//! bytes are swept away. They arrive and leave in chunks and are never whole in memory.
//!
//! **Invariant:** an attachment has a row only when all of its bytes are stored, and its SHA-256 is of those bytes.

use std::path::{Path, PathBuf};

use diesel::prelude::*;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    draft::Aside,
    kind::Kind,
    store::{self, Desk, Outcome},
};
use crate::{
    clock::Moment,
    config::{AttachmentStorage, Attachments},
    db::AnyConnection,
    error::{Code, Error, Result},
    id::{RecordId, RowId, UserId},
    schema::{attachment, attachment_chunk},
};

/// Bytes in a chunk.
pub const CHUNK: usize = 256 * 1024;
/// Longest name, in characters.
pub const NAME: usize = 255;
/// Bytes without a row are swept away after so many hours: no upload takes longer.
const SWEPT_AFTER_HOURS: i64 = 2;

/// An attachment without its bytes.
#[derive(Clone, Debug, Queryable, Insertable, Serialize, ToSchema)]
#[diesel(table_name = attachment)]
pub struct Attachment {
    /// Its id.
    pub id: RowId,
    /// The record that it belongs to.
    pub record_id: RecordId,
    /// The name of the file.
    #[schema(examples("screenshot.png"))]
    pub name: String,
    /// What it was sent as.
    #[schema(examples("image/png"))]
    pub media_type: String,
    /// Bytes.
    pub size: i64,
    /// SHA-256 of its bytes, in hexadecimal; also the `ETag` of its content.
    pub sha256: String,
    /// Where its bytes are.
    #[serde(skip)]
    pub storage: String,
    /// Who attached it.
    pub created_by_id: UserId,
    /// When.
    pub created_at: Moment,
}

/// Where the bytes of an attachment are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In chunks in the database.
    Database,
    /// In a file of this directory.
    Directory(PathBuf),
}

impl Place {
    /// Where new ones are put.
    pub fn configured(config: &Attachments) -> Self {
        match config.storage {
            AttachmentStorage::Database => Place::Database,
            AttachmentStorage::Directory => Place::Directory(config.directory.clone()),
        }
    }

    /// Where an attachment is; the setting may have changed since it was put there.
    pub fn of(attachment: &Attachment, config: &Attachments) -> Self {
        if attachment.storage == "database" { Place::Database } else { Place::Directory(config.directory.clone()) }
    }

    /// As it stands in the row.
    pub fn as_str(&self) -> &'static str {
        match self {
            Place::Database => "database",
            Place::Directory(_) => "directory",
        }
    }
}

/// The file of an attachment.
pub fn file(directory: &Path, id: RowId) -> PathBuf {
    directory.join(id.as_str())
}

/// The attachments of a record after `after`, at most `limit`, oldest first.
pub fn of_record(
    connection: &mut AnyConnection,
    of: RecordId,
    after: Option<RowId>,
    limit: i64,
) -> Result<Vec<Attachment>> {
    let mut rows = attachment::table.filter(attachment::record_id.eq(of)).into_boxed::<crate::db::Backend>();
    if let Some(after) = after {
        rows = rows.filter(attachment::id.gt(after));
    }
    Ok(rows.order(attachment::id).limit(limit).load(connection)?)
}

/// An attachment of a record.
pub fn find(connection: &mut AnyConnection, of: RecordId, id: RowId) -> Result<Attachment> {
    let row = attachment::table.find(id).filter(attachment::record_id.eq(of));
    row.first(connection).optional()?.ok_or_else(|| Error::not_found("attachment"))
}

/// Stores a chunk in the database.
pub fn put_chunk(connection: &mut AnyConnection, id: RowId, position: i32, content: &[u8]) -> Result<()> {
    let row = (
        attachment_chunk::attachment_id.eq(id),
        attachment_chunk::position.eq(position),
        attachment_chunk::content.eq(content),
    );
    diesel::insert_into(attachment_chunk::table).values(row).execute(connection)?;
    Ok(())
}

/// Reads a chunk from the database.
pub fn chunk(connection: &mut AnyConnection, id: RowId, position: i32) -> Result<Option<Vec<u8>>> {
    let row = attachment_chunk::table.find((id, position)).select(attachment_chunk::content);
    Ok(row.first(connection).optional()?)
}

/// Takes the chunks of an attachment away.
pub fn drop_chunks(connection: &mut AnyConnection, id: RowId) -> Result<()> {
    let chunks = attachment_chunk::table.filter(attachment_chunk::attachment_id.eq(id));
    diesel::delete(chunks).execute(connection)?;
    Ok(())
}

/// Adds an attachment whose bytes are stored, as a change of its record.
pub fn add(
    desk: &mut Desk<'_, '_>,
    kind: &'static Kind,
    expected: Option<i32>,
    attachment: Attachment,
) -> Result<Outcome> {
    let change = json!({"id": attachment.id, "name": attachment.name, "sha256": attachment.sha256});
    let aside = Aside::new("comment", "attached", "attachment", Value::Null, change);
    let outcome = desk.kernel.practice(kind.name)?.beside(desk, attachment.record_id, expected, aside)?;
    diesel::insert_into(attachment::table).values(&attachment).execute(desk.unit.connection()?)?;
    Ok(outcome)
}

/// Takes an attachment away, as a change of its record. A file of a directory is left to [`sweep_files`], which runs after
/// the commit.
pub fn remove(
    desk: &mut Desk<'_, '_>,
    kind: &'static Kind,
    of: RecordId,
    expected: Option<i32>,
    id: RowId,
) -> Result<(Outcome, Attachment)> {
    let caller = &desk.cause.caller;
    let connection = desk.unit.connection()?;
    store::visible(desk.kernel, connection, caller, kind, of)?;
    let row = find(connection, of, id)?;
    let needs = if row.created_by_id == caller.user { "comment" } else { "update" };
    let change = json!({"id": row.id, "name": row.name, "sha256": row.sha256});
    let aside = Aside::new(needs, "detached", "attachment", change, Value::Null);
    let outcome = desk.kernel.practice(kind.name)?.beside(desk, of, expected, aside)?;
    let connection = desk.unit.connection()?;
    diesel::delete(attachment::table.find(id)).execute(connection)?;
    drop_chunks(connection, id)?;
    Ok((outcome, row))
}

/// Takes away chunks of uploads that broke off with their server; gives how many. Run it now and then.
pub fn sweep_chunks(connection: &mut AnyConnection, now: Moment) -> Result<usize> {
    let before = oldest_kept(now);
    let named = attachment::table.filter(attachment::id.eq(attachment_chunk::attachment_id));
    let lost = attachment_chunk::table
        .filter(attachment_chunk::attachment_id.lt(before))
        .filter(diesel::dsl::not(diesel::dsl::exists(named)));
    Ok(diesel::delete(lost).execute(connection)?)
}

/// Takes away files of a directory that no attachment names; gives how many. Run it now and then.
pub fn sweep_files(connection: &mut AnyConnection, directory: &Path, now: Moment) -> Result<usize> {
    let before = oldest_kept(now);
    let mut swept = 0;
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(e) => return Err(Error::internal(e)),
    };
    for entry in entries {
        let entry = entry.map_err(Error::internal)?;
        // Only what this server puts there is called by an id.
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<RowId>().ok()) else { continue };
        let named = attachment::table.find(id);
        if id.as_str() < before.as_str()
            && !diesel::select(diesel::dsl::exists(named)).get_result::<bool>(connection)?
        {
            std::fs::remove_file(entry.path()).map_err(Error::internal)?;
            swept += 1;
        }
    }
    Ok(swept)
}

/// The least id that an upload which may still be running can have: ids begin with the milliseconds of their making.
fn oldest_kept(now: Moment) -> String {
    let at = now.minus(chrono::TimeDelta::hours(SWEPT_AFTER_HOURS)).utc().timestamp_millis().max(0);
    let digits = format!("{at:012x}");
    format!("{}-{}", &digits[..8], &digits[8..12])
}

/// Checks the name of a file.
pub fn check_name(name: &str) -> Result<()> {
    let fits = (1..=NAME).contains(&name.chars().count())
        && !name.chars().any(|c| c.is_control() || matches!(c, '/' | '\\'))
        && !name.trim().is_empty();
    if fits {
        return Ok(());
    }
    let detail = format!("`name` is 1 to {NAME} characters without slashes and control characters.");
    Err(Error::new(Code::Malformed, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_files() {
        for name in ["a.txt", "Übersicht (2).pdf", "..."] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", " ", "a/b", "a\\b", "a\nb", &"x".repeat(NAME + 1)] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn ids_of_the_last_hours_are_kept() {
        let now = crate::clock::Clock::System.now();
        let id = RowId::new();
        assert!(id.as_str() > oldest_kept(now).as_str());
        assert!(id.as_str() < oldest_kept(now.plus(chrono::TimeDelta::hours(SWEPT_AFTER_HOURS + 1))).as_str());
    }
}
