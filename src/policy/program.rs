//! A compiled policy.
//!
//! **Invariant:** nothing longer than [`MAX_SOURCE`] is compiled, and a program holds no code outside functions.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use rhai::{AST, ASTNode, Expr, Module, Position, ScriptFuncDef};
use sha2::{Digest, Sha256};

use super::{
    decision::Decision,
    diagnostic::{Diagnostic, RunError, UNCOMPILED, WRONG_KIND, from_parse_error, shortened},
    engine,
    entry::Entry,
    module::Linked,
    source::Source,
    syntax::rule,
    tokens::Tokens,
    trace::{Trace, Tried},
};
use crate::practice;

pub use super::limits::MAX_SOURCE;

/// A rule as it stands in the source.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Where its name stands.
    pub(super) at: Position,
    /// The name.
    pub name: Arc<str>,
    /// The line.
    pub line: usize,
    /// The condition as it is written.
    pub condition: Arc<str>,
    /// The parts of a condition with `and`; one otherwise.
    pub parts: Vec<Arc<str>>,
}

/// A compiled policy. It is immutable and runs on any thread.
pub struct Program {
    decision: Decision,
    kind: &'static str,
    linked: Linked,
    sha256: String,
    ast: AST,
    /// The decision's function.
    entry: Option<Entry>,
    /// The same without the decision's function, so that a test that calls it runs a whole decision.
    test_ast: AST,
    /// In the order of the source.
    rules: Arc<[Rule]>,
    /// Why it can't run at all.
    problem: Option<RunError>,
}

impl Program {
    /// What stands in the place of a source that does not compile: it fails with that whenever it is asked, so that it is missed.
    pub fn broken(linked: Linked, decision: Decision, kind: &'static str, problems: &[Diagnostic]) -> Program {
        let first = problems.first();
        let (line, column) = first.map_or((0, 0), |problem| (problem.line, problem.column));
        let why = first.map_or("", |problem| problem.message.as_str());
        let problem =
            RunError { code: UNCOMPILED.to_owned(), message: format!("it does not compile: {why}"), line, column };
        let program = program(linked, decision, AST::empty());
        Program { kind, problem: Some(problem), ..program }
    }
    /// Why it can't run at all, if it can't.
    pub fn problem(&self) -> Option<&RunError> {
        self.problem.as_ref()
    }
    /// The decision that it answers.
    pub fn decision(&self) -> Decision {
        self.decision
    }
    /// The kind of records that it is about.
    pub fn kind(&self) -> &'static str {
        self.kind
    }
    /// The source, with the functions of the modules that it uses behind its last line.
    pub fn source(&self) -> &str {
        self.linked.text()
    }
    /// What of it is its own, and what is of modules.
    pub fn linked(&self) -> &Linked {
        &self.linked
    }
    /// The SHA-256 of the source without its modules, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
    /// Its rules, in the order of the source.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }
    /// What became of them in a run.
    pub(super) fn trace(&self, tried: Vec<Tried>) -> Trace {
        Trace::Noted(Arc::clone(&self.rules), tried)
    }
    pub(super) fn ast(&self) -> &AST {
        &self.ast
    }
    pub(super) fn entry(&self) -> Option<&Entry> {
        self.entry.as_ref()
    }
    pub(super) fn test_ast(&self) -> &AST {
        &self.test_ast
    }
    /// The same with these functions, in place of those of their names.
    pub(super) fn with_functions(&self, functions: Vec<ScriptFuncDef>) -> Program {
        let mut module = Module::new();
        for function in functions {
            module.set_script_fn(function);
        }
        let ast = self.ast.merge(&AST::new([], module));
        let (decision, kind, linked, sha256) = (self.decision, self.kind, self.linked.clone(), self.sha256.clone());
        let (test_ast, rules) = (without_decision(&ast, decision), Arc::clone(&self.rules));
        let problem = self.problem.clone();
        Program { decision, kind, linked, sha256, entry: entry(&ast, decision), ast, test_ast, rules, problem }
    }
}

/// Compiles a script. Call it on a thread with an ample stack (see `policy::runner`).
///
/// # Errors
/// The problem that keeps it from compiling.
pub fn compile(source: impl Into<Linked>, decision: Decision) -> Result<Program, Vec<Diagnostic>> {
    let linked = source.into();
    if !linked.problems().is_empty() {
        return Err(linked.problems().to_vec());
    }
    let ast = read(&linked).map_err(|problem| vec![linked.at_home(problem)])?;
    let source = linked.text();
    let mut problems: Vec<Diagnostic> =
        ast.statements().iter().take(1).map(|s| outside(s.position(), source)).collect();
    problems.extend(decision_function(&ast, decision, source));
    problems.extend(unasked_kind(source, decision));
    if !problems.is_empty() {
        return Err(problems.into_iter().map(|problem| linked.at_home(problem)).collect());
    }
    Ok(program(linked, decision, ast))
}

/// The tree of a script by itself, whatever it is for. Call it on a thread with an ample stack, too.
///
/// # Errors
/// The problem that keeps it from being read.
pub(super) fn parse(source: &str) -> Result<AST, Diagnostic> {
    read(&Linked::alone(source))
}

