//! What keepers of configuration items and boards of changes do in the month.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{
    super::{
        calendar::at_work,
        company::{BOARD, BOARD_MEMBER, CHANGE_MANAGER, SERVICE_OWNER},
        jobs::Job,
        stories::{
            ADDED, BASELINE, CAMPAIGN, KEPT, LOOKS, MEETINGS, Meeting, SAID, STANDING, STRANGER, STRANGER_SETTLED,
        },
    },
    DAYS, Deed, Planner, Who,
};
use crate::clock::Moment;

/// When the scans look, from the end of the month on: the change of the mail store lies between them.
const LOOKED: [TimeDelta; 2] = [TimeDelta::days(-12), TimeDelta::hours(-6)];
const OWNER: Who = Who::Named(SERVICE_OWNER);
const MANAGER: Who = Who::Named(CHANGE_MANAGER);

impl Planner {
    /// What is agreed and known from the beginning, and what becomes of it.
    pub(super) fn keep(&mut self) {
        let begins = self.until.minus(TimeDelta::days(DAYS));
        let after = |minutes| begins.plus(TimeDelta::minutes(minutes));
        self.run(after(5), Job::Inventory);
        // A maintained inventory tells of all again and again; what people have said meanwhile stands.
        self.run(self.until.minus(TimeDelta::days(1)), Job::Inventory);
        for standing in STANDING {
            let (on, body) = (self.next(), (standing.body)(self.until));
            self.act(after(30), on, Who::Named(standing.who), Deed::Add(standing.path), body);
        }
        for (when, look) in LOOKED.into_iter().zip(0..LOOKS.len()) {
            self.run(self.until.plus(when), Job::Look(look));
        }
        // Handhelds are counted first.
        self.run(after(48 * 60), Job::Baseline(BASELINE));
        for kept in KEPT {
            let (on, at) = (self.found(kept.item, self.until.plus(kept.when)), self.until.plus(kept.when));
            let attributes: Value = serde_json::from_str(kept.attributes).unwrap_or_default();
            self.act(at, on, OWNER, Deed::Change, json!({"attributes": attributes}));
            if let Some(step) = kept.step {
                self.act(at, on, OWNER, Deed::Step(step), json!({}));
            }
        }
        self.add_machine(self.until.minus(TimeDelta::days(7)));
        self.certify(self.until.minus(TimeDelta::days(4)));
        let settled = self.until.minus(TimeDelta::hours(5));
        let stranger = self.found(STRANGER, settled);
        self.act(settled, stranger, MANAGER, Deed::Settle, json!({"comment": STRANGER_SETTLED}));
        self.act(settled.plus(TimeDelta::minutes(20)), stranger, OWNER, Deed::Step("retire"), json!({}));
    }

    fn run(&mut self, at: Moment, job: Job) {
        let on = self.next();
        self.act(at, on, OWNER, Deed::Run(job), json!({}));
    }

    /// A place in the plan for what is there already.
    fn found(&mut self, name: &'static str, at: Moment) -> usize {
        let on = self.next();
        self.act(at, on, OWNER, Deed::Find(name), json!({}));
        on
    }

    /// One more machine for an application.
    fn add_machine(&mut self, at: Moment) {
        let (machine, cluster, application) = ADDED;
        let about = json!({
            "title": machine, "class": "virtual_machine", "owner_id": SERVICE_OWNER, "support_team_id": "server-operations",
            "attributes": {"hostname": machine, "operating_system": "Debian 13.2", "cpu_count": 4, "memory_mib": 16_384},
        });
        let on = self.next();
        self.act(at, on, OWNER, Deed::Create("configuration_item"), about);
        let after = |minutes| at.plus(TimeDelta::minutes(minutes));
        self.act(after(10), on, OWNER, Deed::Relate("hosted_on"), json!({"record_id": cluster}));
        self.act(after(20), on, OWNER, Deed::Step("go_live"), json!({}));
        let application = self.found(application, after(30));
        let related = json!({"record_id": on, "group": "machines"});
        self.act(after(30), application, OWNER, Deed::Relate("runs_on"), related);
    }

    /// Those who answer for the network are asked whether what is known of it is right, and some have answered.
    fn certify(&mut self, at: Moment) {
        let (name, filter) = CAMPAIGN;
        let asked = json!({
            "name": name, "filter": filter, "due_at": self.until.plus(TimeDelta::days(10)), "remind_days": 3,
        });
        let on = self.next();
        self.act(at, on, OWNER, Deed::Campaign, asked);
        for (n, (who, item, wrong)) in (1..).zip(SAID) {
            let when = at.plus(TimeDelta::hours(5 * n));
            let on = self.found(item, when);
            let outcome = if wrong.is_some() { "rejected" } else { "certified" };
            let said = json!({"outcome": outcome, "comment": wrong.unwrap_or_default()});
            self.act(when, on, Who::Named(who), Deed::Certify(name), said);
        }
    }

    /// Boards meet over the changes, which stand at these places.
    pub(super) fn meet(&mut self, changes: &[usize]) {
        MEETINGS.iter().for_each(|meeting| self.meeting(meeting, changes));
    }

    fn meeting(&mut self, meeting: &'static Meeting, changes: &[usize]) {
        let called = self.until.plus(meeting.when.0);
        let planned = called.plus(meeting.when.1);
        let starts = if meeting.minutes.is_some() { planned } else { at_work(planned, 60) };
        let ends = starts.plus(TimeDelta::hours(1));
        let on = self.next();
        let about = json!({
            "name": meeting.name, "starts_at": starts, "ends_at": ends, "place": "Head Office, board room",
            "chair_id": BOARD_MEMBER, "team_id": BOARD, "attendees": [BOARD_MEMBER, "kenji.mori"],
        });
        self.act(called, on, MANAGER, Deed::Add("cab-meetings"), about);
        let place = |plan: &usize| changes.get(*plan).copied();
        let put = called.plus(TimeDelta::minutes(5));
        self.act(put, on, MANAGER, Deed::Table(meeting.name), json!({}));
        let beside: Vec<usize> = meeting.beside.iter().filter_map(place).collect();
        if !beside.is_empty() {
            self.act(put, on, MANAGER, Deed::Table(meeting.name), json!({"change_ids": beside}));
        }
        for (plan, decision, said) in meeting.words {
            let Some(change) = place(plan) else { continue };
            let word = json!({"decision": decision, "minutes": said});
            self.act(starts.plus(TimeDelta::minutes(30)), change, MANAGER, Deed::Minute(meeting.name), word);
        }
        if let Some(minutes) = meeting.minutes {
            let held = json!({"state": "held", "minutes": minutes});
            self.act(ends, on, MANAGER, Deed::Amend("cab-meetings", meeting.name), held);
        }
    }
}
