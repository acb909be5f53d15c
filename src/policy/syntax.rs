//! `rule "name" when condition then effect;`
//!
//! `then` ends the policy where the rule fits; `also` adds an effect and goes on. One rule may have several `also` and a
//! last `then`. `and`, `or` and `not` read as `&&`, `||` and `!`.

use std::ops::ControlFlow;

use rhai::{
    Dynamic, Engine, EvalAltResult, EvalContext, Expr, Expression, ImmutableString, LexError, ParseError, Position,
    Token, plugin::RhaiResult,
};

use super::{
    condition::{self, Asks, Came, Condition, IsOwn, Operand},
    context::{Context, Native, Said, mistake, note},
    entry::Run,
    functions::{ASSIGN, assign_team},
    source::start_of,
    trace::Tried,
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
    if context.is_decided() {
        // A rule of a helper function ended the policy: this one is after it.
        return Err(EvalAltResult::Return(Dynamic::UNIT, at).into());
    }
    let failed = first_false(call, &Condition::Script, condition)?;
    note(&mut context.state().tried, Tried { at, failed })?;
    if failed.is_some() {
        return Ok(Dynamic::UNIT);
    }
    let mut said = Dynamic::UNIT;
    for effect in effects {
        said = must_say(&context, effect.eval_with_context(call)?, effect)?;
    }
    if ends.as_bool() != Ok(true) {
        return Ok(Dynamic::UNIT);
    }
    context.decide();
    Err(EvalAltResult::Return(said, at).into())
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

    fn say(&self, run: &mut Run) -> Native<Said> {
        if let Some((team, at)) = &self.assigns {
            condition::step(*at)?;
            let context = run.context;
            if let Some(said) = team.with_text(run, |team| assign_team(context, team, *at)) {
                return said;
            }
        }
        let said = run.ask_rhai(&self.says)?;
        must_say(run.context, said, &self.says).map(|_| Said)
    }
}

impl Known {
    /// Of a rule of a script's tree.
    pub fn of(rule: &Rule, is_own: IsOwn) -> Known {
        let (condition, asked) = (Condition::of(rule.condition, is_own), rule.condition.clone());
        let effects = rule.effects.iter().map(|effect| KnownEffect::of(effect, is_own)).collect();
        Known { at: rule.at, condition, asked, effects, ends: rule.ends }
    }

    /// Tries it and, where it fits, says its effects. It breaks where the policy ends.
    ///
    /// # Errors
    /// Those of [`run`], which does the same.
    pub fn run(&self, run: &mut Run) -> Native<ControlFlow<()>> {
        condition::step(self.at)?;
        if run.context.is_decided() {
            return Ok(ControlFlow::Break(()));
        }
        let failed = first_false(run, &self.condition, &self.asked)?;
        note(&mut run.tried, Tried { at: self.at, failed })?;
        if failed.is_some() {
            return Ok(ControlFlow::Continue(()));
        }
        for effect in &self.effects {
            effect.say(run)?;
        }
        if !self.ends {
            return Ok(ControlFlow::Continue(()));
        }
        run.context.decide();
        Ok(ControlFlow::Break(()))
    }
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
fn first_false(run: &mut impl Asks, known: &Condition, condition: &Expr) -> Native<Option<usize>> {
    let Expr::And(parts, _) = condition else {
        return Ok(if truth(run, known, condition)? { None } else { Some(0) });
    };
    for (at, part) in parts.iter().enumerate() {
        if !truth(run, known.part(at), part)? {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

fn truth(run: &mut impl Asks, known: &Condition, part: &Expr) -> Native<bool> {
    match known.eval(run, part)? {
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
