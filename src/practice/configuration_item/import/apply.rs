//! One row of an import: recognised, reconciled, written through the one write path.
//!
//! A state is reconciled as fields are, and reached by the one step that leads there; where none does, the rest of the row stands.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    Ground, Item, Outcome, drift,
    gone::RETIRED,
    identify::{Identity, Said, alike, identify, is_identifying},
    known::Known,
    reconcile::{STATE, borrowed, holder_of},
    returned,
    row::{OriginRow, SeenRow},
    said::{body, spoken},
};
use crate::{
    error::{Error, FieldError, Result},
    id::{RecordId, RowId},
    practice::configuration_item::ConfigurationItemPractice,
    record::{
        class::{Class, Classes, PLACE},
        custom::CustomField,
        header::Header,
        input::pointer,
        kind::{Kind, Reference},
        practice::Practice,
        step::StepChoice,
        store::Desk,
    },
};

const KIND: &Kind = &ConfigurationItemPractice::KIND;
/// The longest text by which a row, or the end of a relation, is found.
const KEY: usize = 200;
/// So much of a title is told.
pub(super) const SHOWN: usize = 255;
/// The field of the class.
pub(super) const CLASS: &str = "class";
/// Stands in the place of a source where no step leads to a state.
pub(super) const LIFECYCLE: &str = "lifecycle";

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
    /// The relation that is missing.
    #[serde(default)]
    #[schema(required = true)]
    pub relation_id: Option<RowId>,
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
    /// Whose word stands; `lifecycle` where no step leads to the state, `refused` where a row that was refused may tell of it.
    #[schema(examples("inventory"))]
    pub source: String,
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
pub fn item(desk: &mut Desk<'_, '_>, ground: &Ground, known: &mut Known, (at, item): (usize, &Item)) -> Result<Told> {
    let key = item.key.as_deref().filter(|key| !key.trim().is_empty());
    let title: String = item.title.as_deref().or(key).unwrap_or_default().chars().take(SHOWN).collect();
    let refused = |wrong: Vec<FieldError>| Ok(Told::refused(&title, at, wrong));
    if let Some(wrong) = key.and_then(|key| too_long("/key", key)) {
        return refused(vec![wrong]);
    }
    let classes = desk.kernel.classes(desk.unit.reference(), KIND)?;
    let Some(name) = item.class.as_ref().or(ground.asked.class.as_ref()) else {
        let detail = "`class` is required, here or of the whole import.";
        return refused(vec![FieldError::new("/class", "required", detail)]);
    };
    let class = match classes.usable(name) {
        Ok(class) => class,
        Err(wrong) => return refused(vec![wrong]),
    };
    let number = item.number.as_deref().filter(|number| !number.trim().is_empty());
    let words = Said { number, key, title: item.title.as_deref(), attributes: &item.attributes };
    let identity = match identify(desk, ground, known, class, &words)? {
        Ok(identity) => identity,
        Err((wrong, candidates)) => {
            known.now.candidates.extend(&candidates);
            let mut told = Told::refused(&title, at, vec![wrong]);
            told.detail.candidates = candidates;
            return Ok(told);
        }
    };
    let signature = words.signature(class);
    if let Some(other) = known.earlier(&identity, signature.as_deref()) {
        let mut told = Told::new(Outcome::Ambiguous, None, &title);
        let detail = format!("This is the same as row {other} of the import.");
        told.detail.errors.push(FieldError::new(format!("/items/{at}"), "same_as", detail));
        return Ok(told);
    }
    let said = match (&identity, spoken(desk, ground, known, (class, item))?) {
        (_, Ok(said)) => said,
        (Identity::Known(id), Err(wrong)) => {
            known.now.records.insert(*id, at);
            return Ok(Told { record: Some(*id), ..Told::refused(&title, at, wrong) });
        }
        (Identity::New | Identity::Ambiguous(_), Err(wrong)) => return refused(wrong),
    };
    let mut row = Row { at, state: item.state.clone(), class, said: &said };
    let told = match identity {
        Identity::Ambiguous(candidates) => {
            known.now.candidates.extend(&candidates);
            let mut told = Told::new(Outcome::Ambiguous, None, &title);
            told.detail.candidates = candidates;
            told
        }
        Identity::New => create(desk, ground, &row, &title)?,
        Identity::Known(id) => update(desk, ground, &classes, &mut row, id)?,
    };
    if let Some(id) = told.record {
        known.now.records.insert(id, at);
        known.now.signatures.extend(signature.map(|words| (words, at)));
        known.now.keys.extend(key.map(|key| (key.to_owned(), id)));
        if told.outcome != Outcome::Refused && is_written(desk, ground, id)? && !is_old(desk, ground, id)? {
            if told.outcome == Outcome::Created {
                drift::of_new(desk, ground, id, &class.name)?;
            } else {
                drift::of_fields(desk, ground, id, class, &told.detail)?;
            }
            remember(desk, ground, (key, &row), id, &told)?;
        }
    }
    Ok(told)
}

