//! What was seen, as it is told: shares, rules, and what no test reaches.

use std::{collections::BTreeMap, fmt};

use rhai::Position;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::probe::{FIRST, Probe, SECOND, What};
use crate::policy::tokens::{Place, Range, Tokens};

/// The most places that are told.
const MOST: usize = 200;

/// What the tests of a script reach.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = PolicyCoverage)]
pub struct Coverage {
    /// Lines that run.
    pub lines: Share,
    /// Sides of branches that are taken: each condition of a rule or an `if` and each part of `and` and `or` is true and false,
    /// what stands before `??` is there and not, each case of a `switch` and the body of each `for` runs.
    pub branches: Share,
    /// The rules, in the order of the source.
    pub rules: Vec<RuleCoverage>,
    /// What no test reaches, in the order of the source; the first 200 places.
    pub uncovered: Vec<Uncovered>,
    /// How many tests are not counted, because they went over a limit: to look costs steps as well.
    pub unfollowed: usize,
}

/// How much of something is covered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = PolicyCoverageShare)]
pub struct Share {
    /// How many are.
    pub covered: usize,
    /// How many there are.
    pub total: usize,
    /// The share in per cent, rounded down to a tenth; 100 where there is none.
    pub percent: f64,
}

/// What the tests make of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = PolicyRuleCoverage)]
pub struct RuleCoverage {
    /// Its name.
    pub name: String,
    /// The line of its condition.
    pub line: usize,
    /// Whether it fits in some test.
    pub fits: bool,
    /// Whether it is tried in some test and does not fit.
    pub misses: bool,
}

/// Why a place is not covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PolicyCoverageGap)]
pub enum Gap {
    /// It never runs.
    NeverRuns,
    /// It is never true, or the rule never fits.
    NeverTrue,
    /// It is never false, or the rule always fits.
    NeverFalse,
    /// What stands before `??` is never there.
    NeverThere,
    /// What stands before `??` is never empty.
    NeverEmpty,
}

/// A place that no test reaches, or not in every way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = PolicyUncovered)]
pub struct Uncovered {
    /// Why it is not covered.
    pub gap: Gap,
    /// Where it starts.
    pub line: usize,
    /// Where it starts.
    pub column: usize,
    /// Where it ends.
    pub end_line: usize,
    /// The first column after it.
    pub end_column: usize,
    /// The same in a few words.
    pub message: String,
}

/// How much tests have to reach, in per cent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Least {
    /// Of the lines.
    pub lines: Option<u8>,
    /// Of the sides of branches.
    pub branches: Option<u8>,
}

impl Least {
    /// What is reached too little, in a sentence each.
    pub fn missed(self, coverage: &Coverage) -> impl Iterator<Item = String> {
        let asked = [("lines", coverage.lines, self.lines), ("branches", coverage.branches, self.branches)];
        let missed = asked.into_iter().filter(|(_, share, least)| least.is_some_and(|least| !share.is_at_least(least)));
        missed.map(|(what, share, least)| {
            format!("Its tests reach {share} of its {what}; {} % are asked for", least.unwrap_or_default())
        })
    }
}

/// What was seen by these probes.
pub fn of(probes: &[Probe], tokens: &Tokens, unfollowed: usize) -> Coverage {
    let lines = lines(probes);
    let sides = || probes.iter().flat_map(|probe| probe.sides().iter().map(move |side| probe.saw(*side)));
    let mut uncovered = never_run(&lines, tokens);
    uncovered.extend(
        probes.iter().filter(|probe| lines.get(&probe.range.start.0).is_some_and(|line| line.runs)).flat_map(gaps),
    );
    uncovered.sort_by_key(|gap| (gap.line, gap.column, gap.end_line, gap.end_column, gap.gap));
    uncovered.truncate(MOST);
    let mut rules: Vec<RuleCoverage> = probes.iter().filter_map(rule).collect();
    rules.sort_by_key(|rule| rule.line);
    Coverage {
        lines: Share::of(lines.values().map(|line| line.runs)),
        branches: Share::of(sides()),
        rules,
        uncovered,
        unfollowed,
    }
}

/// A line that counts.
struct Line {
    runs: bool,
    /// Where the first thing on it starts.
    start: Place,
}

