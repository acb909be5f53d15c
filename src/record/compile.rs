//! Filters, orders and cursors as SQL conditions.

use diesel::sql_types::{Bool, Untyped};

use super::{
    catalogue::{Catalogue, Place},
    custom::{INDEXED, folded},
    query::{
        cursor::{self, Key},
        filter::{FieldType, Filter, Op, Value},
        sort::{SortKey, id_descends},
    },
};
use crate::{
    auth::caller::Caller,
    db::sql::{Bind, Sql},
    error::{Error, Result},
};

/// A filter as a condition.
pub fn filter(filter: &Filter, catalogue: &Catalogue, caller: &Caller) -> Result<Sql<Bool>> {
    let parts =
        |parts: &[Filter]| parts.iter().map(|part| self::filter(part, catalogue, caller)).collect::<Result<Vec<_>>>();
    match filter {
        Filter::And(all) => Ok(Sql::all(parts(all)?)),
        Filter::Or(any) => Ok(Sql::any(parts(any)?)),
        Filter::Not(inner) => negated(inner, catalogue, caller),
        Filter::Compare { field, op, value } => {
            let place = catalogue.place(field).ok_or_else(|| Error::internal("a filter names no field"))?;
            Ok(comparison(place, *op, value, caller, false))
        }
    }
}

/// De Morgan down to the comparisons, where what is null counts as not fitting.
fn negated(filter: &Filter, catalogue: &Catalogue, caller: &Caller) -> Result<Sql<Bool>> {
    let not = |parts: &[Filter]| parts.iter().map(|part| negated(part, catalogue, caller)).collect::<Result<Vec<_>>>();
    match filter {
        Filter::And(all) => Ok(Sql::any(not(all)?)),
        Filter::Or(any) => Ok(Sql::all(not(any)?)),
        Filter::Not(inner) => self::filter(inner, catalogue, caller),
        Filter::Compare { field, op, value } => {
            let place = catalogue.place(field).ok_or_else(|| Error::internal("a filter names no field"))?;
            Ok(comparison(place, *op, value, caller, true))
        }
    }
}

fn comparison(place: &Place, op: Op, value: &Value, caller: &Caller, negate: bool) -> Sql<Bool> {
    let (op, negate) = if op == Op::NotEqual { (Op::Equal, !negate) } else { (op, negate) };
    let (test, bind) = test(place, op, value, caller);
    let Place { open, column, close, .. } = place;
    // A null in the details table or behind a reference is a row that is not there or a column that is null: the negation
    // of the positive test covers both.
    let (before, after) = if negate { ("((", ") IS NOT TRUE)") } else { ("(", ")") };
    let (stands_in_header, is_null) = (open.is_empty(), matches!(value, Value::Null));
    if is_null && !stands_in_header {
        // "Nothing is there": no row with a value.
        let (before, after) = if negate { ("(", ")") } else { ("((", ") IS NOT TRUE)") };
        return fragment(format!("{before}{open}{column} IS NOT NULL{close}{after}"), None, String::new());
    }
    let (left, right) = test;
    fragment(format!("{before}{open}{left}"), bind, format!("{right}{close}{after}"))
}

/// The SQL before and after the bound value, and the value.
fn test(place: &Place, op: Op, value: &Value, caller: &Caller) -> ((String, String), Option<Bind>) {
    let column = &place.column;
    let plain = |bind| ((format!("{column} {} ", op.as_str()), indexed(place, op, &bind)), Some(bind));
    let named = |table: &str, name: &str, text: &str| {
        let open = format!("{column} IN (SELECT {table}.id FROM {table} WHERE {table}.{name} = ");
        ((open, ")".to_owned()), Some(Bind::Text(text.to_owned())))
    };
    match value {
        Value::Null if place.zero_is_none => ((format!("{column} = 0"), String::new()), None),
        Value::Null => ((format!("{column} IS NULL"), String::new()), None),
        Value::Text(text) => match place.holds {
            FieldType::User => named("user_account", "user_name", text),
            FieldType::Team => named("team", "name", text),
            FieldType::Organisation => named("organisation", "name", text),
            FieldType::Record => {
                let open = format!("{column} IN (SELECT target.id FROM record AS target WHERE target.number = ");
                ((open, ")".to_owned()), Some(Bind::Text(text.to_uppercase())))
            }
            FieldType::Tags => ((format!("{column} = "), String::new()), Some(Bind::Text(text.clone()))),
            FieldType::Text | FieldType::Choice(_) if op == Op::Has => {
                // The columns fold A to Z alone, on both databases; PostgreSQL would fold more of a bound value.
                let sides = (format!("lower({column}) LIKE "), " ESCAPE '\\'".to_owned());
                (sides, Some(Bind::Text(format!("%{}%", escaped(text).to_ascii_lowercase()))))
            }
            FieldType::Text
            | FieldType::Choice(_)
            | FieldType::Integer
            | FieldType::Decimal
            | FieldType::Boolean
            | FieldType::Time
            | FieldType::Date => plain(Bind::Text(if place.folds { folded(text) } else { text.clone() })),
        },
        Value::Id(id) => plain(Bind::Text(id.clone())),
        Value::Me => plain(Bind::Text(caller.user.to_string())),
        Value::MyTeams => {
            let open = format!("{column} IN (SELECT team_member.team_id FROM team_member WHERE team_member.user_id = ");
            ((open, ")".to_owned()), Some(Bind::Text(caller.user.to_string())))
        }
        Value::Integer(n) => plain(Bind::Integer(*n)),
        Value::Decimal(d) => plain(Bind::Number(d.to_string().parse().unwrap_or(f64::NAN))),
        Value::Boolean(b) if place.as_text => plain(Bind::Text(b.to_string())),
        Value::Boolean(b) => plain(Bind::Boolean(*b)),
        Value::Time(at) if place.as_text => plain(Bind::Text(at.sortable())),
        Value::Time(at) => plain(Bind::Time(*at)),
        Value::Date(day) => plain(Bind::Text(day.to_string())),
    }
}

