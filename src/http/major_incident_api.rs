//! Major incidents: proposing, accepting and rejecting them; who leads; the timeline; the review and its actions.

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde_json::{Value, json};

use super::{
    body::{Body, fit},
    desk::{Call, Reply, record_id_of},
    endpoint::{Access, Answer, Content, Endpoint, in_path, uuid},
    mount::Api,
    parameter::{dry_run, idempotency_key, if_match, reason},
    record_api::{beside, visible},
    schema::schema,
    sheet::{self, under},
};
use crate::{
    error::{Code, Error, Result},
    id::{RecordId, RowId},
    practice::incident::{
        IncidentPractice,
        major::{
            PERMISSION, act,
            input::{Acceptance, MajorIncidentChange, NewReviewAction, NewTimelineEntry, ReviewActionChange},
            row::EntryRow,
            shown::{MajorIncident, TimelineEntry},
        },
    },
    record::{
        journal::WORK_NOTE,
        kind::Kind,
        practice::Practice,
        query::cursor::Key,
        store::{Desk, Outcome},
    },
};

const INCIDENT: &Kind = &IncidentPractice::KIND;

/// Mounts them.
pub fn mount(api: &mut Api) {
    api.mount(get(), get_major);
    api.mount(verb("propose", "incident.update", PROPOSE), |call, id| step(call, id, act::propose));
    api.mount(accept(), accept_major);
    api.mount(verb("reject", PERMISSION, REJECT), |call, id| step(call, id, act::reject));
    api.mount(change(), change_major);
    api.mount(list_timeline(), timeline);
    api.mount(tell(), tell_timeline);
    api.mount(add_action(), agree_action);
    api.mount(change_action(), change_agreed);
}

const PROPOSE: (&str, &str) = (
    "Propose an incident as a major one",
    "Policies propose some by themselves (`propose_major()`). 409 where it is one already, or is done. Why stands in `X-Reason`.",
);
const REJECT: (&str, &str) = (
    "Reject an incident as a major one",
    "What was proposed is none, or what was accepted is led as one no more. It can be proposed again. Why stands in `X-Reason`.",
);

fn at(method: Method, rest: &str, id: &str, access: &str) -> Endpoint {
    let mut endpoint = under(INCIDENT, method, &format!("major-incident{rest}"), id.to_owned());
    endpoint.access = Access::Permission(access.to_owned().into());
    endpoint
}

fn person() -> Value {
    json!({"id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70", "user_name": "ada", "display_name": "Ada Lovelace"})
}

fn example() -> Value {
    json!({
        "state": "accepted", "accepted_at": "2026-03-02T08:20:00Z", "accepted_by": person(),
        "roles": [{"role": "commander", "person": person()}], "update_every": "PT30M",
        "next_update_at": "2026-03-02T08:50:00Z",
        "review": {"held_at": null, "summary": "", "cause": "", "went_well": "", "went_badly": ""},
        "actions": [{
            "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e78", "title": "Watch the queue", "owner": person(),
            "due_at": "2026-03-16T00:00:00Z", "done_at": null, "created_at": "2026-03-06T10:00:00Z",
        }],
    })
}

fn entry_example() -> Value {
    json!({
        "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e79", "at": "2026-03-02T08:40:00Z", "told_at": "2026-03-02T08:41:00Z",
        "author": person(), "kind": "update", "audience": "public", "body": "Mail is back for half of the offices.",
    })
}

fn as_it_is(status: u16, text: &'static str) -> Answer {
    Answer::json(status, text, schema::<MajorIncident>(), example())
        .header("ETag", "The version of the incident, for `If-Match`.")
}

fn writes(mut endpoint: Endpoint, (summary, description): (&'static str, &'static str)) -> Endpoint {
    (endpoint.summary, endpoint.description) = (summary.into(), description.into());
    endpoint.parameters.extend([if_match(endpoint.method == Method::PATCH), dry_run(), reason()]);
    if endpoint.method == Method::POST {
        endpoint.parameters.push(idempotency_key());
    }
    endpoint.problems.extend([Code::Invalid, Code::Conflict, Code::Stale]);
    if endpoint.responses.is_empty() {
        endpoint.responses = vec![as_it_is(200, "As it is now.")];
    }
    endpoint
}

