//! Why an escalation is asked about: what policies see as the *moment*.

use serde_json::{Map, Value, json};

use super::row::EscalationRow;
use crate::{
    db::AnyConnection,
    error::Result,
    id::RowId,
    record::{
        draft::Draft,
        kind::Trigger,
        practice::Details,
        service_level::{clock::ServiceClock, turn::Work},
        store::Desk,
    },
};

/// Somebody asks.
pub const REQUESTED: &str = "requested";
/// The record is new.
const CREATED: &str = "created";
/// What a change is called, by the field that it is of, in the order in which policies are asked.
const CHANGES: [(&str, &str); 3] =
    [("reopen_count", "reopened"), ("reassignment_count", "reassigned"), ("priority", "priority")];

/// Why it is asked.
#[derive(Clone, Debug)]
pub struct Occasion {
    /// What happened.
    pub cause: String,
    /// The clock that it is about, and how much of its target was used up.
    pub clock: Option<(ServiceClock, i32)>,
    /// How often it was asked again for the same cause.
    pub repeats: i32,
    /// The policies that are asked; all of them where none is named.
    pub only: Vec<RowId>,
}

impl Occasion {
    /// For the first time, and no clock's.
    pub fn of(cause: &str) -> Self {
        Occasion { cause: cause.to_owned(), clock: None, repeats: 0, only: Vec::new() }
    }

    /// What of a write calls for it: that the record is new, or each of the trigger's fields that changed.
    pub fn of_change<D: Details>(draft: &Draft<D>, trigger: &Trigger) -> Result<Vec<Self>> {
        if draft.is_same() {
            return Ok(Vec::new());
        }
        let Some(before) = draft.was()? else { return Ok(vec![Occasion::of(CREATED)]) };
        let after = draft.after()?;
        let changed = |field: &str| trigger.on_change_of.contains(&field) && before.get(field) != after.get(field);
        let changes = CHANGES.iter().filter(|(field, _)| changed(field));
        Ok(changes.map(|(_, cause)| Occasion::of(cause)).collect())
    }

    /// What a clock has told of: the greatest of its percentages.
    pub fn of_clock(work: &Work) -> Option<Self> {
        let percent = work.told().map(|(_, percent, _)| percent).max()?;
        let cause = if percent < 100 { "warning" } else { "breach" };
        Some(Occasion { clock: Some((work.clock.clone(), percent)), ..Occasion::of(cause) })
    }

    /// The same occasion once more, as a row remembers it. One that no policy could answer is no repetition.
    pub fn again(connection: &mut AnyConnection, row: &EscalationRow) -> Result<Self> {
        let clock = row.clock_id.map(|id| ServiceClock::find(connection, id)).transpose()?.flatten();
        let (clock, only) = (clock.zip(row.percent), row.failed()?);
        let repeats = row.repeats + i32::from(only.is_empty() && !row.said()?.is_empty());
        Ok(Occasion { cause: row.cause.clone(), clock, repeats, only })
    }

    /// What its clock has told of.
    pub fn told(&self) -> Option<(RowId, i32)> {
        self.clock.as_ref().map(|(clock, percent)| (clock.id, *percent))
    }

    /// As policies see it.
    pub fn moment(&self, desk: &mut Desk<'_, '_>) -> Result<Map<String, Value>> {
        let mut moment = Map::new();
        moment.insert("cause".to_owned(), json!(self.cause));
        moment.insert("repeats".to_owned(), json!(self.repeats));
        if let Some((clock, percent)) = &self.clock {
            let levels = desk.kernel.levels(desk.unit.reference())?;
            let level = levels.level(clock.service_level_id).map(|level| level.name.as_str());
            let told = json!({
                "percent": percent, "metric": clock.metric, "agreement": clock.agreement, "service_level": level,
                "deadline": clock.deadline,
            });
            if let Value::Object(told) = told {
                moment.extend(told);
            }
        }
        Ok(moment)
    }
}
