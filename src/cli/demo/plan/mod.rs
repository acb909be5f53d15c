//! What happens in the month: who does what to which record, and when. It is made from a seed alone, before anything is
//! written.
//!
//! References stand here by name (`"service_id": "Printing"`) or, for records of the month, by their place in the plan.
//! What becomes of it is up to the policies: an act by "the team" is done by whichever team has the record by then.

mod keep;
mod life;
mod work;

use std::ops::Range;

use chrono::TimeDelta;
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use serde_json::{Map, Value, json};

use super::{
    calendar::{arrival, at_work},
    company::{COMPANY, CUSTOMER, ORGANISATIONS, PEOPLE, Person},
    jobs::Job,
    stories::{ALERTS, By, MAJORS, Major, QUICK, Story, told},
};
use crate::clock::Moment;

/// Days that the plan covers.
pub const DAYS: i64 = 30;
/// Incidents that people report by themselves.
const REPORTS: usize = 190;
/// Contacts that become incidents.
const CONVERTED: usize = 34;
/// Contacts that are settled at once.
const SETTLED: usize = 38;
/// Contacts about an incident that is known.
const LINKED: usize = 10;
/// Incidents that the monitoring reports.
const ALARMS: usize = 14;

/// Something that somebody does.
#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    /// When.
    pub at: Moment,
    /// To which record of the plan.
    pub on: usize,
    /// Who.
    pub who: Who,
    /// What.
    pub deed: Deed,
    /// With which fields.
    pub input: Map<String, Value>,
    /// Which member of the team, when nobody has it yet.
    pub pick: usize,
}

