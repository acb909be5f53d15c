//! The delivery log: to whom what went, every attempt, and a message once more.

use std::collections::BTreeSet;

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::{ToSchema, openapi::path::Parameter};

use crate::{
    auth::{caller::Sees, horizon::Horizon},
    clock::Moment,
    error::{Code, Error, Result, did_you_mean},
    http::{
        desk::{self, Call, Reply},
        endpoint::{Answer, Endpoint, in_query, name_of, uuid},
        mount::Api,
        parameter::{self, dry_run, idempotency_key, reason},
        schema::schema,
        sheet::{self, Sheet},
    },
    id::{RecordId, RowId, UserId},
    record::{
        notification::message::{AttemptRow, MessageRow, State, Subject, Wanted},
        outbox,
        store::Reading,
        visibility,
    },
};

const TAG: &str = "MailMessage";
/// The permission to read the log.
pub(super) const READ: &str = "mail_message.read";
const WRITE: &str = "mail_message.write";

/// A message to somebody.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MailMessage {
    /// Its id; later ones are greater.
    id: RowId,
    /// What it is about.
    kind: Subject,
    /// To whom it goes.
    user_id: UserId,
    /// The address to which it was sent last.
    address: Option<String>,
    /// The record that it is about; null for a digest, and where you may not be told of it.
    record_id: Option<RecordId>,
    /// The event, by the name by which a template was chosen.
    #[schema(examples("incident.resolved"))]
    event: String,
    /// When it happened.
    happened_at: Moment,
    /// What was sent last as the subject; null where nothing was, and where you may not be told of the record.
    subject: Option<String>,
    /// The name of the template by which it was made last.
    template: Option<String>,
    /// How far it is.
    state: State,
    /// Why it is dead or was dropped.
    why: Option<String>,
    /// How many attempts were made.
    attempt_count: i32,
    /// When the next attempt is due.
    next_at: Option<Moment>,
    /// When the digest is due that it waits for.
    digest_at: Option<Moment>,
    /// The digest in which it stands.
    digest_id: Option<RowId>,
    /// When the message was made.
    created_at: Moment,
    /// When it was sent or given up.
    ended_at: Option<Moment>,
    /// The first of the messages that are the same, where this is not it.
    replay_of: Option<RowId>,
    /// When it was last replayed.
    replayed_at: Option<Moment>,
}

/// A message with all that is known of it.
#[derive(Debug, Serialize, ToSchema)]
struct MailMessageDetail {
    #[serde(flatten)]
    message: MailMessage,
    /// The text that was sent last; to whom it went and to those who see everything, where they may read what it tells of.
    text: Option<String>,
    /// The same as HTML.
    html: Option<String>,
    /// Every attempt, in order.
    attempts: Vec<MailAttempt>,
}

/// An attempt to send a message.
#[derive(Debug, Serialize, ToSchema)]
struct MailAttempt {
    /// Counted from 1.
    number: i32,
    /// When it began.
    at: Moment,
    /// The code of the mail server's answer; null where there was none.
    #[schema(examples(250))]
    status: Option<i32>,
    /// How long it took.
    milliseconds: i64,
    /// What went wrong.
    error: Option<String>,
}

/// Mounts them.
pub(super) fn mount(api: &mut Api) {
    api.tag(TAG, "Every message to somebody, what became of it, and a message once more.");
    api.mount(list(), list_messages).mount(get(), get_message).mount(replay(), replay_message);
}

fn endpoint(method: Method, rest: &str, operation: &'static str, permission: &'static str) -> Endpoint {
    Endpoint::new(method, format!("/api/v1/mail-messages{rest}"), operation, TAG, permission)
}

/// An example of a message in the log.
fn example() -> Value {
    json!({
        "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e81", "kind": "event", "user_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70",
        "address": "ada@example.org", "record_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e71", "event": "incident.resolved",
        "happened_at": "2026-03-02T08:15:00Z", "subject": "[INC0000042] Mail does not arrive: resolved",
        "template": "incident-resolved-en", "state": "dead", "why": "permanent error (550): no such mailbox", "attempt_count": 1,
        "next_at": null, "digest_at": null, "digest_id": null, "created_at": "2026-03-02T08:15:01Z",
        "ended_at": "2026-03-02T08:15:02Z", "replay_of": null, "replayed_at": null,
    })
}

