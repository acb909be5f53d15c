//! Records as JSON objects, as every caller, policy and event sees them.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{header::Header, kind::Kind, practice::Details};
use crate::{
    db::AnyConnection,
    error::{Error, Result},
    id::RecordId,
};

/// Header fields where 0 stands for "none", because sort keys are never null.
const ZERO_IS_NONE: &[&str] = &["priority", "impact", "urgency"];

/// A record as a JSON object: header, then details.
pub fn record<D: Serialize>(kind: &Kind, header: &Header, details: &D) -> Result<Map<String, Value>> {
    let mut object = object(header)?;
    for name in kind.without {
        object.shift_remove(*name);
    }
    for name in ZERO_IS_NONE {
        if object.get(*name) == Some(&Value::from(0)) {
            object.insert((*name).to_owned(), Value::Null);
        }
    }
    let mut details = self::object(details)?;
    details.shift_remove("record_id");
    object.append(&mut details);
    Ok(object)
}

/// Records as JSON objects in the order of their headers, with one query for all details.
pub fn records<D: Details>(
    kind: &Kind,
    connection: &mut AnyConnection,
    headers: Vec<Header>,
) -> Result<Vec<Map<String, Value>>> {
    let ids: Vec<RecordId> = headers.iter().map(|h| h.id).collect();
    let mut details: HashMap<RecordId, D> =
        D::load(connection, &ids)?.into_iter().map(|d| (d.record_id(), d)).collect();
    headers
        .iter()
        .map(|header| match details.remove(&header.id) {
            Some(details) => record(kind, header, &details),
            None => Err(Error::internal(format!("{} has no details", header.number))),
        })
        .collect()
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
