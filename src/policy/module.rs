//! Modules: functions that several policies share.
//!
//! A policy names the modules that it uses before its first function: `use "criticality";`. They are linked by text: their
//! functions stand behind the last line of the policy, so that all of it is compiled, checked and run as one script.
//!
//! **Invariant:** a module looks and computes; what is decided stands in the policy that uses it.
//! **Invariant:** the lines of a policy keep their numbers when it is linked, and a place in a module is never told as one of
//! the policy.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{ASTNode, Expr};

use super::{
    decision::{DECISIONS, Decision},
    diagnostic::Diagnostic,
    facts::{FactSchema, suggest},
    functions::EFFECTS,
    host::Host,
    limits::MAX_SOURCE,
    program::{Program, compile},
    syntax::rule,
    tokens::{Place, Range, Tokens},
    validate::{self, script},
};

/// The longest script with all its modules, in bytes.
const MAX_LINKED: usize = 4 * MAX_SOURCE;

/// A version of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// The number of the version.
    pub version: i32,
    /// Its source.
    pub source: String,
}

/// Modules that can be used, by name.
#[derive(Clone, Debug, Default)]
pub struct Modules {
    found: BTreeMap<String, Module>,
    /// The names of others, for suggestions.
    others: Vec<String>,
}

impl Modules {
    /// These, and the names of others that a script may have meant.
    pub fn new(found: impl IntoIterator<Item = Module>, others: Vec<String>) -> Modules {
        Modules { found: found.into_iter().map(|module| (module.name.clone(), module)).collect(), others }
    }

    /// The numbers of their versions, by name.
    pub fn versions(&self) -> BTreeMap<String, i32> {
        self.found.values().map(|module| (module.name.clone(), module.version)).collect()
    }
}

/// Modules that a script uses at most.
const MOST: usize = 16;

/// `use "name";` in a script.
struct Use {
    name: String,
    /// Where the name stands.
    name_range: Range,
    whole: Range,
    /// Whether it is not named before.
    is_first: bool,
}

fn uses(tokens: &Tokens) -> Vec<Use> {
    let words = (0..).map_while(|at| tokens.get(at)).take_while(|token| token.text != "fn").count();
    let mut named = BTreeSet::new();
    let found = (0..words.saturating_sub(2)).filter_map(|at| {
        let name = tokens.text(at + 1).strip_prefix('"')?.strip_suffix('"')?;
        let is_use = tokens.text(at) == "use" && tokens.text(at + 2) == ";";
        let (name_range, whole) = (tokens.range(at + 1, at + 1)?, tokens.range(at, at + 2)?);
        let is_first = is_use && named.insert(name);
        is_use.then(|| Use { name: name.to_owned(), name_range, whole, is_first })
    });
    found.collect()
}

/// The names of the modules that a source uses, in its order.
pub fn used_by(source: &str) -> Vec<String> {
    let named = uses(&Tokens::of(source)).into_iter().filter(|used| used.is_first).map(|used| used.name);
    named.take(MOST + 1).collect()
}

/// A script with the functions of the modules that it uses.
#[derive(Clone, Debug)]
pub struct Linked {
    /// As it was written.
    own: String,
    text: String,
    own_lines: usize,
    parts: Vec<Part>,
    problems: Vec<Diagnostic>,
}

/// The functions of a module in a linked script.
#[derive(Clone, Debug)]
struct Part {
    module: String,
    /// The line of the linked script on which they begin.
    first_line: usize,
    /// Where the script names the module.
    named: Range,
}

impl From<&str> for Linked {
    fn from(source: &str) -> Self {
        Linked::new(source, &Modules::default())
    }
}
impl From<&String> for Linked {
    fn from(source: &String) -> Self {
        source.as_str().into()
    }
}