/// The parameters of lists of messages, after those of their path.
pub(super) fn list_parameters() -> [Parameter; 3] {
    let [limit, cursor] = sheet::parameters();
    let states = "Only messages in this state: `pending`, `waiting`, `digested`, `sent`, `dead` or `dropped`.";
    [in_query("state", states, name_of(20), "dead"), limit, cursor]
}

/// A page of messages, in the documentation.
pub(super) fn documented_page() -> Answer {
    let page = sheet::shape("MailMessage", schema::<MailMessage>());
    Answer::json(200, "A page of messages.", page, json!({"items": [example()], "next_cursor": null}))
        .header("Link", "The `next` page (RFC 8288).")
}

/// What is asked of a list of messages.
pub(super) fn asked(request: &HttpRequest) -> Result<(Sheet, Wanted)> {
    let query = desk::query(request)?;
    let given = |name: &str| query.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
    let state = given("state").map(|name| {
        State::named(&name).ok_or_else(|| {
            let near = did_you_mean(&name, State::ALL.iter().map(|state| state.as_str()));
            Error::new(Code::BadQuery, format!("There is no state `{name}` of a message{near}."))
        })
    });
    let user = given("user_id")
        .map(|id| id.parse::<UserId>().map_err(|_| Error::new(Code::BadQuery, "`user_id` is the id of a person.")));
    let (state, user) = (state.transpose()?, user.transpose()?);
    let sheet = Sheet::read(request.path(), query, 0)?;
    let wanted = Wanted { user, state, below: sheet.after_id()?, rows: sheet.rows() };
    Ok((sheet, wanted))
}

