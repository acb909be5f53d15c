//! The table at the end: what was measured, what is aimed at, and whether it is reached.

use std::{path::Path, time::Duration};

use serde_json::Value as Json;

use crate::publishing::Measured;

/// What criterion found out, in nanoseconds.
pub struct Found<'a>(pub &'a Path);

impl Found<'_> {
    /// The median of a measurement; nothing where it was not made.
    pub fn median(&self, group: &str, name: &str) -> Option<f64> {
        let path = self.0.join(group).join(name).join("new/estimates.json");
        let found: Json = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        found["median"]["point_estimate"].as_f64()
    }
}

/// One line of the table.
pub struct Line {
    what: String,
    found: String,
    aim: String,
    reached: bool,
}

impl Line {
    /// Of a figure that is to be so great at least.
    pub fn at_least(what: &str, found: f64, aim: f64, unit: &str) -> Line {
        Line { what: what.to_owned(), found: told(found, unit), aim: format!("≥ {aim}{unit}"), reached: found >= aim }
    }
    /// Of a figure that is to be so small at least.
    pub fn at_most(what: &str, found: f64, aim: f64, unit: &str) -> Line {
        Line { what: what.to_owned(), found: told(found, unit), aim: format!("≤ {aim}{unit}"), reached: found <= aim }
    }
}

fn told(figure: f64, unit: &str) -> String {
    let digits = if figure >= 100.0 { 0 } else { 2 };
    format!("{figure:.digits$}{unit}")
}

/// Prints lines under each other.
pub fn print(lines: &[Line]) {
    let width = |of: fn(&Line) -> &str| lines.iter().map(|line| of(line).chars().count()).max().unwrap_or(0);
    let (what, found, aim) = (width(|line| &line.what), width(|line| &line.found), width(|line| &line.aim));
    println!("{:what$}  {:>found$}  {:>aim$}  reached", "", "", "aim");
    for line in lines {
        let reached = if line.reached { "yes" } else { "no" };
        println!("{:what$}  {:>found$}  {:>aim$}  {reached}", line.what, line.found, line.aim);
    }
}

/// Prints what publishing does to decisions.
pub fn print_publishing(measured: &Measured) {
    let row = |what: &str, count: usize, all: [Duration; 4]| {
        let [p50, p99, p999, worst] = all.map(|time| format!("{:.1} µs", time.as_secs_f64() * 1e6));
        println!("{what:34}  {count:>9}  {p50:>10}  {p99:>10}  {p999:>10}  {worst:>12}");
    };
    println!("{:34}  {:>9}  {:>10}  {:>10}  {:>10}  {:>12}", "", "how many", "median", "p99", "p99.9", "worst");
    for (what, found) in [("decisions alone", &measured.alone), ("decisions beside publications", &measured.beside)] {
        row(what, found.count(), [0.5, 0.99, 0.999, 1.0].map(|share| found.at(share)));
    }
    let mut published = measured.published.clone();
    published.sort_unstable();
    let at = |share: f64| published[((published.len() - 1) as f64 * share) as usize];
    row("publications", published.len(), [0.5, 0.99, 0.999, 1.0].map(at));
}
