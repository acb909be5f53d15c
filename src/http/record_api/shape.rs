//! Schemas of records for OpenAPI, made from the fields of their kinds.

use serde_json::{Map, Value, json};
use utoipa::openapi::{
    AllOf, ArrayBuilder, ObjectBuilder, Schema,
    schema::{AdditionalProperties, KnownFormat, SchemaFormat, SchemaType, Type},
};

use super::property::{components, expandable, property, state_name, this};
use crate::{
    http::schema::{Shape, named},
    record::{
        input::NOTES,
        kind::{Field, Holds, Kind, LONG, Step, Write},
    },
};

/// A record as it is read: `Incident`.
pub fn record(kind: &Kind) -> Shape {
    let object = kind.all_fields().fold(ObjectBuilder::new().description(Some(kind.doc)), |object, field| {
        object.property(field.name, property(kind, field, field.nullable)).required(field.name)
    });
    with_components(kind, kind.label.to_owned(), expandable(kind, object))
}

/// What `fields` picks of a record: `IncidentPart`.
fn part(kind: &Kind) -> Shape {
    let doc = format!("What `fields` picks of {}.", super::a(kind));
    let object = kind.all_fields().fold(ObjectBuilder::new().description(Some(doc)), |object, field| {
        object.property(field.name, property(kind, field, field.nullable))
    });
    with_components(kind, format!("{}Part", kind.label), expandable(kind, object))
}

/// A record as it is shown to those who may pick fields. It is told as whole, so that a client that does not pick can
/// rely on every field; its part is a component beside it.
pub fn shown(kind: &Kind) -> Shape {
    record(kind).with(part(kind))
}

/// A component with those that its fields refer to.
pub fn with_components(kind: &Kind, name: String, object: ObjectBuilder) -> Shape {
    components(kind).into_iter().fold(named(name, object.build()), Shape::with)
}

/// What makes a record: `NewIncident`.
pub fn new_record(kind: &Kind) -> Shape {
    let fields = kind.all_fields().filter(|f| matches!(f.write, Write::Caller | Write::Required));
    let doc = format!("What makes {}.", super::a(kind));
    let object = fields.fold(ObjectBuilder::new().description(Some(doc)), |object, field| {
        let object = object.property(field.name, property(kind, field, field.can_be_emptied()));
        if field.write == Write::Required { object.required(field.name) } else { object }
    });
    with_components(kind, format!("New{}", kind.label), with_notes(object))
}

/// A merge patch of a record: `IncidentChange`.
pub fn change(kind: &Kind) -> Shape {
    let fields = kind.all_fields().filter(|f| matches!(f.write, Write::Caller | Write::Required));
    let doc = format!("A merge patch (RFC 7396) of {}: what is left out stays, `null` empties.", super::a(kind));
    let object = fields.fold(ObjectBuilder::new().description(Some(doc)), |object, field| {
        object.property(field.name, property(kind, field, field.can_be_emptied()))
    });
    with_components(kind, format!("{}Change", kind.label), with_notes(object))
}

/// What a step takes: `IncidentResolve`.
pub fn step_input(kind: &Kind, step: &Step) -> Shape {
    let fields = kind
        .all_fields()
        .filter(|f| matches!(f.write, Write::Caller | Write::Required) || step.accepts.contains(&f.name));
    let doc =
        format!("What `{}` takes. {} Fields that could be patched can be given along with it.", step.name, step.doc);
    let object = fields.fold(ObjectBuilder::new().description(Some(doc)), |object, field| {
        let object = object.property(field.name, property(kind, field, field.can_be_emptied()));
        if step.requires.contains(&field.name) { object.required(field.name) } else { object }
    });
    with_components(kind, format!("{}{}", kind.label, camel(step.name)), with_notes(object))
}

/// What a transition by state takes: `IncidentTransition`.
pub fn transition(kind: &Kind) -> Shape {
    let doc = "The state to go to, and what the step takes.";
    let to = this(&state_name(kind), "The state to go to.");
    let fields = kind.all_fields().filter(|f| matches!(f.write, Write::Caller | Write::Required | Write::Step));
    let object = ObjectBuilder::new().description(Some(doc)).property("to", to).required("to");
    let object =
        fields.fold(object, |object, field| object.property(field.name, property(kind, field, field.can_be_emptied())));
    with_components(kind, format!("{}Transition", kind.label), with_notes(object))
}

