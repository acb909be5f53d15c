//! What the decision log knows of a run: enough to explain it in a sentence and to run it again.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::{
    decision::{Decision, Effect, Placed, priority_of},
    evaluate::{Evaluation, Input, Outcome, evaluate},
    facts::FactSchema,
    host::{Host, Recorded},
    program::Program,
};
use crate::error::{Code, Error, Result};

/// Which version of which policy ran, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyRef {
    /// The id of the policy.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The number of the version.
    pub version: i64,
    /// The SHA-256 of the source, in hexadecimal.
    pub sha256: String,
    /// `live`, or `last_good` when the live version failed or its breaker is open.
    pub mode: String,
}

/// One run, as far as the engine knows it. Who caused it, and what was carried out, is added by who writes the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogEntry {
    /// The decision.
    pub decision: Decision,
    /// The policy.
    pub policy: PolicyRef,
    /// The number of the record, for sentences.
    pub record: Option<String>,
    /// The input; see [`Input::from_json`].
    pub input: Json,
    /// The SHA-256 of the input's JSON text, in hexadecimal.
    pub input_sha256: String,
    /// What came of it.
    #[serde(flatten)]
    pub evaluation: Evaluation,
}

impl LogEntry {
    /// Of a run on an input.
    pub fn new(decision: Decision, policy: PolicyRef, input: &Input, evaluation: Evaluation) -> LogEntry {
        // Facts are text, numbers and times: their JSON never fails.
        let json = serde_json::to_value(input).unwrap_or_default();
        let input_sha256 = hex::encode(Sha256::digest(json.to_string().as_bytes()));
        // A record that is being made has no number yet.
        let record = input.record.text("number").filter(|n| !n.is_empty()).map(str::to_owned);
        LogEntry { decision, policy, record, input: json, input_sha256, evaluation }
    }

    fn version(&self) -> String {
        format!("{} v{}", self.policy.name, self.policy.version)
    }
}

/// What a decision came to, in words.
fn result(decision: Decision, effects: &[Placed]) -> String {
    let said = || effects.iter().map(|p| &p.effect);
    match decision {
        Decision::Priority => {
            priority_of(said(), None).map_or("got no priority yet".to_owned(), |p| format!("got priority {p}"))
        }
        Decision::Routing => match said().find(|e| e.answers()) {
            Some(Effect::Leave) => "stayed where it was".to_owned(),
            Some(effect) => format!("went to {}", effect.gist()),
            None => format!("was told of ({})", said().map(Effect::gist).collect::<Vec<_>>().join(", ")),
        },
        Decision::Guard => {
            let refused: Vec<String> =
                said().filter(|e| matches!(e, Effect::Refuse { .. })).map(Effect::gist).collect();
            if refused.is_empty() { "was let through".to_owned() } else { format!("was {}", refused.join("; ")) }
        }
    }
}

/// Why a decision came out as it did, in a sentence: `INC0000012 went to service-desk because rule "Everything else"
/// (line 24 of routing v3) fitted; "Gold services" (line 12) did not: incident.service?.criticality == "gold" was false.`
pub fn explain(entry: &LogEntry) -> String {
    let (run, name) = (&entry.evaluation, entry.version());
    let record = entry.record.as_deref().unwrap_or("The record");
    let reason = match (run.outcome, &run.error) {
        (Outcome::Error, Some(e)) => return format!("{record} was not decided by {name}, which failed: {e}."),
        (Outcome::Limit, Some(e)) => {
            return format!("{record} was not decided by {name}, which went over a limit: {e}.");
        }
        (Outcome::Passed, _) => format!("{record} was left to the next policy by {name}: no rule fitted"),
        (Outcome::Ok | Outcome::Error | Outcome::Limit, _) => {
            format!("{record} {} because {}", result(entry.decision, &run.effects), fitted(run, &name))
        }
    };
    let missed: Vec<String> = run
        .rules
        .iter()
        .filter(|r| !r.fitted)
        .map(|r| format!("\"{}\" (line {}) did not: {} was false", r.name, r.line, r.because))
        .collect();
    if missed.is_empty() { format!("{reason}.") } else { format!("{reason}; {}.", missed.join("; ")) }
}

