//! A process that runs scripts, and is watched: what each comes to, how long it takes, how much memory, and whether the process
//! lives. One that dies or hangs is begun again behind the script that killed it.

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::{Arc, mpsc},
    time::Duration,
};

use cpu_time::ThreadTime;
use pointsman::policy::{
    decision::Decision,
    evaluate::{Input, Outcome, evaluate},
    facts::{self, Facts},
    host::{Host, Offline},
    program::compile,
    runner::on_ample_stack,
    table::Table,
    testing::run_tests,
    validate::validate,
};
use serde_json::json;

use super::{grammar::Grammar, table};

/// How much of a processor's time each script may take: compiled and run, checked, or each of its tests. Scripts wait for nothing, so
/// this is how long they take, whatever else the machine has to do.
pub const SOON: Duration = Duration::from_millis(500);
/// After how long without a word a process is killed, on a machine that is busy elsewhere.
const PATIENCE: Duration = Duration::from_secs(30);
/// The option by which the program is told to run scripts.
const OPTION: &str = "--run-scripts";
/// The memory that a process has for addresses, in KiB: to ask for more than it ever needs ends it.
const ADDRESSES: u64 = 4 << 20;

/// Which scripts there are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Those that mean harm.
    Hostile,
    /// Those that come by chance.
    Random,
}

impl Kind {
    fn name(self) -> &'static str {
        if self == Kind::Hostile { "hostile" } else { "random" }
    }

    /// The scripts of these numbers.
    fn sources(self, from: usize, until: usize) -> Box<dyn Iterator<Item = String>> {
        match self {
            Kind::Hostile => {
                Box::new(table::all().into_iter().skip(from).take(until - from).map(|attack| attack.source))
            }
            Kind::Random => {
                let grammar = Grammar::new();
                Box::new((from..until).map(move |n| grammar.script(n as u64)))
            }
        }
    }
}

/// What a script came to.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Its number.
    pub number: usize,
    /// As [`table::Ends`] says it; `killed` where the process died or hung.
    pub ended: String,
    /// What took most of compiling and running it, checking it, and one of its tests.
    pub took: Duration,
    /// KiB at the most beyond those at the start; 0 where the system does not tell.
    pub kib: u64,
}

