//! A plain count of a log's rows, in whole minutes, which shares nothing with the server: no calendar, no ledger, no reading of the
//! file.

use std::{collections::BTreeMap, fs::File, path::Path};

use chrono::NaiveDateTime;
use flate2::read::MultiGzDecoder;

/// Which time counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hours {
    /// All of it.
    All,
    /// Monday to Friday, 08:00 to 18:00 UTC.
    Business,
}

/// How long something may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    pub minutes: i64,
    pub hours: Hours,
}

/// Minutes since 1970.
pub type Minute = i64;

const DAY: i64 = 24 * 60;
const OPENS: i64 = 8 * 60;
const OPEN: i64 = 10 * 60;

impl Hours {
    pub fn calendar(self) -> &'static str {
        match self {
            Hours::All => "around-the-clock",
            Hours::Business => "business-hours",
        }
    }

    /// How much counts from the first Monday of 1970 to a minute.
    fn before(self, minute: Minute) -> i64 {
        // 1970 began on a Thursday.
        let minute = minute - 4 * DAY;
        match self {
            Hours::All => minute,
            Hours::Business => {
                let (week, day, within) =
                    (minute.div_euclid(7 * DAY), minute.rem_euclid(7 * DAY) / DAY, minute.rem_euclid(DAY));
                let of_day = if day < 5 { (within - OPENS).clamp(0, OPEN) } else { 0 };
                (week * 5 + day.min(5)) * OPEN + of_day
            }
        }
    }

    fn between(self, from: Minute, until: Minute) -> i64 {
        self.before(until) - self.before(from)
    }

    /// The first minute by which so much has counted.
    fn reaches(self, from: Minute, owed: i64) -> Minute {
        let (mut low, mut high) = (from, from + owed * 8 + 8 * DAY);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.between(from, middle) >= owed { high = middle } else { low = middle + 1 }
        }
        low
    }
}

/// A row of the log.
pub struct Row {
    pub at: Minute,
    pub state: String,
    pub priority: usize,
    pub group: String,
    pub category: String,
    pub subcategory: String,
    pub made_sla: bool,
}

/// An incident of the log.
pub struct Incident {
    pub opened: Minute,
    pub rows: Vec<Row>,
}

/// What a clock comes to that stopped.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub elapsed: i64,
    pub missed: bool,
    /// Priority and group with which it stopped.
    pub priority: usize,
    pub group: String,
}

/// The incidents of a file that were opened before a minute, by their numbers.
pub fn incidents(file: &Path, until: Option<Minute>) -> BTreeMap<String, Incident> {
    let mut reader = csv::Reader::from_reader(MultiGzDecoder::new(File::open(file).unwrap()));
    let header = reader.headers().unwrap().clone();
    let place = |name: &str| header.iter().position(|column| column == name).unwrap();
    let [number, state, opened, updated] = ["number", "incident_state", "opened_at", "sys_updated_at"].map(place);
    let [priority, group, made_sla] = ["priority", "assignment_group", "made_sla"].map(place);
    let [category, subcategory] = ["category", "subcategory"].map(place);
    let mut found: BTreeMap<String, Incident> = BTreeMap::new();
    for row in reader.records() {
        let row = row.unwrap();
        let opened = minute(&row[opened]);
        if until.is_some_and(|until| opened >= until) {
            continue;
        }
        let incident = found.entry(row[number].to_owned()).or_insert_with(|| Incident { opened, rows: Vec::new() });
        // Time does not run backwards, whatever the log says.
        let at = minute(&row[updated]).max(incident.rows.last().map_or(opened, |row| row.at));
        incident.rows.push(Row {
            at,
            state: row[state].to_owned(),
            priority: row[priority][..1].parse().unwrap(),
            group: row[group].replace('?', ""),
            category: row[category].replace('?', ""),
            subcategory: row[subcategory].replace('?', ""),
            made_sla: &row[made_sla] == "true",
        });
    }
    found
}

fn minute(text: &str) -> Minute {
    NaiveDateTime::parse_from_str(text, "%d/%m/%Y %H:%M").unwrap().and_utc().timestamp() / 60
}

/// Which states of the log make a clock wait, and which stop it; and whether it goes on when it has stopped.
pub struct Rules {
    pub waits: fn(&str) -> bool,
    pub stops: fn(&str) -> bool,
    pub goes_on: bool,
}

impl Incident {
    /// What its clock comes to, by the measure of its priority; nothing where it does not stop.
    pub fn outcome(&self, rules: &Rules, measures: &[Measure; 4]) -> Option<Outcome> {
        let first = self.rows.first()?;
        let mut ran: Vec<(Minute, Minute)> = Vec::new();
        let (mut since, mut stopped) = (Some(self.opened), None::<Minute>);
        let (mut priority, mut group) = (first.priority, &first.group);
        for row in &self.rows {
            let stops = (rules.stops)(&row.state);
            if stopped.is_some() && (stops || !rules.goes_on) {
                continue;
            }
            (priority, group) = (row.priority, &row.group);
            stopped = stops.then_some(row.at);
            match (since, stops || (rules.waits)(&row.state)) {
                (Some(from), true) => {
                    ran.push((from, row.at));
                    since = None;
                }
                (None, false) => since = Some(row.at),
                (Some(_), false) | (None, true) => (),
            }
        }
        let Measure { minutes, hours } = measures[priority - 1];
        let (mut elapsed, mut used_up) = (0, None);
        for (from, until) in ran {
            let counted = hours.between(from, until);
            if used_up.is_none() && elapsed + counted >= minutes {
                used_up = Some(hours.reaches(from, minutes - elapsed));
            }
            elapsed += counted;
        }
        let stopped = stopped?;
        let missed = used_up.is_some_and(|at| at < stopped);
        Some(Outcome { elapsed, missed, priority, group: group.clone() })
    }

    /// What the log itself says, in its last row.
    pub fn made_sla(&self) -> bool {
        self.rows.last().is_some_and(|row| row.made_sla)
    }
}

#[test]
fn working_time_is_counted_plainly() {
    let at = |text| minute(text);
    for (from, until, open) in [
        // A Tuesday.
        ("1/3/2016 07:00", "1/3/2016 09:30", 90),
        ("1/3/2016 17:00", "2/3/2016 09:00", 120),
        ("4/3/2016 17:00", "7/3/2016 08:01", 61),
        ("5/3/2016 10:00", "6/3/2016 23:00", 0),
        ("29/2/2016 00:00", "14/3/2016 00:00", 10 * OPEN),
    ] {
        assert_eq!(Hours::Business.between(at(from), at(until)), open, "{from}");
    }
    assert_eq!(Hours::Business.reaches(at("4/3/2016 17:00"), 61), at("7/3/2016 08:01"));
    assert_eq!(Hours::Business.reaches(at("4/3/2016 17:00"), 60), at("4/3/2016 18:00"));
    assert_eq!(Hours::All.reaches(at("4/3/2016 17:00"), 60), at("4/3/2016 18:00"));
}
