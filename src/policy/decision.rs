//! Which decisions policies make, and what they may say.
//!
//! **Invariant:** [`DECISIONS`] is the only list of decisions: another decision is another row (and a variant to name it).

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use utoipa::{
    ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

use crate::{
    clock::Length,
    practice,
    record::{approval::ask::OnDue, policies::decisions_of},
};

/// A decision that policies answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = DecisionName)]
pub enum Decision {
    /// How soon the record is worked on.
    Priority,
    /// Who works on it.
    Routing,
    /// Whether a transition may happen.
    Guard,
    /// Who has to know, and whether somebody else takes over.
    Escalation,
    /// How much may go wrong with a change.
    AssessRisk,
    /// Who approves of a change.
    Approve,
}

/// How the answers of several policies come together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The first policy that answers ends it.
    First,
    /// Every policy is asked and all answers count.
    Collect,
}

/// One row of the table of decisions.
#[derive(Debug, Serialize, ToSchema)]
pub struct DecisionSpec {
    /// Which decision.
    pub decision: Decision,
    /// Its name, which is also the folder in `rules/`.
    pub name: &'static str,
    /// The function that a script defines.
    pub function: &'static str,
    /// What the function is given, by what it means.
    pub arguments: &'static [&'static str],
    /// The functions that its scripts may call to say something.
    pub effects: &'static [&'static str],
    /// How several policies come together.
    pub mode: Mode,
    /// What is done when a policy and its last good version fail.
    pub fallback: Fallback,
    /// What happens when no policy says anything.
    pub undecided: &'static str,
    /// What it decides.
    pub doc: &'static str,
}

/// What the caller must do when no policy could answer because of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// Take the priority from the shipped matrix of impact and urgency.
    Matrix,
    /// Send it to the default queue and flag it.
    DefaultQueue,
    /// Refuse; the verdict holds the refusal, which names the policy.
    Refuse,
    /// Ask again later, and tell the administrators.
    AskAgain,
    /// Take the highest risk.
    Highest,
    /// Hold it, and ask who manages changes.
    AskManager,
}

/// Every decision.
pub const DECISIONS: &[DecisionSpec] = &[
    DecisionSpec {
        decision: Decision::Priority,
        name: "priority",
        function: "prioritise",
        arguments: &["record"],
        effects: &["priority", "at_least", "raise", "matrix"],
        mode: Mode::First,
        fallback: Fallback::Matrix,
        undecided: "the matrix of impact and urgency does",
        doc: "How soon it is worked on: when it is created and when impact, urgency, service or CI change",
    },
    DecisionSpec {
        decision: Decision::Routing,
        name: "routing",
        function: "route",
        arguments: &["record"],
        effects: &["assign", "assign_to", "notify", "leave"],
        mode: Mode::First,
        fallback: Fallback::DefaultQueue,
        undecided: "it stays where it is",
        doc: "Who works on it: when it is created, unassigned, on request, and when category, service, CI or priority change",
    },
    DecisionSpec {
        decision: Decision::Guard,
        name: "guard",
        function: "check",
        arguments: &["record", "transition"],
        effects: &["refuse", "allow"],
        mode: Mode::Collect,
        fallback: Fallback::Refuse,
        undecided: "it may happen",
        doc: "Whether a transition may happen: the record is given as the transition would leave it",
    },
    DecisionSpec {
        decision: Decision::Escalation,
        name: "escalation",
        function: "escalate",
        arguments: &["record", "moment"],
        effects: &["notify", "page", "assign", "raise", "escalate_to", "propose_major", "again_in", "leave"],
        mode: Mode::Collect,
        fallback: Fallback::AskAgain,
        undecided: "nobody is told",
        doc: "Who has to know: when it is created, handed over, reopened or gets another priority, at percentages of a service-level clock, and again when a policy says so",
    },
    DecisionSpec {
        decision: Decision::AssessRisk,
        name: "assess_risk",
        function: "assess_risk",
        arguments: &["record"],
        effects: &["risk"],
        mode: Mode::Collect,
        fallback: Fallback::Highest,
        undecided: "it is low",
        doc: "How much may go wrong: when it is created, and when its plans, times, conflicts, service, CI or team change. The highest that is said counts",
    },
    DecisionSpec {
        decision: Decision::Approve,
        name: "approve",
        function: "approvals",
        arguments: &["record"],
        effects: &["approve", "reject", "require", "review_afterwards"],
        mode: Mode::Collect,
        fallback: Fallback::AskManager,
        undecided: "who manages changes is asked",
        doc: "Who approves: when it comes to be authorised, and again when what was approved changes. Whoever is required is asked, one stage after the other; it is approved at once only where a policy says so and none requires or rejects anything",
    },
];

