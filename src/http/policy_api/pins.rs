//! Pinned decisions: make one a test of its policy, look at how they fare, let go of one.

use std::{collections::HashSet, sync::Arc};

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{ToSchema, openapi::path::Parameter};

use super::{Bench, Studio, check_length, decisions::decision_id, declare::policy_id};
use crate::{
    clock::Moment,
    error::{Code, Error, Result},
    http::{
        body::Body,
        desk::{self, Call, Reply},
        endpoint::{Answer, Content, Endpoint, in_path, uuid},
        mount::Api,
        parameter::{dry_run, idempotency_key, reason},
        schema,
        sheet::{self, Sheet},
    },
    id::{RecordId, RowId, UserId},
    policy::{
        diagnostic::RunError,
        live::Live,
        pin::{PinRow, Pinned},
        program::compile,
        store::PolicyRow,
        testing::run_pins,
    },
    record::store::Desk,
};

/// What makes a decision a test of its policy.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPolicyPin {
    /// What is kept, for whoever reads that it is red.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// Why it has to stay so.
    #[serde(default)]
    #[schema(max_length = 1000)]
    comment: String,
}

/// A decision that was made once and must go on to come out as it did. Of a record that you may not see, or without the
/// permission `decision.read`, only its name and whether it is green are told: the rest is null.
#[derive(Debug, Serialize, ToSchema)]
struct PolicyPin {
    /// Its id; later pins have greater ones.
    id: RowId,
    /// What is kept.
    name: String,
    /// Why.
    comment: Option<String>,
    /// Whether the version that is live comes to the same; null while none is live.
    green: Option<bool>,
    /// Why it doesn't.
    error: Option<RunError>,
    /// The decision.
    decision_id: Option<RowId>,
    /// The record that it was about.
    record_id: Option<RecordId>,
    /// What it was made on.
    #[schema(value_type = Option<serde_json::Map<String, serde_json::Value>>)]
    input: Option<Value>,
    /// What was looked up, with the answers: they are given again. What was not asked then is answered as it is now.
    #[schema(value_type = Option<Vec<serde_json::Map<String, serde_json::Value>>>)]
    host_calls: Option<Value>,
    /// What it comes to, by field.
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    outcome: Option<Value>,
    /// Who pinned it.
    created_by: UserId,
    /// When.
    created_at: Moment,
}

pub(super) fn mount(api: &mut Api) {
    api.mount(create(), pin_decision).mount(list(), list_pins).mount(get(), get_pin).mount(delete(), delete_pin);
}

fn example() -> Value {
    json!({
        "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f", "name": "Mail of the board goes to the VIP desk",
        "comment": "Agreed with the board in March.", "green": true, "error": null,
        "decision_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70", "record_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e71",
        "input": {"record": {"category": "mail"}, "changed": {}, "transition": null, "now": "2026-03-02T08:15:00Z"},
        "host_calls": [{"function": "team_exists", "arguments": ["vip-desk"], "result": true}],
        "outcome": {"team": "vip-desk", "assignee": "", "notify": ""},
        "created_by": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e72", "created_at": "2026-03-05T16:40:00Z",
    })
}

fn create() -> Endpoint {
    Endpoint {
        summary: "Make a decision a test of its policy".into(),
        description: "Its input, what was looked up and what it came to are kept: every version of the policy has to come to the same, or it doesn't go live. Needs `decision.read` as well. A decision that failed can't be pinned, and a policy has 500 pins at most.".into(),
        parameters: vec![decision_id(), dry_run(), idempotency_key(), reason()],
        request: Some(Content::json(
            schema::schema::<NewPolicyPin>(),
            json!({"name": "Mail of the board goes to the VIP desk", "comment": "Agreed with the board in March."}),
        )),
        responses: vec![
            Answer::json(201, "It is pinned.", schema::schema::<PolicyPin>(), example())
                .header("Location", "Where it is."),
        ],
        problems: vec![Code::NotFound, Code::Invalid, Code::Conflict],
        ..Endpoint::new(Method::POST, "/api/v1/decisions/{id}/pin".into(), "pin_decision", "Decision", "policy.write")
    }
}

