//! `rule "name" when condition then effect;`
//!
//! `then` ends the policy where the rule fits; `also` adds an effect and goes on. One rule may have several `also` and a
//! last `then`. `and`, `or` and `not` read as `&&`, `||` and `!`.

use rhai::{
    Dynamic, Engine, EvalAltResult, EvalContext, Expr, Expression, ImmutableString, LexError, ParseError, Position,
    Token, plugin::RhaiResult,
};

use super::{
    context::{Context, Said, Tried, mistake},
    source::start_of,
};

/// The key word that opens a rule.
pub const RULE: &str = "rule";

/// A rule of a script's tree.
pub struct Rule<'a> {
    /// The name.
    pub name: &'a str,
    /// Where the name stands.
    pub at: Position,
    /// When it fits.
    pub condition: &'a Expr,
    /// What it says.
    pub effects: &'a [Expr],
    /// Whether it ends the policy where it fits.
    pub ends: bool,
}

/// The rule that an expression is; nothing where it is none.
pub fn rule(expr: &Expr) -> Option<Rule<'_>> {
    let Expr::Custom(custom, _) = expr else { return None };
    let is_rule = custom.tokens.first().is_some_and(|t| t == RULE);
    let ([Expr::StringConstant(name, at), condition, effects @ ..], true) = (&*custom.inputs, is_rule) else {
        return None;
    };
    let ends = custom.tokens.iter().any(|t| t == "then");
    Some(Rule { name: name.as_str(), at: *at, condition, effects, ends })
}

/// Teaches an engine the syntax.
pub fn register(engine: &mut Engine) {
    engine.register_custom_syntax_with_state_raw(RULE, next_symbol, false, run);
    #[expect(clippy::wildcard_enum_match_arm, reason = "every other token stays what it is")]
    #[expect(deprecated, reason = "Rhai marks it as volatile, not as deprecated; the exact version is pinned")]
    engine.on_parse_token(|token, _, _| match token {
        Token::Identifier(ref word) | Token::Reserved(ref word) => match word.as_str() {
            "and" => Token::And,
            "or" => Token::Or,
            "not" => Token::Bang,
            _ => token,
        },
        other => other,
    });
}

/// Which symbol comes next: rule, name, `when`, condition, then pairs of `also`/`then` and an effect.
fn next_symbol(
    so_far: &[ImmutableString],
    ahead: &str,
    ends: &mut Dynamic,
) -> Result<Option<ImmutableString>, ParseError> {
    let symbol = match so_far.len() {
        1 => "$string$",
        2 => "when",
        n if n % 2 == 1 => "$expr$",
        n => match ahead {
            _ if ends.as_bool() == Ok(true) => return Ok(None),
            "then" => {
                *ends = true.into();
                "then"
            }
            "also" => "also",
            _ if n > 4 => return Ok(None),
            _ => {
                let said = "a rule goes on with `then` or `also` after its condition".to_owned();
                return Err(LexError::ImproperSymbol(ahead.to_owned(), said).into_err(Position::NONE));
            }
        },
    };
    Ok(Some(symbol.into()))
}

/// Tries a rule and, where it fits, says its effects.
fn run(call: &mut EvalContext, inputs: &[Expression], ends: &Dynamic) -> RhaiResult {
    let [name, condition, effects @ ..] = inputs else { return Ok(Dynamic::UNIT) };
    let at = name.position();
    let context = Context::of(Some(call.tag()), at)?;
    if context.state().decided {
        // A rule of a helper function ended the policy; this one is after it.
        return Err(EvalAltResult::Return(Dynamic::UNIT, at).into());
    }
    let failed = first_false(call, condition)?;
    context.state().tried.push(Tried { at, fitted: failed.is_none(), failed_part: failed.unwrap_or(0) });
    if failed.is_some() {
        return Ok(Dynamic::UNIT);
    }
    let mut said = Dynamic::UNIT;
    for effect in effects {
        said = effect.eval_with_context(call)?;
        if !said.is::<Said>() {
            let function = context.decision().spec().effects.first().copied().unwrap_or_default();
            let sentence = format!("a rule ends in a decision such as {function}(…); this gives {}", named(&said));
            return Err(mistake("no_decision", sentence, start_of(effect)));
        }
    }
    if ends.as_bool() == Ok(true) {
        context.state().decided = true;
        return Err(EvalAltResult::Return(said, at).into());
    }
    Ok(Dynamic::UNIT)
}

/// The part of the condition that is false first; nothing when it is true.
fn first_false(call: &mut EvalContext, condition: &Expression) -> Result<Option<usize>, Box<EvalAltResult>> {
    let expr: &Expr = condition;
    if let Expr::And(parts, _) = expr {
        for (at, part) in parts.iter().enumerate() {
            if !truth(call, &Expression::from(part))? {
                return Ok(Some(at));
            }
        }
        return Ok(None);
    }
    Ok(if truth(call, condition)? { None } else { Some(0) })
}

fn truth(call: &mut EvalContext, part: &Expression) -> Result<bool, Box<EvalAltResult>> {
    let value = part.eval_with_context(call)?;
    value.as_bool().map_err(|_| {
        let sentence = format!("a condition is true or false; this is {}", named(&value));
        mistake("wrong_type", sentence, start_of(part))
    })
}

/// How a sentence names a script's value.
pub fn named(value: &Dynamic) -> String {
    match value.type_name() {
        "()" => "empty: `()`".to_owned(),
        "i64" => format!("the number {value}"),
        "bool" => format!("`{value}`"),
        "string" => format!("the text \"{value}\""),
        "array" => "a list".to_owned(),
        "map" => "a map".to_owned(),
        name => format!("a {}", name.rsplit("::").next().unwrap_or(name).to_lowercase()),
    }
}
