//! Conditions of rules without Rhai: reading fields, comparing them, `and`, `or` and `not`.
//!
//! Rhai finds the function behind each field and comparison while it runs; of nearly all conditions it is clear before. So they are
//! made into a tree of their own when a program is compiled, beside Rhai's, which stays: what this tree does not know, and what it
//! can't be sure of once it sees the values, is given to Rhai as it stands.
//!
//! **Invariant:** a condition gives what Rhai gives, and fails where and as Rhai fails. What is tried here and then given to Rhai
//! only reads.

mod operand;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use rhai::{
    Dynamic, EvalAltResult, EvalContext, Expr, Expression, FnCallExpr, ImmutableString, Position, Token,
    plugin::RhaiResult,
};

use self::operand::{Path, Seen};
use super::{
    context::Native,
    facts::{Facts, Phrase},
    limits,
};

pub use operand::Operand;

/// What is known of a condition, beside Rhai's tree of the same.
pub enum Condition {
    /// Each part must be true.
    All(Box<[Condition]>),
    /// One part must be true.
    Any(Box<[Condition]>),
    /// It must not be true.
    Not(Box<Condition>),
    /// It reads and compares, and nothing else.
    Test(Test),
    /// Rhai knows.
    Script,
}

/// Who asks a condition: the variables that it sees, and Rhai.
pub trait Asks {
    /// Does something with a variable; nothing where there is none of this name.
    fn see<T>(&self, variable: &str, then: impl FnOnce(Variable) -> Option<T>) -> Option<T>;

    /// What Rhai makes of an expression.
    ///
    /// # Errors
    /// Those of Rhai.
    fn ask_rhai(&mut self, expr: &Expr) -> RhaiResult;
}

