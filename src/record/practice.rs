//! What a practice brings: a kind, a details table, and hooks. Everything else is the kernel's.

use std::marker::PhantomData;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{
    catalogue::Findable,
    decide::Effect,
    document::{Document, Text},
    draft::{Aside, Draft},
    drift::Drift,
    escalation::{self, act::Act},
    header::Header,
    job,
    journal::Note,
    kind::{Kind, Step},
    render,
    step::{self, StepChoice, StepStatus},
    store::{self, Desk, Outcome, Why},
};
use crate::{
    clock::Moment,
    db::AnyConnection,
    error::{FieldError, Result},
    id::RecordId,
};

/// A row of a details table. `details_table!` writes this for a diesel struct.
pub trait Details: Clone + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The row of a new record, before the caller's input.
    fn blank(id: RecordId) -> Self;
    /// The record that it belongs to.
    fn record_id(&self) -> RecordId;
    /// The rows of these records, in no order.
    fn load(connection: &mut AnyConnection, ids: &[RecordId]) -> Result<Vec<Self>>;
    /// Inserts rows with one statement.
    fn insert(connection: &mut AnyConnection, rows: &[Self]) -> Result<()>;
    /// Writes a changed row.
    fn update(&self, connection: &mut AnyConnection) -> Result<()>;
}

/// A practice. The hooks have defaults that do nothing.
pub trait Practice: Send + Sync + Sized + 'static {
    /// The row of its details table.
    type Details: Details;
    /// Its kind.
    const KIND: Kind;
    /// The states in which its records serve others that depend on them. Only kinds that have any stand in the graph.
    const IN_USE: &'static [&'static str] = &[];
    /// What lists of its records are found by beside their fields.
    const FINDABLE: &'static [Findable] = &[];
    /// The kinds of its jobs, and how each is done.
    const JOBS: &'static [(&'static str, job::Do)] = &[];

    /// Rules that span fields, and derived fields: after input, before policies.
    fn settle(_draft: &mut Draft<Self::Details>, _desk: &mut Desk<'_, '_>) -> Result<()> {
        Ok(())
    }
    /// What more a step needs than its row in the lifecycle says.
    fn obstacles(
        _draft: &Draft<Self::Details>,
        _step: &Step,
        _reading: &mut store::Reading<'_>,
    ) -> Result<Vec<FieldError>> {
        Ok(Vec::new())
    }
    /// The words to choose from for a field, where they are what administrators have made.
    fn choices(_field: &str, _connection: &mut AnyConnection) -> Result<Option<Vec<String>>> {
        Ok(None)
    }
    /// What a step changes in the record itself.
    fn enter(_draft: &mut Draft<Self::Details>, _step: &Step, _desk: &mut Desk<'_, '_>) -> Result<()> {
        Ok(())
    }
    /// What is counted of the change: after policies, before the rows are written.
    fn count(_draft: &mut Draft<Self::Details>) {}
    /// The step that a change brings with it by itself.
    fn implied(_draft: &Draft<Self::Details>, _desk: &Desk<'_, '_>) -> Option<&'static str> {
        None
    }
    /// What a finished write means for timers and other records.
    fn follow(_written: &Draft<Self::Details>, _desk: &mut Desk<'_, '_>) -> Result<()> {
        Ok(())
    }
    /// The state that a new record is in, once its input is taken in.
    fn begins_in(_draft: &Draft<Self::Details>) -> &'static str {
        const { Self::KIND.lifecycle.initial }
    }
    /// Carries out what policies say that concerns records of this kind alone; tells whether it does.
    fn carry_out(_draft: &mut Draft<Self::Details>, _effect: &Effect) -> bool {
        false
    }
    /// Proposes the record as a major incident; tells whether that is anything new.
    fn propose_major(_draft: &mut Draft<Self::Details>, _desk: &Desk<'_, '_>) -> bool {
        false
    }
    /// Puts in what ships with it and is not there yet.
    fn ship(_connection: &mut AnyConnection, _now: Moment) -> Result<()> {
        Ok(())
    }
    /// What follows when a record is linked with another by a relation that it leads from, or no longer is.
    fn relinked(_desk: &mut Desk<'_, '_>, _record: RecordId, _relation: &str) -> Result<()> {
        Ok(())
    }
    /// What follows when another record, `from`, is linked with one of this kind, to which the relation leads.
    fn linked_from(_desk: &mut Desk<'_, '_>, _record: RecordId, _from: RecordId, _relation: &str) -> Result<()> {
        Ok(())
    }
    /// What follows when these things, of whatever kind, stand otherwise to each other than they did.
    fn related(_desk: &mut Desk<'_, '_>, _ends: &[RecordId]) -> Result<()> {
        Ok(())
    }
    /// What follows when something was found other than it should be.
    fn drifted(_desk: &mut Desk<'_, '_>, _drift: &Drift) -> Result<()> {
        Ok(())
    }
    /// What a timer of this practice does when it is due.
    fn timer(_name: &str, _record: RecordId, _desk: &mut Desk<'_, '_>) -> Result<()> {
        Ok(())
    }
}

