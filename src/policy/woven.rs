//! Parts of a script's tree that run in a way of their own: functions whose bodies are given, and expressions whose values are
//! looked at.
//!
//! Rhai lets nobody set the body of a function. So a woven one is compiled from a symbol that holds the body and runs it where
//! it stands: with the same variables, and what it gives, says and fails with is the same. No script can write the symbol.

use std::{cell::Cell, sync::Arc};

use rhai::{
    CustomExpr, Dynamic, Engine, EvalContext, Expr, Expression, ImmutableString, ParseError, ParseErrorType, Position,
    ScriptFuncDef, StmtBlock, plugin::RhaiResult,
};

use super::engine;
use crate::error::{Error, Result};

/// The symbol that stands for what is woven. Rhai has no other use for it.
const SYMBOL: &str = "$";

/// What the symbol stands for.
#[derive(Clone)]
enum Woven {
    /// A body of a function: parts that follow on each other, of which the last one gives what it gives.
    Body(Arc<[Arc<Expr>]>),
    /// An expression, whose value is shown to this.
    Watched(Arc<dyn Fn(&Dynamic) + Send + Sync>),
}

thread_local! {
    /// The body for the symbol that is compiled next on this thread.
    static NEXT: Cell<Option<Woven>> = const { Cell::new(None) };
}

/// Teaches an engine the symbol.
pub fn register(engine: &mut Engine) {
    engine.register_custom_syntax_with_state_raw(SYMBOL, parse, false, run);
}

fn parse(_: &[ImmutableString], _: &str, state: &mut Dynamic) -> Result<Option<ImmutableString>, ParseError> {
    match NEXT.take() {
        Some(body) => {
            *state = Dynamic::from(body);
            Ok(None)
        }
        None => Err(ParseError(ParseErrorType::Reserved(SYMBOL.to_owned()).into(), Position::NONE)),
    }
}

fn run(call: &mut EvalContext, inputs: &[Expression], state: &Dynamic) -> RhaiResult {
    let woven = state.read_lock::<Woven>();
    match (woven.as_deref(), inputs) {
        (Some(Woven::Body(parts)), _) => run_body(call, parts),
        (Some(Woven::Watched(see)), [watched]) => {
            let value = watched.eval_with_context(call)?;
            see(&value);
            Ok(value)
        }
        (Some(Woven::Watched(_)) | None, _) => Ok(Dynamic::UNIT),
    }
}

fn run_body(call: &mut EvalContext, parts: &[Arc<Expr>]) -> RhaiResult {
    let Some((last, before)) = parts.split_last() else { return Ok(Dynamic::UNIT) };
    for part in before {
        #[expect(deprecated, reason = "Rhai marks it as volatile, not as deprecated; the exact version is pinned")]
        drop(Expression::from(&**part).eval_with_context_raw(call, false)?);
    }
    Expression::from(&**last).eval_with_context(call)
}

/// A function like another, with a body of these parts, which see the variables of those before them.
///
/// # Errors
/// None: the symbol compiles.
pub fn function(like: &ScriptFuncDef, parts: impl IntoIterator<Item = Arc<Expr>>) -> Result<ScriptFuncDef> {
    NEXT.set(Some(Woven::Body(parts.into_iter().collect())));
    let shell = engine::with(|e| e.compile(format!("fn woven() {{ {SYMBOL} }}")));
    NEXT.take();
    let shell = shell.map_err(Error::internal)?;
    let shell = shell.iter_fn_def().next().ok_or_else(|| Error::internal("nothing is woven"))?;
    Ok(ScriptFuncDef { body: shell.body.clone(), ..like.clone() })
}

/// Statements as a part of a body.
pub fn block(statements: StmtBlock) -> Arc<Expr> {
    Arc::new(Expr::Stmt(statements.into()))
}

/// The same expression; each value that it has is shown to `see`.
pub fn watched(expr: Expr, see: impl Fn(&Dynamic) + Send + Sync + 'static) -> Expr {
    let at = expr.position();
    let state = Dynamic::from(Woven::Watched(Arc::new(see)));
    let (inputs, tokens) = ([expr].into_iter().collect(), [SYMBOL.into()].into_iter().collect());
    Expr::Custom(CustomExpr { inputs, tokens, state, scope_may_be_changed: false, self_terminated: false }.into(), at)
}
