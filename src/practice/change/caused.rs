//! What a change has caused, and what was changed without one.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Change,
    conflict::Span,
    lifecycle::{IMPLEMENT, REVIEW},
    plan,
};
use crate::{
    clock::Moment,
    db::{AnyConnection, Backend, sql::among},
    error::{Code, Error, Result},
    id::{RecordId, RowId, UserId},
    record::{
        draft::Aside,
        drift::Drift,
        header::Header,
        mention,
        practice::Details,
        store::{Desk, Reading},
        visibility,
    },
    schema::{link, record, unauthorised_change},
};

/// The relation of an incident to the change that caused it.
const CAUSED_BY: &str = "caused_by";
/// How many are read in one go.
const AT_ONCE: i64 = 200;
/// The states in which a change is made, or was: one that is cancelled may have been begun before.
const MADE: &[&str] = &[IMPLEMENT, REVIEW, "closed", "cancelled"];

/// When a change was made, or is being made.
fn made(header: &Header, details: &Change, now: Moment) -> Option<Span> {
    let from = details.actual_start?;
    let until = details.actual_end.unwrap_or(if MADE.contains(&header.state.as_str()) { now } else { from });
    Some(Span { from, until })
}

/// An incident that a change may have caused, and whether it is linked to it as such.
pub type Suspect = (Header, bool);

/// The incidents that a change may have caused: of the same things, of what is next to them or hit with them, opened since it began and at
/// most so long after it ended; and those that are linked to it as caused by it. Only those that the caller sees.
pub fn by(reading: &mut Reading<'_>, change: &Header, after: chrono::TimeDelta) -> Result<Vec<Suspect>> {
    let connection = &mut *reading.connection;
    let linked: Vec<RecordId> = link::table
        .filter(link::to_id.eq(change.id))
        .filter(link::relation.eq(CAUSED_BY))
        .select(link::from_id)
        .load(connection)?;
    let details = Change::load(connection, &[change.id])?.pop();
    let span = details.and_then(|details| made(change, &details, reading.cause.at));
    let mut ids = linked.clone();
    if let Some(Span { from, until }) = span {
        let items = plan::touched_by(connection, change)?;
        let reach = plan::reach(reading.kernel, connection, &items)?;
        let mine = plan::is_of(connection.engine(), &reach);
        let opened = record::table
            .filter(record::kind.eq("incident"))
            .filter(record::opened_at.ge(from))
            .filter(record::opened_at.le(until.plus(after)))
            .filter(mine);
        let opened: Vec<RecordId> = opened.select(record::id).order(record::id).limit(500).load(connection)?;
        ids.extend(opened);
    }
    let seen = visibility::among(reading.kernel, reading.connection, &reading.cause.caller, ids)?;
    let mut found: Vec<Suspect> =
        seen.into_values().map(|header| (header.clone(), linked.contains(&header.id))).collect();
    found.sort_by(|a, b| a.0.number.cmp(&b.0.number));
    Ok(found)
}

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

impl DriftRow {
    /// Those of a state and of a thing, where one is given, of things that the caller sees, the newest first, after one, so many at most. The
    /// change that says so and the record at the other end of a relation are told to those alone who see them.
    pub fn page(
        reading: &mut Reading<'_>,
        (state, item): (Option<DriftState>, Option<RecordId>),
        after: Option<RowId>,
        limit: usize,
    ) -> Result<Vec<Self>> {
        let (mut found, mut last) = (Vec::new(), after);
        while found.len() < limit {
            let mut rows = unauthorised_change::table.into_boxed::<Backend>();
            if let Some(state) = state {
                rows = rows.filter(unauthorised_change::state.eq(state.as_str()));
            }
            if let Some(item) = item {
                let of_item = unauthorised_change::configuration_item_id.eq(item);
                rows = rows.filter(of_item.nullable().or(unauthorised_change::related_id.eq(item)));
            }
            if let Some(last) = last {
                rows = rows.filter(unauthorised_change::id.lt(last));
            }
            let rows: Vec<Self> = rows.order(unauthorised_change::id.desc()).limit(AT_ONCE).load(reading.connection)?;
            let Some(end) = rows.last().map(|row| row.id) else { break };
            last = Some(end);
            let about = rows.iter().flat_map(|row| [Some(row.configuration_item_id), row.change_id, row.related_id]);
            let about = about.flatten();
            let seen = visibility::among(reading.kernel, reading.connection, &reading.cause.caller, about.collect())?;
            let rows = rows.into_iter().filter(|row| seen.contains_key(&row.configuration_item_id));
            found.extend(rows.map(|row| row.among(|id| seen.contains_key(id))));
        }
        found.truncate(limit);
        Ok(found)
    }

    /// Without the records that are not seen.
    pub fn among(self, is_seen: impl Fn(&RecordId) -> bool) -> Self {
        let (change_id, related_id) = (self.change_id.filter(&is_seen), self.related_id.filter(&is_seen));
        DriftRow { change_id, related_id, ..self }
    }

    /// The one of that id.
    pub fn find(connection: &mut AnyConnection, id: RowId) -> Result<Self> {
        let found = unauthorised_change::table.find(id).first(connection).optional()?;
        found.ok_or_else(|| Error::not_found("unauthorised change"))
    }
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
    let span = Span { from: drift.last_seen_at.unwrap_or(drift.drifted_at), until: drift.drifted_at };
    let change = change_of(connection, drift, span, now)?;
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

/// The change of a thing, or of either end of a relation, that was being made in a span of time.
fn change_of(connection: &mut AnyConnection, drift: &Drift, then: Span, now: Moment) -> Result<Option<RecordId>> {
    let ends: Vec<RecordId> = [Some(drift.item), drift.related].into_iter().flatten().collect();
    let affected = link::table.filter(link::to_id.eq_any(ends.clone())).filter(link::relation.eq("affects"));
    let mut ids: Vec<RecordId> = affected.select(link::from_id).load(connection)?;
    let own = record::table.filter(record::kind.eq("change")).filter(record::configuration_item_id.eq_any(ends));
    ids.extend(own.select(record::id).load::<RecordId>(connection)?);
    let wanted = among(connection.engine(), "record.id", ids.iter().map(RecordId::as_str));
    let headers: Vec<Header> = record::table
        .filter(record::kind.eq("change"))
        .filter(record::state.eq_any(MADE))
        .filter(wanted)
        .order(record::id)
        .load(connection)?;
    let found: Vec<RecordId> = headers.iter().map(|header| header.id).collect();
    let details = Change::load(connection, &found)?;
    let covers = |header: &&Header| {
        let own = details.iter().find(|details| details.record_id == header.id);
        own.and_then(|own| made(header, own, now))
            .is_some_and(|span| span.from <= then.until && then.from <= span.until)
    };
    Ok(headers.iter().find(covers).map(|header| header.id))
}
