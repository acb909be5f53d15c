//! What was decided about the records of a story.

use std::collections::HashMap;

use diesel::prelude::*;
use serde_json::Value;

use super::{
    super::{
        decide::DecisionRow,
        header::Header,
        mention::{self, Mention},
        person::{Person, people},
        store::Reading,
    },
    ROOM, StoryDecision, short,
};
use crate::{
    clock::Moment,
    db::{AnyConnection, JsonText, sql::among},
    error::Result,
    id::{RecordId, RowId, UserId},
    schema::decision,
};

/// Puts decisions into words, each about the record of this number.
pub type Explain<'a> = &'a mut dyn FnMut(&mut AnyConnection, &[(&str, DecisionRow)]) -> Result<Vec<String>>;

/// How many decisions one story tells of, from the first one on.
const DECISIONS: i64 = 5_000;
/// How many are read whole in one go: each holds all that its policy saw.
const AT_ONCE: usize = 100;

/// A decision, as far as its place in the story goes.
#[derive(Clone, Debug)]
pub(super) struct Decided {
    /// Its id.
    pub id: RowId,
    /// When.
    pub at: Moment,
    /// About which record.
    pub of: RecordId,
    /// The version of the record that it went into, or that there was where it changed nothing.
    pub version: i32,
    /// Which decision.
    pub decision: String,
    /// The request or job behind it.
    pub request_id: String,
    /// Through what, as far as the caller may know.
    pub via: String,
    /// Whose request.
    pub actor: Option<UserId>,
}

/// What was decided about the records, if the caller may read decisions; and the moment up to which that is all, where it is not. What only
/// ran beside is left out.
pub(super) fn about(reading: &mut Reading<'_>, headers: &[&Header]) -> Result<(Vec<Decided>, Option<Moment>)> {
    if !reading.cause.caller.can("decision.read") {
        return Ok((Vec::new(), None));
    }
    type Row = (RowId, Moment, RecordId, i32, String, JsonText);
    let ids = headers.iter().map(|header| header.id.as_str());
    let rows: Vec<Row> = decision::table
        .filter(among(reading.connection.engine(), "decision.record_id", ids))
        .filter(decision::mode.eq_any(["live", "last_good"]))
        .order((decision::at, decision::id))
        .select((
            decision::id,
            decision::at,
            decision::record_id,
            decision::record_version,
            decision::kind,
            decision::cause,
        ))
        .limit(DECISIONS + 1)
        .load(reading.connection)?;
    let read = |(id, at, of, version, decision, cause): Row| {
        let cause: Value = cause.read()?;
        let word = |name: &str| cause.get(name).and_then(Value::as_str).unwrap_or_default();
        let (request_id, via, actor) = (word("request").to_owned(), word("via").to_owned(), word("actor").parse().ok());
        Ok(Decided { id, at, of, version, decision, request_id, via, actor })
    };
    let mut decisions = rows.into_iter().map(read).collect::<Result<Vec<_>>>()?;
    let mut end = None;
    if decisions.len() as i64 > DECISIONS {
        decisions.pop();
        end = decisions.last().map(|last| last.at);
    }
    let vias = decisions.iter_mut().map(|decision| Mention::Via(&mut decision.via)).collect();
    mention::hide(reading.kernel, reading.connection, &reading.cause.caller, vias)?;
    Ok((decisions, end))
}

/// These decisions in words, by id, and the moment up to which that is all, where it is not. They are read whole in parts, and let go of.
pub(super) fn explained(
    reading: &mut Reading<'_>,
    headers: &[&Header],
    decisions: &[Decided],
    explain: Explain<'_>,
) -> Result<(HashMap<RowId, StoryDecision>, Option<Moment>)> {
    let numbers: HashMap<RecordId, &str> = headers.iter().map(|header| (header.id, header.number.as_str())).collect();
    let (mut told, mut room) = (HashMap::new(), ROOM);
    for part in decisions.chunks(AT_ONCE) {
        let wanted =
            among(reading.connection.engine(), "decision.id", part.iter().map(|decision| decision.id.as_str()));
        let rows: Vec<DecisionRow> = decision::table.filter(wanted).load(reading.connection)?;
        let rows: Vec<(&str, DecisionRow)> =
            rows.into_iter().map(|row| (numbers.get(&row.record_id).copied().unwrap_or_default(), row)).collect();
        let mut sentences = explain(reading.connection, &rows)?;
        let size: usize = sentences.iter_mut().map(|sentence| short::text(sentence).size).sum();
        if size > room {
            return Ok((told, part.first().map(|first| first.at)));
        }
        room -= size;
        told.extend(
            rows.into_iter()
                .zip(sentences)
                .map(|((_, row), sentence)| (row.id, StoryDecision { id: row.id, decision: row.kind, sentence })),
        );
    }
    Ok((told, None))
}

/// Those on whose requests they were made.
pub(super) fn actors(reading: &mut Reading<'_>, decisions: &[Decided]) -> Result<HashMap<UserId, Person>> {
    people(reading.connection, decisions.iter().filter_map(|decision| decision.actor))
}
