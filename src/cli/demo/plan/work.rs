//! Problems and changes of the month.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{
    super::{
        company::{BOARD_MEMBER, CHANGE_MANAGER, PEOPLE},
        stories::{CAUSES, Cause, PLANS, Plan, RECURRING, Reach, Recurring, Story},
    },
    Deed, Planner, Who,
};
use crate::clock::Moment;

/// How long before it begins a change is asked for, and an emergency.
const LEAD: TimeDelta = TimeDelta::days(9);
const AT_ONCE: TimeDelta = TimeDelta::minutes(40);

/// The team that somebody works in.
fn team_of(user_name: &str) -> Option<&'static str> {
    PEOPLE.iter().find(|person| person.user_name == user_name).and_then(|person| person.teams.first().copied())
}

/// Two objects as one.
fn joined(one: Value, other: Value) -> Value {
    let fields = [one, other]
        .into_iter()
        .filter_map(|fields| if let Value::Object(fields) = fields { Some(fields) } else { None });
    Value::Object(fields.flatten().collect())
}

impl Planner {
    /// What is done about the outages: `majors` are when they came, and which records they are. Gives which records the changes are.
    pub(super) fn work(&mut self, majors: &[(Moment, usize)]) -> Vec<usize> {
        let causes: Vec<usize> =
            CAUSES.iter().zip(majors).map(|(cause, (at, major))| self.cause(cause, *at, *major)).collect();
        let mut changes = Vec::new();
        for plan in PLANS {
            let on = self.change(plan);
            if let Some(problem) = plan.fixes.and_then(|n| causes.get(n)) {
                let linked = self.asked_at(plan).plus(TimeDelta::minutes(2));
                self.act(linked, on, Who::Named(plan.who.0), Deed::Link("fixes", *problem), json!({}));
            }
            if let Some(story) = plan.breaks {
                self.broken(plan, on, story);
            }
            changes.push(on);
        }
        RECURRING.iter().for_each(|recurring| self.recurring(recurring));
        changes
    }

    /// What a change breaks is reported while it is made, and it is known at once what did that.
    fn broken(&mut self, plan: &'static Plan, change: usize, story: &'static Story) {
        let (on, at) = (self.next(), self.until.plus(plan.when.0).plus(TimeDelta::minutes(25)));
        self.alert(at, on, story);
        let maker = Who::Named(plan.who.1);
        self.act(at.plus(TimeDelta::minutes(4)), on, maker, Deed::Link("caused_by", change), json!({}));
        let start = json!({"work_note": story.note});
        self.act(at.plus(TimeDelta::minutes(5)), on, Who::Team, Deed::Step("start"), start);
        self.resolve(at.plus(TimeDelta::minutes(40)), on, story, "");
    }

    /// What comes again and again becomes a problem.
    fn recurring(&mut self, recurring: &'static Recurring) {
        let (on, who, raised) = (self.next(), Who::Named(recurring.who), self.until.minus(recurring.before));
        let about = json!({
            "title": recurring.title, "description": recurring.text, "assignee_id": recurring.who, "team_id": team_of(recurring.who),
        });
        self.act(raised, on, who, Deed::Raise(recurring.filter), about);
        let after = |hours| raised.plus(TimeDelta::hours(hours));
        self.act(after(2), on, who, Deed::Step("assess"), json!({}));
        if let Some(why) = recurring.accepted {
            self.act(after(28), on, who, Deed::Step("accept_risk"), json!({"resolution_notes": why}));
            return;
        }
        self.act(after(24), on, who, Deed::Step("analyse"), json!({}));
        let bones = recurring.causes.iter().map(|(category, causes)| json!({"category": category, "causes": causes}));
        let finding = json!({"technique": "ishikawa", "effect": recurring.title, "bones": bones.collect::<Vec<_>>()});
        self.act(after(50), on, who, Deed::Analyse, json!({"title": "What may contribute to it", "finding": finding}));
    }

