//! The journal of a record: what was said about it and the time that was spent.

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{a, practice_of, read::visible};
use crate::{
    error::{Code, Error, Result},
    http::{
        body::Body,
        desk::{self, Call, Reply, record_id_of},
        endpoint::{Answer, Content, Endpoint},
        mount::Api,
        parameter::{dry_run, idempotency_key, if_match, reason},
        schema::schema,
        sheet::{self, Sheet, under},
    },
    record::{
        journal::{self, COMMENT, JournalEntry, Note, TIME, WORK_NOTE},
        kind::{Kind, LONG},
        store::{Desk, Outcome},
    },
};

/// Most minutes in one entry: a month.
const MOST_MINUTES: i32 = 31 * 24 * 60;

/// Mounts them for a kind.
pub(super) fn mount(api: &mut Api, kind: &'static Kind) {
    api.mount(list(kind), move |call, id, request| list_journal(kind, call, id, request));
    api.mount(add(kind), move |call, id, body| add_entry(kind, call, id, body));
}

/// What is added to a journal.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewJournalEntry {
    /// `comment`: for everybody who sees the record. `work_note`: for those who work on it. `time`: minutes of work.
    kind: NoteKind,
    /// What is said, at most 32,000 characters. Needed for comments and work notes.
    #[serde(default)]
    #[schema(max_length = 32000)]
    body: String,
    /// Minutes spent, for `time`.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 44640)]
    minutes: Option<i32>,
}

/// What kind of entry it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = JournalKind)]
enum NoteKind {
    /// For everybody who sees the record.
    Comment,
    /// For those who work on it.
    WorkNote,
    /// Minutes of work.
    Time,
}

fn entry_example() -> Value {
    json!({
        "id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e6f", "at": "2026-03-02T08:15:00Z",
        "author": {"id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70", "user_name": "ada", "display_name": "Ada Lovelace"},
        "kind": "comment", "body": "It works again. Thank you!", "minutes": null, "via": "api",
    })
}

fn list(kind: &'static Kind) -> Endpoint {
    let mut endpoint = under(kind, Method::GET, "journal", format!("list_{}_journal", kind.name));
    endpoint.summary = format!("Read the journal of {}", a(kind)).into();
    endpoint.description = format!(
        "Comments, work notes and time spent, the newest first. Work notes and time only with the permission `{}`.",
        kind.permission("work_note")
    )
    .into();
    endpoint.parameters.extend(sheet::parameters());
    let page = sheet::shape("JournalEntry", schema::<JournalEntry>());
    let example = json!({"items": [entry_example()], "next_cursor": null});
    endpoint.responses =
        vec![Answer::json(200, "A page of the journal.", page, example).header("Link", "The `next` page (RFC 8288).")];
    endpoint.problems.push(Code::BadCursor);
    endpoint
}

async fn list_journal(
    kind: &'static Kind,
    call: Call,
    id: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let sheet = Sheet::read(request.path(), desk::query(&request)?, 0)?;
    let asked = sheet.clone();
    let cut = call
        .read(move |reading| {
            let header = visible(reading, kind, &id)?;
            let entries = journal::of_record(reading, kind, header.id, asked.after_id()?, asked.rows())?;
            asked.cut(entries, |entry| (Vec::new(), entry.id.to_string()))
        })
        .await?;
    Ok(sheet.respond(&cut, None))
}

fn add(kind: &'static Kind) -> Endpoint {
    let mut endpoint = under(kind, Method::POST, "journal", format!("add_{}_journal_entry", kind.name));
    endpoint.summary = format!("Add to the journal of {}", a(kind)).into();
    endpoint.description = format!(
        "Needs the permission `{}` for a comment, `{}` for a work note or time. It is a change of the record: the `ETag` is the record's new one.",
        kind.permission(COMMENT),
        kind.permission(WORK_NOTE)
    )
    .into();
    endpoint.parameters.extend([if_match(false), dry_run(), idempotency_key(), reason()]);
    endpoint.request = Some(Content::json(
        schema::<NewJournalEntry>(),
        json!({"kind": "comment", "body": "It works again. Thank you!"}),
    ));
    endpoint.responses = vec![
        Answer::json(201, "It was added.", schema::<JournalEntry>(), entry_example())
            .header("ETag", "The record's version, for `If-Match`."),
    ];
    endpoint.problems.extend([Code::Invalid, Code::Stale, Code::RefusedByPolicy]);
    endpoint
}

