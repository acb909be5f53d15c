//! Walks a function with what is known of each value, and hands each place to the check whose subject it is.

use rhai::{ASTFlags, BinaryExpr, Expr, FlowControl, FnCallExpr, Position, Stmt};

use super::{
    Problems, Script,
    calls::Calls,
    cases, comparisons, fields,
    known::{Known, Sort, literal, path},
    made_up, names,
    script::{Function, Role},
    switches,
};
use crate::policy::{
    syntax::{Rule, rule},
    tokens::Range,
};

/// How many of the paths that conditions asked for last are remembered: nobody asks for more at once.
const REMEMBERED: usize = 64;

/// One walk through one function.
pub struct Walk<'a, 'b> {
    /// The script.
    pub script: &'b Script<'a>,
    /// The function.
    pub function: &'b Function,
    /// What was found.
    problems: &'b mut Problems,
    calls: &'b mut Calls,
    scope: Vec<(String, Known)>,
    /// What is known not to be empty, by its path: a condition has asked for it.
    there: Vec<String>,
}

/// Walks a function; `known` tells of its parameters, `calls` gathers what it calls others with.
pub fn function(script: &Script, function: &Function, known: &Calls, calls: &mut Calls, problems: &mut Problems) {
    let params = script.own(&function.name, function.params.len()).and_then(|at| known.params(at));
    let param = |at: usize, name: &str| {
        let known = params.and_then(|p| p.get(at)).cloned().unwrap_or(Known::ANY);
        let known = if function.reassigned.contains(name) { Known::ANY } else { known };
        (name.to_owned(), known.at(|| Some(name.to_owned())))
    };
    let scope = function.params.iter().enumerate().map(|(at, name)| param(at, name)).collect();
    let mut walk = Walk { script, function, problems, calls, scope, there: Vec::new() };
    walk.block(&function.body);
    if function.role == Role::Cases {
        cases::check(&mut walk);
    }
}