impl DecisionSpec {
    /// What it is made on beside the record: `transition`, `moment`.
    pub fn beside(&self) -> Option<&'static str> {
        self.arguments.get(1).copied()
    }
}

impl Decision {
    /// Its row in the table.
    pub fn spec(self) -> &'static DecisionSpec {
        // The test below holds that the order of rows is the order of the variants.
        &DECISIONS[self as usize]
    }
    /// The kinds of records about which it is asked. Where a script doesn't say which it is about, the first is meant.
    pub fn kinds(self) -> impl Iterator<Item = &'static str> {
        let kinds = practice::ALL.iter().map(|practice| practice.kind());
        kinds.filter(move |kind| decisions_of(kind).any(|name| name == self.spec().name)).map(|kind| kind.name)
    }
    /// The kind that is meant where nothing says which.
    pub fn first_kind(self) -> &'static str {
        // The test below holds that there is one.
        self.kinds().next().unwrap_or_default()
    }
    /// By name.
    pub fn named(name: &str) -> Option<Decision> {
        DECISIONS.iter().find(|d| d.name == name).map(|d| d.decision)
    }
}

/// The most urgent and the least urgent priority.
pub const PRIORITIES: std::ops::RangeInclusive<i64> = 1..=4;

/// One thing that a policy said. Whether and how it is carried out is for the write path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// The priority is this.
    #[schema(title = "PriorityEffect")]
    Priority {
        /// 1 comes first.
        priority: i64,
    },
    /// The priority is this or a more urgent one.
    #[schema(title = "AtLeastEffect")]
    AtLeast {
        /// 1 comes first.
        priority: i64,
    },
    /// The priority is this many steps more urgent.
    #[schema(title = "RaiseEffect")]
    Raise {
        /// How many steps.
        by: i64,
    },
    /// A team gets it.
    #[serde(rename = "assign")]
    #[schema(title = "AssignEffect")]
    AssignTeam {
        /// The name of the team.
        team: String,
    },
    /// A person gets it.
    #[serde(rename = "assign_to")]
    #[schema(title = "AssignToEffect")]
    AssignUser {
        /// The user name.
        user: String,
    },
    /// Someone is told.
    #[schema(title = "NotifyEffect")]
    Notify {
        /// A team or a user name.
        who: String,
    },
    /// Someone is told at once, whatever the hour, and is expected to answer.
    #[schema(title = "PageEffect")]
    Page {
        /// A team or a user name.
        who: String,
    },
    /// Someone further up is told, and is expected to answer.
    #[schema(title = "EscalateToEffect")]
    EscalateTo {
        /// How far up, from 1.
        level: i64,
        /// A team or a user name.
        who: String,
    },
    /// It is proposed as a major incident.
    #[schema(title = "ProposeMajorEffect")]
    ProposeMajor,
    /// The policies are asked again after a time, unless somebody answers before.
    #[schema(title = "AgainInEffect")]
    AgainIn {
        /// After how many seconds.
        seconds: i64,
    },
    /// It stays where it is.
    #[schema(title = "LeaveEffect")]
    Leave,
    /// The transition must not happen.
    #[schema(title = "RefuseEffect")]
    Refuse {
        /// The field that is wrong; empty when it is no field.
        field: String,
        /// What to tell the person.
        text: String,
    },
    /// Nothing is in the way.
    #[schema(title = "AllowEffect")]
    Allow,
    /// So much may go wrong.
    #[schema(title = "RiskEffect")]
    Risk {
        /// `low`, `medium` or `high`.
        level: String,
    },
    /// It is approved.
    #[schema(title = "ApproveEffect")]
    Approve,
    /// It is not approved.
    #[schema(title = "RejectEffect")]
    Reject {
        /// What to tell whoever wants it.
        text: String,
    },
    /// These people have to approve.
    #[schema(title = "RequireEffect")]
    Require {
        /// The name of the stage. What is required in one stage is asked at once, stages one after the other.
        stage: String,
        /// A team, a user name, `manager`, `ci_owner`, or `role:` and the name of a role.
        who: String,
        /// How many of them: `any`, `all`, a number, or a share such as `50%`.
        how_many: String,
        /// How long they have, as ISO 8601 writes it; empty for as long as they like.
        within: String,
        /// The calendar by whose open time that is counted; empty for all time.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        #[schema(required = false)]
        calendar: String,
        /// What becomes of the stage after that.
        #[serde(default, skip_serializing_if = "OnDue::is_usual")]
        #[schema(required = false)]
        on_due: OnDue,
    },
    /// A board looks at it after it was made.
    #[schema(title = "ReviewAfterwardsEffect")]
    ReviewAfterwards,
}

