//! The life of one incident, from the first look to the end, or as far as the month goes.

use rand::RngExt;
use serde_json::json;

use super::{Deed, Planner, Who};
use crate::{cli::demo::stories::Story, clock::Moment};

impl Planner {
    /// From the first look to the end, or as far as the month goes.
    pub(super) fn life(&mut self, on: usize, reported: Moment, story: &'static Story, answers: bool) {
        let urgent = story.level.0 == 1 || story.level.1 == 1;
        let mut at = self.later(reported, if urgent { 3..20 } else { 10..260 }, urgent);
        if answers && self.chance(4) {
            let word = self.one(&["It works again by itself, thank you.", "My mistake: it was the other screen."]);
            return self.act(at, on, Who::Requester, Deed::Step("cancel"), json!({"comment": word}));
        }
        if let Some(team) = story.pass_to.filter(|_| self.chance(55)) {
            let note = "Had a look: not ours. Passing it on with what we know.";
            self.act(at, on, Who::Team, Deed::Pass(team), json!({"work_note": note}));
            at = self.later(at, 15..180, urgent);
        }
        self.act(at, on, Who::Team, Deed::Step("start"), json!({"work_note": story.note}));
        at = self.waits(on, at, story, urgent, answers);
        let minutes = match self.rng.random_range(0..100) {
            _ if urgent => 25..240,
            0..55 => 20..300,
            55..92 => 400..4_000,
            _ => 7_000..20_000,
        };
        if minutes.start > 300 {
            let told = self.later(at, 60..300, false);
            let news = self.one(&["Still on it; I'll be back tomorrow with news.", "The part is on its way."]);
            self.act(told, on, Who::Team, Deed::Change, json!({"comment": news}));
        }
        at = self.later(at, minutes, urgent);
        self.resolve(at, on, story, "");
        if answers {
            self.aftermath(on, at, story);
        }
    }

    /// It waits for the caller's answer, or for somebody else.
    fn waits(&mut self, on: usize, at: Moment, story: &'static Story, urgent: bool, answers: bool) -> Moment {
        if let Some((question, answer)) = story.asked.filter(|_| answers && self.chance(60)) {
            let asked = self.later(at, 5..60, urgent);
            let hold = json!({"hold_reason": "caller", "comment": question});
            self.act(asked, on, Who::Team, Deed::Step("hold"), hold);
            let answered = self.later(asked, 15..2_800, false);
            self.act(answered, on, Who::Requester, Deed::Change, json!({"comment": answer}));
            return answered;
        }
        if urgent || !self.chance(24) {
            return at;
        }
        let (reason, note) = self.one(&[
            ("supplier", "Ticket opened with the supplier; they answer within two days."),
            ("change", "Needs a change; it is on the agenda of Thursday."),
            ("problem", "Seen four times this quarter: waits for what the problem analysis finds."),
        ]);
        let held = self.later(at, 20..120, false);
        self.act(held, on, Who::Team, Deed::Step("hold"), json!({"hold_reason": reason, "work_note": note}));
        let resumed = self.later(held, 1_500..14_000, false);
        self.act(resumed, on, Who::Team, Deed::Step("resume"), json!({"work_note": "They have answered; going on."}));
        resumed
    }

    pub(super) fn resolve(&mut self, at: Moment, on: usize, story: &Story, before: &str) {
        let (code, notes) = story.resolved;
        let kind = if story.workaround { "workaround" } else { "permanent" };
        let how = json!({
            "resolution_code": code, "resolution_notes": format!("{before}{notes}"), "resolution_kind": kind,
        });
        self.act(at, on, Who::Team, Deed::Step("resolve"), how);
    }

    /// What the caller makes of the resolution. Most say nothing, and it closes by itself.
    fn aftermath(&mut self, on: usize, at: Moment, story: &'static Story) {
        let spoke = self.later(at, 40..2_000, false);
        match self.rng.random_range(0..100) {
            0..8 => {
                let word = self.one(&["It is back, the same as before.", "Worked for a day, and now it doesn't."]);
                self.act(spoke, on, Who::Requester, Deed::Step("reopen"), json!({"comment": word}));
                let again = self.later(spoke, 60..900, false);
                self.resolve(again, on, story, "A second look found the rest of it. ");
            }
            8..38 => {
                let word = self.one(&["Works, thank you!", "Perfect, that was quick.", "All good again. Thanks."]);
                self.act(spoke, on, Who::Requester, Deed::Change, json!({"comment": word}));
                let closed = self.later(spoke, 10..400, false);
                self.act(closed, on, Who::Team, Deed::Step("close"), json!({}));
            }
            _ => (),
        }
    }
}
