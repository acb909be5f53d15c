//! A small log of our own, replayed on a database of its own; and the beginning of a real one where it is at hand.

use std::{fmt::Write as _, sync::Arc};

use diesel::prelude::*;
use serde_json::json;

use super::{Mode, Options, learn, log::Log, replay_log, report::Report};
use crate::{
    db::{AnyConnection, Database, JsonText, migrate, writer::Writer},
    error::Result,
    id::RowId,
    practice,
    record::{
        decide::{Answer, Decide, DecisionRow, Effect, Question},
        kernel::Kernel,
        pending::Pending,
    },
    schema::{audit, journal, record, team},
};

/// A row of a log.
#[derive(Clone, Debug)]
pub struct Line {
    pub number: &'static str,
    pub count: i64,
    pub opened: usize,
    pub minute: usize,
    pub state: &'static str,
    pub group: &'static str,
    pub assignee: &'static str,
    pub reassigned: i32,
    pub reopened: i32,
    pub subcategory: &'static str,
    pub levels: (i32, i32),
}

impl Line {
    pub fn new(number: &'static str) -> Line {
        Line {
            number,
            count: 0,
            opened: 0,
            minute: 0,
            state: "New",
            group: "desk",
            assignee: "?",
            reassigned: 0,
            reopened: 0,
            subcategory: "Phone",
            levels: (2, 2),
        }
    }
    pub fn count(self, count: i64) -> Line {
        Line { count, ..self }
    }
    pub fn opened(self, opened: usize) -> Line {
        Line { opened, ..self }
    }
    pub fn minute(self, minute: usize) -> Line {
        Line { minute, ..self }
    }
    pub fn group(self, group: &'static str) -> Line {
        Line { group, ..self }
    }
    pub fn reassigned(self, reassigned: i32) -> Line {
        Line { reassigned, ..self }
    }
    pub fn subcategory(self, subcategory: &'static str) -> Line {
        Line { subcategory, ..self }
    }
    fn then(&self, state: &'static str) -> Line {
        Line { state, count: self.count + 1, minute: self.minute + 1, ..self.clone() }
    }
}

const HEADER: &str = "priority,number,incident_state,reassignment_count,reopen_count,sys_mod_count,caller_id,opened_by,opened_at,\
    sys_updated_by,sys_updated_at,contact_type,location,category,subcategory,u_symptom,cmdb_ci,impact,urgency,\
    assignment_group,assigned_to,problem_id,closed_code";

fn text(lines: &[Line]) -> String {
    let mut text = format!("{HEADER}\n");
    for l in lines {
        let (impact, urgency) = l.levels;
        let priority = (impact + urgency - 1).min(4);
        writeln!(
            text,
            "{priority} - P,{},{},{},{},{},Caller  7,Opener 1,29/2/2016 10:{:02},Agent {},29/2/2016 10:{:02},Phone,?,\
             Mail,{},Slow,ci 1,{impact} - I,{urgency} - U,{},{},?,code 6",
            l.number,
            l.state,
            l.reassigned,
            l.reopened,
            l.count,
            l.opened,
            l.count % 3,
            l.minute,
            l.subcategory,
            l.group,
            l.assignee,
        )
        .unwrap();
    }
    text
}

/// A log of these rows.
pub fn log(lines: &[Line]) -> Log {
    Log::parse(text(lines).as_bytes()).unwrap()
}

/// Priority by the formula of the log; routing to the largest team.
struct ByFormula;

impl Decide for ByFormula {
    fn decide(&self, connection: &mut AnyConnection, question: &Question<'_>) -> Result<Answer> {
        let level = |name: &str| question.record[name].as_i64().unwrap() as i32;
        let effects = match question.decision {
            "priority" => vec![Effect::Priority((level("impact") + level("urgency") - 1).min(4))],
            "routing" => {
                assert!(question.before.is_some() || question.record["team_id"].is_null(), "the answer was shown");
                let desk = team::table.filter(team::name.eq("desk")).select(team::id).first(connection).optional()?;
                desk.map(Effect::Team).into_iter().collect()
            }
            _ => Vec::new(),
        };
        let row = DecisionRow {
            id: RowId::new(),
            at: question.cause.at,
            record_id: crate::id::RecordId::new(),
            record_version: 0,
            kind: question.decision.to_owned(),
            cause: JsonText::empty_object(),
            policy_id: None,
            policy_version: None,
            policy_sha256: String::new(),
            mode: "live".to_owned(),
            input: JsonText::empty_object(),
            input_sha256: String::new(),
            host_calls: JsonText::empty_list(),
            result: JsonText::empty_list(),
            applied: JsonText::empty_list(),
            discarded: JsonText::empty_list(),
            rules: JsonText::empty_list(),
            outcome: "ok".to_owned(),
            error: None,
            operations: 0,
            microseconds: 0,
            place: 0,
            differs: None,
        };
        Ok(Answer { effects, log: vec![row] })
    }
}

