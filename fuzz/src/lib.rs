//! What the fuzzer tries and the tests repeat (`tests/api/fuzzed.rs`): each takes bytes of any kind, and panics where the
//! server is wrong.
//!
//! The first byte chooses (a kind of record, a decision); the rest is what somebody sends.

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use chrono::Datelike;
use chrono_tz::Tz;
use diesel::prelude::*;
use pointsman::{
    assembly::Assembly,
    clock::{Clock, Moment},
    config::{Config, DatabaseUrl},
    db::AnyConnection,
    error::{Code, Result},
    id::RecordId,
    integration::servicenow::{log::Log, story::Event},
    policy::{
        decision::DECISIONS,
        evaluate::{Input, Outcome as Ran, evaluate},
        facts::{self, Schemas},
        format::format,
        host::{Host, Offline, Recorded},
        program::compile,
        runner::on_ample_stack,
        testing::run_tests,
        validate::validate,
    },
    practice,
    record::{
        calendar::{Calendar, content::Content, holidays},
        cause::{Cause, Policies, Via},
        compile, custom_admin,
        kind::{Field, Holds, Kind, Write},
        query::filter::{Filter, parse},
        store::{Desk, Outcome},
    },
    schema::record,
};
use serde_json::{Map, Value, json};

/// The longest that a policy or its tests may take by the clock on the wall, on a machine that is busy elsewhere.
const PATIENCE: Duration = Duration::from_secs(8);
/// What every log begins with.
const HEADER: &[u8] =
    b"number,incident_state,reassignment_count,reopen_count,sys_mod_count,caller_id,opened_by,opened_at,\
    sys_updated_by,sys_updated_at,contact_type,location,category,subcategory,u_symptom,cmdb_ci,impact,urgency,priority,\
    assignment_group,assigned_to,problem_id,closed_code\n";

/// A server with records and custom fields, without HTTP.
pub struct House {
    assembly: Assembly,
    connection: AnyConnection,
    records: Vec<(&'static Kind, RecordId)>,
}

impl House {
    /// On an empty database.
    pub fn on(url: &str) -> House {
        let mut config = Config::default();
        config.database.url = DatabaseUrl::new(url);
        let assembly = Assembly::open(config, Clock::set_to(now())).unwrap();
        let connection = AnyConnection::open(url).unwrap();
        let mut house = House { assembly, connection, records: Vec::new() };
        house.settle();
        house
    }

    fn settle(&mut self) {
        for of in ["text", "integer", "decimal", "boolean", "date", "time", "choice"] {
            let new = custom_admin::New {
                kind: "incident".to_owned(),
                name: format!("my_{of}"),
                label: of.to_owned(),
                help: String::new(),
                field_type: of.to_owned(),
                choices: if of == "choice" { vec!["one".to_owned(), "two".to_owned()] } else { Vec::new() },
                required: false,
                pattern: (of == "text").then(|| "[a-z ]*".to_owned()),
                target_class: None,
            };
            self.write(true, move |desk| custom_admin::create(desk, new.clone())).unwrap();
        }
        for kind in kinds() {
            let needed = kind.all_fields().filter(|field| field.write == Write::Required);
            let body: Map<String, Value> = needed.map(|field| (field.name.to_owned(), any(field))).collect();
            let made = self.write(true, move |desk| desk.kernel.practice(kind.name)?.create(desk, body.clone()));
            self.records.push((kind, made.unwrap().id));
        }
    }

    /// Does what a request would, in its transaction; what was written stays only if it is `kept`.
    fn write<T: Send + 'static>(
        &self,
        kept: bool,
        mut work: impl FnMut(&mut Desk<'_, '_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (kernel, cause) = (self.assembly.kernel.clone(), self.cause());
        self.assembly.writer.run_blocking(move |unit| {
            if !kept {
                unit.discard();
            }
            let done = work(&mut Desk { kernel: &kernel, unit, cause: &cause })?;
            // Rows that wait for the rest of their group are written, so that the database sees them.
            unit.connection()?;
            Ok(done)
        })
    }

    fn cause(&self) -> Cause {
        Cause {
            caller: self.assembly.server.clone(),
            via: Via::Api,
            request_id: "fuzz".to_owned(),
            reason: String::new(),
            at: now(),
            policies: Policies::Decide,
            depth: 0,
        }
    }

    /// A filter that can be read is printed and read again as the same, and runs, as it is and turned round.
    pub fn filter(&mut self, data: &[u8]) {
        let Some((first, text)) = split(data) else { return };
        let kinds = kinds();
        let kind = kinds.get(first % (kinds.len() + 1)).copied();
        let catalogue = self.assembly.kernel.catalogue(&mut self.connection, kind, &kinds).unwrap();
        let Ok(filter) = parse(text, &*catalogue, now()) else { return };
        let printed = filter.to_string();
        if let Ok(again) = parse(&printed, &*catalogue, now()) {
            assert_eq!(again, filter, "{printed}");
        }
        for filter in [filter.clone(), Filter::Not(Box::new(filter))] {
            let condition = compile::filter(&filter, &catalogue, &self.assembly.server).unwrap();
            let fitting = record::table.filter(condition).select(record::id).limit(1);
            fitting.load::<RecordId>(&mut self.connection).unwrap_or_else(|e| panic!("{filter}: {e}"));
        }
    }

