//! Runs the check on tests/policies: each faulty policy has the problems that its first lines say and no others, and the
//! sound ones have none. `POINTSMAN_UPDATE_GOLDEN=1` writes the lines anew.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use cpu_time::ThreadTime;

use super::{check, codes::CODES, compile, validate};
use crate::{
    clock::Moment,
    error::Result,
    policy::{
        decision::Decision,
        diagnostic::{Diagnostic, Severity},
        engine, facts,
        host::{Host, Offline},
        library::{Library, files},
        limits::MAX_SOURCE,
        module::{Linked, Modules, check_module, compile_module},
        runner::on_ample_stack,
        table::Table,
    },
};

/// A host that has the shipped tables, two teams and no user.
struct Known(Offline);

impl Known {
    fn new() -> Known {
        Known(Library::shipped().unwrap().offline())
    }
}

impl Host for Known {
    fn team_exists(&self, name: &str) -> bool {
        self.team_names().iter().any(|t| t == name)
    }
    fn user_exists(&self, _: &str) -> Result<bool> {
        Ok(false)
    }
    fn team_names(&self) -> Vec<String> {
        vec!["network-emea".to_owned(), "service-desk".to_owned()]
    }
    fn table(&self, name: &str) -> Option<std::sync::Arc<Table>> {
        self.0.table(name)
    }
    fn table_names(&self) -> Vec<String> {
        self.0.table_names()
    }
    fn business_hours(&self, calendar: &str, at: Moment) -> Option<bool> {
        self.0.business_hours(calendar, at)
    }
    fn calendar_names(&self) -> Vec<String> {
        self.0.calendar_names()
    }
    fn on_call(&self, team: &str, at: Moment) -> Option<String> {
        self.0.on_call(team, at)
    }
}

fn problems(decision: Decision, source: &str, host: &dyn Host) -> Vec<Diagnostic> {
    let modules = Modules::new(Library::shipped().unwrap().modules, Vec::new());
    on_ample_stack(|| validate(Linked::new(source, &modules), decision, None, facts::Schemas::shipped(), host)).unwrap()
}

fn folder(name: &str) -> Vec<(String, String)> {
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/policies").join(name), "rhai").unwrap()
}

/// The decision in the first line: `// routing`.
fn decision(name: &str, source: &str) -> Decision {
    let first = source.lines().next().and_then(|line| line.strip_prefix("// ")).unwrap_or_default();
    Decision::named(first.trim()).unwrap_or_else(|| panic!("{name} starts with no decision"))
}

/// `unknown_field 3:17-3:24 urgency`.
fn line(found: &Diagnostic) -> String {
    let Diagnostic { code, line, column, end_line, end_column, suggestion, .. } = found;
    let suggestion = suggestion.as_ref().map_or_else(String::new, |s| format!(" {s}"));
    format!("{code} {line}:{column}-{end_line}:{end_column}{suggestion}")
}

/// The lines after the first that start with `//!`.
fn expected(source: &str) -> Vec<String> {
    let lines = source.lines().skip(1).map_while(|line| line.strip_prefix("//! "));
    lines.map(|line| line.trim_end().to_owned()).collect()
}

