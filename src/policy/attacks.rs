//! Scripts that are wrong or hostile: each ends soon, and the process lives.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    decision::Decision,
    evaluate::{Evaluation, Input, Outcome, evaluate},
    facts,
    functions::test_clock,
    host::{Host, Offline},
    program::compile,
    runner::on_ample_stack,
};

/// How soon a hostile script must be over, compiling included, in a debug build.
const SOON: Duration = Duration::from_millis(500);

/// Nothing when it doesn't compile. A machine that was busy elsewhere for a moment is given another try.
fn attack(source: &str) -> Option<Evaluation> {
    let (evaluation, took) =
        (0..2).map(|_| timed(source)).find(|(_, took)| *took < SOON).unwrap_or_else(|| timed(source));
    assert!(took < SOON, "took {took:?}: {}", source.chars().take(200).collect::<String>());
    evaluation
}

fn timed(source: &str) -> (Option<Evaluation>, Duration) {
    let host: Arc<dyn Host> = Arc::new(Offline::default());
    let input = Input::new(facts::incident().made_up(), test_clock());
    on_ample_stack(|| {
        // Building this thread's engine is not the script's time.
        super::engine::with(|_| ());
        let started = Instant::now();
        let evaluation = compile(source, Decision::Routing).ok().map(|p| evaluate(&p, &input, &host));
        (evaluation, started.elapsed())
    })
    .unwrap()
}

/// A policy of this code, with functions that multiply: callbacks see no variables around them.
fn body(code: &str) -> String {
    const MORE: &str = "
        fn list() { let a = []; for n in 0..250 { a.push(n); } a }
        fn one(x) { list().map(|y| two(y)) }
        fn two(x) { list().map(|y| three(y)) }
        fn three(x) { list().map(|y| y) }
        fn rec(n) { rec(n + 1) + rec(n) }
        fn deep(n) { if n == 0 { 0 } else { deep(n - 1) } }";
    format!("fn route(i) {{ {code} }} {MORE}")
}

#[test]
fn code_that_runs_wild_is_stopped() {
    let grow = "let a = [1]; for i in 0..40 { let b = a; a.push(b); }";
    for code in [
        "for i in 0..9000000000000 { }",
        "for i in 0..1000 { for j in 0..1000 { for k in 0..1000 { } } }",
        "rec(0)",
        "deep(1000)",
        "let s = \"aaaaaaaa\"; for i in 0..60 { s += s; }",
        "let a = [1]; for i in 0..60 { a += a; }",
        "let m = #{}; for i in 0..100000 { m[\"k\" + i] = i; }",
        "let s = \"aaaaaaaaaa\"; for i in 0..8 { s += s; } for i in 0..1000 { let t = s; t.replace(\"a\", s); }",
        "let s = \"a\"; s.pad(1000000000, \"b\");",
        "let a = []; a.pad(1000000000, 1);",
        "one(1)",
        "list().filter(|x| one(x).len() > 0)",
        "list().sort(|x, y| { for k in 0..100000 {} 0 });",
        "list().reduce(|s, v| list().map(|t| one(t)))",
        grow,
        "let a = \"x\"; for i in 0..100 { a = `${a}${a}${a}`; }",
        "let n = 9223372036854775807; n + 1",
        "let x = 1 / 0;",
        "i.title = \"x\";",
        "i.caller.vip = true;",
        "let a = i; a.tags.push(1); a.nothing",
        "assign(1)",
        "assign(())",
        "for x in i { }",
        "().x",
        "route(i)",
        "incident(#{})",
        "expect(1, 2)",
    ] {
        let evaluation = attack(&body(code)).unwrap_or_else(|| panic!("does not compile: {code}"));
        assert!(evaluation.failed(), "{code}: {:?}", evaluation.outcome);
        assert!(evaluation.error.is_some() && evaluation.effects.is_empty());
    }
}

#[test]
fn code_that_is_harmless_in_small_is_let_through_or_stopped() {
    for code in [
        "let a = []; for i in 0..15 { a = [a, a]; } let b = a; a == b",
        "let a = []; for i in 0..255 { a.push([i]); } for i in 0..500 { a == a; } assign(\"x\")",
        "let a = []; for i in 0..250 { a.push(\"aaaaaaaaaaaaaaa\"); } for i in 0..2000 { let t = a.to_string(); }",
        "const M = #{p: 1}; M.p = 5;",
        "const M = [1]; M[0] = 5;",
        "let s = \"ab\"; for i in 0..11 { s += s; } for i in 0..2000 { s.split(\"\"); s.to_chars(); s.index_of(\"c\"); }",
        "let a = []; for i in 0..250 { a.push(i); } for i in 0..2000 { a.sort(); a.reverse(); a.dedup(); a.index_of(9999); }",
    ] {
        attack(&body(code));
    }
}

#[test]
fn words_that_reach_out_do_not_compile() {
    for code in [
        "loop { }",
        "while true { }",
        "do { } while true;",
        "do { } until false;",
        "try { rec(0) } catch { }",
        "throw 1;",
        "eval(\"1\")",
        "let f = Fn(\"rec\"); f.call(1)",
        "import \"x\" as y;",
        "print(1)",
        "debug(1)",
    ] {
        assert!(attack(&body(code)).is_none(), "{code} compiles");
    }
    for code in ["sleep(10);", "exit(1);", "parse_json(\"{}\");", "timestamp();", "blob(1000000000);"] {
        let evaluation = attack(&body(code)).unwrap();
        assert_eq!(evaluation.error.unwrap().code, "unknown_function", "{code}");
    }
}

