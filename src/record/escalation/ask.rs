//! Asking the policies who has to know, and what becomes of their answers.

use diesel::prelude::*;
use serde_json::{Value, json};

use super::{
    DECISION, ESCALATED, MAJOR_PROPOSED, PAGED, RETRY, TIMER, answer, is_for,
    occasion::Occasion,
    row::{Change, EscalationRow, Said, SaidEffect},
};
use crate::{
    clock::Moment,
    db::JsonText,
    error::Result,
    id::{RowId, UserId},
    record::{
        decide::{ADMINISTRATORS, Answer, Effect},
        draft::Draft,
        outbox::NOTIFIED,
        policies,
        practice::Practice,
        service_level::{clock::State, turn::Work},
        store::Desk,
        timer, watcher,
    },
    schema::team,
};

/// What a write means: whether it answers what waits, and whether policies are to be asked because of it.
pub fn follow<P: Practice>(desk: &mut Desk<'_, '_>, draft: &mut Draft<P::Details>) -> Result<()> {
    answer::follow(desk, draft)?;
    let Some(trigger) = draft.kind.decisions.iter().find(|trigger| trigger.decision == DECISION) else {
        return Ok(());
    };
    if draft.is_escalation_asked || !draft.header.is_active() {
        return Ok(());
    }
    for occasion in Occasion::of_change(draft, trigger)? {
        ask::<P>(desk, draft, &occasion)?;
    }
    // They may have given it to another team, which counts with the rest of the write.
    P::count(draft);
    Ok(())
}

/// Asks the policies about what a clock has told of, where anybody still works on the record.
pub fn about_clock<P: Practice>(
    desk: &mut Desk<'_, '_>,
    draft: &mut Draft<P::Details>,
    occasion: &Occasion,
) -> Result<()> {
    draft.clocks_asked.extend(occasion.told());
    if is_for(draft.kind) && draft.header.is_active() {
        ask::<P>(desk, draft, occasion)?;
    }
    Ok(())
}

/// Asks the policies on an occasion, and carries out what they say; tells whether anything was said.
pub fn ask<P: Practice>(desk: &mut Desk<'_, '_>, draft: &mut Draft<P::Details>, occasion: &Occasion) -> Result<bool> {
    draft.is_escalation_asked = true;
    let why = (&occasion.moment(desk)?, occasion.only.as_slice());
    let Answer { effects, log } = policies::ask(desk, draft, DECISION, Some(why))?;
    if desk.cause.is_replay() {
        // Whoever would have been called then is not called today.
        policies::remember(draft, log, Vec::new(), effects.iter().map(policies::only_observed).collect())?;
        return Ok(false);
    }
    let row = EscalationRow::of(draft.header.id, draft.header.version + 1, desk.cause.at, occasion);
    let mut carried = Carried::begin(row, occasion.only.is_empty());
    for effect in effects {
        carried.out::<P>(desk, draft, effect)?;
    }
    policies::remember(draft, log, std::mem::take(&mut carried.applied), std::mem::take(&mut carried.discarded))?;
    carried.keep(desk)
}

/// Remembers clocks that told of something in the course of a write, and still go: policies are asked about them at once, by a
/// timer.
pub fn later<P: Practice>(desk: &mut Desk<'_, '_>, draft: &Draft<P::Details>, works: &[Work]) -> Result<()> {
    if !is_for(draft.kind) || !draft.header.is_active() || desk.cause.is_replay() {
        return Ok(());
    }
    for work in works.iter().filter(|work| matches!(work.clock.state(), Ok(State::Running | State::Paused))) {
        let Some(occasion) = Occasion::of_clock(work) else { continue };
        if occasion.told().is_some_and(|told| draft.clocks_asked.contains(&told)) {
            continue;
        }
        let row = EscalationRow::of(draft.header.id, draft.header.version, desk.cause.at, &occasion);
        add(desk, EscalationRow { again_at: Some(desk.cause.at), ..row });
    }
    Ok(())
}

/// The row that a timer of this name asks about again.
pub fn row_of(timer: &str) -> Option<RowId> {
    timer.strip_prefix(TIMER)?.strip_prefix(':')?.parse().ok()
}

fn add(desk: &mut Desk<'_, '_>, row: EscalationRow) {
    if let Some(at) = row.again_at {
        timer::set_first(desk, row.record_id, &format!("{TIMER}:{}", row.id), at);
    }
    desk.unit.deferred.escalations.push(Change::New(Box::new(row)));
}

/// What becomes of what was said.
pub struct Carried {
    row: EscalationRow,
    /// Whether it is not asked only because policies failed before.
    is_first: bool,
    said: Vec<Said>,
    applied: Vec<Value>,
    discarded: Vec<Value>,
}

