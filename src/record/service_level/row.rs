//! Service levels as they are written and stored.

use std::collections::HashMap;

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Level, condition::Condition, target::Target};
use crate::{
    clock::Moment,
    db::{AnyConnection, JsonText},
    error::{Error, FieldError, Result, did_you_mean},
    id::RowId,
    record::{
        calendar::{self, row::CalendarRow},
        catalogue::{Catalogue, is_name},
        kernel::Kernel,
    },
    schema::service_level,
};

/// The longest name.
pub const NAME: usize = 100;
/// The longest description, in characters.
pub const DESCRIPTION: usize = 2_000;
/// Targets of a service level at most.
pub const TARGETS: usize = 500;
/// Warnings of a service level at most.
pub const WARNINGS: usize = 10;

/// A service level.
#[derive(Clone, Debug, PartialEq, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = service_level)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct ServiceLevelRow {
    pub id: RowId,
    pub name: String,
    pub description: String,
    pub kind: String,
    pub agreement: String,
    pub metric: String,
    pub content: JsonText,
    pub active: bool,
    pub version: i32,
    pub created_at: Moment,
    pub updated_at: Moment,
}

/// With whom it was agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    /// Service level agreement: with the customer.
    Sla,
    /// Operational level agreement: within the house.
    Ola,
    /// Underpinning contract: with a supplier.
    Uc,
}

impl Agreement {
    /// All of them, with their words: as they are stored and asked for.
    pub const WORDS: [(&'static str, Agreement); 3] =
        [("sla", Agreement::Sla), ("ola", Agreement::Ola), ("uc", Agreement::Uc)];

    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(_, one)| *one == self).map_or("", |(word, _)| word)
    }

    /// As it was stored.
    pub fn named(word: &str) -> Option<Agreement> {
        Self::WORDS.iter().find(|(one, _)| *one == word).map(|(_, one)| *one)
    }
}

/// What happens when what made a clock stop holds no more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AfterStop {
    /// It has stopped for good: a first response stays one.
    #[default]
    Stay,
    /// It goes on: the time since it stopped does not count. What is reopened was not resolved.
    Resume,
    /// It counts from nothing again.
    Restart,
}

/// What makes a service level, beside its name and what it measures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ServiceLevelTerms)]
pub struct Terms {
    /// The calendar whose time counts, by its name.
    #[serde(default = "business_hours")]
    #[schema(required = false, max_length = 100, default = "business-hours")]
    pub calendar: String,
    /// When its clock begins; as soon as a target fits where there is none. A condition in the language of list filters, on the
    /// record as a write leaves it; beside the record's fields it knows `answered` (the write adds a public comment of somebody
    /// other than the requester), `asked` (one of the requester) and `step` (the step that the write takes).
    #[serde(default)]
    #[schema(required = false, max_length = 4000)]
    pub start: Option<String>,
    /// While this holds, its clock waits.
    #[serde(default)]
    #[schema(required = false, max_length = 4000, examples("state = on_hold AND hold_reason = caller"))]
    pub pause: Option<String>,
    /// When its clock stops.
    #[schema(max_length = 4000, examples("phase = done OR phase = closed"))]
    pub stop: String,
    /// When its clock does not apply any more, and counts neither as met nor as missed.
    #[serde(default)]
    #[schema(required = false, max_length = 4000, examples("phase = cancelled"))]
    pub cancel: Option<String>,
    /// When its clock counts from nothing again, in another round: with `answered = true`, it measures the time between answers.
    #[serde(default)]
    #[schema(required = false, max_length = 4000)]
    pub reset: Option<String>,
    /// What happens when what made the clock stop holds no more.
    #[serde(default)]
    #[schema(required = false)]
    pub after_stop: AfterStop,
    /// Whether a clock that begins on a record which is there already counts from when the record was opened, without the pauses
    /// that it would have had since.
    #[serde(default)]
    #[schema(required = false)]
    pub retroactive: bool,
    /// Percentages of the target that are told of when they are used up, as events; 100 always is.
    #[serde(default)]
    #[schema(required = false, max_items = 10)]
    pub warnings: Vec<i32>,
    /// How many of a hundred clocks are to meet their target, to two digits. What may be missed is its error budget; without it there
    /// is none.
    #[serde(default)]
    #[schema(required = false, minimum = 0.01, maximum = 100, examples(95))]
    pub objective: Option<f64>,
    /// How long it may take, and for which records. Of those that fit, the one that names most of a record's properties counts; of
    /// several such the shortest.
    #[schema(min_items = 1, max_items = 500)]
    pub targets: Vec<Target>,
}

fn business_hours() -> String {
    calendar::BUSINESS_HOURS.to_owned()
}