fn read(linked: &Linked) -> Result<AST, Diagnostic> {
    let length = linked.own().len();
    if length > MAX_SOURCE {
        let message = format!("the script has {length} bytes; at most {MAX_SOURCE} are allowed");
        return Err(Diagnostic::at("too_large", Position::START, "", message));
    }
    let source = linked.text();
    let parsed = catch_unwind(AssertUnwindSafe(|| engine::with(|e| e.compile(source))));
    match parsed {
        Ok(Ok(ast)) => Ok(ast),
        Ok(Err(error)) => Err(from_parse_error(&error, source)),
        Err(_) => Err(Diagnostic::at("syntax", Position::START, source, "the script can't be compiled")),
    }
}

fn outside(at: Position, source: &str) -> Diagnostic {
    Diagnostic::at("outside_function", at, source, "code outside a function is never run; move it into one")
}

/// The problem with the decision's function, if there is one.
fn decision_function(ast: &AST, decision: Decision, source: &str) -> Option<Diagnostic> {
    let spec = decision.spec();
    let wanted = format!("fn {}({})", spec.function, spec.arguments.join(", "));
    let found: Vec<_> = ast.iter_fn_def().filter(|f| f.name == spec.function).collect();
    if found.iter().any(|f| f.params.len() == spec.arguments.len()) {
        return None;
    }
    let Some(other) = found.first() else {
        let message = format!("a {} policy needs the function `{wanted}`", spec.name);
        return Some(Diagnostic::at("no_decision_function", Position::new(1, 1), source, message));
    };
    let given = other.params.len();
    let message = format!("`{}` is given {} argument(s), not {given}: `{wanted}`", spec.function, spec.arguments.len());
    let tokens = Tokens::of(source);
    let range = tokens.function(&other.name, given).and_then(|at| tokens.range(at, at));
    let nowhere = || Diagnostic::at("wrong_arguments", other.body.start_position(), source, message.clone());
    Some(range.map_or_else(nowhere, |range| Diagnostic::over("wrong_arguments", range, message.clone())))
}

/// The kind of records that a source is about: that after which it calls what its function is given first; otherwise the first
/// about which the decision is asked.
pub fn kind_of(source: &str, decision: Decision) -> &'static str {
    let tokens = Tokens::of(source);
    let said = said_first(&tokens, decision).map(|at| tokens.text(at));
    decision.kinds().find(|kind| said == Some(kind)).unwrap_or_else(|| decision.first_kind())
}

/// Where the name stands of what the decision's function is given first.
fn said_first(tokens: &Tokens<'_>, decision: Decision) -> Option<usize> {
    let spec = decision.spec();
    Some(tokens.function(spec.function, spec.arguments.len())? + 2)
}

/// The problem of a script about a kind of records for which nothing asks the decision.
fn unasked_kind(source: &str, decision: Decision) -> Option<Diagnostic> {
    let tokens = Tokens::of(source);
    let at = said_first(&tokens, decision)?;
    let said = tokens.text(at);
    let is_kind = practice::ALL.iter().any(|practice| practice.kind().name == said);
    if !is_kind || decision.kinds().any(|kind| kind == said) {
        return None;
    }
    let asked = decision.kinds().collect::<Vec<_>>().join(", ");
    let message = format!("nothing asks for the {} of `{said}`, only for that of {asked}", decision.spec().name);
    Some(Diagnostic::over(WRONG_KIND, tokens.range(at, at)?, message))
}

/// The problem of a script that is about another kind of records than its policy.
pub fn other_kind(program: &Program, kind: &str) -> Option<Diagnostic> {
    let tokens = Tokens::of(program.source());
    let at = said_first(&tokens, program.decision()).filter(|_| program.kind() != kind)?;
    let message = format!("it is about `{}`, and its policy about `{kind}`", program.kind());
    Some(Diagnostic::over(WRONG_KIND, tokens.range(at, at)?, message))
}

fn program(linked: Linked, decision: Decision, ast: AST) -> Program {
    let rules = rules_of(&ast, &Source::new(linked.text())).into();
    let test_ast = without_decision(&ast, decision);
    let sha256 = hex::encode(Sha256::digest(linked.own().as_bytes()));
    let kind = kind_of(linked.own(), decision);
    Program { decision, kind, linked, sha256, entry: entry(&ast, decision), ast, test_ast, rules, problem: None }
}

fn entry(ast: &AST, decision: Decision) -> Option<Entry> {
    Entry::of(ast, decision.spec().function, decision.spec().arguments.len())
}

fn without_decision(ast: &AST, decision: Decision) -> AST {
    let (spec, mut rest) = (decision.spec(), ast.clone());
    rest.retain_functions(|_, _, name, params| name != spec.function || params != spec.arguments.len());
    rest
}

/// The rules in the order of the source.
fn rules_of(ast: &AST, source: &Source) -> Vec<Rule> {
    let mut found: Vec<Rule> = Vec::new();
    ast.walk(&mut |path: &[ASTNode]| {
        if let Some(ASTNode::Expr(expr @ Expr::Custom(..))) = path.last()
            && let Some(rule) = rule(expr)
            && let Some(effect) = rule.effects.first()
        {
            let (condition, parts) = source.condition(rule.at, rule.condition, effect);
            let line = rule.at.line().unwrap_or(0);
            found.push(Rule { at: rule.at, name: shortened(rule.name).into(), line, condition, parts });
        }
        true
    });
    found.sort_by_key(|rule| rule.at);
    found
}