#[test]
fn monstrous_sources_do_not_compile() {
    let deep = |open: &str, close: &str, n: usize| body(&format!("let x = {}1{};", open.repeat(n), close.repeat(n)));
    let sources = [
        body(&format!("let s = \"{}\";", "a".repeat(1 << 20))),
        body(&format!("let a = [{}];", "1,".repeat(15_000))),
        body(&format!("let m = #{{{}}};", (0..3000).map(|i| format!("k{i}:1,")).collect::<String>())),
        deep("(", ")", 10_000),
        deep("[", "]", 10_000),
        deep("#{a:", "}", 5_000),
        deep("-", "", 30_000),
        deep("!", "", 30_000),
        deep("1+(", ")", 5_000),
        deep("rec(", ")", 5_000),
        deep("{", "}", 10_000),
        deep("if true { ", "}", 2_500),
        deep("`${", "}`", 5_000),
        (0..1000).map(|i| format!("fn f{i}() {{}}\n")).collect(),
        body(&"rule \"a\" when ".repeat(2000)),
        "/*".repeat(16_000),
        "\0".repeat(1000),
        "\u{feff}fn".to_owned(),
    ];
    for source in sources {
        assert!(attack(&source).is_none(), "compiles: {}", source.chars().take(60).collect::<String>());
    }
    attack(&body(&format!("i{}", "?.caller".repeat(3000))));
    attack(&body(&format!("1{}", "+1".repeat(10_000))));
    attack(&body(&format!("true{}", "&&true".repeat(5_000))));
}

#[test]
fn a_panic_of_the_host_is_an_error_of_the_policy() {
    struct Faulty;
    impl Host for Faulty {
        fn team_exists(&self, _: &str) -> bool {
            panic!("on purpose")
        }
        fn user_exists(&self, _: &str) -> crate::error::Result<bool> {
            Ok(false)
        }
        fn team_names(&self) -> Vec<String> {
            Vec::new()
        }
        fn table(&self, _: &str) -> Option<Arc<super::table::Table>> {
            None
        }
        fn table_names(&self) -> Vec<String> {
            Vec::new()
        }
        fn business_hours(&self, _: &str, _: crate::clock::Moment) -> Option<bool> {
            None
        }
        fn calendar_names(&self) -> Vec<String> {
            Vec::new()
        }
        fn on_call(&self, _: &str, _: crate::clock::Moment) -> Option<String> {
            None
        }
    }
    let host: Arc<dyn Host> = Arc::new(Faulty);
    let input = Input::new(facts::incident().made_up(), test_clock());
    let evaluation = on_ample_stack(|| {
        let program = compile("fn route(i) { assign(\"x\") }", Decision::Routing).unwrap();
        evaluate(&program, &input, &host)
    })
    .unwrap();
    assert_eq!((evaluation.outcome, evaluation.error.unwrap().code.as_str()), (Outcome::Error, "panic"));
}

/// The evaluation of a guard.
fn checked(source: &str) -> Evaluation {
    let host: Arc<dyn Host> = Arc::new(Offline::default());
    let input = Input::new(facts::incident().made_up(), test_clock()).beside(facts::transition().made_up());
    on_ample_stack(|| evaluate(&compile(source, Decision::Guard).unwrap(), &input, &host)).unwrap()
}

#[test]
fn a_run_leaves_no_more_in_the_log_than_it_may() {
    let long = "x".repeat(4000);
    for (code, why) in [
        ("for n in 0..1000 { team_exists(\"t\" + n); }", "looks up more than 200 things"),
        ("list().sort(|x, y| { team_exists(\"t\" + x); 0 });", "looks up more than 200 things"),
        ("for n in 0..100 { team_exists(\"LONG\" + n); }", "looks up and says more than 64 KiB"),
        ("for n in 0..1000 { allow(); }", "says more than 100 things"),
        ("for n in 0..100 { refuse(\"title\", \"LONG\"); }", "looks up and says more than 64 KiB"),
        ("for n in 0..1000 { tried(n); }", "tries more than 200 rules"),
        ("list().sort(|x, y| { tried(x); 0 });", "tries more than 200 rules"),
    ] {
        const MORE: &str = "fn list() { let a = []; for n in 0..250 { a.push(n); } a }
            fn tried(n) { rule \"A rule\" when n < 0 then allow(); }";
        let run = checked(&format!("fn check(i, t) {{ {} }} {MORE}", code.replace("LONG", &long)));
        let error = run.error.as_ref().unwrap();
        let expected = format!("the script was stopped: it {why}");
        assert_eq!((run.outcome, &error.message), (Outcome::Limit, &expected), "{code}");
        assert!(run.effects.is_empty() && error.line > 0, "{error:?}");
    }
}

#[test]
fn a_row_of_the_log_stays_small() {
    let (name, long) = ("n".repeat(4000), "a".repeat(4000));
    let rule = format!("rule \"{name}\" when \"{long}\" == \"b\" then allow();");
    for code in [
        "for n in 0..190 { few(); } for n in 0..90 { refuse(\"title\", \"\\u0001\" + n); }".to_owned(),
        format!("refuse(\"{name}\", 7)"),
        format!("i[\"{name}\"]"),
        format!("let m = #{{}}; m.{name}"),
    ] {
        let run = checked(&format!("fn check(i, t) {{ {code} }} fn few() {{ {rule} }}"));
        let row = serde_json::to_string(&run).unwrap().len();
        assert!(row < 300 << 10, "{row} bytes: {}", &code[..40]);
    }
}

#[test]
fn a_look_up_that_is_made_again_stands_in_the_log_once() {
    let run = checked("fn check(i, t) { for n in 0..500 { team_exists(\"a\"); team_exists(\"b\"); } allow() }");
    assert_eq!((run.outcome, run.host_calls.len()), (Outcome::Ok, 2));
}
