//! What was changed without a change: what was found other than it should be, and no change says so.

use std::collections::BTreeSet;

use diesel::{
    dsl::{exists, not},
    prelude::*,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ChangePractice, caused::MADE, conflict::Span, plan};
use crate::{
    clock::Moment,
    db::{AnyConnection, Backend, Engine},
    error::{Code, Error, Result},
    id::{RecordId, RowId, UserId},
    record::{
        draft::Aside,
        drift::{Drift, Finding},
        header::Header,
        kind::Kind,
        mention,
        practice::Practice,
        store::{Desk, Reading},
        visibility,
    },
    schema::{change, record, unauthorised_change},
};

/// How many are read in one go.
const AT_ONCE: i64 = 200;
/// What is not there.
const NOUN: &str = "unauthorised change";
/// The most changes that are told of which one may have made it so.
const CANDIDATES: i64 = 20;
const KIND: &Kind = &ChangePractice::KIND;

/// Where it stands with something that was found other than it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = UnauthorisedChangeState)]
pub enum DriftState {
    /// No change says so.
    Open,
    /// A change was being made then.
    Authorised,
    /// Somebody has looked at it.
    Settled,
}

impl DriftState {
    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            DriftState::Open => "open",
            DriftState::Authorised => "authorised",
            DriftState::Settled => "settled",
        }
    }
    /// From its word.
    pub fn stored(text: &str) -> DriftState {
        let all = [DriftState::Open, DriftState::Authorised, DriftState::Settled];
        all.into_iter().find(|state| state.as_str() == text).unwrap_or(DriftState::Open)
    }
}

/// Something that was found other than it should be.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = unauthorised_change, treat_none_as_null = true, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct DriftRow {
    pub id: RowId,
    pub configuration_item_id: RecordId,
    pub found_at: Moment,
    pub drifted_at: Moment,
    pub summary: String,
    pub source: String,
    pub state: String,
    pub change_id: Option<RecordId>,
    pub comment: String,
    pub reported_by_id: UserId,
    pub settled_by_id: Option<UserId>,
    pub settled_at: Option<Moment>,
    pub last_seen_at: Option<Moment>,
    pub field: Option<String>,
    pub last_found_at: Moment,
    pub finding: String,
    pub related_id: Option<RecordId>,
}

/// Which are wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// That stand so.
    pub state: Option<DriftState>,
    /// That are other in this way.
    pub finding: Option<Finding>,
    /// That this has found.
    pub source: Option<String>,
    /// Of this thing, or of a relation with it.
    pub item: Option<RecordId>,
    /// Found from then on.
    pub from: Option<Moment>,
    /// Found before.
    pub until: Option<Moment>,
}

impl Wanted {
    fn rows(&self) -> unauthorised_change::BoxedQuery<'static, Backend> {
        let mut rows = unauthorised_change::table.into_boxed::<Backend>();
        if let Some(state) = self.state {
            rows = rows.filter(unauthorised_change::state.eq(state.as_str()));
        }
        if let Some(finding) = self.finding {
            rows = rows.filter(unauthorised_change::finding.eq(finding.as_str()));
        }
        if let Some(source) = self.source.clone() {
            rows = rows.filter(unauthorised_change::source.eq(source));
        }
        if let Some(item) = self.item {
            let of_item = unauthorised_change::configuration_item_id.eq(item);
            rows = rows.filter(of_item.nullable().or(unauthorised_change::related_id.eq(item)));
        }
        if let Some(from) = self.from {
            rows = rows.filter(unauthorised_change::found_at.ge(from));
        }
        if let Some(until) = self.until {
            rows = rows.filter(unauthorised_change::found_at.lt(until));
        }
        rows
    }
}

/// The time in which something became other.
fn then(last_seen_at: Option<Moment>, drifted_at: Moment) -> Span {
    Span { from: last_seen_at.unwrap_or(drifted_at), until: drifted_at }
}

