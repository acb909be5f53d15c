//! The fields of a change.

use crate::record::kind::{CRITICALITY, Field, Holds};

/// Done often, and agreed once and for all.
pub const STANDARD: &str = "standard";
/// Looked at and agreed by itself.
pub const NORMAL: &str = "normal";
/// Must be made at once.
pub const EMERGENCY: &str = "emergency";
/// The types of changes.
pub const TYPES: &[&str] = &[NORMAL, EMERGENCY, STANDARD];
/// How much may go wrong, from little to much.
pub const RISKS: &[&str] = &["low", "medium", "high"];
/// How it went.
pub const RESULTS: &[&str] = &["failed", "backed_out", "successful_with_issues", "successful"];
/// Whether a board looks at it after it was made.
pub const CAB_REVIEWS: &[&str] = &["due", "done"];

/// The longest plan, in characters.
const PLAN: usize = 16_000;

pub(super) const FIELDS: &[Field] = &[
    Field::optional(
        "change_type",
        "Type",
        "A `standard` change is done often and agreed once and for all; a `normal` one is assessed and authorised; an `emergency` must be made at \
         once, and begins where it is authorised. Fixed once the change has left `new`.",
        Holds::Choice(TYPES),
    )
    .required(),
    Field::optional(
        "model",
        "Model",
        "The name of the model that it is made by: it brings fields and tasks along. Given when the change is made.",
        Holds::Line(100),
    ),
    Field::optional("justification", "Justification", "Why it is worth it.", Holds::Text(8_000)),
    Field::by_server(
        "risk",
        "Risk",
        "How much may go wrong: the higher of what the policies of `assess_risk` and the questionnaire say.",
        Holds::Choice(RISKS),
    )
    .never_null(),
    Field::by_server("rule_risk", "Risk by rules", "What the policies of `assess_risk` say.", Holds::Choice(RISKS)),
    Field::by_server(
        "questionnaire_risk",
        "Risk by questionnaire",
        "What the weighted answers come to; null as long as nothing is answered.",
        Holds::Choice(RISKS),
    ),
    Field::by_server(
        "team_failures",
        "Failures of the team",
        "How many of a hundred changes of its team, or of the one that it had before, failed or were backed out in the year before it was last judged.",
        Holds::Integer(0, 100),
    )
    .never_null(),
    Field::optional("implementation_plan", "Implementation plan", "How it is made, step by step.", Holds::Text(PLAN)),
    Field::optional("backout_plan", "Back-out plan", "How it is undone, and who decides that.", Holds::Text(PLAN)),
    Field::optional("test_plan", "Test plan", "How it is seen that it works.", Holds::Text(PLAN)),
    Field::optional("communication_plan", "Communication plan", "Who is told what, and when.", Holds::Text(PLAN)),
    Field::optional("outage_start", "Outage from", "When users begin to notice it; null where they don't.", Holds::Time),
    Field::optional("outage_end", "Outage until", "When users notice it no longer.", Holds::Time),
    Field::by_server(
        "conflict_count",
        "Conflicts",
        "How many conflicts it had with other changes, windows and people when it was last planned, or when others moved since.",
        Holds::Integer(0, i32::MAX),
    )
    .never_null(),
    Field::by_server(
        "blackout",
        "Blackout",
        "The blackout that it fell into when it was last planned, or when windows changed since: its name, or of what it is where it is not of everything; null for \
         none.",
        Holds::Line(100),
    ),
    Field::by_server("actual_start", "Begun", "When work began.", Holds::Time),
    Field::by_server("actual_end", "Ended", "When it was made, or undone.", Holds::Time),
    Field::by_step("result", "Result", "How it went.", Holds::Choice(RESULTS)),
    Field::by_step("result_notes", "Notes on the result", "What went otherwise than planned.", Holds::Text(8_000)),
    Field::by_server(
        "cab_review",
        "Review by the board",
        "Whether a change advisory board is to look at it after it was made, and has done so; null where none is.",
        Holds::Choice(CAB_REVIEWS),
    ),
    Field::by_step("review_notes", "Review", "What was learned of it.", Holds::Text(8_000)),
    Field::by_server("reviewed_at", "Reviewed", "When it was closed with a review.", Holds::Time),
    Field::by_server(
        "criticality",
        "Criticality",
        "How much depends on it: the highest criticality of the services and configuration items that it touches, and of those that would be hit \
         while what it touches is down; null where there are none. As of when it was last planned.",
        CRITICALITY.holds,
    ),
];