/// What a variable holds.
pub enum Variable<'a> {
    /// A record, as a function was given it.
    Record(&'a Facts),
    /// Whatever Rhai has of it.
    Value(&'a Dynamic),
}

impl Asks for EvalContext<'_, '_, '_, '_, '_, '_> {
    fn see<T>(&self, variable: &str, then: impl FnOnce(Variable) -> Option<T>) -> Option<T> {
        then(Variable::Value(self.scope().get(variable)?))
    }
    fn ask_rhai(&mut self, expr: &Expr) -> RhaiResult {
        self.eval_expression_tree(&Expression::from(expr))
    }
}

/// What a condition came to.
pub enum Came {
    /// True or false.
    Truth(bool),
    /// Something else, which Rhai gave.
    Value(Dynamic),
}

impl From<Dynamic> for Came {
    fn from(value: Dynamic) -> Self {
        value.as_bool().map_or(Came::Value(value), Came::Truth)
    }
}

/// Whether a script has a function of its own of this name, which takes the place of the server's.
pub type IsOwn<'a> = &'a dyn Fn(&str) -> bool;

impl Condition {
    /// What is known of an expression.
    pub fn of(expr: &Expr, is_own: IsOwn) -> Condition {
        let parts = |parts: &[Expr]| parts.iter().map(|part| Condition::of(part, is_own)).collect();
        if let Expr::And(all, _) = expr {
            return Condition::All(parts(all));
        }
        if let Expr::Or(any, _) = expr {
            return Condition::Any(parts(any));
        }
        if let Some(turned) = turned(expr) {
            let known = Condition::of(turned, is_own);
            // What Rhai gave may be neither true nor false, and it must not be asked twice.
            let is_script = matches!(known, Condition::Script);
            return if is_script { known } else { Condition::Not(known.into()) };
        }
        Test::of(expr, is_own).map_or(Condition::Script, Condition::Test)
    }

    /// What is known of one part of an `and`.
    pub fn part(&self, at: usize) -> &Condition {
        match self {
            Condition::All(parts) => parts.get(at).unwrap_or(&Condition::Script),
            Condition::Any(_) | Condition::Not(_) | Condition::Test(_) | Condition::Script => &Condition::Script,
        }
    }

    /// What it comes to; `expr` is what it was made of.
    ///
    /// # Errors
    /// Those of Rhai.
    pub fn eval(&self, run: &mut impl Asks, expr: &Expr) -> Native<Came> {
        match (self, expr) {
            (Condition::All(parts), Expr::And(exprs, at)) => each(run, parts, exprs, false, *at),
            (Condition::Any(parts), Expr::Or(exprs, at)) => each(run, parts, exprs, true, *at),
            (Condition::Not(known), _) => {
                step(expr.position())?;
                let Some(turned) = turned(expr) else { return by_script(run, expr) };
                match known.eval(run, turned)? {
                    Came::Truth(truth) => Ok(Came::Truth(!truth)),
                    Came::Value(_) => by_script(run, expr),
                }
            }
            (Condition::Test(test), _) => {
                step(expr.position())?;
                test.is_true(run).map_or_else(|| by_script(run, expr), |truth| Ok(Came::Truth(truth)))
            }
            (Condition::All(_) | Condition::Any(_) | Condition::Script, _) => by_script(run, expr),
        }
    }
}

/// A step of a run, as Rhai takes one for each part of a script.
///
/// # Errors
/// The run must end.
pub fn step(at: Position) -> Native<()> {
    limits::step(0).map_or(Ok(()), |why| Err(EvalAltResult::ErrorTerminated(why, at).into()))
}

fn by_script(run: &mut impl Asks, expr: &Expr) -> Native<Came> {
    run.ask_rhai(expr).map(Came::from)
}

/// Goes through parts until one is as `until`.
fn each(run: &mut impl Asks, parts: &[Condition], exprs: &[Expr], until: bool, at: Position) -> Native<Came> {
    step(at)?;
    for (part, expr) in parts.iter().zip(exprs) {
        match part.eval(run, expr)? {
            Came::Truth(truth) if truth == until => return Ok(Came::Truth(until)),
            Came::Truth(_) => (),
            Came::Value(value) => {
                let (wanted, given) = ("bool".to_owned(), value.type_name().to_owned());
                return Err(EvalAltResult::ErrorMismatchDataType(wanted, given, expr.position()).into());
            }
        }
    }
    Ok(Came::Truth(!until))
}

/// What stands behind a `not`.
fn turned(expr: &Expr) -> Option<&Expr> {
    let Expr::FnCall(call, _) = expr else { return None };
    let [turned] = &*call.args else { return None };
    matches!(call.op_token, Some(Token::Bang)).then_some(turned)
}

/// A condition without parts. It only reads.
pub enum Test {
    /// A value that is true.
    True(Operand),
    /// Two values beside each other.
    Compare(Operand, Comparison, Operand),
    /// A text that has another in it.
    Contains(Operand, Operand),
    /// A record whose words hold one of these.
    Mentions(Path, Box<[Phrase]>),
    /// A text that is one of these.
    OneOf(Operand, Box<[ImmutableString]>),
}

impl Test {
    fn of(expr: &Expr, is_own: IsOwn) -> Option<Test> {
        if let Expr::FnCall(call, _) = expr {
            return Test::of_call(call, is_own);
        }
        if let Some((path, method)) = Path::with_method(expr)
            && let Some(call) = method
        {
            return Test::of_method(path, call, is_own);
        }
        Operand::of(expr).map(Test::True)
    }

    fn of_call(call: &FnCallExpr, is_own: IsOwn) -> Option<Test> {
        let [left, right] = &*call.args else { return None };
        if call.is_qualified() {
            return None;
        }
        if let Some(comparison) = call.op_token.as_ref().and_then(Comparison::of) {
            return Some(Test::Compare(Operand::of(left)?, comparison, Operand::of(right)?));
        }
        // `in`, which Rhai turns around.
        let Expr::Array(items, _) = left else { return None };
        if call.name != "contains" || is_own("contains") {
            return None;
        }
        let texts = items.iter().map(literal_text).collect::<Option<_>>()?;
        Some(Test::OneOf(Operand::of(right)?, texts))
    }

    fn of_method(path: Path, call: &FnCallExpr, is_own: IsOwn) -> Option<Test> {
        if is_own(&call.name) {
            return None;
        }
        match (call.name.as_str(), &*call.args) {
            ("contains", [wanted]) => Some(Test::Contains(Operand::Path(path), Operand::of(wanted)?)),
            ("mentions", phrases @ [_, ..]) if phrases.len() <= 8 => {
                let phrase = |expr| literal_text(expr).map(|text| Phrase::new(&text));
                Some(Test::Mentions(path, phrases.iter().map(phrase).collect::<Option<_>>()?))
            }
            _ => None,
        }
    }

    /// Whether it is true; nothing where Rhai has to say.
    fn is_true(&self, run: &impl Asks) -> Option<bool> {
        match self {
            Test::True(value) => value.see(run, |seen| if let Seen::Bool(yes) = seen { Some(yes) } else { None }),
            Test::Compare(left, comparison, right) => {
                left.see(run, |left| right.see(run, |right| comparison.of_seen(left, right)))
            }
            Test::Contains(text, wanted) => {
                text.see(run, |text| wanted.see(run, |wanted| Some(text.text()?.contains(wanted.text()?))))
            }
            Test::Mentions(path, phrases) => {
                let mentions = |record: &Facts| phrases.iter().any(|phrase| record.mentions_phrase(phrase));
                path.see(run, |seen| if let Seen::Record(record) = seen { Some(mentions(record)) } else { None })
            }
            Test::OneOf(value, texts) => value.with_text(run, |text| texts.iter().any(|one| one.as_str() == text)),
        }
    }
}

fn literal_text(expr: &Expr) -> Option<ImmutableString> {
    if let Expr::StringConstant(text, _) = expr { Some(text.clone()) } else { None }
}

/// How two values are compared.
#[derive(Clone, Copy)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    NotGreater,
    /// `>`
    Greater,
    /// `>=`
    NotLess,
}

