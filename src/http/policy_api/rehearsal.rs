//! What a rehearsal is made on, and what it would have written.

use std::sync::Arc;

use diesel::prelude::*;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{Bench, simulate::Simulation};
use crate::{
    db::AnyConnection,
    error::{Error, Result, did_you_mean},
    id::UserId,
    policy::{
        as_of,
        evaluate::Input,
        facts::{self, FactSchema, Facts, FieldType},
        gather,
        live::Live,
    },
    record::{
        cause::Cause,
        decide::{Effect, Question},
        escalation::occasion::REQUESTED,
        header::Header,
        input::{Accepted, Occasion, accept},
        kind::{Kind, Step},
        policies, store,
    },
    schema::user_account,
};

/// What would be written, in the words of scripts.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct Written {
    /// Fields that would change.
    write: Vec<WouldWrite>,
    /// Who would be told.
    notify: Vec<String>,
    /// Who would be called, and what else an escalation would do, in words.
    escalate: Vec<String>,
    /// What would become of its approval, in words.
    approve: Vec<String>,
    /// Why the transition would be refused.
    refuse: Vec<WouldRefuse>,
}

/// A field that would change.
#[derive(Debug, Serialize, ToSchema)]
struct WouldWrite {
    /// `priority`, `team`, `assignee` or `rule_risk`.
    field: &'static str,
    /// What it holds: a number or a name.
    #[schema(value_type = serde_json::Value)]
    from: Value,
    /// What it would hold.
    #[schema(value_type = serde_json::Value)]
    to: Value,
}

/// A refusal.
#[derive(Debug, Serialize, ToSchema)]
struct WouldRefuse {
    /// The field that is wrong; empty when it is no field.
    field: String,
    /// What the person is told.
    text: String,
}

impl Written {
    /// What effects do to a record as scripts see it.
    pub(super) fn of(
        connection: &mut AnyConnection,
        live: &Live,
        effects: &[Effect],
        record: &Map<String, Value>,
    ) -> Result<Self> {
        let mut written = Written::default();
        for effect in effects {
            match effect {
                Effect::Priority(n) => written.note("priority", record, json!(n)),
                Effect::Team(team) => written.note("team", record, json!(live.team_name(team.as_str()))),
                Effect::Assignee(user) => written.note("assignee", record, json!(user_name(connection, *user)?)),
                Effect::Notify(who) => written.notify.push(who.clone()),
                Effect::Page { .. }
                | Effect::Escalate { .. }
                | Effect::ProposeMajor
                | Effect::Again(_)
                | Effect::Unanswered(_) => {
                    written.escalate.push(policies::effect_text(effect));
                }
                Effect::Risk(risk) => written.note("rule_risk", record, json!(risk)),
                Effect::Approval(_) | Effect::ReviewAfterwards => written.approve.push(policies::effect_text(effect)),
                Effect::Refuse { field, text, .. } => {
                    written.refuse.push(WouldRefuse { field: field.clone(), text: text.clone() });
                }
            }
        }
        Ok(written)
    }

    fn note(&mut self, field: &'static str, record: &Map<String, Value>, to: Value) {
        let from = record.get(field).cloned().unwrap_or_default();
        if from != to {
            self.write.push(WouldWrite { field, from, to });
        }
    }
}

fn user_name(connection: &mut AnyConnection, id: UserId) -> Result<Option<String>> {
    Ok(user_account::table.find(id).select(user_account::user_name).first(connection).optional()?)
}

/// What the policies are given.
pub(super) fn input(bench: &Bench, connection: &mut AnyConnection, live: &Live, asked: &Simulation) -> Result<Input> {
    let input = without_moment(bench, connection, live, asked)?;
    if asked.decision.spec().beside() != Some("moment") {
        return Ok(input);
    }
    Ok(input.beside(moment(asked)?))
}

fn without_moment(bench: &Bench, connection: &mut AnyConnection, live: &Live, asked: &Simulation) -> Result<Input> {
    let cause = Cause { at: asked.at.or(asked.as_of).unwrap_or(bench.cause.at), ..Cause::clone(&bench.cause) };
    let kind = bench.kernel.practice(asked.kind())?.kind();
    match &asked.record {
        Value::String(id) => stored(bench, connection, live, asked, kind, &cause, id),
        Value::Object(given) => {
            if asked.changes.is_some() {
                let detail = "A made-up record is given as it would be; `changes` are for stored ones.";
                return Err(Error::invalid("/changes", "contradiction", detail));
            }
            if asked.as_of.is_some() {
                let detail = "A made-up record has no past; `as_of` is for stored ones.";
                return Err(Error::invalid("/as_of", "contradiction", detail));
            }
            let record = made_up(live.schemas().of(kind.name), given).map_err(|e| e.below("/record"))?;
            let from = record.text("state").unwrap_or_default().to_owned();
            let input = Input::new(record, cause.at);
            Ok(match transition(kind, asked, &from)? {
                Some(transition) => input.beside(transition),
                None => input,
            })
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            Err(Error::invalid("/record", "wrong_type", "`record` is an id, a number or an object."))
        }
    }
}

