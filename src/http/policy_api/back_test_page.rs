//! A back-test as one page: charts drawn in the page itself, nothing from elsewhere, no script.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use super::back_tests::{BackTest, BackTestPin};
use crate::policy::back_test::report::{BackTestReport, BackTestTransition, Shift};

/// How many rows and columns a matrix has at most, and how many teams have a chart.
const MOST: usize = 12;
/// Width and height of a chart.
const SIZE: (f64, f64) = (640.0, 120.0);

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2430}\
table{border-collapse:collapse;margin:.5rem 0 1.5rem}td,th{border:1px solid #d5dae1;padding:.25rem .6rem;text-align:left}\
td.n{text-align:right;font-variant-numeric:tabular-nums}h2{margin-top:2rem}.k{color:#5b6675}svg{background:#f6f7f9}\
.b{stroke:#8a94a3;fill:none;stroke-width:2}.a{stroke:#1f6feb;fill:none;stroke-width:2}";

/// The page.
pub(super) fn page(test: &BackTest) -> String {
    let report = &test.report;
    let title = format!("Back-test of {} version {}", test.candidate.name, test.candidate.version);
    let parts = [
        summary(test),
        matrices(report),
        load(report),
        approvals(report),
        breaches(report),
        rules(report),
        failures(report),
    ];
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{0}</title><style>{STYLE}</style><h1>{0}</h1>{1}</html>",
        escaped(&title),
        parts.concat()
    )
}

/// Text as it may stand in a page.
fn escaped(text: &str) -> String {
    let escape = |c| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        other => String::from(other),
    };
    text.chars().map(escape).collect()
}

fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let head: String = head.iter().map(|name| format!("<th>{}</th>", escaped(name))).collect();
    let row = |cells: Vec<String>| {
        let cell = |(at, text): (usize, &String)| match at {
            0 => format!("<td>{}</td>", escaped(text)),
            _ => format!("<td class=\"n\">{}</td>", escaped(text)),
        };
        format!("<tr>{}</tr>", cells.iter().enumerate().map(cell).collect::<String>())
    };
    format!("<table><tr>{head}</tr>{}</table>", rows.into_iter().map(row).collect::<String>())
}

fn summary(test: &BackTest) -> String {
    let report = &test.report;
    let pins = |pins: &[BackTestPin]| {
        let named: Vec<String> = pins.iter().map(|pin| format!("{} v{}", pin.name, pin.version)).collect();
        if named.is_empty() { "nothing".to_owned() } else { named.join(", ") }
    };
    let moment =
        |at: Option<crate::clock::Moment>, other: &str| at.map_or_else(|| other.to_owned(), |at| at.to_string());
    let figures = [
        ("Decisions made again", report.decisions),
        ("Same", report.same),
        ("Different", report.different),
        ("With an error of the candidate", report.errors),
        ("With an error of what is live", report.errors_before),
        ("Not to be made again", report.unreadable),
    ];
    let share = |n: u64| if report.decisions == 0 { 0.0 } else { n as f64 * 100.0 / report.decisions as f64 };
    let rows = figures.map(|(name, n)| vec![name.to_owned(), n.to_string(), format!("{:.1} %", share(n))]);
    format!(
        "<p>{} decisions from {} to {}, {} of {} ({} %). Compared with {}; with the tables {}.</p>{}",
        test.decision.spec().name,
        escaped(&moment(test.from, "the first")),
        escaped(&moment(test.until, "the last")),
        test.job.progress().0,
        test.job.progress().1,
        test.job.percent(),
        escaped(&pins(&test.live)),
        escaped(&pins(&test.tables)),
        table(&["", "decisions", "share"], rows)
    )
}

/// From what to what, for each field: rows are what was live, columns the candidate.
fn matrices(report: &BackTestReport) -> String {
    let matrices = report.transitions.iter().map(|(field, pairs)| {
        let most = &pairs[..pairs.len().min(MOST)];
        let head = most.iter().map(|pair| pair.to.as_str()).collect::<BTreeSet<_>>();
        let rows = most.iter().map(|pair| pair.from.as_str()).collect::<BTreeSet<_>>();
        let count = |from: &str, to: &str| pairs.iter().find(|p| p.from == from && p.to == to).map(|p| p.decisions);
        let named = |value: &str| if value.is_empty() { "nothing".to_owned() } else { value.to_owned() };
        let lines = rows.iter().map(|from| {
            let cells = head.iter().map(|to| count(from, to).map_or_else(String::new, |n| n.to_string()));
            std::iter::once(named(from)).chain(cells).collect()
        });
        let names: Vec<String> =
            std::iter::once("from \\ to".to_owned()).chain(head.iter().map(|to| named(to))).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        format!("<h2>What becomes of {}</h2>{}{}", escaped(field), table(&names, lines), beyond(pairs))
    });
    matrices.collect()
}