/// The answer with a page of messages.
pub(super) async fn respond(
    call: &Call,
    sheet: Sheet,
    load: impl FnOnce(&mut Reading<'_>) -> Result<Vec<MessageRow>> + Send + 'static,
) -> Result<HttpResponse> {
    let found = call.read(move |reading| {
        let rows = load(reading)?;
        listed(reading, &rows)
    });
    let cut = sheet.cut(found.await?, |message| (Vec::new(), message.id.to_string()))?;
    Ok(sheet.respond(&cut, None))
}

/// Messages as the caller may see them.
fn listed(reading: &mut Reading<'_>, rows: &[MessageRow]) -> Result<Vec<MailMessage>> {
    let told = told_of(reading, rows)?;
    Ok(rows.iter().map(|row| shown(row, &told)).collect())
}

/// Of which messages the caller may be told what they are about. A digest tells of several records; only whom it went to and those who
/// see everything know which.
fn told_of(reading: &mut Reading<'_>, rows: &[MessageRow]) -> Result<BTreeSet<RowId>> {
    let caller = &reading.cause.caller;
    let records: BTreeSet<RecordId> = rows.iter().filter_map(|row| row.record_id).collect();
    let seen = visibility::among(reading.kernel, reading.connection, caller, records.into_iter().collect())?;
    let mut told = BTreeSet::new();
    for row in rows {
        let may = match row.record_id.map(|id| seen.get(&id)) {
            None => row.user_id == caller.user || caller.sees == Sees::All,
            Some(None) => false,
            Some(Some(header)) => outbox::is_for(caller, reading.kernel.practice(&header.kind)?.kind(), &row.event),
        };
        if may {
            told.insert(row.id);
        }
    }
    Ok(told)
}

fn shown(row: &MessageRow, told: &BTreeSet<RowId>) -> MailMessage {
    let may = told.contains(&row.id);
    MailMessage {
        id: row.id,
        kind: row.about(),
        user_id: row.user_id,
        address: row.address.clone(),
        record_id: row.record_id.filter(|_| may),
        event: row.event.clone(),
        happened_at: row.happened_at,
        subject: row.subject.clone().filter(|_| may),
        template: row.template.clone(),
        state: row.state(),
        why: row.why.clone(),
        attempt_count: row.attempts,
        next_at: row.next_at,
        digest_at: row.digest_at,
        digest_id: row.digest_id,
        created_at: row.created_at,
        ended_at: row.ended_at,
        replay_of: row.replay_of,
        replayed_at: row.replayed_at,
    }
}

fn list() -> Endpoint {
    let to = "Only messages to this person.";
    Endpoint {
        summary: "List messages to people".into(),
        description: "The newest first, to people whom you see. Messages that have ended are kept for 30 days, unless the operator said \
                      otherwise."
            .into(),
        parameters: [in_query("user_id", to, uuid(), "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70")]
            .into_iter()
            .chain(list_parameters())
            .collect(),
        responses: vec![documented_page()],
        problems: vec![Code::BadCursor, Code::BadQuery],
        ..endpoint(Method::GET, "", "list_mail_messages", READ)
    }
}

async fn list_messages(call: Call, request: HttpRequest) -> Result<HttpResponse> {
    let (sheet, wanted) = asked(&request)?;
    respond(&call, sheet, move |reading| {
        let horizon = Horizon::of(reading.connection, &reading.cause.caller)?;
        MessageRow::list(reading.connection, &horizon, &wanted)
    })
    .await
}

fn get() -> Endpoint {
    let mut example = example();
    (example["text"], example["html"]) = (json!("INC0000042 is resolved.\n"), Value::Null);
    example["attempts"] = json!([{
        "number": 1, "at": "2026-03-02T08:15:02Z", "status": 550, "milliseconds": 48, "error": "permanent error (550): no such mailbox",
    }]);
    Endpoint {
        summary: "Read a message to somebody".into(),
        description: "With every attempt, and with what was sent last.".into(),
        parameters: vec![parameter::id("mail message")],
        responses: vec![Answer::json(200, "The message.", schema::<MailMessageDetail>(), example)],
        problems: vec![Code::NotFound],
        ..endpoint(Method::GET, "/{id}", "get_mail_message", READ)
    }
}

async fn get_message(call: Call, id: web::Path<RowId>) -> Result<HttpResponse> {
    let detail = call.read(move |reading| {
        let row = visible(reading, *id)?;
        let told = told_of(reading, std::slice::from_ref(&row))?;
        let caller = &reading.cause.caller;
        let may = told.contains(&row.id) && (row.user_id == caller.user || caller.sees == Sees::All);
        let attempts = AttemptRow::of(reading.connection, row.id)?.into_iter().map(|row| MailAttempt {
            number: row.number,
            at: row.at,
            status: row.status,
            milliseconds: row.milliseconds,
            error: row.error,
        });
        Ok(MailMessageDetail {
            message: shown(&row, &told),
            text: row.text_body.filter(|_| may),
            html: row.html_body.filter(|_| may),
            attempts: attempts.collect(),
        })
    });
    Ok(HttpResponse::Ok().json(detail.await?))
}

/// A message to somebody whom the caller sees.
fn visible(reading: &mut Reading<'_>, id: RowId) -> Result<MessageRow> {
    let row = MessageRow::find(reading.connection, id)?;
    let horizon = Horizon::of(reading.connection, &reading.cause.caller)?;
    if horizon.sees_user(reading.connection, row.user_id)? { Ok(row) } else { Err(Error::not_found("mail message")) }
}

fn replay() -> Endpoint {
    let mut again = example();
    for (name, value) in [
        ("id", json!("01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e82")),
        ("replay_of", again["id"].clone()),
        ("state", json!("pending")),
        ("why", Value::Null),
        ("attempt_count", json!(0)),
        ("next_at", again["created_at"].clone()),
        ("ended_at", Value::Null),
        ("address", Value::Null),
        ("subject", Value::Null),
        ("template", Value::Null),
    ] {
        again[name] = value;
    }
    Endpoint {
        summary: "Replay a message to somebody".into(),
        description: "One that was sent, is dead or was dropped is sent again, with a day of attempts of its own and the `Message-ID` that it \
                      had. What it says is made anew, of the record as it is now."
            .into(),
        parameters: vec![parameter::id("mail message"), dry_run(), idempotency_key(), reason()],
        responses: vec![
            Answer::json(201, "The message that is sent.", schema::<MailMessage>(), again).header("Location", "Where it is."),
        ],
        problems: vec![Code::NotFound, Code::Conflict],
        ..endpoint(Method::POST, "/{id}/replay", "replay_mail_message", WRITE)
    }
}

async fn replay_message(call: Call, id: web::Path<RowId>) -> Result<HttpResponse> {
    call.write(&Value::Null, move |desk| {
        let mut reading = Reading { kernel: desk.kernel, connection: desk.unit.connection()?, cause: desk.cause };
        let row = visible(&mut reading, *id)?;
        let again = row.replay(reading.connection, desk.cause.at)?;
        let told = listed(&mut reading, std::slice::from_ref(&again))?.pop();
        desk.tell("mail_message.replayed", ("mail_message", row.id.as_str(), 1), &json!({"replay": [null, again.id]}))?;
        let body = serde_json::to_value(told).map_err(Error::internal)?;
        Ok(Reply::created(format!("/api/v1/mail-messages/{}", again.id), body))
    })
    .await
}
