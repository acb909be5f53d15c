//! A published table of targets, and the service levels that it becomes.

use serde_json::{Value, json};

use super::plain::{Hours, Measure};

/// Priorities here.
const PRIORITIES: usize = 4;
/// The working day of the calendar `business-hours`, in hours.
const WORKING_DAY: i64 = 10;

/// How long something may take, by priority.
pub struct Table {
    /// Who published it.
    pub organisation: String,
    /// The most urgent first.
    rows: Vec<Value>,
}

impl Table {
    /// The table whose publisher's name has this in it.
    pub fn named(published: &Value, part: &str) -> Table {
        let all = published["sla"].as_array().unwrap();
        let found = all.iter().find(|table| table["org"].as_str().unwrap().contains(part));
        let found = found.unwrap_or_else(|| panic!("no table is of `{part}`"));
        let rows = found["targets"].as_object().unwrap().values().cloned().collect();
        Table { organisation: found["org"].as_str().unwrap().to_owned(), rows }
    }

    /// What it promises for each priority, where it does so in each row. What it says in its last row counts for all that are less
    /// urgent.
    pub fn measures(&self, metric: &str) -> Option<[Measure; PRIORITIES]> {
        let rows: Vec<Measure> =
            self.rows.iter().map(|row| row[metric].as_str().map(measure)).collect::<Option<_>>()?;
        Some(std::array::from_fn(|n| rows[n.min(rows.len() - 1)]))
    }

    /// The service level that an administrator would make of it.
    pub fn service_level(&self, metric: &str, stop: &str, pause: Option<&str>, after_stop: &str) -> Option<Value> {
        let measures = self.measures(metric)?;
        let targets = measures.iter().zip(1..).map(|(measure, priority)| {
            json!({"priority": priority, "duration": format!("PT{}M", measure.minutes), "calendar": measure.hours.calendar()})
        });
        Some(json!({
            "name": format!("{}: {metric}", self.organisation), "kind": "incident", "agreement": "sla", "metric": metric,
            "terms": {
                "stop": stop, "pause": pause, "after_stop": after_stop, "warnings": [50, 75],
                "targets": targets.collect::<Vec<_>>(),
            },
        }))
    }
}

/// `30m`, `2h`, `4bh`, `2bd` and `60 business min`.
fn measure(text: &str) -> Measure {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap());
    let number: i64 = number.parse().unwrap();
    let (minutes, hours) = match unit.trim() {
        "m" => (number, Hours::All),
        "h" => (number * 60, Hours::All),
        "business min" => (number, Hours::Business),
        "bh" => (number * 60, Hours::Business),
        "bd" => (number * WORKING_DAY * 60, Hours::Business),
        other => panic!("`{other}` of `{text}`"),
    };
    Measure { minutes, hours }
}

#[test]
fn published_targets_are_read() {
    for (text, minutes, hours) in [
        ("30m", 30, Hours::All),
        ("48h", 2_880, Hours::All),
        ("4bh", 240, Hours::Business),
        ("2bd", 1_200, Hours::Business),
        ("60 business min", 60, Hours::Business),
    ] {
        assert_eq!(measure(text), Measure { minutes, hours }, "{text}");
    }
}