async fn pin_decision(
    call: Call,
    studio: web::Data<Studio>,
    id: web::Path<String>,
    Body(new): Body<NewPolicyPin>,
) -> Result<HttpResponse> {
    call.cause.caller.require("decision.read")?;
    check_length("/name", &new.name, 200)?;
    check_length("/comment", &new.comment, 1_000)?;
    if new.name.trim().is_empty() {
        return Err(Error::invalid("/name", "required", "Say what is kept."));
    }
    let body = serde_json::to_value(&new).map_err(Error::internal)?;
    let (pin, policy, shown) = studio.run(&call, move |bench| bench.pin(&id, &new)).await?;
    call.write(&body, move |desk| {
        pin.insert(desk.unit.connection()?)?;
        tell(desk, "pinned", &policy, &pin, true)?;
        let location = format!("/api/v1/policies/{}/pins/{}", policy.name, pin.id);
        Ok(Reply::created(location, shown.clone()))
    })
    .await
}

fn one(method: Method, rest: &str, id: &'static str, permission: &'static str) -> Endpoint {
    Endpoint {
        parameters: vec![policy_id()],
        responses: vec![Answer::json(200, "The pin.", schema::schema::<PolicyPin>(), example())],
        problems: vec![Code::NotFound],
        ..Endpoint::new(method, format!("/api/v1/policies/{{id}}/pins{rest}"), id, "Policy", permission)
    }
}

fn pin_id() -> Parameter {
    in_path("pin", "The id of the pin.", uuid(), "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f")
}

fn list() -> Endpoint {
    let [limit, cursor] = sheet::parameters();
    let page = sheet::shape("PolicyPin", schema::schema::<PolicyPin>());
    Endpoint {
        summary: "List the pins of a policy".into(),
        description: "The oldest first, and whether the version that is live comes to the same. Testing a version runs them with that one.".into(),
        parameters: vec![policy_id(), limit, cursor],
        responses: vec![
            Answer::json(200, "A page of pins.", page, json!({"items": [example()], "next_cursor": null}))
                .header("Link", "The `next` page (RFC 8288)."),
        ],
        problems: vec![Code::NotFound, Code::BadCursor],
        ..one(Method::GET, "", "list_policy_pins", "policy.read")
    }
}

async fn list_pins(
    call: Call,
    studio: web::Data<Studio>,
    id: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let sheet = Sheet::read(request.path(), desk::query(&request)?, 0)?;
    let (after, rows) = (sheet.after_id()?, sheet.rows());
    let found = studio
        .run(&call, move |bench| {
            bench.pins(&id, |connection, policy| PinRow::of_policy(connection, policy.id, after, rows))
        })
        .await?;
    let cut = sheet.cut(found, |pin| (Vec::new(), pin.id.to_string()))?;
    Ok(sheet.respond(&cut, None))
}

fn get() -> Endpoint {
    Endpoint {
        summary: "Read a pin".into(),
        description: "With whether the version that is live comes to the same.".into(),
        parameters: vec![policy_id(), pin_id()],
        ..one(Method::GET, "/{pin}", "get_policy_pin", "policy.read")
    }
}

async fn get_pin(call: Call, studio: web::Data<Studio>, path: web::Path<(String, RowId)>) -> Result<HttpResponse> {
    let (id, pin) = path.into_inner();
    let found =
        studio.run(&call, move |bench| bench.pins(&id, |c, policy| Ok(vec![PinRow::find(c, policy.id, pin)?]))).await?;
    let pin = found.into_iter().next().ok_or_else(|| Error::not_found("pin of this policy"))?;
    Ok(HttpResponse::Ok().json(pin))
}

fn delete() -> Endpoint {
    Endpoint {
        summary: "Let go of a pin".into(),
        description: "Versions may come to something else from now on. A pin never changes, so no `If-Match` is needed. To let go of pins in the moment in which a version goes live that comes to something else on purpose, name them in `supersede_pins` when you publish it.".into(),
        parameters: vec![policy_id(), pin_id(), dry_run(), reason()],
        responses: vec![Answer::empty(204, "It is gone.")],
        ..one(Method::DELETE, "/{pin}", "delete_policy_pin", "policy.write")
    }
}

async fn delete_pin(call: Call, path: web::Path<(String, RowId)>) -> Result<HttpResponse> {
    let (id, pin) = path.into_inner();
    call.write(&Value::Null, move |desk| {
        let connection = desk.unit.connection()?;
        let policy = PolicyRow::find(connection, &id)?;
        let pin = PinRow::find(connection, policy.id, pin)?;
        pin.delete(connection)?;
        tell(desk, "unpinned", &policy, &pin, false)?;
        Ok(Reply::empty())
    })
    .await
}

