//! What a verdict comes to, field by field, in the words of scripts: what is compared when two versions are.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    chain::Verdict,
    decision::{Decision, Effect, Fallback, PRIORITIES, priority_of},
    facts::{Facts, Value},
};
use crate::{practice::change::RISKS, record::decide::ADMINISTRATORS};

/// Where records go when no routing policy could be asked.
pub const DEFAULT_TEAM: &str = "service-desk";

/// Those whom policies name are asked.
const ASKED: &str = "asked";
/// Whoever manages changes is asked as well.
const HELD: &str = "held";
/// Whoever manages changes, as policies name them.
const HOLDER: &str = "role:change_manager";

/// What a verdict comes to: `priority`, `team`, `assignee`, `notify`, `refused`, and for an escalation `level`, `page`, `major` and
/// `again`; for a change `risk`, and `approval`, `approvers`, `due` and `review`. What is empty is nothing or nobody.
pub type Outcome = BTreeMap<&'static str, String>;

/// What a verdict on a record comes to.
pub fn of(decision: Decision, verdict: &Verdict, record: &Facts) -> Outcome {
    match decision {
        Decision::Priority => BTreeMap::from([("priority", priority(verdict, record).to_string())]),
        Decision::Routing => routing(verdict, record),
        Decision::Escalation => escalation(verdict, record),
        Decision::AssessRisk => BTreeMap::from([("risk", risk(verdict).to_owned())]),
        Decision::Approve => approval(verdict),
        Decision::Guard => {
            let mut fields: Vec<&str> = verdict.refusals().map(|(field, _)| field).collect();
            fields.sort_unstable();
            fields.dedup();
            let said = if fields.iter().all(|field| field.is_empty()) { "the whole" } else { &fields.join(", ") };
            BTreeMap::from([("refused", if fields.is_empty() { String::new() } else { said.to_owned() })])
        }
    }
}

/// The risk that the policies come to: the highest that is said, or where one failed.
pub fn risk(verdict: &Verdict) -> &'static str {
    if verdict.fallback == Some(Fallback::Highest) {
        return RISKS[RISKS.len() - 1];
    }
    let place = |said: &Effect| {
        if let Effect::Risk { level } = said { RISKS.iter().position(|risk| risk == level) } else { None }
    };
    verdict.said().filter_map(place).max().map_or(RISKS[0], |place| RISKS[place])
}

/// What becomes of an approval, and who is asked.
fn approval(verdict: &Verdict) -> Outcome {
    let gists = |wanted: fn(&Effect) -> bool| each_once(verdict.said().filter(|said| wanted(said)).map(Effect::gist));
    let rejected = gists(|said| matches!(said, Effect::Reject { .. }));
    let asked = gists(|said| matches!(said, Effect::Require { .. }));
    let approves = verdict.said().any(|said| *said == Effect::Approve);
    let approval = match (rejected.is_empty(), verdict.fallback.is_some(), asked.is_empty()) {
        (false, ..) => "rejected",
        (true, true, _) => HELD,
        (true, false, false) => ASKED,
        (true, false, true) if approves => "approved",
        (true, false, true) => HELD,
    };
    let due = verdict.said().filter_map(|said| {
        let Effect::Require { stage, within, calendar, on_due, .. } = said else { return None };
        let by = if calendar.is_empty() { String::new() } else { format!(" by {calendar}") };
        let then = if on_due.is_usual() { String::new() } else { format!(", then {}", on_due.as_str()) };
        (!within.is_empty()).then(|| format!("{stage}: {within}{by}{then}"))
    });
    let due = each_once(due);
    let review = gists(|said| *said == Effect::ReviewAfterwards);
    Outcome::from([("approval", approval.to_owned()), ("approvers", asked), ("due", due), ("review", review)])
}

/// These, each once: what several policies ask for is asked for once.
fn each_once(all: impl Iterator<Item = String>) -> String {
    let mut once: Vec<String> = Vec::new();
    all.for_each(|one| {
        if !once.contains(&one) {
            once.push(one);
        }
    });
    once.join(", ")
}

/// Who is asked for an approval that comes to this, as policies name them, each once; nobody for other decisions.
pub fn approvers<'a>(outcome: &Outcome, verdict: &'a Verdict) -> BTreeSet<&'a str> {
    let named = verdict
        .said()
        .filter_map(|said| if let Effect::Require { who, .. } = said { Some(who.as_str()) } else { None });
    match outcome.get("approval").map(String::as_str) {
        Some(ASKED) => named.collect(),
        Some(HELD) => named.chain([HOLDER]).collect(),
        _ => BTreeSet::new(),
    }
}