/// Which decision is asked again: `IncidentDecisionAsked`.
pub fn decision_asked(kind: &Kind, names: Vec<Value>) -> Shape {
    let decision = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(names))
        .description(Some("The decision to ask."));
    let object = ObjectBuilder::new()
        .description(Some("Which decision the policies are asked again."))
        .property("decision", decision)
        .required("decision");
    named(format!("{}DecisionAsked", kind.label), object.build())
}

/// A page of records: `IncidentPage`.
pub fn page(name: &str, item: Shape) -> Shape {
    let items = ArrayBuilder::new().items(item.reference()).description(Some("The records of this page."));
    let object = ObjectBuilder::new()
        .description(Some("A page of a list."))
        .property("items", items)
        .required("items")
        .property("next_cursor", cursor("Where the next page begins; null on the last one."))
        .required("next_cursor")
        .property("previous_cursor", cursor("Where the page before ends; null on the first one."))
        .required("previous_cursor")
        .property(
            "total",
            ObjectBuilder::new()
                .schema_type(SchemaType::Array(vec![Type::Integer, Type::Null]))
                .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
                .description(Some("How many there are on all pages, when `count=true` was asked.")),
        )
        .required("total");
    named(format!("{name}Page"), object.build()).with(item)
}

/// An example of a record, for the documentation.
pub fn example(kind: &Kind) -> Value {
    Value::Object(kind.all_fields().map(|f| (f.name.to_owned(), example_of(kind, f))).collect())
}

/// An example of what a caller writes: the required fields and a few more.
pub fn new_example(kind: &Kind) -> Value {
    let shown =
        |f: &&Field| f.write == Write::Required || matches!(f.name, "description" | "impact" | "urgency" | "category");
    let fields: Map<String, Value> =
        kind.all_fields().filter(shown).map(|f| (f.name.to_owned(), example_of(kind, f))).collect();
    Value::Object(fields)
}

/// An example of what a step takes.
pub fn step_example(kind: &Kind, step: &Step) -> Value {
    let fields = step.requires.iter().filter_map(|name| kind.field(name));
    let mut example: Map<String, Value> = fields.map(|f| (f.name.to_owned(), example_of(kind, f))).collect();
    example.insert("comment".to_owned(), json!("We are on it."));
    Value::Object(example)
}

/// `in_progress` → `InProgress`.
pub fn camel(name: &str) -> String {
    name.split('_').map(|part| part[..1].to_uppercase() + &part[1..]).collect()
}

/// Nothing that is not named is taken.
fn with_notes(object: ObjectBuilder) -> ObjectBuilder {
    let object = object.additional_properties(Some(AdditionalProperties::FreeForm(false)));
    NOTES.iter().fold(object, |object, (name, doc)| {
        let note = ObjectBuilder::new().schema_type(Type::String).description(Some(*doc)).max_length(Some(LONG));
        object.property(*name, note)
    })
}

fn cursor(doc: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Array(vec![Type::String, Type::Null])).description(Some(doc))
}

fn example_of(kind: &Kind, field: &Field) -> Value {
    let id = "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f";
    match field.holds {
        Holds::Choice(choices) => choices.first().copied().into(),
        Holds::Integer(from, _) => from.max(2).into(),
        Holds::Time if field.nullable => Value::Null,
        Holds::Time => "2026-03-02T08:15:00Z".into(),
        Holds::User | Holds::Team | Holds::Organisation | Holds::Record(_) if field.nullable => Value::Null,
        Holds::User | Holds::Team | Holds::Organisation | Holds::Record(_) => id.into(),
        Holds::Tags => json!([]),
        Holds::Custom | Holds::Attributes => json!({}),
        Holds::Class => "other".into(),
        Holds::Line(_) | Holds::Text(_) => match field.name {
            "id" => id.into(),
            "kind" => kind.name.into(),
            "number" => format!("{}0000042", kind.prefix).into(),
            "state" => kind.lifecycle.initial.into(),
            "title" => "Mail does not arrive".into(),
            "description" => "Since nine o'clock nobody on the second floor gets mail.".into(),
            "resolution_code" => "fixed".into(),
            "resolution_notes" => "The mail queue was full; it has been emptied and given more room.".into(),
            _ if field.nullable => Value::Null,
            _ => "".into(),
        },
    }
}

/// A schema with a description of its own beside a reference.
pub fn described(shape: &Shape, doc: &str) -> Schema {
    Schema::AllOf(AllOf::builder().item(shape.reference()).description(Some(doc)).build())
}