fn lines(probes: &[Probe]) -> BTreeMap<usize, Line> {
    let mut lines: BTreeMap<usize, Line> = BTreeMap::new();
    for (probe, number) in probes.iter().filter_map(|probe| Some((probe, probe.line()?))) {
        let line = lines.entry(number).or_insert(Line { runs: false, start: probe.range.start });
        line.runs |= probe.ran();
        line.start = line.start.min(probe.range.start);
    }
    lines
}

/// The lines that never run, those that follow on each other together.
fn never_run(lines: &BTreeMap<usize, Line>, tokens: &Tokens) -> Vec<Uncovered> {
    let mut found: Vec<Range> = Vec::new();
    let mut goes_on = false;
    for (number, line) in lines {
        if !line.runs {
            let end = end_of_line(tokens, *number).unwrap_or(line.start);
            match found.last_mut().filter(|_| goes_on) {
                Some(range) => range.end = end,
                None => found.push(Range { start: line.start, end }),
            }
        }
        goes_on = !line.runs;
    }
    found.into_iter().map(|range| Uncovered::new(Gap::NeverRuns, range, "no test runs this")).collect()
}

fn end_of_line(tokens: &Tokens, line: usize) -> Option<Place> {
    let next = Position::new(u16::try_from(line + 1).ok()?, 1);
    let last = tokens.before(next)?;
    Some(tokens.range(last, last)?.end)
}

/// What was not seen at a place that stands on a line that runs.
fn gaps(probe: &Probe) -> Vec<Uncovered> {
    let gap = |gap, message: String| Uncovered::new(gap, probe.range, message);
    let (one, other) = (probe.saw(FIRST), probe.saw(SECOND));
    let never = |what: &str| format!("no test {what}");
    match (&probe.what, one, other) {
        (What::Run | What::Rule(_, false), ..)
        | (_, true, true)
        | (What::Case | What::NoCase | What::Loop, true, _) => Vec::new(),
        (What::Case, ..) => vec![gap(Gap::NeverRuns, never("comes to this case"))],
        (What::NoCase, ..) => vec![gap(Gap::NeverRuns, never("comes to a value that no case of this names"))],
        (What::Loop, ..) => vec![gap(Gap::NeverRuns, never("goes through this loop"))],
        (_, false, false) => vec![gap(Gap::NeverRuns, never("gets as far as this"))],
        (What::Rule(name, _), false, _) => vec![gap(Gap::NeverTrue, format!("in no test does rule \"{name}\" fit"))],
        (What::Rule(name, _), ..) => vec![gap(Gap::NeverFalse, format!("in no test does rule \"{name}\" not fit"))],
        (What::Condition, false, _) => vec![gap(Gap::NeverTrue, "in no test is this true".to_owned())],
        (What::Condition, ..) => vec![gap(Gap::NeverFalse, "in no test is this false".to_owned())],
        (What::Left, false, _) => vec![gap(Gap::NeverThere, "in no test is this there".to_owned())],
        (What::Left, ..) => vec![gap(Gap::NeverEmpty, "in no test is this empty".to_owned())],
    }
}

fn rule(probe: &Probe) -> Option<RuleCoverage> {
    let What::Rule(name, _) = &probe.what else { return None };
    let (fits, misses) = (probe.saw(FIRST), probe.saw(SECOND));
    Some(RuleCoverage { name: name.clone(), line: probe.range.start.0, fits, misses })
}

impl Share {
    /// Of what is covered or not.
    pub fn of(each: impl Iterator<Item = bool>) -> Share {
        let (covered, total) = each.fold((0, 0), |(covered, total), is| (covered + usize::from(is), total + 1));
        Share::new(covered, total)
    }

    fn new(covered: usize, total: usize) -> Share {
        let tenths = (covered * 1000).checked_div(total).unwrap_or(1000);
        Share { covered, total, percent: f64::from(u32::try_from(tenths).unwrap_or(1000)) / 10.0 }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Share) -> Share {
        Share::new(self.covered + other.covered, self.total + other.total)
    }

    /// Whether it is at least so many per cent.
    pub fn is_at_least(&self, percent: u8) -> bool {
        self.covered * 100 >= self.total * usize::from(percent)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} % ({}/{})", self.percent, self.covered, self.total)
    }
}

impl Uncovered {
    fn new(gap: Gap, range: Range, message: impl Into<String>) -> Uncovered {
        let ((line, column), (end_line, end_column)) = (range.start, range.end);
        Uncovered { gap, line, column, end_line, end_column, message: message.into() }
    }
}
