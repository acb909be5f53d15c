//! Timers are due again and again while three servers fire them and one of them is killed: each does its work once, and soon.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{dsl::count_star, prelude::*};
use pointsman::{
    clock::Moment,
    db::AnyConnection,
    schema::{audit, outbox, record, service_clock, service_clock_entry, timer},
};
use serde_json::{Value, json};

use crate::{
    storm::{Over, Weather, panics, until},
    support::{
        PATIENCE,
        Person::Admin,
        process::{Running, prepared_for},
    },
};

const NODES: usize = 3;
/// Operations of one batch.
const BATCH: usize = 500;
/// How long a timer may wait after its time: 99 of a hundred.
const SOON: Duration = Duration::from_secs(5);
/// After how long a clock is missed.
const TARGET: Duration = Duration::from_secs(2);

/// How large the storm is.
struct Size {
    timers: usize,
    over: Duration,
    kill_every: Duration,
}

pub fn on_three_nodes(weather: &mut Weather) {
    let seconds = Duration::from_secs;
    let size = weather.size(
        Size { timers: 500, over: seconds(8), kill_every: seconds(3) },
        Size { timers: 10_000, over: seconds(60), kill_every: seconds(10) },
    );
    let (database, token) = prepared_for(Admin);
    let first = Running::start(&database.url());
    // Alone: what a node is refused because of another would be no part of the storm.
    resolve_many(&first, &token, size.timers);
    let mut servers = vec![Some(first)];
    servers.resize_with(NODES, || Some(Running::start(&database.url())));
    let mut connection = AnyConnection::open(&database.url()).unwrap();
    // What was due while they were made is no part of the storm either.
    until("what is due already has fired", PATIENCE, || overdue(&mut connection) == 0);
    let ends = spread(&mut connection, size.over);
    let (over, mut kills, mut panicked) = (AtomicBool::new(false), 0, Vec::new());
    let longest = thread::scope(|scope| {
        let longest = scope.spawn(|| watch(&database.url(), &over));
        let _over = Over(&over);
        let limit = Instant::now() + size.over + weather.allowed(seconds(60));
        let mut kill_at = Instant::now() + size.kill_every;
        while (now() < ends || waiting(&mut connection) > 0) && Instant::now() < limit {
            thread::sleep(Duration::from_millis(100));
            if now() < ends && Instant::now() >= kill_at {
                let place = &mut servers[kills % NODES];
                let mut killed = place.take().unwrap();
                killed.signal("KILL");
                killed.child.wait().unwrap();
                panicked.extend(panics(&killed));
                *place = Some(Running::start(&database.url()));
                kills += 1;
                kill_at = Instant::now() + size.kill_every;
            }
        }
        drop(_over);
        longest.join().unwrap()
    });
    panicked.extend(servers.iter().flatten().flat_map(panics));
    weather.at_least("kills", kills, 2);
    judge(weather, &mut connection, size.timers, longest);
    weather.none("panics", &panicked);
}

/// Makes as many incidents and resolves them, so that each has a timer that closes it and a clock that is missed soon.
fn resolve_many(server: &Running, token: &str, count: usize) {
    let level = json!({
        "name": "Closed at once", "kind": "incident", "agreement": "ola", "metric": "closure", "terms": {
            "calendar": "around-the-clock", "stop": "state = closed", "targets": [{"duration": format!("PT{}S", TARGET.as_secs())}],
        },
    });
    post(server, "/api/v1/service-levels", token, &level);
    let how = json!({"resolution_code": "fixed", "resolution_notes": "The queue was emptied.", "resolution_kind": "permanent"});
    for from in (0..count).step_by(BATCH) {
        let some = from..(from + BATCH).min(count);
        let new = some.map(|n| json!({"op": "create", "body": {"title": format!("Timer {n}")}}));
        let made = post(server, "/api/v1/incidents/batch", token, &json!({"operations": new.collect::<Vec<_>>()}));
        let ids = made["results"].as_array().unwrap().iter().map(|one| one["record"]["id"].clone());
        let steps = ids.map(|id| json!({"op": "resolve", "id": id, "body": how}));
        let resolved =
            post(server, "/api/v1/incidents/batch", token, &json!({"operations": steps.collect::<Vec<_>>()}));
        let refused = resolved["results"].as_array().unwrap().iter().find(|one| one["status"] != 200);
        assert!(refused.is_none(), "{refused:?}");
    }
}

