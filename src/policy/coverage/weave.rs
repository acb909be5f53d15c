//! Puts what watches into the tree of a script: before each statement, and around each condition.

use std::mem;

use rhai::{BinaryExpr, Expr, Position, Stmt, StmtBlock, SwitchCasesCollection};

use super::probe::{Probe, What};
use crate::policy::{
    syntax::rule,
    tokens::{Range, Tokens},
    validate::{ranges, script::Function},
    woven::watched,
};

/// Weaves the functions of one script.
pub struct Weaver<'a> {
    tokens: &'a Tokens<'a>,
    probes: Vec<Probe>,
}

impl<'a> Weaver<'a> {
    /// For the script of these tokens.
    pub fn new(tokens: &'a Tokens<'a>) -> Self {
        Weaver { tokens, probes: Vec::new() }
    }

    /// What watches, in no order.
    pub fn into_probes(self) -> Vec<Probe> {
        self.probes
    }

    /// The body of a function, watched.
    pub fn body(&mut self, function: &Function) -> StmtBlock {
        let mut body = StmtBlock::new(function.body.iter().cloned(), function.start, function.end);
        self.block(&mut body);
        body
    }

    /// Something that sees that a place is reached.
    fn reached(&mut self, what: What, range: Range) -> Stmt {
        Stmt::Expr(self.probe(Expr::Unit(Position::NONE), what, range).into())
    }

    fn probe(&mut self, expr: Expr, what: What, range: Range) -> Expr {
        let probe = Probe::new(what, range);
        let watched = watched(expr, probe.watch());
        self.probes.push(probe);
        watched
    }

    /// Watches what is in an expression, and itself.
    fn watch(&mut self, expr: &mut Expr, what: What) {
        let range = ranges::of(self.tokens, expr);
        self.watch_over(expr, what, range);
    }

    fn watch_over(&mut self, expr: &mut Expr, what: What, range: Option<Range>) {
        self.expr(expr);
        if let Some(range) = range {
            let inner = mem::take(expr);
            *expr = self.probe(inner, what, range);
        }
    }

    /// Watches a condition; one that is written out as true or false has no two sides.
    fn condition(&mut self, expr: &mut Expr) {
        if !matches!(expr, Expr::BoolConstant(..)) {
            self.watch(expr, What::Condition);
        }
    }

    fn block(&mut self, block: &mut StmtBlock) {
        for mut stmt in mem::take(block.statements_mut()) {
            let range = start(self.tokens, &stmt);
            self.stmt(&mut stmt);
            let reached = range.map(|range| self.reached(What::Run, range));
            block.statements_mut().extend(reached.into_iter().chain([stmt]));
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "what is left holds nothing, or is forbidden in policies")]
    fn stmt(&mut self, stmt: &mut Stmt) {
        match stmt {
            Stmt::Expr(expr) => self.expr(expr),
            Stmt::FnCall(call, _) => call.args.iter_mut().for_each(|argument| self.expr(argument)),
            Stmt::Block(block) => self.block(block),
            Stmt::If(flow, _) => {
                self.condition(&mut flow.expr);
                self.block(&mut flow.body);
                self.block(&mut flow.branch);
            }
            Stmt::Switch(switch, at) => {
                self.expr(&mut switch.0);
                self.switch(&mut switch.1, *at);
            }
            Stmt::For(looped, at) => {
                self.expr(&mut looped.2.expr);
                self.block(&mut looped.2.body);
                if let Some(range) = word(self.tokens, *at) {
                    let reached = self.reached(What::Loop, range);
                    looped.2.body.statements_mut().insert(0, reached);
                }
            }
            Stmt::Var(variable, ..) => self.expr(&mut variable.1),
            Stmt::Assignment(assignment) => self.expr(&mut assignment.1.rhs),
            Stmt::Return(Some(expr), ..) | Stmt::BreakLoop(Some(expr), ..) => self.expr(expr),
            _ => (),
        }
    }

    fn switch(&mut self, cases: &mut SwitchCasesCollection, at: Position) {
        for case in &mut cases.expressions {
            self.condition(&mut case.lhs);
            let range = inside(self.tokens, &case.rhs);
            self.watch_over(&mut case.rhs, What::Case, range);
        }
        if let (None, Some(range)) = (cases.def_case, word(self.tokens, at)) {
            let none = self.probe(Expr::Unit(at), What::NoCase, range);
            cases.expressions.push(BinaryExpr { lhs: Expr::BoolConstant(true, at), rhs: none });
            cases.def_case = Some(cases.expressions.len() - 1);
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "every other expression is a word")]
    fn expr(&mut self, expr: &mut Expr) {
        if rule(expr).is_some() {
            return self.rule(expr);
        }
        match expr {
            Expr::And(parts, _) | Expr::Or(parts, _) => parts.iter_mut().for_each(|part| self.part(part)),
            Expr::Coalesce(parts, _) => {
                let last = parts.len().saturating_sub(1);
                for (at, part) in parts.iter_mut().enumerate() {
                    self.watch(part, if at == last { What::Run } else { What::Left });
                }
            }
            Expr::FnCall(call, _) | Expr::MethodCall(call, _) => call.args.iter_mut().for_each(|a| self.expr(a)),
            Expr::Dot(pair, ..) | Expr::Index(pair, ..) => {
                self.expr(&mut pair.lhs);
                self.expr(&mut pair.rhs);
            }
            Expr::InterpolatedString(parts, _) | Expr::Array(parts, _) => {
                parts.iter_mut().for_each(|part| self.expr(part));
            }
            Expr::Map(map, _) => map.0.iter_mut().for_each(|(_, value)| self.expr(value)),
            Expr::Stmt(block) => self.block(block),
            _ => (),
        }
    }

    /// A part of `and` or `or`; one that is made of parts itself is known by them.
    fn part(&mut self, part: &mut Expr) {
        if matches!(part, Expr::And(..) | Expr::Or(..)) {
            self.expr(part);
        } else {
            self.condition(part);
        }
    }

    fn rule(&mut self, expr: &mut Expr) {
        let name = rule(expr).map(|rule| rule.name.to_owned()).unwrap_or_default();
        let Expr::Custom(custom, _) = expr else { return };
        let [_, condition, effects @ ..] = &mut *custom.inputs else { return };
        let both = !matches!(condition, Expr::BoolConstant(..));
        self.watch(condition, What::Rule(name, both));
        effects.iter_mut().for_each(|effect| self.watch(effect, What::Run));
    }
}

/// Where a statement starts; nothing for one that does nothing, and for a block, whose statements count by themselves.
#[expect(clippy::wildcard_enum_match_arm, reason = "every other statement starts with a word of its own")]
fn start(tokens: &Tokens, stmt: &Stmt) -> Option<Range> {
    let first = match stmt {
        Stmt::Noop(_) | Stmt::Block(_) => return None,
        Stmt::Expr(expr) => ranges::span(tokens, expr)?.0,
        Stmt::Assignment(assignment) => ranges::span(tokens, &assignment.1.lhs)?.0,
        other => tokens.at(other.position())?,
    };
    tokens.range(first, first)
}

/// Where a case says what it comes to.
fn inside(tokens: &Tokens, value: &Expr) -> Option<Range> {
    if let Expr::Stmt(block) = value
        && block.end_position().is_none()
    {
        return start(tokens, block.statements().first()?);
    }
    ranges::of(tokens, value)
}

fn word(tokens: &Tokens, at: Position) -> Option<Range> {
    let at = tokens.at(at)?;
    tokens.range(at, at)
}
