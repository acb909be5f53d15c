//! `rule "name" when condition then effect;`
//!
//! `then` ends the policy where the rule fits; `also` adds an effect and goes on. One rule may have several `also` and a
//! last `then`. `and`, `or` and `not` read as `&&`, `||` and `!`.

use rhai::{
    Dynamic, Engine, EvalAltResult, EvalContext, Expr, Expression, ImmutableString, LexError, ParseError, Position,
    Token, plugin::RhaiResult,
};

use super::{
    condition::{self, Came, Condition, IsOwn, Operand},
    context::{Context, Native, Said, Tried, mistake},
    functions::{ASSIGN, assign_team},
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
    not_decided(&context, at)?;
    let failed = first_false(call, &Condition::Script, condition)?;
    context.state().try_rule(Tried { at, fitted: failed.is_none(), failed_part: failed.unwrap_or(0) })?;
    if failed.is_some() {
        return Ok(Dynamic::UNIT);
    }
    let mut said = Dynamic::UNIT;
    for effect in effects {
        said = must_say(&context, effect.eval_with_context(call)?, effect)?;
    }
    ended(&context, ends.as_bool() == Ok(true), said, at)
}

/// A rule that is run without Rhai looking for what runs it.
pub struct Known {
    at: Position,
    condition: Condition,
    asked: Expr,
    effects: Vec<KnownEffect>,
    ends: bool,
}

/// An effect of such a rule.
struct KnownEffect {
    says: Expr,
    /// For `assign`, which most policies say most, the team and where the call stands.
    assigns: Option<(Operand, Position)>,
}

impl KnownEffect {
    fn of(says: &Expr, is_own: IsOwn) -> KnownEffect {
        let mut assigns = None;
        if let Expr::FnCall(call, at) = says
            && let [team] = &*call.args
            && call.name == ASSIGN
            && !call.is_qualified()
            && !is_own(ASSIGN)
        {
            assigns = Operand::of(team).map(|team| (team, *at));
        }
        KnownEffect { says: says.clone(), assigns }
    }

    fn say(&self, call: &mut EvalContext, context: &Context) -> RhaiResult {
        if let Some((team, at)) = &self.assigns {
            condition::step(*at)?;
            if let Some(said) = team.with_text(call.scope(), |team| assign_team(context, team, *at)) {
                return said.map(Dynamic::from);
            }
        }
        call.eval_expression_tree(&Expression::from(&self.says))
    }
}

impl Known {
    /// Of a rule of a script's tree.
    pub fn of(rule: &Rule, is_own: IsOwn) -> Known {
        let (condition, asked) = (Condition::of(rule.condition, is_own), rule.condition.clone());
        let effects = rule.effects.iter().map(|effect| KnownEffect::of(effect, is_own)).collect();
        Known { at: rule.at, condition, asked, effects, ends: rule.ends }
    }

    /// Tries it and, where it fits, says its effects.
    ///
    /// # Errors
    /// Those of [`run`], which does the same.
    pub fn run(&self, call: &mut EvalContext, context: &Context) -> RhaiResult {
        condition::step(self.at)?;
        not_decided(context, self.at)?;
        let failed = first_false(call, &self.condition, &self.asked)?;
        let tried = Tried { at: self.at, fitted: failed.is_none(), failed_part: failed.unwrap_or(0) };
        context.state().try_rule(tried)?;
        if failed.is_some() {
            return Ok(Dynamic::UNIT);
        }
        let mut said = Dynamic::UNIT;
        for effect in &self.effects {
            said = must_say(context, effect.say(call, context)?, &effect.says)?;
        }
        ended(context, self.ends, said, self.at)
    }
}

/// Ends a function where a rule of a helper function ended the policy: this one is after it.
fn not_decided(context: &Context, at: Position) -> Native<()> {
    if context.is_decided() { Err(EvalAltResult::Return(Dynamic::UNIT, at).into()) } else { Ok(()) }
}

/// Goes on or ends the policy after a rule that fits has said something.
fn ended(context: &Context, ends: bool, said: Dynamic, at: Position) -> RhaiResult {
    if ends {
        context.decide();
        return Err(EvalAltResult::Return(said, at).into());
    }
    Ok(Dynamic::UNIT)
}

/// What an effect gave, which must be that something was said.
fn must_say(context: &Context, said: Dynamic, effect: &Expr) -> RhaiResult {
    if said.is::<Said>() {
        return Ok(said);
    }
    let function = context.decision().spec().effects.first().copied().unwrap_or_default();
    let sentence = format!("a rule ends in a decision such as {function}(…); this gives {}", named(&said));
    Err(mistake("no_decision", sentence, start_of(effect)))
}

/// The part of the condition that is false first; nothing when it is true.
fn first_false(call: &mut EvalContext, known: &Condition, condition: &Expr) -> Native<Option<usize>> {
    let Expr::And(parts, _) = condition else {
        return Ok(if truth(call, known, condition)? { None } else { Some(0) });
    };
    for (at, part) in parts.iter().enumerate() {
        if !truth(call, known.part(at), part)? {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

fn truth(call: &mut EvalContext, known: &Condition, part: &Expr) -> Native<bool> {
    match known.eval(call, part)? {
        Came::Truth(truth) => Ok(truth),
        Came::Value(value) => {
            let sentence = format!("a condition is true or false; this is {}", named(&value));
            Err(mistake("wrong_type", sentence, start_of(part)))
        }
    }
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
