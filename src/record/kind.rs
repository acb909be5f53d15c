//! What a kind of record is, as data: its names, its fields, its lifecycle and when policies are asked about it.
//!
//! Input checks, forms metadata, filters, sort orders, OpenAPI schemas and policy facts are all read from these tables, so
//! that a field is declared once.

use super::need::Need;

/// A kind of record.
#[derive(Debug)]
pub struct Kind {
    /// Singular, lower snake: `incident`. Also the name of its details table and the prefix of its permissions.
    pub name: &'static str,
    /// Plural, as in URLs: `incidents`.
    pub plural: &'static str,
    /// For people: `Incident`. Also the name of its OpenAPI schema.
    pub label: &'static str,
    /// Begins every number: `INC`.
    pub prefix: &'static str,
    /// What it is for, in a sentence or two, for whoever builds a portal.
    pub doc: &'static str,
    /// Fields of the header that this kind does not use.
    pub without: &'static [&'static str],
    /// Fields that stand in the details table.
    pub fields: &'static [Field],
    /// States and steps.
    pub lifecycle: Lifecycle,
    /// Which decisions are asked, and what makes them be asked again.
    pub decisions: &'static [Trigger],
    /// Whether every signed-in person may read the records, as catalogue data.
    pub public: bool,
}

/// A field of a record.
#[derive(Debug)]
pub struct Field {
    /// Name in JSON, in filters, in policies and of the column.
    pub name: &'static str,
    /// For people.
    pub label: &'static str,
    /// What it holds, for whoever builds a portal.
    pub doc: &'static str,
    /// What it may hold.
    pub holds: Holds,
    /// Who writes it, and when.
    pub write: Write,
    /// Whether it may be null.
    pub nullable: bool,
    /// Whether lists can be sorted by it. Sort keys are never null.
    pub sortable: bool,
}

/// What a field may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// One line of text, at most so many characters.
    Line(usize),
    /// Text of several lines, at most so many characters.
    Text(usize),
    /// A whole number from, to.
    Integer(i32, i32),
    /// A moment, RFC 3339.
    Time,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Id of a user.
    User,
    /// Id of a team.
    Team,
    /// Id of an organisation.
    Organisation,
    /// Id of a record of this kind.
    Record(&'static str),
    /// A set of words.
    Tags,
    /// Fields that administrators define.
    Custom,
    /// The name of a class that administrators keep for the kind.
    Class,
    /// What the class says that its records have.
    Attributes,
}

/// What the id in a field leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reference {
    /// A user.
    User,
    /// A team.
    Team,
    /// An organisation.
    Organisation,
    /// A record of this kind.
    Record(&'static str),
}

impl Holds {
    /// What it leads to, where it is an id.
    pub const fn reference(self) -> Option<Reference> {
        match self {
            Holds::User => Some(Reference::User),
            Holds::Team => Some(Reference::Team),
            Holds::Organisation => Some(Reference::Organisation),
            Holds::Record(of) => Some(Reference::Record(of)),
            Holds::Line(_)
            | Holds::Text(_)
            | Holds::Integer(..)
            | Holds::Time
            | Holds::Choice(_)
            | Holds::Tags
            | Holds::Custom
            | Holds::Class
            | Holds::Attributes => None,
        }
    }
}

/// Who writes a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// The server alone.
    Server,
    /// The caller, and it must be given when the record is made.
    Required,
    /// The caller, at any time.
    Caller,
    /// The caller, in the steps that accept it.
    Step,
}

/// States and steps of a kind.
#[derive(Debug)]
pub struct Lifecycle {
    /// The state of a new record.
    pub initial: &'static str,
    /// All states, in their usual order.
    pub states: &'static [State],
    /// All steps.
    pub steps: &'static [Step],
}

/// A state of a record.
#[derive(Debug)]
pub struct State {
    /// Lower snake: `in_progress`.
    pub name: &'static str,
    /// For people.
    pub label: &'static str,
    /// The phase that all kinds share.
    pub phase: Phase,
}

/// Where a record of any kind stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Somebody has to do something.
    Open,
    /// It waits for somebody or something else.
    Waiting,
    /// The work is done; it can still come back.
    Done,
    /// For ever.
    Closed,
    /// Given up.
    Cancelled,
}

/// A step from some states to another.
#[derive(Debug)]
pub struct Step {
    /// Imperative, also the last part of its URL and of its permission: `resolve`.
    pub name: &'static str,
    /// For people: the text of the button.
    pub label: &'static str,
    /// What it does.
    pub doc: &'static str,
    /// From these states.
    pub from: &'static [&'static str],
    /// To this state.
    pub to: &'static str,
    /// What has happened when it was taken, in the past tense, for events and the history. The state's name, if nothing is said.
    pub done: &'static str,
    /// Fields that must hold something afterwards.
    pub requires: &'static [&'static str],
    /// Fields that must hold something afterwards in some cases.
    pub requires_when: &'static [Need],
    /// Fields that it takes although they can't be written otherwise.
    pub accepts: &'static [&'static str],
    /// Whether the server alone takes it.
    pub automatic: bool,
    /// Whether every approval that stands has to be given, and one at least.
    pub needs_approval: bool,
    /// Whether all tasks have to be done or skipped.
    pub needs_tasks: bool,
}