impl DriftRow {
    /// Those that are wanted, of things that the caller sees, the newest first, after one, so many at most. The change that says so and the
    /// record at the other end of a relation are told to those alone who see them.
    pub fn page(reading: &mut Reading<'_>, wanted: &Wanted, after: Option<RowId>, limit: usize) -> Result<Vec<Self>> {
        let (mut found, mut last) = (Vec::new(), after);
        while found.len() < limit {
            let mut rows = wanted.rows();
            if let Some(last) = last {
                rows = rows.filter(unauthorised_change::id.lt(last));
            }
            let rows: Vec<Self> = rows.order(unauthorised_change::id.desc()).limit(AT_ONCE).load(reading.connection)?;
            let Some(end) = rows.last().map(|row| row.id) else { break };
            last = Some(end);
            found.extend(seen(reading, rows)?);
        }
        found.truncate(limit);
        Ok(found)
    }

    /// The one of that id, as the caller sees it.
    pub fn visible(reading: &mut Reading<'_>, id: RowId) -> Result<Self> {
        let row = DriftRow::find(reading.connection, id)?;
        seen(reading, vec![row])?.pop().ok_or_else(|| Error::not_found(NOUN))
    }

    fn then(&self) -> Span {
        then(self.last_seen_at, self.drifted_at)
    }

    /// Without the records that are not seen.
    pub fn among(self, is_seen: impl Fn(&RecordId) -> bool) -> Self {
        let (change_id, related_id) = (self.change_id.filter(&is_seen), self.related_id.filter(&is_seen));
        DriftRow { change_id, related_id, ..self }
    }

    /// The one of that id.
    pub fn find(connection: &mut AnyConnection, id: RowId) -> Result<Self> {
        let found = unauthorised_change::table.find(id).first(connection).optional()?;
        found.ok_or_else(|| Error::not_found(NOUN))
    }
}

/// Those of things that the caller sees, each without the records that they don't.
fn seen(reading: &mut Reading<'_>, rows: Vec<DriftRow>) -> Result<Vec<DriftRow>> {
    let about = rows.iter().flat_map(|row| [Some(row.configuration_item_id), row.change_id, row.related_id]);
    let about = about.flatten().collect();
    let seen = visibility::among(reading.kernel, reading.connection, &reading.cause.caller, about)?;
    let rows = rows.into_iter().filter(|row| seen.contains_key(&row.configuration_item_id));
    Ok(rows.map(|row| row.among(|id| seen.contains_key(id))).collect())
}

/// Takes in what a source has found. What it has found before is not told again as long as nobody has settled it, nor as long
/// as it was the same whenever the source looked; what has come back is news.
pub(super) fn found(desk: &mut Desk<'_, '_>, drift: &Drift) -> Result<()> {
    let mut same = unauthorised_change::table
        .filter(unauthorised_change::configuration_item_id.eq(drift.item))
        .filter(unauthorised_change::source.eq(&drift.source))
        .filter(unauthorised_change::finding.eq(drift.finding.as_str()))
        .into_boxed::<Backend>();
    if let Some(field) = &drift.field {
        same = same.filter(unauthorised_change::field.eq(field));
    }
    if let Some(related) = drift.related {
        same = same.filter(unauthorised_change::related_id.eq(related));
    }
    let last: Option<DriftRow> =
        same.order(unauthorised_change::id.desc()).first(desk.unit.connection()?).optional()?;
    let is_known = |last: &DriftRow| {
        let is_open = DriftState::stored(&last.state) == DriftState::Open;
        last.summary == drift.summary && (is_open || drift.last_looked_at.is_some_and(|at| last.last_found_at >= at))
    };
    match last.filter(is_known) {
        Some(last) => {
            let row = unauthorised_change::table.find(last.id);
            let found = unauthorised_change::last_found_at.eq(drift.drifted_at);
            diesel::update(row).set(found).execute(desk.unit.connection()?)?;
            Ok(())
        }
        None => report(desk, drift).map(drop),
    }
}

