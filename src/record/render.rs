//! Records as JSON, as every caller, policy and event sees them.

use std::{collections::HashMap, sync::Arc};

use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    document::{Document, Text, Writer},
    header::Header,
    kernel::Kernel,
    kind::Kind,
    practice::Details,
};
use crate::{
    db::AnyConnection,
    error::{Error, Result},
    id::RecordId,
};

/// Header fields where 0 stands for "none", because sort keys are never null.
const ZERO_IS_NONE: &[&str] = &["priority", "impact", "urgency"];

/// A record as a tree of values, for who works with single fields.
pub fn record<D: Serialize>(kind: &Kind, header: &Header, details: &D) -> Result<Map<String, Value>> {
    Document::from(text(kind, header, details)?).object(None)
}

/// A record as text: header, then details.
fn text<D: Serialize>(kind: &Kind, header: &Header, details: &D) -> Result<Text> {
    // The details begin with the id that the header has, too.
    let without: Vec<&str> = kind.without.iter().copied().chain(["record_id"]).collect();
    let mut writer = Writer::new(&without, ZERO_IS_NONE);
    writer.extend(header)?;
    writer.extend(details)?;
    writer.end()
}

/// A header by itself, as text.
pub fn header(kind: &Kind, header: &Header) -> Result<Text> {
    let mut writer = Writer::new(kind.without, ZERO_IS_NONE);
    writer.extend(header)?;
    writer.end()
}

/// Records as text in the order of their headers, with one query for all details.
pub fn texts<D: Details>(kind: &Kind, connection: &mut AnyConnection, headers: &[Header]) -> Result<Vec<Text>> {
    let ids: Vec<RecordId> = headers.iter().map(|h| h.id).collect();
    let mut details: HashMap<RecordId, D> =
        D::load(connection, &ids)?.into_iter().map(|d| (d.record_id(), d)).collect();
    headers
        .iter()
        .map(|header| match details.remove(&header.id) {
            Some(details) => text(kind, header, &details),
            None => Err(Error::internal(format!("{} has no details", header.number))),
        })
        .collect()
}

/// These versions of records of one kind, in this order: from the shelf, or else from the database. What is no longer there in
/// this version is left out, which happens only outside of a transaction.
pub fn present(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    kind: &Kind,
    records: &[(RecordId, i32)],
) -> Result<Vec<Document>> {
    let found = kernel.shelf().take(records);
    let lacking = records.iter().zip(&found).filter(|(_, text)| text.is_none()).map(|((id, _), _)| *id);
    let lacking: Vec<RecordId> = lacking.collect();
    if lacking.is_empty() {
        return Ok(found.into_iter().flatten().map(Document::from).collect());
    }
    // Header and details must be of one version, since they will lie on the shelf as that.
    let (headers, texts) = connection.at_one_moment(|connection| {
        let headers = Header::find_all(connection, &lacking)?;
        let texts = kernel.practice(kind.name)?.texts(connection, &headers)?;
        Ok((headers, texts))
    })?;
    let mut read: HashMap<(RecordId, i32), Arc<Text>> = HashMap::new();
    for (header, text) in headers.iter().zip(texts) {
        let text = Arc::new(text);
        kernel.shelf().put(header.id, header.version, &text);
        read.insert((header.id, header.version), text);
    }
    let all = records.iter().zip(found).filter_map(|(record, text)| text.or_else(|| read.remove(record)));
    Ok(all.map(Document::from).collect())
}

/// Anything that serialises to an object.
pub fn object<T: Serialize>(value: &T) -> Result<Map<String, Value>> {
    let Value::Object(object) = serde_json::to_value(value).map_err(Error::internal)? else {
        return Err(Error::internal("not an object"));
    };
    Ok(object)
}

/// What differs between two versions of a record: field → [old, new].
pub fn changes(before: Option<&Map<String, Value>>, after: &Map<String, Value>) -> Map<String, Value> {
    after
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "id" | "kind" | "version" | "updated_at"))
        .filter_map(|(name, new)| {
            let old = before.and_then(|b| b.get(name)).unwrap_or(&Value::Null);
            (old != new).then(|| (name.clone(), Value::Array(vec![old.clone(), new.clone()])))
        })
        .collect()
}