/// What an index of the shorter values of custom fields needs to be told before it is used: that the value is one of them.
fn indexed(place: &Place, op: Op, bind: &Bind) -> String {
    let short = match bind {
        Bind::Text(text) => text.chars().count() <= INDEXED && (op == Op::Equal || place.holds != FieldType::Text),
        Bind::Integer(_) | Bind::Number(_) | Bind::Boolean(_) | Bind::Time(_) => false,
    };
    if place.as_text && short { format!(" AND length({}) <= {INDEXED}", place.column) } else { String::new() }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

fn fragment(open: String, bind: Option<Bind>, close: String) -> Sql<Bool> {
    bind.into_iter().fold(Sql::new(open), Sql::bind).sql(close)
}

/// The records after the one with these keys and this id, in this order. `backwards` turns the order round.
///
/// Neighbouring keys of one direction are compared as a row, in which an index finds its place: `(a, b) > (x, y)`. Where the
/// direction changes, `a > x OR (a = x AND b < y)`, led by `a >= x` so that an index finds the first.
pub fn after(sort: &[SortKey], keys: &[Key], id: &str, backwards: bool) -> Result<Sql<Bool>> {
    let id_key = SortKey { field: "id".to_owned(), descending: id_descends(sort) };
    let id_value = Key::Text(id.to_owned());
    let columns: Vec<(&SortKey, &Key)> = sort.iter().zip(keys).chain([(&id_key, &id_value)]).collect();
    let mut condition: Option<Sql<Bool>> = None;
    for row in columns.chunk_by(|(a, _), (b, _)| a.descending == b.descending).rev() {
        let beyond = if row.iter().all(|(key, _)| key.descending == backwards) { ">" } else { "<" };
        let strict = against(row, beyond)?;
        condition = Some(match condition {
            None => strict,
            Some(rest) => {
                let from_here = against(row, &format!("{beyond}="))?;
                Sql::all([from_here, Sql::any([strict, Sql::all([against(row, "=")?, rest])])])
            }
        });
    }
    condition.ok_or_else(cursor::refused)
}

fn against(row: &[(&SortKey, &Key)], op: &str) -> Result<Sql<Bool>> {
    let columns: Vec<String> = row.iter().map(|(key, _)| format!("record.{}", key.field)).collect();
    let open = Sql::new(format!("({}) {op} (", columns.join(", ")));
    let values = row.iter().enumerate().try_fold(open, |sql, (n, (key, value))| {
        let sql = if n > 0 { sql.sql(", ") } else { sql };
        bound(&key.field, value).map(|value| sql.bind(value))
    });
    Ok(values?.sql(")"))
}

fn bound(field: &str, value: &Key) -> Result<Bind> {
    let is_time = matches!(field, "opened_at" | "updated_at");
    let is_number = field == "priority";
    match value {
        Key::Text(text) if !is_time && !is_number => Ok(Bind::Text(text.clone())),
        Key::Integer(n) if is_number => Ok(Bind::Integer(*n)),
        Key::Time(at) if is_time => Ok(Bind::Time(*at)),
        Key::Text(_) | Key::Integer(_) | Key::Time(_) => Err(cursor::refused()),
    }
}

/// The `ORDER BY` of a sort. The names in it were checked against the sortable fields.
pub fn order_by(sort: &[SortKey], backwards: bool) -> Sql<Untyped> {
    let direction = |descending: bool| if descending == backwards { "ASC" } else { "DESC" };
    let keys = sort.iter().map(|key| format!("record.{} {}", key.field, direction(key.descending)));
    let id = format!("record.id {}", direction(id_descends(sort)));
    Sql::new(keys.chain([id]).collect::<Vec<_>>().join(", "))
}
