//! One row of an import: recognised, reconciled, written through the one write path.

use std::{collections::HashMap, sync::Arc};

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    Asked, Item, Outcome,
    identify::{Identity, Said, identify},
    reconcile::{Weights, holder},
    row::{OriginRow, SeenRow},
};
use crate::{
    error::{Error, FieldError, Result},
    id::{OrganisationId, RecordId, TeamId, UserId},
    practice::configuration_item::ConfigurationItemPractice,
    record::{
        class::{Class, Classes, PLACE},
        input::{is_empty, pointer},
        kind::Kind,
        practice::Practice,
        step::StepChoice,
        store::Desk,
    },
    schema::{organisation, team, user_account},
};

const KIND: &Kind = &ConfigurationItemPractice::KIND;

/// What became of a row, and why.
#[derive(Clone, Debug)]
pub struct Told {
    /// What became of it.
    pub outcome: Outcome,
    /// The record.
    pub record: Option<RecordId>,
    /// What it is called.
    pub title: String,
    /// The rest.
    pub detail: Detail,
}

/// What became of a row, in detail.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = ConfigurationImportDetail)]
pub struct Detail {
    /// What it changes: each field with what it held and what the source says.
    pub changes: Vec<ImportChange>,
    /// What another source, or somebody by hand, has said otherwise and stands.
    pub kept: Vec<KeptField>,
    /// Why it can't be stored, each with its place in the body.
    pub errors: Vec<FieldError>,
    /// The records that it may be.
    pub candidates: Vec<RecordId>,
}

/// What a row changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = ConfigurationImportChange)]
pub struct ImportChange {
    /// The field: `title`, `attributes.serial_number`, `state`.
    pub field: String,
    /// What it held.
    pub from: Value,
    /// What the source says.
    pub to: Value,
}

/// What another source has said otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = ConfigurationImportKept)]
pub struct KeptField {
    /// The field.
    pub field: String,
    /// What it holds.
    pub holds: Value,
    /// What the source says.
    pub says: Value,
    /// Whose word stands.
    #[schema(examples("inventory"))]
    pub source: String,
}

/// What an import has come to know.
#[derive(Clone, Debug, Default)]
pub struct Maps {
    /// Records that a row has named, by the number of the row.
    pub records: HashMap<RecordId, usize>,
    /// What rows say of themselves, by the number of the row.
    pub signatures: HashMap<String, usize>,
    /// Keys of the rows, with the records that they are.
    pub keys: HashMap<String, RecordId>,
}

/// What an import has come to know: before this transaction, and in it.
#[derive(Debug, Default)]
pub struct Known {
    /// What is committed.
    pub before: Arc<Maps>,
    /// What goes with this transaction.
    pub now: Maps,
    teams: HashMap<String, Option<TeamId>>,
    users: HashMap<String, Option<UserId>>,
    organisations: HashMap<String, Option<OrganisationId>>,
}

impl Maps {
    /// Adds what a transaction came to know.
    pub fn extend(&mut self, more: Maps) {
        self.records.extend(more.records);
        self.signatures.extend(more.signatures);
        self.keys.extend(more.keys);
    }
}

impl Known {
    /// With what is known before a transaction.
    pub fn of(before: Arc<Maps>) -> Self {
        Known { before, ..Known::default() }
    }

    fn row_of(&self, record: RecordId) -> Option<usize> {
        [&self.now, &*self.before].iter().find_map(|maps| maps.records.get(&record)).copied()
    }

    fn row_like(&self, signature: &str) -> Option<usize> {
        [&self.now, &*self.before].iter().find_map(|maps| maps.signatures.get(signature)).copied()
    }

    /// The record that a row gave this key.
    pub fn keyed(&self, key: &str) -> Option<RecordId> {
        [&self.now, &*self.before].iter().find_map(|maps| maps.keys.get(key)).copied()
    }
}

impl Told {
    fn new(outcome: Outcome, record: Option<RecordId>, title: &str) -> Self {
        Told { outcome, record, title: title.to_owned(), detail: Detail::default() }
    }

    fn refused(title: &str, at: usize, errors: Vec<FieldError>) -> Self {
        let place = |error: FieldError| FieldError { pointer: format!("/items/{at}{}", error.pointer), ..error };
        let mut told = Told::new(Outcome::Refused, None, title);
        told.detail.errors = errors.into_iter().map(place).collect();
        told
    }
}