impl Linked {
    /// Of a source and the modules that it may use. What is wrong with the names of modules is among its
    /// [problems](Linked::problems).
    pub fn new(source: &str, modules: &Modules) -> Linked {
        let mut linked = Linked::whole(source);
        if source.len() > MAX_SOURCE {
            return linked;
        }
        let tokens = Tokens::of(source);
        let uses = uses(&tokens);
        linked.leave_out(&uses);
        let own = functions(&tokens).map(|(function, range)| (function, (None, range)));
        let mut defined: Defined = if uses.is_empty() { Defined::new() } else { own.collect() };
        for (n, used) in uses.iter().filter(|used| used.is_first).enumerate() {
            if n == MOST {
                let message = format!("a script uses {MOST} modules at most");
                linked.problems.push(Diagnostic::over("too_large", used.whole, message));
                break;
            }
            linked.add(used, modules, &mut defined);
            if linked.text.len() > MAX_LINKED {
                let message = format!("with its modules the script is longer than {MAX_LINKED} bytes");
                linked.problems.push(Diagnostic::over("too_large", used.whole, message));
                break;
            }
        }
        linked
    }

    /// Of a source by itself, whatever modules it names.
    pub fn alone(source: &str) -> Linked {
        let mut linked = Linked::whole(source);
        if source.len() <= MAX_SOURCE {
            linked.leave_out(&uses(&Tokens::of(source)));
        }
        linked
    }

    fn whole(source: &str) -> Linked {
        let (own, text, own_lines) = (source.to_owned(), source.to_owned(), source.lines().count().max(1));
        Linked { own, text, own_lines, parts: Vec::new(), problems: Vec::new() }
    }

    /// Leaves out what Rhai does not know.
    fn leave_out(&mut self, uses: &[Use]) {
        if !uses.is_empty() {
            self.text = blanked(&self.own, &uses.iter().map(|used| used.whole).collect::<Vec<_>>());
        }
    }

    /// Adds the functions of a module that the script names.
    fn add(&mut self, used: &Use, modules: &Modules, defined: &mut Defined) {
        let Some(module) = modules.found.get(&used.name) else {
            let known = modules.found.keys().chain(&modules.others);
            let message = format!("there is no module \"{}\"{}", used.name, suggest(&used.name, known));
            return self.problems.push(Diagnostic::over("unknown_module", used.name_range, message));
        };
        let tokens = Tokens::of(&module.source);
        for (function, _) in functions(&tokens).filter(|((name, _), _)| !is_test(name)) {
            let name = function.0.clone();
            let clash = match defined.insert(function, (Some(module.name.clone()), used.name_range)) {
                None => continue,
                Some((None, own)) => (own, format!("the module `{}` has a function `{name}`, too", module.name)),
                Some((Some(other), _)) => {
                    let message = format!("the modules `{other}` and `{}` both have a function `{name}`", module.name);
                    (used.name_range, message)
                }
            };
            self.problems.push(Diagnostic::over("duplicate_function", clash.0, clash.1));
        }
        self.text.push('\n');
        let first_line = self.text.matches('\n').count() + 1;
        self.parts.push(Part { module: module.name.clone(), first_line, named: used.name_range });
        let tests: Vec<Range> = tokens.functions().filter_map(|(at, _)| test(&tokens, at)).collect();
        self.text.push_str(&blanked(&module.source, &tests));
    }

    /// As it was written, without its modules.
    pub fn own(&self) -> &str {
        &self.own
    }
    /// All of it, as it is compiled.
    pub fn text(&self) -> &str {
        &self.text
    }
    /// What keeps it from being linked.
    pub fn problems(&self) -> &[Diagnostic] {
        &self.problems
    }
    /// How many lines are its own; those of modules are behind them.
    pub fn own_lines(&self) -> usize {
        self.own_lines
    }
    /// The module that a line belongs to, and the line in it.
    pub fn in_module(&self, line: usize) -> Option<(&str, usize)> {
        let part = self.parts.iter().rfind(|part| part.first_line <= line)?;
        Some((&part.module, line - part.first_line + 1))
    }
    /// A problem at a place of a module as one of the place that names the module.
    pub(super) fn at_home(&self, found: Diagnostic) -> Diagnostic {
        let Some((module, line)) = self.in_module(found.line) else { return found };
        let named = self.parts.iter().find(|part| part.module == module).map(|part| part.named);
        let message = format!("module `{module}`, line {line}: {}", found.message);
        Diagnostic::over(&found.code, named.unwrap_or(START), message)
    }
}

const START: Range = Range { start: (1, 1), end: (1, 2) };

/// A function: its name, and how many parameters it has.
type Named = (String, usize);
/// The functions that are there, each with its module, or none for the script's own, and where it is told of.
type Defined = BTreeMap<Named, (Option<String>, Range)>;

