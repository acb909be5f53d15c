//! Comparisons that can never hold.

use rhai::Dynamic;

use crate::policy::{
    facts::{FieldSchema, FieldType, suggest},
    syntax::named,
};

/// Why a field never equals (or is never ordered with) a literal.
pub fn never_equal(field: &FieldSchema, literal: &Dynamic) -> Option<String> {
    if literal.is_unit() {
        return None;
    }
    let fits = match field.kind {
        FieldType::Bool => literal.is_bool(),
        FieldType::Int | FieldType::Decimal => literal.is_int() || literal.is_float() || literal.is_decimal(),
        FieldType::Text => literal.is_string(),
        FieldType::Time | FieldType::TextList | FieldType::Nested(_) => false,
    };
    if !fits {
        return Some(format!("`{}` is {}; it is never {}", field.name, field.kind.named(), named(literal)));
    }
    let text = literal.as_immutable_string_ref().ok()?;
    if field.choices.is_empty() || field.choices.iter().any(|c| c == text.as_str()) {
        return None;
    }
    let choices = field.choices.join(", ");
    Some(format!("`{}` is never \"{}\"{}; it is one of {choices}", field.name, *text, suggest(&text, &field.choices)))
}