/// Takes a row in.
///
/// # Errors
/// The transaction is spoilt; what is wrong with the row itself is told.
pub fn item(
    desk: &mut Desk<'_, '_>,
    asked: &Asked,
    weights: &Weights,
    known: &mut Known,
    (at, item): (usize, &Item),
) -> Result<Told> {
    let title = item.title.clone().or_else(|| item.key.clone()).unwrap_or_default();
    let classes = desk.kernel.classes(desk.unit.reference(), KIND)?;
    let Some(name) = item.class.as_ref().or(asked.class.as_ref()) else {
        let detail = "`class` is required, here or of the whole import.";
        return Ok(Told::refused(&title, at, vec![FieldError::new("/class", "required", detail)]));
    };
    let class = match classes.usable(name) {
        Ok(class) => class,
        Err(wrong) => return Ok(Told::refused(&title, at, vec![wrong])),
    };
    let said = Said { key: item.key.as_deref(), title: item.title.as_deref(), attributes: &item.attributes };
    let identity = identify(desk, &asked.source, class, &said)?;
    let signature = said.signature(class);
    let earlier = match &identity {
        Identity::Known(id) => known.row_of(*id),
        Identity::New => signature.as_ref().and_then(|words| known.row_like(words)),
        Identity::Ambiguous(_) => None,
    };
    if let Some(other) = earlier {
        let mut told = Told::new(Outcome::Ambiguous, None, &title);
        let detail = format!("This is the same as row {other} of the import.");
        told.detail.errors.push(FieldError::new(format!("/items/{at}"), "same_as", detail));
        return Ok(told);
    }
    let said = match spoken(desk, known, class, item)? {
        Ok(said) => said,
        Err(wrong) => return Ok(Told::refused(&title, at, wrong)),
    };
    let told = match identity {
        Identity::Ambiguous(candidates) => {
            let mut told = Told::new(Outcome::Ambiguous, None, &title);
            told.detail.candidates = candidates;
            told
        }
        Identity::New => create(desk, (at, item), class, &said, &title)?,
        Identity::Known(id) => update(desk, (&classes, class), asked, weights, (at, item), id, &said)?,
    };
    if let Some(id) = told.record {
        known.now.records.insert(id, at);
        known.now.signatures.extend(signature.map(|words| (words, at)));
        known.now.keys.extend(item.key.clone().map(|key| (key, id)));
        remember(desk, asked, weights, item, id, &said)?;
    }
    Ok(told)
}

/// What a row says, field by field, in the form in which it is stored; or every place that is wrong.
fn spoken(
    desk: &mut Desk<'_, '_>,
    known: &mut Known,
    class: &Class,
    item: &Item,
) -> Result<std::result::Result<Map<String, Value>, Vec<FieldError>>> {
    let mut said = Map::new();
    let mut wrong = Vec::new();
    let texts = [
        ("title", &item.title),
        ("description", &item.description),
        ("environment", &item.environment),
        ("criticality", &item.criticality),
    ];
    for (field, text) in texts {
        said.extend(text.clone().map(|text| (field.to_owned(), Value::from(text))));
    }
    let c = desk.unit.connection()?;
    let mut named = |given: &str, field: &str, id: &str, found: Option<Value>| match found {
        Some(found) => drop(said.insert(id.to_owned(), found)),
        None => {
            let detail = format!("There is no {} `{given}`.", field.replace('_', " "));
            wrong.push(FieldError::new(pointer(field), "no_such_reference", detail));
        }
    };
    if let Some(name) = &item.owner {
        if !known.users.contains_key(name) {
            let active = user_account::table.filter(user_account::active.eq(true));
            let found = active.filter(user_account::user_name.eq(name)).select(user_account::id).first(c).optional()?;
            known.users.insert(name.clone(), found);
        }
        named(name, "owner", "owner_id", known.users.get(name).copied().flatten().map(|id| id.to_string().into()));
    }
    if let Some(name) = &item.support_team {
        if !known.teams.contains_key(name) {
            let active = team::table.filter(team::active.eq(true));
            let found = active.filter(team::name.eq(name)).select(team::id).first(c).optional()?;
            known.teams.insert(name.clone(), found);
        }
        let found = known.teams.get(name).copied().flatten().map(|id| id.to_string().into());
        named(name, "support_team", "support_team_id", found);
    }
    if let Some(name) = &item.organisation {
        if !known.organisations.contains_key(name) {
            let active = organisation::table.filter(organisation::active.eq(true));
            let found = active.filter(organisation::name.eq(name)).select(organisation::id).first(c).optional()?;
            known.organisations.insert(name.clone(), found);
        }
        let found = known.organisations.get(name).copied().flatten().map(|id| id.to_string().into());
        named(name, "organisation", "organisation_id", found);
    }
    if let Some(state) = item.state.as_ref().filter(|state| KIND.lifecycle.state(state).is_none()) {
        let near = crate::error::did_you_mean(state, KIND.lifecycle.states.iter().map(|s| s.name));
        wrong.push(FieldError::new("/state", "not_a_choice", format!("There is no state `{state}`{near}.")));
    }
    let given: Map<String, Value> =
        item.attributes.iter().filter(|(_, value)| !value.is_null()).map(|(n, v)| (n.clone(), v.clone())).collect();
    let (attributes, errors) = class.merge(Map::new(), Some(given.into()), false)?;
    wrong.extend(errors);
    said.extend(attributes.into_iter().map(|(name, value)| (format!("{PLACE}.{name}"), value)));
    Ok(if wrong.is_empty() { Ok(said) } else { Err(wrong) })
}

