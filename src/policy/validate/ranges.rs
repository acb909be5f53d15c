//! Where an expression starts and ends.

use rhai::{Expr, Position};

use crate::policy::{
    syntax::RULE,
    tokens::{Range, Tokens},
};

/// The whole of an expression.
pub fn of(tokens: &Tokens, expr: &Expr) -> Option<Range> {
    let (first, last) = span(tokens, expr)?;
    tokens.range(first, last)
}

/// What is written of an expression, word by word.
pub fn written<'a>(tokens: &Tokens<'a>, expr: &Expr) -> Option<Vec<&'a str>> {
    let (first, last) = span(tokens, expr)?;
    Some(tokens.written(first, last))
}

/// The indices of the first and the last token of an expression.
pub fn span(tokens: &Tokens, expr: &Expr) -> Option<(usize, usize)> {
    let (first, last) = extent(tokens, expr)?;
    Some(tokens.balanced(first, last))
}

fn bracket(tokens: &Tokens, at: Position) -> Option<(usize, usize)> {
    let first = tokens.at(at)?;
    Some((first, tokens.mate(first).max(first)))
}

fn around<'e>(tokens: &Tokens, parts: impl IntoIterator<Item = &'e Expr>) -> Option<(usize, usize)> {
    let spans = parts.into_iter().filter_map(|p| extent(tokens, p));
    spans.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "every other expression is one token, or one pair of brackets")]
fn extent(tokens: &Tokens, expr: &Expr) -> Option<(usize, usize)> {
    match expr {
        Expr::FnCall(call, at) | Expr::MethodCall(call, at) => {
            let name = tokens.at(*at)?;
            if call.is_operator_call() || tokens.text(name) != call.name.as_str() {
                let (first, last) = around(tokens, &*call.args)?;
                return Some((first.min(name), last.max(name)));
            }
            // `f ()` too: the parenthesis is the next word.
            Some((name, tokens.mate(name + 1).max(name)))
        }
        Expr::Dot(pair, ..) => around(tokens, [&pair.lhs, &pair.rhs]),
        Expr::Index(pair, ..) => {
            let (first, last) = around(tokens, [&pair.lhs, &pair.rhs])?;
            Some((first, last + 1))
        }
        Expr::And(parts, _) | Expr::Or(parts, _) | Expr::Coalesce(parts, _) => around(tokens, parts.iter()),
        Expr::Stmt(block) => bracket(tokens, block.position()),
        Expr::Custom(custom, at) => {
            let last = around(tokens, custom.inputs.iter())?.1;
            let name = custom.inputs.first().map_or(*at, Expr::position);
            let first = tokens.before(name).filter(|at| tokens.text(*at) == RULE)?;
            Some((first, tokens.balanced(first, last).1))
        }
        other => bracket(tokens, other.position()),
    }
}
