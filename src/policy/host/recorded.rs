//! Hosts that give the answers of a decision that was made again.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{Answer, Asked, Host, HostCall};
use crate::{
    clock::Moment,
    error::Result,
    policy::{
        facts::Cell,
        table::{Head, Row, Table},
    },
    record::calendar::BUSINESS_HOURS,
};

/// A host that gives recorded answers.
pub struct Recorded {
    answers: HashMap<(Asked, Vec<Cell>), bool>,
    /// Who was on call, by team and moment, also where nobody was.
    on_call: HashMap<Vec<Cell>, Option<String>>,
    tables: HashMap<String, Arc<Table>>,
}

/// A key, and the row that answered it.
type Answered = (Vec<Cell>, Vec<Cell>);

impl Recorded {
    /// From the look-ups of one decision.
    pub fn new(calls: &[HostCall]) -> Recorded {
        let (mut answers, mut on_call) = (HashMap::new(), HashMap::new());
        let mut tables: HashMap<String, (Arc<Head>, Vec<Answered>)> = HashMap::new();
        for call in calls {
            if call.function == Asked::OnCall {
                let user = if let Answer::Text(user) = &call.result { Some(user.clone()) } else { None };
                on_call.insert(call.arguments.clone(), user);
                continue;
            }
            match (&call.result, &*call.arguments) {
                (Answer::Bool(answer), arguments) => drop(answers.insert((call.function, arguments.to_vec()), *answer)),
                (Answer::Head(head), [Cell::Text(name), ..]) => {
                    tables.entry(name.to_string()).or_insert_with(|| (Arc::clone(head), Vec::new()));
                }
                (Answer::Row(row), [Cell::Text(name), key @ ..]) => {
                    if let Some((_, rows)) = tables.get_mut(name.as_str()) {
                        rows.push((key.to_vec(), row.to_vec()));
                    }
                }
                (Answer::Nothing | Answer::Text(_) | Answer::Head(_) | Answer::Row(_), _) => {}
            }
        }
        let table = |(name, (head, rows)): (String, (Arc<Head>, Vec<_>))| {
            let table = Table::of_answers(&name, Head::clone(&head), rows).ok()?;
            Some((name, Arc::new(table)))
        };
        Recorded { answers, on_call, tables: tables.into_iter().filter_map(table).collect() }
    }

    fn answer(&self, asked: Asked, arguments: &[&str]) -> Option<bool> {
        let arguments = arguments.iter().map(|text| Cell::Text((*text).into())).collect();
        self.answers.get(&(asked, arguments)).copied()
    }

    /// Who was on call, if that was asked.
    fn was_on_call(&self, team: &str, at: Moment) -> Option<Option<String>> {
        self.on_call.get([Cell::Text(team.into()), Cell::Text(at.to_string().into())].as_slice()).cloned()
    }
}

impl Host for Recorded {
    fn team_exists(&self, name: &str) -> bool {
        self.answer(Asked::TeamExists, &[name]).unwrap_or(false)
    }
    fn user_exists(&self, name: &str) -> Result<bool> {
        Ok(self.answer(Asked::UserExists, &[name]).unwrap_or(false))
    }
    fn team_names(&self) -> Vec<String> {
        Vec::new()
    }
    fn table(&self, name: &str) -> Option<Arc<Table>> {
        self.tables.get(name).cloned()
    }
    fn table_names(&self) -> Vec<String> {
        Vec::new()
    }
    fn business_hours(&self, calendar: &str, at: Moment) -> Option<bool> {
        let at = at.to_string();
        // Before there were calendars, the moment alone was recorded.
        let before = || self.answer(Asked::BusinessHours, &[&at]).filter(|_| calendar == BUSINESS_HOURS);
        self.answer(Asked::BusinessHours, &[calendar, &at]).or_else(before)
    }
    fn calendar_names(&self) -> Vec<String> {
        Vec::new()
    }
    fn on_call(&self, team: &str, at: Moment) -> Option<String> {
        self.was_on_call(team, at).flatten()
    }
}

