//! The agenda of a meeting of a change advisory board, with what was said and decided.

use actix_web::{HttpResponse, http::Method, web};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    CHANGE,
    cab::{CabMeeting, MINUTES},
};
use crate::{
    clock::Moment,
    db::AnyConnection,
    error::{Code, Error, Result},
    http::{
        body::{Body, fit},
        desk::{Call, Reply},
        directory_api::{
            change::{given, prose},
            resource::Resource,
        },
        endpoint::{Answer, Content, Endpoint, in_path, uuid},
        mount::Api,
        parameter::{self, dry_run, idempotency_key, reason},
        schema::schema,
    },
    id::{RecordId, RowId},
    practice::change::cab::{self, CabDecision, ItemChange, ItemRow, MeetingRow},
    record::{store::Desk, visibility},
};

/// The places on an agenda.
const PLACES: i32 = 200;

/// Mounts it.
pub(super) fn mount(api: &mut Api) {
    api.mount(agenda(), get_agenda)
        .mount(put(), put_on_agenda)
        .mount(change(), change_item)
        .mount(remove(), remove_item);
}

/// A change on the agenda of a meeting.
#[derive(Debug, Serialize, ToSchema)]
struct CabAgendaItem {
    /// Its id.
    id: RowId,
    /// Its place, from 1.
    position: i32,
    /// The change.
    change_id: RecordId,
    /// Its number.
    #[schema(examples("CHG0000007"))]
    number: String,
    /// Its title.
    title: String,
    /// Its state.
    state: String,
    /// Why it is there: `authorise`, `review` for what was made in an emergency, `asked`.
    #[schema(schema_with = reasons)]
    reason: String,
    /// What the board has decided; null before.
    #[schema(required = true)]
    decision: Option<CabDecision>,
    /// When; null before.
    #[schema(required = true)]
    decided_at: Option<Moment>,
    /// What was said of it.
    minutes: String,
}

/// The agenda of a meeting.
#[derive(Debug, Serialize, ToSchema)]
struct CabAgenda {
    /// The changes that you see, in their order.
    items: Vec<CabAgendaItem>,
}

/// What is put on an agenda.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewCabAgendaItems {
    /// These changes; all that wait for a board, where it is left out.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, value_type = Vec<RecordId>, max_items = 200)]
    change_ids: Option<Vec<RecordId>>,
}

/// What was said and decided of a change, and when it is its turn.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CabAgendaItemChange {
    /// Its place, from 1: those behind it move on, and beyond the end is the end.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, minimum = 1, maximum = 200)]
    position: Option<i32>,
    /// What the board has decided, once the meeting has begun. `reviewed` says that it has looked at what was made in an emergency, once that is
    /// over.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false)]
    decision: Option<CabDecision>,
    /// What was said of it.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, max_length = 32000)]
    minutes: Option<String>,
}

fn reasons() -> utoipa::openapi::Schema {
    let doc = "Why it is there: `authorise`, `review` for what was made in an emergency, `asked`.";
    utoipa::openapi::ObjectBuilder::new()
        .schema_type(utoipa::openapi::schema::Type::String)
        .description(Some(doc))
        .enum_values(Some([cab::reason::AUTHORISE, cab::reason::REVIEW, cab::reason::ASKED]))
        .into()
}

fn endpoint(method: Method, rest: &str, id: &'static str) -> Endpoint {
    let permission = if method == Method::GET { "cab_meeting.read" } else { "cab_meeting.write" };
    let mut endpoint = Endpoint::new(
        method,
        format!("/api/v1/cab-meetings/{{id}}/agenda{rest}"),
        id,
        CabMeeting::NOUN.label,
        permission,
    );
    endpoint.parameters = vec![parameter::id(CabMeeting::NOUN.one)];
    endpoint.problems = vec![Code::NotFound];
    endpoint
}

fn as_it_is(text: &'static str) -> Answer {
    let one = json!({
        "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e7e", "position": 1, "change_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e7b",
        "number": "CHG0000007", "title": "Replace the core switch", "state": "authorise", "reason": "authorise", "decision": null,
        "decided_at": null, "minutes": "",
    });
    Answer::json(200, text, schema::<CabAgenda>(), json!({"items": [one]}))
}

fn agenda() -> Endpoint {
    let mut endpoint = endpoint(Method::GET, "", "get_cab_meeting_agenda");
    endpoint.summary = "Read the agenda of a CAB meeting".into();
    endpoint.description = format!("With what was said and decided. Only the {} that you see.", CHANGE.plural).into();
    endpoint.responses = vec![as_it_is("The agenda.")];
    endpoint
}

fn meeting_id(id: &str) -> Result<RowId> {
    id.parse().map_err(|_| Error::not_found(CabMeeting::NOUN.one))
}

