//! Forms: what a portal needs to draw one for any kind of record, without knowing any.

use actix_web::{HttpResponse, http::Method, web};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::form_field::{FormField, custom_field, field, notes};
use crate::{
    error::{Code, Error, Result},
    http::{
        desk::Call,
        endpoint::{Access, Answer, Endpoint, in_path, short_text},
        mount::Api,
        schema::{list, schema},
    },
    record::{
        class::{Class, Classes},
        custom,
        kind::Kind,
        link::RELATIONS,
        need::Need,
        practice::AnyPractice,
    },
};

const TAG: &str = "Form";

/// Mounts them.
pub(super) fn mount(api: &mut Api, practices: &'static [&'static dyn AnyPractice]) {
    api.tag(TAG, "What kinds of records there are and which fields they have: enough to draw a form.");
    api.mount(kinds(), move |call| list_kinds(practices, call));
    api.mount(form(practices), move |call, kind| get_form(practices, call, kind));
}

/// A kind of record.
#[derive(Debug, Serialize, ToSchema)]
struct KindSummary {
    /// Its name, as in `GET /api/v1/meta/{type}`.
    #[schema(examples("incident"))]
    name: &'static str,
    /// As in paths.
    #[schema(examples("incidents"))]
    plural: &'static str,
    /// For people.
    #[schema(examples("Incident"))]
    label: &'static str,
    /// Begins every number.
    #[schema(examples("INC"))]
    prefix: &'static str,
    /// What it is for.
    description: &'static str,
    /// What you may do with records of this kind.
    permitted: Vec<&'static str>,
}

/// All about a kind of record.
#[derive(Debug, Serialize, ToSchema)]
struct Form {
    /// The kind.
    #[serde(flatten)]
    kind: KindSummary,
    /// Its fields, in the order in which a form shows them.
    fields: Vec<FormField>,
    /// The fields that administrators added; they stand in `custom`.
    custom_fields: Vec<FormField>,
    /// The classes that its records may be of, where they have any, with what each adds.
    classes: Vec<FormClass>,
    /// The state of a new record.
    #[schema(examples("new"))]
    initial_state: &'static str,
    /// Its states, in their usual order.
    states: Vec<FormState>,
    /// The steps between them. Which are open for a record: `GET /api/v1/{plural}/{id}/transitions`.
    transitions: Vec<FormTransition>,
    /// How it can be linked with other records.
    relations: Vec<FormRelation>,
}

/// A class of records.
#[derive(Debug, Serialize, ToSchema)]
struct FormClass {
    /// Its name, as it stands in `class` of a record.
    #[schema(examples("server"))]
    name: String,
    /// For people.
    #[schema(examples("Server"))]
    label: String,
    /// What is of this class.
    description: String,
    /// The class above it.
    #[schema(required = true, examples("hardware"))]
    parent: Option<String>,
    /// What its records have, those from above first; they stand in `attributes`, and lists find them as `attributes.name`.
    attributes: Vec<FormField>,
}

/// A state.
#[derive(Debug, Serialize, ToSchema)]
struct FormState {
    /// Its name.
    #[schema(examples("in_progress"))]
    name: &'static str,
    /// For people.
    #[schema(examples("In progress"))]
    label: &'static str,
    /// Where that stands, in words that all kinds share.
    #[schema(examples("open"))]
    phase: &'static str,
}

/// A step from some states to another.
#[derive(Debug, Serialize, ToSchema)]
struct FormTransition {
    /// Its name, also the last part of its path.
    #[schema(examples("resolve"))]
    name: &'static str,
    /// The text of the button.
    #[schema(examples("Resolve"))]
    label: &'static str,
    /// What it does.
    help: &'static str,
    /// From these states.
    from: &'static [&'static str],
    /// To this state.
    to: &'static str,
    /// Fields that must hold something afterwards.
    requires: &'static [&'static str],
    /// Fields that must hold something afterwards in some cases.
    requires_when: &'static [Need],
    /// Fields that it takes and that can't be written otherwise.
    accepts: &'static [&'static str],
    /// Whether you have the permission for it.
    permitted: bool,
}