impl Comparison {
    #[expect(clippy::wildcard_enum_match_arm, reason = "no other token compares")]
    fn of(token: &Token) -> Option<Comparison> {
        Some(match token {
            Token::EqualsTo => Comparison::Equal,
            Token::NotEqualsTo => Comparison::NotEqual,
            Token::LessThan => Comparison::Less,
            Token::LessThanEqualsTo => Comparison::NotGreater,
            Token::GreaterThan => Comparison::Greater,
            Token::GreaterThanEqualsTo => Comparison::NotLess,
            _ => return None,
        })
    }

    fn holds(self, found: Ordering) -> bool {
        match self {
            Comparison::Equal => found.is_eq(),
            Comparison::NotEqual => found.is_ne(),
            Comparison::Less => found.is_lt(),
            Comparison::NotGreater => found.is_le(),
            Comparison::Greater => found.is_gt(),
            Comparison::NotLess => found.is_ge(),
        }
    }

    /// Whether it holds; nothing where Rhai has to say.
    fn of_seen(self, left: Seen, right: Seen) -> Option<bool> {
        match (left, right) {
            (Seen::Int(a), Seen::Int(b)) => Some(self.holds(a.cmp(&b))),
            (Seen::Text(a), Seen::Text(b)) if matches!(self, Comparison::Equal) => Some(a == b),
            (Seen::Text(a), Seen::Text(b)) if matches!(self, Comparison::NotEqual) => Some(a != b),
            (Seen::Text(a), Seen::Text(b)) => Some(self.holds(a.cmp(b))),
            (Seen::Bool(a), Seen::Bool(b)) => Some(self.holds(a.cmp(&b))),
            (Seen::Time(a), Seen::Time(b)) => Some(self.holds(a.cmp(&b))),
            // Nothing equals nothing, and is neither greater nor less than anything, nothing included.
            (Seen::Unit, Seen::Unit) => Some(matches!(self, Comparison::Equal)),
            (Seen::Unit, _) | (_, Seen::Unit) => Some(matches!(self, Comparison::NotEqual)),
            _ => None,
        }
    }
}