/// The functions of a script, each with the place of its name.
fn functions<'a>(tokens: &'a Tokens<'_>) -> impl Iterator<Item = (Named, Range)> + 'a {
    tokens.functions().filter_map(|(at, params)| Some(((tokens.text(at).to_owned(), params), tokens.range(at, at)?)))
}

/// What a policy does not take over from a module: its tests, and a table of cases, which are about a decision.
fn is_test(name: &str) -> bool {
    name.starts_with("test_") || name == "cases"
}

/// The whole of the test whose name stands at an index.
fn test(tokens: &Tokens, name: usize) -> Option<Range> {
    let body = tokens.mate(name + 1) + 1;
    if is_test(tokens.text(name)) { tokens.range(name - 1, tokens.mate(body)) } else { None }
}

/// A text with spaces in the place of some ranges, which come in order, so that everything else stays where it is.
fn blanked(text: &str, ranges: &[Range]) -> String {
    let (mut place, mut ahead): (Place, _) = ((1, 1), ranges.iter().peekable());
    let blank = |c: char| {
        while ahead.next_if(|range| range.end <= place).is_some() {}
        let inside = ahead.peek().is_some_and(|range| range.start <= place);
        place = if c == '\n' { (place.0 + 1, 1) } else { (place.0, place.1 + 1) };
        if inside && c != '\n' { ' ' } else { c }
    };
    text.chars().map(blank).collect()
}

/// A module alone, compiled: as a policy that decides nothing. Call it on a thread with an ample stack (see
/// `policy::runner`).
///
/// # Errors
/// What keeps it from being a module.
pub fn compile_module(source: &str) -> Result<Program, Vec<Diagnostic>> {
    let tokens = Tokens::of(source);
    let decides = |name: &str| DECISIONS.iter().any(|spec| spec.function == name);
    let decisions = functions(&tokens).filter(|((name, _), _)| decides(name)).map(|((name, _), range)| {
        Diagnostic::over("decides_in_module", range, format!("`{name}` makes a decision, which stands in a policy"))
    });
    let decisions: Vec<Diagnostic> = decisions.collect();
    if !decisions.is_empty() {
        return Err(decisions);
    }
    let mut linked = Linked::whole(source);
    linked.text.push_str("\nfn route(record) { }\n");
    compile(linked, Decision::Routing)
}

/// Everything that is wrong with a module that compiles.
pub fn check_module(program: &Program, schema: &std::sync::Arc<FactSchema>, host: &dyn Host) -> Vec<Diagnostic> {
    let mut found = validate::check(program, schema, host);
    found.retain(|problem| !matches!(problem.code.as_str(), "unused_function" | "wrong_effect"));
    for function in script::functions(program).iter().filter(|function| !function.in_test) {
        script::each_node(&function.body, |node| {
            if let Some((word, at)) = says(node) {
                let message = format!("`{word}` decides, which a policy does that uses the module");
                found.push(Diagnostic::at("decides_in_module", at, program.source(), message));
            }
        });
    }
    found.sort_by(|a, b| (a.line, a.column, &a.code).cmp(&(b.line, b.column, &b.code)));
    found
}