/// A stored record that the caller sees, with the changes that are supposed.
fn stored(
    bench: &Bench,
    connection: &mut AnyConnection,
    live: &Live,
    asked: &Simulation,
    kind: &'static Kind,
    cause: &Cause,
    id: &str,
) -> Result<Input> {
    let caller = &cause.caller;
    caller.require(&kind.permission("read"))?;
    let hidden = || Error::not_found(kind.name.replace('_', " "));
    let id = Header::id_of(connection, id)?.ok_or_else(hidden)?;
    let header = store::visible(&bench.kernel, connection, caller, kind, id)?;
    let practice = bench.kernel.practice(kind.name)?;
    let mut before = practice.render(connection, vec![header])?.pop().ok_or_else(hidden)?;
    if let Some(at) = asked.as_of {
        before = as_of::record(connection, before, at)?;
    }
    let transition = transition(kind, asked, before.get("state").and_then(Value::as_str).unwrap_or_default())?;
    let step = transition.as_ref().and_then(|t| kind.lifecycle.step(t.text("name")?));
    let record = changed(kind, step, &before, asked)?;
    let question = Question {
        decision: asked.decision.spec().name,
        kind,
        record: &record,
        before: Some(&before).filter(|b| **b != record),
        step: None,
        moment: None,
        only: &[],
        note: None,
        rehearsal: true,
        cause,
    };
    let input = match asked.as_of {
        None => gather::input(connection, live, &question)?,
        Some(at) => as_of::input(connection, live, &question, at)?,
    };
    Ok(match transition {
        Some(transition) => input.beside(transition),
        None => input,
    })
}

/// The record as it would be.
fn changed(
    kind: &'static Kind,
    step: Option<&'static Step>,
    before: &Map<String, Value>,
    asked: &Simulation,
) -> Result<Map<String, Value>> {
    let mut record = before.clone();
    if let Some(state) = step.and_then(|s| kind.lifecycle.state(s.to)) {
        record.insert("state".to_owned(), state.name.into());
        record.insert("phase".to_owned(), state.phase.as_str().into());
    }
    let Some(changes) = &asked.changes else { return Ok(record) };
    let occasion = step.map_or(Occasion::Change, Occasion::Step);
    let Accepted { fields, custom, tags, .. } =
        accept(kind, occasion, changes.clone()).map_err(|e| e.below("/changes"))?;
    if custom.is_some() {
        let detail = "Custom fields can't be supposed to be other than they are; make up a record.";
        return Err(Error::invalid("/changes/custom", "not_writable_here", detail));
    }
    record.extend(fields);
    if let Some(tags) = tags {
        record.insert("tags".to_owned(), json!(tags));
    }
    Ok(record)
}

/// The transition that is asked about: a step by its name, or made up.
fn transition(kind: &'static Kind, asked: &Simulation, from: &str) -> Result<Option<Facts>> {
    let given = match &asked.transition {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(name)) => json!({"name": name}),
        Some(given @ Value::Object(_)) => given.clone(),
        Some(_) => {
            return Err(Error::invalid(
                "/transition",
                "wrong_type",
                "`transition` is the name of a step or an object.",
            ));
        }
    };
    let name = given["name"].as_str().unwrap_or_default();
    let step = kind.lifecycle.step(name);
    if step.is_none() && given.get("to").is_none() {
        let near = did_you_mean(name, kind.lifecycle.steps.iter().map(|s| s.name));
        let detail = format!("A {} has no step `{name}`{near}.", kind.name);
        return Err(Error::invalid("/transition", "not_a_choice", detail));
    }
    let mut whole = json!({"from": from, "to": step.map(|s| s.to)});
    if let (Some(whole), Value::Object(given)) = (whole.as_object_mut(), given) {
        whole.extend(given);
    }
    Facts::from_json(&facts::transition(), &whole).map(Some).map_err(|e| e.below("/transition"))
}

/// Why an escalation is asked about: a cause by its name, or made up.
fn moment(asked: &Simulation) -> Result<Facts> {
    let given = match &asked.moment {
        None | Some(Value::Null) => json!({"cause": REQUESTED}),
        Some(Value::String(cause)) => json!({"cause": cause}),
        Some(given) => given.clone(),
    };
    let Value::Object(given) = given else {
        return Err(Error::invalid("/moment", "wrong_type", "`moment` is the name of a cause or an object."));
    };
    made_up(&facts::moment(), &given).map_err(|e| e.below("/moment"))
}

/// A made-up record: the defaults, with what is given.
fn made_up(schema: &Arc<FactSchema>, given: &Map<String, Value>) -> Result<Facts> {
    Facts::from_json(schema, &Value::Object(with_defaults(schema, given)?))
}

fn with_defaults(schema: &Arc<FactSchema>, given: &Map<String, Value>) -> Result<Map<String, Value>> {
    let mut whole = defaults(schema)?;
    for (name, value) in given {
        let nested =
            schema.field(name).and_then(|f| if let FieldType::Nested(inner) = &f.kind { Some(inner) } else { None });
        let value = match (nested, value) {
            (Some(inner), Value::Object(given)) => {
                let unknown = given.keys().find(|k| inner.index_of(k).is_none());
                if let Some(unknown) = unknown {
                    let pointer = format!("/{name}/{unknown}");
                    return Err(Error::invalid(pointer, "unknown_field", inner.unknown_field(unknown)));
                }
                Value::Object(with_defaults(inner, given)?)
            }
            _ => value.clone(),
        };
        whole.insert(name.clone(), value);
    }
    Ok(whole)
}

/// The defaults of a schema as JSON.
fn defaults(schema: &Arc<FactSchema>) -> Result<Map<String, Value>> {
    crate::record::render::object(&schema.made_up())
}
