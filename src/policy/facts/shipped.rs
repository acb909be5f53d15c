//! Which facts each kind of record shows: those of its own fields, read from its table of fields, and those that all kinds
//! share. Another kind brings its facts with its fields; nothing is added here.

use std::sync::{Arc, LazyLock};

use serde_json::{Map, Value as Json};

use super::{FactSchema, FieldSchema, FieldType, Value};
use crate::{
    practice,
    record::{
        approval::policy::asks_policies,
        kind::{Field, Holds, Kind},
        practice::AnyPractice,
    },
};

/// What decisions are made on beside the record.
pub fn all_beside() -> [Arc<FactSchema>; 2] {
    [transition(), moment()]
}

/// One of them, by the name of the argument.
pub fn beside(name: &str) -> Option<Arc<FactSchema>> {
    all_beside().into_iter().find(|schema| schema.name() == name)
}

/// What a test can make up by this name: a record of a kind, or what stands beside one. `own` is what the policy is about, with
/// the fields that administrators added.
pub fn made_up_of(name: &str, own: &Arc<FactSchema>) -> Option<Arc<FactSchema>> {
    let kinds = || Schemas::shipped().all().find(|schema| schema.name() == name).cloned();
    if own.name() == name { Some(Arc::clone(own)) } else { beside(name).or_else(kinds) }
}

/// What is told of the environments of all that a record touches.
pub const ITEM_ENVIRONMENTS: &str = "item_environments";
/// What is told of the classes of all that a record touches.
pub const ITEM_CLASSES: &str = "item_classes";

/// What policies see of each kind that they are asked about.
#[derive(Clone, Debug)]
pub struct Schemas(Vec<Arc<FactSchema>>);

impl Schemas {
    /// Without fields that administrators defined.
    pub fn shipped() -> &'static Schemas {
        static SHIPPED: LazyLock<Schemas> = LazyLock::new(|| Schemas::with(|_| Vec::new()));
        &SHIPPED
    }
    /// With the fields that administrators defined for each kind, under `custom`.
    pub fn with(mut custom: impl FnMut(&'static Kind) -> Vec<FieldSchema>) -> Schemas {
        Schemas(asked_about().map(|practice| Arc::new(of(practice, custom(practice.kind())))).collect())
    }
    /// That of a kind; of the first where nothing is ever asked about it.
    pub fn of(&self, kind: &str) -> &Arc<FactSchema> {
        self.0.iter().find(|schema| schema.name() == kind).unwrap_or(self.first())
    }
    /// That of the first kind, which is meant where nothing says which.
    pub fn first(&self) -> &Arc<FactSchema> {
        &self.0[0]
    }
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Arc<FactSchema>> {
        self.0.iter()
    }
}

/// An incident without custom fields: what tests and benchmarks decide about.
pub fn incident() -> Arc<FactSchema> {
    Schemas::shipped().first().clone()
}

/// An incident with the custom fields that administrators defined, under `custom`.
#[cfg(test)]
pub fn incident_with(custom: Vec<FieldSchema>) -> Arc<FactSchema> {
    Schemas::with(|_| custom.clone()).first().clone()
}

/// The practices about whose records policies are asked.
fn asked_about() -> impl Iterator<Item = &'static dyn AnyPractice> {
    practice::ALL.iter().copied().filter(|practice| !practice.kind().decisions.is_empty())
}

fn text(name: &str, doc: &str) -> FieldSchema {
    FieldSchema::new(name, FieldType::Text, doc)
}
fn int(name: &str, doc: &str) -> FieldSchema {
    FieldSchema::new(name, FieldType::Int, doc)
}
fn time(name: &str, doc: &str) -> FieldSchema {
    FieldSchema::new(name, FieldType::Time, doc)
}
fn nested(name: &str, schema: FactSchema, doc: &str) -> FieldSchema {
    FieldSchema::new(name, FieldType::Nested(Arc::new(schema)), doc)
}

