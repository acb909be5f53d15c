//! From an event of the log to the calls that an agent would have made, and making them.
//!
//! Owns: which calls. A report becomes `create` by whoever opened it; later events become `reopen`, hand-overs one by one, a
//! change of fields, and then `start`, `hold`, `resume`, `resolve` and `close` by whoever updated it. A step between two
//! logged states may stand for several, because such logs miss updates.
//!
//! **Invariant:** calls are chosen from the record as it stands and from what changed in the log, never from what the log
//! tells later. A step is taken only where the log's state changed.

use serde_json::{Map, Value, json};

use super::{
    Mode, SOURCE,
    directory::Directory,
    log::{Row, State},
    story::{Event, Hand, Story},
};
use crate::{
    clock::Moment,
    error::{Code, Error, Result},
    id::{RecordId, TeamId},
    record::{
        cause::{Cause, Policies},
        header::Header,
        kernel::Kernel,
        practice::AnyPractice,
        step::StepChoice,
        store::{Desk, Outcome, Unit, Why},
        timer,
    },
};

/// The kind of record that the log tells of.
pub const KIND: &str = "incident";

/// Replays events, one at a time.
pub struct Agent<'a> {
    /// The practices and policies.
    pub kernel: &'a Kernel,
    /// Who and what the log names.
    pub directory: &'a Directory,
    /// Whether policies decide.
    pub mode: Mode,
}

/// A record in the middle of an event.
struct Work<'a, 'u, 'w> {
    practice: &'static dyn AnyPractice,
    desk: Desk<'a, 'u>,
    id: RecordId,
    now: Map<String, Value>,
    calls: &'w mut u64,
}