fn get() -> Endpoint {
    let mut endpoint = at(Method::GET, "", "get_major_incident", "incident.read");
    endpoint.summary = "Read how an incident stands as a major one".into();
    endpoint.description = "Whether it is one, who leads, when the next update is due, and what was learned.".into();
    endpoint.responses = vec![as_it_is(200, "How it stands.")];
    endpoint
}

async fn get_major(call: Call, id: web::Path<String>) -> Result<HttpResponse> {
    let (version, shown) = call
        .read(move |reading| {
            let header = visible(reading, INCIDENT, &id)?;
            let internal = reading.cause.caller.can(&INCIDENT.permission(WORK_NOTE));
            Ok((header.version, MajorIncident::of(reading.connection, header.id, internal)?))
        })
        .await?;
    Ok(HttpResponse::Ok().insert_header(("ETag", super::entity_tag::etag(version))).json(shown))
}

fn verb(name: &str, access: &str, words: (&'static str, &'static str)) -> Endpoint {
    writes(at(Method::POST, &format!("/{name}"), &format!("{name}_major_incident"), access), words)
}

type Act = fn(&mut Desk<'_, '_>, RecordId, Option<i32>) -> Result<Outcome>;

async fn step(call: Call, id: web::Path<String>, act: Act) -> Result<HttpResponse> {
    write(call, &Value::Null, id.into_inner(), act).await
}

/// Does something with the incident, and answers with how it stands as a major one.
async fn write(
    call: Call,
    body: &Value,
    id: String,
    act: impl Fn(&mut Desk<'_, '_>, RecordId, Option<i32>) -> Result<Outcome> + Send + 'static,
) -> Result<HttpResponse> {
    let expected = call.expected_if_given();
    call.write(body, move |desk| {
        let of = record_id_of(desk.unit.reference(), INCIDENT, &id)?;
        let outcome = expected.try_each(|version| act(desk, of, version))?;
        let internal = desk.cause.caller.can(&INCIDENT.permission(WORK_NOTE));
        let shown = MajorIncident::of(desk.unit.settled(of)?, of, internal)?;
        Ok(Reply::ok(serde_json::to_value(shown).map_err(Error::internal)?).at_version(outcome.version))
    })
    .await
}

fn accept() -> Endpoint {
    let words = (
        "Accept an incident as a major one",
        "Whoever is named leads it from then on. Where those who wait are told every so often, `incident.major_update_due` is \
         an event when no update was given in time.",
    );
    let mut endpoint = verb("accept", PERMISSION, words);
    let body = json!({"commander_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70", "update_every": "PT30M"});
    endpoint.request = Some(Content::json(schema::<Acceptance>(), body));
    endpoint
}

async fn accept_major(call: Call, id: web::Path<String>, Body(body): Body<Value>) -> Result<HttpResponse> {
    let how: Acceptance = fit(body.clone())?;
    write(call, &body, id.into_inner(), move |desk, id, version| act::accept(desk, id, version, &how)).await
}

fn change() -> Endpoint {
    let words = (
        "Change how a major incident is led, or say what was learned",
        "A merge patch (RFC 7396): who plays which part, how often those who wait are told, and the review, which should be held within \
         five days of the resolution; from then on `incident.major_review_due` is an event every five days until it has been.",
    );
    let mut endpoint = writes(at(Method::PATCH, "", "update_major_incident", PERMISSION), words);
    let body = json!({"review": {"summary": "The disk of the mail server was full."}});
    endpoint.request = Some(Content::merge_patch(schema::<MajorIncidentChange>(), body));
    endpoint.problems.push(Code::PreconditionRequired);
    endpoint
}

async fn change_major(call: Call, id: web::Path<String>, Body(body): Body<Value>) -> Result<HttpResponse> {
    call.expected()?;
    let change: MajorIncidentChange = fit(body.clone())?;
    write(call, &body, id.into_inner(), move |desk, id, version| act::lead(desk, id, version, &change)).await
}

fn list_timeline() -> Endpoint {
    let mut endpoint = at(Method::GET, "/timeline", "list_major_incident_timeline", "incident.read");
    endpoint.summary = "List the timeline of a major incident".into();
    endpoint.description = "From the beginning, in the order in which things happened. What is internal is read by those who may read the \
                            incident's work notes."
        .into();
    sheet::of_pages(
        &mut endpoint,
        "A page of the timeline.",
        "TimelineEntry",
        schema::<TimelineEntry>(),
        entry_example(),
    );
    endpoint
}

