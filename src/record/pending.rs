//! The rows of finished drafts, written for a whole group of requests with one statement per table.

use std::{
    any::Any,
    collections::{BTreeMap, HashSet},
};

use diesel::prelude::*;

use super::{
    audit::{self, AuditEntry},
    decide::DecisionRow,
    escalation,
    header::Header,
    journal::Entry,
    outbox::Event,
    practice::Details,
    service_level::clock::{self, ServiceClock},
    timer,
};
use crate::{
    db::{AnyConnection, writer::Deferred},
    error::{Code, Error, Result},
    id::{RecordId, UserId},
    insert_rows,
    schema::{
        custom_value, decision, journal, outbox, participant, record, record_tag, record_text, service_clock,
        service_clock_entry,
    },
};

/// Somebody's part in a record; it makes the record visible to them.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = participant, treat_none_as_default_value = false)]
pub struct Participant {
    /// The record.
    pub record_id: RecordId,
    /// The person.
    pub user_id: UserId,
    /// `requester`, `opener`, `assignee` or `watcher`.
    pub role: &'static str,
}

/// A tag of a record.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = record_tag, treat_none_as_default_value = false)]
pub struct Tag {
    /// The record.
    pub record_id: RecordId,
    /// The word.
    pub tag: String,
}

/// The searchable words of a record.
#[derive(Clone, Debug, Insertable, AsChangeset)]
#[diesel(table_name = record_text, treat_none_as_default_value = false)]
pub struct Words {
    /// The record.
    pub record_id: RecordId,
    /// Its number.
    pub number: String,
    /// Its title.
    pub title: String,
    /// Its description.
    pub description: String,
}

#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = record_text, treat_none_as_default_value = false)]
struct NewWords<'a> {
    record_id: RecordId,
    number: &'a str,
    title: &'a str,
    description: &'a str,
    comments: &'a str,
}

/// The value of a custom field, for filters.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = custom_value, treat_none_as_default_value = false)]
pub struct CustomValue {
    /// The record.
    pub record_id: RecordId,
    /// The field.
    pub name: String,
    /// Its value, when it is text.
    pub text_value: Option<String>,
    /// Its value, when it is a number.
    pub number_value: Option<f64>,
}

/// All that waits to be written.
#[derive(Default)]
pub struct Pending {
    /// Whose rows wait here.
    touched: HashSet<RecordId>,
    new_headers: Vec<Header>,
    changed_headers: Vec<Header>,
    details: BTreeMap<&'static str, Box<dyn DetailsRows>>,
    /// New parts that people play.
    pub participants: Vec<Participant>,
    /// Parts that are played no more: record, role.
    pub left: Vec<(RecordId, &'static str)>,
    /// New tags.
    pub tags: Vec<Tag>,
    /// Records whose tags are written anew.
    pub retagged: Vec<RecordId>,
    /// New values of custom fields.
    pub custom_values: Vec<CustomValue>,
    /// Records whose custom values are written anew.
    pub recustomised: Vec<RecordId>,
    /// Changed words of records.
    pub words: Vec<Words>,
    /// Words that are added to a record's comments.
    pub more_words: Vec<(RecordId, String)>,
    /// New entries of journals.
    pub journal: Vec<Entry>,
    /// New links of the audit chain.
    pub audit: Vec<AuditEntry>,
    /// New events.
    pub events: Vec<Event>,
    /// New rows of the decision log.
    pub decisions: Vec<DecisionRow>,
    /// Timers that are set and retired, in order.
    pub timers: Vec<timer::Change>,
    /// New and answered escalations, in order.
    pub escalations: Vec<escalation::row::Change>,
    new_clocks: Vec<ServiceClock>,
    changed_clocks: Vec<ServiceClock>,
    clock_entries: Vec<clock::Entry>,
}

impl Pending {
    /// A new record.
    pub fn add<D: Details>(&mut self, kind: &'static str, header: Header, details: D) {
        self.touched.insert(header.id);
        self.new_headers.push(header);
        self.details_of::<D>(kind).new.push(details);
    }

    /// A changed record; `changed_details` when its details changed too.
    pub fn replace<D: Details>(&mut self, kind: &'static str, header: Header, changed_details: Option<D>) {
        self.touched.insert(header.id);
        self.changed_headers.push(header);
        if let Some(details) = changed_details {
            self.details_of::<D>(kind).changed.push(details);
        }
    }

    /// A clock of a record, and what is added to its ledger.
    pub fn keep_clock(&mut self, clock: ServiceClock, is_new: bool, entries: Vec<clock::Entry>) {
        self.touched.insert(clock.record_id);
        let clocks = if is_new { &mut self.new_clocks } else { &mut self.changed_clocks };
        clocks.push(clock);
        self.clock_entries.extend(entries);
    }

    #[expect(clippy::expect_used, reason = "a kind has one details type")]
    fn details_of<D: Details>(&mut self, kind: &'static str) -> &mut Rows<D> {
        let rows =
            self.details.entry(kind).or_insert_with(|| Box::new(Rows::<D> { new: Vec::new(), changed: Vec::new() }));
        rows.as_any().downcast_mut().expect("one details type per kind")
    }

    fn write_headers(&mut self, connection: &mut AnyConnection) -> Result<()> {
        insert_rows!(connection, record::table, std::mem::take(&mut self.new_headers))?;
        for details in self.details.values_mut() {
            details.insert(connection)?;
        }
        for header in self.changed_headers.drain(..) {
            let unchanged = record::table.find(header.id).filter(record::version.eq(header.version - 1));
            if diesel::update(unchanged).set(&header).execute(connection)? == 0 {
                let raced = Error::new(Code::Stale, "The record has changed meanwhile.");
                return Err(Error { source: Some("optimistic lock".into()), ..raced });
            }
        }
        for details in self.details.values_mut() {
            details.update(connection)?;
        }
        Ok(())
    }