fn fitted(run: &Evaluation, name: &str) -> String {
    let rules: Vec<_> = run.rules.iter().filter(|r| r.fitted).collect();
    match &*rules {
        [] => {
            let line = run.effects.first().map_or(0, |e| e.line);
            format!("line {line} of {name} says so")
        }
        [rule] => format!("rule \"{}\" (line {} of {name}) fitted", rule.name, rule.line),
        many => {
            let each: Vec<String> = many.iter().map(|r| format!("\"{}\" (line {})", r.name, r.line)).collect();
            format!("the rules {} of {name} fitted", each.join(", "))
        }
    }
}

/// What a replay came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Replay {
    /// Whether effects, rules, outcome and error are the same.
    pub same: bool,
    /// The run now.
    pub evaluation: Evaluation,
}

/// Runs a logged decision again, on its recorded input and answers. The thread needs a stack of `runner::STACK`.
///
/// # Errors
/// The program isn't the logged version, or the input doesn't fit the schema.
pub fn replay(entry: &LogEntry, program: &Program, schema: &Arc<FactSchema>) -> Result<Replay> {
    if program.sha256() != entry.policy.sha256 {
        return Err(Error::new(Code::Conflict, format!("This is not the source that decided: {}.", entry.version())));
    }
    let input = Input::from_json(&entry.input, schema)?;
    let then = &entry.evaluation;
    let host: Arc<dyn Host> = Arc::new(Recorded::new(&then.host_calls));
    let now = evaluate(program, &input, &host);
    let same = now.outcome == then.outcome
        && now.effects == then.effects
        && now.rules == then.rules
        && now.error.as_ref().map(|e| (&e.code, e.line)) == then.error.as_ref().map(|e| (&e.code, e.line));
    Ok(Replay { same, evaluation: now })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{facts, functions::test_clock, library::Library, program::compile, runner::on_ample_stack};

    fn log(entry: &LogEntry) -> LogEntry {
        serde_json::from_str(&serde_json::to_string(entry).unwrap()).unwrap()
    }

    fn decided(decision: Decision, category: &str) -> (Program, LogEntry) {
        let library = Library::shipped().unwrap();
        let script = library.scripts.iter().find(|s| s.decision == decision).unwrap();
        let program = compile(&script.source, decision).unwrap();
        let host: Arc<dyn Host> = Arc::new(library.offline());
        let schema = facts::incident();
        let mut builder = facts::Facts::builder(&schema);
        builder.set("number", "INC0000012").unwrap().set("impact", 2).unwrap().set("urgency", 2).unwrap();
        builder.set("category", category).unwrap();
        let input = Input::new(builder.build(), test_clock()).transition(facts::transition().made_up());
        let evaluation = evaluate(&program, &input, &host);
        let of = PolicyRef {
            id: "p".into(),
            name: decision.spec().name.into(),
            version: 3,
            sha256: program.sha256().into(),
            mode: "live".into(),
        };
        let entry = LogEntry::new(decision, of, &input, evaluation);
        (program, entry)
    }

    #[test]
    fn a_replay_from_the_written_log_gives_the_same() {
        on_ample_stack(|| {
            for category in ["network", "gardening"] {
                for decision in [Decision::Priority, Decision::Routing, Decision::Guard] {
                    let (program, entry) = decided(decision, category);
                    let again = replay(&log(&entry), &program, &facts::incident()).unwrap();
                    assert!(again.same, "{:?}\n{:?}", again.evaluation, entry.evaluation);
                    assert_eq!(again.evaluation.host_calls, entry.evaluation.host_calls);
                }
            }
        })
        .unwrap();
    }

    #[test]
    fn a_replay_that_differs_says_so() {
        on_ample_stack(|| {
            let (program, mut entry) = decided(Decision::Routing, "network");
            entry.input["record"]["category"] = "gardening".into();
            assert!(!replay(&entry, &program, &facts::incident()).unwrap().same);
            entry.policy.sha256.clear();
            assert!(replay(&entry, &program, &facts::incident()).is_err());
        })
        .unwrap();
    }

    #[test]
    fn a_sentence_says_why() {
        on_ample_stack(|| {
            let (_, entry) = decided(Decision::Routing, "gardening");
            let sentence = explain(&entry);
            let start = "INC0000012 went to service-desk because rule \"Everything else\" (line ";
            assert!(sentence.starts_with(start), "{sentence}");
            assert!(sentence.contains("did not: is_critical(incident.service?.criticality) was false"), "{sentence}");
            let (_, entry) = decided(Decision::Priority, "gardening");
            let start = "INC0000012 got priority 3 because rule \"The matrix of impact and urgency\" (line ";
            assert!(explain(&entry).starts_with(start), "{}", explain(&entry));
        })
        .unwrap();
    }
}
