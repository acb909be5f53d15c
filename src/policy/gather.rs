//! From a record to what a policy sees of it: ids become names, and what it refers to stands in it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use diesel::prelude::*;
use serde_json::{Map, Value as Json};

use super::{
    evaluate::Input,
    facts::{self, FactSchema, Facts, FieldSchema, FieldType, Schemas, Value},
    live::Live,
};
use crate::{
    db::AnyConnection,
    error::Result,
    on_either,
    record::{
        class::Classes,
        custom::{CustomField, fields_of},
        decide::Question,
        kind::{Holds, Kind},
    },
    schema::{configuration_item, link, organisation, record, service, user_account},
};

/// The kind of what has a class and an environment.
pub(super) const ITEM: &str = "configuration_item";
/// The relation of a record to what else it touches.
const AFFECTS: &str = "affects";

/// What the policies of a question's kind see.
pub fn input(connection: &mut AnyConnection, live: &Live, question: &Question<'_>) -> Result<Input> {
    let (kind, schema) = (question.kind, live.schemas().of(question.kind.name));
    let record = facts(connection, live, kind, question.record)?;
    let mut input = Input::new(record, question.cause.at);
    if let Some(before) = question.before {
        input = input.changed(changed(connection, live, (kind, schema), before, question.record)?);
    }
    if let Some(step) = question.step {
        let from = question.before.and_then(|b| b.get("state")?.as_str()).unwrap_or_default();
        let mut transition = Facts::builder(&facts::transition());
        transition.set("name", step.name)?.set("from", from)?.set("to", step.to)?.set("note", question.note)?;
        input = input.beside(transition.build());
    }
    if let Some(moment) = question.moment {
        input = input.beside(Facts::from_json(&facts::moment(), &Json::Object(moment.clone()))?);
    }
    Ok(input)
}

/// A record as facts.
pub fn facts(connection: &mut AnyConnection, live: &Live, kind: &Kind, record: &Map<String, Json>) -> Result<Facts> {
    let schema = live.schemas().of(kind.name);
    let mut builder = Facts::builder(schema);
    for field in schema.fields() {
        let value = value(connection, live, (kind, field), record)?;
        builder.set(&field.name, value)?;
    }
    if schema.field(facts::ITEM_CLASSES).is_some() {
        let [environments, classes] = environments_and_classes(connection, live, record)?;
        builder.set(facts::ITEM_ENVIRONMENTS, environments.as_slice())?.set(facts::ITEM_CLASSES, classes.as_slice())?;
    }
    Ok(builder.build())
}

/// What policies see of each kind, with the custom fields that administrators defined.
pub fn schemas(connection: &mut AnyConnection) -> Result<Schemas> {
    let mut custom = HashMap::new();
    for schema in Schemas::shipped().all() {
        custom.insert(schema.name(), custom_facts(&fields_of(connection, schema.name())?));
    }
    Ok(Schemas::with(|kind| custom.remove(kind.name).unwrap_or_default()))
}

fn custom_facts(custom: &[CustomField]) -> Vec<FieldSchema> {
    let fields = custom.iter().map(|field| {
        let kind = match field.field_type.as_str() {
            "integer" => FieldType::Int,
            "decimal" => FieldType::Decimal,
            "boolean" => FieldType::Bool,
            "time" => FieldType::Time,
            _ => FieldType::Text,
        };
        let choices: Vec<String> = field.choices.read().unwrap_or_default();
        let choices: Vec<&str> = choices.iter().map(String::as_str).collect();
        FieldSchema::new(&field.name, kind, &field.help).choices(&choices)
    });
    fields.collect()
}

fn value(
    connection: &mut AnyConnection,
    live: &Live,
    (kind, field): (&Kind, &FieldSchema),
    record: &Map<String, Json>,
) -> Result<Value> {
    let given = record.get(&field.column).unwrap_or(&Json::Null);
    let nested = if let FieldType::Nested(schema) = &field.kind { Some(schema) } else { None };
    Ok(match (field.name.as_str(), nested) {
        ("caller", Some(schema)) => of(given.as_str(), |id| caller(connection, schema, id))?,
        ("service", Some(schema)) => of(given.as_str(), |id| service_facts(connection, live, schema, id))?,
        ("ci", Some(schema)) => of(given.as_str(), |id| item_facts(connection, live, schema, id))?,
        (name, _) => match (kind.field(&field.column).map(|field| field.holds), given.as_str()) {
            (Some(Holds::Team), id) => id.and_then(|id| live.team_name(id)).into(),
            (Some(Holds::User), Some(id)) => user_name(connection, id)?.as_deref().into(),
            _ => Value::from_json(given, &field.kind).unwrap_or_else(|| misfit(name)),
        },
    })
}

/// What no script can read, such as a number beyond all decimals, is nothing to it; the record is written all the same.
fn misfit(name: &str) -> Value {
    tracing::warn!(field = name, "a field holds what policies can't read");
    Value::Null
}

fn of(id: Option<&str>, load: impl FnOnce(&str) -> Result<Option<Facts>>) -> Result<Value> {
    Ok(id.map(load).transpose()?.flatten().into())
}

pub(super) fn user_name(connection: &mut AnyConnection, id: &str) -> Result<Option<String>> {
    let name = user_account::table.filter(user_account::id.eq(id)).select(user_account::user_name);
    Ok(on_either!(connection, c => name.first(c)).optional()?)
}