impl Agent<'_> {
    /// Makes the calls of an event; gives the record and counts the calls.
    pub fn replay(
        &self,
        unit: &mut Unit<'_>,
        story: &Story,
        event: &Event,
        record: Option<RecordId>,
        calls: &mut u64,
    ) -> Result<RecordId> {
        let practice = self.kernel.practice(KIND)?;
        let row = &*event.row;
        let who = match record {
            None => row.opened_by.as_ref().or(row.caller.as_ref()).or(row.updated_by.as_ref()),
            Some(_) => row.updated_by.as_ref(),
        };
        let policies = match self.mode {
            Mode::Observe => Policies::Observe { priority: Some(row.priority) },
            Mode::Decide => Policies::Decide,
        };
        let cause = Cause { request_id: request_id(story, event), ..self.directory.cause(who, event.at, policies) };
        let Some(id) = record else {
            let mut desk = Desk { kernel: self.kernel, unit, cause: &cause };
            *calls += 1;
            return Ok(practice.create(&mut desk, self.report(story, event)?)?.id);
        };
        let now = self.look(practice, unit, id)?;
        let mut work = Work { practice, desk: Desk { kernel: self.kernel, unit, cause: &cause }, id, now, calls };
        self.follow(&mut work, event)?;
        Ok(id)
    }

    /// The end of a replay, for an incident that is still open: what has been used up by now is told, and from here on its timers
    /// go by the clock on the wall.
    pub fn arrive(&self, unit: &mut Unit<'_>, id: RecordId, now: Moment) -> Result<()> {
        let request_id = format!("{SOURCE}:end");
        let cause = Cause { request_id, ..self.directory.cause(None, now, Policies::Observe { priority: None }) };
        self.kernel.practice(KIND)?.look_at_clocks(
            &mut Desk { kernel: self.kernel, unit, cause: &cause },
            id,
            Why::OtherTerms,
        )?;
        timer::let_go(unit.connection()?, id)
    }

    fn look(&self, practice: &dyn AnyPractice, unit: &mut Unit<'_>, id: RecordId) -> Result<Map<String, Value>> {
        let connection = unit.settled(id)?;
        let header = Header::find(connection, id)?.ok_or_else(|| Error::not_found("record of this incident"))?;
        practice.render(connection, vec![header])?.pop().ok_or_else(|| Error::not_found("record of this incident"))
    }

    /// What whoever reports the incident writes.
    fn report(&self, story: &Story, event: &Event) -> Result<Map<String, Value>> {
        let mut input = self.fields(&event.row);
        input.insert("title".to_owned(), title(story, &event.row).into());
        input.insert("description".to_owned(), format!("{} of an imported log.", story.number).into());
        if self.mode == Mode::Observe {
            input.insert("team_id".to_owned(), json!(self.team(event.hands.last())?));
            input.insert("assignee_id".to_owned(), self.assignee(&event.row));
        }
        input.retain(|_, value| !value.is_null());
        Ok(input)
    }

    fn follow(&self, work: &mut Work<'_, '_, '_>, event: &Event) -> Result<()> {
        let row = &*event.row;
        let steps = if event.state_changed { steps(&work.now, row.state)? } else { Vec::new() };
        let (reopen, steps): (Vec<_>, Vec<_>) = steps.into_iter().partition(|step| *step == "reopen");
        for step in reopen {
            work.step(step, Map::new())?;
        }
        if let Some((_, between)) = event.hands.split_last() {
            for hand in between {
                let team = self.team(Some(hand))?;
                work.change(Map::from_iter([("team_id".to_owned(), json!(team))]))?;
            }
        }
        let wanted = self.wanted(work, event)?;
        let changed: Map<String, Value> =
            wanted.into_iter().filter(|(name, value)| work.now.get(name) != Some(value)).collect();
        if !changed.is_empty() {
            work.change(changed)?;
        }
        for step in steps {
            work.step(step, step_input(step, row))?;
        }
        Ok(())
    }

    /// The fields as the log has them. Where policies decide, an agent touches the team when they did so then, and the
    /// assignee only in the team of the log: the others' names mean nothing elsewhere.
    fn wanted(&self, work: &Work<'_, '_, '_>, event: &Event) -> Result<Map<String, Value>> {
        let mut wanted = self.fields(&event.row);
        let moved = event.hands.last();
        if let Some(hand) = moved {
            wanted.insert("team_id".to_owned(), json!(self.team(Some(hand))?));
        }
        let team = wanted.get("team_id").or_else(|| work.now.get("team_id")).cloned();
        let logged = self.team(event.row.group.clone().map(Hand::Group).as_ref())?;
        let as_logged = moved.is_some() || team == Some(json!(logged));
        let touched = event.assignee_changed || moved.is_some();
        if self.mode == Mode::Observe || (touched && as_logged) {
            wanted.insert("assignee_id".to_owned(), self.assignee(&event.row));
        }
        Ok(wanted)
    }

    fn fields(&self, row: &Row) -> Map<String, Value> {
        let requester = row.caller.as_ref().and_then(|name| self.directory.user(name));
        let fields = json!({
            "channel": row.channel,
            "category": row.category,
            "subcategory": row.subcategory,
            "symptom": row.symptom,
            "location": row.location,
            "impact": row.impact,
            "urgency": row.urgency,
            "configuration_item_id": row.item.as_ref().and_then(|name| self.directory.item(name)),
            "requester_id": requester,
        });
        let Value::Object(mut fields) = fields else { return Map::new() };
        if requester.is_none() {
            fields.shift_remove("requester_id");
        }
        fields
    }

    fn team(&self, hand: Option<&Hand>) -> Result<Option<TeamId>> {
        match hand {
            None | Some(Hand::Nobody) => Ok(None),
            Some(hand) => {
                let missing = || Error::internal(format!("the directory lacks the team `{hand}`"));
                self.directory.team(hand).map(Some).ok_or_else(missing)
            }
        }
    }

    fn assignee(&self, row: &Row) -> Value {
        json!(row.assignee.as_ref().and_then(|name| self.directory.user(name)))
    }
}

impl Work<'_, '_, '_> {
    fn change(&mut self, input: Map<String, Value>) -> Result<()> {
        let outcome = self.practice.change(&mut self.desk, self.id, None, input)?;
        self.take_over(outcome);
        Ok(())
    }

    fn step(&mut self, name: &str, input: Map<String, Value>) -> Result<()> {
        let step = self.practice.kind().lifecycle.step(name);
        let step = step.ok_or_else(|| Error::internal(format!("there is no step `{name}`")))?;
        let outcome = self.practice.step(&mut self.desk, self.id, None, &StepChoice::Named(step), input)?;
        self.take_over(outcome);
        Ok(())
    }

    fn take_over(&mut self, outcome: Outcome) {
        self.now = outcome.record;
        *self.calls += 1;
    }
}

