//! The events of all records, in the order of commits, for those who follow them: only about what they see.
//!
//! The order is that of the column `xid`, the transaction that wrote an event, and of `seq` within it.
//! [`AnyConnection::events_after`] gives only what nothing can precede any more, so a place is all that a reader remembers.
//!
//! **Invariant:** who reads on from a place is told of each event once.

use std::collections::BTreeSet;

use diesel::prelude::*;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    kernel::Kernel,
    mention::{self, Mention},
    outbox::{self as events, Event},
    visibility,
};
use crate::{
    auth::caller::Caller,
    clock::Moment,
    db::{AnyConnection, Backend, Engine},
    error::Result,
    id::{RecordId, RowId},
    schema::outbox,
};

/// Rows read at once.
const AT_ONCE: i64 = 200;

/// An event, as those who follow read it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Told {
    /// Its id: `Last-Event-ID` resumes after it.
    pub id: RowId,
    /// When it happened.
    pub at: Moment,
    /// What happened, in the past tense.
    #[schema(examples("incident.resolved"))]
    pub event: String,
    /// The record's id.
    pub record_id: RecordId,
    /// The record's kind.
    #[schema(examples("incident"))]
    pub kind: String,
    /// What is told of it: the record's number, version and state, which fields changed, and `by` whom.
    pub payload: Value,
}

/// Which events are wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Names of events, or `incident.*` for all of a family; empty for all.
    pub types: Vec<String>,
    /// Kinds of records; empty for all.
    pub kinds: Vec<String>,
}

impl Wanted {
    /// Whether an event is wanted.
    pub fn fits(&self, event: &str, kind: &str) -> bool {
        let named = |pattern: &String| match pattern.strip_suffix('*') {
            Some(family) => event.starts_with(family),
            None => event == pattern,
        };
        (self.types.is_empty() || self.types.iter().any(named))
            && (self.kinds.is_empty() || self.kinds.iter().any(|k| k == kind))
    }
}

/// A place in the order of commits: how far somebody has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Queryable)]
pub struct Place {
    xid: i64,
    seq: i64,
}

impl Place {
    /// Before everything.
    const BEGINNING: Place = Place { xid: i64::MIN, seq: 0 };

    /// A place that somebody has kept.
    pub const fn kept(xid: i64, seq: i64) -> Self {
        Place { xid, seq }
    }

    /// What somebody keeps of it: the transaction, and the number within it.
    pub const fn to_keep(self) -> (i64, i64) {
        (self.xid, self.seq)
    }

    /// Where an event stands; nothing when there is no such event.
    pub fn of(connection: &mut AnyConnection, id: RowId) -> Result<Option<Self>> {
        Ok(outbox::table.filter(outbox::id.eq(id)).select((outbox::xid, outbox::seq)).first(connection).optional()?)
    }

    /// After all that there is now.
    pub fn newest(connection: &mut AnyConnection) -> Result<Self> {
        let last = Place::BEGINNING.following(connection.engine()).order((outbox::xid.desc(), outbox::seq.desc()));
        let last = last.select((outbox::xid, outbox::seq)).first(connection).optional()?;
        Ok(last.unwrap_or(Place::BEGINNING))
    }

    /// The next events that the caller sees and wants, and whether there may be more of them at once.
    pub fn read(
        &mut self,
        kernel: &Kernel,
        connection: &mut AnyConnection,
        caller: &Caller,
        wanted: &Wanted,
    ) -> Result<(Vec<Told>, bool)> {
        let rows: Vec<(Place, Event)> = self
            .following(connection.engine())
            .order((outbox::xid, outbox::seq))
            .limit(AT_ONCE)
            .select((
                (outbox::xid, outbox::seq),
                (outbox::id, outbox::at, outbox::event, outbox::record_id, outbox::payload),
            ))
            .load(connection)?;
        let Some((last, _)) = rows.last() else { return Ok((Vec::new(), false)) };
        *self = *last;
        let more = rows.len() as i64 == AT_ONCE;
        let ids: BTreeSet<RecordId> = rows.iter().map(|(_, row)| row.record_id).collect();
        let seen = visibility::among(kernel, connection, caller, ids.into_iter().collect())?;
        let mut told = Vec::new();
        for (_, Event { id, at, event, record_id, payload }) in rows {
            let Some(header) = seen.get(&record_id).filter(|h| wanted.fits(&event, &h.kind)) else { continue };
            let kind = kernel.practice(&header.kind)?.kind();
            if events::is_for(caller, kind, &event) {
                told.push(Told { id, at, event, record_id, kind: header.kind.clone(), payload: payload.read()? });
            }
        }
        let vias = told.iter_mut().filter_map(|told| Mention::via_of(&mut told.payload)).collect();
        mention::hide(kernel, connection, caller, vias)?;
        Ok((told, more))
    }

    fn following(self, engine: Engine) -> outbox::BoxedQuery<'static, Backend> {
        outbox::table.filter(AnyConnection::events_after(engine, self.xid, self.seq)).into_boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_wanted_is_given() {
        let wanted = |types: &[&str], kinds: &[&str]| Wanted {
            types: types.iter().map(|&t| t.to_owned()).collect(),
            kinds: kinds.iter().map(|&k| k.to_owned()).collect(),
        };
        let cases: &[(&[&str], &[&str], bool)] = &[
            (&[], &[], true),
            (&["incident.resolved"], &[], true),
            (&["incident.*"], &[], true),
            (&["incident.resolve"], &[], false),
            (&["service.*"], &["incident"], false),
            (&[], &["service", "incident"], true),
            (&["incident.*"], &["service"], false),
        ];
        for (types, kinds, fits) in cases {
            assert_eq!(wanted(types, kinds).fits("incident.resolved", "incident"), *fits, "{types:?} {kinds:?}");
        }
    }
}