/// Takes in that something is other than it should be, and looks for the change that says so.
pub fn report(desk: &mut Desk<'_, '_>, drift: &Drift) -> Result<DriftRow> {
    let now = desk.cause.at;
    let connection = desk.unit.connection()?;
    let ends = [Some(drift.item), drift.related].into_iter().flatten().collect();
    let then = then(drift.last_seen_at, drift.drifted_at);
    let change: Option<RecordId> =
        made_then(connection.engine(), &ends, then).select(record::id).first(connection).optional()?;
    let state = if change.is_some() { DriftState::Authorised } else { DriftState::Open };
    let row = DriftRow {
        id: RowId::new(),
        configuration_item_id: drift.item,
        found_at: now,
        drifted_at: drift.drifted_at,
        summary: drift.summary.clone(),
        source: drift.source.clone(),
        state: state.as_str().to_owned(),
        change_id: change,
        comment: String::new(),
        reported_by_id: desk.cause.caller.user,
        settled_by_id: None,
        settled_at: None,
        last_seen_at: drift.last_seen_at,
        field: drift.field.clone(),
        last_found_at: now,
        finding: drift.finding.as_str().to_owned(),
        related_id: drift.related,
    };
    diesel::insert_into(unauthorised_change::table).values(&row).execute(connection)?;
    let told =
        serde_json::json!({"state": [null, row.state], "configuration_item_id": [null, row.configuration_item_id]});
    desk.tell("reported", ("unauthorised_change", row.id.as_str(), 1), &told)?;
    if state == DriftState::Open {
        tell_of_item(desk, &row)?;
    }
    Ok(row)
}

/// Writes it into the history of the thing, so that those who follow that are told.
fn tell_of_item(desk: &mut Desk<'_, '_>, row: &DriftRow) -> Result<()> {
    let connection = desk.unit.settled(row.configuration_item_id)?;
    let Some(header) = Header::find(connection, row.configuration_item_id)? else { return Ok(()) };
    let mut told = serde_json::json!({"id": row.id, "summary": row.summary, "source": row.source});
    if let Some(related) = row.related_id {
        told[mention::RECORD] = related.to_string().into();
    }
    let aside = Aside::new("read", "drifted", "unauthorised_change", serde_json::Value::Null, told);
    desk.kernel.practice(&header.kind)?.beside(desk, header.id, None, aside).map(drop)
}

/// Says what came of something that no change said.
pub fn settle(desk: &mut Desk<'_, '_>, id: RowId, change: Option<RecordId>, comment: &str) -> Result<DriftRow> {
    let (who, at) = (desk.cause.caller.user, desk.cause.at);
    let connection = desk.unit.connection()?;
    let before = DriftRow::find(connection, id)?;
    if DriftState::stored(&before.state) == DriftState::Settled {
        return Err(Error::new(Code::Conflict, "It is settled already."));
    }
    let row = DriftRow {
        state: DriftState::Settled.as_str().to_owned(),
        change_id: change.or(before.change_id),
        comment: comment.to_owned(),
        settled_by_id: Some(who),
        settled_at: Some(at),
        ..before.clone()
    };
    let unsettled = unauthorised_change::table.find(id).filter(unauthorised_change::state.eq(&before.state));
    if diesel::update(unsettled).set(&row).execute(connection)? == 0 {
        return Err(Error::new(Code::Conflict, "Somebody else has settled it."));
    }
    let told = serde_json::json!({"state": [before.state, row.state], "comment": ["", row.comment]});
    desk.tell("settled", ("unauthorised_change", row.id.as_str(), 2), &told)?;
    Ok(row)
}

/// The changes of any of these things that were being made in a span of time, the oldest first.
fn made_then(engine: Engine, items: &BTreeSet<RecordId>, then: Span) -> record::BoxedQuery<'static, Backend> {
    let is_over = change::actual_end.lt(then.from);
    let made = change::table
        .filter(change::record_id.eq(record::id))
        .filter(change::actual_start.le(then.until))
        .filter(change::actual_end.is_null().or(not(is_over).assume_not_null()));
    record::table
        .filter(record::kind.eq(KIND.name))
        .filter(record::state.eq_any(MADE))
        .filter(plan::is_of(engine, items))
        .filter(exists(made))
        .order(record::id)
        .into_boxed()
}

/// The changes that may have made it so though they do not say so, as the caller sees them: those that were being made then of what the thing
/// rests on, or of what rests on it.
pub fn candidates(reading: &mut Reading<'_>, row: &DriftRow) -> Result<Vec<Header>> {
    let ends: Vec<RecordId> = [Some(row.configuration_item_id), row.related_id].into_iter().flatten().collect();
    let around = plan::around(reading.kernel, reading.connection, &ends)?;
    let engine = reading.connection.engine();
    let mut found = made_then(engine, &around, row.then()).limit(CANDIDATES);
    if let Some(sees) = visibility::condition(engine, &reading.cause.caller, &[KIND]) {
        found = found.filter(sees);
    }
    if let Some(own) = row.change_id {
        found = found.filter(record::id.ne(own));
    }
    Ok(found.load(reading.connection)?)
}
