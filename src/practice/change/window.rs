//! When changes are to be made (maintenance windows), and when they must not (blackouts).

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::conflict::{Near, Span};
use crate::{
    clock::Moment,
    db::{AnyConnection, sql::among},
    error::Result,
    id::{RecordId, RowId},
    record::{
        calendar::{Calendar, row::CalendarRow},
        store::Reading,
        visibility,
    },
    schema::change_window,
};

/// The most windows whose times are told at once.
const SEEN: i64 = 500;

/// What a window is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ChangeWindowKind)]
pub enum WindowKind {
    /// Changes of what it is about are to be made in it.
    Maintenance,
    /// No change of what it is about is to be made in it.
    Blackout,
}

impl WindowKind {
    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            WindowKind::Maintenance => "maintenance",
            WindowKind::Blackout => "blackout",
        }
    }
    /// From its word.
    pub fn stored(text: &str) -> WindowKind {
        if text == WindowKind::Blackout.as_str() { WindowKind::Blackout } else { WindowKind::Maintenance }
    }
}

/// A window as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = change_window, treat_none_as_null = true, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct WindowRow {
    pub id: RowId,
    pub name: String,
    pub description: String,
    pub kind: String,
    pub configuration_item_id: Option<RecordId>,
    pub service_id: Option<RecordId>,
    pub calendar_id: Option<RowId>,
    pub starts_at: Option<Moment>,
    pub ends_at: Option<Moment>,
    pub active: bool,
    pub version: i32,
    pub created_at: Moment,
    pub updated_at: Moment,
}

/// A window, ready to be asked.
#[derive(Clone, Debug)]
pub struct Window {
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub kind: WindowKind,
    /// What it is about: a configuration item or a service; everything, where none is named.
    pub about: Option<RecordId>,
    /// Its times, in order.
    pub spans: Vec<Span>,
}

impl WindowRow {
    /// What it is about; everything, where none is named.
    pub(super) fn about(&self) -> Option<RecordId> {
        self.configuration_item_id.or(self.service_id)
    }

    /// Its times between two moments, not cut at them.
    fn spans(&self, calendar: Option<&Arc<Calendar>>, within: Span) -> Vec<Span> {
        let whole = Span { from: self.starts_at.unwrap_or(within.from), until: self.ends_at.unwrap_or(within.until) };
        match calendar {
            None => Vec::from_iter((whole.from < whole.until && whole.meets(within)).then_some(whole)),
            Some(calendar) => {
                let (from, until) = (whole.from.max(within.from), whole.until.min(within.until));
                calendar.open_spans(from, until).map(|(from, until)| Span { from, until }).collect()
            }
        }
    }
}

/// The windows that are active and about these things or about everything, with their times between two moments. A blackout that was over
/// before is left out. A maintenance window is not: what it is about waits for another one, or for this one to be taken out of use.
pub fn between(connection: &mut AnyConnection, within: Span, items: &BTreeMap<RecordId, Near>) -> Result<Vec<Window>> {
    let engine = connection.engine();
    let ids = || items.keys().map(RecordId::as_str);
    let of_all = change_window::configuration_item_id.is_null().and(change_window::service_id.is_null());
    let of_items = among(engine, "change_window.configuration_item_id", ids());
    let is_near = of_items.or(among(engine, "change_window.service_id", ids())).or(of_all);
    let is_over = change_window::ends_at.le(within.from);
    let is_ahead = change_window::ends_at.is_null().or(diesel::dsl::not(is_over));
    let rows: Vec<WindowRow> = change_window::table
        .filter(change_window::active.eq(true))
        .filter(is_near)
        .filter(change_window::kind.eq(WindowKind::Maintenance.as_str()).or(is_ahead))
        .order(change_window::name)
        .load(connection)?;
    let window = |(row, spans): (WindowRow, Vec<Span>)| Window {
        kind: WindowKind::stored(&row.kind),
        about: row.about(),
        name: row.name,
        spans,
    };
    Ok(timed(connection, rows, within)?.into_iter().map(window).collect())
}

/// The times of the windows that are active, meet these moments and are about everything or about what the caller sees, by their beginning,
/// at most so many.
pub fn seen(reading: &mut Reading<'_>, within: Span, most: usize) -> Result<Vec<(WindowRow, Span)>> {
    if !reading.cause.caller.can("change_window.read") {
        return Ok(Vec::new());
    }
    let rows: Vec<WindowRow> = change_window::table
        .filter(change_window::active.eq(true))
        .filter(change_window::ends_at.is_null().or(change_window::ends_at.gt(within.from).assume_not_null()))
        .filter(change_window::starts_at.is_null().or(change_window::starts_at.lt(within.until).assume_not_null()))
        .order((change_window::starts_at, change_window::id))
        .limit(SEEN)
        .load(reading.connection)?;
    let about = rows.iter().filter_map(WindowRow::about).collect();
    let seen = visibility::among(reading.kernel, reading.connection, &reading.cause.caller, about)?;
    let rows = rows.into_iter().filter(|row| row.about().is_none_or(|about| seen.contains_key(&about))).collect();
    let mut times: Vec<(WindowRow, Span)> = Vec::new();
    for (row, spans) in timed(reading.connection, rows, within)? {
        times.extend(spans.into_iter().take(most).map(|span| (row.clone(), span)));
    }
    times.sort_by_key(|(window, span)| (span.from, window.id));
    times.truncate(most);
    Ok(times)
}

/// These windows with their times between two moments.
fn timed(connection: &mut AnyConnection, rows: Vec<WindowRow>, within: Span) -> Result<Vec<(WindowRow, Vec<Span>)>> {
    let mut calendars: HashMap<RowId, Option<Arc<Calendar>>> = HashMap::new();
    let mut windows = Vec::new();
    for row in rows {
        let calendar = match row.calendar_id {
            Some(id) if calendars.contains_key(&id) => calendars[&id].clone(),
            Some(id) => {
                let found = CalendarRow::find(connection, id)?.map(|row| row.calendar()).transpose()?;
                calendars.entry(id).or_insert(found).clone()
            }
            None => None,
        };
        let spans = row.spans(calendar.as_ref(), within);
        windows.push((row, spans));
    }
    Ok(windows)
}
