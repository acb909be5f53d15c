//! The story of a record, as JSON and to be read.

use std::fmt::Write as _;

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    clock::Moment,
    db::AnyConnection,
    error::{Code, Error, Result},
    http::{
        accept,
        desk::Call,
        endpoint::{Access, Answer, Content, Endpoint, in_path, short_text, text},
        mount::Api,
        schema::{inline, schema},
    },
    id::RowId,
    policy::{live, log, store::PolicyRow},
    record::{
        decide::DecisionRow,
        header::Header,
        history::FieldChange,
        person::Person,
        story::{self, Chapter, StoryRecord},
        visibility,
    },
};

const MARKDOWN: &str = "text/markdown";

/// The story of a record.
#[derive(Debug, Serialize, ToSchema)]
struct Story {
    /// The record, and all that it is linked with by up to four links, the nearest first; at most 50. Services and configuration items are
    /// left out.
    records: Vec<StoryRecord>,
    /// What happened to them, in order.
    chapters: Vec<StoryChapter>,
    /// Whether that is all: not where there are more records, or more than 1,000 writes to one.
    complete: bool,
}

/// One write to one of the records.
#[derive(Debug, Serialize, ToSchema)]
struct StoryChapter {
    /// When.
    at: Moment,
    /// The number of the record.
    number: String,
    /// The version of the record that came of it.
    version: i32,
    /// By whom; null when nobody stands behind it.
    #[schema(required = true)]
    by: Option<Person>,
    /// What was done, in the past tense.
    #[schema(examples("incident.resolved"))]
    action: String,
    /// Through what.
    #[schema(examples("api"))]
    via: String,
    /// Why, in the words of whoever did it; may be empty.
    reason: String,
    /// What changed.
    changes: Vec<FieldChange>,
    /// What policies decided with it, and why; for those who may read decisions.
    decisions: Vec<StoryDecision>,
}

/// What a policy decided.
#[derive(Debug, Serialize, ToSchema)]
struct StoryDecision {
    /// The id of the decision.
    id: RowId,
    /// Which decision it was.
    #[schema(examples("routing"))]
    decision: String,
    /// What it came to and why, in a sentence.
    sentence: String,
}

pub(super) fn mount(api: &mut Api) {
    api.mount(endpoint(), tell_story);
}

fn endpoint() -> Endpoint {
    let example = json!({
        "records": [{
            "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f", "kind": "incident", "number": "INC0000042",
            "title": "Mail does not arrive", "state": "resolved", "distance": 0,
        }],
        "chapters": [{
            "at": "2026-03-02T08:15:00Z", "number": "INC0000042", "version": 1,
            "by": {"id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70", "user_name": "ada", "display_name": "Ada Lovelace"},
            "action": "incident.created", "via": "api", "reason": "",
            "changes": [{"field": "state", "from": null, "to": "new"}],
            "decisions": [{
                "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e73", "decision": "routing",
                "sentence": "INC0000042 went to service-desk because rule \"Everything else\" (line 42 of routing_incidents v3) fitted.",
            }],
        }],
        "complete": true,
    });
    let told = "# INC0000042: Mail does not arrive\n\n* 2026-03-02T08:15:00Z, INC0000042: created by Ada Lovelace\n";
    Endpoint {
        method: Method::GET,
        path: "/api/v1/records/{id}/story".into(),
        id: "get_record_story".into(),
        tag: "Record".into(),
        access: Access::SignedIn,
        summary: "Read the story of a record".into(),
        description: "What was done to it and to all that it is linked with, in order, with every decision explained; as `text/markdown` to be \
                      read or sent. Only what you may see."
            .into(),
        parameters: vec![in_path("id", "The id or number of the record.", short_text(40), "INC0000042")],
        request: None,
        responses: vec![
            Answer::json(200, "The story.", schema::<Story>(), example)
                .or(Content::of(MARKDOWN, inline(text()), json!(told))),
        ],
        problems: vec![Code::NotFound],
    }
}

async fn tell_story(call: Call, id: web::Path<String>, request: HttpRequest) -> Result<HttpResponse> {
    let is_markdown = accept::choose(&request, &["application/json", MARKDOWN]) == Some(MARKDOWN);
    let story = call
        .read(move |reading| {
            let hidden = || Error::not_found("record");
            let id = Header::id_of(reading.connection, &id)?.ok_or_else(hidden)?;
            let mut seen = visibility::among(reading.kernel, reading.connection, &reading.cause.caller, vec![id])?;
            let story = story::of_record(reading, seen.remove(&id).ok_or_else(hidden)?)?;
            let chapters = story.chapters.into_iter().map(|chapter| shown(reading.connection, chapter));
            Ok(Story { chapters: chapters.collect::<Result<_>>()?, records: story.records, complete: story.complete })
        })
        .await?;
    if is_markdown {
        return Ok(HttpResponse::Ok().content_type("text/markdown; charset=utf-8").body(story.markdown()));
    }
    Ok(HttpResponse::Ok().json(story))
}