/// A decision that policies take about a kind.
#[derive(Debug)]
pub struct Trigger {
    /// `priority`, `routing`, `guard`.
    pub decision: &'static str,
    /// A change of one of these asks again. On creation it is always asked, and routing also when a team is taken away.
    pub on_change_of: &'static [&'static str],
    /// Whoever agrees to one of these agrees to less of it, or to nothing, as well: that alone makes no approval void.
    pub eases: &'static [&'static str],
    /// It is asked in these states alone, and when the record comes into one of them from another; in all, where none is named.
    pub in_states: &'static [&'static str],
}

impl Trigger {
    /// Of a decision that no change asks again.
    pub const fn of(decision: &'static str) -> Trigger {
        Trigger { decision, on_change_of: &[], eases: &[], in_states: &[] }
    }
    /// Whether it is asked in a state.
    pub fn is_asked_in(&self, state: &str) -> bool {
        self.in_states.is_empty() || self.in_states.contains(&state)
    }
}

/// Through what a contact comes.
pub const CHANNELS: &[&str] = &["phone", "mail", "portal", "chat", "walk_in", "alert", "other"];

/// How much depends on a service or a thing.
pub const CRITICALITY: Field = Field::optional(
    "criticality",
    "Criticality",
    "How much depends on it.",
    Holds::Choice(&["gold", "silver", "bronze"]),
)
.never_null();

impl Step {
    /// A step that takes and needs nothing more.
    pub const fn new(
        name: &'static str,
        label: &'static str,
        from: &'static [&'static str],
        to: &'static str,
        doc: &'static str,
    ) -> Step {
        Step {
            name,
            label,
            doc,
            from,
            to,
            done: to,
            requires: &[],
            requires_when: &[],
            accepts: &[],
            automatic: false,
            needs_approval: false,
            needs_tasks: false,
        }
    }
}

impl Phase {
    /// All phases.
    pub const NAMES: &'static [&'static str] = &["open", "waiting", "done", "closed", "cancelled"];

    /// Lower snake.
    pub const fn as_str(self) -> &'static str {
        match self {
            Phase::Open => "open",
            Phase::Waiting => "waiting",
            Phase::Done => "done",
            Phase::Closed => "closed",
            Phase::Cancelled => "cancelled",
        }
    }
}

impl Lifecycle {
    /// The state of that name.
    pub fn state(&self, name: &str) -> Option<&'static State> {
        self.states.iter().find(|s| s.name == name)
    }
    /// The step of that name.
    pub fn step(&self, name: &str) -> Option<&'static Step> {
        self.steps.iter().find(|s| s.name == name)
    }
    /// The step from one state to another.
    pub fn step_between(&self, from: &str, to: &str) -> Option<&'static Step> {
        self.steps.iter().find(|s| s.to == to && s.from.contains(&from))
    }
}

impl Kind {
    /// Every field, header first, without those that this kind does not use.
    pub fn all_fields(&self) -> impl Iterator<Item = &'static Field> {
        HEADER.iter().filter(|f| !self.without.contains(&f.name)).chain(self.fields)
    }
    /// The field of that name.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.all_fields().find(|f| f.name == name)
    }
    /// Whether that field stands in the details table.
    pub fn is_detail(&self, name: &str) -> bool {
        self.fields.iter().any(|f| f.name == name)
    }
    /// Whether its records are of classes that administrators keep.
    pub fn has_classes(&self) -> bool {
        self.fields.iter().any(|f| f.holds == Holds::Class)
    }
    /// The permission for an action on this kind: `incident.resolve`.
    pub fn permission(&self, action: &str) -> String {
        format!("{}.{action}", self.name)
    }
    /// Every action that has a permission of its own.
    pub fn actions(&self) -> impl Iterator<Item = &'static str> {
        ["read", "create", "update", "comment", "work_note"]
            .into_iter()
            .chain(self.lifecycle.steps.iter().filter(|s| !s.automatic).map(|s| s.name))
    }
}

