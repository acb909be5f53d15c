//! What a change of a service level or a calendar does to the clocks that go by it: they follow, a little later, when every node
//! knows of the change.
//!
//! **Invariant:** what is noted here is forgotten only once all clocks have followed.

use chrono::TimeDelta;
use diesel::prelude::*;

use crate::{
    clock::Moment,
    db::AnyConnection,
    error::Result,
    id::RecordId,
    insert_unless_there,
    record::{kind::Phase, store::Desk},
    schema::{record, service_clock, service_clock_recheck as recheck},
};

/// By when every node knows of a change, and whatever went by the old is committed.
const KNOWN: TimeDelta = TimeDelta::seconds(2);
/// For how long a node has the work to itself; it says anew after each part.
const MINE: TimeDelta = TimeDelta::seconds(30);

/// Whose clocks are to follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Those of open records of a kind.
    Kind(String),
    /// Those that go by a calendar.
    Calendar(String),
}

impl Subject {
    fn as_text(&self) -> String {
        match self {
            Subject::Kind(kind) => format!("kind:{kind}"),
            Subject::Calendar(name) => format!("calendar:{name}"),
        }
    }

    fn read(text: &str) -> Option<Subject> {
        match text.split_once(':')? {
            ("kind", kind) => Some(Subject::Kind(kind.to_owned())),
            ("calendar", name) => Some(Subject::Calendar(name.to_owned())),
            _ => None,
        }
    }

    /// The records after `after` whose clocks may have to follow, in the order of their ids.
    pub fn records(&self, connection: &mut AnyConnection, after: &str, most: i64) -> Result<Vec<RecordId>> {
        Ok(match self {
            Subject::Kind(kind) => {
                let open = [Phase::Open, Phase::Waiting, Phase::Done].map(Phase::as_str);
                let records = record::table.filter(record::kind.eq(kind)).filter(record::phase.eq_any(open));
                let records = records.filter(record::id.gt(after)).order(record::id).limit(most);
                records.select(record::id).load(connection)?
            }
            Subject::Calendar(name) => {
                let clocks = service_clock::table.filter(service_clock::calendar.eq(name));
                let clocks = clocks.filter(service_clock::ended_at.is_null());
                let clocks = clocks.filter(service_clock::record_id.gt(after)).order(service_clock::record_id);
                clocks.select(service_clock::record_id).distinct().limit(most).load(connection)?
            }
        })
    }
}

/// Notes that clocks are to follow.
pub fn note(desk: &mut Desk<'_, '_>, subject: &Subject) -> Result<()> {
    let (subject, due_at) = (subject.as_text(), desk.cause.at.plus(KNOWN));
    let connection = desk.unit.connection()?;
    insert_unless_there!(connection, recheck::table, (recheck::subject.eq(&subject), recheck::due_at.eq(due_at)))?;
    diesel::update(recheck::table.find(&subject)).set(recheck::due_at.eq(due_at)).execute(connection)?;
    Ok(())
}

/// What is noted and due, with when it is.
pub fn due(connection: &mut AnyConnection, now: Moment) -> Result<Vec<(Subject, Moment)>> {
    let due = recheck::table.filter(recheck::due_at.le(now)).order(recheck::subject);
    let due: Vec<(String, Moment)> = due.load(connection)?;
    Ok(due.into_iter().filter_map(|(subject, at)| Some((Subject::read(&subject)?, at))).collect())
}

/// Takes the work for this node, if nobody else has since; gives until when.
pub fn take(connection: &mut AnyConnection, subject: &Subject, seen: Moment, now: Moment) -> Result<Option<Moment>> {
    let until = now.plus(MINE);
    let mine = recheck::table.find(subject.as_text()).filter(recheck::due_at.eq(seen));
    let taken = diesel::update(mine).set(recheck::due_at.eq(until)).execute(connection)?;
    Ok((taken > 0).then_some(until))
}

/// Forgets what is done, unless it was noted again meanwhile.
pub fn done(connection: &mut AnyConnection, subject: &Subject, mine: Moment) -> Result<()> {
    diesel::delete(recheck::table.find(subject.as_text()).filter(recheck::due_at.eq(mine))).execute(connection)?;
    Ok(())
}