/// The fields in which two outcomes differ, with the value on each side.
pub fn differences<'a>(before: &'a Outcome, after: &'a Outcome) -> BTreeMap<&'static str, [&'a str; 2]> {
    let other = |field: &str| after.get(field).map_or("", String::as_str);
    let pairs = before.iter().map(|(field, value)| (*field, [value.as_str(), other(field)]));
    pairs.filter(|(_, [before, after])| before != after).collect()
}

/// The priority that the policies come to; the matrix of impact and urgency where they come to none.
pub fn priority(verdict: &Verdict, record: &Facts) -> i64 {
    let level = |name: &str| if let Some(Value::Int(level)) = record.get(name) { Some(*level) } else { None };
    // impact + urgency - 1, at most 4: the shipped matrix.
    let matrix = || (level("impact").unwrap_or(3) + level("urgency").unwrap_or(3) - 1).clamp(1, 4);
    priority_of(verdict.said(), None).unwrap_or_else(|| {
        priority_of(verdict.said(), Some(level("priority").unwrap_or_else(matrix))).unwrap_or_else(matrix)
    })
}

fn routing(verdict: &Verdict, record: &Facts) -> Outcome {
    let was = |field: &str| record.text(field).unwrap_or_default().to_owned();
    let mut outcome = Outcome::from([("team", was("team")), ("assignee", was("assignee"))]);
    let mut told = Vec::new();
    for said in verdict.said() {
        match said {
            Effect::AssignTeam { team } => {
                // Who has it is not asked to go along to another team.
                if outcome.insert("team", team.clone()).as_ref() != Some(team) {
                    outcome.insert("assignee", String::new());
                }
            }
            Effect::AssignUser { user } => drop(outcome.insert("assignee", user.clone())),
            Effect::Notify { who } => told.push(who.as_str()),
            Effect::Priority { .. }
            | Effect::AtLeast { .. }
            | Effect::Raise { .. }
            | Effect::Page { .. }
            | Effect::EscalateTo { .. }
            | Effect::ProposeMajor
            | Effect::AgainIn { .. }
            | Effect::Leave
            | Effect::Refuse { .. }
            | Effect::Risk { .. }
            | Effect::Approve
            | Effect::Reject { .. }
            | Effect::Require { .. }
            | Effect::ReviewAfterwards
            | Effect::Allow => (),
        }
    }
    if verdict.fallback == Some(Fallback::DefaultQueue) {
        outcome.insert("team", DEFAULT_TEAM.to_owned());
        told.push(ADMINISTRATORS);
    }
    outcome.insert("notify", told.join(", "));
    outcome
}

/// How many steps more urgent an escalation makes a record: its priority then, where it has one.
pub fn raised(verdict: &Verdict, record: &Facts) -> Option<i64> {
    let Some(Value::Int(priority)) = record.get("priority") else { return None };
    let raises = verdict.said().any(|said| matches!(said, Effect::Raise { .. }));
    raises.then(|| priority_of(verdict.said(), Some(*priority)).unwrap_or(*PRIORITIES.end()))
}