/// A row whose words were read.
struct Row<'a> {
    at: usize,
    state: Option<String>,
    class: &'a Class,
    said: &'a Map<String, Value>,
}

/// Refuses a text by which something is found and that is longer than any that is stored.
pub(super) fn too_long(place: &str, text: &str) -> Option<FieldError> {
    let detail = format!("It has at most {KEY} characters.");
    (text.chars().count() > KEY).then(|| FieldError::new(place, "too_long", detail))
}

fn create(desk: &mut Desk<'_, '_>, ground: &Ground, row: &Row<'_>, title: &str) -> Result<Told> {
    let mut body = body(row.said);
    let left_out = leave_out_rehearsed(desk, ground, row.class, &mut body)?;
    body.insert(CLASS.to_owned(), row.class.name.clone().into());
    let initial = KIND.lifecycle.initial;
    let to = row.state.as_deref().filter(|to| leads(initial, to));
    let (kernel, cause) = (desk.kernel, desk.cause);
    let made = desk.unit.attempt(|unit| {
        let mut desk = Desk { kernel, unit, cause };
        let made = kernel.practice(KIND.name)?.create(&mut desk, body)?;
        take_to(&mut desk, made.id, to)?;
        Ok(made.id)
    })?;
    let made = match made {
        Err(e) if e.source.is_some() => return Err(e),
        Err(e) => Err(reasons(e, &left_out)),
        Ok(id) => Ok(id),
    };
    Ok(match made {
        Err(wrong) if !wrong.is_empty() => Told::refused(title, row.at, wrong),
        made => {
            // What could only not be written because it leads to what was taken back is nowhere either.
            let id = made.unwrap_or_else(|_| RecordId::new());
            let mut told = Told::new(Outcome::Created, Some(id), title);
            let unreached = row.state.as_deref().filter(|wanted| *wanted != initial && to.is_none());
            told.detail.kept.extend(unreached.map(|wanted| kept(STATE, initial.into(), wanted.into(), LIFECYCLE)));
            told
        }
    })
}

/// What a rehearsal has made and taken back is nowhere, so what refers to it is told of and not written. Gives what that was.
fn leave_out_rehearsed(
    desk: &mut Desk<'_, '_>,
    ground: &Ground,
    class: &Class,
    body: &mut Map<String, Value>,
) -> Result<Vec<String>> {
    let Some(attributes) = body.get_mut(PLACE).and_then(Value::as_object_mut).filter(|_| ground.asked.rehearse) else {
        return Ok(Vec::new());
    };
    let connection = desk.unit.connection()?;
    let mut rehearsed = Vec::new();
    for (name, value) in attributes.iter() {
        let refers = class.field(name).and_then(CustomField::refers_to);
        let (Some(Reference::Record(_)), Some(id)) = (refers, value.as_str().and_then(|id| id.parse().ok())) else {
            continue;
        };
        if Header::find(connection, id)?.is_none() {
            rehearsed.push(name.clone());
        }
    }
    attributes.retain(|name, _| !rehearsed.contains(name));
    Ok(rehearsed)
}

/// Whether a record is in the store: a rehearsal does not write what can't be there without what it has taken back.
fn is_written(desk: &mut Desk<'_, '_>, ground: &Ground, id: RecordId) -> Result<bool> {
    Ok(!ground.asked.rehearse || Header::find(desk.unit.settled(id)?, id)?.is_some())
}