impl<'a> Walk<'a, '_> {
    /// Adds a problem. What it says is made only where it will be told.
    pub fn report<M: Into<String>>(&mut self, code: &str, range: Option<Range>, message: impl FnOnce() -> M) {
        self.problems.add(code, range, message);
    }
    /// Makes the problem that was added last a warning.
    pub fn soften(&mut self, code: &str, range: Option<Range>) {
        self.problems.soften(code, range);
    }
    /// Whether it stands in a test.
    pub fn in_test(&self) -> bool {
        self.function.in_test
    }

    fn block(&mut self, body: &[Stmt]) {
        let (scope, there) = (self.scope.len(), self.there.len());
        for stmt in body {
            if self.problems.is_full() {
                break;
            }
            self.stmt(stmt);
        }
        self.scope.truncate(scope);
        self.there.truncate(there);
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "what is left holds nothing, or is forbidden in policies")]
    fn stmt(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::Expr(expr) => drop(self.expr(expr)),
            Stmt::FnCall(call, at) => drop(self.call(call, *at)),
            Stmt::Block(block) => self.block(block.statements()),
            Stmt::If(flow, _) => self.choice(flow),
            Stmt::Switch(switch, at) => self.switch(&switch.0, switch.1.expressions.iter(), *at),
            Stmt::For(looped, _) => {
                self.expr(&looped.2.expr);
                let scope = self.scope.len();
                let counter = looped.1.iter().map(|c| c.name.to_string());
                let names: Vec<_> = std::iter::once(looped.0.name.to_string()).chain(counter).collect();
                self.scope.extend(names.into_iter().map(|name| (name, Known::ANY)));
                self.block(looped.2.body.statements());
                self.scope.truncate(scope);
            }
            Stmt::Var(variable, ..) => {
                let known = self.expr(&variable.1);
                let name = variable.0.name.to_string();
                let known = if self.function.reassigned.contains(&name) { Known::ANY } else { known };
                // What is known of where it came from holds for it, too, but it is reached by its own name.
                let known = known.at(|| Some(name.clone()));
                self.scope.push((name, known));
            }
            Stmt::Assignment(assignment) => {
                self.expr(&assignment.1.lhs);
                self.expr(&assignment.1.rhs);
            }
            Stmt::Return(Some(expr), ..) | Stmt::BreakLoop(Some(expr), ..) => drop(self.expr(expr)),
            _ => {}
        }
    }

    fn choice(&mut self, flow: &FlowControl) {
        let there = self.there.len();
        self.condition(&flow.expr);
        self.block(flow.body.statements());
        self.block(flow.branch.statements());
        self.asked(&flow.expr, there);
    }

    /// After a condition: what it compared with `()` is taken care of from there on, what it reached by `?.` no more.
    fn asked(&mut self, condition: &Expr, before: usize) {
        self.there.truncate(before);
        fields::compared_with_nothing(condition, &mut self.there);
    }

    fn switch<'e>(&mut self, subject: &Expr, cases: impl Iterator<Item = &'e BinaryExpr>, at: Position) {
        let known = self.expr(subject);
        let there = self.there.len();
        self.there.extend(known.path.clone());
        switches::check(self, &known, at);
        for case in cases {
            self.expr(&case.lhs);
            self.expr(&case.rhs);
        }
        self.there.truncate(there);
    }

    /// A condition, and what holds where it is true.
    fn condition(&mut self, expr: &Expr) {
        let known = self.expr(expr);
        self.truth(expr, &known);
        fields::asked_for(expr, &mut self.there);
    }

    fn truth(&mut self, expr: &Expr, known: &Known) {
        let whole = |walk: &Self| walk.script.whole(expr);
        if !matches!(known.sort, Sort::Bool | Sort::Any) {
            let range = whole(self);
            self.report("wrong_type", range, || format!("a condition is true or false; {}", known.named()));
        } else if known.may_be_empty && !self.is_there(known) && !self.in_test() {
            let range = whole(self);
            let message = || "this may be empty, and a condition must be true or false; `== true` allows for that";
            self.report("may_be_empty", range, message);
        }
    }

    pub(super) fn is_there(&self, known: &Known) -> bool {
        known.path.as_ref().is_some_and(|path| self.there.iter().rev().take(REMEMBERED).any(|p| p == path))
    }

    /// What is known of an expression, all of which is checked.
    #[expect(clippy::wildcard_enum_match_arm, reason = "every other expression is a literal")]
    pub fn expr(&mut self, expr: &Expr) -> Known {
        if self.problems.is_full() {
            return Known::ANY;
        }
        match expr {
            Expr::Variable(variable, ..) => self.variable(&variable.1),
            Expr::Dot(pair, flags, _) => {
                let root = self.expr(&pair.lhs);
                let mut steps = vec![&pair.lhs];
                let known = self.rest(&root, &mut steps, &pair.rhs, flags.contains(ASTFlags::NEGATED));
                known.at(|| path(expr))
            }
            Expr::Index(pair, flags, _) => {
                let root = self.expr(&pair.lhs);
                self.indexed(&root, &pair.lhs, pair, flags.contains(ASTFlags::NEGATED))
            }
            Expr::FnCall(call, at) => self.call(call, *at),
            Expr::MethodCall(call, _) => {
                self.arguments(call);
                Known::ANY
            }
            Expr::And(parts, _) => self.parts(parts, true),
            Expr::Or(parts, _) => self.parts(parts, false),
            Expr::Coalesce(parts, _) => {
                parts.iter().for_each(|part| drop(self.expr(part)));
                Known::ANY
            }
            Expr::InterpolatedString(parts, _) => {
                parts.iter().for_each(|part| drop(self.expr(part)));
                Known::of(Sort::Text)
            }
            Expr::Array(items, _) => {
                items.iter().for_each(|item| drop(self.expr(item)));
                Known::of(Sort::List)
            }
            Expr::Map(map, _) => {
                map.0.iter().for_each(|(_, value)| drop(self.expr(value)));
                Known::of(Sort::Map)
            }
            Expr::Stmt(block) => {
                self.block(block.statements());
                Known::ANY
            }
            Expr::Custom(..) => {
                if let Some(rule) = rule(expr) {
                    self.rule(&rule);
                }
                Known::ANY
            }
            other => other.get_literal_value(None).map_or(Known::ANY, |value| Known::of(literal(&value))),
        }
    }

    fn variable(&self, name: &str) -> Known {
        self.scope.iter().rev().find(|(n, _)| n == name).map_or(Known::ANY, |(_, known)| known.clone())
    }

    /// Both sides of `and`, or of `or`: what the left asked for, the right may reach.
    fn parts(&mut self, parts: &[Expr], all: bool) -> Known {
        let there = self.there.len();
        for part in parts {
            let known = self.expr(part);
            self.truth(part, &known);
            if all {
                fields::asked_for(part, &mut self.there);
            } else {
                fields::compared_with_nothing(part, &mut self.there);
            }
        }
        self.there.truncate(there);
        Known::of(Sort::Bool)
    }

    fn rule(&mut self, rule: &Rule) {
        let there = self.there.len();
        self.condition(rule.condition);
        for effect in rule.effects {
            let known = self.expr(effect);
            names::effect(self, effect, &known);
        }
        self.asked(rule.condition, there);
    }

    pub(super) fn arguments(&mut self, call: &FnCallExpr) -> Vec<Known> {
        call.args.iter().map(|argument| self.expr(argument)).collect()
    }

    /// An operator, or a function that is called by its name.
    fn call(&mut self, call: &FnCallExpr, at: Position) -> Known {
        let given = self.arguments(call);
        let written = self.script.tokens.at(at).map_or("", |at| self.script.tokens.text(at));
        if call.is_operator_call() || matches!(written, "in" | "!in") {
            return self.operator(call, &given, written);
        }
        let range = self.script.word(at);
        if let Some(own) = self.script.own(&call.name, call.args.len()) {
            if self.in_test() && self.script.functions[own].role == Role::Decision {
                return Known::of(Sort::Outcome);
            }
            self.calls.add(own, given);
            return Known::ANY;
        }
        names::call(self, call, range);
        made_up::check(self, call);
        names::gives(self, call)
    }

    fn operator(&mut self, call: &FnCallExpr, given: &[Known], written: &str) -> Known {
        match (call.name.as_str(), &*call.args, given) {
            ("!", [inner], [known]) => {
                self.truth(inner, known);
                Known::of(Sort::Bool)
            }
            ("contains", [list, item], [list_known, item_known]) if written != "contains" => {
                comparisons::membership(self, (list, list_known), (item, item_known));
                Known::of(Sort::Bool)
            }
            ("==" | "!=" | "<" | "<=" | ">" | ">=", [left, right], [left_known, right_known]) => {
                comparisons::compared(self, (left, left_known), (right, right_known));
                Known::of(Sort::Bool)
            }
            ("+", _, [left, right]) if [left, right].iter().any(|k| matches!(k.sort, Sort::Text)) => {
                Known::of(Sort::Text)
            }
            ("-" | "*" | "/" | "%" | "**" | "+", _, [left, right])
                if matches!((&left.sort, &right.sort), (Sort::Number, Sort::Number)) =>
            {
                Known::of(Sort::Number)
            }
            ("-", [_], [known]) => Known::of(known.sort.clone()),
            _ => Known::ANY,
        }
    }
}