async fn add_entry(
    kind: &'static Kind,
    call: Call,
    id: web::Path<String>,
    Body(body): Body<Value>,
) -> Result<HttpResponse> {
    let entry: NewJournalEntry = crate::http::body::fit(body.clone())?;
    check(&entry)?;
    let expected = call.expected_if_given();
    call.write(&body, move |desk| {
        let outcome = expected.try_each(|version| added(kind, desk, &id, version, entry.clone()))?;
        let shown = journal::shown(desk.unit.reference(), outcome.entries)?.pop();
        let entry = serde_json::to_value(shown).map_err(Error::internal)?;
        Ok(Reply { status: 201, version: Some(outcome.version), location: None, body: entry })
    })
    .await
}

fn added(
    kind: &'static Kind,
    desk: &mut Desk<'_, '_>,
    id: &str,
    expected: Option<i32>,
    entry: NewJournalEntry,
) -> Result<Outcome> {
    let practice = practice_of(desk.kernel, kind)?;
    let id = record_id_of(desk.unit.reference(), kind, id)?;
    let name = match entry.kind {
        NoteKind::Comment => COMMENT,
        NoteKind::WorkNote => WORK_NOTE,
        NoteKind::Time => {
            let note = Note { kind: TIME, body: entry.body, minutes: entry.minutes };
            return practice.book_time(desk, id, expected, note);
        }
    };
    let input = Map::from_iter([(name.to_owned(), Value::String(entry.body))]);
    practice.change(desk, id, expected, input)
}

fn check(entry: &NewJournalEntry) -> Result<()> {
    let is_time = entry.kind == NoteKind::Time;
    if entry.body.chars().count() > LONG {
        return Err(Error::invalid("/body", "too_long", format!("`body` has at most {LONG} characters.")));
    }
    if !is_time && entry.body.trim().is_empty() {
        return Err(Error::invalid("/body", "required", "`body` can't be empty."));
    }
    match entry.minutes {
        Some(minutes) if is_time && (1..=MOST_MINUTES).contains(&minutes) => Ok(()),
        None if !is_time => Ok(()),
        Some(_) if !is_time => Err(Error::invalid("/minutes", "not_writable_here", "`minutes` go with `time` alone.")),
        Some(_) => Err(Error::invalid("/minutes", "out_of_range", format!("`minutes` are from 1 to {MOST_MINUTES}."))),
        None => Err(Error::invalid("/minutes", "required", "`time` needs `minutes`.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_entry_has_what_it_needs() {
        type Case = (NoteKind, &'static str, Option<i32>, Option<&'static str>);
        let cases: &[Case] = &[
            (NoteKind::Comment, "hello", None, None),
            (NoteKind::Comment, " ", None, Some("/body")),
            (NoteKind::WorkNote, "hello", Some(5), Some("/minutes")),
            (NoteKind::Time, "", Some(5), None),
            (NoteKind::Time, "", None, Some("/minutes")),
            (NoteKind::Time, "", Some(0), Some("/minutes")),
            (NoteKind::Time, "", Some(MOST_MINUTES + 1), Some("/minutes")),
        ];
        for (kind, body, minutes, wrong) in cases {
            let entry = NewJournalEntry { kind: *kind, body: (*body).to_owned(), minutes: *minutes };
            let found = check(&entry).err().map(|e| e.errors[0].pointer.clone());
            assert_eq!(found.as_deref(), *wrong, "{kind:?} {body:?} {minutes:?}");
        }
    }
}