/// What is said as the body of a write.
fn body(said: &Map<String, Value>) -> Map<String, Value> {
    let mut body = Map::new();
    let mut attributes = Map::new();
    for (field, value) in said {
        match field.strip_prefix("attributes.") {
            Some(name) => attributes.insert(name.to_owned(), value.clone()),
            None => body.insert(field.clone(), value.clone()),
        };
    }
    if !attributes.is_empty() {
        body.insert(PLACE.to_owned(), attributes.into());
    }
    body
}

fn create(
    desk: &mut Desk<'_, '_>,
    (at, item): (usize, &Item),
    class: &Class,
    said: &Map<String, Value>,
    title: &str,
) -> Result<Told> {
    let mut body = body(said);
    body.insert("class".to_owned(), class.name.clone().into());
    let (kernel, cause) = (desk.kernel, desk.cause);
    let made = desk.unit.attempt(|unit| {
        let mut desk = Desk { kernel, unit, cause };
        let made = kernel.practice(KIND.name)?.create(&mut desk, body)?;
        take_to(&mut desk, made.id, KIND.lifecycle.initial, item.state.as_deref())?;
        Ok(made.id)
    })?;
    Ok(match made {
        Ok(id) => Told::new(Outcome::Created, Some(id), title),
        Err(e) if e.source.is_some() => return Err(e),
        Err(e) => Told::refused(title, at, reasons(e)),
    })
}

fn update(
    desk: &mut Desk<'_, '_>,
    (classes, class): (&Classes, &Class),
    asked: &Asked,
    weights: &Weights,
    (at, item): (usize, &Item),
    id: RecordId,
    said: &Map<String, Value>,
) -> Result<Told> {
    let (kernel, cause) = (desk.kernel, desk.cause);
    let practice = kernel.practice(KIND.name)?;
    let now = present(desk, id)?;
    let title = now.get("title").and_then(Value::as_str).unwrap_or_default().to_owned();
    let origins = OriginRow::of_record(desk.unit.connection()?, id)?;
    let mut detail = Detail::default();
    let mut changed = Map::new();
    for (field, says) in said {
        let holds = held(&now, field);
        if holds == *says {
            continue;
        }
        let text = holds.to_string();
        let holder = holder(origins.get(field), &text, is_blank(field, &holds));
        if weights.may_write(&asked.source, field, holder, cause.at) {
            detail.changes.push(ImportChange { field: field.clone(), from: holds, to: says.clone() });
            changed.insert(field.clone(), says.clone());
        } else {
            let source = holder.map_or("", |(source, _)| source).to_owned();
            detail.kept.push(KeptField { field: field.clone(), holds, says: says.clone(), source });
        }
    }
    let mut body = body(&changed);
    // A class further down says more of it; any other is left to people.
    let old = now.get("class").and_then(Value::as_str).unwrap_or_default();
    if old != class.name && classes.get(&class.name).is_some_and(|class| class.line.iter().any(|above| above == old)) {
        detail.changes.push(ImportChange {
            field: "class".to_owned(),
            from: old.into(),
            to: class.name.clone().into(),
        });
        body.insert("class".to_owned(), class.name.clone().into());
    }
    let state = now.get("state").and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Some(wanted) = item.state.as_ref().filter(|wanted| **wanted != state) {
        detail.changes.push(ImportChange {
            field: "state".to_owned(),
            from: state.clone().into(),
            to: wanted.clone().into(),
        });
    }
    let written = desk.unit.attempt(|unit| {
        let mut desk = Desk { kernel, unit, cause };
        if !body.is_empty() {
            practice.change(&mut desk, id, None, body)?;
        }
        take_to(&mut desk, id, &state, item.state.as_deref())
    })?;
    match written {
        Err(e) if e.source.is_some() => Err(e),
        Err(e) => Ok(Told { record: Some(id), ..Told::refused(&title, at, reasons(e)) }),
        Ok(()) => {
            let outcome = if detail.changes.is_empty() { Outcome::Unchanged } else { Outcome::Updated };
            Ok(Told { detail, ..Told::new(outcome, Some(id), &title) })
        }
    }
}

