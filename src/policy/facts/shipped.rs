//! The schemas that ship: an incident and what it refers to, and a transition.

use std::sync::{Arc, LazyLock};

use super::{FactSchema, FieldSchema, FieldType, Value};

/// The kinds of record that tests can make up: each is a function of that name. A new practice adds its own here.
pub const KINDS: &[&str] = &["incident", "transition", "moment"];

/// What decisions are made on beside the record.
pub fn all_beside() -> [Arc<FactSchema>; 2] {
    [transition(), moment()]
}

/// One of them, by the name of the argument.
pub fn beside(name: &str) -> Option<Arc<FactSchema>> {
    all_beside().into_iter().find(|schema| schema.name() == name)
}

fn text(name: &str, doc: &str) -> FieldSchema {
    FieldSchema::new(name, FieldType::Text, doc)
}
fn int(name: &str, doc: &str) -> FieldSchema {
    FieldSchema::new(name, FieldType::Int, doc)
}
fn nested(name: &str, schema: FactSchema, doc: &str) -> FieldSchema {
    FieldSchema::new(name, FieldType::Nested(Arc::new(schema)), doc)
}

/// An incident without custom fields.
pub fn incident() -> Arc<FactSchema> {
    incident_with(Vec::new())
}

/// An incident with the custom fields that administrators defined, under `custom`.
pub fn incident_with(custom: Vec<FieldSchema>) -> Arc<FactSchema> {
    let fields = identity().into_iter().chain(work()).chain(context(custom)).collect();
    Arc::new(FactSchema::new("incident", fields))
}

fn identity() -> Vec<FieldSchema> {
    vec![
        text("number", "The number, such as INC0000012").always().default("INC0000001"),
        text("title", "One line that says what is wrong").always().default("Something does not work"),
        text("description", "What the caller says, at most 4,000 bytes of it").always().default(""),
        text("category", "The category"),
        text("subcategory", "The subcategory"),
        text("type", "What kind of incident")
            .always()
            .choices(&["application", "hardware", "service", "security"])
            .default("application"),
        text("channel", "How it came in: phone, mail, portal, chat, walk_in, alert").always().default("portal"),
    ]
}

fn work() -> Vec<FieldSchema> {
    vec![
        text("state", "The state in the incident's lifecycle")
            .always()
            .choices(&["new", "in_progress", "on_hold", "resolved", "closed", "cancelled"])
            .default("new"),
        text("phase", "The phase shared by all records")
            .always()
            .choices(&["open", "waiting", "done", "closed", "cancelled"])
            .default("open"),
        int("impact", "1 is the widest").always().default(3),
        int("urgency", "1 is the most pressing").always().default(3),
        int("priority", "1 comes first; absent until it is decided"),
        text("team", "The name of the team that has it"),
        text("assignee", "The user name of the person who has it"),
        FieldSchema::new("opened_at", FieldType::Time, "When it was opened").always(),
        int("reassignment_count", "How often it changed team").always().default(0),
        int("reopen_count", "How often it was reopened").always().default(0),
        int("escalation_level", "How far up it was escalated; 0 while it was not").always().default(0),
        FieldSchema::new("escalated_at", FieldType::Time, "Since when an escalation waits for an answer"),
        text("major", "Where it stands as a major incident; absent where nobody proposed it")
            .choices(&["proposed", "accepted", "rejected"]),
        text("hold_reason", "Whom it waits for").choices(&["caller", "change", "problem", "supplier"]),
        text("resolution_code", "How it was resolved"),
        text("resolution_notes", "What was done, at most 4,000 bytes of it"),
        text("resolution_kind", "Whether it is resolved for good").choices(&["workaround", "permanent"]),
    ]
}

fn context(custom: Vec<FieldSchema>) -> Vec<FieldSchema> {
    let caller = Arc::new(caller());
    let made_up_caller = caller.made_up();
    vec![
        FieldSchema::new("caller", FieldType::Nested(caller), "The person it is for").default(made_up_caller),
        nested("service", service(), "The service it affects"),
        nested("ci", ci(), "The configuration item it affects"),
        FieldSchema::new("tags", FieldType::TextList, "Its tags").always().default(Value::List(Arc::default())),
        custom_field(custom),
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
            text("class", "What it is, such as server, network or database").always(),
            text("environment", "Where it runs, such as production or test").always(),
            text("state", "Where it is in its life").always().default("in_use"),
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