/// What makes a service level.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewServiceLevel {
    /// Its name. Each is there once.
    #[schema(max_length = 100, examples("Incidents are resolved in time"))]
    pub name: String,
    /// What it is for.
    #[serde(default)]
    #[schema(required = false, max_length = 2000)]
    pub description: String,
    /// Of which kind of records.
    #[schema(max_length = 60, examples("incident"))]
    pub kind: String,
    /// With whom it was agreed.
    pub agreement: Agreement,
    /// What is measured: `response`, `resolution`, `update`, or a word of your own. All service levels of an agreement that measure
    /// the same have one clock on a record, and the most specific of all their targets counts.
    #[schema(max_length = 60, pattern = "^[a-z][a-z0-9_]*$", examples("resolution"))]
    pub metric: String,
    /// Whether it counts from now on.
    #[serde(default = "yes")]
    #[schema(required = false, default = true)]
    pub active: bool,
    /// When its clock counts, and how long it may take.
    pub terms: Terms,
}

fn yes() -> bool {
    true
}

impl NewServiceLevel {
    /// As it is stored for the first time.
    ///
    /// # Errors
    /// Every place that is wrong.
    pub fn row(&self, kernel: &Kernel, connection: &mut AnyConnection, now: Moment) -> Result<ServiceLevelRow> {
        let mut errors = Vec::new();
        if !is_name(&self.metric) {
            let detail = "`metric` is a word of lower-case letters, digits and `_`, a letter first.";
            errors.push(FieldError::new("/metric", "wrong_form", detail));
        }
        let kinds = kernel.practices().iter().map(|p| p.kind().name);
        if !kinds.clone().any(|kind| kind == self.kind) {
            let near = did_you_mean(&self.kind, kinds);
            let detail = format!("There is no kind of records `{}`{near}.", self.kind);
            return Err(Error::invalid_all([errors, vec![FieldError::new("/kind", "not_a_choice", detail)]].concat()));
        }
        check(kernel, connection, &self.kind, (&self.name, &self.description), &self.terms, errors)?;
        Ok(ServiceLevelRow {
            id: RowId::new(),
            name: self.name.trim().to_owned(),
            description: self.description.clone(),
            kind: self.kind.clone(),
            agreement: self.agreement.as_str().to_owned(),
            metric: self.metric.clone(),
            content: JsonText::of(&self.terms)?,
            active: self.active,
            version: 1,
            created_at: now,
            updated_at: now,
        })
    }
}

/// Refuses what can't be stored, with every place that is wrong.
pub fn check(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    kind: &str,
    (name, description): (&str, &str),
    terms: &Terms,
    mut errors: Vec<FieldError>,
) -> Result<()> {
    let length = name.trim().chars().count();
    if length == 0 || length > NAME {
        errors.push(FieldError::new("/name", "wrong_form", format!("`name` has 1 to {NAME} characters.")));
    }
    if description.chars().count() > DESCRIPTION {
        let detail = format!("`description` has at most {DESCRIPTION} characters.");
        errors.push(FieldError::new("/description", "too_long", detail));
    }
    let catalogue = catalogue(kernel, connection, kind)?;
    errors.extend(Conditions::read(terms, &catalogue).err().into_iter().flatten());
    let named = std::iter::once(("/terms/calendar".to_owned(), Some(&terms.calendar)));
    let of_targets =
        terms.targets.iter().enumerate().map(|(n, t)| (format!("/terms/targets/{n}/calendar"), t.calendar.as_ref()));
    errors.extend(CalendarRow::unknown(connection, named.chain(of_targets))?);
    errors.extend(check_targets(&terms.targets));
    let fits = |percent: &i32| (1..100).contains(percent);
    if terms.warnings.len() > WARNINGS || !terms.warnings.iter().all(fits) || !terms.warnings.is_sorted_by(|a, b| a < b)
    {
        let detail = format!("`warnings` are at most {WARNINGS} percentages from 1 to 99, the smaller first.");
        errors.push(FieldError::new("/terms/warnings", "out_of_range", detail));
    }
    if terms.objective.is_some_and(|percent| !(0.01..=100.0).contains(&percent)) {
        errors.push(FieldError::new("/terms/objective", "out_of_range", "`objective` is 0.01 to 100 percent."));
    }
    if errors.is_empty() { Ok(()) } else { Err(Error::invalid_all(errors)) }
}

