//! What becomes of a configuration item that no row of an import names though it is within the scope: it is told of and, where the source
//! says so, retired by the step of its lifecycle.
//!
//! **Invariant:** a source retires only that of which it has told itself, of which no other still tells, and whose state it may write.

use super::{
    Ground, Outcome,
    apply::{Detail, ImportChange, KeptField, LIFECYCLE, kept, leads, present, reasons, take_to},
    drift,
    reconcile::{STATE, borrowed, holder_of},
    row::{OriginRow, SeenRow},
};
use crate::{
    error::Result,
    id::RecordId,
    record::{cause::Cause, store::Desk},
};

/// The state of what is used no more.
pub const RETIRED: &str = "retired";
/// Stands in the place of a source where a row that was refused may tell of it.
const REFUSED: &str = "refused";

/// What becomes of it; nothing where it was named after all or since, or is retired already. Where it is not sure what every row is of, nothing is
/// retired.
pub(super) fn settle(
    desk: &mut Desk<'_, '_>,
    ground: &Ground,
    id: RecordId,
    is_sure: bool,
) -> Result<Option<(Outcome, Detail)>> {
    let source = &ground.asked.source;
    let seen = SeenRow::of_record(desk.unit.connection()?, id)?;
    let mine = seen.iter().find(|row| row.source == *source);
    // A row that was refused names it by its key all the same.
    if mine.and_then(|row| row.external_key.as_ref()).is_some_and(|key| ground.keys.contains(key)) {
        return Ok(None);
    }
    // Of what it has told since it looked, this import knows nothing.
    if mine.is_some_and(|row| row.seen_at > ground.observed_at) {
        return Ok(None);
    }
    let mut detail = Detail::default();
    let retires = ground.weights.retires(source);
    let Some(mine) = mine.filter(|_| retires || ground.looked.is_some()) else {
        return Ok(Some((Outcome::Missing, detail)));
    };
    let holds = present(desk, id)?.get(STATE).cloned().unwrap_or_default();
    if holds == RETIRED {
        return Ok(None);
    }
    if is_sure {
        drift::of_vanished(desk, ground, mine)?;
    } else if retires {
        detail.kept.push(kept(STATE, holds.clone(), RETIRED.into(), REFUSED));
    }
    if !(is_sure && retires) {
        return Ok(Some((Outcome::Missing, detail)));
    }
    let from = holds.as_str().unwrap_or_default();
    if let Some(against) = against(desk, ground, (id, &seen), from)? {
        detail.kept.push(against);
        return Ok(Some((Outcome::Missing, detail)));
    }
    if let Err(refused) = retire(desk, source, id)? {
        detail.errors = reasons(refused, &[]);
        return Ok(Some((Outcome::Missing, detail)));
    }
    detail.changes.push(ImportChange { field: STATE.to_owned(), from: holds, to: RETIRED.into() });
    let (field, value) = (STATE.to_owned(), serde_json::Value::from(RETIRED).to_string());
    let origin = OriginRow { record_id: id, field, source: source.clone(), value, seen_at: ground.observed_at };
    OriginRow::put(desk.unit.connection()?, id, &[origin])?;
    Ok(Some((Outcome::Retired, detail)))
}

/// By whose word it is not retired.
fn against(
    desk: &mut Desk<'_, '_>,
    ground: &Ground,
    (id, seen): (RecordId, &[SeenRow]),
    from: &str,
) -> Result<Option<KeptField>> {
    let (source, now) = (&ground.asked.source, desk.cause.at);
    let stands = |by: &str| Ok(Some(kept(STATE, from.into(), RETIRED.into(), by)));
    let is_told = |row: &&SeenRow| row.source != *source && !ground.weights.is_stale(&row.source, row.seen_at, now);
    if let Some(other) = seen.iter().find(is_told) {
        return stands(&other.source);
    }
    let connection = desk.unit.connection()?;
    let origins = OriginRow::of_record(connection, id)?;
    let holder = holder_of(connection, (id, &origins), STATE, &from.into())?;
    if !ground.weights.may_write(source, STATE, borrowed(&holder), now) {
        return stands(&holder.map(|(by, _)| by).unwrap_or_default());
    }
    if leads(from, RETIRED) { Ok(None) } else { stands(LIFECYCLE) }
}

fn retire(desk: &mut Desk<'_, '_>, source: &str, id: RecordId) -> Result<std::result::Result<(), crate::error::Error>> {
    let (kernel, reason) = (desk.kernel, format!("`{source}` no longer finds it."));
    let cause = Cause { reason, ..desk.cause.clone() };
    let retired = desk.unit.attempt(|unit| take_to(&mut Desk { kernel, unit, cause: &cause }, id, Some(RETIRED)))?;
    match retired {
        Err(e) if e.source.is_some() => Err(e),
        retired => Ok(retired),
    }
}