    /// A JSON body makes or changes a record, or is refused for a reason that its sender can do something about.
    pub fn merge_patch(&mut self, data: &[u8]) {
        let Some((first, text)) = split(data) else { return };
        let Ok(Value::Object(body)) = serde_json::from_str(text) else { return };
        let (kind, id) = self.records[first % self.records.len()];
        let (new, patch) = (body.clone(), body);
        explained(self.write(false, move |desk| desk.kernel.practice(kind.name)?.create(desk, new.clone())), text);
        let change =
            move |desk: &mut Desk<'_, '_>| desk.kernel.practice(kind.name)?.change(desk, id, None, patch.clone());
        explained(self.write(false, change), text);
    }
}

fn explained(outcome: Result<Outcome>, text: &str) {
    if let Err(e) = outcome {
        let senders = matches!(e.code, Code::Invalid | Code::Conflict | Code::NotFound | Code::RefusedByPolicy);
        assert!(senders, "{text}: {e:?}");
    }
}

/// The years of which holidays are looked for.
const YEARS: RangeInclusive<i32> = 2020..=2030;

/// What an iCalendar says of holidays is refused with a place, or makes days of the years that were asked for, each once, that a
/// calendar can have.
pub fn holidays(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // Most of what a fuzzer makes of the lines around an event is none.
    let whole = format!("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n{text}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n");
    for text in [text, &whole] {
        match holidays::of_ical(text, &YEARS) {
            Err(error) => assert!([Code::Malformed, Code::Invalid].contains(&error.code), "{error}"),
            Ok(found) => {
                assert!(found.days.keys().all(|day| YEARS.contains(&day.year())), "{:?}", found.days);
                let mut content = Content::default();
                assert_eq!(found.join(&mut content).added.len(), found.days.len());
                assert!(found.join(&mut content).added.is_empty());
                // There is a limit to what a calendar has; nothing else may be wrong.
                let wrong = Calendar::new(Tz::UTC, &content).err().unwrap_or_default();
                assert!(wrong.iter().all(|wrong| wrong.code == "too_many"), "{wrong:?}");
            }
        }
    }
}

/// Each row of a log becomes an event or a bad row, and within a story positions rise and moments don't fall.
pub fn import(data: &[u8]) {
    // Most of what a fuzzer makes of a header is none.
    let whole = [HEADER, data].concat();
    for text in [data, &whole] {
        let Ok(log) = Log::parse(text) else { continue };
        let dropped = log.bad.iter().filter(|row| !row.replayed).count();
        // The first event of a story is that the incident was reported, which is no row.
        let told: usize = log.stories.iter().map(|story| story.events.len() - 1).sum();
        assert_eq!(told + dropped, usize::try_from(log.rows).unwrap(), "{:?}", log.bad);
        for story in &log.stories {
            let ordered = |pair: &[Event]| pair[0].position < pair[1].position && pair[0].at <= pair[1].at;
            assert!(story.events.windows(2).all(ordered), "{story:?}");
        }
    }
}

/// A script is compiled or refused with a reason; what compiles keeps within its limits, says the same when it is asked
/// again with the answers that it got, and stays as it is when it was laid out.
pub fn policy(data: &[u8]) {
    let Some((first, source)) = split(data) else { return };
    let decision = DECISIONS[first % DECISIONS.len()].decision;
    on_ample_stack(|| {
        let (schemas, host): (_, Arc<dyn Host>) = (Schemas::shipped(), Arc::new(Offline::default()));
        let problems = validate(source, decision, None, schemas, &*host);
        let program = match compile(source, decision) {
            Ok(program) => Arc::new(program),
            Err(_) => return assert!(!problems.is_empty(), "refused without a reason"),
        };
        let schema = schemas.of(program.kind());
        let laid_out = format(source).unwrap();
        assert_eq!(format(&laid_out).as_ref(), Ok(&laid_out), "laid out anew");
        let beside = decision.spec().beside().and_then(facts::beside).map(|schema| schema.made_up());
        let input = Input { beside, ..Input::new(schema.made_up(), now()) };
        let run = evaluate(&program, &input, &host);
        assert!(Duration::from_micros(run.microseconds) < PATIENCE, "{} µs", run.microseconds);
        let again = evaluate(&program, &input, &(Arc::new(Recorded::new(&run.host_calls)) as Arc<dyn Host>));
        if ![run.outcome, again.outcome].contains(&Ran::Limit) {
            assert_eq!((again.effects, again.error), (run.effects, run.error), "another answer");
        }
        let tests = run_tests(&program, schema, &host);
        assert!(Duration::from_micros(tests.iter().map(|test| test.microseconds).sum()) < PATIENCE, "{tests:?}");
    })
    .unwrap();
}

/// The choice, and the text after it.
fn split(data: &[u8]) -> Option<(usize, &str)> {
    let (first, rest) = data.split_first()?;
    Some((usize::from(*first), std::str::from_utf8(rest).ok()?))
}

fn kinds() -> Vec<&'static Kind> {
    practice::ALL.iter().map(|practice| practice.kind()).collect()
}

/// A value that a required field takes.
fn any(field: &Field) -> Value {
    match field.holds {
        Holds::Choice(choices) => json!(choices[0]),
        Holds::Class => json!("other"),
        _ => json!("There before"),
    }
}

/// A Tuesday.
fn now() -> Moment {
    "2026-03-03T10:00:00Z".parse().unwrap()
}