impl Carried {
    /// Of nothing yet.
    pub fn begin(row: EscalationRow, is_first: bool) -> Self {
        Carried { row, is_first, said: Vec::new(), applied: Vec::new(), discarded: Vec::new() }
    }

    /// Remembers it, where anything was said; tells whether.
    pub fn keep(mut self, desk: &mut Desk<'_, '_>) -> Result<bool> {
        let is_said = !self.said.is_empty() || self.row.again_at.is_some();
        if is_said {
            self.row.said = JsonText::of(&self.said)?;
            add(desk, self.row);
        }
        Ok(is_said)
    }

    fn say(&mut self, effect: SaidEffect, who: Option<&str>, level: Option<i32>) {
        self.said.push(Said { effect, who: who.map(str::to_owned), level });
    }

    /// Carries out one thing.
    pub fn out<P: Practice>(
        &mut self,
        desk: &mut Desk<'_, '_>,
        draft: &mut Draft<P::Details>,
        effect: Effect,
    ) -> Result<()> {
        match &effect {
            Effect::Page { who, user } => {
                self.say(SaidEffect::Page, Some(who), None);
                Self::call(desk, draft, *user)?;
                tell(draft, PAGED, json!({"who": who, "cause": self.row.cause}));
            }
            Effect::Escalate { level, who, user } => {
                self.say(SaidEffect::EscalateTo, Some(who), Some(*level));
                self.rise(draft, *level);
                Self::call(desk, draft, *user)?;
                tell(draft, ESCALATED, json!({"who": who, "level": level, "cause": self.row.cause}));
            }
            Effect::ProposeMajor => {
                if P::propose_major(draft, desk) {
                    tell(draft, MAJOR_PROPOSED, json!({"cause": self.row.cause}));
                    self.say(SaidEffect::ProposeMajor, None, None);
                    self.applied.push(json!({"field": "major", "from": null, "to": "proposed"}));
                }
            }
            Effect::Again(after) => {
                let at = desk.cause.at.plus(*after);
                self.row.again_at = Some(self.row.again_at.map_or(at, |sooner| sooner.min(at)));
                await_answer(desk.cause.at, draft);
            }
            Effect::Unanswered(failed) => {
                // They are told once, not each time that it fails again.
                if self.is_first {
                    draft.events.push((NOTIFIED.to_owned(), json!({"who": ADMINISTRATORS})));
                }
                self.row.failed = JsonText::of(failed)?;
                self.row.again_at = Some(desk.cause.at.plus(RETRY));
            }
            Effect::Notify(who) => self.say(SaidEffect::Notify, Some(who), None),
            Effect::Team(_)
            | Effect::Priority(_)
            | Effect::Assignee(_)
            | Effect::Risk(_)
            | Effect::Approval(_)
            | Effect::ReviewAfterwards
            | Effect::Refuse { .. } => (),
        }
        if matches!(effect, Effect::Notify(_) | Effect::Team(_) | Effect::Priority(_)) {
            let (team, priority) = (draft.header.team_id, draft.header.priority);
            policies::apply(desk, draft, effect, &mut self.applied, &mut self.discarded)?;
            if draft.header.priority != priority {
                self.say(SaidEffect::Raise, Some(&draft.header.priority.to_string()), None);
            }
            if let Some(to) = draft.header.team_id.filter(|to| Some(*to) != team) {
                let name: String = team::table.find(to).select(team::name).first(desk.unit.reference())?;
                self.say(SaidEffect::Assign, Some(&name), None);
            }
        }
        Ok(())
    }

    fn rise<D>(&mut self, draft: &mut Draft<D>, level: i32) {
        let header = &mut draft.header;
        if level > header.escalation_level {
            self.applied.push(json!({"field": "escalation_level", "from": header.escalation_level, "to": level}));
            header.escalation_level = level;
        }
        self.row.level = self.row.level.max(level);
    }

    /// Whoever is called sees the record from then on, and is expected to answer.
    fn call<D>(desk: &mut Desk<'_, '_>, draft: &mut Draft<D>, user: Option<UserId>) -> Result<()> {
        await_answer(desk.cause.at, draft);
        match user {
            Some(user) => watcher::let_follow(desk, draft.header.id, draft.before.is_none(), user),
            None => Ok(()),
        }
    }
}

fn await_answer<D>(now: Moment, draft: &mut Draft<D>) {
    draft.header.escalated_at.get_or_insert(now);
}

fn tell<D>(draft: &mut Draft<D>, what: &str, more: Value) {
    let mut payload = json!({"number": draft.header.number, "version": draft.header.version + 1});
    if let (Some(payload), Value::Object(more)) = (payload.as_object_mut(), more) {
        payload.extend(more);
    }
    draft.events.push((format!("{}.{what}", draft.kind.name), payload));
}
