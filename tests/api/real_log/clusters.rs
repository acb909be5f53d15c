//! Clusters of a real log, held against a plain count of its last rows, and how long it takes to find them.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use pointsman::clock::Moment;

use super::{
    PERIOD, logged,
    plain::{Incident, Row},
};
use crate::support::{Person::Admin, Server};

/// By what incidents are put together, and where that stands in a row.
type Key = (&'static str, fn(&Row) -> Vec<&str>);

const KEYS: [Key; 4] = [
    ("category", |row| vec![&row.category]),
    ("category,subcategory", |row| vec![&row.category, &row.subcategory]),
    ("team_id", |row| vec![&row.group]),
    ("team_id,category", |row| vec![&row.group, &row.category]),
];

/// What is found by each key is what the last rows of the log say, within five seconds. `odd` incidents have rows with something wrong.
pub async fn are_what_the_rows_say(server: &Server, incidents: &BTreeMap<String, Incident>, odd: usize) {
    for (by, key) in KEYS {
        let mut expected: BTreeMap<Vec<String>, i64> = BTreeMap::new();
        for row in incidents.values().filter_map(|incident| incident.rows.last()) {
            let key: Vec<String> = key(row).into_iter().map(str::to_owned).collect();
            // Those that have nothing have nothing in common.
            if key.iter().all(|word| !word.is_empty()) {
                *expected.entry(key).or_default() += 1;
            }
        }
        let begun = Instant::now();
        let path = format!("/api/v1/incident-clusters?{PERIOD}&least=1&by={by}");
        let found = server.get(&path).by(Admin).expect(200).await.json();
        let took = begun.elapsed();
        let items = found["items"].as_array().unwrap();
        eprintln!("{} clusters by {by} of {} incidents in {took:?}", items.len(), found["total"]);
        assert!(took < Duration::from_secs(5), "{by}: {took:?}");
        let total = found["total"].as_i64().unwrap();
        assert!((total - incidents.len() as i64).unsigned_abs() as usize <= odd, "{total} of {}", incidents.len());
        let mut counted: BTreeMap<Vec<String>, i64> = BTreeMap::new();
        for item in items {
            let words = by.split(',').map(|name| logged(item["label"][name].as_str().unwrap_or_default()));
            *counted.entry(words.collect()).or_default() += item["count"].as_i64().unwrap();
        }
        // Here the group that has no name in the log is a team.
        counted.retain(|key, _| key.iter().all(|word| !word.is_empty()));
        // The answer ends after the largest.
        expected.retain(|key, _| items.len() < 500 || counted.contains_key(key));
        let keys: BTreeSet<&Vec<String>> = expected.keys().chain(counted.keys()).collect();
        let count = |of: &BTreeMap<Vec<String>, i64>, key| of.get(key).copied().unwrap_or_default();
        // An odd row may move its incident from one cluster to another.
        let off: i64 = keys.into_iter().map(|key| (count(&expected, key) - count(&counted, key)).abs()).sum();
        assert!(off <= 2 * odd as i64, "{by} differ by {off}: {expected:?} {counted:?}");
        assert!(items.is_sorted_by_key(|item| -item["count"].as_i64().unwrap()), "{by}");
    }
}

/// How many incidents there are of each key, of those that were opened in a window.
fn counted(
    incidents: &BTreeMap<String, Incident>,
    key: fn(&Row) -> Vec<&str>,
    window: std::ops::Range<i64>,
) -> BTreeMap<Vec<String>, i64> {
    let mut counted: BTreeMap<Vec<String>, i64> = BTreeMap::new();
    let inside = incidents.values().filter(|incident| window.contains(&incident.opened));
    for row in inside.filter_map(|incident| incident.rows.last()) {
        let key: Vec<String> = key(row).into_iter().map(str::to_owned).collect();
        if key.iter().all(|word| !word.is_empty()) {
            *counted.entry(key).or_default() += 1;
        }
    }
    counted
}

/// A share in hundredths of a percent, rounded half up.
fn share(part: i64, whole: i64) -> i64 {
    if whole == 0 { 0 } else { (part * 20_000 + whole) / (2 * whole) }
}

/// Of two halves of the log: what the second has come to against the first, and which few make up most of it.
pub async fn shares_and_trends_are_what_the_rows_say(
    server: &Server,
    incidents: &BTreeMap<String, Incident>,
    odd: usize,
) {
    let (first, last) = incidents
        .values()
        .fold((i64::MAX, i64::MIN), |(first, last), incident| (first.min(incident.opened), last.max(incident.opened)));
    let half = (last - first) / 2 + 1;
    let epoch: Moment = "1970-01-01T00:00:00Z".parse().unwrap();
    let at = |minute: i64| epoch.plus(TimeDelta::minutes(minute)).to_string();
    for (by, key) in KEYS {
        let (middle, end) = (first + half, first + 2 * half);
        let (before, now) = (counted(incidents, key, first..middle), counted(incidents, key, middle..end));
        let path = format!("/api/v1/incident-clusters?from={}&until={}&least=1&by={by}", at(middle), at(end));
        let found = server.get(&path).by(Admin).expect(200).await.json();
        let (items, total) = (found["items"].as_array().unwrap(), found["total"].as_i64().unwrap());
        let opened = incidents.values().filter(|incident| incident.opened >= middle).count();
        assert!((total - opened as i64).unsigned_abs() as usize <= odd, "{total} of {opened}");
        let (mut so_far, mut trends) = (0, BTreeSet::new());
        let mut counted: BTreeMap<Vec<String>, (i64, i64)> = BTreeMap::new();
        for item in items {
            let words = by.split(',').map(|name| logged(item["label"][name].as_str().unwrap_or_default()));
            let (came, had) = (item["count"].as_i64().unwrap(), item["before"].as_i64().unwrap());
            let of_key = counted.entry(words.collect()).or_default();
            *of_key = (of_key.0 + came, of_key.1 + had);
            // 80 of a hundred are made up by those before it, or not yet.
            assert_eq!(item["vital"], share(so_far, total) < 8_000, "{by} {item}");
            so_far += came;
            let hundredths = |name: &str| (item[name].as_f64().unwrap() * 100.0).round() as i64;
            let shares = (hundredths("percent"), hundredths("cumulative_percent"));
            assert_eq!(shares, (share(came, total), share(so_far, total)), "{by} {item}");
            // 1.96 standard deviations, squared.
            let is_no_chance = (came - had).pow(2) * 10_000 >= 38_416 * (came + had);
            let trend = match is_no_chance {
                true if came > had => "rising",
                true => "falling",
                false => "steady",
            };
            assert_eq!(item["trend"], trend, "{by} {item}");
            trends.insert(trend);
        }
        eprintln!("{} clusters by {by} in the second half of the log: {trends:?}", items.len());
        // Here the group that has no name in the log is a team.
        counted.retain(|key, _| key.iter().all(|word| !word.is_empty()));
        let expected = |of: &BTreeMap<_, i64>, key: &Vec<String>| of.get(key).copied().unwrap_or_default();
        let off = |(key, (came, had)): (&Vec<String>, &(i64, i64))| {
            (came - expected(&now, key)).abs() + (had - expected(&before, key)).abs()
        };
        let off: i64 = counted.iter().map(off).sum();
        // An odd row may move its incident from one cluster to another.
        assert!(off <= 2 * odd as i64, "{by} differ by {off}");
    }
}
