//! Looking up: teams, users, tables, calendars.

use std::sync::Arc;

use rhai::{Dynamic, Engine, ImmutableString, NativeCallContext};

use super::reference::tell;
use crate::{
    policy::{
        context::{Context, Native, mistake},
        facts::{Cell, suggest},
        table::{Row, Table},
    },
    record::calendar::BUSINESS_HOURS,
};

/// A row that a script found, with its table's columns.
#[derive(Clone)]
struct Found {
    table: Arc<Table>,
    row: Row,
}

/// A table that a script asked for.
#[derive(Clone)]
struct Handle(Arc<Table>);

/// The table, or a mistake that suggests another name.
pub fn table(call: &NativeCallContext, context: &Context, name: &str) -> Native<Arc<Table>> {
    context.table(name, call.call_position())?.ok_or_else(|| {
        let sentence = format!("there is no table \"{name}\"{}", suggest(name, context.host().table_names()));
        mistake("unknown_table", sentence, call.call_position())
    })
}

/// Whether a calendar is open now, or a mistake that suggests another name.
pub fn business_hours(call: &NativeCallContext, name: &str) -> Native<bool> {
    let (context, at) = (Context::from_call(call)?, call.call_position());
    context.business_hours(name, at)?.ok_or_else(|| {
        let sentence = format!("there is no calendar \"{name}\"{}", suggest(name, context.host().calendar_names()));
        mistake("unknown_calendar", sentence, at)
    })
}

/// Who of a team is on call; a mistake where there is no such team.
fn on_call(call: &NativeCallContext, team: &str) -> Native<Dynamic> {
    let (context, at) = (Context::from_call(call)?, call.call_position());
    if !context.team_exists(team, at)? {
        let sentence = format!("there is no team \"{team}\"{}", suggest(team, context.host().team_names()));
        return Err(mistake("unknown_team", sentence, at));
    }
    Ok(context.on_call(team, at)?.map_or(Dynamic::UNIT, Dynamic::from))
}

/// The row for a key; nothing when there is none or a part of the key is `()`.
pub fn find(call: &NativeCallContext, context: &Context, table: &Table, key: &[Dynamic]) -> Native<Option<Row>> {
    if key.iter().any(Dynamic::is_unit) {
        return Ok(None);
    }
    let wrong = |sentence| mistake("wrong_type", sentence, call.call_position());
    let cells = key.iter().map(Cell::from_dynamic).collect::<Option<Vec<_>>>();
    let cells = cells.ok_or_else(|| wrong("a table is looked up by text, numbers, times, true or false".to_owned()))?;
    context.find(table, &table.read_key(cells).map_err(wrong)?, call.call_position())
}

/// The place of a column, or a mistake that suggests another.
fn column(call: &NativeCallContext, found: &Found, name: &str) -> Native<Dynamic> {
    let head = found.table.head();
    let unknown = || mistake("unknown_column", head.unknown_column(found.table.name(), name), call.call_position());
    let at = head.index_of(name).ok_or_else(unknown)?;
    Ok(found.row.get(at).map_or(Dynamic::UNIT, Cell::to_dynamic))
}

fn find_row(call: &NativeCallContext, handle: &Handle, key: &[Dynamic]) -> Native<Dynamic> {
    let row = find(call, &Context::from_call(call)?, &handle.0, key)?;
    Ok(row.map_or(Dynamic::UNIT, |row| Dynamic::from(Found { table: Arc::clone(&handle.0), row })))
}

fn has_row(call: &NativeCallContext, handle: &Handle, key: &[Dynamic]) -> Native<bool> {
    Ok(find(call, &Context::from_call(call)?, &handle.0, key)?.is_some())
}

/// Gives an engine the look-ups.
pub fn register(engine: &mut Engine) {
    engine.register_type_with_name::<Handle>("table").register_type_with_name::<Found>("row");
    tell(engine, "team_exists", |call: NativeCallContext, name: Dynamic| {
        let (context, at) = (Context::from_call(&call)?, call.call_position());
        name.as_immutable_string_ref().map_or(Ok(false), |name| context.team_exists(&name, at))
    });
    tell(engine, "team_exists", |call: NativeCallContext, name: ImmutableString| {
        Context::from_call(&call)?.team_exists(&name, call.call_position())
    });
    tell(engine, "team_exists", |_: ()| false);
    tell(engine, "user_exists", |call: NativeCallContext, name: Dynamic| {
        let (context, at) = (Context::from_call(&call)?, call.call_position());
        name.as_immutable_string_ref().map_or(Ok(false), |name| context.user_exists(&name, at))
    });
    tell(engine, "on_call", |call: NativeCallContext, team: ImmutableString| on_call(&call, &team));
    tell(engine, "business_hours", |call: NativeCallContext| business_hours(&call, BUSINESS_HOURS));
    tell(engine, "business_hours", |call: NativeCallContext, name: ImmutableString| business_hours(&call, &name));
    tell(engine, "table", |call: NativeCallContext, name: ImmutableString| {
        let context = Context::from_call(&call)?;
        table(&call, &context, &name).map(Handle)
    });
    macro_rules! of_keys { ($($key:ident)+) => {
        tell(engine, "has", |call: NativeCallContext, table: Handle, $($key: Dynamic),+| has_row(&call, &table, &[$($key),+]));
        tell(engine, "find", |call: NativeCallContext, table: Handle, $($key: Dynamic),+| find_row(&call, &table, &[$($key),+]));
    } }
    // Rhai finds a function of exact types faster than one that takes anything.
    tell(engine, "has", |call: NativeCallContext, table: Handle, key: ImmutableString| {
        has_row(&call, &table, &[key.into()])
    });
    tell(engine, "find", |call: NativeCallContext, table: Handle, key: ImmutableString| {
        find_row(&call, &table, &[key.into()])
    });
    of_keys!(a);
    of_keys!(a b);
    of_keys!(a b c);
    of_keys!(a b c d);
    let get = |call: NativeCallContext, found: &mut Found, name: ImmutableString| column(&call, found, &name);
    engine.register_indexer_get(get);
}