async fn timeline(call: Call, id: web::Path<String>, request: HttpRequest) -> Result<HttpResponse> {
    let place = |entry: &TimelineEntry| (vec![Key::Time(entry.at)], entry.id.to_string());
    let page = beside::page(
        call,
        (INCIDENT, id),
        request,
        1,
        |reading, record, asked| {
            let internal = reading.cause.caller.can(&INCIDENT.permission(WORK_NOTE));
            let after = asked.after_moment()?.zip(asked.after_id()?);
            let rows = EntryRow::of_record(reading.connection, record.id, after, internal, asked.rows())?;
            TimelineEntry::of(reading.connection, rows)
        },
        place,
    );
    page.await
}

fn tell() -> Endpoint {
    let words = (
        "Add to the timeline of a major incident",
        "An update is what those who wait are told; a public one is a comment of the incident as well, and the next one is \
         due from then on.",
    );
    let mut endpoint = at(Method::POST, "/timeline", "add_major_incident_timeline_entry", "incident.update");
    let body = json!({"kind": "update", "audience": "public", "body": "Mail is back for half of the offices."});
    endpoint.request = Some(Content::json(schema::<NewTimelineEntry>(), body));
    endpoint.responses = vec![
        Answer::json(201, "It stands in the timeline.", schema::<TimelineEntry>(), entry_example())
            .header("Location", "Where the timeline is.")
            .header("ETag", "The version of the incident, for `If-Match`."),
    ];
    writes(endpoint, words)
}

async fn tell_timeline(call: Call, id: web::Path<String>, Body(body): Body<Value>) -> Result<HttpResponse> {
    let new: NewTimelineEntry = fit(body.clone())?;
    let expected = call.expected_if_given();
    call.write(&body, move |desk| {
        let of = record_id_of(desk.unit.reference(), INCIDENT, &id)?;
        let (outcome, made) = expected.try_each(|version| act::tell(desk, of, version, &new))?;
        let connection = desk.unit.settled(of)?;
        let row = EntryRow::find(connection, made)?;
        let shown = TimelineEntry::of(connection, row.into_iter().collect())?.pop();
        let shown = serde_json::to_value(shown).map_err(Error::internal)?;
        Ok(Reply::created(format!("/api/v1/incidents/{of}/major-incident/timeline"), shown).at_version(outcome.version))
    })
    .await
}

fn add_action() -> Endpoint {
    let words =
        ("Agree what is to be done after a major incident", "Actions of the review, each with an owner and a date.");
    let mut endpoint = at(Method::POST, "/actions", "add_major_incident_action", "incident.update");
    endpoint.request = Some(Content::json(
        schema::<NewReviewAction>(),
        json!({"title": "Watch the queue", "due_at": "2026-03-16T00:00:00Z"}),
    ));
    endpoint.responses = vec![as_it_is(200, "It is agreed; as it stands now.")];
    writes(endpoint, words)
}

async fn agree_action(call: Call, id: web::Path<String>, Body(body): Body<Value>) -> Result<HttpResponse> {
    let new: NewReviewAction = fit(body.clone())?;
    write(call, &body, id.into_inner(), move |desk, id, version| {
        act::add_action(desk, id, version, &new).map(|(outcome, _)| outcome)
    })
    .await
}

fn change_action() -> Endpoint {
    let words = (
        "Change an action of a review, or say that it is done",
        "A merge patch (RFC 7396); `\"done\": true` when it is done.",
    );
    let mut endpoint = at(Method::PATCH, "/actions/{action_id}", "update_major_incident_action", "incident.update");
    endpoint.parameters.push(in_path(
        "action_id",
        "The id of the action.",
        uuid(),
        "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e78",
    ));
    endpoint.request = Some(Content::merge_patch(schema::<ReviewActionChange>(), json!({"done": true})));
    endpoint.problems.push(Code::PreconditionRequired);
    writes(endpoint, words)
}

async fn change_agreed(call: Call, path: web::Path<(String, String)>, Body(body): Body<Value>) -> Result<HttpResponse> {
    call.expected()?;
    let (id, action) = path.into_inner();
    let change: ReviewActionChange = fit(body.clone())?;
    let action: RowId = action.parse().map_err(|_| Error::not_found("action"))?;
    write(call, &body, id, move |desk, id, version| act::change_action(desk, (id, action), version, &change)).await
}