/// A server without a door.
struct House {
    kernel: Arc<Kernel>,
    database: Database,
    writer: Writer<Pending>,
    _folder: tempfile::TempDir,
}

impl House {
    fn new() -> House {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(folder.path().join("test.db").to_str().unwrap(), 2).unwrap();
        let mut connection = database.connect().unwrap();
        migrate::up(&mut connection).unwrap();
        let now = "2016-02-29T11:00:00Z".parse().unwrap();
        practice::ALL.iter().for_each(|practice| practice.ship(&mut connection, now).unwrap());
        let kernel = Arc::new(Kernel::new(practice::ALL, Arc::new(ByFormula), database.clone(), 5));
        let writer = Writer::start(&database, 1, 50).unwrap();
        House { kernel, database, writer, _folder: folder }
    }

    fn replay(&self, log: Log, mode: Mode) -> Report {
        let organisation = "ServiceNow import".to_owned();
        let options = Options {
            file: "log.csv".into(),
            from: None,
            until: None,
            mode,
            organisation,
            now: "2016-02-29T11:00:00Z".parse().unwrap(),
        };
        replay_log(Arc::clone(&self.kernel), &self.database, &self.writer, log, &options, &()).unwrap()
    }

    fn connection(&self) -> AnyConnection {
        self.database.connect().unwrap()
    }

    /// Everything that was ever done.
    fn trail(&self) -> Vec<(i64, String, String)> {
        let trail = audit::table.order(audit::seq).select((audit::seq, audit::action, audit::hash));
        trail.load(&mut self.connection()).unwrap()
    }
}

/// An incident with all that can happen, and one that is closed at once.
fn eventful() -> Vec<Line> {
    let new = Line { minute: 3, ..Line::new("INC1") };
    let waiting = Line { assignee: "Solver 1", ..new.then("Awaiting User Info") };
    let elsewhere = Line { group: "net", reassigned: 1, levels: (1, 1), ..waiting.then("Awaiting Vendor") };
    let unnamed = Line { reassigned: 2, ..elsewhere.then("Active") };
    let nobody = Line { group: "?", reassigned: 3, assignee: "?", ..unnamed.then("Active") };
    let resolved = Line { group: "net", reassigned: 4, ..nobody.then("Resolved") };
    let again = Line { reopened: 1, ..resolved.then("Awaiting Evidence") };
    let closed = Line { count: 20, ..again.then("Closed") };
    let noted = Line { count: 21, subcategory: "Web", ..closed.clone() };
    let other = Line { opened: 2, minute: 4, ..Line::new("INC2") };
    let mut lines = vec![new, waiting, elsewhere, unnamed, nobody, resolved, again, closed, noted];
    lines.extend([other.clone(), other.then("Closed")]);
    lines
}

#[test]
fn a_log_is_replayed_by_the_calls_of_its_agents() {
    let house = House::new();
    let report = house.replay(log(&eventful()), Mode::Observe);
    assert!(report.bad_rows.is_empty(), "{report}");
    assert_eq!((report.events, report.replayed, report.there_already), (13, 13, 0), "{report}");
    let c = &report.comparison;
    for (share, of) in [(&c.priority, 11), (&c.reassignment_count, 2), (&c.reopen_count, 2), (&c.final_state, 2)] {
        assert!(share.is_whole() && share.of == of, "{report}\n{report:?}");
    }
    assert!(c.final_team.is_whole() && c.routing.is_whole() && c.routing.of == 2, "{report}");
    assert_eq!(report.unnamed_hand_overs, [5]);
    let actions: Vec<String> = house.trail().into_iter().map(|(_, action, _)| action).collect();
    let done: Vec<&str> = actions.iter().filter_map(|a| a.strip_prefix("incident.")).collect();
    let wanted = "created created updated started on_hold updated on_hold resolved closed updated resumed \
                  updated updated resolved reopened on_hold resolved closed updated";
    assert_eq!(done.join(" "), wanted.split_whitespace().collect::<Vec<_>>().join(" "));
}

#[test]
fn a_second_replay_changes_nothing_and_one_that_was_cut_off_goes_on() {
    let house = House::new();
    let lines = eventful();
    let cut = house.replay(log(&lines[..4]), Mode::Observe);
    assert_eq!(cut.replayed, 5, "{cut}");
    let whole = house.replay(log(&lines), Mode::Observe);
    assert_eq!((whole.replayed, whole.there_already), (8, 5), "{whole}");
    assert!(whole.comparison.reassignment_count.is_whole() && whole.comparison.final_state.is_whole(), "{whole}");
    let before = house.trail();
    let again = house.replay(log(&lines), Mode::Observe);
    assert_eq!((again.replayed, again.there_already, again.calls), (0, 13, 0), "{again}");
    assert_eq!(house.trail(), before);
    assert_eq!(json!(again.comparison), json!(whole.comparison));
}

