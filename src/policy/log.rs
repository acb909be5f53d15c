//! What the decision log knows of a run: enough to explain it in a sentence and to run it again.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::{
    chain::{PolicyRef, Run},
    decision::{Decision, Effect, Placed, priority_of},
    evaluate::{Evaluation, Input, Outcome, evaluate},
    facts::FactSchema,
    host::{Host, Recorded},
    program::Program,
};
use crate::{
    db::JsonText,
    error::{Code, Error, Result},
};

/// What a decision was made on, as the log keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedInput {
    /// Its JSON; see [`Input::from_json`].
    pub text: JsonText,
    /// The SHA-256 of that text, in hexadecimal.
    pub sha256: String,
}

impl LoggedInput {
    /// Of an input.
    ///
    /// # Errors
    /// None: facts are text, numbers and times.
    pub fn of(input: &Input) -> Result<LoggedInput> {
        let text = JsonText::of(input)?;
        let sha256 = hex::encode(Sha256::digest(text.as_str().as_bytes()));
        Ok(LoggedInput { text, sha256 })
    }
}

/// A decision that was logged: enough to explain it and to make it again.
#[derive(Clone, Debug, PartialEq)]
pub struct LogEntry {
    /// The decision.
    pub decision: Decision,
    /// The number of the record, for sentences; a record that was being made had none yet.
    pub record: Option<String>,
    /// What it was made on.
    pub input: Json,
    /// Who decided, and what came of it.
    pub run: Run,
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
            None => format!("was told of ({})", gists(said())),
        },
        Decision::Escalation => match said().all(|effect| *effect == Effect::Leave) {
            true => "was left as it is".to_owned(),
            false => format!("was escalated ({})", gists(said())),
        },
        Decision::AssessRisk => format!("was found to be of risk {}", gists(said())),
        Decision::Approve => match said().any(|effect| matches!(effect, Effect::Require { .. })) {
            true => format!("needs the approval of ({})", gists(said())),
            false => format!("was decided on ({})", gists(said())),
        },
        Decision::Guard => {
            let refused: Vec<String> =
                said().filter(|e| matches!(e, Effect::Refuse { .. })).map(Effect::gist).collect();
            if refused.is_empty() { "was let through".to_owned() } else { format!("was {}", refused.join("; ")) }
        }
    }
}

fn gists<'a>(said: impl Iterator<Item = &'a Effect>) -> String {
    said.map(Effect::gist).collect::<Vec<_>>().join(", ")
}

fn version(policy: &PolicyRef) -> String {
    format!("{} v{}", policy.name, policy.version)
}

/// Why a decision came out as it did, in a sentence: `INC0000012 went to service-desk because rule "Everything else"
/// (line 24 of routing v3) fitted; "Gold services" (line 12) did not: incident.service?.criticality == "gold" was false.`
/// `record` is the number of the record, which one that is being made has not yet.
pub fn explain(decision: Decision, record: Option<&str>, run: &Run) -> String {
    let (run, name) = (&run.evaluation, version(&run.policy));
    let record = record.unwrap_or("The record");
    if let Some(error) = run.error.as_ref().filter(|_| !run.was_asked()) {
        return format!("{record} was not decided by {name}, which was not asked: {}.", error.message);
    }
    let reason = match (run.outcome, &run.error) {
        (Outcome::Error, Some(e)) => return format!("{record} was not decided by {name}, which failed: {e}."),
        (Outcome::Limit, Some(e)) => {
            return format!("{record} was not decided by {name}, which went over a limit: {e}.");
        }
        (Outcome::Passed, _) => format!("{record} was left to the next policy by {name}: no rule fitted"),
        (Outcome::Ok | Outcome::Error | Outcome::Limit | Outcome::Loop, _) => {
            format!("{record} {} because {}", result(decision, &run.effects), fitted(run, &name))
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
    if program.sha256() != entry.run.policy.sha256 {
        return Err(Error::new(
            Code::Conflict,
            format!("This is not the source that decided: {}.", version(&entry.run.policy)),
        ));
    }
    let input = Input::from_json(&entry.input, schema)?;
    let then = &entry.run.evaluation;
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

    /// As it is read back from what was written.
    fn log(entry: &LogEntry) -> LogEntry {
        let evaluation = serde_json::from_value(serde_json::to_value(&entry.run.evaluation).unwrap()).unwrap();
        LogEntry { run: Run { evaluation, ..entry.run.clone() }, ..entry.clone() }
    }

    fn decided(decision: Decision, category: &str) -> (Program, LogEntry) {
        let library = Library::shipped().unwrap();
        let script = library.scripts.iter().find(|s| s.decision == decision).unwrap();
        let program = compile(library.linked(script), decision).unwrap();
        let host: Arc<dyn Host> = Arc::new(library.offline());
        let schema = facts::incident();
        let mut builder = facts::Facts::builder(&schema);
        builder.set("number", "INC0000012").unwrap().set("impact", 2).unwrap().set("urgency", 2).unwrap();
        builder.set("category", category).unwrap();
        let input = Input::new(builder.build(), test_clock()).beside(facts::transition().made_up());
        let evaluation = evaluate(&program, &input, &host);
        let policy = Arc::new(PolicyRef {
            id: "p".into(),
            name: decision.spec().name.into(),
            version: 3,
            sha256: program.sha256().into(),
            mode: "live".into(),
        });
        let logged = LoggedInput::of(&input).unwrap().text.read().unwrap();
        let record = Some("INC0000012".to_owned());
        (program, LogEntry { decision, record, input: logged, run: Run { policy, evaluation } })
    }

    #[test]
    fn a_replay_from_the_written_log_gives_the_same() {
        on_ample_stack(|| {
            for category in ["network", "gardening"] {
                for decision in [Decision::Priority, Decision::Routing, Decision::Guard] {
                    let (program, entry) = decided(decision, category);
                    let again = replay(&log(&entry), &program, &facts::incident()).unwrap();
                    assert!(again.same, "{:?}\n{:?}", again.evaluation, entry.run.evaluation);
                    assert_eq!(again.evaluation.host_calls, entry.run.evaluation.host_calls);
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
            Arc::make_mut(&mut entry.run.policy).sha256.clear();
            assert!(replay(&entry, &program, &facts::incident()).is_err());
        })
        .unwrap();
    }

    #[test]
    fn a_sentence_says_why() {
        on_ample_stack(|| {
            let (_, entry) = decided(Decision::Routing, "gardening");
            let sentence = explain(entry.decision, entry.record.as_deref(), &entry.run);
            let start = "INC0000012 went to service-desk because rule \"Everything else\" (line ";
            assert!(sentence.starts_with(start), "{sentence}");
            assert!(sentence.contains("did not: is_critical(incident.service?.criticality) was false"), "{sentence}");
            let (_, entry) = decided(Decision::Priority, "gardening");
            let start = "INC0000012 got priority 3 because rule \"The matrix of impact and urgency\" (line ";
            let sentence = explain(entry.decision, entry.record.as_deref(), &entry.run);
            assert!(sentence.starts_with(start), "{sentence}");
        })
        .unwrap();
    }
}
