//! What comes back: a configuration item that a source has retired and finds again.
//!
//! **Invariant:** a source takes back only what it has retired itself. What people or another source have retired is for people to bring back.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{
    Ground,
    gone::RETIRED,
    reconcile::{MANUAL, STATE, written_by},
    row::{OriginRow, SeenRow},
};
use crate::{
    db::AnyConnection,
    error::Result,
    id::RecordId,
    record::{cause::Cause, history, store::Desk},
};

/// Where the step leads that brings something back.
const LIVE: &str = "live";

/// The state that a row tells of by saying none, if any: what its source has retired because it was missing, and finds again, is in use.
pub(super) fn implied(
    desk: &mut Desk<'_, '_>,
    ground: &Ground,
    id: RecordId,
    now: &Map<String, Value>,
) -> Result<Option<String>> {
    if now.get(STATE).is_none_or(|state| state != RETIRED) {
        return Ok(None);
    }
    let (source, connection) = (&ground.asked.source, desk.unit.connection()?);
    let origins = OriginRow::of_record(connection, id)?;
    let retired_at = origins.get(STATE).filter(|origin| origin.source == *source).map(|origin| origin.seen_at);
    // Where a row has told of it then or since, it was not retired for want of one.
    if retired_at.is_none() || retired_at <= SeenRow::last(connection, source, id)? {
        return Ok(None);
    }
    let last = history::last_change(connection, id, STATE)?.filter(|last| written_by(last) == Some(source));
    Ok(last.map(|_| LIVE.to_owned()))
}

/// By whose word what is retired stays so, whatever a source says of it.
pub(super) fn against(
    connection: &mut AnyConnection,
    source: &str,
    (id, origins): (RecordId, &HashMap<String, OriginRow>),
) -> Result<Option<String>> {
    let last = history::last_change(connection, id, STATE)?;
    let retired_by = last.as_ref().and_then(written_by).unwrap_or(MANUAL);
    if retired_by != source {
        return Ok(Some(retired_by.to_owned()));
    }
    // Another may have confirmed it since.
    Ok(origins.get(STATE).map(|origin| origin.source.clone()).filter(|holder| holder != source))
}

/// Why a row takes a record to a state, where that brings it back.
pub(super) fn cause(ground: &Ground, cause: &Cause, now: &Map<String, Value>, to: Option<&str>) -> Cause {
    let mut cause = cause.clone();
    if to.is_some() && now.get(STATE).is_some_and(|state| state == RETIRED) {
        cause.reason = format!("`{}` finds it again.", ground.asked.source);
    }
    cause
}
