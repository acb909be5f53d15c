//! Fields, columns, and what may be empty.

use std::{any::TypeId, sync::Arc};

use rhai::{ASTFlags, ASTNode, Array, Expr, FnCallExpr, ImmutableString, Map};

use super::{
    known::{Known, Sort, path},
    names,
    walk::Walk,
};
use crate::{
    clock::Moment,
    policy::{facts::FactSchema, tokens::Range},
};

/// A field of a record.
pub fn field(walk: &mut Walk, schema: &Arc<FactSchema>, name: &str, range: Option<Range>) -> Known {
    Known::field(schema, name).unwrap_or_else(|| {
        walk.report("unknown_field", range, || schema.unknown_field(name));
        Known::ANY
    })
}

/// What stands after a dot.
#[expect(clippy::wildcard_enum_match_arm, reason = "values of every other sort have getters")]
pub fn property(walk: &mut Walk, known: &Known, name: &str, range: Option<Range>) -> Known {
    match &known.sort {
        Sort::Record(schema) => field(walk, schema, name, range),
        Sort::Row(table) => {
            let Some(column) = table.head().index_of(name) else {
                walk.report("unknown_column", range, || table.head().unknown_column(table.name(), name));
                return Known::ANY;
            };
            Known::column(table.head().columns[column].kind)
        }
        Sort::Any | Sort::Map | Sort::Empty => Known::ANY,
        sort => getter(walk, known, sort, name, range),
    }
}

/// A property that Rhai or this server gives to values of a type, such as the length of a text.
fn getter(walk: &mut Walk, known: &Known, sort: &Sort, name: &str, range: Option<Range>) -> Known {
    let types = types(sort);
    let found = walk.script.native(&format!("get${name}"), 1).find(|f| f.first.is_some_and(|t| types.contains(&t)));
    if let Some(found) = found {
        return Known::of(Sort::of_native(&found.gives));
    }
    walk.report("unknown_field", range, || format!("{} and has no field `{name}`", known.named()));
    Known::ANY
}

/// The types of values of a sort, as functions take them.
fn types(sort: &Sort) -> Vec<TypeId> {
    match sort {
        Sort::Bool => vec![TypeId::of::<bool>()],
        Sort::Number => {
            vec![TypeId::of::<i64>(), TypeId::of::<f64>(), TypeId::of::<rust_decimal::Decimal>()]
        }
        Sort::Text => vec![TypeId::of::<ImmutableString>(), TypeId::of::<char>()],
        Sort::Time => vec![TypeId::of::<Moment>()],
        Sort::List => vec![TypeId::of::<Array>()],
        Sort::Map => vec![TypeId::of::<Map>()],
        Sort::Any | Sort::Empty | Sort::Record(_) | Sort::Table(_) | Sort::Row(_) | Sort::Decision | Sort::Outcome => {
            Vec::new()
        }
    }
}

/// What a method gives. Tables know how many values they are looked up by.
pub fn method(walk: &mut Walk, known: &Known, call: &FnCallExpr, range: Option<Range>) -> Known {
    let (Sort::Table(table), "find" | "has") = (&known.sort, call.name.as_str()) else {
        return names::result(walk, &call.name, call.args.len() + 1);
    };
    let (wanted, given) = (table.head().keys, call.args.len());
    if wanted != given {
        walk.report("wrong_arguments", range, || {
            format!("table `{}` is looked up by {wanted} value(s), {given} given", table.name())
        });
    }
    if call.name == "has" { Known::of(Sort::Bool) } else { Known::of(Sort::Row(Arc::clone(table))) }
}

/// The paths that a condition asks for before what follows reaches them: by `?.`, or by comparing them.
#[expect(clippy::wildcard_enum_match_arm, reason = "nothing else asks for anything")]
pub fn asked_for(condition: &Expr, there: &mut Vec<String>) {
    walk_nodes(condition, &mut |expr| match expr {
        Expr::Dot(..) => elvis(expr, there),
        Expr::FnCall(call, _) if is_comparison(call) => there.extend(call.args.iter().filter_map(path)),
        _ => {}
    });
}

/// The paths that a condition compares with `()`.
pub fn compared_with_nothing(condition: &Expr, there: &mut Vec<String>) {
    walk_nodes(condition, &mut |expr| {
        if let Expr::FnCall(call, _) = expr
            && is_comparison(call)
            && call.args.iter().any(|a| matches!(a, Expr::Unit(_)))
        {
            there.extend(call.args.iter().filter_map(path));
        }
    });
}

fn is_comparison(call: &FnCallExpr) -> bool {
    matches!(call.name.as_str(), "==" | "!=" | "contains")
}

fn walk_nodes(expr: &Expr, see: &mut dyn FnMut(&Expr)) {
    expr.walk(&mut Vec::new(), &mut |nodes: &[ASTNode]| {
        if let Some(ASTNode::Expr(expr)) = nodes.last() {
            see(expr);
        }
        true
    });
}

/// Each start of a chain of dots that is followed by `?.`.
fn elvis(chain: &Expr, there: &mut Vec<String>) {
    let (mut start, mut rest) = (String::new(), chain);
    while let Expr::Dot(pair, flags, _) = rest {
        let Some(step) = path(&pair.lhs) else { return };
        start = if start.is_empty() { step } else { format!("{start}.{step}") };
        if flags.contains(ASTFlags::NEGATED) {
            there.push(start.clone());
        }
        rest = &pair.rhs;
    }
}