    fn cause(&mut self, cause: &'static Cause, major: Moment, incident: usize) -> usize {
        let (on, who) = (self.next(), Who::Named(cause.who));
        let raised = major.plus(TimeDelta::hours(22));
        let about = json!({
            "title": cause.title, "description": cause.text, "assignee_id": cause.who, "team_id": team_of(cause.who), "service_id": cause.about.0,
            "configuration_item_id": cause.about.1,
        });
        self.act(raised, on, who, Deed::Create("problem"), about);
        let after = |hours| raised.plus(TimeDelta::hours(hours));
        self.act(after(1), incident, who, Deed::Link("caused_by", on), json!({}));
        self.act(after(2), on, who, Deed::Step("assess"), json!({}));
        self.act(after(4), on, who, Deed::Step("analyse"), json!({}));
        if !cause.whys.is_empty() {
            let whys = cause.whys.iter().map(|(question, answer)| json!({"question": question, "answer": answer}));
            let finding = json!({"technique": "five_whys", "whys": whys.collect::<Vec<_>>()});
            self.act(after(25), on, who, Deed::Analyse, json!({"title": "Why it came to that", "finding": finding}));
        }
        let found = json!({"cause": cause.cause, "workaround": cause.workaround});
        self.act(after(26), on, who, Deed::Step("fix"), found);
        self.act(after(27), on, who, Deed::Publish, json!({}));
        if let Some(how) = cause.resolved {
            self.act(after(240), on, who, Deed::Step("resolve"), json!({"resolution_notes": how}));
        }
        on
    }

    fn asked_at(&self, plan: &Plan) -> Moment {
        let begins = self.until.plus(plan.when.0);
        if plan.kind == "emergency" {
            begins.minus(AT_ONCE)
        } else {
            begins.minus(LEAD).min(self.until.minus(TimeDelta::hours(6)))
        }
    }

    fn change(&mut self, plan: &'static Plan) -> usize {
        let (on, asked, begins) = (self.next(), self.asked_at(plan), self.until.plus(plan.when.0));
        let ((author, maker), ends) = (plan.who, begins.plus(plan.when.1));
        let about = json!({
            "title": plan.title, "description": plan.text, "change_type": plan.kind, "assignee_id": maker, "team_id": team_of(maker),
            "service_id": plan.about.0, "configuration_item_id": plan.about.1, "planned_start": begins, "planned_end": ends,
        });
        // What is made by a model has the plans of that.
        let how = match plan.model {
            Some(model) => json!({"model": model}),
            None => json!({"implementation_plan": plan.plans.0, "backout_plan": plan.plans.1}),
        };
        let about = joined(about, how);
        self.act(asked, on, Who::Named(author), Deed::Create("change"), about);
        let is_urgent = plan.kind == "emergency";
        let after = |minutes: i64| asked.plus(TimeDelta::minutes(if is_urgent { minutes / 60 } else { minutes }));
        let made =
            json!({"result": plan.result.0, "result_notes": Some(plan.result.1).filter(|notes| !notes.is_empty())});
        let answers = plan.answers.iter().map(|(question, answer)| json!({"question": question, "answer": answer}));
        let answers = json!({"answers": answers.collect::<Vec<_>>()});
        let steps: [(Reach, Moment, &'static str, Deed, Value); 10] = [
            (Reach::Written, after(90), author, Deed::Answer, answers),
            (Reach::Asked, after(120), author, Deed::Step("assess"), json!({})),
            (Reach::Asked, after(180), author, Deed::Step("request_authorisation"), json!({})),
            (Reach::Agreed, after(900), CHANGE_MANAGER, Deed::Approve, json!({})),
            (Reach::Agreed, after(930), BOARD_MEMBER, Deed::Approve, json!({})),
            (Reach::Agreed, after(960), CHANGE_MANAGER, Deed::Step("schedule"), json!({})),
            (Reach::Made, begins, maker, Deed::Step("implement"), json!({})),
            (Reach::Made, begins.plus(TimeDelta::minutes(20)), maker, Deed::DoTasks, json!({})),
            (Reach::Made, ends, maker, Deed::Step("complete"), made),
            (
                Reach::Reviewed,
                ends.plus(TimeDelta::days(1)),
                CHANGE_MANAGER,
                Deed::Step("close"),
                json!({"review_notes": plan.review}),
            ),
        ];
        for (reach, at, who, deed, input) in steps {
            // An emergency begins where it is authorised, and a standard change where it is scheduled.
            let is_skipped = reach == Reach::Asked && plan.kind != "normal";
            let is_taken = plan.reach >= reach && !is_skipped && !(deed == Deed::Answer && plan.answers.is_empty());
            if is_taken {
                self.act(at, on, Who::Named(who), deed, input);
            }
        }
        on
    }
}