fn beyond(pairs: &[BackTestTransition]) -> String {
    let rest: u64 = pairs.iter().skip(MOST).map(|pair| pair.decisions).sum();
    if rest == 0 { String::new() } else { format!("<p class=\"k\">{rest} more decisions differ in other ways.</p>") }
}

/// The work of the busiest teams, day by day.
fn load(report: &BackTestReport) -> String {
    let mut teams: BTreeMap<&str, u64> = BTreeMap::new();
    for (team, shift) in report.load.values().flatten() {
        *teams.entry(team).or_default() += shift.before + shift.after;
    }
    let mut teams: Vec<(&str, u64)> = teams.into_iter().collect();
    teams.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    let charts = teams.iter().take(MOST).map(|(team, _)| {
        let days = report.load.values().map(|teams| teams.get(*team).copied().unwrap_or_default()).collect();
        chart(if team.is_empty() { "no team" } else { team }, days)
    });
    let charts: String = charts.collect();
    if charts.is_empty() { String::new() } else { format!("<h2>Work of each team per day</h2>{LEGEND}{charts}") }
}

/// What each approver would be asked for.
fn approvals(report: &BackTestReport) -> String {
    if report.approvals.is_empty() {
        return String::new();
    }
    let row = |(who, shift): (&String, &Shift)| vec![who.clone(), shift.before.to_string(), shift.after.to_string()];
    let rows = report.approvals.iter().map(row);
    format!("<h2>Approvals of each approver</h2>{}", table(&["approver", "before", "after"], rows))
}

fn breaches(report: &BackTestReport) -> String {
    let breaches = &report.breaches;
    if breaches.incidents == 0 {
        return String::new();
    }
    let days = chart("late per day", breaches.days.values().copied().collect());
    let Shift { before, after } = breaches.late;
    format!(
        "<h2>Forecast of what is resolved too late</h2><p>Of {} resolved incidents {before} before and {after} with the \
         candidate, if they took as long as they did.</p>{LEGEND}{days}",
        breaches.incidents
    )
}

const LEGEND: &str = "<p class=\"k\">Grey: what is live. Blue: the candidate.</p>";

/// Two lines over the days.
fn chart(name: &str, days: Vec<Shift>) -> String {
    let (width, height) = SIZE;
    let most = days.iter().map(|shift| shift.before.max(shift.after)).max().unwrap_or(0).max(1) as f64;
    let step = width / days.len().saturating_sub(1).max(1) as f64;
    let line = |class: &str, value: fn(&Shift) -> u64| {
        let mut points = String::new();
        for (at, shift) in days.iter().enumerate() {
            let y = height - value(shift) as f64 / most * (height - 10.0);
            // Writing to a text never fails.
            let _ = write!(points, "{:.1},{y:.1} ", at as f64 * step);
        }
        format!("<polyline class=\"{class}\" points=\"{}\"/>", points.trim_end())
    };
    let total = |value: fn(&Shift) -> u64| days.iter().map(value).sum::<u64>();
    format!(
        "<p>{0}: {1} before, {2} with the candidate, at most {most} a day</p><svg role=\"img\" aria-label=\"{0}\" viewBox=\"0 0 {width} \
         {height}\" width=\"{width}\" height=\"{height}\">{3}{4}</svg>",
        escaped(name),
        total(|shift| shift.before),
        total(|shift| shift.after),
        line("b", |shift| shift.before),
        line("a", |shift| shift.after),
    )
}

fn rules(report: &BackTestReport) -> String {
    let rows = report.rules.iter().map(|rule| {
        let never = if rule.fitted == 0 { "never" } else { "" };
        vec![
            format!("{} (line {})", rule.name, rule.line),
            rule.tried.to_string(),
            rule.fitted.to_string(),
            never.to_owned(),
        ]
    });
    format!("<h2>Rules of the candidate</h2>{}", table(&["rule", "tried", "fitted", ""], rows))
}

fn failures(report: &BackTestReport) -> String {
    if report.failures.is_empty() {
        return String::new();
    }
    let rows = report.failures.iter().map(|(told, times)| vec![told.clone(), times.to_string()]);
    format!("<h2>What went wrong</h2>{}", table(&["error", "decisions"], rows))
}
