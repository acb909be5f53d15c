//! What is never reached.

use std::collections::{BTreeSet, HashMap};

use rhai::{ASTNode, Expr, FlowControl, Position, Stmt, StmtBlock};

use super::{Problems, Script, ranges, script::Function};
use crate::policy::{
    syntax::{Rule, rule},
    tokens::Range,
};

/// Checks one function.
pub fn function(script: &Script, function: &Function, problems: &mut Problems) {
    Flow { script, problems }.block(&function.body, function.end);
}

struct Flow<'a, 'b> {
    script: &'b Script<'a>,
    problems: &'b mut Problems,
}

/// The parts of the conditions of rules that end the policy, with the rules' names, by their first part.
type Ended<'s> = HashMap<String, Vec<(BTreeSet<String>, &'s str)>>;

impl Flow<'_, '_> {
    /// Why nothing after the block is reached, if so.
    fn block(&mut self, body: &[Stmt], end: Position) -> Option<String> {
        let mut ended = Ended::new();
        let mut over: Option<String> = None;
        for stmt in body {
            if let Some(why) = &over {
                let range = self.rest(stmt, end);
                self.problems.add("unreachable", range, || format!("this is never reached: {why}"));
                break;
            }
            if self.problems.is_full() {
                break;
            }
            match as_rule(stmt) {
                Some(rule) => self.after_one_like_it(&rule, &mut ended),
                None if matches!(stmt, Stmt::Var(..)) => {}
                // It may change what the conditions before it were made on.
                None => ended.clear(),
            }
            over = self.stmt(stmt);
        }
        over
    }

    fn inner(&mut self, block: &StmtBlock) -> Option<String> {
        self.block(block.statements(), block.end_position())
    }

    /// Why nothing after the statement is reached, if so.
    #[expect(clippy::wildcard_enum_match_arm, reason = "every other statement goes on to the next")]
    fn stmt(&mut self, stmt: &Stmt) -> Option<String> {
        match stmt {
            Stmt::Return(value, ..) => {
                value.iter().for_each(|expr| self.inside(expr));
                Some("`return` stands before it".to_owned())
            }
            Stmt::BreakLoop(value, ..) => {
                value.iter().for_each(|expr| self.inside(expr));
                Some("the loop is left, or goes on, before it".to_owned())
            }
            Stmt::Expr(expr) => {
                self.inside(expr);
                as_rule(stmt).and_then(|rule| self.rule(&rule))
            }
            Stmt::Block(block) => self.inner(block),
            Stmt::If(flow, _) => self.choice(flow),
            Stmt::Switch(switch, _) => {
                self.inside(&switch.0);
                let mut over = switch.1.def_case.map(|_| "each case ends before it".to_owned());
                for case in &switch.1.expressions {
                    let ends = if let Expr::Stmt(block) = &case.rhs { self.inner(block) } else { None };
                    over = over.filter(|_| ends.is_some());
                }
                over
            }
            Stmt::For(looped, _) => {
                self.inside(&looped.2.expr);
                self.inner(&looped.2.body);
                None
            }
            Stmt::Var(variable, ..) => {
                self.inside(&variable.1);
                None
            }
            Stmt::Assignment(assignment) => {
                self.inside(&assignment.1.rhs);
                None
            }
            Stmt::FnCall(call, _) => {
                call.args.iter().for_each(|argument| self.inside(argument));
                None
            }
            _ => None,
        }
    }

    /// The blocks that stand in an expression, such as `let x = if … { … } else { … }`.
    fn inside(&mut self, expr: &Expr) {
        expr.walk(&mut Vec::new(), &mut |path: &[ASTNode]| {
            let outermost = path.iter().filter(|n| matches!(n, ASTNode::Expr(Expr::Stmt(_)))).count() == 1;
            if let (Some(ASTNode::Expr(Expr::Stmt(block))), true) = (path.last(), outermost) {
                self.inner(block);
            }
            true
        });
    }

