//! What would have had to be otherwise: the smallest change of a single field that changes the outcome, found by running.
//!
//! The values that are tried are those that can matter: the choices of a field, the literals of the script and their
//! neighbours, the keys of the tables that it looked into, nothing at all, and for the moment other hours and days.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use rhai::{ASTNode, Expr};
use serde::Serialize;
use serde_json::{Value as Json, json};
use utoipa::ToSchema;

use super::{
    chain::{self, ActivePolicy, Bundle, Version},
    evaluate::Input,
    facts::{self, Cell, FactSchema, FieldSchema, FieldType},
    host::{Asked, Host, HostCall},
    outcome::{self, Outcome},
    program::Program,
};
use crate::error::Result;

/// How long all trials of one search may take together.
const ALL: Duration = Duration::from_secs(2);
/// How many values of one field are tried.
const VALUES: usize = 60;

/// A change of one field, and what the decision would come to with it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Counterfactual {
    /// The field, as scripts read it: `caller.vip`, or `now` for the moment.
    pub field: String,
    /// What it holds.
    pub from: Json,
    /// What it would have to hold; of several values the one that is nearest.
    pub to: Json,
    /// What the decision would come to.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub outcome: Outcome,
}

/// What a search found.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Counterfactuals {
    /// What the decision comes to as things were, with the tables and teams of now.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub outcome: Outcome,
    /// At most one for each field, by the name of the field.
    pub changes: Vec<Counterfactual>,
    /// How many values were tried.
    pub tried: usize,
    /// Whether everything was tried that was meant to be: a slow policy leaves no time for that.
    pub complete: bool,
}

/// Searches. The thread needs a stack of `runner::STACK`.
///
/// # Errors
/// The input has fields that there are no more.
pub fn search(
    version: &Version,
    input: &Json,
    looked_up: &[HostCall],
    schema: &Arc<FactSchema>,
    host: &Arc<dyn Host>,
) -> Result<Counterfactuals> {
    let program = &version.program;
    let bundle = Bundle::new([Arc::new(ActivePolicy::tried("", "", version.clone(), "counterfactual"))]);
    let decide = |input: &Json| -> Result<Outcome> {
        let input = Input::from_json(input, schema)?;
        let verdict = chain::decide(&bundle, program.decision(), &input, host);
        Ok(outcome::of(program.decision(), &verdict, &input.record))
    };
    let (started, words) = (Instant::now(), Words::of(program, looked_up, host));
    let mut found = Counterfactuals { outcome: decide(input)?, changes: Vec::new(), tried: 0, complete: true };
    let beside = program.decision().spec().beside().and_then(facts::beside);
    for (field, pointer, kind) in fields(schema, beside.as_deref(), input) {
        let from = input.pointer(&pointer).cloned().unwrap_or_default();
        for to in words.values(kind, &field, &from) {
            if started.elapsed() > ALL {
                found.complete = false;
                return Ok(found);
            }
            found.tried += 1;
            let mut other = input.clone();
            if let Some(place) = other.pointer_mut(&pointer) {
                *place = to.clone();
            }
            // A value that the field can't hold, such as a literal of another field's, changes nothing.
            let Some(outcome) = decide(&other).ok().filter(|outcome| *outcome != found.outcome) else { continue };
            found.changes.push(Counterfactual { field, from, to, outcome });
            break;
        }
    }
    Ok(found)
}

/// The plain fields of the record, of what it refers to and of what is given beside it, and the time: name, place and field.
fn fields<'a>(
    schema: &'a FactSchema,
    beside: Option<&'a FactSchema>,
    input: &Json,
) -> Vec<(String, String, Option<&'a FieldSchema>)> {
    let mut fields = Vec::new();
    // Its number tells no script anything that it should decide by.
    for field in schema.fields().iter().filter(|field| field.name != "number") {
        match &field.kind {
            FieldType::Nested(inner) if input["record"][&field.name].is_object() => {
                let plain = inner.fields().iter().filter(|inner| !matches!(inner.kind, FieldType::Nested(_)));
                let inside = |inner: &'a FieldSchema| {
                    let (name, place) = (&field.name, &inner.name);
                    (format!("{name}.{place}"), format!("/record/{name}/{place}"), Some(inner))
                };
                fields.extend(plain.map(inside));
            }
            FieldType::Nested(_) | FieldType::TextList => {}
            FieldType::Bool | FieldType::Int | FieldType::Decimal | FieldType::Text | FieldType::Time => {
                fields.push((field.name.clone(), format!("/record/{}", field.name), Some(field)));
            }
        }
    }
    if let Some(beside) = beside.filter(|beside| input[beside.name()].is_object()) {
        let name = beside.name();
        let place =
            |field: &'a FieldSchema| (format!("{name}.{}", field.name), format!("/{name}/{}", field.name), Some(field));
        fields.extend(beside.fields().iter().map(place));
    }
    fields.push(("now".to_owned(), "/now".to_owned(), None));
    fields
}

/// What a script speaks of.
#[derive(Default)]
struct Words {
    texts: BTreeSet<String>,
    numbers: BTreeSet<i64>,
}