fn shown(
    kernel: &crate::record::kernel::Kernel,
    connection: &mut AnyConnection,
    caller: &crate::auth::caller::Caller,
    meeting: RowId,
) -> Result<CabAgenda> {
    MeetingRow::find(connection, meeting)?;
    let rows = ItemRow::of_meeting(connection, meeting)?;
    let seen = visibility::among(kernel, connection, caller, rows.iter().map(|row| row.change_id).collect())?;
    let items = rows.into_iter().filter_map(|row| {
        let change = seen.get(&row.change_id)?;
        Some(CabAgendaItem {
            id: row.id,
            position: row.position,
            change_id: row.change_id,
            number: change.number.clone(),
            title: change.title.clone(),
            state: change.state.clone(),
            reason: row.reason,
            decision: row.decision.as_deref().and_then(CabDecision::stored),
            decided_at: row.decided_at,
            minutes: row.minutes,
        })
    });
    Ok(CabAgenda { items: items.collect() })
}

async fn get_agenda(call: Call, id: web::Path<String>) -> Result<HttpResponse> {
    let id = meeting_id(&id)?;
    let agenda = call.read(move |reading| shown(reading.kernel, reading.connection, &reading.cause.caller, id)).await?;
    Ok(HttpResponse::Ok().json(agenda))
}

fn reply(desk: &mut Desk<'_, '_>, meeting: RowId) -> Result<Reply> {
    let (kernel, caller) = (desk.kernel, desk.cause.caller.clone());
    let agenda = shown(kernel, desk.unit.connection()?, &caller, meeting)?;
    Ok(Reply::ok(serde_json::to_value(agenda).map_err(Error::internal)?))
}

fn put() -> Endpoint {
    let mut endpoint = endpoint(Method::POST, "", "add_to_cab_meeting_agenda");
    endpoint.summary = "Put changes on the agenda of a CAB meeting".into();
    endpoint.description = "Those that are named, or all that wait for a board: normal changes and emergencies that are assessed or to be \
                            authorised, and what was made in an emergency. What stands there already stays."
        .into();
    endpoint.parameters.extend([dry_run(), idempotency_key(), reason()]);
    endpoint.request = Some(Content::json(schema::<NewCabAgendaItems>(), json!({})));
    endpoint.responses = vec![as_it_is("The agenda now.")];
    endpoint.problems.extend([Code::Invalid, Code::Conflict]);
    endpoint
}

async fn put_on_agenda(call: Call, id: web::Path<String>, Body(body): Body<Value>) -> Result<HttpResponse> {
    let (id, new): (_, NewCabAgendaItems) = (meeting_id(&id)?, fit(body.clone())?);
    call.write(&body, move |desk| {
        cab::put(desk, id, new.change_ids.clone())?;
        reply(desk, id)
    })
    .await
}

/// An endpoint of one change on an agenda.
fn item(method: Method, id: &'static str) -> Endpoint {
    let mut endpoint = endpoint(method, "/{item_id}", id);
    let item = "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e7e";
    endpoint.parameters.extend([in_path("item_id", "The place on the agenda.", uuid(), item), dry_run(), reason()]);
    endpoint.problems.push(Code::Conflict);
    endpoint
}

fn ids((meeting, item): &(String, String)) -> Result<(RowId, RowId)> {
    Ok((meeting_id(meeting)?, item.parse().map_err(|_| Error::not_found("agenda item"))?))
}

fn change() -> Endpoint {
    let mut endpoint = item(Method::PATCH, "update_cab_meeting_agenda_item");
    endpoint.summary = "Keep what a board has said and decided of a change".into();
    endpoint.description =
        "A merge patch (RFC 7396). What is decided stands in the history of the change as well.".into();
    let body = json!({"decision": "recommended", "minutes": "The way back was tried."});
    endpoint.request = Some(Content::merge_patch(schema::<CabAgendaItemChange>(), body));
    endpoint.responses = vec![as_it_is("The agenda now.")];
    endpoint.problems.push(Code::Invalid);
    endpoint
}

async fn change_item(call: Call, path: web::Path<(String, String)>, Body(body): Body<Value>) -> Result<HttpResponse> {
    let (meeting, item) = ids(&path)?;
    let CabAgendaItemChange { position, decision, minutes } = fit(body.clone())?;
    if position.is_some_and(|position| !(1..=PLACES).contains(&position)) {
        let detail = format!("A place is 1 to {PLACES}.");
        return Err(Error::invalid("/position", "out_of_range", detail));
    }
    let minutes = minutes.map(|minutes| prose("minutes", &minutes, MINUTES)).transpose()?;
    let change = ItemChange { position, decision, minutes };
    call.write(&body, move |desk| {
        cab::change(desk, (meeting, item), &change)?;
        reply(desk, meeting)
    })
    .await
}

fn remove() -> Endpoint {
    let mut endpoint = item(Method::DELETE, "remove_from_cab_meeting_agenda");
    endpoint.summary = "Take a change from the agenda of a CAB meeting".into();
    endpoint.description = "As long as the board has decided nothing of it.".into();
    endpoint.responses = vec![Answer::empty(204, "It is not on the agenda.")];
    endpoint
}

async fn remove_item(call: Call, path: web::Path<(String, String)>) -> Result<HttpResponse> {
    let of = ids(&path)?;
    call.write(&Value::Null, move |desk| {
        cab::remove(desk, of)?;
        Ok(Reply::empty())
    })
    .await
}