fn caller(connection: &mut AnyConnection, schema: &Arc<FactSchema>, id: &str) -> Result<Option<Facts>> {
    let who = user_account::table
        .inner_join(organisation::table.on(organisation::id.eq(user_account::organisation_id)))
        .filter(user_account::id.eq(id))
        .select((user_account::user_name, user_account::display_name, user_account::vip, organisation::name));
    let row: Option<(String, String, bool, String)> = on_either!(connection, c => who.first(c)).optional()?;
    let Some((user_name, display_name, vip, organisation)) = row else { return Ok(None) };
    let mut facts = Facts::builder(schema);
    facts
        .set("user_name", user_name.as_str())?
        .set("display_name", display_name.as_str())?
        .set("vip", vip)?
        .set("organisation", organisation.as_str())?;
    Ok(Some(facts.build()))
}

fn service_facts(
    connection: &mut AnyConnection,
    live: &Live,
    schema: &Arc<FactSchema>,
    id: &str,
) -> Result<Option<Facts>> {
    type Row = (String, String, String, Option<String>, Option<String>);
    let row: Option<Row> = record::table
        .inner_join(service::table.on(service::record_id.eq(record::id)))
        .filter(record::id.eq(id))
        .select((record::title, record::state, service::criticality, service::owner_id, service::support_team_id))
        .first(connection)
        .optional()?;
    let Some((name, state, criticality, owner, team)) = row else { return Ok(None) };
    let owner = owner.map(|id| user_name(connection, &id)).transpose()?.flatten();
    let mut facts = Facts::builder(schema);
    facts
        .set("name", name.as_str())?
        .set("state", state.as_str())?
        .set("criticality", criticality.as_str())?
        .set("owner", owner.as_deref())?
        .set("support_team", team.as_deref().and_then(|id| live.team_name(id)))?;
    Ok(Some(facts.build()))
}

fn item_facts(
    connection: &mut AnyConnection,
    live: &Live,
    schema: &Arc<FactSchema>,
    id: &str,
) -> Result<Option<Facts>> {
    use configuration_item as item;
    type Row = (String, String, String, String, String, Option<String>, Option<String>);
    let row: Option<Row> = record::table
        .inner_join(item::table.on(item::record_id.eq(record::id)))
        .filter(record::id.eq(id))
        .select((
            record::title,
            record::state,
            item::class,
            item::environment,
            item::criticality,
            item::owner_id,
            item::support_team_id,
        ))
        .first(connection)
        .optional()?;
    let Some((name, state, class, environment, criticality, owner, team)) = row else { return Ok(None) };
    let owner = owner.map(|id| user_name(connection, &id)).transpose()?.flatten();
    let mut facts = Facts::builder(schema);
    facts
        .set("name", name.as_str())?
        .set("state", state.as_str())?
        .set("class", class.as_str())?
        .set("is_a", line(connection, live, &class)?.as_slice())?
        .set("environment", environment.as_str())?
        .set("criticality", criticality.as_str())?
        .set("owner", owner.as_deref())?
        .set("support_team", team.as_deref().and_then(|id| live.team_name(id)))?;
    Ok(Some(facts.build()))
}

/// A class and those above it, the nearest first.
pub(super) fn line(connection: &mut AnyConnection, live: &Live, class: &str) -> Result<Vec<String>> {
    let line = |classes: &Classes| classes.get(class).map(|found| found.line.clone());
    if let Some(known) = line(live.classes()) {
        return Ok(known);
    }
    // One that was made since.
    Ok(line(&Classes::read(connection, ITEM)?).unwrap_or_else(|| vec![class.to_owned()]))
}

/// Environment and class of all that a record touches, each pair once: of its own configuration item, and of those that it affects.
fn touched(connection: &mut AnyConnection, record: &Map<String, Json>) -> Result<BTreeSet<(String, String)>> {
    use configuration_item as item;
    let (text, both) = (|name: &str| record.get(name).and_then(Json::as_str), (item::environment, item::class));
    let mut touched = BTreeSet::new();
    if let Some(own) = text("configuration_item_id") {
        let own = item::table.filter(item::record_id.eq(own)).select(both);
        touched.extend(own.load::<(String, String)>(connection)?);
    }
    // Nothing is linked with what is only being made.
    let is_new = record.get("version").and_then(Json::as_i64) == Some(0);
    if let (Some(id), false) = (text("id"), is_new) {
        let affected = link::table
            .inner_join(item::table.on(item::record_id.eq(link::to_id)))
            .filter(link::from_id.eq(id))
            .filter(link::relation.eq(AFFECTS));
        touched.extend(affected.select(both).distinct().load::<(String, String)>(connection)?);
    }
    Ok(touched)
}

/// The environments of all that a record touches, and their classes with those above them.
fn environments_and_classes(
    connection: &mut AnyConnection,
    live: &Live,
    record: &Map<String, Json>,
) -> Result<[Vec<String>; 2]> {
    let (mut environments, mut classes) = (BTreeSet::new(), BTreeSet::new());
    for (environment, class) in touched(connection, record)? {
        environments.insert(environment);
        classes.extend(line(connection, live, &class)?);
    }
    Ok([environments, classes].map(|words| words.into_iter().collect()))
}

/// The old values of the plain fields that changed.
fn changed(
    connection: &mut AnyConnection,
    live: &Live,
    (kind, schema): (&Kind, &FactSchema),
    before: &Map<String, Json>,
    after: &Map<String, Json>,
) -> Result<BTreeMap<String, Value>> {
    let plain = schema.fields().iter().filter(|f| !matches!(f.kind, FieldType::Nested(_)));
    let mut changed = BTreeMap::new();
    for field in plain {
        if before.get(&field.column) != after.get(&field.column) {
            changed.insert(field.name.clone(), value(connection, live, (kind, field), before)?);
        }
    }
    Ok(changed)
}