fn shown(connection: &mut AnyConnection, chapter: Chapter) -> Result<StoryChapter> {
    let Chapter { number, entry, decisions } = chapter;
    let decisions = decisions.into_iter().map(|row| explained(connection, &number, row)).collect::<Result<_>>()?;
    Ok(StoryChapter {
        at: entry.at,
        version: entry.version,
        by: entry.by,
        action: entry.action,
        via: entry.via,
        reason: entry.reason,
        changes: entry.changes,
        decisions,
        number,
    })
}

fn explained(connection: &mut AnyConnection, number: &str, row: DecisionRow) -> Result<StoryDecision> {
    let policy = row.policy_id.map(|id| PolicyRow::find(connection, id.as_str())).transpose()?;
    let entry = live::entry(&row, policy.map(|policy| policy.name).unwrap_or_default(), number.to_owned())?;
    let sentence = log::explain(entry.decision, entry.record.as_deref(), &entry.run);
    Ok(StoryDecision { id: row.id, decision: row.kind, sentence })
}

impl Story {
    /// To be read.
    fn markdown(&self) -> String {
        let mut page = String::new();
        for (n, record) in self.records.iter().enumerate() {
            let StoryRecord { number, title, state, kind, .. } = record;
            let title = escaped(title);
            // Writing to a text does not fail.
            let _ = match n {
                0 => writeln!(page, "# {number}: {title}\n\nIt is {}.\n", words(state)),
                _ => writeln!(page, "* {number}, {} linked with it: {title} ({})", words(kind), words(state)),
            };
        }
        page.push_str("\n## What happened\n\n");
        for chapter in &self.chapters {
            chapter.tell(&mut page, &self.records);
        }
        if !self.complete {
            page.push_str("\nThere is more than is told here.\n");
        }
        page
    }
}

impl StoryChapter {
    fn tell(&self, page: &mut String, records: &[StoryRecord]) {
        let done = self.action.rsplit('.').next().unwrap_or(&self.action);
        let by = self.by.as_ref().map(|person| format!(" by {}", escaped(&person.display_name))).unwrap_or_default();
        let via = if self.via == "api" { String::new() } else { format!(" ({})", escaped(&self.via)) };
        let _ = writeln!(page, "* {}, {}: {}{by}{via}", self.at, self.number, words(done));
        if !self.reason.is_empty() {
            let _ = writeln!(page, "  * Why: {}", escaped(&self.reason));
        }
        for FieldChange { field, from, to } in self.changes.iter().filter(|change| is_worth_telling(change)) {
            let was = if from.is_null() { String::new() } else { format!("{} → ", plain(from, records)) };
            let _ = writeln!(page, "  * {}: {was}{}", words(field), plain(to, records));
        }
        for decision in &self.decisions {
            let _ = writeln!(page, "  * Decided: {}", escaped(&decision.sentence));
        }
    }
}

/// What people follow: not ids of people and teams, which the sentences of decisions name, nor what every record has from the beginning.
fn is_worth_telling(change: &FieldChange) -> bool {
    let is_id = change.field.ends_with("_id") || change.field == "id";
    let is_first = change.from.is_null()
        && matches!(change.field.as_str(), "kind" | "number" | "phase" | "tags" | "custom" | "opened_at");
    let says_nothing = |value: &Value| value.is_null() || value == "" || value == 0;
    !(is_id || is_first || says_nothing(&change.from) && says_nothing(&change.to))
}

/// `fix_in_progress` as people write it.
fn words(name: &str) -> String {
    escaped(&name.replace('_', " "))
}

/// A value on one line: words of the server's as people write them, a link by what it says of which record, and what has parts by its
/// parts, without ids.
fn plain(value: &Value, records: &[StoryRecord]) -> String {
    let number = |id: &str| records.iter().find(|record| record.id.as_str() == id).map(|record| record.number.as_str());
    match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) if text.chars().all(|c| c.is_ascii_lowercase() || c == '_') => words(text),
        Value::String(text) => escaped(text),
        Value::Object(link) => match (link.get("relation").and_then(Value::as_str), link.get("record_id")) {
            (Some(relation), Some(Value::String(id))) => {
                format!("{} {}", words(relation), number(id).unwrap_or("another record"))
            }
            _ => {
                let told =
                    link.iter().filter(|(name, value)| !value.is_null() && *name != "id" && !name.ends_with("_id"));
                let told = told.map(|(name, value)| {
                    let said = plain(value, records);
                    if value.is_object() { said } else { format!("{} {said}", words(name)) }
                });
                told.collect::<Vec<_>>().join(", ")
            }
        },
        Value::Array(items) if items.is_empty() => "nothing".to_owned(),
        Value::Array(items) => items.iter().map(|item| plain(item, records)).collect::<Vec<_>>().join("; "),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// Text on one line, in which nothing is taken for a mark of the page.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => safe.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' => safe.extend(['\\', c]),
            _ => safe.push(c),
        }
    }
    safe
}
