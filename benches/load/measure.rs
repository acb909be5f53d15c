//! The measurements of one database.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use pointsman::db::{AnyConnection, Engine};
use serde::Serialize;

use crate::{
    Options,
    fill::Store,
    floor,
    report::median,
    scenario::{Request, Subject},
    server::Server,
    wrk,
};

/// All figures of a database.
#[derive(Serialize)]
pub struct Measured {
    pub database: &'static str,
    pub records: usize,
    /// From the start of the process to the first answer.
    pub start_milliseconds: f64,
    /// Rows that a new incident has.
    pub rows: usize,
    pub lines: Vec<Line>,
    /// Page 1,000 against page 1, by their median times.
    pub deep_paging: Option<f64>,
    /// What others wait during a storm of logins against without, by their p99.
    pub login_storm: Option<f64>,
    /// The most memory that the server ever had, in MiB.
    pub memory: f64,
}

/// A scenario at a concurrency: medians over the rounds.
#[derive(Serialize)]
pub struct Line {
    pub scenario: &'static str,
    pub connections: usize,
    pub per_second: f64,
    pub p50_milliseconds: f64,
    pub p99_milliseconds: f64,
    /// Its rate against that of what it is compared with.
    pub ratio: Option<f64>,
    pub against: &'static str,
    /// Processor time of the server for each second.
    pub cores: f64,
    pub failed: u64,
}

/// A scenario, and what it is compared with.
struct Plan {
    name: &'static str,
    against: &'static str,
    requests: PathBuf,
}

/// What one run of a scenario came to, and its rate against what it is compared with.
struct Figure {
    run: wrk::Run,
    ratio: Option<f64>,
    cores: f64,
}

/// Of each concurrency and scenario, a figure for each round.
type Figures = BTreeMap<(usize, &'static str), Vec<Figure>>;

const STATIC: &str = "static";
const STATIC_PAGE: &str = "static page";
const FLOOR: &str = "floor";
const FLOOR_ALONE: &str = "floor, alone";

/// Measures everything.
pub fn all(store: &Store, options: &Options) -> Measured {
    let server = Server::start(&store.url);
    let mut connection = AnyConnection::open(&store.url).unwrap();
    let subject = Subject::of(&mut connection);
    drop(connection);
    let model = create_model(&server, &subject, options);
    let rows = floor::size(&store.url, &model);
    let plans = plans(&server, &subject, options);
    let mut figures = Figures::new();
    for round in 0..options.rounds {
        let alone = wanted(options, "create")
            .then(|| floor::run(store, &model, floor::alone(store.engine), 1, options.seconds));
        for &connections in &options.concurrency {
            eprintln!(
                "{}, {} records, round {}, {connections} connections",
                name(store.engine),
                store.records,
                round + 1
            );
            let mut rates: BTreeMap<&str, f64> = BTreeMap::new();
            rates.extend(alone.map(|rate| (FLOOR_ALONE, rate)));
            if wanted(options, "create") {
                let writers = floor::writers(store.engine).min(connections);
                let rate = floor::run(store, &model, writers, connections / writers, options.seconds);
                rates.insert(FLOOR, rate);
            }
            for plan in &plans {
                let requests = match plan.name {
                    // Others than before, which are new no more.
                    "transition" => {
                        let mut connection = AnyConnection::open(&store.url).unwrap();
                        wrk::file(&options.folder, "transition", &Subject::transition(&mut connection))
                    }
                    _ => plan.requests.clone(),
                };
                let before = server.processor_seconds();
                let run = wrk::run(&server.address, &server.token, &requests, connections, options.seconds);
                let cores = (server.processor_seconds() - before) / options.seconds as f64;
                let ratio = rates.get(plan.against).map(|base| run.per_second / base);
                rates.insert(plan.name, run.per_second);
                figures.entry((connections, plan.name)).or_default().push(Figure { run, ratio, cores });
                if plan.name == "create" {
                    let ratio = rates.get(FLOOR_ALONE).map(|base| run.per_second / base);
                    figures.entry((connections, CREATE_ALONE)).or_default().push(Figure { run, ratio, cores });
                }
            }
        }
    }
    Measured {
        database: name(store.engine),
        records: store.records,
        start_milliseconds: start_again(&store.url),
        rows,
        lines: lines(&figures, &plans),
        deep_paging: deep_paging(store, &server, options),
        login_storm: login_storm(&server, &subject, options),
        memory: server.memory().1,
    }
}

const CREATE_ALONE: &str = "create against one commit each";

/// How reports name a database.
pub fn name(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => "SQLite",
        Engine::Postgres => "PostgreSQL",
    }
}

fn wanted(options: &Options, scenario: &str) -> bool {
    options.only.is_empty() || options.only.iter().any(|only| only == scenario)
}

/// A new incident, as the server makes one: what the floor copies.
fn create_model(server: &Server, subject: &Subject, options: &Options) -> String {
    let requests = wrk::file(&options.folder, "model", &subject.create()[..1]);
    wrk::run(&server.address, &server.token, &requests, 1, 1);
    let page: serde_json::Value = serde_json::from_str(&server.get("/api/v1/incidents?limit=1")).unwrap();
    page["items"][0]["id"].as_str().unwrap().to_owned()
}