/// A practice without its types, for lists of practices.
pub trait AnyPractice: Send + Sync {
    /// Its kind.
    fn kind(&self) -> &'static Kind;
    /// The details of a new record, before anything is given.
    fn blank(&self) -> Map<String, Value>;
    /// The states in which its records serve others.
    fn in_use(&self) -> &'static [&'static str];
    /// What lists of its records are found by beside their fields.
    fn findable(&self) -> &'static [Findable];
    /// The kinds of its jobs, and how each is done.
    fn jobs(&self) -> &'static [(&'static str, job::Do)];
    /// The words to choose from for a field, where they are what administrators have made.
    fn choices(&self, field: &str, connection: &mut AnyConnection) -> Result<Option<Vec<String>>>;
    /// Puts in what ships with it and is not there yet.
    fn ship(&self, connection: &mut AnyConnection, now: Moment) -> Result<()>;
    /// Makes a record.
    fn create(&self, desk: &mut Desk<'_, '_>, input: Map<String, Value>) -> Result<Outcome>;
    /// Changes fields of a record.
    fn change(
        &self,
        desk: &mut Desk<'_, '_>,
        id: RecordId,
        expected: Option<i32>,
        input: Map<String, Value>,
    ) -> Result<Outcome>;
    /// Takes a step of the lifecycle.
    fn step(
        &self,
        desk: &mut Desk<'_, '_>,
        id: RecordId,
        expected: Option<i32>,
        choice: &StepChoice,
        input: Map<String, Value>,
    ) -> Result<Outcome>;
    /// Adds time spent to the journal of a record.
    fn book_time(&self, desk: &mut Desk<'_, '_>, id: RecordId, expected: Option<i32>, note: Note) -> Result<Outcome>;
    /// Makes what stands beside a record a change of the record.
    fn beside(&self, desk: &mut Desk<'_, '_>, id: RecordId, expected: Option<i32>, aside: Aside) -> Result<Outcome>;
    /// What follows when a record is linked with another by a relation that it leads from, or no longer is.
    fn relinked(&self, desk: &mut Desk<'_, '_>, record: RecordId, relation: &str) -> Result<()>;
    /// What follows when another record is linked with one of this kind, to which the relation leads.
    fn linked_from(&self, desk: &mut Desk<'_, '_>, record: RecordId, from: RecordId, relation: &str) -> Result<()>;
    /// What follows when these things stand otherwise to each other than they did.
    fn related(&self, desk: &mut Desk<'_, '_>, ends: &[RecordId]) -> Result<()>;
    /// What follows when something was found other than it should be.
    fn drifted(&self, desk: &mut Desk<'_, '_>, drift: &Drift) -> Result<()>;
    /// Asks the policies a decision again.
    fn decide_again(
        &self,
        desk: &mut Desk<'_, '_>,
        id: RecordId,
        expected: Option<i32>,
        decision: &str,
    ) -> Result<Outcome>;
    /// Does something about the record's escalations; nothing comes of it where nobody waits for it any more.
    fn escalate(
        &self,
        desk: &mut Desk<'_, '_>,
        id: RecordId,
        expected: Option<i32>,
        act: &Act,
    ) -> Result<Option<Outcome>>;
    /// Looks at the clocks of a record again; tells whether anything has come of it.
    fn look_at_clocks(&self, desk: &mut Desk<'_, '_>, id: RecordId, why: Why) -> Result<bool>;
    /// The steps from the record's state, and what each still needs.
    fn steps(&self, desk: &mut store::Reading<'_>, header: Header) -> Result<Vec<StepStatus>>;
    /// The records as JSON text, in the order given.
    fn texts(&self, connection: &mut AnyConnection, headers: &[Header]) -> Result<Vec<Text>>;
    /// The records as trees of values, in the order given.
    fn render(&self, connection: &mut AnyConnection, headers: Vec<Header>) -> Result<Vec<Map<String, Value>>> {
        self.texts(connection, &headers)?.into_iter().map(|text| Document::from(text).object(None)).collect()
    }
    /// Runs a timer that is due.
    fn timer(&self, name: &str, record: RecordId, desk: &mut Desk<'_, '_>) -> Result<()>;
}

/// A practice in the list of practices.
pub struct Mounted<P>(PhantomData<P>);

impl<P> Mounted<P> {
    /// The only value.
    pub const fn new() -> Self {
        Mounted(PhantomData)
    }
}

impl<P> Default for Mounted<P> {
    fn default() -> Self {
        Mounted::new()
    }
}