/// A relation with other records.
#[derive(Debug, Serialize, ToSchema)]
struct FormRelation {
    /// Its name, for `POST /api/v1/{plural}/{id}/links`.
    #[schema(examples("caused_by"))]
    name: &'static str,
    /// For people.
    #[schema(examples("Caused by"))]
    label: &'static str,
    /// How the other record names it.
    #[schema(examples("causes"))]
    inverse: &'static str,
    /// The kinds that it leads to; empty for all.
    kinds: Vec<&'static str>,
}

fn kind_example() -> Value {
    json!({
        "name": "incident", "plural": "incidents", "label": "Incident", "prefix": "INC",
        "description": "An unplanned interruption of a service, or a loss of its quality.",
        "permitted": ["read", "create", "comment"],
    })
}

fn kinds() -> Endpoint {
    Endpoint {
        method: Method::GET,
        path: "/api/v1/meta".into(),
        id: "list_kinds".into(),
        tag: TAG.into(),
        access: Access::SignedIn,
        summary: "List the kinds of records".into(),
        description: "Those that you may read, and what you may do with each.".into(),
        parameters: Vec::new(),
        request: None,
        responses: vec![Answer::json(200, "The kinds.", list(schema::<KindSummary>()), json!([kind_example()]))],
        problems: Vec::new(),
    }
}

async fn list_kinds(practices: &'static [&'static dyn AnyPractice], call: Call) -> Result<HttpResponse> {
    let kinds = practices.iter().map(|p| p.kind());
    let readable = kinds.filter(|kind| call.cause.caller.can(&kind.permission("read")));
    Ok(HttpResponse::Ok().json(readable.map(|kind| summary(kind, &call)).collect::<Vec<_>>()))
}

fn form(practices: &'static [&'static dyn AnyPractice]) -> Endpoint {
    let mut example = kind_example();
    if let (Value::Object(all), Some(first)) = (&mut example, practices.first()) {
        let kind = first.kind();
        let fields: Vec<FormField> =
            kind.all_fields().filter(|f| f.name == "urgency").map(|f| field(kind, f)).collect();
        all.insert("fields".into(), json!(fields));
        all.insert("custom_fields".into(), json!([]));
        all.insert("classes".into(), json!([]));
        all.insert("initial_state".into(), json!(kind.lifecycle.initial));
        all.insert("states".into(), json!(states(kind)));
        all.insert("transitions".into(), json!([]));
        all.insert("relations".into(), json!(relations(kind)));
    }
    Endpoint {
        method: Method::GET,
        path: "/api/v1/meta/{type}".into(),
        id: "get_form".into(),
        tag: TAG.into(),
        access: Access::SignedIn,
        summary: "All that a form of a kind needs".into(),
        description: "Fields with types, labels, choices and limits, when each can be written and when it must be; states, transitions, custom fields, \
                      the attributes of each class, and relations."
            .into(),
        parameters: vec![in_path("type", "The name of the kind, or its plural.", short_text(100), "incident")],
        request: None,
        responses: vec![Answer::json(200, "The form.", schema::<Form>(), example)],
        problems: vec![Code::NotFound],
    }
}

