//! `pointsman demo`: what it leaves behind.

use std::collections::BTreeMap;

use diesel::prelude::*;
use indicatif::ProgressBar;
use pointsman::{
    assembly::Assembly,
    cli::demo::{Summary, Task},
    clock::{Clock, Moment},
    config::{Config, DatabaseUrl},
    db::AnyConnection,
    error::{Code, Result},
    record::audit,
    schema::{decision, incident, journal, problem, problem_analysis, record, timer, user_account},
};

use crate::support::TestDatabase;

/// A Tuesday afternoon.
const NOW: &str = "2026-03-31T15:00:00Z";

pub struct Filled {
    pub assembly: Assembly,
    pub summary: Summary,
    pub database: TestDatabase,
}

pub fn task(seed: u64) -> Task {
    Task { seed, until: None, password: None }
}

pub fn fill(task: &Task) -> Filled {
    let database = TestDatabase::create();
    let mut config = Config::default();
    config.database.url = DatabaseUrl::new(database.url());
    let assembly = Assembly::open(config, Clock::set_to(NOW.parse().unwrap())).unwrap();
    let summary = task.fill(&assembly, &ProgressBar::hidden()).unwrap();
    Filled { assembly, summary, database }
}

impl Filled {
    fn read<T>(&self, work: impl FnOnce(&mut AnyConnection) -> Result<T>) -> T {
        self.assembly.database.read_here(work).unwrap()
    }
    fn incidents(&self, condition: &str) -> i64 {
        self.read(|c| {
            let all = record::table.filter(record::kind.eq("incident")).count();
            Ok(match condition {
                "without a team" => all.filter(record::team_id.is_null()).get_result(c)?,
                "without a priority" => all.filter(record::priority.eq(0)).get_result(c)?,
                "in the future" => all.filter(record::updated_at.gt(NOW.parse::<Moment>().unwrap())).get_result(c)?,
                _ => all.get_result(c)?,
            })
        })
    }
}

/// One month is enough for all of these: living through it takes seconds.
#[test]
fn a_month_is_plausible_and_whole_and_not_lived_twice() {
    let filled = fill(&task(1));
    it_is_decided_by_the_policies(&filled);
    things_happen_to_the_records(&filled);
    resolved_incidents_have_a_timer_ahead(&filled);
    everybody_has_the_one_time_password(&filled);
    the_trail_is_whole_and_a_second_time_is_refused(&filled);
}

fn it_is_decided_by_the_policies(filled: &Filled) {
    let counts = &filled.summary.counts;
    assert_eq!((counts.organisations, counts.teams, counts.users), (6, 11, 45));
    let expected =
        [("service", 8..=8), ("configuration_item", 103..=103), ("incident", 240..=260), ("interaction", 75..=85)];
    for (kind, range) in expected {
        assert!(range.contains(&counts.records[kind]), "{kind}: {}", counts.records[kind]);
    }
    for (state, least) in
        [("new", 1), ("in_progress", 5), ("on_hold", 2), ("resolved", 15), ("closed", 100), ("cancelled", 3)]
    {
        assert!(counts.incidents.get(state).is_some_and(|n| *n >= least), "{state}: {:?}", counts.incidents);
    }
    for condition in ["without a team", "without a priority", "in the future"] {
        assert_eq!(filled.incidents(condition), 0, "{condition}");
    }
    let (unhappy, routed): (i64, i64) = filled.read(|c| {
        let failed = decision::table.filter(decision::outcome.ne_all(["ok", "passed"])).count().get_result(c)?;
        let routings = decision::table.filter(decision::kind.eq("routing")).filter(decision::record_version.eq(1));
        Ok((failed, routings.count().get_result(c)?))
    });
    assert_eq!((unhappy, routed), (0, filled.incidents("")));
    let states = |kind: &'static str| {
        let mine = record::table.filter(record::kind.eq(kind)).order(record::number).select(record::state);
        filled.read(|c| Ok(mine.load::<String>(c)?))
    };
    assert_eq!(states("problem"), ["resolved", "fix_in_progress", "root_cause_analysis", "closed"]);
    let (proactive, published, accepted, analyses): (i64, i64, i64, i64) = filled.read(|c| {
        let all = || problem::table.count();
        Ok((
            all().filter(problem::origin.eq("proactive")).get_result(c)?,
            all().filter(problem::workaround_published_at.is_not_null()).get_result(c)?,
            all().filter(problem::closure.eq("risk_accepted")).get_result(c)?,
            problem_analysis::table.count().get_result(c)?,
        ))
    });
    assert_eq!((proactive, published, accepted, analyses), (2, 2, 1, 2));
    let mut changes = states("change");
    changes.sort_unstable();
    assert_eq!(changes, ["authorise", "closed", "closed", "new", "review", "review", "scheduled", "scheduled"]);
}