/// Who does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// This person.
    Named(&'static str),
    /// The monitoring, in the server's name.
    Monitoring,
    /// Whoever needs it.
    Requester,
    /// The assignee, or a member of the team that has it.
    Team,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A record of this kind is made.
    Create(&'static str),
    /// The contact at this place becomes the incident.
    Convert(usize),
    /// Fields change, or something is said.
    Change,
    /// It is given to another team, unless that has it already.
    Pass(&'static str),
    /// A step of the lifecycle.
    Step(&'static str),
    /// It is linked with the record at another place, by a relation.
    Link(&'static str, usize),
    /// Whoever is asked agrees.
    Approve,
    /// A problem is made of the incidents that a filter finds.
    Raise(&'static str),
    /// How the cause of a problem was looked for is written down.
    Analyse,
    /// The workaround of a problem is told to its incidents.
    Publish,
    /// The questionnaire of risk is answered for a change.
    Answer,
    /// The tasks are done, one after the other.
    DoTasks,
    /// What is there already, by this name, stands at this place of the plan from now on.
    Find(&'static str),
    /// It is related to another thing, by a type.
    Relate(&'static str),
    /// What was found other than it is recorded is settled.
    Settle,
    /// Those who answer for things are asked about them.
    Campaign,
    /// Whoever is asked in the campaign of this name says whether what is known is right.
    Certify(&'static str),
    /// Something that stands beside records is added, below a path.
    Add(&'static str),
    /// What was added below a path by that name is changed.
    Amend(&'static str, &'static str),
    /// What waits for a board, or is named, is put on the agenda of the meeting of this name.
    Table(&'static str),
    /// What the meeting of this name says of a change is kept.
    Minute(&'static str),
    /// A node does something in the background.
    Run(Job),
}

impl Act {
    /// What a node does in the background, where it is that.
    pub fn job(&self) -> Option<Job> {
        if let Deed::Run(job) = self.deed { Some(job) } else { None }
    }
}

/// The month that ends at `until`.
pub fn plan(seed: u64, until: Moment) -> Vec<Act> {
    let mut planner =
        Planner { rng: Xoshiro256PlusPlus::seed_from_u64(seed), until, acts: Vec::new(), records: 0, told: Vec::new() };
    for _ in 0..REPORTS {
        planner.report();
    }
    for _ in 0..CONVERTED {
        planner.converted();
    }
    for n in 0..ALARMS {
        planner.alarm(&ALERTS[n % ALERTS.len()]);
    }
    let ages = [TimeDelta::days(18), TimeDelta::days(7), TimeDelta::hours(3)];
    let majors: Vec<(Moment, usize)> = MAJORS.iter().zip(ages).map(|(major, age)| planner.major(major, age)).collect();
    for n in 0..SETTLED {
        planner.settled(QUICK[n % QUICK.len()]);
    }
    for _ in 0..LINKED {
        planner.linked();
    }
    let changes = planner.work(&majors);
    planner.keep();
    planner.meet(&changes);
    let mut acts = planner.acts;
    acts.retain(|act| act.at <= until);
    acts.sort_by_key(|act| act.at);
    acts
}

struct Planner {
    rng: Xoshiro256PlusPlus,
    until: Moment,
    acts: Vec<Act>,
    records: usize,
    /// Incidents that staff reported: when, which, who.
    told: Vec<(Moment, usize, &'static Person)>,
}

impl Planner {
    fn next(&mut self) -> usize {
        self.records += 1;
        self.records - 1
    }
    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }
    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.rng.random_range(0..of.len())]
    }
    fn arrival(&mut self) -> Moment {
        arrival(&mut self.rng, self.until, DAYS)
    }

    fn act(&mut self, at: Moment, on: usize, who: Who, deed: Deed, input: Value) {
        let Value::Object(input) = input else { return };
        let pick = self.rng.random_range(0..1_000);
        self.acts.push(Act { at, on, who, deed, input, pick });
    }

    /// So many minutes later; what can wait is done in working hours.
    fn later(&mut self, at: Moment, minutes: Range<i64>, urgent: bool) -> Moment {
        let seconds = self.rng.random_range(0..60);
        let at = at.plus(TimeDelta::seconds(self.rng.random_range(minutes) * 60 + seconds));
        let late = self.rng.random_range(2..75);
        if urgent { at } else { at_work(at, late) }
    }

    fn teller(&mut self, by: By) -> &'static Person {
        let floor = |p: &Person| p.home.starts_with("Distribution");
        let fits = |p: &&Person| {
            p.role == "requester"
                && match by {
                    By::Customer => p.home == CUSTOMER,
                    By::Floor => floor(p),
                    By::Office | By::Monitoring => p.home != CUSTOMER,
                }
        };
        let all: Vec<&'static Person> = PEOPLE.iter().filter(fits).collect();
        self.one(&all)
    }

    fn desk(&mut self) -> &'static str {
        let desk: Vec<&str> =
            PEOPLE.iter().filter(|p| p.teams.contains(&"service-desk")).map(|p| p.user_name).collect();
        self.one(&desk)
    }

    fn story(&mut self) -> &'static Story {
        let all: Vec<&'static Story> = told().collect();
        self.one(&all)
    }

    fn place(&mut self, of: &Person) -> &'static str {
        match ORGANISATIONS.iter().find(|o| o.name == of.home) {
            Some(home) => self.one(home.places),
            None => COMPANY,
        }
    }

    /// What the one who reports says.
    fn words(story: &Story, place: &str) -> Map<String, Value> {
        let said = |text: &str| text.replace("{place}", place);
        let mut words = Map::new();
        words.insert("title".to_owned(), said(story.title).into());
        words.insert("description".to_owned(), said(story.text).into());
        words.insert("impact".to_owned(), story.level.0.into());
        words.insert("urgency".to_owned(), story.level.1.into());
        words.extend(story.service.map(|name| ("service_id".to_owned(), name.into())));
        words.extend(story.item.map(|name| ("configuration_item_id".to_owned(), name.into())));
        words.insert("tags".to_owned(), json!(story.tags));
        words
    }

    /// What the desk adds to it.
    fn details(&mut self, story: &Story, place: Option<&str>) -> Map<String, Value> {
        let (kind, category, subcategory) = story.about;
        let mut custom = Map::new();
        if story.level.0 < 3 {
            let most = if story.level.0 == 1 { 400 } else { 40 };
            custom.insert("affected_users".to_owned(), self.rng.random_range(3..most).into());
        }
        if category == "hardware" {
            custom.insert("asset_tag".to_owned(), format!("MF-{:05}", self.rng.random_range(2_000..60_000)).into());
        }
        let details = json!({"incident_type": kind, "category": category, "subcategory": subcategory, "custom": custom, "location": place});
        details.as_object().cloned().unwrap_or_default()
    }

    /// Somebody reports an incident, through the portal, by mail or by calling the desk.
    fn report(&mut self) {
        let (at, on, story) = (self.arrival(), self.next(), self.story());
        let teller = self.teller(story.by);
        let place = self.place(teller);
        let mut input = Self::words(story, place);
        input.extend(self.details(story, Some(place)));
        let called = self.chance(30);
        let channel = if called { "phone" } else { self.one(&["portal", "portal", "mail"]) };
        input.insert("channel".to_owned(), channel.into());
        let who = if called { self.desk() } else { teller.user_name };
        if called {
            input.insert("requester_id".to_owned(), teller.user_name.into());
        } else {
            // Only the desk knows configuration items.
            input.shift_remove("configuration_item_id");
        }
        self.act(at, on, Who::Named(who), Deed::Create("incident"), input.into());
        if teller.home != CUSTOMER {
            self.told.push((at, on, teller));
        }
        self.life(on, at, story, true);
    }

    /// The monitoring reports an incident. There is nobody to ask.
    fn alarm(&mut self, story: &'static Story) {
        let (at, on) = (self.arrival(), self.next());
        self.alert(at, on, story);
        self.life(on, at, story, false);
    }

    fn alert(&mut self, at: Moment, on: usize, story: &'static Story) {
        let mut input = Self::words(story, "");
        input.extend(self.details(story, None));
        input.insert("channel".to_owned(), "alert".into());
        input.insert("requester_id".to_owned(), Value::Null);
        input.insert("organisation_id".to_owned(), COMPANY.into());
        self.act(at, on, Who::Monitoring, Deed::Create("incident"), input.into());
    }

    fn contact(&mut self, at: Moment, teller: &Person, mut input: Map<String, Value>) -> (usize, &'static str) {
        let (on, agent) = (self.next(), self.desk());
        let channel = self.one(&["phone", "phone", "phone", "chat", "walk_in"]);
        let contact = match channel {
            "phone" => format!("extension {}", self.rng.random_range(2_100..2_999)),
            "chat" => format!("chat with {}", teller.name),
            _ => "at the counter".to_owned(),
        };
        let more = json!({
            "channel": channel, "contact": contact, "requester_id": teller.user_name,
            "team_id": "service-desk", "assignee_id": agent,
        });
        input.extend(more.as_object().cloned().unwrap_or_default());
        self.act(at, on, Who::Named(agent), Deed::Create("interaction"), input.into());
        (on, agent)
    }

    /// A contact that becomes an incident.
    fn converted(&mut self) {
        let (at, story) = (self.arrival(), self.story());
        let teller = self.teller(story.by);
        let place = self.place(teller);
        let (contact, agent) = self.contact(at, teller, Self::words(story, place));
        let (on, made) = (self.next(), self.later(at, 3..9, true));
        let details = self.details(story, Some(place));
        self.act(made, on, Who::Named(agent), Deed::Convert(contact), details.into());
        let closed = self.later(made, 1..4, true);
        self.act(closed, contact, Who::Named(agent), Deed::Step("close"), json!({}));
        self.life(on, made, story, true);
    }

    /// A contact that is settled at once.
    fn settled(&mut self, (title, notes): (&'static str, &'static str)) {
        let at = self.arrival();
        let teller = self.teller(By::Office);
        let words = json!({"title": title}).as_object().cloned().unwrap_or_default();
        let (on, agent) = self.contact(at, teller, words);
        let done = self.later(at, 2..14, true);
        self.act(done, on, Who::Named(agent), Deed::Step("resolve"), json!({"resolution_notes": notes}));
        if self.chance(70) {
            let closed = self.later(done, 30..600, false);
            self.act(closed, on, Who::Named(agent), Deed::Step("close"), json!({}));
        }
    }

    /// Somebody asks how their incident is getting on.
    fn linked(&mut self) {
        let (reported, incident, teller) = self.told[self.rng.random_range(0..self.told.len())];
        let at = self.later(reported, 90..900, false);
        let words = json!({"title": "Asks how their incident is getting on"});
        let (on, agent) = self.contact(at, teller, words.as_object().cloned().unwrap_or_default());
        let linked = self.later(at, 1..5, true);
        self.act(linked, on, Who::Named(agent), Deed::Step("link"), json!({"target_id": incident}));
    }

    /// An outage: the monitoring finds it, the desk hangs calls below it, others report the same. Gives when it came, and which record it is.
    fn major(&mut self, major: &'static Major, age: TimeDelta) -> (Moment, usize) {
        let (at, on) = (self.until.minus(age), self.next());
        self.alert(at, on, &major.story);
        for (teller, title) in major.parts {
            let (part, agent, when) = (self.next(), self.desk(), self.later(at, 3..9, true));
            let mut input = self.call(major, title);
            input.insert("requester_id".to_owned(), (*teller).into());
            input.insert("parent_id".to_owned(), on.into());
            self.act(when, part, Who::Named(agent), Deed::Create("incident"), input.into());
        }
        for (teller, title) in major.duplicates {
            let (twin, when) = (self.next(), self.later(at, 4..20, true));
            let input = self.call(major, title);
            self.act(when, twin, Who::Named(teller), Deed::Create("incident"), input.into());
            let found = self.later(when, 4..12, true);
            let same =
                json!({"duplicate_of_id": on, "work_note": "The same as the outage: it will be resolved with it."});
            self.act(found, twin, Who::Team, Deed::Change, same);
        }
        let start = at.plus(TimeDelta::minutes(10));
        self.act(start, on, Who::Team, Deed::Step("start"), json!({"work_note": major.story.note}));
        let told = self.later(start, 20..35, true);
        let news = "We know the cause and are working on it; next word in an hour.";
        self.act(told, on, Who::Team, Deed::Change, json!({"comment": news}));
        // The latest one is still going on.
        let done = self.later(told, 150..220, true);
        self.resolve(done, on, &major.story, "");
        let closed = self.later(done, 1_000..1_500, false);
        self.act(
            closed,
            on,
            Who::Team,
            Deed::Step("close"),
            json!({"comment": "Stable since; the report is with the problem manager."}),
        );
        (at, on)
    }

    fn call(&mut self, major: &Major, title: &str) -> Map<String, Value> {
        let (kind, category, subcategory) = major.story.about;
        let urgency = self.rng.random_range(1..=2);
        let call = json!({
            "title": title, "impact": 2, "urgency": urgency, "channel": "phone", "tags": major.story.tags,
            "incident_type": kind, "category": category, "subcategory": subcategory, "service_id": major.story.service,
        });
        call.as_object().cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_month_and_another_seed_another() {
        let until: Moment = "2026-03-31T15:00:00Z".parse().unwrap();
        let acts = plan(7, until);
        assert_eq!(acts, plan(7, until));
        assert_ne!(acts, plan(8, until));
        assert!(acts.is_sorted_by_key(|act| act.at));
        assert!(acts.last().is_some_and(|act| act.at <= until));
        let made = |kind| acts.iter().filter(|a| a.deed == Deed::Create(kind)).count();
        let converted = acts.iter().filter(|a| matches!(a.deed, Deed::Convert(_))).count();
        assert!((235..=260).contains(&(made("incident") + converted)), "{} {converted}", made("incident"));
        assert!((75..=82).contains(&made("interaction")), "{}", made("interaction"));
    }
}