fn plans(server: &Server, subject: &Subject, options: &Options) -> Vec<Plan> {
    let size = |requests: &[Request]| server.get(&requests[0].path).len();
    let (one, page) = (size(&subject.read()), size(&subject.list()));
    let all: [(&str, &str, Vec<Request>); 9] = [
        (STATIC, "", Subject::one(&format!("/bench/{one}"))),
        ("read", STATIC, subject.read()),
        ("read, known", STATIC, subject.read_again()),
        (STATIC_PAGE, "", Subject::one(&format!("/bench/{page}"))),
        ("list", STATIC_PAGE, subject.list()),
        ("search", "", subject.search()),
        ("create", FLOOR, subject.create()),
        ("transition", "", Vec::new()),
        ("mixed", "", subject.mixed()),
    ];
    let is_wanted = |name: &str, against: &[&str]| wanted(options, name) || against.iter().any(|n| wanted(options, n));
    all.into_iter()
        .filter(|(name, _, _)| match *name {
            STATIC => is_wanted(name, &["read", "read, known"]),
            STATIC_PAGE => is_wanted(name, &["list"]),
            name => wanted(options, name),
        })
        .map(|(name, against, requests)| Plan { name, against, requests: wrk::file(&options.folder, name, &requests) })
        .collect()
}

fn lines(figures: &Figures, plans: &[Plan]) -> Vec<Line> {
    let against = |name: &str| plans.iter().find(|p| p.name == name).map_or(FLOOR_ALONE, |p| p.against);
    let line = |(&(connections, scenario), rounds): (&(usize, &'static str), &Vec<Figure>)| {
        let of = |figure: &dyn Fn(&Figure) -> Option<f64>| median(rounds.iter().filter_map(figure).collect());
        Line {
            scenario,
            connections,
            per_second: of(&|f| Some(f.run.per_second)).unwrap_or_default(),
            p50_milliseconds: of(&|f| Some(f.run.p50 as f64 / 1000.0)).unwrap_or_default(),
            p99_milliseconds: of(&|f| Some(f.run.p99 as f64 / 1000.0)).unwrap_or_default(),
            ratio: of(&|f| f.ratio),
            against: against(scenario),
            cores: of(&|f| Some(f.cores)).unwrap_or_default(),
            failed: rounds.iter().map(|f| f.run.failed).sum(),
        }
    };
    figures.iter().map(line).collect()
}

/// From the start of a process to its first answer, in milliseconds; the best of three, since the first has to read the disk.
fn start_again(url: &str) -> f64 {
    let times = (0..3).map(|_| Server::start(url).started_in.as_secs_f64() * 1000.0);
    times.fold(f64::INFINITY, f64::min)
}

/// Page 1,000 against page 1 of the work list of everything. Nothing, where there are not so many.
fn deep_paging(store: &Store, server: &Server, options: &Options) -> Option<f64> {
    const PAGES: usize = 1_000;
    if store.records < PAGES * 50 || !wanted(options, "deep paging") {
        return None;
    }
    let list = "/api/v1/incidents?sort=priority,opened_at&expand=requester,assignee,team&limit=";
    let mut cursor = String::new();
    for _ in 0..(PAGES - 1) * 50 / 150 {
        let page: serde_json::Value = serde_json::from_str(&server.get(&format!("{list}150{cursor}"))).unwrap();
        cursor = format!("&cursor={}", page["next_cursor"].as_str().unwrap());
    }
    let time = |name: &str, path: String| {
        let requests = wrk::file(&options.folder, name, &Subject::one(&path));
        wrk::run(&server.address, &server.token, &requests, 1, options.seconds).p50 as f64
    };
    let ratios = (0..options.rounds)
        .map(|_| time("page 1000", format!("{list}50{cursor}")) / time("page 1", format!("{list}50")))
        .collect();
    median(ratios)
}

/// Two hundred people sign in, each again after the second that a refusal asks them to wait, while eight connections read, each
/// two hundred times a second at most.
fn login_storm(server: &Server, subject: &Subject, options: &Options) -> Option<f64> {
    if !wanted(options, "login storm") {
        return None;
    }
    let reads = wrk::file(&options.folder, "read", &subject.read());
    let logins = wrk::file(&options.folder, "login", &subject.login());
    // A machine that is busy already makes everybody wait for a slice of time (milliseconds) with every thread that comes.
    let read = || wrk::run_slowly(&server.address, &server.token, &reads, 8, options.seconds, 5).p99 as f64;
    let ratio = |_| {
        let calm = read();
        let stormy = std::thread::scope(|scope| {
            let storm = scope.spawn(|| {
                let seconds = options.seconds + 2;
                wrk::run_slowly(&server.address, &server.token, &logins, 200, seconds, 1_000)
            });
            std::thread::sleep(Duration::from_secs(1));
            let stormy = read();
            storm.join().unwrap();
            stormy
        });
        stormy / calm
    };
    median((0..options.rounds).map(ratio).collect())
}

/// The memory of a server under a long load.
#[derive(Serialize)]
pub struct Soak {
    pub database: &'static str,
    pub records: usize,
    pub seconds: u64,
    pub requests: u64,
    pub failed: u64,
    /// Resident MiB, a sample for each tenth of the time.
    pub memory: Vec<f64>,
    pub most: f64,
}

/// Watches the memory under a mixed load.
pub fn soak(store: &Store, options: &Options, seconds: u64) -> Soak {
    let server = Server::start(&store.url);
    let subject = Subject::of(&mut AnyConnection::open(&store.url).unwrap());
    let requests = wrk::file(&options.folder, "mixed", &subject.mixed());
    let (start, mut memory) = (Instant::now(), Vec::new());
    let run = std::thread::scope(|scope| {
        let load = scope.spawn(|| wrk::run(&server.address, &server.token, &requests, 64, seconds));
        for tenth in 1..=10 {
            let at = Duration::from_secs(seconds * tenth / 10);
            std::thread::sleep(at.saturating_sub(start.elapsed()));
            memory.push(server.memory().0);
        }
        load.join().unwrap()
    });
    Soak {
        database: name(store.engine),
        records: store.records,
        seconds,
        requests: run.requests,
        failed: run.failed,
        memory,
        most: server.memory().1,
    }
}
