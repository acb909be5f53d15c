//! The states of an incident and the steps between them.

use crate::record::kind::{Lifecycle, Phase, State, Step};

const STATES: &[State] = &[
    State { name: "new", label: "New", phase: Phase::Open },
    State { name: "in_progress", label: "In progress", phase: Phase::Open },
    State { name: "on_hold", label: "On hold", phase: Phase::Waiting },
    State { name: "resolved", label: "Resolved", phase: Phase::Done },
    State { name: "closed", label: "Closed", phase: Phase::Closed },
    State { name: "cancelled", label: "Cancelled", phase: Phase::Cancelled },
];

const STEPS: &[Step] = &[
    Step {
        done: "started",
        ..Step::new("start", "Start work", &["new"], "in_progress", "Work begins. Flows down to child incidents.")
    },
    Step {
        requires: &["hold_reason"],
        accepts: &["hold_reason"],
        ..Step::new(
            "hold",
            "Put on hold",
            &["in_progress", "on_hold"],
            "on_hold",
            "It waits for the caller, a change, a problem or a supplier. Holding for the caller needs a public `comment`, and the caller's next comment resumes it. Flows down to child incidents, except when it waits for the caller.",
        )
    },
    Step {
        done: "resumed",
        ..Step::new("resume", "Resume", &["on_hold"], "in_progress", "What it waited for has come.")
    },
    Step {
        requires: &["resolution_code", "resolution_notes", "resolution_kind"],
        accepts: &["resolution_code", "resolution_notes", "resolution_kind"],
        ..Step::new(
            "resolve",
            "Resolve",
            &["new", "in_progress", "on_hold"],
            "resolved",
            "The service is restored. Says how, and whether for good. Flows down to child incidents and duplicates. It closes by itself after some days.",
        )
    },
    Step {
        done: "reopened",
        ..Step::new("reopen", "Reopen", &["resolved", "closed"], "in_progress", "It was not resolved after all.")
    },
    Step::new(
        "close",
        "Close",
        &["resolved"],
        "closed",
        "The caller is content, or has said nothing for some days. Does not flow down.",
    ),
    Step::new(
        "cancel",
        "Cancel",
        &["new", "in_progress", "on_hold"],
        "cancelled",
        "It was no incident, or is no longer wanted.",
    ),
];

pub(super) const LIFECYCLE: Lifecycle = Lifecycle { initial: "new", states: STATES, steps: STEPS };