#[test]
fn each_faulty_policy_has_the_problems_that_it_says() {
    let (faulty, host) = (folder("faulty"), Known::new());
    let update = std::env::var_os("POINTSMAN_UPDATE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    for (name, source) in &faulty {
        let found: Vec<String> = problems(decision(name, source), source, &host).iter().map(line).collect();
        if found != expected(source) {
            wrong.push(format!("{name}: expected {:?}, found {found:?}", expected(source)));
        }
        if update {
            rewrite(name, source, &found);
        }
        assert!(update || !found.is_empty(), "{name} has no problem");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(faulty.len() >= 60, "only {} faulty policies", faulty.len());
}

/// Writes what was found, with the line ends that the file has. The lines below move when their number changes: twice is enough.
fn rewrite(name: &str, source: &str, found: &[String]) {
    let end = if source.contains("\r\n") { "\r\n" } else { "\n" };
    let (first, rest) = source.split_once('\n').unwrap();
    let rest = rest.split_inclusive('\n').skip(expected(source).len()).collect::<String>();
    let lines: String = found.iter().map(|line| format!("//! {line}{end}")).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/policies/faulty/{name}.rhai"));
    fs::write(path, format!("{first}\n{lines}{rest}")).unwrap();
}

#[test]
fn sound_policies_have_no_problem() {
    let offline = Library::shipped().unwrap().offline();
    let shipped = Library::shipped().unwrap().scripts.into_iter().map(|s| (s.name, s.decision, s.source));
    let sound = folder("sound").into_iter().map(|(name, source)| (name.clone(), decision(&name, &source), source));
    let sound: Vec<_> = shipped.chain(sound).collect();
    assert!(sound.len() >= 8);
    for (name, decision, source) in sound {
        let mut found = problems(decision, &source, &offline);
        // What is asked before others may leave a decision to them.
        found.retain(|problem| problem.code != "no_decision");
        assert!(found.is_empty(), "{name}: {found:?}");
    }
}

#[test]
fn what_ships_goes_live_though_teams_that_it_asks_for_are_missing() {
    for script in Library::shipped().unwrap().scripts {
        let found = problems(script.decision, &script.source, &Known::new());
        let gate: Vec<_> = found.iter().filter(|p| p.severity == Severity::Error).collect();
        assert!(gate.is_empty(), "{}: {gate:?}", script.name);
        if (script.decision, script.name.as_str()) == (Decision::Routing, "incidents") {
            assert!(found.iter().any(|p| p.code == "unknown_team"), "{found:?}");
        }
    }
}

/// An example of the table of codes as a whole policy.
fn of_module(source: &str) -> Vec<Diagnostic> {
    let checked = || match compile_module(source) {
        Ok(program) => check_module(&program, &facts::incident(), &Known::new()),
        Err(problems) => problems,
    };
    on_ample_stack(checked).unwrap()
}

#[test]
fn a_module_is_checked_as_a_policy_is_and_decides_nothing() {
    for (source, expected) in [
        ("fn a(x) { x + 1 }\nfn test_a() { expect(a(1), 2); }", vec![]),
        ("fn route(record) { leave() }", vec!["decides_in_module 1:4-1:9"]),
        (
            "fn a() {\n    rule \"r\" when true then leave();\n}",
            vec!["decides_in_module 2:10-2:13", "decides_in_module 2:29-2:34"],
        ),
        ("fn a() { priority(1) }", vec!["decides_in_module 1:10-1:18"]),
        ("use \"criticality\";\nfn a() { 1 }", vec!["forbidden_word 1:1-1:4"]),
        ("fn a(x) { y }", vec!["unknown_variable 1:11-1:12"]),
        ("fn a(x) { bbbb(x) }", vec!["unknown_function 1:11-1:15"]),
        ("let a = 1;", vec!["outside_function 1:1-1:4"]),
    ] {
        assert_eq!(of_module(source).iter().map(line).collect::<Vec<_>>(), expected, "{source}");
    }
}

fn whole(example: &str) -> String {
    if example.contains("fn ") { example.to_owned() } else { format!("fn route(incident) {{\n{example}\n}}\n") }
}

#[test]
fn each_code_is_documented_once_and_its_example_has_that_problem() {
    let mut seen = BTreeSet::new();
    for code in CODES {
        let found = match code.code {
            "decides_in_module" => of_module(code.example),
            _ => problems(Decision::Routing, &whole(code.example), &Known::new()),
        };
        assert!(found.iter().any(|p| p.code == code.code && p.severity == code.severity), "{}: {found:?}", code.code);
        assert!(seen.insert(code.code) && code.doc.ends_with('.'), "{}", code.code);
        assert!(
            !found.iter().any(|p| p.severity == Severity::Error && p.code != code.code),
            "{}: {found:?}",
            code.code
        );
    }
    for (name, source) in folder("faulty") {
        for line in expected(&source) {
            let code = line.split(' ').next().unwrap();
            assert!(seen.contains(code), "{name}: {code} is in no table");
        }
    }
}

/// How soon the check of any source that compiles must be over, in a debug build.
const SOON: Duration = Duration::from_millis(500);

/// What is wrong with a source, how long it took to compile, and how long to check.
fn timed(source: &str) -> (Vec<Diagnostic>, Duration, Duration) {
    let host = Known::new();
    on_ample_stack(|| {
        engine::ready();
        super::script::natives();
        let started = ThreadTime::now();
        let compiled = compile(source, Decision::Routing);
        let compiling = started.elapsed();
        let found = compiled.map_or_else(|problems| problems, |program| check(&program, &facts::incident(), &host));
        (found, compiling, started.elapsed() - compiling)
    })
    .unwrap()
}

fn filled(head: &str, part: impl Fn(usize) -> String, tail: &str) -> String {
    let mut source = head.to_owned();
    for n in 0.. {
        let next = part(n);
        if source.len() + next.len() + tail.len() > MAX_SOURCE {
            break;
        }
        source.push_str(&next);
    }
    source + tail
}

#[test]
fn a_long_policy_is_checked_at_once() {
    let rule = |n| {
        format!(
            "    rule \"Rule {n}\" when incident.caller?.vip == true and incident.urgency <= 2 and incident.category == \"c{n}\" then assign(\"service-desk\");\n"
        )
    };
    let source = filled("fn route(incident) {\n", rule, "    leave()\n}\n");
    let (found, compiling, checking) = timed(&source);
    assert!(found.is_empty(), "{found:?}");
    assert!(compiling + checking < SOON, "compiled in {compiling:?}, checked in {checking:?}");
}

#[test]
fn hostile_sources_are_checked_soon_and_few_problems_are_told() {
    let inside = |part: &str| filled("fn route(i) { ", |n| part.replace('#', &n.to_string()), " leave() }");
    let long = "x".repeat(15_000);
    let chain = |n: usize| (0..n).map(|k| format!("fn f{k}(a) {{ f{}(a.caller) }}\n", k + 1)).collect::<String>();
    let nested = format!("{}1{}", "if i.impact == 1 { ".repeat(20), "}".repeat(20));
    for source in [
        inside("i.ab;"),
        inside("i.caller.vipp;"),
        inside("a#();"),
        inside("let a# = i.title;"),
        inside("let a# = i; a#.title;"),
        inside("rule \"r\" when true also leave();"),
        inside("rule \"r#\" when i.impact == # and i.title == \"#\" then leave();"),
        inside("rule \"r#\" when i.impact == 1 and i.urgency == # then leave();"),
        inside("if i.caller == () { } i.caller.vip;"),
        inside("if i.caller?.vip == # { i.caller.vip }"),
        inside("switch i.type { \"a\" => 1, \"b\" => 2 }"),
        inside("`${i.title}${`${i.titel}`}`;"),
        inside("[1,2,3].map(|x| x + #);"),
        inside("(((i))).caller.vip;"),
        inside(&format!("{nested};")),
        format!("fn route(i) {{ i.{long}; {long}(); leave() }}"),
        format!("fn route(i) {{ i{} }}", "?.caller".repeat(3000)),
        format!("fn route(i) {{ i{} }}", "[0]".repeat(9000)),
        format!("fn route(i) {{ i{} }}", ".a()".repeat(7000)),
        format!("fn route(i) {{ switch i.type {{ {} }} }}", filled("", |n| format!("\"{n}\" => {n},"), "")),
        format!("fn route(i) {{ incident(#{{{}}}) }}", (0..200).map(|n| format!("k{n}:1,")).collect::<String>()),
        format!("fn route(i) {{ f0(i) }}\n{}fn f98(a) {{ f0(1) }}", chain(98)),
        "fn route(i) { f(i) } fn f(a) { f(a.caller) + f(1) + g(a) } fn g(a) { f(a) + g([a]) }".to_owned(),
    ] {
        let (found, _, took) = timed(&source);
        let start = source.chars().take(80).collect::<String>();
        assert!(found.len() <= super::MOST, "{} problems: {start}", found.len());
        assert!(took < SOON, "took {took:?}: {start}");
    }
}

#[test]
fn a_matrix_has_two_keys_and_a_number_behind_them() {
    for (table, code) in [("category_teams", "wrong_arguments"), ("environment_teams", "wrong_type")] {
        let source = format!("fn prioritise(i) {{ matrix(\"{table}\", i.impact, i.urgency) }}");
        let found = problems(Decision::Priority, &source, &Library::shipped().unwrap().offline());
        assert!(found.iter().any(|problem| problem.code == code), "{table}: {found:?}");
    }
}
