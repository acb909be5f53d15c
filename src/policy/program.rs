//! A compiled policy.
//!
//! **Invariant:** nothing longer than [`MAX_SOURCE`] is compiled, and a program holds no code outside functions.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use rhai::{AST, ASTNode, Expr, Position};
use sha2::{Digest, Sha256};

use super::{
    decision::Decision,
    diagnostic::{Diagnostic, from_parse_error},
    engine,
    source::Source,
    syntax::rule,
    tokens::Tokens,
};

pub use super::limits::MAX_SOURCE;

/// A rule as it stands in the source.
#[derive(Clone, Debug)]
pub struct Rule {
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
    source: Arc<str>,
    sha256: String,
    ast: AST,
    /// The same without the decision's function, so that a test that calls it runs a whole decision.
    test_ast: AST,
    rules: Vec<Rule>,
    by_place: HashMap<Position, usize>,
}

impl Program {
    /// The decision that it answers.
    pub fn decision(&self) -> Decision {
        self.decision
    }
    /// The source.
    pub fn source(&self) -> &str {
        &self.source
    }
    /// The SHA-256 of the source, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
    /// Its rules, in the order of the source.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }
    /// The names and lines of its tests, in the order of the source.
    pub fn tests(&self) -> Vec<(String, usize)> {
        let tests = self.ast.iter_fn_def().filter(|f| f.name.starts_with("test_") && f.params.is_empty());
        let mut tests: Vec<_> =
            tests.map(|f| (f.name.to_string(), f.body.start_position().line().unwrap_or(0))).collect();
        tests.sort_by_key(|t| t.1);
        tests
    }
    pub(super) fn ast(&self) -> &AST {
        &self.ast
    }
    pub(super) fn test_ast(&self) -> &AST {
        &self.test_ast
    }
    /// The rule whose name stands there.
    pub(super) fn rule_at(&self, at: Position) -> Option<&Rule> {
        self.by_place.get(&at).and_then(|&i| self.rules.get(i))
    }
}

/// Compiles a script. Call it on a thread with an ample stack (see `policy::runner`).
///
/// # Errors
/// The problem that keeps it from compiling.
pub fn compile(source: &str, decision: Decision) -> Result<Program, Vec<Diagnostic>> {
    if source.len() > MAX_SOURCE {
        let message = format!("the script has {} bytes; at most {MAX_SOURCE} are allowed", source.len());
        return Err(vec![Diagnostic::at("too_large", Position::START, "", message)]);
    }
    let parsed = catch_unwind(AssertUnwindSafe(|| engine::with(|e| e.compile(source))));
    let ast = match parsed {
        Ok(Ok(ast)) => ast,
        Ok(Err(error)) => return Err(vec![from_parse_error(&error, source)]),
        Err(_) => {
            let message = "the script can't be compiled";
            return Err(vec![Diagnostic::at("syntax", Position::START, source, message)]);
        }
    };
    let mut problems: Vec<Diagnostic> =
        ast.statements().iter().take(1).map(|s| outside(s.position(), source)).collect();
    problems.extend(decision_function(&ast, decision, source));
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(program(source, decision, ast))
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

fn program(text: &str, decision: Decision, ast: AST) -> Program {
    let (rules, by_place) = rules_of(&ast, &Source::new(text));
    let spec = decision.spec();
    let mut test_ast = ast.clone();
    test_ast.retain_functions(|_, _, name, params| name != spec.function || params != spec.arguments.len());
    let sha256 = hex::encode(Sha256::digest(text.as_bytes()));
    Program { decision, source: text.into(), sha256, ast, test_ast, rules, by_place }
}

fn rules_of(ast: &AST, source: &Source) -> (Vec<Rule>, HashMap<Position, usize>) {
    let mut found: Vec<(Position, Rule)> = Vec::new();
    ast.walk(&mut |path: &[ASTNode]| {
        if let Some(ASTNode::Expr(expr @ Expr::Custom(..))) = path.last()
            && let Some(rule) = rule(expr)
            && let Some(effect) = rule.effects.first()
        {
            let (whole, parts) = source.condition(rule.at, rule.condition, effect);
            let line = rule.at.line().unwrap_or(0);
            found.push((rule.at, Rule { name: rule.name.into(), line, condition: whole, parts }));
        }
        true
    });
    found.sort_by_key(|(at, _)| (at.line(), at.position()));
    let by_place = found.iter().enumerate().map(|(i, (at, _))| (*at, i)).collect();
    (found.into_iter().map(|(_, rule)| rule).collect(), by_place)
}