    fn choice(&mut self, flow: &FlowControl) -> Option<String> {
        let (mut seen, mut link, mut over) = (BTreeSet::new(), flow, true);
        loop {
            self.inside(&link.expr);
            let always = self.condition(&link.expr, &mut seen);
            over &= self.inner(&link.body).is_some() || always == Some(false);
            let rest = &link.branch;
            if always == Some(true) && !rest.is_empty() {
                let range = self.rest_of(rest);
                self.problems.add(
                    "unreachable",
                    range,
                    || "this is never reached: the condition before it is always true",
                );
                break;
            }
            match rest.statements() {
                // A block of its own has an end, `else if` has none.
                [Stmt::If(next, _)] if rest.end_position().is_none() => link = next,
                _ => {
                    over &= always == Some(true) || self.inner(rest).is_some();
                    break;
                }
            }
        }
        over.then(|| "each branch ends before it".to_owned())
    }

    /// Looks at the condition of a branch; gives what it always is.
    fn condition(&mut self, expr: &Expr, seen: &mut BTreeSet<String>) -> Option<bool> {
        let range = self.script.whole(expr);
        if let Expr::BoolConstant(value, _) = expr {
            if !value {
                self.problems.add(
                    "unreachable",
                    range,
                    || "what follows is never reached: the condition is always false",
                );
            }
            return Some(*value);
        }
        let written = self.written(expr);
        if !seen.insert(written) {
            self.problems.add(
                "unreachable",
                range,
                || "this branch is never reached: one before it has the same condition",
            );
        }
        None
    }

    fn written(&self, expr: &Expr) -> String {
        ranges::written(&self.script.tokens, expr).unwrap_or_default().join(" ")
    }

    /// Why nothing after a rule is reached, if so.
    #[expect(clippy::wildcard_enum_match_arm, reason = "every other condition may be true or false")]
    fn rule(&mut self, rule: &Rule) -> Option<String> {
        match rule.condition {
            Expr::BoolConstant(true, _) if rule.ends => {
                Some(format!("rule \"{}\" before it always fits and ends the policy", rule.name))
            }
            Expr::BoolConstant(false, _) => {
                let range = self.script.whole(rule.condition);
                self.problems.add("unreachable", range, || "this rule never fits: its condition is always false");
                None
            }
            _ => None,
        }
    }

    /// A rule that only fits where one before it did and ended the policy.
    #[expect(clippy::wildcard_enum_match_arm, reason = "every other condition is one part")]
    fn after_one_like_it<'s>(&mut self, rule: &Rule<'s>, ended: &mut Ended<'s>) {
        let parts: BTreeSet<String> = match rule.condition {
            Expr::BoolConstant(..) => return,
            Expr::And(parts, _) => parts.iter().map(|part| self.written(part)).collect(),
            one => std::iter::once(self.written(one)).collect(),
        };
        let before =
            parts.iter().filter_map(|part| ended.get(part)).flatten().find(|(theirs, _)| theirs.is_subset(&parts));
        if let Some((_, name)) = before {
            let range = self.script.whole(rule.condition);
            self.problems.add("unreachable", range, || {
                format!(
                    "this rule never fits: where it would, rule \"{name}\" before it fits, too, and ends the policy"
                )
            });
        } else if let (true, Some(first)) = (rule.ends, parts.first()) {
            ended.entry(first.clone()).or_default().push((parts.clone(), rule.name));
        }
    }

    /// From a statement to the end of its block.
    fn rest(&self, stmt: &Stmt, end: Position) -> Option<Range> {
        let tokens = &self.script.tokens;
        #[expect(clippy::wildcard_enum_match_arm, reason = "every other statement starts with a word of its own")]
        let first = match stmt {
            Stmt::Expr(expr) => ranges::span(tokens, expr)?.0,
            Stmt::Assignment(assignment) => ranges::span(tokens, &assignment.1.lhs)?.0,
            other => tokens.at(other.position())?,
        };
        let last = tokens.before(end).filter(|last| *last >= first).unwrap_or_else(|| tokens.mate(first));
        tokens.range(first, last)
    }

    fn rest_of(&self, block: &StmtBlock) -> Option<Range> {
        let tokens = &self.script.tokens;
        let first = tokens.at(block.position())?;
        let last = tokens.at(block.end_position()).unwrap_or(first);
        tokens.range(first, last)
    }
}

fn as_rule(stmt: &Stmt) -> Option<Rule<'_>> {
    if let Stmt::Expr(expr) = stmt { rule(expr) } else { None }
}