/// Remembers that the source has told of the record, and what it has said that stands.
fn remember(
    desk: &mut Desk<'_, '_>,
    asked: &Asked,
    weights: &Weights,
    item: &Item,
    id: RecordId,
    said: &Map<String, Value>,
) -> Result<()> {
    let seen_at = desk.cause.at;
    let source = asked.source.clone();
    let now = present(desk, id)?;
    let connection = desk.unit.connection()?;
    let seen = SeenRow { record_id: id, source: source.clone(), external_key: item.key.clone(), seen_at };
    seen.put(connection)?;
    let origins = OriginRow::of_record(connection, id)?;
    let mut rows = Vec::new();
    for (field, says) in said.iter().filter(|(field, says)| held(&now, field) == **says) {
        let value = says.to_string();
        // What was confirmed by a source that may not write it still stands by the word of the one that may.
        let by_hand = origins.get(field).filter(|origin| origin.value == value);
        let holder = by_hand.map(|origin| (origin.source.as_str(), Some(origin.seen_at)));
        if weights.may_write(&source, field, holder, seen_at) {
            rows.push(OriginRow { record_id: id, field: field.clone(), source: source.clone(), value, seen_at });
        }
    }
    OriginRow::put(connection, id, &rows)
}

/// The record as it is now, with what this transaction has written.
fn present(desk: &mut Desk<'_, '_>, id: RecordId) -> Result<Map<String, Value>> {
    let kernel = desk.kernel;
    let connection = desk.unit.settled(id)?;
    let header = crate::record::header::Header::find(connection, id)?;
    let rendered = kernel.practice(KIND.name)?.render(connection, header.into_iter().collect())?;
    rendered.into_iter().next().ok_or_else(|| Error::not_found("configuration item"))
}

fn held(now: &Map<String, Value>, field: &str) -> Value {
    let found = match field.strip_prefix("attributes.") {
        Some(name) => now.get(PLACE).and_then(|attributes| attributes.get(name)),
        None => now.get(field),
    };
    found.cloned().unwrap_or_default()
}

/// Whether nobody has said it: it is as a new record has it.
fn is_blank(field: &str, value: &Value) -> bool {
    is_empty(Some(value))
        || matches!((field, value.as_str()), ("environment", Some("production")) | ("criticality", Some("bronze")))
}

/// Takes a record to a state, by the one step that leads there.
fn take_to(desk: &mut Desk<'_, '_>, id: RecordId, from: &str, to: Option<&str>) -> Result<()> {
    let Some(to) = to.filter(|to| *to != from) else { return Ok(()) };
    let practice = desk.kernel.practice(KIND.name)?;
    let step = StepChoice::To(to.to_owned());
    match practice.step(desk, id, None, &step, Map::new()) {
        Ok(_) => Ok(()),
        Err(e) if e.source.is_some() => Err(e),
        Err(e) => Err(Error::invalid("/state", "not_open", e.detail)),
    }
}

/// Why something was refused, place by place.
fn reasons(refused: Error) -> Vec<FieldError> {
    if refused.errors.is_empty() {
        return vec![FieldError::new("", refused.code.as_str(), refused.detail)];
    }
    refused.errors
}