fn escalation(verdict: &Verdict, record: &Facts) -> Outcome {
    let mut outcome = Outcome::new();
    let mut add = |field: &'static str, word: String| {
        let words = outcome.entry(field).or_default();
        let comma = if words.is_empty() || word.is_empty() { "" } else { ", " };
        *words = format!("{words}{comma}{word}");
    };
    for field in ["level", "page", "notify", "major", "again"] {
        add(field, String::new());
    }
    let mut team = record.text("team").unwrap_or_default().to_owned();
    for said in verdict.said() {
        match said {
            Effect::Notify { who } => add("notify", who.clone()),
            Effect::Page { who } => add("page", who.clone()),
            Effect::EscalateTo { level, who } => add("level", format!("{level}: {who}")),
            Effect::AssignTeam { team: to } => team.clone_from(to),
            Effect::ProposeMajor => add("major", "proposed".to_owned()),
            Effect::AgainIn { .. } => add("again", said.gist()),
            Effect::Priority { .. }
            | Effect::AtLeast { .. }
            | Effect::Raise { .. }
            | Effect::AssignUser { .. }
            | Effect::Leave
            | Effect::Refuse { .. }
            | Effect::Risk { .. }
            | Effect::Approve
            | Effect::Reject { .. }
            | Effect::Require { .. }
            | Effect::ReviewAfterwards
            | Effect::Allow => (),
        }
    }
    let priority = raised(verdict, record).map(|priority| priority.to_string());
    let was = if let Some(Value::Int(was)) = record.get("priority") { Some(was.to_string()) } else { None };
    outcome.insert("priority", priority.or(was).unwrap_or_default());
    outcome.insert("team", team);
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        policy::{decision::Placed, facts},
        record::approval::{ask::OnDue, policy::FALLBACK, voters::ROLE},
    };

    fn verdict(effects: Vec<Effect>, fallback: Option<Fallback>) -> Verdict {
        let placed = |effect| Placed { effect, line: 1, column: 1 };
        Verdict { effects: effects.into_iter().map(placed).collect(), fallback, runs: Vec::new() }
    }

    fn record() -> Facts {
        let mut record = Facts::builder(&facts::incident());
        record.set("team", "network").unwrap().set("assignee", "ada").unwrap();
        record.set("impact", 2).unwrap().set("urgency", 2).unwrap();
        record.build()
    }

    #[test]
    fn a_routing_comes_to_team_and_person() {
        let team = |team: &str| Effect::AssignTeam { team: team.into() };
        for (effects, fallback, expected) in [
            (vec![], None, ["network", "ada", ""]),
            (vec![Effect::Leave], None, ["network", "ada", ""]),
            (vec![team("network")], None, ["network", "ada", ""]),
            (vec![Effect::Notify { who: "boss".into() }, team("mail")], None, ["mail", "", "boss"]),
            (vec![team("mail"), Effect::AssignUser { user: "bob".into() }], None, ["mail", "bob", ""]),
            (vec![], Some(Fallback::DefaultQueue), ["service-desk", "ada", "administrators"]),
        ] {
            let outcome = of(Decision::Routing, &verdict(effects.clone(), fallback), &record());
            assert_eq!([&outcome["team"], &outcome["assignee"], &outcome["notify"]], expected, "{effects:?}");
        }
    }

    #[test]
    fn approvers_are_who_is_asked() {
        let asks = |who: &str| Effect::Require {
            stage: "First".into(),
            who: who.into(),
            how_many: "any".into(),
            within: String::new(),
            calendar: String::new(),
            on_due: OnDue::default(),
        };
        let reject = || Effect::Reject { text: "no".into() };
        assert_eq!(HOLDER, format!("{ROLE}{FALLBACK}"));
        for (effects, fallback, expected) in [
            (vec![asks("network"), asks("ada"), asks("network")], None, vec!["ada", "network"]),
            (vec![asks("network"), Effect::Approve], None, vec!["network"]),
            (vec![asks("network")], Some(Fallback::AskManager), vec!["network", HOLDER]),
            (vec![asks("network"), reject()], None, vec![]),
            (vec![asks("network"), reject()], Some(Fallback::AskManager), vec![]),
            (vec![Effect::Approve], None, vec![]),
            (vec![], None, vec![HOLDER]),
        ] {
            let verdict = verdict(effects, fallback);
            let outcome = of(Decision::Approve, &verdict, &record());
            assert_eq!(approvers(&outcome, &verdict).into_iter().collect::<Vec<_>>(), expected, "{outcome:?}");
        }
        let verdict = verdict(vec![], Some(Fallback::DefaultQueue));
        assert!(approvers(&of(Decision::Routing, &verdict, &record()), &verdict).is_empty());
    }

    #[test]
    fn a_priority_is_a_number_and_a_refusal_its_fields() {
        let refuse = |field: &str| Effect::Refuse { field: field.into(), text: "no".into() };
        for (decision, effects, field, expected) in [
            (Decision::Priority, vec![], "priority", "3"),
            (Decision::Priority, vec![Effect::Priority { priority: 1 }], "priority", "1"),
            (Decision::Guard, vec![Effect::Allow], "refused", ""),
            (Decision::Guard, vec![refuse("b"), refuse("a"), refuse("b")], "refused", "a, b"),
            (Decision::Guard, vec![refuse("")], "refused", "the whole"),
        ] {
            assert_eq!(of(decision, &verdict(effects.clone(), None), &record())[field], expected, "{effects:?}");
        }
    }
}
