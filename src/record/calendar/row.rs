//! Calendars as they are written and stored.

use std::sync::Arc;

use diesel::prelude::*;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    Calendar, Calendars,
    content::{self, Content, ExceptionalDay, Holiday, WeeklyHours, WeeklyHoursChange},
};
use crate::{
    clock::Moment,
    db::{AnyConnection, JsonText},
    error::{Error, FieldError, Result, did_you_mean},
    id::RowId,
    schema::calendar,
};

/// The longest name.
pub const NAME: usize = 100;
/// The longest description, in characters.
pub const DESCRIPTION: usize = 2_000;

/// A calendar.
#[derive(Clone, Debug, PartialEq, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = calendar)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct CalendarRow {
    pub id: RowId,
    pub name: String,
    pub description: String,
    pub zone: String,
    pub content: JsonText,
    pub active: bool,
    pub version: i32,
    pub created_at: Moment,
    pub updated_at: Moment,
}

/// What makes a calendar.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCalendar {
    /// Its name, by which policies ask for it: lower-case letters, digits, `-` and `_`, a letter first. Each is there once, and
    /// it stays.
    #[schema(max_length = 100, pattern = "^[a-z][a-z0-9_-]*$", examples("support-berlin"))]
    pub name: String,
    /// What it is for.
    #[serde(default)]
    #[schema(required = false, max_length = 2000)]
    pub description: String,
    /// The time zone that its hours are in, by its name in the IANA database.
    #[schema(max_length = 40, examples("Europe/Berlin"))]
    pub zone: String,
    /// The hours of weekdays.
    #[serde(default)]
    #[schema(required = false)]
    pub hours: WeeklyHoursChange,
    /// Closed days: no span begins on them.
    #[serde(default)]
    #[schema(required = false, max_items = 2000)]
    pub holidays: Vec<Holiday>,
    /// Days with hours of their own, whatever their weekday or holiday says.
    #[serde(default)]
    #[schema(required = false, max_items = 2000)]
    pub exceptions: Vec<ExceptionalDay>,
}

impl NewCalendar {
    /// From a file, which is named as the calendar is.
    ///
    /// # Errors
    /// It is no calendar.
    pub fn from_json(name: &str, mut json: Value) -> Result<Self> {
        let wrong = |detail: String| Error::invalid("", "wrong_type", detail);
        let fields = json.as_object_mut().ok_or_else(|| wrong(format!("{name}: a calendar is a JSON object.")))?;
        fields.insert("name".to_owned(), name.into());
        serde_json::from_value(json).map_err(|e| wrong(format!("{name}: {e}.")))
    }

    fn content(&self) -> Content {
        Content {
            hours: WeeklyHours::default().changed(&self.hours),
            holidays: self.holidays.clone(),
            exceptions: self.exceptions.clone(),
        }
    }

    /// Ready to be asked.
    ///
    /// # Errors
    /// Every place that is wrong.
    pub fn calendar(&self) -> Result<Arc<Calendar>> {
        ready(&self.zone, &self.content())
    }

    /// As it is stored for the first time.
    ///
    /// # Errors
    /// Every place that is wrong.
    pub fn row(&self, now: Moment) -> Result<CalendarRow> {
        let content = self.content();
        let name = check_name(&self.name).err();
        check(&self.description, &self.zone, &content, name)?;
        Ok(CalendarRow {
            id: RowId::new(),
            name: self.name.clone(),
            description: self.description.clone(),
            zone: self.zone.clone(),
            content: JsonText::of(&content.in_order())?,
            active: true,
            version: 1,
            created_at: now,
            updated_at: now,
        })
    }
}

/// Refuses what can't be stored, with every place that is wrong.
pub fn check(description: &str, zone: &str, content: &Content, name: Option<FieldError>) -> Result<()> {
    let mut errors: Vec<FieldError> = name.into_iter().collect();
    if description.chars().count() > DESCRIPTION {
        let detail = format!("`description` has at most {DESCRIPTION} characters.");
        errors.push(FieldError::new("/description", "too_long", detail));
    }
    errors.extend(content::zone(zone).err().into_iter().flat_map(|error| error.errors));
    errors.extend(content.days().err().into_iter().flatten());
    if errors.is_empty() { Ok(()) } else { Err(Error::invalid_all(errors)) }
}

fn check_name(name: &str) -> Result<(), FieldError> {
    let fits = name.len() <= NAME
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-');
    let detail = || format!("A name is 1 to {NAME} lower-case letters, digits, `-` and `_`, and starts with a letter.");
    if fits { Ok(()) } else { Err(FieldError::new("/name", "wrong_form", detail())) }
}

impl CalendarRow {
    /// All calendars by name.
    pub fn all(connection: &mut AnyConnection) -> Result<Vec<Self>> {
        Ok(calendar::table.order(calendar::name).load(connection)?)
    }

    /// All calendars, ready to be asked. One that can't be read is left out, and the log says so.
    pub fn all_ready(connection: &mut AnyConnection) -> Result<Calendars> {
        let mut ready = Calendars::new();
        for row in Self::all(connection)? {
            match row.calendar() {
                Ok(calendar) => drop(ready.insert(row.name, calendar)),
                Err(error) => tracing::error!(calendar = row.name, %error, "a stored calendar can't be read"),
            }
        }
        Ok(ready)
    }

    /// The calendar of an id.
    pub fn find(connection: &mut AnyConnection, id: RowId) -> Result<Option<Self>> {
        Ok(calendar::table.find(id).first(connection).optional()?)
    }

    /// The calendar of a name.
    pub fn named(connection: &mut AnyConnection, name: &str) -> Result<Option<Self>> {
        Ok(calendar::table.filter(calendar::name.eq(name)).first(connection).optional()?)
    }

    /// What is wrong with names of calendars, each with its place; nothing where there are such calendars.
    pub fn unknown<'a>(
        connection: &mut AnyConnection,
        named: impl Iterator<Item = (String, Option<&'a String>)>,
    ) -> Result<Vec<FieldError>> {
        let named: Vec<(String, &String)> = named.filter_map(|(pointer, name)| Some((pointer, name?))).collect();
        if named.is_empty() {
            return Ok(Vec::new());
        }
        let known: Vec<String> = calendar::table.select(calendar::name).load(connection)?;
        let unknown = named.into_iter().filter(|(_, name)| !known.contains(name)).map(|(pointer, name)| {
            let near = did_you_mean(name, known.iter().map(String::as_str));
            FieldError::new(pointer, "no_such_reference", format!("There is no calendar `{name}`{near}."))
        });
        Ok(unknown.collect())
    }

    /// Adds it.
    pub fn insert(&self, connection: &mut AnyConnection) -> Result<()> {
        diesel::insert_into(calendar::table).values(self).execute(connection)?;
        Ok(())
    }

    /// Stores it in place of the version before; gives how many rows were that.
    pub fn update(&self, connection: &mut AnyConnection) -> Result<usize> {
        let before = calendar::table.find(self.id).filter(calendar::version.eq(self.version - 1));
        Ok(diesel::update(before).set(self).execute(connection)?)
    }

    /// Ready to be asked.
    pub fn calendar(&self) -> Result<Arc<Calendar>> {
        ready(&self.zone, &self.content.read()?)
    }
}

fn ready(zone: &str, content: &Content) -> Result<Arc<Calendar>> {
    let made = Calendar::new(content::zone(zone)?, content);
    made.map(Arc::new).map_err(Error::invalid_all)
}