/// Lets go of pins because a version goes live that comes to something else on purpose.
pub(super) fn supersede(desk: &mut Desk<'_, '_>, policy: &PolicyRow, pins: &[RowId]) -> Result<()> {
    for (place, id) in pins.iter().enumerate() {
        let connection = desk.unit.connection()?;
        let unknown = |e: Error| match e.code == Code::NotFound {
            true => Error::invalid(format!("/supersede_pins/{place}"), "no_such_reference", e.detail),
            false => e,
        };
        let pin = PinRow::find(connection, policy.id, *id).map_err(unknown)?;
        pin.delete(connection)?;
        tell(desk, "pin_superseded", policy, &pin, false)?;
    }
    Ok(())
}

fn tell(desk: &mut Desk<'_, '_>, action: &str, policy: &PolicyRow, pin: &PinRow, is_there: bool) -> Result<()> {
    let change = |value: Value| if is_there { json!([null, value]) } else { json!([value, null]) };
    let told = json!({
        "pin": change(json!(pin.id)), "name": change(json!(pin.name)), "decision_id": change(json!(pin.decision_id)),
    });
    desk.tell(action, ("policy", policy.id.as_str(), policy.version), &told)
}

impl Bench {
    /// A decision as a pin of its policy, and how it is shown.
    fn pin(&self, id: &str, new: &NewPolicyPin) -> Result<(PinRow, PolicyRow, Value)> {
        let live = self.live()?;
        let (pin, policy) = self.database.read_here(|connection| {
            let (row, entry) = self.logged(connection, id)?;
            let made = (self.cause.caller.user, self.cause.at);
            let policy = row.policy_id.map(|id| PolicyRow::find(connection, id.as_str())).transpose()?;
            let kind = policy.as_ref().map(|policy| policy.kind.as_str()).unwrap_or_default();
            let schema = live.schemas().of(kind);
            let pin = PinRow::of(&row, &entry, schema, (new.name.trim(), &new.comment), made)?;
            let policy = policy.ok_or_else(|| Error::not_found("policy"))?;
            Ok((pin, policy))
        })?;
        let seen = HashSet::from([pin.record_id]);
        let shown = self.shown(&live, &policy, std::slice::from_ref(&pin), &seen)?.pop();
        Ok((pin, policy, serde_json::to_value(shown).map_err(Error::internal)?))
    }

    /// Pins of a policy, as the caller may see them.
    fn pins(
        &self,
        id: &str,
        find: impl FnOnce(&mut crate::db::AnyConnection, &PolicyRow) -> Result<Vec<PinRow>>,
    ) -> Result<Vec<PolicyPin>> {
        let live = self.live()?;
        let (policy, pins, seen) = self.database.read_here(|connection| {
            let policy = PolicyRow::find(connection, id)?;
            let pins = find(connection, &policy)?;
            let seen = self.sees(connection, pins.iter().map(|pin| pin.record_id).collect())?;
            Ok((policy, pins, seen))
        })?;
        self.shown(&live, &policy, &pins, &seen)
    }

    fn shown(
        &self,
        live: &Live,
        policy: &PolicyRow,
        pins: &[PinRow],
        seen: &HashSet<RecordId>,
    ) -> Result<Vec<PolicyPin>> {
        let (decision, host) = (policy.decision()?, self.policies.host(live));
        let build = policy.active_version.map(|n| self.database.read_here(|c| policy.version(c, n)?.build(c)));
        let build = build.transpose()?;
        let host = build.as_ref().map_or_else(|| host.clone(), |build| build.host(&host));
        let program = build.and_then(|build| compile(build.script, decision).ok()).map(Arc::new);
        let schema = live.schemas().of(&policy.kind);
        let pinned = pins.iter().map(|pin| Pinned::new(pin, decision, schema, &host, seen.contains(&pin.record_id)));
        let pinned = pinned.collect::<Result<Vec<_>>>()?;
        let mut results =
            program.map(|program| run_pins(&program, schema, &host, &pinned)).unwrap_or_default().into_iter();
        let shown = pins.iter().map(|pin| {
            let (result, shown) = (results.next(), seen.contains(&pin.record_id));
            let told = |json: &crate::db::JsonText| if shown { json.read().map(Some) } else { Ok(None) };
            Ok(PolicyPin {
                id: pin.id,
                name: pin.name.clone(),
                comment: shown.then(|| pin.comment.clone()),
                green: result.as_ref().map(|result| result.passed),
                error: result.and_then(|result| result.error).filter(|_| shown),
                decision_id: shown.then_some(pin.decision_id),
                record_id: shown.then_some(pin.record_id),
                input: told(&pin.input)?,
                host_calls: told(&pin.host_calls)?,
                outcome: told(&pin.outcome)?,
                created_by: pin.created_by,
                created_at: pin.created_at,
            })
        });
        shown.collect()
    }
}
