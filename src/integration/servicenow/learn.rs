//! Learning which team gets which category from an event log, on a split by time.
//!
//! The lesson is the most frequent group of a category and subcategory; where those were never seen together, of the
//! category; where that was never seen, of all. Categories are taken as the incident was reported, because that is all that
//! a routing policy sees. Two different groups can be meant, and the report scores both: the *first* group that the log
//! names (what routing answers) and the *last* one (who ended up with it, which also holds later surprises).
//!
//! **Invariant:** nothing that was stored after the split is learnt, not even of incidents reported before it, and no
//! incident that was reported before it is scored.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    log::{Log, Row, Text},
    story::Story,
};
use crate::{
    clock::Moment,
    error::{Error, Result},
};

/// Where the past ends and the future begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Split {
    /// At this moment.
    At(Moment),
    /// After the first so many per cent of the incidents, by when they were reported.
    Percent(u8),
}

/// Which group of an incident is learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lesson {
    /// The first one that the log names.
    First,
    /// The last one that the log names.
    Last,
}

/// What the table is looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The category alone.
    Category,
    /// The category and the subcategory.
    Subcategory,
}

/// What was learnt.
#[derive(Debug)]
pub struct Learned {
    /// The content of a lookup table: `{"columns", "keys", "rows"}`, with `*` for what fits all.
    pub table: Value,
    /// How good it is on incidents that it was not learnt from.
    pub report: LearnReport,
}

/// How good a table is on incidents that it was not learnt from.
#[derive(Clone, Debug, Serialize)]
pub struct LearnReport {
    /// Where the past ended.
    pub split: Moment,
    /// Which group the table tells.
    pub lesson: Lesson,
    /// How many rows the table has.
    pub table_rows: usize,
    /// How good it is at what it tells, and the other lesson by its own table, for comparison.
    pub scores: Vec<Score>,
}

/// How good a lesson is.
#[derive(Clone, Debug, Serialize)]
pub struct Score {
    /// Which group was asked for.
    pub lesson: Lesson,
    /// How many incidents were learnt from.
    pub learnt_from: u64,
    /// How many incidents it was asked about.
    pub tested: u64,
    /// How often the first answer was right.
    pub top_1: u64,
    /// How often one of the first three was.
    pub top_3: u64,
    /// How often the largest group would have been right.
    pub largest_group: u64,
}

/// Learns from what was stored before the split and asks about the incidents reported after it.
///
/// # Errors
/// The split leaves nothing to learn from or nothing to ask about.
pub fn learn(log: &Log, split: Split, key: Key, lesson: Lesson) -> Result<Learned> {
    let split = split.moment(log)?;
    let counts = Counts::of(log, split, key, lesson);
    let scores = [Lesson::First, Lesson::Last].map(|l| Counts::of(log, split, key, l).score(log, split, key, l));
    if scores.iter().any(|s| s.learnt_from == 0 || s.tested == 0) {
        let detail = format!("The split {split} leaves nothing to learn from or nothing to test with.");
        return Err(Error::invalid("/split", "out_of_range", detail));
    }
    let rows = counts.rows(key);
    let columns = key.columns().iter().chain(&["team"]).map(|name| json!({"name": name, "type": "text"}));
    let table = json!({
        "doc": format!("The most frequent team by category, learnt from an incident log until {split}."),
        "columns": columns.collect::<Vec<_>>(),
        "keys": key.columns().len(),
        "rows": rows,
    });
    Ok(Learned { report: LearnReport { split, lesson, table_rows: rows.len(), scores: scores.into() }, table })
}

impl Split {
    fn moment(self, log: &Log) -> Result<Moment> {
        let percent = match self {
            Split::At(moment) => return Ok(moment),
            Split::Percent(percent) => usize::from(percent),
        };
        let mut opened: Vec<Moment> = log.stories.iter().map(|s| s.opened_at).collect();
        opened.sort_unstable();
        let moment = (1..100).contains(&percent).then(|| opened.get(opened.len() * percent / 100).copied());
        moment.flatten().ok_or_else(|| {
            Error::invalid("/split", "out_of_range", "The split must be from 1 to 99 per cent of some incidents.")
        })
    }
}

impl Key {
    fn columns(self) -> &'static [&'static str] {
        match self {
            Key::Category => &["category"],
            Key::Subcategory => &["category", "subcategory"],
        }
    }

    /// The keys of a report, the most special first; empty parts stand for all.
    fn of(self, row: &Row) -> Vec<(Option<Text>, Option<Text>)> {
        let category = || row.category.clone();
        let mut keys = Vec::new();
        if let (Key::Subcategory, Some(_), Some(_)) = (self, &row.category, &row.subcategory) {
            keys.push((category(), row.subcategory.clone()));
        }
        if row.category.is_some() {
            keys.push((category(), None));
        }
        keys.push((None, None));
        keys
    }
}

/// How often which group had what.
#[derive(Default)]
struct Counts {
    groups: HashMap<(Option<Text>, Option<Text>), HashMap<Text, u64>>,
    incidents: u64,
}

impl Counts {
    fn of(log: &Log, split: Moment, key: Key, lesson: Lesson) -> Counts {
        let mut counts = Counts::default();
        for story in log.stories.iter().filter(|s| s.opened_at < split) {
            let Some((report, group)) = example(story, lesson, Some(split)) else { continue };
            counts.incidents += 1;
            for key in key.of(report) {
                *counts.groups.entry(key).or_default().entry(group.clone()).or_default() += 1;
            }
        }
        counts
    }

    /// The groups for a key, the most frequent first; of equals the first by name.
    fn ranked(&self, key: &(Option<Text>, Option<Text>)) -> Vec<Text> {
        let mut groups: Vec<(&Text, &u64)> = self.groups.get(key).into_iter().flatten().collect();
        groups.sort_unstable_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        groups.into_iter().map(|(group, _)| group.clone()).collect()
    }