fn of(practice: &dyn AnyPractice, custom: Vec<FieldSchema>) -> FactSchema {
    let (kind, blank) = (practice.kind(), practice.blank());
    let details = kind.fields.iter().filter_map(|field| detail(kind, field, &blank));
    let uses = |field: &FieldSchema| kind.field(&field.column).is_some();
    let fields = identity(kind).into_iter().chain(details).chain(work(kind)).chain(context(custom));
    FactSchema::new(kind.name, fields.filter(uses).chain(of_approved(kind)).collect())
}

/// A field of the kind's own table, with what a new record has there. What it refers to is told by name, if policies know it so.
fn detail(kind: &Kind, field: &Field, blank: &Map<String, Json>) -> Option<FieldSchema> {
    // `incident.type` says enough.
    let is_type = field.name.strip_prefix(kind.name) == Some("_type");
    let name = if is_type { "type" } else { field.short_name() };
    let doc = field.doc.trim_end_matches('.');
    let fact = match field.holds {
        Holds::Line(_) | Holds::Class | Holds::User | Holds::Team => text(name, doc),
        Holds::Text(_) => text(name, &format!("{doc}; at most 4,000 bytes of it")),
        Holds::Integer(..) => int(name, doc),
        Holds::Time => time(name, doc),
        Holds::Choice(choices) => text(name, doc).choices(choices),
        Holds::Organisation | Holds::Record(_) | Holds::Tags | Holds::Custom | Holds::Attributes => return None,
    };
    let made_up = blank.get(field.name).and_then(|value| Value::from_json(value, &fact.kind)).unwrap_or_default();
    let fact = if field.nullable { fact } else { fact.always() };
    Some(fact.column(field.name).default(made_up))
}

fn identity(kind: &Kind) -> Vec<FieldSchema> {
    let number = format!("{}0000001", kind.prefix);
    vec![
        text("number", &format!("The number, such as {}0000012", kind.prefix)).always().default(number.as_str()),
        text("title", "One line that says what it is about").always().default("Something does not work"),
        text("description", "The whole story, at most 4,000 bytes of it").always().default(""),
    ]
}

fn work(kind: &Kind) -> Vec<FieldSchema> {
    let states: Vec<&str> = kind.lifecycle.states.iter().map(|state| state.name).collect();
    let phase = kind.lifecycle.state(kind.lifecycle.initial).map_or("open", |state| state.phase.as_str());
    vec![
        text("state", &format!("The state in the lifecycle of {} {}", article(kind), kind.label.to_lowercase()))
            .always()
            .choices(&states)
            .default(kind.lifecycle.initial),
        text("phase", "The phase shared by all records")
            .always()
            .choices(&["open", "waiting", "done", "closed", "cancelled"])
            .default(phase),
        int("impact", "1 is the widest").always().default(3),
        int("urgency", "1 is the most pressing").always().default(3),
        int("priority", "1 comes first; absent until it is decided"),
        text("team", "The name of the team that has it").column("team_id"),
        text("assignee", "The user name of the person who has it").column("assignee_id"),
        time("opened_at", "When it was opened").always(),
        time("planned_start", "When it is to begin"),
        time("planned_end", "When it is to end"),
        int("escalation_level", "How far up it was escalated; 0 while it was not").always().default(0),
        time("escalated_at", "Since when an escalation waits for an answer"),
    ]
}

fn article(kind: &Kind) -> &'static str {
    if kind.name.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

fn context(custom: Vec<FieldSchema>) -> Vec<FieldSchema> {
    let caller = Arc::new(caller());
    let made_up_caller = caller.made_up();
    vec![
        FieldSchema::new("caller", FieldType::Nested(caller), "The person it is for")
            .column("requester_id")
            .default(made_up_caller),
        nested("service", service(), "The service it affects").column("service_id"),
        nested("ci", ci(), "The configuration item it affects").column("configuration_item_id"),
        FieldSchema::new("tags", FieldType::TextList, "Its tags").always().default(Value::List(Arc::default())),
        custom_field(custom),
    ]
}