impl Effect {
    /// Whether it answers the decision, so that later policies need not be asked. The others only add to an answer.
    pub fn answers(&self) -> bool {
        match self {
            Effect::AtLeast { .. }
            | Effect::Raise { .. }
            | Effect::Notify { .. }
            | Effect::AgainIn { .. }
            | Effect::ReviewAfterwards => false,
            Effect::Priority { .. }
            | Effect::AssignTeam { .. }
            | Effect::AssignUser { .. }
            | Effect::Page { .. }
            | Effect::EscalateTo { .. }
            | Effect::ProposeMajor
            | Effect::Leave
            | Effect::Refuse { .. }
            | Effect::Risk { .. }
            | Effect::Approve
            | Effect::Reject { .. }
            | Effect::Require { .. }
            | Effect::Allow => true,
        }
    }
    /// How many bytes its words have.
    pub fn bytes(&self) -> usize {
        match self {
            Effect::AssignTeam { team: text }
            | Effect::AssignUser { user: text }
            | Effect::Notify { who: text }
            | Effect::Page { who: text }
            | Effect::Risk { level: text }
            | Effect::Reject { text }
            | Effect::EscalateTo { who: text, .. } => text.len(),
            Effect::Require { stage, who, how_many, within, calendar, on_due: _ } => {
                stage.len() + who.len() + how_many.len() + within.len() + calendar.len()
            }
            Effect::Refuse { field, text } => field.len() + text.len(),
            Effect::Priority { .. }
            | Effect::AtLeast { .. }
            | Effect::Raise { .. }
            | Effect::ProposeMajor
            | Effect::AgainIn { .. }
            | Effect::Leave
            | Effect::Approve
            | Effect::ReviewAfterwards
            | Effect::Allow => 0,
        }
    }
    /// What it comes to, in a few words, for explanations and tests.
    pub fn gist(&self) -> String {
        match self {
            Effect::Priority { priority } => format!("priority {priority}"),
            Effect::AtLeast { priority } => format!("at least priority {priority}"),
            Effect::Raise { by } => format!("raised by {by}"),
            Effect::AssignTeam { team } => team.clone(),
            Effect::AssignUser { user } => user.clone(),
            Effect::Notify { who } => format!("notify {who}"),
            Effect::Page { who } => format!("page {who}"),
            Effect::EscalateTo { level, who } => format!("level {level}: {who}"),
            Effect::ProposeMajor => "propose major".to_owned(),
            Effect::AgainIn { seconds } => format!("again in {}", Length(TimeDelta::seconds(*seconds))),
            Effect::Leave => "leave".to_owned(),
            Effect::Refuse { field, text } if field.is_empty() => format!("refused: {text}"),
            Effect::Refuse { field, text } => format!("refused ({field}): {text}"),
            Effect::Allow => "allow".to_owned(),
            Effect::Risk { level } => level.clone(),
            Effect::Approve => "approve".to_owned(),
            Effect::Reject { text } => format!("rejected: {text}"),
            Effect::Require { stage, who, how_many, .. } => format!("{stage}: {how_many} of {who}"),
            Effect::ReviewAfterwards => "review afterwards".to_owned(),
        }
    }
}

