//! The states of a change and the steps between them.

use crate::record::{
    kind::{Lifecycle, Phase, State, Step},
    need::{Case, Need},
};

/// Nobody has begun with it.
pub(super) const NEW: &str = "new";
/// What may go wrong is found out.
pub(super) const ASSESS: &str = "assess";
/// Others are asked whether it may be made.
pub(super) const AUTHORISE: &str = "authorise";
/// It may be made, and its time is agreed.
pub(super) const SCHEDULED: &str = "scheduled";
/// It is being made.
pub(super) const IMPLEMENT: &str = "implement";
/// It was made, for better or worse.
pub(super) const REVIEW: &str = "review";

/// The states in which others are asked, or have agreed.
pub(super) const ASKED: &[&str] = &[AUTHORISE, SCHEDULED];
/// The states in which what is approved can still be other.
pub(super) const BEFORE_WORK: &[&str] = &[NEW, ASSESS, AUTHORISE, SCHEDULED];

/// It did not go as planned.
const NOT_WELL: Case = Case { field: "result", holds: &["successful_with_issues", "failed", "backed_out"] };
/// Work had begun.
const BEGUN: Case = Case { field: "actual_start", holds: &[] };

const STATES: &[State] = &[
    State { name: NEW, label: "New", phase: Phase::Open },
    State { name: ASSESS, label: "Assess", phase: Phase::Open },
    State { name: AUTHORISE, label: "Authorise", phase: Phase::Waiting },
    State { name: SCHEDULED, label: "Scheduled", phase: Phase::Waiting },
    State { name: IMPLEMENT, label: "Implement", phase: Phase::Open },
    State { name: REVIEW, label: "Review", phase: Phase::Done },
    State { name: "closed", label: "Closed", phase: Phase::Closed },
    State { name: "cancelled", label: "Cancelled", phase: Phase::Cancelled },
];

const STEPS: &[Step] = &[
    Step {
        done: "assessment_begun",
        ..Step::new(
            ASSESS,
            "Assess",
            &[NEW, AUTHORISE, SCHEDULED],
            ASSESS,
            "Risk, plans and conflicts are looked at, for the first time or again.",
        )
    },
    Step {
        done: "authorisation_requested",
        ..Step::new(
            "request_authorisation",
            "Request authorisation",
            &[NEW, ASSESS],
            AUTHORISE,
            "The policies of the decision `approve` say who is asked, or agree by themselves. A normal change is assessed before.",
        )
    },
    Step {
        requires: &["planned_start", "planned_end"],
        needs_approval: true,
        ..Step::new(
            "schedule",
            "Schedule",
            &[NEW, AUTHORISE],
            SCHEDULED,
            "It may be made, and its time is agreed. A standard change comes here at once where the policies agree to it by themselves.",
        )
    },
    Step {
        requires: &["assignee_id"],
        done: "implementation_begun",
        needs_approval: true,
        ..Step::new(
            IMPLEMENT,
            "Implement",
            &[SCHEDULED],
            IMPLEMENT,
            "Work begins, and somebody makes it. An approval that no longer holds, because what was approved has changed or whoever gave it makes it, \
             is in the way.",
        )
    },
    Step {
        requires: &["result"],
        requires_when: &[Need {
            field: "result_notes",
            when: &[NOT_WELL],
            help: "`result_notes` say what went otherwise than planned.",
        }],
        accepts: &["result", "result_notes"],
        needs_tasks: true,
        done: "implemented",
        ..Step::new(
            "complete",
            "Complete",
            &[IMPLEMENT],
            REVIEW,
            "It was made, or tried. Says how it went; all tasks are done or skipped. What did not go well says more in `result_notes`.",
        )
    },
    Step {
        requires_when: &[Need {
            field: "review_notes",
            when: &[NOT_WELL, Case { field: "change_type", holds: &["emergency"] }],
            help: "`review_notes` say what was learned of a change that did not go well, or was an emergency.",
        }],
        accepts: &["review_notes"],
        ..Step::new(
            "close",
            "Close",
            &[REVIEW],
            "closed",
            "What was learned is written down: needed where it failed or was backed out, had issues, or was an emergency. A board that is to look at \
             it afterwards has done so.",
        )
    },
    Step {
        requires_when: &[
            Need {
                field: "result",
                when: &[BEGUN],
                help: "It was begun: say whether it was `backed_out`, or `failed`.",
            },
            Need {
                field: "result_notes",
                when: &[BEGUN],
                help: "`result_notes` say what was done, and how it was left.",
            },
        ],
        accepts: &["result", "result_notes"],
        ..Step::new(
            "cancel",
            "Cancel",
            &[NEW, ASSESS, AUTHORISE, SCHEDULED, IMPLEMENT],
            "cancelled",
            "It is not made. Of one that was begun, `result` says whether it was backed out or failed, and `result_notes` how it was left; one that \
             a board is to look at afterwards is completed instead.",
        )
    },
];

pub(super) const LIFECYCLE: Lifecycle = Lifecycle { initial: NEW, states: STATES, steps: STEPS };
