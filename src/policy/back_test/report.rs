//! What a back-test comes to: counts that can be added up, whatever order the decisions come in.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    asked::Asked,
    history::Case,
    judge::{CANDIDATE, Judge, Judged},
};
use crate::{error::Error, policy::outcome};

/// How many pairs of values are told for a field; what is beyond is counted together.
const PAIRS: usize = 1_000;
/// How many sentences of errors are told.
const ERRORS: usize = 20;
/// What stands for all values beyond those that are told.
const OTHERS: &str = "(others)";

/// What a back-test came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BackTestReport {
    /// How many decisions were made again.
    pub decisions: u64,
    /// In how many both came to the same.
    pub same: u64,
    /// In how many they differ.
    pub different: u64,
    /// In how many a policy failed with the candidate.
    pub errors: u64,
    /// In how many a policy failed with what was live.
    pub errors_before: u64,
    /// How many could not be made again, because their input has fields that there are no more.
    pub unreadable: u64,
    /// For each field from what to what: `{"priority": [{"from": "3", "to": "1", "decisions": 41}]}`, the most frequent first.
    /// An empty value is nothing or nobody.
    pub transitions: BTreeMap<String, Vec<BackTestTransition>>,
    /// How many decisions gave work to each team on each day (UTC), before and after; for routing.
    pub load: BTreeMap<NaiveDate, BTreeMap<String, Shift>>,
    /// How many approvals each approver would be asked for, as policies name them, before and after; for approvals.
    #[serde(default)]
    #[schema(required)]
    pub approvals: BTreeMap<String, Shift>,
    /// How often each rule of the candidate was tried and fitted, in the order of the source.
    pub rules: Vec<BackTestRule>,
    /// Incidents that would be resolved too late if they took as long as they did; for priority, where times were given.
    pub breaches: BackTestBreaches,
    /// What went wrong with the candidate, and how often.
    pub failures: BTreeMap<String, u64>,
    /// How many differing decisions were kept to be read one by one.
    pub kept: u64,
}

/// From a value to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackTestTransition {
    /// With what was live.
    pub from: String,
    /// With the candidate.
    pub to: String,
    /// In how many decisions.
    pub decisions: u64,
}

/// How many before and after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Shift {
    /// With what was live.
    pub before: u64,
    /// With the candidate.
    pub after: u64,
}

/// How often a rule of the candidate was tried and fitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackTestRule {
    /// Its name.
    pub name: String,
    /// Its line.
    pub line: usize,
    /// How often it was tried.
    pub tried: u64,
    /// How often it fitted.
    pub fitted: u64,
}

/// A forecast of incidents that are resolved too late.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackTestBreaches {
    /// How many incidents it is made of: those that were resolved, each with its last priority, for which a time was given.
    pub incidents: u64,
    /// How many of them take longer than the priority allows.
    #[serde(flatten)]
    pub late: Shift,
    /// The same by the day (UTC) of their last priority.
    pub days: BTreeMap<NaiveDate, Shift>,
}

impl BackTestReport {
    /// Without any decision yet: the rules of the candidate are there, never tried.
    pub fn new(judge: &Judge) -> Self {
        let rule = |(name, line): (&str, usize)| BackTestRule { name: name.to_owned(), line, tried: 0, fitted: 0 };
        BackTestReport { rules: judge.rules().map(rule).collect(), ..Self::default() }
    }

    /// Adds a decision.
    pub fn add(&mut self, asked: &Asked, case: &Case, judged: &Result<Judged, Error>) {
        self.decisions += 1;
        let Ok(judged) = judged else {
            self.unreadable += 1;
            return;
        };
        self.add_errors(judged);
        self.add_rules(judged);
        let day = case.place.at.utc().date_naive();
        if let (Some(before), Some(after)) = (judged.before.outcome.get("team"), judged.after.outcome.get("team")) {
            let teams = self.load.entry(day).or_default();
            give(teams, before, Shift { before: 1, after: 0 });
            give(teams, after, Shift { before: 0, after: 1 });
        }
        let sides = [(&judged.before, Shift { before: 1, after: 0 }), (&judged.after, Shift { before: 0, after: 1 })];
        for (side, shift) in sides {
            for who in outcome::approvers(&side.outcome, &side.verdict) {
                give(&mut self.approvals, who, shift);
            }
        }
        let mut is_different = false;
        for (field, [from, to]) in judged.differences() {
            is_different = true;
            self.count(field, from, to, 1);
        }
        self.different += u64::from(is_different);
        self.same += u64::from(!is_different);
        self.forecast(asked, case, judged, day);
    }