fn update(
    desk: &mut Desk<'_, '_>,
    ground: &Ground,
    classes: &Classes,
    row: &mut Row<'_>,
    id: RecordId,
) -> Result<Told> {
    let now = present(desk, id)?;
    if row.state.is_none() {
        row.state = returned::implied(desk, ground, id, &now)?;
    }
    let kernel = desk.kernel;
    let practice = kernel.practice(KIND.name)?;
    let title = now.get("title").and_then(Value::as_str).unwrap_or_default().to_owned();
    let (mut detail, changed) = weigh(desk, ground, row, id, &now)?;
    let to = changed.get(STATE).and_then(Value::as_str).map(str::to_owned);
    let cause = &returned::cause(ground, desk.cause, &now, to.as_deref());
    let mut body = body(&changed);
    body.remove(STATE);
    let left_out = leave_out_rehearsed(desk, ground, row.class, &mut body)?;
    // A class further down says more of it; any other is left to people.
    let (old, class) = (now.get("class").and_then(Value::as_str).unwrap_or_default(), row.class);
    if old != class.name
        && !is_old(desk, ground, id)?
        && classes.get(&class.name).is_some_and(|class| class.line.iter().any(|above| above == old))
    {
        let to = class.name.clone();
        detail.changes.push(ImportChange { field: CLASS.to_owned(), from: old.into(), to: to.clone().into() });
        body.insert(CLASS.to_owned(), to.into());
    }
    let written = desk.unit.attempt(|unit| {
        let mut desk = Desk { kernel, unit, cause };
        if !body.is_empty() {
            practice.change(&mut desk, id, None, body)?;
        }
        take_to(&mut desk, id, to.as_deref())
    })?;
    let wrong = match written {
        Err(e) if e.source.is_some() => return Err(e),
        Err(e) => reasons(e, &left_out),
        Ok(()) => Vec::new(),
    };
    if !wrong.is_empty() {
        return Ok(Told { record: Some(id), ..Told::refused(&title, row.at, wrong) });
    }
    let outcome = match (detail.changes.is_empty(), detail.kept.is_empty()) {
        (false, _) => Outcome::Updated,
        (true, false) => Outcome::Different,
        (true, true) => Outcome::Unchanged,
    };
    Ok(Told { detail, ..Told::new(outcome, Some(id), &title) })
}

/// What of a row is to be written, and what stands by the word of others.
fn weigh(
    desk: &mut Desk<'_, '_>,
    ground: &Ground,
    row: &Row<'_>,
    id: RecordId,
    now: &Map<String, Value>,
) -> Result<(Detail, Map<String, Value>)> {
    let at = desk.cause.at;
    let is_old = is_old(desk, ground, id)?;
    let connection = desk.unit.connection()?;
    let origins = OriginRow::of_record(connection, id)?;
    let (mut detail, mut changed) = (Detail::default(), Map::new());
    for (field, says) in row.all() {
        let holds = held(now, field);
        if holds == says {
            continue;
        }
        let holder = holder_of(connection, (id, &origins), field, &holds)?;
        let is_open = field != STATE || leads(holds.as_str().unwrap_or_default(), says.as_str().unwrap_or_default());
        let is_retired = field == STATE && holds == RETIRED;
        if !is_open {
            detail.kept.push(kept(field, holds, says, LIFECYCLE));
        } else if is_old {
            detail.kept.push(kept(field, holds, says, &ground.asked.source));
        } else if let Some(by) =
            if is_retired { returned::against(connection, &ground.asked.source, (id, &origins))? } else { None }
        {
            detail.kept.push(kept(field, holds, says, &by));
        } else if ground.weights.may_write(&ground.asked.source, field, borrowed(&holder), at) {
            detail.changes.push(ImportChange { field: field.to_owned(), from: holds, to: says.clone() });
            changed.insert(field.to_owned(), says);
        } else if !is_spelling(row.class, field, &holds, &says) {
            let source = holder.map(|(source, _)| source).unwrap_or_default();
            detail.kept.push(kept(field, holds, says, &source));
        }
    }
    Ok((detail, changed))
}

