//! What was measured, for people and for machines, and whether it reaches what is aimed at.

use crate::{
    back_test::BackTest,
    measure::{Line, Measured, Soak},
};

/// The middle one; of an even number the lower middle.
pub fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len().saturating_sub(1) / 2).copied()
}

/// Prints a table for each database, and what is aimed at.
pub fn print(measured: &[Measured], json: bool) {
    if json {
        return println!("{}", serde_json::to_string_pretty(measured).unwrap());
    }
    for one in measured {
        println!("\n{}, {} incidents", one.database, one.records);
        println!(
            "{:<32}{:>6}{:>12}{:>10}{:>10}  {:<22}{:>7}{:>8}",
            "scenario", "conn.", "requests/s", "p50 ms", "p99 ms", "ratio", "cores", "failed"
        );
        let mut lines: Vec<&Line> = one.lines.iter().collect();
        lines.sort_by_key(|line| (line.scenario, line.connections));
        for line in lines {
            let ratio = line.ratio.map_or(String::new(), |r| format!("{:.0} % of {}", r * 100.0, line.against));
            println!(
                "{:<32}{:>6}{:>12.0}{:>10.2}{:>10.2}  {:<22}{:>7.2}{:>8}",
                line.scenario,
                line.connections,
                line.per_second,
                line.p50_milliseconds,
                line.p99_milliseconds,
                ratio,
                line.cores,
                line.failed
            );
        }
        println!("a new incident is {} rows; the server's memory was at most {:.0} MiB", one.rows, one.memory);
    }
    println!("\n{:<72}{:>10}{:>10}", "aim", "measured", "");
    for (aim, measured, reached) in aims(measured) {
        println!("{aim:<72}{measured:>10}{:>10}", if reached { "reached" } else { "missed" });
    }
}

/// What is aimed at: in words, what was measured, and whether that reaches it.
fn aims(measured: &[Measured]) -> Vec<(String, String, bool)> {
    let mut aims = Vec::new();
    for one in measured {
        let mut aim = |what: &str, value: Option<f64>, reached: &dyn Fn(f64) -> bool, unit: &str| {
            if let Some(value) = value {
                let what = format!("{}, {}: {what}", one.database, one.records);
                let shown = if unit == "%" { format!("{:.0} %", value * 100.0) } else { format!("{value:.2}{unit}") };
                aims.push((what, shown, reached(value)));
            }
        };
        let ratio = |scenario: &str| {
            let at = |line: &&Line| line.scenario == scenario && line.connections == 64;
            one.lines.iter().find(at).and_then(|line| line.ratio)
        };
        aim("create at 64 >= 60 % of the floor", ratio("create"), &|r| r >= 0.6, "%");
        aim("create at 64 >= 130 % of one commit each", ratio("create against one commit each"), &|r| r >= 1.3, "%");
        aim("read at 64 >= 60 % of static", ratio("read"), &|r| r >= 0.6, "%");
        aim("list at 64 >= 40 % of a static page", ratio("list"), &|r| r >= 0.4, "%");
        aim("page 1,000 <= 1.1 x page 1", one.deep_paging, &|r| r <= 1.1, " x");
        aim("others' p99 in a login storm <= 2 x", one.login_storm, &|r| r <= 2.0, " x");
        aim("start to first answer < 200 ms", Some(one.start_milliseconds), &|ms| ms < 200.0, " ms");
        aim("memory < 150 MiB", Some(one.memory), &|mib| mib < 150.0, " MiB");
    }
    aims.extend(growth(measured));
    aims
}

/// The p99 of the largest against that of the smallest database, over all concurrencies.
fn growth(measured: &[Measured]) -> Vec<(String, String, bool)> {
    let mut found = Vec::new();
    for small in measured {
        let larger = |m: &&Measured| m.database == small.database && m.records > small.records;
        let Some(large) = measured.iter().filter(larger).max_by_key(|m| m.records) else { continue };
        for scenario in ["create", "read", "list", "search"] {
            let of = |m: &Measured, connections| {
                let same = |l: &&Line| l.scenario == scenario && l.connections == connections;
                m.lines.iter().find(same).map(|l| l.p99_milliseconds)
            };
            let pairs = small.lines.iter().filter(|l| l.scenario == scenario).map(|l| l.connections);
            let ratios = pairs.filter_map(|c| Some(of(large, c)? / of(small, c)?)).collect();
            let Some(ratio) = median(ratios) else { continue };
            let what =
                format!("{}: {scenario} p99, {} against {} <= 1.5 x", small.database, large.records, small.records);
            found.push((what, format!("{ratio:.2} x"), ratio <= 1.5));
        }
    }
    found
}

/// Prints what the memory did.
pub fn soaks(soaks: &[Soak], json: bool) {
    if json {
        return println!("{}", serde_json::to_string_pretty(soaks).unwrap());
    }
    for soak in soaks {
        let samples: Vec<String> = soak.memory.iter().map(|mib| format!("{mib:.0}")).collect();
        println!(
            "{}, {} incidents: {} requests in {} s, {} failed; MiB at each tenth: {}; at most {:.0}",
            soak.database,
            soak.records,
            soak.requests,
            soak.seconds,
            soak.failed,
            samples.join(" "),
            soak.most
        );
    }
}

/// Prints what back-tests took.
pub fn back_tests(back_tests: &[BackTest], json: bool) {
    if json {
        return println!("{}", serde_json::to_string_pretty(back_tests).unwrap());
    }
    for one in back_tests {
        let samples: Vec<String> = one.memory.iter().map(|mib| format!("{mib:.0}")).collect();
        println!(
            "{}: {} decisions, each by both versions, in {:.1} s, {:.0} a second; MiB at each tenth: {}; at most {:.0}",
            one.database,
            one.decisions,
            one.seconds,
            one.decisions as f64 / one.seconds,
            samples.join(" "),
            one.most
        );
    }
}