fn things_happen_to_the_records(filled: &Filled) {
    let counts = filled.read(|c| {
        let all = || incident::table.count();
        Ok(BTreeMap::from([
            ("reopened", all().filter(incident::reopen_count.gt(0)).get_result::<i64>(c)?),
            ("passed on", all().filter(incident::reassignment_count.gt(0)).get_result(c)?),
            ("children", all().filter(incident::parent_id.is_not_null()).get_result(c)?),
            ("duplicates", all().filter(incident::duplicate_of_id.is_not_null()).get_result(c)?),
            ("public words", journal::table.filter(journal::kind.eq("comment")).count().get_result(c)?),
            ("work notes", journal::table.filter(journal::kind.eq("work_note")).count().get_result(c)?),
            ("with custom fields", record::table.filter(record::custom.ne("{}")).count().get_result(c)?),
        ]))
    });
    for (what, least) in [
        ("reopened", 3),
        ("passed on", 5),
        ("children", 6),
        ("duplicates", 4),
        ("public words", 80),
        ("work notes", 150),
        ("with custom fields", 60),
    ] {
        assert!(counts[what] >= least, "{what}: {counts:?}");
    }
}

fn resolved_incidents_have_a_timer_ahead(filled: &Filled) {
    let now: Moment = NOW.parse().unwrap();
    let (ahead, late, failed): (i64, i64, i64) = filled.read(|c| {
        let waiting = timer::table.filter(timer::fired_at.is_null()).filter(timer::name.eq("auto_close")).count();
        let failed = timer::table.filter(timer::error.is_not_null()).filter(timer::error.ne("retired")).count();
        Ok((
            waiting.filter(timer::due_at.gt(now)).get_result(c)?,
            waiting.filter(timer::due_at.le(now)).get_result(c)?,
            failed.get_result(c)?,
        ))
    });
    let resolved = i64::try_from(filled.summary.counts.incidents["resolved"]).unwrap();
    assert_eq!((ahead, late, failed), (resolved, 0, 0));
}

fn the_trail_is_whole_and_a_second_time_is_refused(filled: &Filled) {
    let flaws = filled.read(|c| audit::verify(c, |_| ()));
    assert_eq!(flaws, []);
    let before = filled.incidents("");
    let refused = task(1).fill(&filled.assembly, &ProgressBar::hidden()).unwrap_err();
    assert_eq!(refused.code, Code::Conflict, "{}", refused.detail);
    assert_eq!(filled.incidents(""), before);
}

#[test]
fn the_same_seed_makes_the_same_month() {
    let month = |filled: &Filled| {
        filled.read(|c| {
            let rows =
                record::table.select((record::kind, record::title, record::state, record::priority, record::opened_at));
            let order = (record::opened_at, record::kind, record::title, record::id);
            Ok(rows.order(order).load::<(String, String, String, i32, Moment)>(c)?)
        })
    };
    let (one, same) = (fill(&task(5)), fill(&task(5)));
    assert!(month(&one) == month(&same));
}

fn everybody_has_the_one_time_password(filled: &Filled) {
    assert_eq!(filled.summary.sign_in.len() - usize::from(filled.assembly.first_password.is_some()), 7);
    let password = filled.summary.one_time_password.as_deref().unwrap();
    let rows: Vec<(Option<String>, bool)> = filled.read(|c| {
        let people = user_account::table.filter(user_account::email.is_not_null());
        Ok(people.select((user_account::password_hash, user_account::must_change_password)).load(c)?)
    });
    assert_eq!(rows.len(), 45);
    assert!(rows.iter().all(|(hash, must_change)| hash == &rows[0].0 && *must_change));
    assert!(pointsman::auth::password::verify(password, rows[0].0.as_deref()).unwrap().is_right());
    for person in &filled.summary.sign_in {
        assert!(!person.role.is_empty(), "{}", person.user_name);
    }
}
