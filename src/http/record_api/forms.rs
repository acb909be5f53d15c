//! Forms: what a portal needs to draw one for any kind of record, without knowing any.

use actix_web::{HttpResponse, http::Method, web};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    error::{Code, Error, Result},
    http::{
        desk::Call,
        endpoint::{Access, Answer, Endpoint, in_path, short_text},
        mount::Api,
        schema::{list, schema},
    },
    record::{
        custom::{self, CustomField},
        input::NOTES,
        kind::{Field, Holds, Kind, LONG, Reference, Write},
        link::RELATIONS,
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

/// A field of a form.
#[derive(Debug, Serialize, ToSchema)]
struct FormField {
    /// Its name in JSON.
    #[schema(examples("urgency"))]
    name: String,
    /// For people.
    #[schema(examples("Urgency"))]
    label: String,
    /// What it holds, for people.
    help: String,
    /// What it holds: `line`, `text`, `integer`, `decimal`, `boolean`, `date`, `time`, `choice`, `user`, `team`,
    /// `organisation`, `record`, `tags`, `custom`, `class` or `attributes`.
    #[serde(rename = "type")]
    #[schema(examples("integer"))]
    field_type: String,
    /// The words to choose from, for `choice` and `class`.
    choices: Vec<String>,
    /// The longest text, in characters.
    max_length: Option<usize>,
    /// The regular expression that the whole of a text must match.
    pattern: Option<String>,
    /// The least number.
    minimum: Option<i32>,
    /// The greatest number.
    maximum: Option<i32>,
    /// The kind that it refers to, for `record`.
    target: Option<String>,
    /// The class that what it refers to has to be of, or of one below that.
    target_class: Option<String>,
    /// Whether it may be null.
    nullable: bool,
    /// Whether it must be given when a record is made.
    required: bool,
    /// The steps after which it must hold something.
    required_by: Vec<&'static str>,
    /// When it can be written: `always`, `steps` (those in `writable_by`) or `never`.
    #[schema(examples("always"))]
    writable: &'static str,
    /// The steps that take it, when it can't be written otherwise.
    writable_by: Vec<&'static str>,
    /// Whether lists can be sorted by it.
    sortable: bool,
    /// Whether lists can be filtered by it; custom fields as `custom.name`.
    filterable: bool,
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
        description: "Fields with types, labels, choices and limits, when each can be written and when it must be; states, transitions, custom fields and relations.".into(),
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
    let kind = practices.iter().map(|p| p.kind()).find(|k| k.name == *name || k.plural == *name);
    let kind = kind.filter(|kind| call.cause.caller.can(&kind.permission("read")));
    let kind = kind.ok_or_else(|| Error::not_found("kind of record"))?;
    let (custom, classes) = call
        .read(|reading| {
            let classes = reading.kernel.classes(reading.connection, kind)?;
            Ok((
                custom::fields_of(reading.connection, kind.name)?,
                classes.names().map(str::to_owned).collect::<Vec<_>>(),
            ))
        })
        .await?;
    let mut fields: Vec<FormField> = kind.all_fields().map(|f| field(kind, f)).chain(notes(kind, &call)).collect();
    for field in fields.iter_mut().filter(|field| field.field_type == "class") {
        field.choices.clone_from(&classes);
    }
    let custom_fields = custom.iter().map(custom_field).collect::<Result<Vec<_>>>()?;
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
            accepts: step.accepts,
            permitted: caller.can(&kind.permission(step.name)),
        })
        .collect();
    Ok(HttpResponse::Ok().json(Form {
        kind: summary(kind, &call),
        fields,
        custom_fields,
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

fn relations(kind: &Kind) -> Vec<FormRelation> {
    let both = RELATIONS.iter().flat_map(|r| {
        let direct = FormRelation { name: r.name, label: r.label, inverse: r.inverse, kinds: r.to.to_vec() };
        let fits = r.name != r.inverse && (r.to.is_empty() || r.to.contains(&kind.name));
        let back = FormRelation { name: r.inverse, label: r.inverse_label, inverse: r.name, kinds: Vec::new() };
        [Some(direct), fits.then_some(back)]
    });
    both.flatten().collect()
}

/// What holds nothing that can be chosen or limited.
fn blank(name: String, label: String, help: String, field_type: String) -> FormField {
    FormField {
        name,
        label,
        help,
        field_type,
        choices: Vec::new(),
        max_length: None,
        pattern: None,
        minimum: None,
        maximum: None,
        target: None,
        target_class: None,
        nullable: true,
        required: false,
        required_by: Vec::new(),
        writable: "always",
        writable_by: Vec::new(),
        sortable: false,
        filterable: true,
    }
}

fn field(kind: &Kind, field: &Field) -> FormField {
    let steps = |wanted: fn(&crate::record::kind::Step) -> &'static [&'static str]| {
        let of_it = kind.lifecycle.steps.iter().filter(|s| wanted(s).contains(&field.name));
        of_it.map(|s| s.name).collect::<Vec<_>>()
    };
    let (field_type, max_length) = match field.holds {
        Holds::Line(most) => ("line", Some(most)),
        Holds::Text(most) => ("text", Some(most)),
        Holds::Integer(..) => ("integer", None),
        Holds::Time => ("time", None),
        Holds::Choice(_) => ("choice", None),
        Holds::User => ("user", None),
        Holds::Team => ("team", None),
        Holds::Organisation => ("organisation", None),
        Holds::Record(_) => ("record", None),
        Holds::Tags => ("tags", None),
        Holds::Custom => ("custom", None),
        Holds::Class => ("class", None),
        Holds::Attributes => ("attributes", None),
    };
    let mut shown = blank(field.name.into(), field.label.into(), field.doc.into(), field_type.into());
    shown.max_length = max_length;
    match field.holds {
        Holds::Choice(choices) => shown.choices = choices.iter().map(|c| (*c).to_owned()).collect(),
        Holds::Integer(from, to) => (shown.minimum, shown.maximum) = (Some(from), Some(to)),
        Holds::Record(of) => shown.target = Some(of.to_owned()),
        Holds::Line(_)
        | Holds::Text(_)
        | Holds::Time
        | Holds::User
        | Holds::Team
        | Holds::Organisation
        | Holds::Tags
        | Holds::Custom
        | Holds::Class
        | Holds::Attributes => (),
    }
    if field.name == "state" {
        shown.field_type = "choice".to_owned();
        shown.choices = kind.lifecycle.states.iter().map(|s| s.name.to_owned()).collect();
    }
    shown.nullable = field.nullable;
    shown.required = field.write == Write::Required;
    shown.required_by = steps(|step| step.requires);
    shown.writable_by = if field.write == Write::Step { steps(|step| step.accepts) } else { Vec::new() };
    shown.writable = match field.write {
        Write::Server => "never",
        Write::Step => "steps",
        Write::Caller | Write::Required => "always",
    };
    shown.sortable = field.sortable && !kind.fields.iter().any(|f| f.name == field.name);
    shown.filterable = !matches!(field.holds, Holds::Custom | Holds::Attributes);
    shown
}

/// Comment and work note, which are written along with fields, for those who may.
fn notes(kind: &'static Kind, call: &Call) -> impl Iterator<Item = FormField> {
    let mine = NOTES.iter().filter(|(name, _)| call.cause.caller.can(&kind.permission(name)));
    let shown = mine.map(|(name, doc)| {
        let label = if *name == "comment" { "Comment" } else { "Work note" };
        let mut shown = blank((*name).into(), label.into(), (*doc).into(), "text".into());
        (shown.max_length, shown.filterable) = (Some(LONG), false);
        shown
    });
    shown.collect::<Vec<_>>().into_iter()
}

fn custom_field(field: &CustomField) -> Result<FormField> {
    let (name, label, help) = (field.name.clone(), field.label.clone(), field.help.clone());
    let mut shown = blank(name, label, help, field.field_type.clone());
    if let Some(Reference::Record(of)) = field.refers_to() {
        (shown.field_type, shown.target) = ("record".to_owned(), Some(of.to_owned()));
    }
    shown.target_class.clone_from(&field.target_class);
    shown.choices = field.choices.read()?;
    shown.max_length = (field.field_type == "text").then_some(custom::LONGEST);
    shown.pattern = field.pattern.clone();
    (shown.required, shown.nullable) = (field.required, !field.required);
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::practice;

    fn of(kind: &str, name: &str) -> FormField {
        let kind = practice::ALL.iter().map(|p| p.kind()).find(|k| k.name == kind).unwrap();
        field(kind, kind.field(name).unwrap())
    }

    #[test]
    fn fields_tell_when_they_are_written_and_needed() {
        let title = of("incident", "title");
        assert_eq!(
            (title.required, title.writable, title.max_length, title.sortable),
            (true, "always", Some(255), false)
        );
        let code = of("incident", "resolution_code");
        assert_eq!((code.writable, code.writable_by, code.required_by), ("steps", vec!["resolve"], vec!["resolve"]));
        let state = of("incident", "state");
        assert_eq!((state.writable, state.field_type.as_str(), state.choices.len()), ("never", "choice", 6));
        let urgency = of("incident", "urgency");
        assert_eq!((urgency.minimum, urgency.maximum, urgency.nullable), (Some(1), Some(3), false));
        assert_eq!(of("incident", "parent_id").target.as_deref(), Some("incident"));
    }

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