async fn get_form(
    practices: &'static [&'static dyn AnyPractice],
    call: Call,
    name: web::Path<String>,
) -> Result<HttpResponse> {
    let practice = practices.iter().find(|p| p.kind().name == *name || p.kind().plural == *name);
    let practice = practice.filter(|practice| call.cause.caller.can(&practice.kind().permission("read")));
    let practice = practice.ok_or_else(|| Error::not_found("kind of record"))?;
    let kind = practice.kind();
    let (mut fields, custom_fields, classes) = call
        .read(move |reading| {
            let fields = kind.all_fields().map(|of_kind| {
                let mut shown = field(kind, of_kind);
                if let Some(words) = practice.choices(of_kind.name, reading.connection)? {
                    (shown.field_type, shown.choices) = ("choice".to_owned(), words);
                }
                Ok(shown)
            });
            let fields = fields.collect::<Result<Vec<_>>>()?;
            let custom = custom::fields_of(reading.connection, kind.name)?;
            let custom = custom.iter().map(custom_field).collect::<Result<Vec<_>>>()?;
            Ok((fields, custom, classes(&*reading.kernel.classes(reading.connection, kind)?)?))
        })
        .await?;
    for field in fields.iter_mut().filter(|field| field.field_type == "class") {
        field.choices = classes.iter().map(|class| class.name.clone()).collect();
    }
    fields.extend(notes(kind, &call));
    let caller = &call.cause.caller;
    let steps = kind.lifecycle.steps.iter().filter(|s| !s.automatic);
    let transitions = steps
        .map(|step| FormTransition {
            name: step.name,
            label: step.label,
            help: step.doc,
            from: step.from,
            to: step.to,
            requires: step.requires,
            requires_when: step.requires_when,
            accepts: step.accepts,
            permitted: caller.can(&kind.permission(step.name)),
        })
        .collect();
    Ok(HttpResponse::Ok().json(Form {
        kind: summary(kind, &call),
        fields,
        custom_fields,
        classes,
        initial_state: kind.lifecycle.initial,
        states: states(kind),
        transitions,
        relations: relations(kind),
    }))
}

fn summary(kind: &Kind, call: &Call) -> KindSummary {
    let permitted = kind.actions().filter(|action| call.cause.caller.can(&kind.permission(action))).collect();
    let Kind { name, plural, label, prefix, doc, .. } = kind;
    KindSummary { name, plural, label, prefix, description: doc, permitted }
}

fn states(kind: &Kind) -> Vec<FormState> {
    let states = kind.lifecycle.states.iter();
    states.map(|s| FormState { name: s.name, label: s.label, phase: s.phase.as_str() }).collect()
}

/// The classes that new records may be of.
fn classes(classes: &Classes) -> Result<Vec<FormClass>> {
    let usable = classes.names().filter_map(|name| classes.get(name));
    let shown = usable.map(|class| {
        let Class { name, label, description, line, .. } = class;
        let attributes = class.used().iter().map(|attribute| {
            let is_recommended = class.attributes.iter().any(|a| a.name == attribute.name && a.recommended);
            Ok(FormField { recommended: is_recommended, ..custom_field(attribute)? })
        });
        let attributes = attributes.collect::<Result<_>>()?;
        let (name, label, description) = (name.clone(), label.clone(), description.clone());
        Ok(FormClass { name, label, description, parent: line.get(1).cloned(), attributes })
    });
    shown.collect()
}

fn relations(kind: &Kind) -> Vec<FormRelation> {
    let both = RELATIONS.iter().flat_map(|r| {
        let direct = FormRelation { name: r.name, label: r.label, inverse: r.inverse, kinds: r.to.to_vec() };
        let fits = r.name != r.inverse && (r.to.is_empty() || r.to.contains(&kind.name));
        let back = FormRelation { name: r.inverse, label: r.inverse_label, inverse: r.name, kinds: Vec::new() };
        [Some(direct), fits.then_some(back)]
    });
    both.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::practice;

    #[test]
    fn a_relation_is_offered_to_the_kinds_that_it_fits() {
        let names = |kind: &str| {
            let kind = practice::ALL.iter().map(|p| p.kind()).find(|k| k.name == kind).unwrap();
            relations(kind).into_iter().map(|r| r.name).collect::<Vec<_>>()
        };
        assert!(names("service").contains(&"affected_by"));
        assert!(!names("incident").contains(&"affected_by") && names("incident").contains(&"affects"));
    }
}