fn check_targets(targets: &[Target]) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if targets.is_empty() || targets.len() > TARGETS {
        errors.push(FieldError::new("/terms/targets", "out_of_range", format!("There are 1 to {TARGETS} targets.")));
    }
    for (n, target) in targets.iter().enumerate() {
        let longest = chrono::TimeDelta::days(3_660);
        if target.length() <= chrono::TimeDelta::zero() || target.length() > longest {
            let detail = "A target is longer than nothing, and at most ten years of working time.";
            errors.push(FieldError::new(format!("/terms/targets/{n}/duration"), "out_of_range", detail));
        }
        if let Some(first) = targets[..n].iter().position(|other| {
            Target { duration: target.duration, calendar: target.calendar.clone(), ..other.clone() } == *target
        }) {
            let detail = format!("The target {first} is for the same records.");
            errors.push(FieldError::new(format!("/terms/targets/{n}"), "twice", detail));
        }
    }
    errors
}

fn catalogue(kernel: &Kernel, connection: &mut AnyConnection, kind: &str) -> Result<std::sync::Arc<Catalogue>> {
    kernel.catalogue(connection, Some(kernel.practice(kind)?.kind()), &[])
}

/// The conditions of a service level.
struct Conditions {
    start: Option<Condition>,
    pause: Option<Condition>,
    stop: Option<Condition>,
    cancel: Option<Condition>,
    reset: Option<Condition>,
}

impl Conditions {
    fn read(terms: &Terms, catalogue: &Catalogue) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut read = |text: Option<&String>, name: &str| {
            let condition = text.map(|text| Condition::read(text, catalogue, &format!("/terms/{name}"))).transpose();
            condition.unwrap_or_else(|error| {
                errors.push(error);
                None
            })
        };
        let conditions = Conditions {
            start: read(terms.start.as_ref(), "start"),
            pause: read(terms.pause.as_ref(), "pause"),
            stop: read(Some(&terms.stop), "stop"),
            cancel: read(terms.cancel.as_ref(), "cancel"),
            reset: read(terms.reset.as_ref(), "reset"),
        };
        if errors.is_empty() { Ok(conditions) } else { Err(errors) }
    }
}

/// The service levels that ship.
pub const SHIPPED: &[&str] = &[
    include_str!("../../../rules/service-levels/incident-response.json"),
    include_str!("../../../rules/service-levels/incident-resolution.json"),
    include_str!("../../../rules/service-levels/incident-update.json"),
];

/// Puts in what ships where no service level was ever there. What administrators changed is left alone.
pub fn seed(kernel: &Kernel, connection: &mut AnyConnection, now: Moment) -> Result<()> {
    if !ServiceLevelRow::all(connection)?.is_empty() {
        return Ok(());
    }
    for text in SHIPPED {
        let new: NewServiceLevel = serde_json::from_str(text).map_err(Error::internal)?;
        new.row(kernel, connection, now)?.insert(connection)?;
    }
    Ok(())
}

impl ServiceLevelRow {
    /// All of them, by name.
    pub fn all(connection: &mut AnyConnection) -> Result<Vec<Self>> {
        Ok(service_level::table.order(service_level::name).load(connection)?)
    }

    /// The objectives of those that have one, by id.
    pub fn objectives(connection: &mut AnyConnection) -> Result<HashMap<String, f64>> {
        let mut objectives = HashMap::new();
        for row in Self::all(connection)? {
            let terms: Terms = row.content.read()?;
            objectives.extend(terms.objective.map(|percent| (row.id.as_str().to_owned(), percent)));
        }
        Ok(objectives)
    }

    /// The service level of an id.
    pub fn find(connection: &mut AnyConnection, id: RowId) -> Result<Option<Self>> {
        Ok(service_level::table.find(id).first(connection).optional()?)
    }

    /// Adds it.
    pub fn insert(&self, connection: &mut AnyConnection) -> Result<()> {
        diesel::insert_into(service_level::table).values(self).execute(connection)?;
        Ok(())
    }

    /// Stores it in place of the version before; gives how many rows were that.
    pub fn update(&self, connection: &mut AnyConnection) -> Result<usize> {
        let before = service_level::table.find(self.id).filter(service_level::version.eq(self.version - 1));
        Ok(diesel::update(before).set(self).execute(connection)?)
    }

    /// Ready to be asked.
    pub fn level(&self, kernel: &Kernel, connection: &mut AnyConnection) -> Result<Level> {
        let terms: Terms = self.content.read()?;
        let catalogue = catalogue(kernel, connection, &self.kind)?;
        let Conditions { start, pause, stop, cancel, reset } =
            Conditions::read(&terms, &catalogue).map_err(Error::invalid_all)?;
        let Terms { calendar, after_stop, retroactive, warnings, targets, .. } = terms;
        Ok(Level {
            id: self.id,
            name: self.name.clone(),
            version: self.version,
            kind: self.kind.clone(),
            agreement: self.agreement.clone(),
            metric: self.metric.clone(),
            calendar,
            start,
            pause,
            stop,
            cancel,
            reset,
            after_stop,
            retroactive,
            warnings,
            targets,
        })
    }
}
