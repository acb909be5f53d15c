//! The records that tests make up: `incident(#{ … })`, `transition(#{ … })`, and the old values in `before(#{ … })`.

use std::sync::Arc;

use rhai::{Expr, FnCallExpr, Ident};

use super::{comparisons::not_a_choice, walk::Walk};
use crate::policy::{
    facts::{self, FactSchema, FieldSchema, FieldType, Value},
    syntax::named,
};

/// Checks what a function that makes up a record, or its past, is given.
pub fn check(walk: &mut Walk, call: &FnCallExpr) {
    let schema = match call.name.as_str() {
        "before" => Some(Arc::clone(walk.script.schema)),
        name => facts::made_up_of(name, walk.script.schema),
    };
    if let (Some(schema), [Expr::Map(map, _)]) = (schema, &*call.args) {
        fields(walk, &schema, &map.0);
    }
}

pub fn fields(walk: &mut Walk, schema: &Arc<FactSchema>, given: &[(Ident, Expr)]) {
    for (name, value) in given {
        match schema.field(&name.name) {
            Some(field) => fits(walk, field, value),
            None => {
                let range = walk.script.word(name.pos);
                walk.report("unknown_field", range, || schema.unknown_field(&name.name));
            }
        }
    }
}

fn fits(walk: &mut Walk, field: &FieldSchema, given: &Expr) {
    if let (FieldType::Nested(inner), Expr::Map(map, _)) = (&field.kind, given) {
        return fields(walk, inner, &map.0);
    }
    let Some(value) = given.get_literal_value(None) else { return };
    let range = walk.script.whole(given);
    if Value::from_dynamic(&value, &field.kind).is_none() {
        walk.report("wrong_type", range, || {
            format!("`{}` is {}; this is {}", field.name, field.kind.named(), named(&value))
        });
    } else if let Some(message) = not_a_choice(field, &value) {
        walk.report("not_a_choice", range, || message);
    }
}
