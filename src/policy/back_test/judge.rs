//! One decision, made by both sides.

use std::{collections::BTreeMap, sync::Arc};

use super::{asked::Asked, history::Case};
use crate::{
    error::Result,
    policy::{
        chain::{self, Bundle, PolicyRef, Verdict},
        decision::Decision,
        evaluate::Input,
        facts::FactSchema,
        host::Host,
        log::explain,
        outcome::{self, Outcome},
    },
};

/// Makes decisions again, with what was live and with the candidate.
pub struct Judge {
    decision: Decision,
    before: Bundle,
    after: Bundle,
    host: Arc<dyn Host>,
    schema: Arc<FactSchema>,
}

/// What one decision came to on each side.
pub struct Judged {
    /// The input.
    pub input: Input,
    /// With what was live.
    pub before: Side,
    /// With the candidate.
    pub after: Side,
}

/// What a decision came to.
pub struct Side {
    /// Field by field.
    pub outcome: Arc<Outcome>,
    /// How.
    pub verdict: Verdict,
}

impl Judge {
    /// Of two sides.
    pub fn new(asked: &Asked, before: Bundle, after: Bundle, host: Arc<dyn Host>, schema: Arc<FactSchema>) -> Judge {
        Judge { decision: asked.decision, before, after, host, schema }
    }

    /// The decision that is made.
    pub fn decision(&self) -> Decision {
        self.decision
    }

    /// Makes a decision again. The thread needs a stack of `runner::STACK`.
    ///
    /// # Errors
    /// The input has fields that there are no more.
    pub fn judge(&self, case: &Case) -> Result<Judged> {
        let input = Input::from_text(&case.input, &self.schema)?;
        let [before, after] =
            [&self.before, &self.after].map(|bundle| chain::decide(bundle, self.decision, &input, &self.host));
        let outcome = |verdict| Arc::new(outcome::of(self.decision, verdict, &input.record));
        let first = outcome(&before);
        // Nearly always both say the same, and what that comes to depends on nothing else.
        let second = if after.says_as(&before) { Arc::clone(&first) } else { outcome(&after) };
        let (before, after) = (Side { outcome: first, verdict: before }, Side { outcome: second, verdict: after });
        Ok(Judged { input, before, after })
    }

    /// The names and lines of the candidate's rules, in the order of the source.
    pub fn rules(&self) -> impl Iterator<Item = (&str, usize)> {
        let candidate = self.after.all().find(|policy| policy.is_in_mode(CANDIDATE));
        candidate
            .into_iter()
            .flat_map(|policy| policy.active.program.rules().iter().map(|rule| (&*rule.name, rule.line)))
    }
}

/// What runs of the candidate are told to be.
pub const CANDIDATE: &str = "candidate";

impl Judged {
    /// The number of the record; one that was being made had none yet.
    pub fn number(&self) -> Option<&str> {
        self.input.record.text("number").filter(|number| !number.is_empty())
    }

    /// The fields in which both sides differ: before and after.
    pub fn differences(&self) -> BTreeMap<&'static str, [&str; 2]> {
        let (before, after) = (&self.before.outcome, &self.after.outcome);
        if Arc::ptr_eq(before, after) { BTreeMap::new() } else { outcome::differences(before, after) }
    }
}

impl Side {
    /// Why it came to that, in a sentence for each policy that was asked.
    pub fn why(&self, decision: Decision, number: Option<&str>) -> String {
        let sentences: Vec<String> = self.verdict.runs.iter().map(|run| explain(decision, number, run)).collect();
        match sentences.is_empty() {
            true => "No policy was asked.".to_owned(),
            false => sentences.join(" "),
        }
    }

    /// What went wrong, of which policy.
    pub fn errors(&self) -> impl Iterator<Item = (&PolicyRef, String)> {
        let failed = self.verdict.runs.iter().filter_map(|run| Some((&*run.policy, run.evaluation.error.as_ref()?)));
        // What a script says of an error may tell what a record holds, and the report is read by those who don't see it.
        failed.map(|(policy, error)| (policy, format!("{} in line {}", error.code, error.line)))
    }
}