    fn add_errors(&mut self, judged: &Judged) {
        self.errors_before += u64::from(judged.before.errors().next().is_some());
        self.errors += u64::from(judged.after.errors().next().is_some());
        for (policy, error) in judged.after.errors() {
            let told = format!("{} v{}: {error}", policy.name, policy.version);
            self.fail(told, 1);
        }
    }

    fn fail(&mut self, told: String, times: u64) {
        let room = self.failures.len() < ERRORS || self.failures.contains_key(&told);
        *self.failures.entry(if room { told } else { OTHERS.to_owned() }).or_default() += times;
    }

    fn add_rules(&mut self, judged: &Judged) {
        let runs = judged.after.verdict.runs.iter().filter(|run| run.policy.mode == CANDIDATE);
        for (place, fitted) in runs.flat_map(|run| run.evaluation.rules.places()) {
            if let Some(rule) = self.rules.get_mut(place) {
                rule.tried += 1;
                rule.fitted += u64::from(fitted);
            }
        }
    }

    fn count(&mut self, field: &str, from: &str, to: &str, decisions: u64) {
        let pairs = self.transitions.entry(field.to_owned()).or_default();
        let found = pairs.iter().position(|pair| pair.from == from && pair.to == to);
        let (from, to) = if found.is_some() || pairs.len() < PAIRS { (from, to) } else { (OTHERS, OTHERS) };
        match found.or_else(|| pairs.iter().position(|pair| pair.from == from && pair.to == to)) {
            Some(at) => pairs[at].decisions += decisions,
            None => pairs.push(BackTestTransition { from: from.to_owned(), to: to.to_owned(), decisions }),
        }
    }

    fn forecast(&mut self, asked: &Asked, case: &Case, judged: &Judged, day: NaiveDate) {
        let allowed = |outcome: &outcome::Outcome| asked.target(outcome.get("priority")?.parse().ok()?);
        let Some(took) = case.resolved_after else { return };
        let Some((before, after)) = allowed(&judged.before.outcome).zip(allowed(&judged.after.outcome)) else { return };
        self.breaches.incidents += 1;
        for shift in [&mut self.breaches.late, self.breaches.days.entry(day).or_default()] {
            shift.before += u64::from(took > before);
            shift.after += u64::from(took > after);
        }
    }

    /// Adds another report of the same back-test.
    pub fn merge(&mut self, other: BackTestReport) {
        self.decisions += other.decisions;
        self.same += other.same;
        self.different += other.different;
        self.errors += other.errors;
        self.errors_before += other.errors_before;
        self.unreadable += other.unreadable;
        self.kept += other.kept;
        for (field, pairs) in other.transitions {
            pairs.iter().for_each(|pair| self.count(&field, &pair.from, &pair.to, pair.decisions));
        }
        for (day, teams) in other.load {
            let mine = self.load.entry(day).or_default();
            teams.into_iter().for_each(|(team, shift)| give(mine, &team, shift));
        }
        other.approvals.iter().for_each(|(who, shift)| give(&mut self.approvals, who, *shift));
        for (mine, theirs) in self.rules.iter_mut().zip(other.rules) {
            mine.tried += theirs.tried;
            mine.fitted += theirs.fitted;
        }
        self.breaches.incidents += other.breaches.incidents;
        self.breaches.late.add(other.breaches.late);
        other.breaches.days.into_iter().for_each(|(day, shift)| self.breaches.days.entry(day).or_default().add(shift));
        other.failures.into_iter().for_each(|(told, times)| self.fail(told, times));
    }

    /// The same with the most frequent transitions first.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        for pairs in self.transitions.values_mut() {
            pairs.sort_by(|a, b| b.decisions.cmp(&a.decisions).then_with(|| (&a.from, &a.to).cmp(&(&b.from, &b.to))));
        }
        self
    }
}

/// Adds to what somebody was given.
fn give(work: &mut BTreeMap<String, Shift>, who: &str, shift: Shift) {
    match work.get_mut(who) {
        Some(mine) => mine.add(shift),
        None => drop(work.insert(who.to_owned(), shift)),
    }
}

impl Shift {
    fn add(&mut self, other: Shift) {
        self.before += other.before;
        self.after += other.after;
    }
}