/// What is told of records of which policies say who approves: who opened them, and what is known of all that they touch.
fn of_approved(kind: &Kind) -> Vec<FieldSchema> {
    if !asks_policies(kind) {
        return Vec::new();
    }
    let list = |name: &str, doc: &str| {
        let none = Value::List(Arc::default());
        FieldSchema::new(name, FieldType::TextList, doc).always().default(none)
    };
    vec![
        text("opener", "The user name of the person who opened it").column("opened_by_id").always().default("casey"),
        list(
            ITEM_ENVIRONMENTS,
            "The environments of all configuration items that it touches: its own, and those that it `affects`",
        ),
        list(ITEM_CLASSES, "The classes of all configuration items that it touches, and the classes above them"),
    ]
}

fn custom_field(custom: Vec<FieldSchema>) -> FieldSchema {
    let schema = Arc::new(FactSchema::new("custom", custom));
    let empty = schema.made_up();
    FieldSchema::new("custom", FieldType::Nested(schema), "Fields that administrators defined").always().default(empty)
}

fn caller() -> FactSchema {
    FactSchema::new(
        "caller",
        vec![
            text("user_name", "The name they log in with").always().default("casey"),
            text("display_name", "The name people call them").always().default("Casey Caller"),
            FieldSchema::new("vip", FieldType::Bool, "Whether their work stops others'").always().default(false),
            text("organisation", "The name of their organisation").always(),
        ],
    )
}

fn service() -> FactSchema {
    FactSchema::new(
        "service",
        vec![
            text("name", "Its name").always().default("mail"),
            text("criticality", "How much depends on it, such as gold or critical").always(),
            text("owner", "The user name of its owner"),
            text("support_team", "The name of the team that runs it"),
            text("state", "Where it is in its life").always().default("operational"),
        ],
    )
}

fn ci() -> FactSchema {
    FactSchema::new(
        "ci",
        vec![
            text("name", "Its name").always().default("srv-001"),
            text("class", "What it is, such as server, switch or database").always(),
            FieldSchema::new(
                "is_a",
                FieldType::TextList,
                "Its class, and the classes above it: switch, network_device, hardware",
            )
            .always()
            .default(Value::List(Arc::default())),
            text("environment", "Where it runs, such as production or test").always(),
            text("criticality", "How much depends on it, such as gold or critical").always(),
            text("state", "Where it is in its life").always().default("in_use"),
            text("owner", "The user name of its owner"),
            text("support_team", "The name of the team that looks after it"),
        ],
    )
}

/// The transition that a guard is asked about.
pub fn transition() -> Arc<FactSchema> {
    static TRANSITION: LazyLock<Arc<FactSchema>> = LazyLock::new(|| {
        let fields = vec![
            text("name", "The verb: resolve, cancel").always().default("update"),
            text("from", "The state before").always().default("new"),
            text("to", "The state after").always().default("new"),
            text("note", "What the person wrote to go with it"),
        ];
        Arc::new(FactSchema::new("transition", fields))
    });
    Arc::clone(&TRANSITION)
}

/// The moment at which an escalation is asked about.
pub fn moment() -> Arc<FactSchema> {
    static MOMENT: LazyLock<Arc<FactSchema>> = LazyLock::new(|| {
        let fields = vec![
            text(
                "cause",
                "Why it is asked: what was done to the record, or a clock that warns of its target or missed it",
            )
            .always()
            .choices(&["created", "reopened", "reassigned", "priority", "warning", "breach", "requested"])
            .default("created"),
            int("percent", "For a clock, how much of the target is used up"),
            text("metric", "For a clock, what its service level measures, such as response, resolution or update"),
            text("agreement", "For a clock, whom its target was promised to").choices(&["sla", "ola", "uc"]),
            text("service_level", "For a clock, the name of its service level"),
            FieldSchema::new("deadline", FieldType::Time, "For a clock, when its target ends"),
            int("repeats", "How often it was asked again for the same cause, by `again_in`").always().default(0),
        ];
        Arc::new(FactSchema::new("moment", fields))
    });
    Arc::clone(&MOMENT)
}