    fn score(&self, log: &Log, split: Moment, key: Key, lesson: Lesson) -> Score {
        let ranked: HashMap<_, Vec<Text>> = self.groups.keys().map(|key| (key, self.ranked(key))).collect();
        let largest = ranked.get(&(None, None)).and_then(|groups| groups.first());
        let mut score = Score { lesson, learnt_from: self.incidents, tested: 0, top_1: 0, top_3: 0, largest_group: 0 };
        for story in log.stories.iter().filter(|s| s.opened_at >= split) {
            let Some((report, group)) = example(story, lesson, None) else { continue };
            let mut answers: Vec<&Text> = Vec::new();
            for answer in key.of(report).iter().filter_map(|key| ranked.get(key)).flatten() {
                if answers.len() < 3 && !answers.contains(&answer) {
                    answers.push(answer);
                }
            }
            score.tested += 1;
            score.top_1 += u64::from(answers.first() == Some(&group));
            score.top_3 += u64::from(answers.contains(&group));
            score.largest_group += u64::from(largest == Some(group));
        }
        score
    }

    /// The rows of the table. One that says what it would fall back to anyway is left out.
    fn rows(&self, key: Key) -> Vec<Vec<String>> {
        let best: BTreeMap<_, Text> =
            self.groups.keys().filter_map(|key| Some((key.clone(), self.ranked(key).into_iter().next()?))).collect();
        let part = |part: &Option<Text>| part.as_deref().unwrap_or("*").to_owned();
        let mut rows: Vec<Vec<String>> = best
            .iter()
            .filter(|((category, subcategory), team)| {
                let above = match (category, subcategory) {
                    (Some(_), Some(_)) => best.get(&(category.clone(), None)),
                    _ => None,
                };
                above != Some(team)
            })
            .map(|((category, subcategory), team)| {
                let mut row = vec![part(category)];
                row.extend((key == Key::Subcategory).then(|| part(subcategory)));
                row.push(team.to_string());
                row
            })
            .collect();
        rows.sort_unstable();
        rows
    }
}

/// The report of an incident and the group that it went to, as far as they were known `before` a moment.
fn example(story: &Story, lesson: Lesson, before: Option<Moment>) -> Option<(&Row, &Text)> {
    // The first event is the report, with the words of the first row; the rows follow.
    let mut rows = story.events.iter().skip(1).filter(|e| before.is_none_or(|before| e.at < before)).map(|e| &*e.row);
    let report = rows.next()?;
    let mut groups = std::iter::once(report).chain(rows).filter_map(|row| row.group.as_ref());
    let group = match lesson {
        Lesson::First => groups.next(),
        Lesson::Last => groups.next_back(),
    };
    Some((report, group?))
}

impl fmt::Display for LearnReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |lesson| match lesson {
            Lesson::First => "first group",
            Lesson::Last => "last group",
        };
        writeln!(
            f,
            "learnt until {}: a table of {} rows that tells the {}",
            self.split,
            self.table_rows,
            name(self.lesson)
        )?;
        writeln!(f, "{:<14}{:>10}{:>10}{:>10}{:>10}{:>16}", "", "learnt", "tested", "top 1", "top 3", "largest group")?;
        for score in &self.scores {
            let percent = |n: u64| format!("{:.1} %", n as f64 / score.tested.max(1) as f64 * 100.0);
            let (learnt, tested) = (score.learnt_from, score.tested);
            let [one, three, largest] = [score.top_1, score.top_3, score.largest_group].map(percent);
            writeln!(f, "{:<14}{learnt:>10}{tested:>10}{one:>10}{three:>10}{largest:>16}", name(score.lesson))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::integration::servicenow::tests::{Line, log};

    fn line(number: &'static str, minute: usize, subcategory: &'static str, group: &'static str) -> Line {
        Line::new(number).opened(minute).minute(minute).subcategory(subcategory).group(group)
    }

    #[test]
    fn the_most_frequent_group_is_learnt_and_nothing_after_the_split() {
        let lines = [
            line("INC1", 0, "A", "desk"),
            line("INC2", 1, "A", "desk"),
            line("INC3", 2, "B", "mail"),
            // Known only after the split: neither the last group of INC3 …
            Line { count: 1, minute: 50, ..line("INC3", 2, "B", "desk") },
            // … nor the first of INC4.
            line("INC4", 3, "C", "?"),
            Line { count: 1, minute: 51, ..line("INC4", 3, "C", "net") },
            line("INC5", 40, "A", "desk"),
            line("INC6", 41, "B", "mail"),
            line("INC7", 42, "C", "net"),
            line("INC8", 43, "?", "desk"),
        ];
        let log = log(&lines);
        let at = Split::At(log.stories[4].opened_at);
        let learned = learn(&log, at, Key::Subcategory, Lesson::First).unwrap();
        let rows = json!([["*", "*", "desk"], ["Mail", "*", "desk"], ["Mail", "B", "mail"]]);
        assert_eq!(learned.table["rows"], rows, "{}", learned.report);
        crate::policy::table::Table::from_json("category_teams", &learned.table).unwrap();
        let first = &learned.report.scores[0];
        assert_eq!((first.learnt_from, first.tested, first.top_1, first.top_3, first.largest_group), (3, 4, 3, 3, 2));
        let by_category = learn(&log, at, Key::Category, Lesson::First).unwrap();
        assert_eq!(by_category.table["rows"], json!([["*", "desk"], ["Mail", "desk"]]));
        assert!(learn(&log, Split::Percent(100), Key::Category, Lesson::First).is_err());
    }
}