impl<P: Practice> AnyPractice for Mounted<P> {
    fn kind(&self) -> &'static Kind {
        &const { P::KIND }
    }
    fn blank(&self) -> Map<String, Value> {
        // A row of a table is always an object.
        render::object(&P::Details::blank(RecordId::new())).unwrap_or_default()
    }
    fn in_use(&self) -> &'static [&'static str] {
        P::IN_USE
    }
    fn findable(&self) -> &'static [Findable] {
        P::FINDABLE
    }
    fn jobs(&self) -> &'static [(&'static str, job::Do)] {
        P::JOBS
    }
    fn choices(&self, field: &str, connection: &mut AnyConnection) -> Result<Option<Vec<String>>> {
        P::choices(field, connection)
    }
    fn ship(&self, connection: &mut AnyConnection, now: Moment) -> Result<()> {
        P::ship(connection, now)
    }
    fn create(&self, desk: &mut Desk<'_, '_>, input: Map<String, Value>) -> Result<Outcome> {
        store::create::<P>(desk, input)
    }
    fn change(
        &self,
        desk: &mut Desk<'_, '_>,
        id: RecordId,
        expected: Option<i32>,
        input: Map<String, Value>,
    ) -> Result<Outcome> {
        store::change::<P>(desk, id, expected, input)
    }
    fn step(
        &self,
        desk: &mut Desk<'_, '_>,
        id: RecordId,
        expected: Option<i32>,
        choice: &StepChoice,
        input: Map<String, Value>,
    ) -> Result<Outcome> {
        step::take::<P>(desk, id, expected, choice, input)
    }
    fn book_time(&self, desk: &mut Desk<'_, '_>, id: RecordId, expected: Option<i32>, note: Note) -> Result<Outcome> {
        store::book_time::<P>(desk, id, expected, note)
    }
    fn beside(&self, desk: &mut Desk<'_, '_>, id: RecordId, expected: Option<i32>, aside: Aside) -> Result<Outcome> {
        store::beside::<P>(desk, id, expected, aside)
    }
    fn relinked(&self, desk: &mut Desk<'_, '_>, record: RecordId, relation: &str) -> Result<()> {
        P::relinked(desk, record, relation)
    }
    fn linked_from(&self, desk: &mut Desk<'_, '_>, record: RecordId, from: RecordId, relation: &str) -> Result<()> {
        P::linked_from(desk, record, from, relation)
    }
    fn related(&self, desk: &mut Desk<'_, '_>, ends: &[RecordId]) -> Result<()> {
        P::related(desk, ends)
    }
    fn drifted(&self, desk: &mut Desk<'_, '_>, drift: &Drift) -> Result<()> {
        P::drifted(desk, drift)
    }
    fn decide_again(
        &self,
        desk: &mut Desk<'_, '_>,
        id: RecordId,
        expected: Option<i32>,
        decision: &str,
    ) -> Result<Outcome> {
        store::decide_again::<P>(desk, id, expected, decision)
    }
    fn escalate(
        &self,
        desk: &mut Desk<'_, '_>,
        id: RecordId,
        expected: Option<i32>,
        act: &Act,
    ) -> Result<Option<Outcome>> {
        escalation::act::act::<P>(desk, id, expected, act)
    }
    fn look_at_clocks(&self, desk: &mut Desk<'_, '_>, id: RecordId, why: Why) -> Result<bool> {
        store::look_at_clocks::<P>(desk, id, why)
    }
    fn steps(&self, reading: &mut store::Reading<'_>, header: Header) -> Result<Vec<StepStatus>> {
        step::ahead::<P>(reading, header)
    }
    fn texts(&self, connection: &mut AnyConnection, headers: &[Header]) -> Result<Vec<Text>> {
        render::texts::<P::Details>(self.kind(), connection, headers)
    }
    fn timer(&self, name: &str, record: RecordId, desk: &mut Desk<'_, '_>) -> Result<()> {
        P::timer(name, record, desk)
    }
}

/// Writes [`Details`] for a diesel struct whose fields stand in the order of the table.
#[macro_export]
macro_rules! details_table {
    ($table:ident, $details:ty, $id:ident => $blank:expr) => {
        impl $crate::record::practice::Details for $details {
            fn blank($id: $crate::id::RecordId) -> Self {
                $blank
            }
            fn record_id(&self) -> $crate::id::RecordId {
                self.record_id
            }
            fn load(
                c: &mut $crate::db::AnyConnection,
                ids: &[$crate::id::RecordId],
            ) -> $crate::error::Result<Vec<Self>> {
                use diesel::prelude::*;
                if let [id] = ids {
                    return Ok($crate::on_either!(c, c => $crate::schema::$table::table.find(id).load(c))?);
                }
                let ids = ids.iter().map(|id| id.as_str());
                let wanted = $crate::db::sql::among(c.engine(), concat!(stringify!($table), ".record_id"), ids);
                Ok($crate::schema::$table::table.filter(wanted).load(c)?)
            }
            fn insert(c: &mut $crate::db::AnyConnection, rows: &[Self]) -> $crate::error::Result<()> {
                Ok($crate::insert_rows!(c, $crate::schema::$table::table, rows)?)
            }
            fn update(&self, c: &mut $crate::db::AnyConnection) -> $crate::error::Result<()> {
                use diesel::prelude::*;
                diesel::update($crate::schema::$table::table.find(self.record_id)).set(self).execute(c)?;
                Ok(())
            }
        }
    };
}