#[test]
fn bad_rows_are_reported_with_their_reason_and_cost_only_themselves() {
    let house = House::new();
    let lines = eventful();
    let mut text = text(&lines);
    // Nothing leads back to New, and what follows goes on from where the record stands.
    let third = Line { minute: 3, ..Line::new("INC3") };
    let back = third.then("Active").then("New");
    let third = self::text(&[third.clone(), third.then("Active"), back.clone(), back.then("Closed")]);
    text.extend(third.lines().skip(1).map(|l| format!("{l}\n")));
    let row = text.lines().nth(1).unwrap().to_owned();
    for wrong in [
        row.replace(",New,", ",Sleeping,"),
        row.replace("29/2/2016 10:03", "31/2/2016 10:03"),
        row.replace(",INC1,", ",?,"),
        row.replace("2 - I", "9 - I"),
        row.replacen(",Phone,", ",Phone,,", 1),
        row.replace(",Slow,", &format!(",{},", "x".repeat(101))),
        row.clone(),
        row.replace("INC1", &"x".repeat(101)),
    ] {
        text.push_str(&wrong);
        text.push('\n');
    }
    let report = house.replay(Log::parse(text.as_bytes()).unwrap(), Mode::Observe);
    let told: Vec<(u64, &str)> = report.bad_rows.iter().map(|b| (b.line, b.reason.as_str())).collect();
    let first = lines.len() as u64 + 6;
    let reasons = [
        (first - 2, "no step leads from `in_progress` to `new`"),
        (first, "incident_state is not known: `Sleeping`"),
        (first + 1, "sys_updated_at is no date: `31/2/2016 10:03`"),
        (first + 2, "it names no incident"),
        (first + 3, "impact is no level from 1 to 3: `9 - I`"),
        (first + 4, "it has 24 columns and the header 23"),
        (first + 5, "`xxxxxxxxxxxxxxxxxxxx…` is no line of at most 100 characters"),
        (first + 6, "sys_mod_count 0 does not rise"),
        (first + 7, "is no line of at most 100 characters"),
    ];
    assert_eq!(told.len(), reasons.len(), "{told:?}");
    for ((line, reason), (wanted_line, wanted)) in told.iter().zip(reasons) {
        assert!(*line == wanted_line && reason.contains(wanted), "{line} {reason}");
    }
    let c = &report.comparison;
    assert!(c.not_replayed.is_empty() && c.final_state.is_whole() && c.final_state.of == 3, "{report}");
}

#[test]
fn policies_that_decide_are_followed_and_agents_act_when_they_did() {
    let house = House::new();
    let new = Line { group: "net", assignee: "Solver 1", ..Line::new("INC1") };
    let moved = Line { group: "mail", reassigned: 1, ..new.then("Active") };
    let report = house.replay(log(&[new, moved, Line::new("INC2")]), Mode::Decide);
    assert!(report.bad_rows.is_empty() && report.comparison.priority.is_whole(), "{report}");
    // The policy sent both to the desk; then an agent moved the first, as in the log.
    assert_eq!((report.comparison.routing.equal, report.comparison.routing.of), (1, 2));
    assert!(report.comparison.final_team.is_whole() && report.comparison.reassignment_count.is_whole(), "{report}");
}

#[test]
fn holding_for_the_caller_says_so_in_public() {
    let house = House::new();
    house.replay(log(&eventful()), Mode::Observe);
    let comments: i64 =
        journal::table.filter(journal::kind.eq("comment")).count().get_result(&mut house.connection()).unwrap();
    assert_eq!(comments, 2);
    let numbers: Vec<String> = record::table
        .filter(record::kind.eq("incident"))
        .order(record::number)
        .select(record::number)
        .load(&mut house.connection())
        .unwrap();
    assert_eq!(numbers, ["INC0000001", "INC0000002"]);
}

/// The beginning of a real log where it lies beside the project; the tests above need none.
#[test]
fn the_beginning_of_a_real_log_is_reproduced_exactly() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../shared/data/uci498_incident_events_until_2016-04.csv.gz");
    if !path.exists() {
        eprintln!("{} is not there: only the small log of our own was replayed", path.display());
        return;
    }
    let mut log = Log::read(&path).unwrap();
    let learned = learn::learn(&log, learn::Split::Percent(70), learn::Key::Subcategory, learn::Lesson::First).unwrap();
    let first = &learned.report.scores[0];
    assert!(first.top_1 * 100 >= first.tested * 59 && first.top_1 > first.largest_group, "{}", learned.report);
    log.stories.truncate(300);
    let report = House::new().replay(log, Mode::Observe);
    let c = &report.comparison;
    for share in [&c.priority, &c.reassignment_count, &c.reopen_count, &c.final_state, &c.final_team] {
        assert!(share.is_whole() && share.of > 0, "{report}");
    }
}