fn post(server: &Running, path: &str, token: &str, body: &Value) -> Value {
    match server.ask("POST", path, token, &body.to_string()).unwrap() {
        (200 | 201 | 207, text) => serde_json::from_str(&text).unwrap(),
        refused => panic!("{path}: {refused:?}"),
    }
}

fn now() -> Moment {
    let now: DateTime<Utc> = std::time::SystemTime::now().into();
    now.into()
}

/// Spreads the timers that close over the time from soon on; gives its end.
fn spread(connection: &mut AnyConnection, over: Duration) -> Moment {
    let closes = timer::table.filter(timer::name.eq("auto_close")).order(timer::id).select(timer::id);
    let ids: Vec<String> = closes.load(connection).unwrap();
    let (begins, count) = (now().plus(TimeDelta::seconds(2)), ids.len());
    let over = TimeDelta::from_std(over).unwrap();
    connection
        .transaction(|connection| {
            for (n, id) in ids.iter().enumerate() {
                let due = begins.plus(over * i32::try_from(n).unwrap() / i32::try_from(count).unwrap());
                diesel::update(timer::table.find(id)).set(timer::due_at.eq(due)).execute(connection)?;
            }
            diesel::QueryResult::Ok(())
        })
        .unwrap();
    begins.plus(over)
}

/// How many others wait that are due.
fn overdue(connection: &mut AnyConnection) -> i64 {
    let others = timer::table.filter(timer::name.ne("auto_close")).filter(timer::fired_at.is_null());
    others.filter(timer::due_at.le(now())).select(count_star()).first(connection).unwrap()
}

fn waiting(connection: &mut AnyConnection) -> i64 {
    let closes = timer::table.filter(timer::name.eq("auto_close")).filter(timer::fired_at.is_null());
    closes.select(count_star()).first(connection).unwrap()
}

/// How long the timer that waited longest has waited, seen from outside.
fn watch(url: &str, over: &AtomicBool) -> Duration {
    let mut connection = AnyConnection::open(url).unwrap();
    let mut longest = Duration::ZERO;
    while !over.load(Ordering::Relaxed) {
        let due = timer::table.filter(timer::name.eq("auto_close")).filter(timer::fired_at.is_null());
        let due: Option<Moment> =
            due.order(timer::due_at).select(timer::due_at).first(&mut connection).optional().unwrap();
        let late = due.and_then(|due| now().since(due).to_std().ok()).unwrap_or_default();
        longest = longest.max(late);
        thread::sleep(Duration::from_millis(100));
    }
    longest
}

fn judge(weather: &mut Weather, connection: &mut AnyConnection, timers: usize, longest: Duration) {
    let closes = timer::table.filter(timer::name.eq("auto_close"));
    let fired: Vec<(Moment, Option<Moment>)> =
        closes.select((timer::due_at, timer::fired_at)).load(connection).unwrap();
    let mut late: Vec<Duration> = fired.iter().filter_map(|(due, fired)| (*fired)?.since(*due).to_std().ok()).collect();
    late.sort_unstable();
    weather.same("timers that fired", late.len(), timers);
    let p99 = late.get(late.len() * 99 / 100).copied().unwrap_or_default();
    weather.within("how late 99 of a hundred fired", p99, weather.allowed(SOON));
    weather.note("how long one waited at most, seen from outside", format!("{:.2} s", longest.as_secs_f64()));
    let closed: i64 = record::table.filter(record::state.eq("closed")).count().get_result(connection).unwrap();
    weather.same("records closed", usize::try_from(closed).unwrap(), timers);
    let told = outbox::table.filter(outbox::event.eq("incident.closed"));
    let told: i64 = told.count().get_result(connection).unwrap();
    weather.same("events of it", usize::try_from(told).unwrap(), timers);
    let audited = audit::table.filter(audit::action.eq("incident.closed"));
    let audited: i64 = audited.count().get_result(connection).unwrap();
    weather.same("rows of the audit trail of it", usize::try_from(audited).unwrap(), timers);
    let clocks = service_clock::table.filter(service_clock::metric.eq("closure"));
    let clocks: i64 = clocks.filter(service_clock::breached_at.is_not_null()).count().get_result(connection).unwrap();
    weather.same("clocks that were missed", usize::try_from(clocks).unwrap(), timers);
    let entries = service_clock_entry::table.inner_join(service_clock::table);
    let entries = entries.filter(service_clock::metric.eq("closure")).filter(service_clock_entry::event.eq("breached"));
    let entries: i64 = entries.count().get_result(connection).unwrap();
    weather.same("entries of their ledgers of it", usize::try_from(entries).unwrap(), timers);
}
