//! Runs the tests of the policies in tests/policies/covered: each reaches what its first lines say, and watching it changes
//! nothing. `POINTSMAN_UPDATE_GOLDEN=1` writes the lines anew (twice: they move what is below).

use std::{fs, path::Path, sync::Arc};

use super::*;
use crate::policy::{
    decision::Decision,
    evaluate::{Evaluation, Input, evaluate},
    facts,
    functions::test_clock,
    host::Host,
    library::{Library, files},
    program::compile,
    runner::on_ample_stack,
    testing::{TestResult, run_covered},
};

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/policies/covered")
}

fn host() -> Arc<dyn Host> {
    Arc::new(Library::shipped().unwrap().offline())
}

fn covered(decision: Decision, source: &str) -> (Vec<TestResult>, Coverage) {
    let (results, coverage) = on_ample_stack(|| {
        let program = Arc::new(compile(source, decision).unwrap());
        run_covered(&program, &facts::incident(), &host(), &[])
    })
    .unwrap();
    (results, coverage.unwrap())
}

/// The decision in the first line: `// routing`.
fn decision(source: &str) -> Decision {
    Decision::named(source.lines().next().unwrap().trim_start_matches("// ").trim()).unwrap()
}

fn told(coverage: &Coverage) -> Vec<String> {
    let Coverage { lines, branches, rules, uncovered, unfollowed } = coverage;
    let shares = format!("lines {lines}, branches {branches}, unfollowed {unfollowed}");
    let rules = rules.iter().map(|rule| format!("rule {} fits {} misses {}", rule.line, rule.fits, rule.misses));
    let gap = |gap: &Uncovered| {
        let Uncovered { gap, line, column, end_line, end_column, message } = gap;
        format!("{gap:?} {line}:{column}-{end_line}:{end_column} {message}")
    };
    std::iter::once(shares).chain(rules).chain(uncovered.iter().map(gap)).collect()
}