    fn write_parts(&mut self, connection: &mut AnyConnection) -> Result<()> {
        for (record, role) in self.left.drain(..) {
            let part = participant::table.filter(participant::record_id.eq(record)).filter(participant::role.eq(role));
            diesel::delete(part).execute(connection)?;
        }
        insert_rows!(connection, participant::table, std::mem::take(&mut self.participants))?;
        for record in self.retagged.drain(..) {
            diesel::delete(record_tag::table.filter(record_tag::record_id.eq(record))).execute(connection)?;
        }
        insert_rows!(connection, record_tag::table, std::mem::take(&mut self.tags))?;
        for record in self.recustomised.drain(..) {
            diesel::delete(custom_value::table.filter(custom_value::record_id.eq(record))).execute(connection)?;
        }
        Ok(insert_rows!(connection, custom_value::table, std::mem::take(&mut self.custom_values))?)
    }

    fn write_words(&mut self, connection: &mut AnyConnection, new: &[NewWords<'_>]) -> Result<()> {
        insert_rows!(connection, record_text::table, new)?;
        for words in self.words.drain(..) {
            diesel::update(record_text::table.find(words.record_id)).set(&words).execute(connection)?;
        }
        for (record, words) in self.more_words.drain(..) {
            diesel::update(record_text::table.find(record))
                .set(record_text::comments.eq(record_text::comments.concat(words)))
                .execute(connection)?;
        }
        Ok(())
    }

    fn write_clocks(&mut self, connection: &mut AnyConnection) -> Result<()> {
        insert_rows!(connection, service_clock::table, std::mem::take(&mut self.new_clocks))?;
        for clock in self.changed_clocks.drain(..) {
            clock.update(connection)?;
        }
        insert_rows!(connection, service_clock_entry::table, std::mem::take(&mut self.clock_entries))?;
        escalation::row::write(connection, std::mem::take(&mut self.escalations))?;
        timer::write(connection, std::mem::take(&mut self.timers))
    }

    fn write_evidence(&mut self, connection: &mut AnyConnection) -> Result<()> {
        insert_rows!(connection, journal::table, std::mem::take(&mut self.journal))?;
        insert_rows!(connection, decision::table, std::mem::take(&mut self.decisions))?;
        insert_rows!(connection, outbox::table, std::mem::take(&mut self.events))?;
        audit::append(connection, std::mem::take(&mut self.audit))
    }
}

impl Deferred for Pending {
    fn flush(&mut self, connection: &mut AnyConnection) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        let headers = self.new_headers.clone();
        let words: Vec<NewWords<'_>> = headers
            .iter()
            .map(|h| NewWords {
                record_id: h.id,
                number: &h.number,
                title: &h.title,
                description: &h.description,
                comments: "",
            })
            .collect();
        self.write_headers(connection)?;
        self.write_parts(connection)?;
        self.write_words(connection, &words)?;
        self.write_clocks(connection)?;
        self.write_evidence(connection)?;
        *self = Pending::default();
        Ok(())
    }

    fn append(&mut self, other: Self) {
        self.touched.extend(other.touched);
        self.new_headers.extend(other.new_headers);
        self.changed_headers.extend(other.changed_headers);
        for (kind, rows) in other.details {
            match self.details.entry(kind) {
                std::collections::btree_map::Entry::Occupied(mut mine) => mine.get_mut().append(rows),
                std::collections::btree_map::Entry::Vacant(place) => {
                    place.insert(rows);
                }
            }
        }
        self.participants.extend(other.participants);
        self.left.extend(other.left);
        self.tags.extend(other.tags);
        self.retagged.extend(other.retagged);
        self.custom_values.extend(other.custom_values);
        self.recustomised.extend(other.recustomised);
        self.words.extend(other.words);
        self.more_words.extend(other.more_words);
        self.journal.extend(other.journal);
        self.audit.extend(other.audit);
        self.events.extend(other.events);
        self.decisions.extend(other.decisions);
        self.timers.extend(other.timers);
        self.escalations.extend(other.escalations);
        self.new_clocks.extend(other.new_clocks);
        self.changed_clocks.extend(other.changed_clocks);
        self.clock_entries.extend(other.clock_entries);
    }

    fn touches(&self, record: RecordId) -> bool {
        self.touched.contains(&record)
    }

    fn is_empty(&self) -> bool {
        self.touched.is_empty()
            && self.participants.is_empty()
            && self.audit.is_empty()
            && self.events.is_empty()
            && self.decisions.is_empty()
            && self.timers.is_empty()
            && self.escalations.is_empty()
    }
}

/// Waiting rows of one details table, without their type.
trait DetailsRows: Send {
    fn insert(&mut self, connection: &mut AnyConnection) -> Result<()>;
    fn update(&mut self, connection: &mut AnyConnection) -> Result<()>;
    fn append(&mut self, other: Box<dyn DetailsRows>);
    fn as_any(&mut self) -> &mut dyn Any;
}

struct Rows<D> {
    new: Vec<D>,
    changed: Vec<D>,
}

impl<D: Details> DetailsRows for Rows<D> {
    fn insert(&mut self, connection: &mut AnyConnection) -> Result<()> {
        D::insert(connection, &std::mem::take(&mut self.new))
    }
    fn update(&mut self, connection: &mut AnyConnection) -> Result<()> {
        self.changed.drain(..).try_for_each(|details| details.update(connection))
    }
    fn append(&mut self, mut other: Box<dyn DetailsRows>) {
        if let Some(other) = other.as_any().downcast_mut::<Rows<D>>() {
            self.new.append(&mut other.new);
            self.changed.append(&mut other.changed);
        }
    }
    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}
