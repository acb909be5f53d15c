//! The story of a record, as JSON and to be read.

mod page;

use std::collections::{BTreeMap, HashMap};

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde::Serialize;
use serde_json::json;
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
        kind::Kind,
        person::Person,
        story::{self, Chapter, StoryDecision, StoryRecord},
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
    /// What happened to them, in order: what causes before what follows.
    chapters: Vec<StoryChapter>,
    /// What people call those whom the changes name by id: people, teams, and the records that you may see.
    names: BTreeMap<String, String>,
    /// Whether that is all: not where there are more records, more than 2,000 writes or more than 5,000 decisions, or more than two million
    /// characters of either. What is told is all that happened to these records up to where it ends.
    complete: bool,
}

/// One write to one of the records; or what policies were asked about one, where it changed nothing.
#[derive(Debug, Serialize, ToSchema)]
struct StoryChapter {
    /// When.
    at: Moment,
    /// The number of the record.
    number: String,
    /// The version of the record that came of it, or at which it stayed.
    version: i32,
    /// By whom; null when nobody stands behind it.
    #[schema(required = true)]
    by: Option<Person>,
    /// What was done, in the past tense; `….refused` where policies refused a step, and `….asked_again` where they were asked again and nothing
    /// came of it.
    #[schema(examples("incident.resolved"))]
    action: String,
    /// Through what.
    #[schema(examples("api"))]
    via: String,
    /// Why, in the words of whoever did it; may be empty.
    reason: String,
    /// What changed; of what is longer than 4,000 characters, the beginning, with `…` where a text is cut.
    changes: Vec<FieldChange>,
    /// In which history the whole stands, under this version, where only the beginning of something is told; null where all is.
    #[schema(required = true, examples("/api/v1/incidents/INC0000042/history"))]
    whole_in: Option<String>,
    /// What policies decided with it, and why; for those who may read decisions.
    decisions: Vec<StoryDecision>,
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
            "changes": [{"field": "state", "from": null, "to": "new"}], "whole_in": null,
            "decisions": [{
                "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e73", "decision": "routing",
                "sentence": "INC0000042 went to service-desk because rule \"Everything else\" (line 42 of routing_incidents v3) fitted.",
            }],
        }],
        "names": {"01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e71": "service-desk"},
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
                      read or sent. Of long texts it tells the beginning, and where the whole stands. Only what you may see."
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
    let (story, kinds): (Story, Vec<&'static Kind>) = call
        .read(move |reading| {
            let hidden = || Error::not_found("record");
            let id = Header::id_of(reading.connection, &id)?.ok_or_else(hidden)?;
            let mut seen = visibility::among(reading.kernel, reading.connection, &reading.cause.caller, vec![id])?;
            let mut policies = Vec::new();
            let mut explain = |connection: &mut AnyConnection, rows: &[(&str, DecisionRow)]| {
                // Decisions come in parts; what policies are called is the same for all of them.
                if policies.is_empty() {
                    policies = PolicyRow::all(connection)?;
                }
                explained(&policies, rows)
            };
            let story::Story { records, chapters, names, complete } =
                story::of_record(reading, seen.remove(&id).ok_or_else(hidden)?, &mut explain)?;
            let kinds = chapters.iter().map(|chapter| chapter.kind).collect();
            let chapters = chapters.into_iter().map(StoryChapter::from).collect();
            Ok((Story { records, chapters, names, complete }, kinds))
        })
        .await?;
    if is_markdown {
        let page = page::markdown(&story, &kinds);
        return Ok(HttpResponse::Ok().content_type("text/markdown; charset=utf-8").body(page));
    }
    Ok(HttpResponse::Ok().json(story))
}

/// Decisions in sentences, each about the record of its number.
fn explained(policies: &[PolicyRow], rows: &[(&str, DecisionRow)]) -> Result<Vec<String>> {
    let names: HashMap<RowId, &str> = policies.iter().map(|policy| (policy.id, policy.name.as_str())).collect();
    let sentence = |(number, row): &(&str, DecisionRow)| {
        let policy = row.policy_id.and_then(|id| names.get(&id)).copied().unwrap_or_default();
        let entry = live::entry(row, policy.to_owned(), (*number).to_owned())?;
        Ok(log::explain(entry.decision, entry.record.as_deref(), &entry.run))
    };
    rows.iter().map(sentence).collect()
}

impl From<Chapter> for StoryChapter {
    fn from(Chapter { number, kind, entry, is_cut, decisions }: Chapter) -> Self {
        StoryChapter {
            whole_in: is_cut.then(|| format!("/api/v1/{}/{number}/history", kind.plural)),
            at: entry.at,
            version: entry.version,
            by: entry.by,
            action: entry.action,
            via: entry.via,
            reason: entry.reason,
            changes: entry.changes,
            decisions,
            number,
        }
    }
}
