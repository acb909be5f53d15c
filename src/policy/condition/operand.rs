//! What conditions compare: literals, variables, and fields of the records that variables hold.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use rhai::{ASTFlags, Dynamic, Expr, FnCallExpr, ImmutableString};

use super::{Asks, Variable};
use crate::{
    clock::Moment,
    policy::facts::{Facts, Value},
};

/// A value as it stands in a condition.
pub enum Operand {
    /// Text.
    Text(ImmutableString),
    /// A whole number.
    Int(i64),
    /// Yes or no.
    Bool(bool),
    /// `()`
    Unit,
    /// A variable or a field.
    Path(Path),
}

impl Operand {
    /// What is known of an expression; nothing where Rhai knows it alone.
    #[expect(clippy::wildcard_enum_match_arm, reason = "Rhai knows everything else")]
    pub fn of(expr: &Expr) -> Option<Operand> {
        Some(match expr {
            Expr::StringConstant(text, _) => Operand::Text(text.clone()),
            Expr::IntegerConstant(whole, _) => Operand::Int(*whole),
            Expr::BoolConstant(yes, _) => Operand::Bool(*yes),
            Expr::Unit(_) => Operand::Unit,
            Expr::Variable(..) | Expr::Dot(..) => match Path::with_method(expr)? {
                (path, None) => Operand::Path(path),
                (_, Some(_)) => return None,
            },
            _ => return None,
        })
    }

    /// Does something with it where it is text; nothing where it is not, which Rhai says best.
    pub fn with_text<T>(&self, run: &impl Asks, then: impl FnOnce(&str) -> T) -> Option<T> {
        self.see(run, |seen| seen.text().map(then))
    }

    pub(super) fn see<T>(&self, run: &impl Asks, then: impl FnOnce(Seen) -> Option<T>) -> Option<T> {
        match self {
            Operand::Text(text) => then(Seen::Text(text)),
            Operand::Int(whole) => then(Seen::Int(*whole)),
            Operand::Bool(yes) => then(Seen::Bool(*yes)),
            Operand::Unit => then(Seen::Unit),
            Operand::Path(path) => path.see(run, then),
        }
    }
}

/// A variable, and a field of the record that it holds, or of a record in that.
pub struct Path {
    variable: ImmutableString,
    fields: Vec<Field>,
}

struct Field {
    name: ImmutableString,
    /// Whether it is only asked for where something stands before the dot: `?.`
    asks: bool,
    /// Where it stood when it was last looked for.
    place: AtomicUsize,
}

/// What stands before the dot, and what stands behind it if there is one.
fn before_dot(expr: &Expr) -> (&Expr, Option<(&Expr, ASTFlags)>) {
    if let Expr::Dot(pair, flags, _) = expr { (&pair.lhs, Some((&pair.rhs, *flags))) } else { (expr, None) }
}

impl Path {
    /// A path, with the method that is called at its end if one is.
    pub(super) fn with_method(expr: &Expr) -> Option<(Path, Option<&FnCallExpr>)> {
        let (variable, mut rest) = before_dot(expr);
        let Expr::Variable(named, ..) = variable else { return None };
        if !named.2.is_empty() {
            return None;
        }
        let mut path = Path { variable: named.1.clone(), fields: Vec::new() };
        while let Some((next, flags)) = rest {
            let asks = flags.intersects(ASTFlags::NEGATED);
            if let Expr::MethodCall(call, _) = next {
                // What is asked for where nothing stands there gives nothing, of which Rhai knows more.
                return (!asks && !call.is_qualified()).then_some((path, Some(&**call)));
            }
            let (field, after) = before_dot(next);
            if let (Expr::MethodCall(..), _) | (_, true) = (field, flags.intersects(ASTFlags::BREAK) && after.is_some())
            {
                return None;
            }
            let Expr::Property(property, _) = field else { return None };
            path.fields.push(Field { name: property.2.clone(), asks, place: AtomicUsize::new(0) });
            rest = after;
        }
        Some((path, None))
    }

    pub(super) fn see<T>(&self, run: &impl Asks, then: impl FnOnce(Seen) -> Option<T>) -> Option<T> {
        run.see(&self.variable, |variable| match variable {
            Variable::Record(record) => then(self.of_record(record)?),
            Variable::Value(value) => self.of_value(value, then),
        })
    }

    fn of_value<T>(&self, value: &Dynamic, then: impl FnOnce(Seen) -> Option<T>) -> Option<T> {
        if let Some(record) = value.read_lock::<Facts>() {
            return then(self.of_record(&record)?);
        }
        if !self.fields.is_empty() {
            return None;
        }
        if let Ok(text) = value.as_immutable_string_ref() {
            return then(Seen::Text(&text));
        }
        let plain = value.as_int().map(Seen::Int).or_else(|_| value.as_bool().map(Seen::Bool)).ok();
        then(plain.or_else(|| value.is_unit().then_some(Seen::Unit))?)
    }

    fn of_record<'a>(&self, record: &'a Facts) -> Option<Seen<'a>> {
        let mut seen = Seen::Record(record);
        for field in &self.fields {
            let Seen::Record(record) = seen else {
                return (field.asks && matches!(seen, Seen::Unit)).then_some(Seen::Unit);
            };
            seen = Seen::of(field.of_record(record)?);
        }
        Some(seen)
    }
}

impl Field {
    fn of_record<'a>(&self, record: &'a Facts) -> Option<&'a Value> {
        let schema = record.schema();
        let mut place = self.place.load(Relaxed);
        if schema.fields().get(place).is_none_or(|there| there.name != self.name.as_str()) {
            place = schema.index_of(&self.name)?;
            self.place.store(place, Relaxed);
        }
        record.at(place)
    }
}

/// A value as it is looked at.
#[derive(Clone, Copy)]
pub(super) enum Seen<'a> {
    /// `()`
    Unit,
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Text.
    Text(&'a str),
    /// A point in time.
    Time(Moment),
    /// A record.
    Record(&'a Facts),
    /// A decimal number or a list.
    Other,
}

impl<'a> Seen<'a> {
    fn of(value: &'a Value) -> Seen<'a> {
        match value {
            Value::Null => Seen::Unit,
            Value::Bool(yes) => Seen::Bool(*yes),
            Value::Int(whole) => Seen::Int(*whole),
            Value::Text(text) => Seen::Text(text),
            Value::Time(at) => Seen::Time(*at),
            Value::Facts(record) => Seen::Record(record),
            Value::Decimal(_) | Value::List(_) => Seen::Other,
        }
    }

    pub(super) fn text(self) -> Option<&'a str> {
        if let Seen::Text(text) = self { Some(text) } else { None }
    }
}