/// Whether what differs is only how that by which things are recognised is written.
pub(super) fn is_spelling(class: &Class, field: &str, one: &Value, other: &Value) -> bool {
    is_identifying(class, field) && alike(one.clone()) == alike(other.clone())
}

/// Whether the source has told of a record after it looked this time: what it said then stands.
pub(super) fn is_old(desk: &mut Desk<'_, '_>, ground: &Ground, id: RecordId) -> Result<bool> {
    let last = SeenRow::last(desk.unit.connection()?, &ground.asked.source, id)?;
    Ok(last.is_some_and(|last| last > ground.observed_at))
}

impl Row<'_> {
    /// All that it says, the state with the fields.
    fn all(&self) -> impl Iterator<Item = (&str, Value)> {
        let fields = self.said.iter().map(|(field, says)| (field.as_str(), says.clone()));
        fields.chain(self.state.as_deref().map(|state| (STATE, Value::from(state))))
    }
}

pub(super) fn kept(field: &str, holds: Value, says: Value, source: &str) -> KeptField {
    KeptField { field: field.to_owned(), holds, says, source: source.to_owned() }
}

/// Remembers that the source has told of the record, and what it has said that stands. What was there already stays with the one who
/// has said it, unless the source may write it.
fn remember(
    desk: &mut Desk<'_, '_>,
    ground: &Ground,
    (key, row): (Option<&str>, &Row<'_>),
    id: RecordId,
    told: &Told,
) -> Result<()> {
    let seen_at = ground.observed_at;
    let source = &ground.asked.source;
    let now = present(desk, id)?;
    let connection = desk.unit.connection()?;
    let (by, external_key) = (source.clone(), key.map(str::to_owned));
    SeenRow { record_id: id, source: by, external_key, seen_at, seen_before: None }.put(connection)?;
    let origins = OriginRow::of_record(connection, id)?;
    let is_new = told.outcome == Outcome::Created;
    let mut rows = Vec::new();
    for (field, says) in row.all().filter(|(field, says)| held(&now, field) == *says) {
        let is_written = is_new || told.detail.changes.iter().any(|change| change.field == field);
        let is_theirs = is_written || {
            let holder = holder_of(connection, (id, &origins), field, &says)?;
            ground.weights.may_write(source, field, borrowed(&holder), desk.cause.at)
        };
        if is_theirs {
            let (field, value) = (field.to_owned(), says.to_string());
            rows.push(OriginRow { record_id: id, field, source: source.clone(), value, seen_at });
        }
    }
    OriginRow::put(connection, id, &rows)
}

/// The record as it is now, with what this transaction has written.
pub(super) fn present(desk: &mut Desk<'_, '_>, id: RecordId) -> Result<Map<String, Value>> {
    let kernel = desk.kernel;
    let connection = desk.unit.settled(id)?;
    let header = Header::find(connection, id)?;
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

/// Whether a step leads from one state to another.
pub(super) fn leads(from: &str, to: &str) -> bool {
    KIND.lifecycle.step_between(from, to).is_some()
}

/// Takes a record to a state, by the one step that leads there.
pub(super) fn take_to(desk: &mut Desk<'_, '_>, id: RecordId, to: Option<&str>) -> Result<()> {
    let Some(to) = to else { return Ok(()) };
    let practice = desk.kernel.practice(KIND.name)?;
    let step = StepChoice::To(to.to_owned());
    match practice.step(desk, id, None, &step, Map::new()) {
        Ok(_) => Ok(()),
        Err(e) if e.source.is_some() => Err(e),
        Err(e) => Err(Error::invalid("/state", "not_open", e.detail)),
    }
}

/// Why something was refused, place by place. That an attribute is lacking that was left out is no reason.
pub(super) fn reasons(refused: Error, left_out: &[String]) -> Vec<FieldError> {
    if refused.errors.is_empty() {
        return vec![FieldError::new("", refused.code.as_str(), refused.detail)];
    }
    let is_left_out = |at: &str| left_out.iter().any(|name| *at == format!("/{PLACE}{}", pointer(name)));
    refused.errors.into_iter().filter(|error| error.code != "required" || !is_left_out(&error.pointer)).collect()
}
