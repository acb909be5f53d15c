//! Clusters of a real log, held against a plain count of its last rows, and how long it takes to find them.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

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