/// A host that gives recorded answers, and to what was not asked then those of another.
pub struct RecordedOr {
    recorded: Recorded,
    /// The keys that each table was asked for, also where there was no row.
    asked: HashMap<String, HashSet<Vec<Cell>>>,
    host: Arc<dyn Host>,
}

impl RecordedOr {
    /// From the look-ups of one decision.
    pub fn new(calls: &[HostCall], host: Arc<dyn Host>) -> RecordedOr {
        let recorded = Recorded::new(calls);
        let mut asked: HashMap<String, HashSet<Vec<Cell>>> = HashMap::new();
        for call in calls.iter().filter(|call| call.function == Asked::Find) {
            if let [Cell::Text(name), key @ ..] = &*call.arguments
                && let Some(key) = recorded.tables.get(name.as_str()).and_then(|t| t.read_key(key.to_vec()).ok())
            {
                asked.entry(name.to_string()).or_default().insert(key);
            }
        }
        RecordedOr { recorded, asked, host }
    }
}

impl Host for RecordedOr {
    fn team_exists(&self, name: &str) -> bool {
        self.recorded.answer(Asked::TeamExists, &[name]).unwrap_or_else(|| self.host.team_exists(name))
    }
    fn user_exists(&self, name: &str) -> Result<bool> {
        self.recorded.answer(Asked::UserExists, &[name]).map_or_else(|| self.host.user_exists(name), Ok)
    }
    fn team_names(&self) -> Vec<String> {
        self.host.team_names()
    }
    fn table(&self, name: &str) -> Option<Arc<Table>> {
        self.host.table(name).or_else(|| self.recorded.table(name))
    }
    fn find(&self, table: &Table, key: &[Cell]) -> Option<Row> {
        // What was recorded of a table that has other columns by now fits it no more.
        let then = self.recorded.tables.get(table.name()).filter(|then| then.head() == table.head());
        let was_asked = self.asked.get(table.name()).is_some_and(|keys| keys.contains(key));
        match then.filter(|_| was_asked) {
            Some(then) => then.find(key).cloned(),
            None => self.host.find(table, key),
        }
    }
    fn table_names(&self) -> Vec<String> {
        self.host.table_names()
    }
    fn business_hours(&self, calendar: &str, at: Moment) -> Option<bool> {
        self.recorded.business_hours(calendar, at).or_else(|| self.host.business_hours(calendar, at))
    }
    fn calendar_names(&self) -> Vec<String> {
        self.host.calendar_names()
    }
    fn on_call(&self, team: &str, at: Moment) -> Option<String> {
        self.recorded.was_on_call(team, at).unwrap_or_else(|| self.host.on_call(team, at))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::policy::{
        decision::Decision,
        evaluate::{Input, evaluate},
        facts,
        functions::test_clock,
        host::Offline,
        program::compile,
        runner::on_ample_stack,
    };

    #[test]
    fn what_was_not_asked_then_is_answered_as_it_is_now() {
        let table = |name: &str, rows: serde_json::Value| {
            let columns = json!([{"name": "category", "type": "text"}, {"name": "team", "type": "text"}]);
            Table::from_json(name, &json!({"columns": columns, "keys": 1, "rows": rows})).unwrap()
        };
        let text = |text: &str| Cell::Text(text.into());
        let then = table("t", json!([["mail", "old"]]));
        let call = |function, arguments: &[&str], result| HostCall {
            function,
            arguments: arguments.iter().map(|a| text(a)).collect(),
            result,
        };
        let calls = [
            call(Asked::TeamExists, &["gone"], Answer::Bool(true)),
            call(Asked::UserExists, &["gone"], Answer::Bool(true)),
            call(Asked::Table, &["t"], Answer::Head(Arc::clone(then.head()))),
            call(Asked::Find, &["t", "mail"], Answer::Row(then.rows()[0].clone())),
            call(Asked::Find, &["t", "none"], Answer::Nothing),
            call(Asked::BusinessHours, &["2025-01-07T10:00:00Z"], Answer::Bool(false)),
        ];
        let now = Offline::new([
            table("t", json!([["mail", "new"], ["none", "new"], ["print", "new"]])),
            table("other", json!([["mail", "other"]])),
        ]);
        let host = RecordedOr::new(&calls, Arc::new(now));
        let find = |name: &str, key: &str| {
            let table = host.table(name).unwrap();
            host.find(&table, &[text(key)]).map(|row| row[1].clone())
        };
        assert_eq!(find("t", "mail"), Some(text("old")), "as it was answered then");
        assert_eq!(find("t", "none"), None, "that there was no row is an answer, too");
        assert_eq!(find("t", "print"), Some(text("new")), "nobody asked then");
        assert_eq!(find("other", "mail"), Some(text("other")));
        assert!(host.team_exists("gone") && host.team_exists("any") && !host.team_exists(""));
        assert!(host.user_exists("gone").unwrap() && !host.user_exists("").unwrap());
        let open = |at| host.business_hours(BUSINESS_HOURS, at);
        assert_eq!(open(test_clock()), Some(false), "as it was answered then");
        assert_eq!(open("2025-01-07T11:00:00Z".parse().unwrap()), Some(true));
        // Of a table that has other columns by now, nothing of what was recorded is taken.
        let wider = json!([{"name": "category", "type": "text"}, {"name": "team", "type": "text"}, {"name": "x", "type": "int"}]);
        let wider = Table::from_json("t", &json!({"columns": wider, "keys": 1, "rows": [["mail", "new", 1]]})).unwrap();
        let host = RecordedOr::new(&calls, Arc::new(Offline::new([wider])));
        assert_eq!(host.find(&host.table("t").unwrap(), &[text("mail")]).map(|row| row[1].clone()), Some(text("new")));
        // A table that is gone is as it was.
        let host = RecordedOr::new(&calls, Arc::new(Offline::default()));
        assert_eq!(host.find(&host.table("t").unwrap(), &[text("mail")]).map(|row| row[1].clone()), Some(text("old")));
    }

    #[test]
    fn what_was_looked_up_by_ranges_is_answered_again_from_the_written_log() {
        let columns = json!([
            {"name": "share", "type": "decimal", "match": "range"}, {"name": "at", "type": "time", "match": "range"},
            {"name": "team", "type": "text"},
        ]);
        let rows = json!([["0..1", "2025-01-01..", "a"], ["0..=0.5", "*", "b"], ["*", "*", "c"]]);
        let table = Table::from_json("t", &json!({"columns": columns, "keys": 2, "rows": rows})).unwrap();
        let source = "fn route(i) {\n    for share in [7, 0, 0] { notify(table(\"t\").find(share, now()).team); }\n    \
                      notify(table(\"t\").find(0, i.opened_at).team);\n    if !table(\"t\").has(1, ()) { leave() }\n}\n";
        on_ample_stack(|| {
            let program = compile(source, Decision::Routing).unwrap();
            let mut record = facts::Facts::builder(&facts::incident());
            record.set("opened_at", "2024-01-01T00:00:00Z".parse::<Moment>().unwrap()).unwrap();
            let input = Input::new(record.build(), test_clock());
            let host: Arc<dyn Host> = Arc::new(Offline::new([table]));
            let then = evaluate(&program, &input, &host);
            let gists: Vec<String> = then.said().map(crate::policy::decision::Effect::gist).collect();
            assert_eq!(gists, ["notify c", "notify a", "notify a", "notify b", "leave"], "{:?}", then.error);
            let log: Vec<HostCall> = serde_json::from_str(&serde_json::to_string(&then.host_calls).unwrap()).unwrap();
            let recorded: Arc<dyn Host> = Arc::new(Recorded::new(&log));
            let now = evaluate(&program, &input, &recorded);
            assert_eq!((now.effects, now.host_calls), (then.effects, then.host_calls));
        })
        .unwrap();
    }
}