/// What ties the rows of audit trail and decision log to an event.
pub fn request_id(story: &Story, event: &Event) -> String {
    format!("{SOURCE}:{}:{}", story.number, event.position)
}

/// The steps from where the record stands to the state of the log.
fn steps(record: &Map<String, Value>, to: State) -> Result<Vec<&'static str>> {
    let text = |name: &str| record.get(name).and_then(Value::as_str);
    let state = text("state").unwrap_or_default();
    let (wanted, reason) = to.here();
    if (state, text("hold_reason")) == (wanted, reason) {
        return Ok(Vec::new());
    }
    let steps: &[&str] = match (state, to) {
        ("new", State::Active) => &["start"],
        ("on_hold", State::Active) => &["resume"],
        ("resolved" | "closed", State::Active) => &["reopen"],
        ("new", State::Awaiting(_)) => &["start", "hold"],
        ("in_progress" | "on_hold", State::Awaiting(_)) => &["hold"],
        ("resolved" | "closed", State::Awaiting(_)) => &["reopen", "hold"],
        ("new" | "in_progress" | "on_hold", State::Resolved) => &["resolve"],
        ("closed", State::Resolved) => &["reopen", "resolve"],
        ("new" | "in_progress" | "on_hold", State::Closed) => &["resolve", "close"],
        ("resolved", State::Closed) => &["close"],
        _ => {
            let detail = format!("no step leads from `{state}` to `{wanted}`");
            return Err(Error::new(Code::IllegalTransition, detail));
        }
    };
    Ok(steps.to_vec())
}

/// What a step is given. The log's codes say nothing of whether the cause is gone, so a resolution counts as a workaround
/// where the incident points to a problem, and else as permanent.
fn step_input(step: &str, row: &Row) -> Map<String, Value> {
    let input = match (step, row.state) {
        ("hold", State::Awaiting(reason @ "caller")) => {
            json!({"hold_reason": reason, "comment": "We need more information from you to go on with this."})
        }
        ("hold", State::Awaiting(reason)) => json!({"hold_reason": reason}),
        ("resolve", _) => {
            let code = row.closed_code.as_deref().unwrap_or("none");
            let kind = if row.problem { "workaround" } else { "permanent" };
            json!({
                "resolution_code": code,
                "resolution_notes": format!("Resolved with the code \"{code}\" of the imported log."),
                "resolution_kind": kind,
            })
        }
        _ => json!({}),
    };
    if let Value::Object(input) = input { input } else { Map::new() }
}

/// Such logs have no titles: the most telling words of the first row.
fn title(story: &Story, row: &Row) -> String {
    let words: Vec<&str> =
        [&row.symptom, &row.category, &row.subcategory].into_iter().flatten().map(|w| &**w).collect();
    if words.is_empty() { format!("Imported incident {}", story.number) } else { words.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_lead_from_where_the_record_stands() {
        for (state, reason, to, steps_to) in [
            ("new", None, State::New, &[][..]),
            ("new", None, State::Awaiting("problem"), &["start", "hold"]),
            ("on_hold", Some("caller"), State::Awaiting("caller"), &[]),
            ("on_hold", Some("caller"), State::Awaiting("supplier"), &["hold"]),
            ("on_hold", Some("caller"), State::Active, &["resume"]),
            ("new", None, State::Closed, &["resolve", "close"]),
            ("resolved", None, State::Awaiting("caller"), &["reopen", "hold"]),
            ("closed", None, State::Closed, &[]),
        ] {
            let Value::Object(record) = json!({"state": state, "hold_reason": reason}) else { unreachable!() };
            assert_eq!(steps(&record, to).unwrap(), steps_to, "{state} → {to:?}");
        }
        let Value::Object(record) = json!({"state": "closed"}) else { unreachable!() };
        assert_eq!(steps(&record, State::New).unwrap_err().code, Code::IllegalTransition);
    }
}
