//! The decisions that were made, oldest first.

use std::collections::HashMap;

use chrono::TimeDelta;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use super::asked::Asked;
use crate::{
    clock::Moment,
    db::{AnyConnection, Backend, JsonText},
    error::Result,
    id::{RecordId, RowId},
    policy::decision::Decision,
    schema::{decision, record},
};

/// Where the reading of history stands: after the decision of this moment and id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// When it was made.
    pub at: Moment,
    /// Its id.
    pub id: RowId,
}

/// A decision that was made.
#[derive(Clone, Debug)]
pub struct Case {
    /// Which, and when.
    pub place: Place,
    /// About which record.
    pub record: RecordId,
    /// What it was made on.
    pub input: JsonText,
    /// How long the record took to be resolved; only of its last decision, and where something is to be forecast.
    pub resolved_after: Option<TimeDelta>,
}

type Decisions<'a> = decision::BoxedQuery<'a, Backend>;

/// The decisions that are asked for: of each the first policy that was asked, since the input is the same for all.
fn asked_for(asked: &Asked) -> Decisions<'static> {
    let mut rows = decision::table
        .filter(decision::kind.eq(asked.decision.spec().name))
        .filter(decision::place.eq(0))
        .into_boxed::<Backend>();
    if asked.decision.kinds().nth(1).is_some() {
        let about =
            record::table.filter(record::id.eq(decision::record_id)).filter(record::kind.eq(asked.kind.clone()));
        rows = rows.filter(diesel::dsl::exists(about));
    }
    if let Some(from) = asked.from {
        rows = rows.filter(decision::at.ge(from));
    }
    if let Some(until) = asked.until {
        rows = rows.filter(decision::at.lt(until));
    }
    rows
}

/// How many decisions are asked for.
pub fn count(connection: &mut AnyConnection, asked: &Asked) -> Result<i64> {
    Ok(asked_for(asked).count().get_result(connection)?)
}

/// The next decisions after a place, at most `most`.
pub fn next(connection: &mut AnyConnection, asked: &Asked, after: Option<Place>, most: i64) -> Result<Vec<Case>> {
    let mut rows = asked_for(asked);
    if let Some(Place { at, id }) = after {
        rows = rows.filter(decision::at.ge(at)).filter(decision::at.gt(at).or(decision::id.gt(id)));
    }
    type Row = (RowId, Moment, RecordId, JsonText);
    let rows: Vec<Row> = rows
        .order((decision::at, decision::id))
        .limit(most)
        .select((decision::id, decision::at, decision::record_id, decision::input))
        .load(connection)?;
    let case = |(id, at, record, input)| Case { place: Place { at, id }, record, input, resolved_after: None };
    let mut cases: Vec<Case> = rows.into_iter().map(case).collect();
    if asked.decision == Decision::Priority && !asked.resolve_within.is_empty() {
        look_ahead(connection, asked, &mut cases)?;
    }
    Ok(cases)
}

/// Adds how long it took to what is a record's last decision. It goes into the forecast alone: no policy sees it.
fn look_ahead(connection: &mut AnyConnection, asked: &Asked, cases: &mut [Case]) -> Result<()> {
    let records: Vec<RecordId> = cases.iter().map(|case| case.record).collect();
    let last: Vec<(RecordId, Option<RowId>)> = decision::table
        .filter(decision::record_id.eq_any(&records))
        .filter(decision::kind.eq(asked.decision.spec().name))
        .filter(decision::place.eq(0))
        .group_by(decision::record_id)
        .select((decision::record_id, diesel::dsl::max(decision::id)))
        .load(connection)?;
    let took: Vec<(RecordId, Moment, Option<Moment>)> = record::table
        .filter(record::id.eq_any(&records))
        .select((record::id, record::opened_at, record::resolved_at))
        .load(connection)?;
    let last: HashMap<RecordId, RowId> = last.into_iter().filter_map(|(record, id)| Some((record, id?))).collect();
    let took: HashMap<RecordId, TimeDelta> =
        took.into_iter().filter_map(|(id, opened, resolved)| Some((id, resolved?.since(opened)))).collect();
    for case in cases {
        if last.get(&case.record) == Some(&case.place.id) {
            case.resolved_after = took.get(&case.record).copied();
        }
    }
    Ok(())
}
