//! Paths through the decision that end without a word: the decision is then left to others.

use std::collections::HashMap;

use rhai::{Expr, FnCallExpr, Position, Stmt};

use super::{Problems, Script};
use crate::policy::{decision::Mode, functions::EFFECTS, syntax::rule};

/// Looks for a path through the decision that says nothing. A guard that says nothing allows the transition.
pub fn decision(script: &Script, problems: &mut Problems) {
    let spec = script.decision.spec();
    let Some(function) = script.decides().filter(|_| spec.mode == Mode::First) else { return };
    let mut silence = Silence { script, helpers: HashMap::new(), returns: Vec::new() };
    let falls = silence.block(&function.body);
    let message = || {
        format!(
            "this can end without a decision, which is then left to the next policy; where none decides, {}",
            spec.undecided
        )
    };
    if falls {
        problems.add("no_decision", script.name_of(function), message);
    }
    for at in silence.returns {
        problems.add("no_decision", script.word(at), message);
    }
}

struct Silence<'a, 'b> {
    script: &'b Script<'a>,
    /// Whether each function that was looked at always says something; while it is being looked at, it is taken to.
    helpers: HashMap<usize, bool>,
    /// Where the function returns without having said anything.
    returns: Vec<Position>,
}

impl Silence<'_, '_> {
    /// Whether a path that has said nothing comes to the end of these statements.
    fn block(&mut self, body: &[Stmt]) -> bool {
        body.iter().all(|stmt| self.stmt(stmt))
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "every other statement says nothing")]
    fn stmt(&mut self, stmt: &Stmt) -> bool {
        match stmt {
            Stmt::Expr(expr) => !self.says(expr),
            Stmt::FnCall(call, _) => !self.call(call),
            Stmt::Var(variable, ..) => !self.says(&variable.1),
            Stmt::Assignment(assignment) => !self.says(&assignment.1.rhs),
            Stmt::Block(block) => self.block(block.statements()),
            Stmt::Return(value, _, at) => {
                if !value.as_ref().is_some_and(|expr| self.says(expr)) {
                    self.returns.push(*at);
                }
                false
            }
            Stmt::BreakLoop(..) => false,
            Stmt::If(flow, _) => match flow.expr {
                Expr::BoolConstant(true, _) => self.block(flow.body.statements()),
                Expr::BoolConstant(false, _) => self.block(flow.branch.statements()),
                _ if self.says(&flow.expr) => false,
                // Both are looked at: each may return.
                _ => self.block(flow.body.statements()) | self.block(flow.branch.statements()),
            },
            Stmt::Switch(switch, _) => {
                let mut silent = !self.says(&switch.0) && switch.1.def_case.is_none();
                for case in &switch.1.expressions {
                    silent |= !self.says(&case.rhs);
                }
                silent
            }
            Stmt::For(looped, _) => {
                self.block(looped.2.body.statements());
                !self.says(&looped.2.expr)
            }
            _ => true,
        }
    }

    /// Whether an expression says something, whatever it comes to.
    #[expect(clippy::wildcard_enum_match_arm, reason = "every other expression is a literal or a name")]
    fn says(&mut self, expr: &Expr) -> bool {
        match expr {
            Expr::FnCall(call, _) | Expr::MethodCall(call, _) => self.call(call),
            Expr::Dot(pair, ..) | Expr::Index(pair, ..) => self.says(&pair.lhs) || self.says(&pair.rhs),
            Expr::And(parts, _) | Expr::Or(parts, _) | Expr::Coalesce(parts, _) => {
                parts.first().is_some_and(|first| self.says(first))
            }
            Expr::Array(parts, _) | Expr::InterpolatedString(parts, _) => parts.iter().any(|part| self.says(part)),
            Expr::Map(map, _) => map.0.iter().any(|(_, value)| self.says(value)),
            Expr::Stmt(block) => !self.block(block.statements()),
            Expr::Custom(..) => rule(expr).is_some_and(|rule| matches!(rule.condition, Expr::BoolConstant(true, _))),
            _ => false,
        }
    }

    fn call(&mut self, call: &FnCallExpr) -> bool {
        let (name, params) = (call.name.as_str(), call.args.len());
        EFFECTS.contains(&(name, params))
            || call.args.iter().any(|argument| self.says(argument))
            || self.script.own(name, params).is_some_and(|own| self.helper(own))
    }

    fn helper(&mut self, own: usize) -> bool {
        if let Some(known) = self.helpers.get(&own) {
            return *known;
        }
        self.helpers.insert(own, true);
        let outer = std::mem::take(&mut self.returns);
        let falls = self.block(&self.script.functions[own].body);
        let says = !falls && self.returns.is_empty();
        self.returns = outer;
        self.helpers.insert(own, says);
        says
    }
}