/// The word by which a node says an effect, and where it stands.
fn says(node: &ASTNode) -> Option<(String, rhai::Position)> {
    let effect = |name: &str| EFFECTS.iter().any(|(effect, _)| *effect == name);
    #[expect(clippy::wildcard_enum_match_arm, reason = "nothing else says anything")]
    match node {
        ASTNode::Stmt(rhai::Stmt::FnCall(call, at)) if effect(&call.name) => Some((call.name.to_string(), *at)),
        ASTNode::Expr(Expr::FnCall(call, at)) if effect(&call.name) => Some((call.name.to_string(), *at)),
        ASTNode::Expr(expr) => rule(expr).map(|rule| (super::syntax::RULE.to_owned(), rule.at)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::policy::{
        evaluate::{Evaluation, Input, evaluate},
        facts,
        functions::test_clock,
        host::Offline,
        runner::on_ample_stack,
        testing::run_tests,
    };

    const PEOPLE: &str = "//! People.\n\nfn is_boss(name) { name == \"bo\" }\nfn fails(x) {\n    x.nothing\n}\n\
                          /* é */ fn test_it() { expect(is_boss(\"bo\"), true); } fn second(a, b) { fails(a) }\n";

    fn modules() -> Modules {
        let module = |name: &str, source: &str| Module { name: name.into(), version: 3, source: source.into() };
        Modules::new(
            [module("people", PEOPLE), module("other", "fn is_boss(who) { false }\nfn free() { 7 }")],
            vec!["elsewhere".into()],
        )
    }

    fn compiled(source: &str) -> Result<Program, Vec<Diagnostic>> {
        compile(Linked::new(source, &modules()), Decision::Routing)
    }

    fn run(source: &str) -> Evaluation {
        let host: Arc<dyn Host> = Arc::new(Offline::default());
        let input = Input::new(facts::incident().made_up(), test_clock());
        on_ample_stack(|| evaluate(&compiled(source).unwrap(), &input, &host)).unwrap()
    }

    #[test]
    fn a_policy_calls_the_functions_of_its_modules() {
        let source =
            "use \"people\";\nfn route(i) {\n    rule \"Boss\" when is_boss(\"bo\") then assign(\"board\");\n}";
        let evaluation = run(source);
        assert_eq!(evaluation.effects.len(), 1, "{:?}", evaluation.error);
        assert_eq!((evaluation.effects[0].line, evaluation.rules.iter().next().unwrap().line), (3, 3));
        let linked = Linked::new(source, &modules());
        assert_eq!((linked.own(), linked.own_lines()), (source, 4));
        assert!(!linked.text().contains("test_"), "{}", linked.text());
        assert_eq!(linked.in_module(4), None);
        assert_eq!(linked.in_module(7), Some(("people", 3)));
        assert_eq!(linked.text().lines().nth(6).unwrap(), PEOPLE.lines().nth(2).unwrap());
        assert_eq!(modules().versions(), BTreeMap::from([("other".to_owned(), 3), ("people".to_owned(), 3)]));
    }

    #[test]
    fn the_tests_of_a_module_are_its_own() {
        let count = |program: Program| {
            run_tests(&Arc::new(program), &facts::incident(), &(Arc::new(Offline::default()) as Arc<dyn Host>)).len()
        };
        let counts = on_ample_stack(|| {
            let policy =
                compiled("use \"people\";\nfn route(i) { leave() }\nfn test_it() { expect(is_boss(1), false); }");
            (count(policy.unwrap()), count(compile_module(PEOPLE).unwrap()))
        });
        assert_eq!(counts.unwrap(), (1, 1));
    }

    #[test]
    fn a_mistake_in_a_module_is_told_where_the_policy_called_it() {
        for call in ["fails(i)", "second(i, 1)"] {
            let error = run(&format!("use \"people\";\nfn route(i) {{\n    let a = {call};\n}}")).error.unwrap();
            assert_eq!((error.code.as_str(), error.line, error.column), ("unknown_field", 3, 13), "{error}");
            assert!(error.message.ends_with("(module `people`, line 5)"), "{error}");
        }
    }

    #[test]
    fn names_that_clash_or_are_unknown_are_told_at_their_place() {
        let line =
            |d: &Diagnostic| format!("{} {}:{} {}", d.code, d.line, d.column, d.suggestion.as_deref().unwrap_or(""));
        for (source, expected) in [
            ("use \"poeple\";\nfn route(i) { leave() }", "unknown_module 1:5 people"),
            ("use \"elsewher\";\nfn route(i) { leave() }", "unknown_module 1:5 elsewhere"),
            ("use \"people\";\nfn is_boss(x) { x }\nfn route(i) { leave() }", "duplicate_function 2:4 "),
            ("use \"people\";\nuse \"other\";\nfn route(i) { leave() }", "duplicate_function 2:5 "),
            ("fn route(i) { leave() }\nuse \"people\";", "forbidden_word 2:1 "),
        ] {
            let found = compiled(source).err().unwrap();
            assert_eq!(found.iter().map(line).collect::<Vec<_>>(), [expected], "{source}: {found:?}");
        }
        assert!(
            compiled("use \"people\";\nfn is_boss(x, y) { x }\nfn route(i) { leave() }").is_ok(),
            "other parameters"
        );
    }
}