#[test]
fn each_policy_is_covered_as_it_says() {
    let update = std::env::var_os("POINTSMAN_UPDATE_GOLDEN").is_some();
    let corpus = files(&folder(), "rhai").unwrap();
    assert!(corpus.len() >= 8);
    let mut wrong = Vec::new();
    for (name, source) in corpus {
        let (results, coverage) = covered(decision(&source), &source);
        let red: Vec<_> = results.iter().filter(|test| !test.passed && !test.name.contains("red")).collect();
        assert!(red.is_empty(), "{name}: {red:?}");
        let (first, rest) = source.split_once('\n').unwrap();
        let expected: Vec<&str> = rest.lines().map_while(|line| line.strip_prefix("//! ")).collect();
        let found = told(&coverage);
        if update {
            let lines: String = found.iter().map(|line| format!("//! {line}\n")).collect();
            let rest: String = rest.split_inclusive('\n').skip(expected.len()).collect();
            fs::write(folder().join(format!("{name}.rhai")), format!("{first}\n{lines}{rest}")).unwrap();
        } else if found != expected {
            wrong.push(format!("{name}:\n{}\nis not\n{}", found.join("\n"), expected.join("\n")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What an evaluation says, without what it took.
fn gist(run: &Evaluation) -> String {
    let Evaluation { outcome, effects, host_calls, error, .. } = run;
    let rules: Vec<_> = run.rules.iter().map(|rule| (rule.name, rule.line, rule.fitted)).collect();
    format!("{outcome:?} {effects:?} {host_calls:?} {error:?} {rules:?}")
}

#[test]
fn watching_a_policy_changes_nothing_of_what_it_says() {
    let library = Library::shipped().unwrap();
    let shipped = library.scripts.iter().map(|script| (script.decision, library.linked(script)));
    let corpus = files(&folder(), "rhai").unwrap().into_iter().map(|(_, source)| (decision(&source), (&source).into()));
    let (schema, host) = (facts::incident(), host());
    for (decision, source) in shipped.chain(corpus) {
        on_ample_stack(|| {
            let program = Arc::new(compile(source, decision).unwrap());
            let watched = Watched::new(&program).unwrap();
            for category in [None, Some("network"), Some("none")] {
                for (impact, state) in [(1, "new"), (2, "resolved"), (3, "cancelled")] {
                    let mut record = facts::Facts::builder(&schema);
                    record.set("impact", impact).unwrap().set("urgency", impact).unwrap();
                    record.set("category", category).unwrap().set("state", state).unwrap();
                    let mut step = facts::Facts::builder(&facts::transition());
                    step.set("name", "resolve").unwrap().set("to", state).unwrap();
                    let beside = match decision.spec().beside() {
                        Some("moment") => facts::moment().made_up(),
                        _ => step.build(),
                    };
                    let input = Input::new(record.build(), test_clock()).beside(beside);
                    let [plain, seen] = [&program, &watched.program].map(|p| gist(&evaluate(p, &input, &host)));
                    assert_eq!(plain, seen, "{}", program.source());
                }
            }
        })
        .unwrap();
    }
}

#[test]
fn the_symbol_for_what_is_woven_is_no_word_of_scripts() {
    for source in ["fn route(i) { $ }", "fn route(i) { assign($) }", "fn route(i) { let x = $ 1; }", "$"] {
        let problems = on_ample_stack(|| compile(source, Decision::Routing).err().unwrap()).unwrap();
        assert_eq!(problems[0].code, "forbidden_word", "{problems:?}");
    }
}

#[test]
fn what_went_over_a_limit_is_not_followed() {
    let source = "fn route(i) { assign(\"a\") }\nfn test_slow() { for i in 0..1000000 { } }\nfn test_it() { expect(route(incident()), \"a\"); }\n";
    let (results, coverage) = covered(Decision::Routing, source);
    assert_eq!((results.len(), coverage.unfollowed, coverage.lines.covered), (2, 1, 1));
}

#[test]
fn large_and_strange_sources_are_watched_like_others() {
    let filled = |part: &str, n: usize| part.repeat(n);
    let nested = format!("{}1{}", "if i.impact == 1 || i.urgency == 2 { ".repeat(5), "}".repeat(5));
    let rows = "#{ name: \"a\", record: #{ title: t }, expect: \"a\" },".repeat(250);
    for (body, more) in [
        (filled("a + 1;", 4_000), String::new()),
        (format!("{};", ["i.impact == 1"; 18].join(" && ")).repeat(90), String::new()),
        (format!("{};", ["i.team"; 18].join(" ?? ")).repeat(150), String::new()),
        (format!("{nested};").repeat(50), String::new()),
        (filled("rule \"r\" when i.impact == 9 then leave();", 190), String::new()),
        (
            format!("switch i.type {{ {} }}", (0..2_000).map(|n| format!("\"{n}\" => {n},")).collect::<String>()),
            String::new(),
        ),
        (filled("[1].map(|x| x > 1 && x < 2);", 40), String::new()),
        (String::new(), format!("fn cases() {{ let t = \"{}\"; [{rows}] }}", "t".repeat(4_000))),
    ] {
        let source =
            format!("fn route(i) {{ let a = 1; {body} assign(\"a\") }}\nfn test_it() {{ route(incident()); }}\n{more}");
        let (results, coverage) = covered(Decision::Routing, &source);
        let start: String = body.chars().take(60).collect();
        assert!(coverage.lines.covered > 0 && coverage.uncovered.len() <= 200, "{start}: {coverage:?}");
        assert!(results.iter().all(|test| test.passed), "{start}: {results:?}");
    }
}

#[test]
fn shares_are_rounded_down_and_compared_exactly() {
    let share = |covered, total| Share::of((0..total).map(|n| n < covered));
    for (covered, total, percent, least, is) in [
        (0, 0, 100.0, 100, true),
        (999, 1000, 99.9, 100, false),
        (9_999, 10_000, 99.9, 100, false),
        (2, 3, 66.6, 66, true),
        (2, 3, 66.6, 67, false),
        (9, 10, 90.0, 90, true),
    ] {
        let share = share(covered, total);
        assert_eq!((share.percent, share.is_at_least(least)), (percent, is), "{covered} of {total}");
    }
}
