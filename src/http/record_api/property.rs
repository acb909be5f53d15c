//! Schemas of the fields of records for OpenAPI. What a client wants to name is a component of its own: the words of a
//! choice, what `expand` embeds.

use utoipa::openapi::{
    ArrayBuilder, ObjectBuilder, Ref, RefOr, Schema,
    schema::{AdditionalProperties, AnyOf, KnownFormat, SchemaFormat, SchemaType, Type},
};

use super::shape::camel;
use crate::{
    http::schema::{Shape, named},
    record::{
        input::{CLASS_NAME, MOST_TAGS, TAG_LENGTH},
        kind::{Field, HEADER, Holds, Kind, Reference},
    },
};

const CUSTOM: &str = "CustomValues";
const ATTRIBUTES: &str = "AttributeValues";

/// The schema of a field; what it refers to is in [`components`].
pub fn property(kind: &Kind, field: &Field, nullable: bool) -> RefOr<Schema> {
    let or_null = |ty: Type| if nullable { SchemaType::Array(vec![ty, Type::Null]) } else { ty.into() };
    let typed =
        |ty: Type| ObjectBuilder::new().schema_type(or_null(ty)).description(Some(field.doc)).title(Some(field.label));
    let formatted = |format| typed(Type::String).format(Some(SchemaFormat::KnownFormat(format)));
    let referred = |name: &str| if nullable { this_or_null(name, field.doc) } else { this(name, field.doc) };
    match field.holds {
        Holds::Line(_) if field.name == "state" => referred(&state_name(kind)),
        Holds::Line(_) if field.name == "kind" => typed(Type::String).enum_values(Some([kind.name])).into(),
        Holds::Line(_) if field.name == "id" => formatted(KnownFormat::Uuid).into(),
        Holds::Line(most) | Holds::Text(most) => typed(Type::String).max_length(Some(most)).into(),
        Holds::Integer(from, to) => typed(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)))
            .minimum(Some(from))
            .maximum(Some(to))
            .into(),
        Holds::Time => formatted(KnownFormat::DateTime).into(),
        Holds::Choice(_) => referred(&choice_name(kind, field)),
        Holds::User | Holds::Team | Holds::Organisation | Holds::Record(_) => formatted(KnownFormat::Uuid).into(),
        Holds::Tags => ArrayBuilder::new()
            .schema_type(or_null(Type::Array))
            .items(ObjectBuilder::new().schema_type(Type::String).max_length(Some(TAG_LENGTH)))
            .max_items(Some(MOST_TAGS))
            .description(Some(field.doc))
            .into(),
        Holds::Custom => referred(CUSTOM),
        Holds::Class => typed(Type::String).max_length(Some(CLASS_NAME)).into(),
        Holds::Attributes => referred(ATTRIBUTES),
    }
}

/// References stand beside their ids when `expand` asks for them.
pub fn expandable(kind: &Kind, object: ObjectBuilder) -> ObjectBuilder {
    kind.all_fields().filter_map(|field| Some((field, embedded(field)?))).fold(object, |object, (field, name)| {
        let doc = format!("`{}` in full, when `expand={}` asks for it.", field.name, field.short_name());
        object.property(field.short_name(), this_or_null(&name, &doc))
    })
}

/// What the fields of a kind refer to, but for records of other kinds, which are there when those kinds are mounted.
pub fn components(kind: &Kind) -> Vec<Shape> {
    let choices = kind.all_fields().filter_map(|field| match field.holds {
        Holds::Choice(words) => Some(words_called(&choice_name(kind, field), field, words)),
        Holds::Line(_) if field.name == "state" && !kind.lifecycle.states.is_empty() => {
            let states: Vec<&str> = kind.lifecycle.states.iter().map(|state| state.name).collect();
            Some(words_called(&state_name(kind), field, &states))
        }
        Holds::Line(_)
        | Holds::Text(_)
        | Holds::Integer(..)
        | Holds::Time
        | Holds::User
        | Holds::Team
        | Holds::Organisation
        | Holds::Record(_)
        | Holds::Tags
        | Holds::Custom
        | Holds::Class
        | Holds::Attributes => None,
    });
    choices.chain(summaries()).chain(given_values()).collect()
}

/// `IncidentState`.
pub fn state_name(kind: &Kind) -> String {
    format!("{}State", kind.label)
}

/// `IncidentChannel`; `Phase`, which all kinds share; `IncidentType`, not `IncidentIncidentType`.
fn choice_name(kind: &Kind, field: &Field) -> String {
    let is_shared = HEADER.iter().any(|shared| shared.name == field.name);
    let name = camel(field.name);
    if is_shared || name.starts_with(kind.label) { name } else { format!("{}{name}", kind.label) }
}

fn words_called(name: &str, field: &Field, words: &[&str]) -> Shape {
    let schema = ObjectBuilder::new().schema_type(Type::String).description(Some(field.doc));
    named(name, schema.enum_values(Some(words.iter().copied())).build())
}

/// The component of what is embedded in the place of a reference.
fn embedded(field: &Field) -> Option<String> {
    field.holds.reference().map(|reference| match reference {
        Reference::User => "UserSummary".into(),
        Reference::Team => "TeamSummary".into(),
        Reference::Organisation => "OrganisationSummary".into(),
        Reference::Record(of) => camel(of),
    })
}

fn summaries() -> [Shape; 3] {
    let id =
        || ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)));
    let summary = |doc: &str| {
        ObjectBuilder::new().description(Some(doc)).property("id", id().description(Some("The id."))).required("id")
    };
    let text = |doc: &str| ObjectBuilder::new().schema_type(Type::String).description(Some(doc));
    let called = |object: ObjectBuilder| object.property("name", text("The name.")).required("name");
    let user = summary("A person, in short.")
        .property("user_name", text("The name that they sign in with."))
        .required("user_name")
        .property("display_name", text("The name that others read."))
        .required("display_name")
        .property("vip", ObjectBuilder::new().schema_type(Type::Boolean).description(Some("Whether they come first.")))
        .required("vip");
    [
        named("UserSummary", user.build()),
        named("TeamSummary", called(summary("A team, in short.")).build()),
        named("OrganisationSummary", called(summary("An organisation, in short.")).build()),
    ]
}

/// Values of what administrators defined.
fn given_values() -> [Shape; 2] {
    let object = |name: &str, doc: &str| {
        let object = ObjectBuilder::new().description(Some(doc));
        named(name, object.additional_properties(Some(AdditionalProperties::FreeForm(true))).build())
    };
    [
        object(CUSTOM, "Values of the fields that administrators defined, by name."),
        object(ATTRIBUTES, "Values of the attributes that the class has, by name."),
    ]
}

/// A reference with a description of its own.
pub fn this(name: &str, doc: &str) -> RefOr<Schema> {
    let mut reference = Ref::from_schema_name(name);
    reference.description = doc.to_owned();
    reference.into()
}

fn this_or_null(name: &str, doc: &str) -> RefOr<Schema> {
    let null = ObjectBuilder::new().schema_type(SchemaType::Array(vec![Type::Null]));
    let either = AnyOf::builder().item(Ref::from_schema_name(name)).item(null.schema_type(Type::Null));
    Schema::AnyOf(either.description(Some(doc)).build()).into()
}