impl Field {
    /// A field that the caller may write at any time and leave empty.
    pub const fn optional(name: &'static str, label: &'static str, doc: &'static str, holds: Holds) -> Field {
        Field { name, label, doc, holds, write: Write::Caller, nullable: true, sortable: false }
    }
    /// Whether it refers to something else, which can be embedded.
    pub const fn is_reference(&self) -> bool {
        self.holds.reference().is_some()
    }
    /// A field that steps write.
    pub const fn by_step(name: &'static str, label: &'static str, doc: &'static str, holds: Holds) -> Field {
        Field { write: Write::Step, ..Field::optional(name, label, doc, holds) }
    }
    /// A field that the server writes.
    pub const fn by_server(name: &'static str, label: &'static str, doc: &'static str, holds: Holds) -> Field {
        Field { write: Write::Server, ..Field::optional(name, label, doc, holds) }
    }
    /// Whether a caller may write null: what holds several is then without any (RFC 7396).
    pub const fn can_be_emptied(&self) -> bool {
        self.nullable || matches!(self.holds, Holds::Tags | Holds::Custom | Holds::Attributes)
    }
    /// The same field, never null.
    #[must_use]
    pub const fn never_null(self) -> Field {
        Field { nullable: false, ..self }
    }
    /// The same field, to be given on creation.
    #[must_use]
    pub const fn required(self) -> Field {
        Field { write: Write::Required, nullable: false, ..self }
    }
    /// The same field, as a sort key.
    #[must_use]
    pub const fn sortable(self) -> Field {
        Field { sortable: true, nullable: false, ..self }
    }
    /// What it is called without the `_id` of a reference.
    pub fn short_name(&self) -> &'static str {
        self.name.strip_suffix("_id").unwrap_or(self.name)
    }
}

/// Longest title.
pub const TITLE: usize = 255;
/// Longest description.
pub const LONG: usize = 32_000;

/// The fields that every kind shares, in the order of the table `record`.
pub const HEADER: &[Field] = &[
    Field::by_server("id", "Id", "UUIDv7; ids sort by the time the record was made.", Holds::Line(36)).never_null(),
    Field::by_server("kind", "Kind", "Which kind of record it is.", Holds::Line(40)).never_null(),
    Field::by_server(
        "number",
        "Number",
        "What people call it: `INC0000001`. Works wherever an id does.",
        Holds::Line(40),
    )
    .sortable(),
    Field::by_server(
        "state",
        "State",
        "Where it stands in the lifecycle of its kind. Changed by transitions alone.",
        Holds::Line(40),
    )
    .sortable(),
    Field::by_server("phase", "Phase", "Where it stands, in words that all kinds share.", Holds::Choice(Phase::NAMES))
        .sortable(),
    Field::optional("title", "Title", "One line that says what it is about.", Holds::Line(TITLE)).required(),
    Field::optional("description", "Description", "The whole story.", Holds::Text(LONG)).never_null(),
    Field::optional(
        "organisation_id",
        "Organisation",
        "Whose it is. Taken from the requester, or else from the caller, when not given.",
        Holds::Organisation,
    )
    .never_null(),
    Field::optional("requester_id", "Requester", "Who needs it. The caller when not given.", Holds::User),
    Field::by_server("opened_by_id", "Opened by", "Who made the record.", Holds::User).never_null(),
    Field::optional("assignee_id", "Assignee", "Who works on it: a member of the team.", Holds::User),
    Field::optional(
        "team_id",
        "Team",
        "Which team has it. A routing policy decides when it is not given.",
        Holds::Team,
    ),
    Field {
        sortable: true,
        ..Field::by_server(
            "priority",
            "Priority",
            "1 is the most urgent. Decided by the priority policy.",
            Holds::Integer(1, 5),
        )
    },
    Field::optional("impact", "Impact", "How much is hit: 1 high, 2 medium, 3 low.", Holds::Integer(1, 3)).never_null(),
    Field::optional("urgency", "Urgency", "How soon it hurts: 1 high, 2 medium, 3 low.", Holds::Integer(1, 3))
        .never_null(),
    Field::optional("service_id", "Service", "The service that is hit.", Holds::Record("service")),
    Field::optional(
        "configuration_item_id",
        "Configuration item",
        "The configuration item that is hit; more of them are linked by `affects`.",
        Holds::Record("configuration_item"),
    ),
    Field::optional("planned_start", "Planned start", "When it is to begin.", Holds::Time),
    Field::optional("planned_end", "Planned end", "When it is to end.", Holds::Time),
    Field::optional("custom", "Custom fields", "The fields that administrators defined for this kind.", Holds::Custom)
        .never_null(),
    Field::optional("tags", "Tags", "A set of words, in order of the alphabet.", Holds::Tags).never_null(),
    Field::by_server(
        "version",
        "Version",
        "Rises with every change; the `ETag` is made of it.",
        Holds::Integer(1, i32::MAX),
    )
    .never_null(),
    Field::by_server("opened_at", "Opened", "When it was opened.", Holds::Time).sortable(),
    Field::by_server("updated_at", "Updated", "When it last changed.", Holds::Time).sortable(),
    Field::by_server("resolved_at", "Resolved", "When the work was done.", Holds::Time),
    Field::by_server("closed_at", "Closed", "When it was closed or cancelled.", Holds::Time),
    Field::by_server(
        "escalation_level",
        "Escalation level",
        "How far up it was escalated; 0 while it was not.",
        Holds::Integer(0, 9),
    )
    .never_null(),
    Field::by_server(
        "escalated_at",
        "Escalated",
        "Since when somebody who was called waits to be answered; null while nobody does.",
        Holds::Time,
    ),
];