/// An effect and where in the script it was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// What was said.
    #[serde(flatten)]
    pub effect: Effect,
    /// The line of the script.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
}

/// Each effect with its place, not an effect and a place: generators of clients don't put a choice and an object together.
impl utoipa::PartialSchema for Placed {
    fn schema() -> RefOr<Schema> {
        let RefOr::T(Schema::OneOf(mut effects)) = Effect::schema() else { return Effect::schema() };
        effects.description = Some("An effect and where in the script it was said.".into());
        for effect in &mut effects.items {
            if let RefOr::T(Schema::Object(object)) = effect {
                object.title = object.title.take().map(|title| format!("Placed{title}"));
                for (name, doc) in
                    [("line", "The line of the script."), ("column", "The column, from 1, in characters.")]
                {
                    let number =
                        ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).description(Some(doc));
                    object.properties.insert(name.into(), number.into());
                    object.required.push(name.into());
                }
            }
        }
        Schema::OneOf(effects).into()
    }
}

impl ToSchema for Placed {}

/// The priority that effects come to: the last `Priority`, then raised, then at least as urgent as asked, within
/// [`PRIORITIES`]. Without a `Priority`, `base` is what the rest is applied to; nothing when there is neither.
pub fn priority_of<'a>(effects: impl IntoIterator<Item = &'a Effect>, base: Option<i64>) -> Option<i64> {
    let (mut priority, mut raised, mut ceiling) = (base, 0_i64, i64::MAX);
    for effect in effects {
        match effect {
            Effect::Priority { priority: p } => priority = Some(*p),
            Effect::Raise { by } => raised = raised.saturating_add(*by),
            Effect::AtLeast { priority } => ceiling = ceiling.min(*priority),
            Effect::AssignTeam { .. }
            | Effect::AssignUser { .. }
            | Effect::Notify { .. }
            | Effect::Page { .. }
            | Effect::EscalateTo { .. }
            | Effect::ProposeMajor
            | Effect::AgainIn { .. }
            | Effect::Leave
            | Effect::Refuse { .. }
            | Effect::Risk { .. }
            | Effect::Approve
            | Effect::Reject { .. }
            | Effect::Require { .. }
            | Effect::ReviewAfterwards
            | Effect::Allow => {}
        }
    }
    priority.map(|p| p.saturating_sub(raised).min(ceiling).clamp(*PRIORITIES.start(), *PRIORITIES.end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_decision_finds_its_own_row() {
        for (at, row) in DECISIONS.iter().enumerate() {
            assert_eq!(row.decision as usize, at);
            assert_eq!(Decision::named(row.name), Some(row.decision));
            assert_ne!(row.decision.first_kind(), "", "{}", row.name);
        }
    }

    #[test]
    fn the_priority_does_not_depend_on_the_order_of_raise_and_at_least() {
        let (p, r, a) = (Effect::Priority { priority: 4 }, Effect::Raise { by: 1 }, Effect::AtLeast { priority: 2 });
        for (effects, expected) in [
            (vec![&p], Some(4)),
            (vec![&r, &p], Some(3)),
            (vec![&p, &r], Some(3)),
            (vec![&a, &p], Some(2)),
            (vec![&p, &a, &r], Some(2)),
            (vec![&r, &r, &r, &r, &p], Some(1)),
            (vec![&a], None),
        ] {
            assert_eq!(priority_of(effects.iter().copied(), None), expected, "{effects:?}");
        }
        assert_eq!(priority_of([&a], Some(3)), Some(2));
    }

    #[test]
    fn effects_read_as_the_api_shows_them() {
        let assign = Placed { effect: Effect::AssignTeam { team: "network".into() }, line: 3, column: 9 };
        let json = serde_json::json!({"effect": "assign", "team": "network", "line": 3, "column": 9});
        assert_eq!(serde_json::to_value(&assign).unwrap(), json);
        assert_eq!(serde_json::from_value::<Placed>(json).unwrap(), assign);
    }
}
