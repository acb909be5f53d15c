//! The same routing policy in plain Rust, in the server's own engine and in other policy engines; and what comes on top of a
//! decision: its row of the log, compiling, publishing, back-tests.
//!
//! `cargo bench --manifest-path benches/engines/Cargo.toml` measures all of it in one run and ends with a table of aims. All
//! engines are given the same records and give the same answers, which is checked first; all of them allocate from the server's
//! allocator, which counts. Decisions are measured twice: from the record as it comes in, JSON that is read, of which each engine
//! makes what it wants to be given; and on records that were prepared in that form beforehand. What can't be prepared ends the run:
//! hence `unwrap`.

mod aims;
mod engine;
mod native;
mod others;
mod ours;
mod publishing;
mod record;
mod rehearsal;

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use pointsman::policy::runner::on_ample_stack;

use aims::{Found, Line};
use engine::{Engine, check, measure, measure_from};
use native::Native;
use others::{Cel, Rego, Zen};
use ours::{Logged, Ours};
use rehearsal::Rehearsal;

const FROM: &str = "decide from the record";
const DECIDE: &str = "decide on what is prepared";
const AROUND: &str = "around";
const COMPILE: &str = "compile the policy";
const BARE: &str = "bare evaluation by both versions, prepared";
const BARE_FROM: &str = "bare evaluation by both versions, from the record";
const BACK_TEST: &str = "back-test by both versions";

fn main() {
    on_ample_stack(run).unwrap();
}

fn run() {
    let cases = record::cases();
    let folder = std::env::temp_dir().join(format!("pointsman-engines-{}-figures", std::process::id()));
    let mut criterion = Criterion::default().output_directory(&folder).without_plots().configure_from_args();
    decide(&mut criterion, &cases);
    around(&mut criterion, &cases);
    criterion.final_summary();
    let (found, asked) = (Found(&folder), std::env::args().any(|argument| argument == "--bench"));
    if asked {
        tell(&found, &cases);
    }
    // Where nothing was measured there is nothing to remove.
    drop(std::fs::remove_dir_all(&folder));
}

/// The same policy in each engine.
fn decide(criterion: &mut Criterion, cases: &[record::Case]) {
    let (mut native, mut ours) = (Native::new(cases), Ours::new(cases));
    let (mut rego, mut cel, mut zen) = (Rego::new(cases), Cel::new(cases), Zen::new(cases));
    check(&mut native, cases);
    check(&mut ours, cases);
    check(&mut rego, cases);
    check(&mut cel, cases);
    check(&mut zen, cases);
    let mut group = criterion.benchmark_group(FROM);
    measure_from(&mut group, &mut native, cases);
    measure_from(&mut group, &mut ours, cases);
    measure_from(&mut group, &mut rego, cases);
    measure_from(&mut group, &mut cel, cases);
    measure_from(&mut group, &mut zen, cases);
    group.finish();
    let mut group = criterion.benchmark_group(DECIDE);
    measure(&mut group, &mut native, cases.len());
    measure(&mut group, &mut ours, cases.len());
    measure(&mut group, &mut rego, cases.len());
    measure(&mut group, &mut cel, cases.len());
    measure(&mut group, &mut zen, cases.len());
    group.finish();
}

/// What comes on top of a decision.
fn around(criterion: &mut Criterion, cases: &[record::Case]) {
    let (mut ours, mut logged, rehearsal) = (Ours::new(cases), Logged::new(cases), Rehearsal::new(cases));
    check(&mut logged, cases);
    rehearsal.check();
    let mut group = criterion.benchmark_group(AROUND);
    measure(&mut group, &mut logged, cases.len());
    group.bench_function(BARE, |bencher| {
        bencher.iter(|| {
            for nth in 0..cases.len() {
                black_box(ours.decide(black_box(nth)));
                black_box(ours.decide(black_box(nth)));
            }
        });
    });
    group.bench_function(BARE_FROM, |bencher| {
        bencher.iter(|| {
            for case in cases {
                black_box(ours.decide_twice_from(black_box(&case.json)));
            }
        });
    });
    group.bench_function(BACK_TEST, |bencher| bencher.iter(|| black_box(&rehearsal).go_through()));
    group.throughput(Throughput::Elements(1));
    group.bench_function(COMPILE, |bencher| bencher.iter(ours::compiled));
    group.finish();
}

/// Prints what was found beside what is aimed at.
fn tell(found: &Found<'_>, cases: &[record::Case]) {
    let mut lines = Vec::new();
    let decision = |group: &str, name: &str| found.median(group, name).map(|all| all / cases.len() as f64);
    println!("\n{:12} {:>34}  {:>34}", "", "from the record", "prepared");
    for name in [Native::NAME, Ours::NAME, Rego::NAME, Cel::NAME, Zen::NAME] {
        let told = [FROM, DECIDE].map(|group| {
            let pair = decision(group, name).zip(decision(group, Ours::NAME));
            pair.map(|(took, ours)| format!("{took:.0} ns, {:.2} times {}", took / ours, Ours::NAME))
                .unwrap_or_default()
        });
        println!("{name:12} {:>34}  {:>34}", told[0], told[1]);
    }
    println!("Engines are compared from the record on, as no server has its records in the form that an engine wants.");
    if let Some(ours) = decision(FROM, Ours::NAME) {
        for name in [Rego::NAME, Cel::NAME, Zen::NAME] {
            let Some(other) = decision(FROM, name) else { continue };
            lines.push(Line::at_least(&format!("as fast as {name}, from the record"), other / ours, 4.0, " times"));
        }
        if let Some(native) = decision(FROM, Native::NAME) {
            lines.push(Line::at_most("as long as native Rust, from the record", ours / native, 40.0, " times"));
        }
    }
    if let Some(logged) = found.median(AROUND, Logged::NAME) {
        let each = logged / cases.len() as f64 / 1e3;
        lines.push(Line::at_most("a decision, traced, with its row of the log", each, 10.0, " µs"));
    }
    if let Some(compile) = found.median(AROUND, COMPILE) {
        lines.push(Line::at_most("compiling the policy", compile / 1e6, 1.0, " ms"));
    }
    for (bare, what) in [(BARE_FROM, "from the record"), (BARE, "prepared")] {
        let Some((bare, back_test)) = found.median(AROUND, bare).zip(found.median(AROUND, BACK_TEST)) else { continue };
        let what = format!("a back-test, of bare evaluation, {what}");
        lines.push(Line::at_least(&what, bare / back_test * 100.0, 50.0, " %"));
    }
    let published = publishing::measure(cases);
    if let Some(waits) = published.beside.waits {
        lines.push(Line::at_most("decisions that waited for a publication", waits as f64, 0.0, ""));
    }
    println!();
    aims::print_publishing(&published);
    println!();
    aims::print(&lines);
}