impl Words {
    fn of(program: &Program, looked_up: &[HostCall], host: &Arc<dyn Host>) -> Words {
        let mut words = Words::default();
        program.ast().walk(&mut |path: &[ASTNode]| {
            if let Some(ASTNode::Expr(expr)) = path.last() {
                words.add(expr);
            }
            true
        });
        let tables =
            looked_up.iter().filter(|call| call.function == Asked::Table).filter_map(|call| call.arguments.first());
        for name in tables {
            let Cell::Text(name) = name else { continue };
            let table = host.table(name);
            let keys =
                table.iter().flat_map(|table| table.rows().iter().take(VALUES).map(|row| &row[..table.head().keys]));
            for cell in keys.flatten() {
                match cell {
                    Cell::Text(text) => drop(words.texts.insert(text.to_string())),
                    Cell::Int(number) => drop(words.numbers.insert(*number)),
                    Cell::Bool(_) | Cell::Decimal(_) | Cell::Time(_) => {}
                }
            }
        }
        words
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "only literals are words")]
    fn add(&mut self, expr: &Expr) {
        match expr {
            Expr::StringConstant(text, _) => drop(self.texts.insert(text.to_string())),
            Expr::IntegerConstant(number, _) => drop(self.numbers.insert(*number)),
            _ => {}
        }
    }

    /// What is tried in place of a value, the nearest first.
    fn values(&self, field: Option<&FieldSchema>, name: &str, from: &Json) -> Vec<Json> {
        let Some(field) = field else { return moments(from) };
        let mut values: Vec<Json> = match field.kind {
            FieldType::Bool => vec![json!(from != &json!(true))],
            FieldType::Int => self.numbers(from),
            FieldType::Text if !field.choices.is_empty() => field.choices.iter().map(|choice| json!(choice)).collect(),
            FieldType::Text if matches!(name, "title" | "description") => {
                let now = from.as_str().unwrap_or_default();
                self.texts.iter().map(|word| json!(format!("{now} {word}").trim_start())).collect()
            }
            FieldType::Text => self.texts.iter().map(|word| json!(word)).collect(),
            FieldType::Decimal | FieldType::Time | FieldType::TextList | FieldType::Nested(_) => Vec::new(),
        };
        values.truncate(VALUES);
        values.push(Json::Null);
        values.retain(|value| value != from);
        values
    }

    /// The numbers of the script and those beside them, by how far they are from what is there.
    fn numbers(&self, from: &Json) -> Vec<Json> {
        let now = from.as_i64().unwrap_or(0);
        let near = self.numbers.iter().flat_map(|n| [n.saturating_sub(1), *n, n.saturating_add(1)]);
        let mut near: Vec<i64> = near.chain([now.saturating_sub(1), now.saturating_add(1)]).collect();
        near.sort_unstable_by_key(|n| (n.saturating_sub(now).unsigned_abs(), *n));
        near.dedup();
        near.into_iter().map(Json::from).collect()
    }
}

/// Other hours and days, the nearest first.
fn moments(from: &Json) -> Vec<Json> {
    let now: Option<crate::clock::Moment> = from.as_str().and_then(|text| text.parse().ok());
    let hours = [1, 2, 4, 8, 12, 24, 48, 72].map(chrono::TimeDelta::hours);
    now.into_iter().flat_map(|now| hours.map(|by| json!(now.plus(by)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{
        decision::Decision, facts, functions::test_clock, host::Offline, program::compile, runner::on_ample_stack,
    };

    fn searched(source: &str, record: Json) -> Vec<(String, Json, String)> {
        let source = source.to_owned();
        on_ample_stack(move || {
            let program = Arc::new(compile(&source, Decision::Routing).unwrap());
            let (schema, host): (_, Arc<dyn Host>) = (facts::incident(), Arc::new(Offline::default()));
            let mut whole = serde_json::to_value(Input::new(schema.made_up(), test_clock())).unwrap();
            for (field, value) in record.as_object().unwrap() {
                whole["record"][field] = value.clone();
            }
            let found = search(&Version::new(0, program), &whole, &[], &schema, &host).unwrap();
            assert!(found.complete && found.tried > 20);
            found.changes.into_iter().map(|c| (c.field, c.to, c.outcome["team"].clone())).collect()
        })
        .unwrap()
    }

    #[test]
    fn the_nearest_change_of_each_field_is_found() {
        let source = r#"
            fn route(incident) {
                rule "Mail" when incident.category == "mail" then assign("mail");
                rule "VIP" when incident.caller?.vip == true and incident.urgency <= 3 then assign("vip");
                rule "Pressing" when incident.urgency <= 1 then assign("pressing");
                rule "Bait" when incident.mentions("phishing") then assign("security");
                rule "By night" when not business_hours() then assign("night");
                rule "Else" when true then assign("desk");
            }"#;
        let found = searched(source, json!({"urgency": 3}));
        let found: Vec<(&str, &Json, &str)> =
            found.iter().map(|(f, to, team)| (f.as_str(), to, team.as_str())).collect();
        let title = json!("Something does not work phishing");
        let (mail, yes, one) = (json!("mail"), json!(true), json!(1));
        for expected in [
            ("title", &title, "security"),
            ("category", &mail, "mail"),
            ("urgency", &one, "pressing"),
            ("caller.vip", &yes, "vip"),
        ] {
            assert!(found.contains(&expected), "{expected:?} is not in {found:?}");
        }
        let now = found.iter().find(|(field, ..)| *field == "now").unwrap();
        assert_eq!(now.2, "night");
        assert!(!found.iter().any(|(field, ..)| *field == "impact"), "{found:?}");
    }

    #[test]
    fn where_nothing_matters_nothing_is_found() {
        assert_eq!(searched("fn route(incident) { assign(\"desk\") }", json!({})), []);
    }
}
