//! The states of a problem and the steps between them.

use crate::record::kind::{Lifecycle, Phase, State, Step};

const STATES: &[State] = &[
    State { name: "new", label: "New", phase: Phase::Open },
    State { name: "assess", label: "Assess", phase: Phase::Open },
    State { name: "root_cause_analysis", label: "Root cause analysis", phase: Phase::Open },
    State { name: "fix_in_progress", label: "Fix in progress", phase: Phase::Open },
    State { name: "resolved", label: "Resolved", phase: Phase::Done },
    State { name: "closed", label: "Closed", phase: Phase::Closed },
];

const STEPS: &[Step] = &[
    Step {
        done: "assessment_begun",
        ..Step::new(
            "assess",
            "Assess",
            &["new"],
            "assess",
            "Somebody looks at how much it hurts, and whether it is worth it.",
        )
    },
    Step {
        done: "analysis_begun",
        ..Step::new("analyse", "Analyse", &["assess"], "root_cause_analysis", "Its cause is looked for.")
    },
    Step {
        requires: &["cause"],
        accepts: &["cause"],
        done: "fix_begun",
        ..Step::new(
            "fix",
            "Fix",
            &["root_cause_analysis"],
            "fix_in_progress",
            "The cause is known, and is being removed: as a rule by a change.",
        )
    },
    Step {
        requires: &["resolution_notes"],
        accepts: &["resolution_notes"],
        ..Step::new(
            "resolve",
            "Resolve",
            &["fix_in_progress"],
            "resolved",
            "The cause is gone: changes that fix it are done, or were given up.",
        )
    },
    Step {
        done: "returned_to_fix",
        ..Step::new(
            "return_to_fix",
            "Return to fix",
            &["resolved"],
            "fix_in_progress",
            "It happened again: the cause is not gone, after all.",
        )
    },
    Step::new("close", "Close", &["resolved"], "closed", "It has stayed away."),
    Step {
        requires: &["resolution_notes"],
        accepts: &["resolution_notes"],
        done: "risk_accepted",
        ..Step::new(
            "accept_risk",
            "Accept the risk",
            &["assess", "root_cause_analysis", "fix_in_progress"],
            "closed",
            "It is lived with; `resolution_notes` say why. A known error goes on to be found.",
        )
    },
];

pub(super) const LIFECYCLE: Lifecycle = Lifecycle { initial: "new", states: STATES, steps: STEPS };
