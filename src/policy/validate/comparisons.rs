//! Comparisons that are never true: across types, and with values that a field never has.

use rhai::{Dynamic, Expr};

use super::{
    known::{Known, Sort},
    ranges,
    walk::Walk,
};
use crate::policy::{
    facts::{FieldSchema, FieldType, suggest},
    syntax::named,
    tokens::Range,
};

type Side<'e> = (&'e Expr, &'e Known);

/// `left == right`, or another comparison.
pub fn compared(walk: &mut Walk, left: Side, right: Side) {
    for ((_, known), (literal, _)) in [(left, right), (right, left)] {
        if let (Some(field), Some(value)) = (&known.field, literal.get_literal_value(None)) {
            let place = walk.script.whole(literal);
            return with_literal(walk, field, &value, place);
        }
    }
    let (a, b) = (left.1, right.1);
    if a.sort.meets(&b.sort) || [a, b].iter().any(|k| matches!(k.sort, Sort::Empty)) {
        return no_choice_in_common(walk, left, right);
    }
    if matches!(a.sort, Sort::Outcome) || matches!(b.sort, Sort::Outcome) {
        return;
    }
    let range = both(walk, left.0, right.0);
    walk.report("never_true", range, || {
        format!(
            "{} and {}: values of different types are never equal",
            a.named(),
            b.named().replacen("this is", "the other is", 1)
        )
    });
}

fn both(walk: &Walk, left: &Expr, right: &Expr) -> Option<Range> {
    let tokens = &walk.script.tokens;
    let (left, right) = (ranges::span(tokens, left)?, ranges::span(tokens, right)?);
    let (first, last) = tokens.balanced(left.0.min(right.0), left.1.max(right.1));
    tokens.range(first, last)
}

/// Two fields that both have choices, but none that both have.
fn no_choice_in_common(walk: &mut Walk, left: Side, right: Side) {
    let (Some(a), Some(b)) = (&left.1.field, &right.1.field) else { return };
    if a.choices.is_empty() || b.choices.is_empty() || a.choices.iter().any(|c| b.choices.contains(c)) {
        return;
    }
    let range = both(walk, left.0, right.0);
    walk.report("never_true", range, || format!("no value of `{}` is one of `{}`", a.name, b.name));
}

/// A field and a literal that it is compared with.
pub fn with_literal(walk: &mut Walk, field: &FieldSchema, value: &Dynamic, place: Option<Range>) {
    if let Some(message) = never_equal(field, value) {
        walk.report("never_true", place, || message);
    }
}

/// `item in list`.
pub fn membership(walk: &mut Walk, list: Side, item: Side) {
    match (list.0, &list.1.sort) {
        (Expr::Array(members, _), _) => members.iter().for_each(|member| is_member(walk, member, item.1)),
        (_, Sort::List) if list.1.field.is_some() => {
            let never = !matches!(item.1.sort, Sort::Any | Sort::Text);
            if never {
                let place = walk.script.whole(item.0);
                walk.report("never_true", place, || format!("{}; {} is never in it", list.1.named(), item.1.named()));
            }
        }
        _ => {}
    }
}

fn is_member(walk: &mut Walk, member: &Expr, item: &Known) {
    let place = walk.script.whole(member);
    let Some(value) = member.get_literal_value(None) else { return };
    match &item.field {
        Some(field) => with_literal(walk, field, &value, place),
        None if !item.sort.meets(&super::known::literal(&value)) => {
            walk.report("never_true", place, || format!("{}; it is never {}", item.named(), named(&value)));
        }
        None => {}
    }
}

/// Why a field never equals (or is never ordered with) a literal.
pub fn never_equal(field: &FieldSchema, literal: &Dynamic) -> Option<String> {
    if literal.is_unit() {
        return None;
    }
    let fits = match field.kind {
        FieldType::Bool => literal.is_bool(),
        FieldType::Int | FieldType::Decimal => literal.is_int() || literal.is_float() || literal.is_decimal(),
        FieldType::Text => literal.is_string() || literal.is_char(),
        FieldType::Time | FieldType::TextList | FieldType::Nested(_) => false,
    };
    if !fits {
        return Some(format!("`{}` is {}; it is never {}", field.name, field.kind.named(), named(literal)));
    }
    not_a_choice(field, literal)
}

/// Why a field never has a value of its type: it has others to choose from.
pub fn not_a_choice(field: &FieldSchema, literal: &Dynamic) -> Option<String> {
    let text = literal.as_immutable_string_ref().ok()?;
    if field.choices.is_empty() || field.choices.iter().any(|c| c == text.as_str()) {
        return None;
    }
    let choices = field.choices.join(", ");
    Some(format!("`{}` is never \"{}\"{}; it is one of {choices}", field.name, *text, suggest(&text, &field.choices)))
}
