//! Checking a script before it runs: every problem that can be seen, each with its place.
//!
//! Owns: what is known of each value ([`known`]) and of each path through a script ([`flow`]), and the problems that follow
//! from it. What each problem means stands in [`codes`].
//!
//! **Invariant:** the time that a check takes grows with the length of the source, not with how deep or how wrong it is: at
//! most [`MOST`] problems are told.

mod calls;
mod cases;
mod chains;
pub mod codes;
mod comparisons;
mod fields;
mod flow;
mod known;
mod made_up;
mod names;
pub(super) mod ranges;
mod repeated;
pub(super) mod script;
mod silence;
mod switches;
#[cfg(test)]
mod tests;
mod usage;
mod walk;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use rhai::{Expr, Position};

use self::{
    calls::Calls,
    script::{Function, Native, Role},
};
use super::{
    decision::Decision,
    diagnostic::{Diagnostic, Severity},
    facts::{FactSchema, Schemas},
    host::Host,
    module::Linked,
    program::{Program, compile, other_kind},
    tokens::{Range, Tokens},
};

/// The most problems of one script that are told.
pub const MOST: usize = 100;

/// Every problem of a script, in the order of the source; none of level error means that it may go live. Call it on a
/// thread with an ample stack (see `policy::runner`). Where `kind` is given, it has to be about that.
pub fn validate(
    source: impl Into<Linked>,
    decision: Decision,
    kind: Option<&str>,
    schemas: &Schemas,
    host: &dyn Host,
) -> Vec<Diagnostic> {
    match compile(source, decision) {
        Ok(program) => check_policy(&program, kind, schemas, host),
        Err(problems) => problems,
    }
}

/// Every problem of a policy that compiles. Where `kind` is given, it has to be about that.
pub fn check_policy(program: &Program, kind: Option<&str>, schemas: &Schemas, host: &dyn Host) -> Vec<Diagnostic> {
    match kind.and_then(|kind| other_kind(program, kind)) {
        Some(problem) => vec![problem],
        None => check(program, schemas.of(program.kind()), host),
    }
}

/// Every problem of a script that compiles.
pub fn check(program: &Program, schema: &Arc<FactSchema>, host: &dyn Host) -> Vec<Diagnostic> {
    let functions = script::functions(program);
    let script = Script::new(program, schema, host, &functions);
    let mut problems = Problems::of(program.linked());
    let calls = calls::of(&script);
    names::shadowing(&script, &mut problems);
    for function in &functions {
        walk::function(&script, function, &calls, &mut Calls::default(), &mut problems);
        flow::function(&script, function, &mut problems);
    }
    silence::decision(&script, &mut problems);
    usage::of(&script, &mut problems);
    repeated::rules(&script, &mut problems);
    problems.sorted()
}

/// A script and what it is checked against.
struct Script<'a> {
    decision: Decision,
    schema: &'a Arc<FactSchema>,
    host: &'a dyn Host,
    tokens: Tokens<'a>,
    functions: &'a [Function],
    /// Native functions by name.
    native: &'static HashMap<String, Vec<Native>>,
    /// Functions of the script by name and number of parameters.
    own: HashMap<(&'a str, usize), usize>,
    /// The teams that the script itself asks for by `team_exists("…")`.
    asked: HashSet<String>,
}

impl<'a> Script<'a> {
    fn new(
        program: &'a Program,
        schema: &'a Arc<FactSchema>,
        host: &'a dyn Host,
        functions: &'a [Function],
    ) -> Script<'a> {
        let own = functions.iter().enumerate().map(|(at, f)| ((f.name.as_str(), f.params.len()), at)).collect();
        let (decision, tokens) = (program.decision(), Tokens::of(program.source()));
        let (native, asked) = (script::natives(), names::teams_asked_for(functions));
        Script { decision, schema, host, tokens, functions, native, own, asked }
    }

    /// A function of the script.
    fn own(&self, name: &str, params: usize) -> Option<usize> {
        self.own.get(&(name, params)).copied()
    }
    /// The function that makes the decision.
    fn decides(&self) -> Option<&'a Function> {
        self.functions.iter().find(|f| f.role == Role::Decision)
    }
    /// The native functions of a name that take so many arguments.
    fn native(&self, name: &str, params: usize) -> impl Iterator<Item = &Native> {
        self.native.get(name).into_iter().flatten().filter(move |f| f.params == params)
    }
    /// Where a function's name stands in its definition.
    fn name_of(&self, function: &Function) -> Option<Range> {
        let at = self.tokens.function(&function.name, function.params.len())?;
        self.tokens.range(at, at)
    }
    /// The word, the literal or the symbol at a place.
    fn word(&self, at: Position) -> Option<Range> {
        let at = self.tokens.at(at)?;
        self.tokens.range(at, self.tokens.mate(at))
    }
    /// The whole of an expression.
    fn whole(&self, expr: &Expr) -> Option<Range> {
        ranges::of(&self.tokens, expr)
    }
}

/// The problems that were found.
struct Problems {
    found: Vec<Diagnostic>,
    /// The last line whose problems are told.
    last_line: usize,
}

impl Problems {
    /// For a walk that only learns.
    fn muted() -> Problems {
        Problems { found: Vec::new(), last_line: 0 }
    }
    /// Of a script, not of the modules that it uses: those were checked when they were stored.
    fn of(script: &Linked) -> Problems {
        Problems { found: Vec::new(), last_line: script.own_lines() }
    }
    /// Adds a problem; without a place it stands at the start of the script. What it says is made only where it is told.
    fn add<M: Into<String>>(&mut self, code: &str, range: Option<Range>, message: impl FnOnce() -> M) {
        let range = range.unwrap_or(START);
        if range.start.0 <= self.last_line && !self.is_full() {
            self.found.push(Diagnostic::over(code, range, message()));
        }
    }
    /// Makes the problem that was added last a warning.
    fn soften(&mut self, code: &str, range: Option<Range>) {
        let start = range.unwrap_or(START).start;
        if let Some(problem) = self.found.last_mut().filter(|p| p.code == code && (p.line, p.column) == start) {
            problem.severity = Severity::Warning;
        }
    }
    /// Whether it is enough.
    fn is_full(&self) -> bool {
        self.found.len() >= MOST
    }
    fn sorted(mut self) -> Vec<Diagnostic> {
        self.found.sort_by(|a, b| (a.line, a.column, &a.code).cmp(&(b.line, b.column, &b.code)));
        self.found.dedup();
        self.found
    }
}

const START: Range = Range { start: (1, 1), end: (1, 2) };