/// Runs scripts of these numbers in processes of their own.
pub fn watch(kind: Kind, numbers: std::ops::Range<usize>) -> Vec<Ran> {
    let (mut all, mut from) = (Vec::new(), numbers.start);
    while from < numbers.end {
        let program = std::env::current_exe().unwrap();
        let limited = format!("ulimit -v {ADDRESSES}; exec \"$0\" \"$@\"");
        let mut child = Command::new("sh")
            .args(["-c", &limited])
            .arg(program)
            .args([OPTION, kind.name(), &from.to_string(), &numbers.end.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (told, heard) = mpsc::channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let listening = std::thread::spawn(move || lines.for_each(|line| drop(told.send(line))));
        while let Ok(line) = heard.recv_timeout(PATIENCE) {
            all.extend(Ran::read(&line));
        }
        // It has ended by itself, or says nothing any more.
        drop(child.kill());
        child.wait().unwrap();
        listening.join().unwrap();
        from = all.last().map_or(from, |last| last.number + 1);
        if from < numbers.end {
            all.push(Ran { number: from, ended: "killed".to_owned(), took: Duration::ZERO, kib: 0 });
            from += 1;
        }
    }
    all
}

impl Ran {
    fn read(line: &str) -> Option<Ran> {
        let mut parts = line.splitn(4, '\t');
        let mut next = || parts.next();
        let (number, took, kib) = (next()?.parse().ok()?, next()?.parse().ok()?, next()?.parse().ok()?);
        Some(Ran { number, ended: next()?.to_owned(), took: Duration::from_micros(took), kib })
    }
}

/// Runs what a process that is watched is told to run. Nothing where this one is not.
pub fn is_told(arguments: &[String]) -> bool {
    let [option, kind, from, until] = arguments else { return false };
    if option != OPTION {
        return false;
    }
    let kind = if kind == Kind::Hostile.name() { Kind::Hostile } else { Kind::Random };
    let (from, until) = (from.parse().unwrap(), until.parse().unwrap());
    on_ample_stack(|| run_all(kind, from, until)).unwrap();
    true
}

fn run_all(kind: Kind, from: usize, until: usize) {
    let bench = Bench::new();
    // What the first run needs and every later one has.
    bench.run("fn route(i) { leave() } fn test_it() { expect(1, 1) }");
    let start = memory("VmRSS:").unwrap_or(0);
    for (number, source) in (from..until).zip(kind.sources(from, until)) {
        // From here on the system counts the most that this process has.
        drop(std::fs::write("/proc/self/clear_refs", "5"));
        let (ended, took) = bench.run(&source);
        let kib = memory("VmHWM:").unwrap_or(0).saturating_sub(start);
        println!("{number}\t{}\t{kib}\t{ended}", took.as_micros());
    }
}

/// A figure of this process, in KiB.
fn memory(figure: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix(figure)?.trim().strip_suffix(" kB")?.trim().parse().ok())
}

/// What scripts are run on.
struct Bench {
    record: Facts,
    host: Arc<dyn Host>,
}

impl Bench {
    fn new() -> Bench {
        let tables = [
            (
                "teams",
                json!({"columns": [{"name": "name", "type": "text"}, {"name": "team", "type": "text"}],
                "keys": 1, "rows": [["network", "network-operations"], ["mail", "mail"]]}),
            ),
            (
                "levels",
                json!({"columns": [{"name": "impact", "type": "int"}, {"name": "urgency", "type": "int"},
                {"name": "priority", "type": "int"}], "keys": 2, "rows": [[1, 1, 9], [1, 2, 2]]}),
            ),
        ];
        let tables = tables.map(|(name, json)| Table::from_json(name, &json).unwrap());
        let mut record = Facts::builder(&facts::incident());
        let long = "The mail server does not answer, and phishing came before. ".repeat(60);
        let tags: Vec<String> = (0..200).map(|n| format!("tag-{n}")).collect();
        record.set("title", "Mail does not arrive").unwrap().set("description", long.as_str()).unwrap();
        record.set("tags", &*tags).unwrap().set("impact", 2).unwrap().set("urgency", 2).unwrap();
        Bench { record: record.build(), host: Arc::new(Offline::new(tables)) }
    }

    /// What a script comes to, and what took most.
    fn run(&self, source: &str) -> (String, Duration) {
        let decision = match () {
            () if source.contains("fn check(") => Decision::Guard,
            () if source.contains("fn prioritise(") => Decision::Priority,
            () if source.contains("fn escalate(") => Decision::Escalation,
            () => Decision::Routing,
        };
        let schema = facts::incident();
        let mut watch = Watch::start();
        let program = compile(source, decision).map(Arc::new);
        let input = Input::new(self.record.clone(), "2026-03-03T10:00:00Z".parse().unwrap());
        let beside = decision.spec().beside().and_then(facts::beside).map(|schema| schema.made_up());
        let input = Input { beside, ..input };
        let evaluation = program.as_ref().map(|program| evaluate(program, &input, &self.host));
        let ran = watch.lap();
        let problems = validate(source, decision, None, facts::Schemas::shipped(), &*self.host);
        let checked = watch.lap();
        let tests = program.as_ref().map_or(Vec::new(), |program| run_tests(program, &schema, &self.host));
        let tested = watch.lap() / u32::try_from(tests.len().max(1)).unwrap();
        let mut ended = match evaluation {
            Err(problems) => format!("refused: {}", problems[0].code),
            Ok(run) => match (run.outcome, run.error) {
                (Outcome::Error, Some(error)) => format!("error: {}", error.code),
                (Outcome::Ok, None) => "decided".to_owned(),
                (Outcome::Passed, None) => "passed".to_owned(),
                (outcome, _) => format!("{outcome:?}").to_lowercase(),
            },
        };
        if program.is_err() && problems.is_empty() {
            write!(ended, ", and checked without a reason").unwrap();
        }
        if std::env::var_os("POINTSMAN_TEST_LOG").is_some() {
            eprintln!(
                "{source}\n{ended}: ran {ran:?}, checked {checked:?}, tested {tested:?}\n{problems:?}\n{tests:?}"
            );
        }
        (ended, ran.max(checked).max(tested))
    }
}

/// Counts the time that this thread has of a processor.
struct Watch(ThreadTime);

impl Watch {
    fn start() -> Watch {
        Watch(ThreadTime::now())
    }

    fn lap(&mut self) -> Duration {
        let took = self.0.elapsed();
        self.0 = ThreadTime::now();
        took
    }
}
