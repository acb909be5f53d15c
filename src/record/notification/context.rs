//! What a template sees: the record as its reader may read it, what happened to it, and who is who.

use std::{collections::BTreeSet, sync::Arc};

use diesel::prelude::*;
use serde_json::{Map, Value, json};

use super::{
    part::Part,
    recipient::Recipient,
    template::{DIGEST, INVITED, THROTTLED},
};
use crate::{
    auth::caller::Caller,
    clock::Moment,
    config::Mail,
    db::AnyConnection,
    error::{Error, Result},
    id::UserId,
    record::{
        cause::{Cause, Policies, Via},
        header::Header,
        journal::{self, COMMENT, JournalEntry, WORK_NOTE},
        kernel::Kernel,
        kind::{HEADER, Kind},
        mention, outbox, pattern, person, render,
        store::Reading,
    },
    schema::{approval, approval_stage, team},
};

/// Entries of the journal that are looked through.
const LOOKED_THROUGH: i64 = 50;
/// Comments that a template sees.
const COMMENTS: usize = 10;

/// What happened, as a message tells of it.
#[derive(Clone, Copy, Debug)]
pub struct Happening<'a> {
    /// What.
    pub event: &'a str,
    /// When.
    pub at: Moment,
    /// What is told of it.
    pub payload: &'a Value,
    /// The parts that the reader has in it.
    pub parts: &'a [Part],
}

/// What a template sees of an event, for a reader who may read the record.
pub fn of(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    reader: &Recipient,
    header: &Header,
    what: &Happening<'_>,
    settings: &Mail,
) -> Result<Value> {
    let kind = kernel.practice(&header.kind)?.kind();
    let record = record(kernel, connection, &reader.caller, kind, header)?;
    let entries = entries(kernel, connection, &reader.caller, kind, header, what.at)?;
    let by = what.payload[outbox::BY].as_str().and_then(|id| id.parse::<UserId>().ok());
    let people = [header.requester_id, Some(header.opened_by_id), header.assignee_id, by];
    let known = person::people(connection, people.into_iter().flatten())?;
    let [requester, opener, assignee, by] = people.map(|who| Some(known.get(&who?)?.display_name.clone()));
    let said = |kind: &str| {
        let then = entries.iter().find(|entry| entry.kind == kind && entry.at == what.at);
        then.map(|entry| entry.body.clone())
    };
    let comments = entries.iter().filter(|entry| entry.kind == COMMENT).take(COMMENTS).map(|entry| {
        let author = entry.author.as_ref().map(|author| author.display_name.as_str());
        json!({"author": author, "at": entry.at, "body": entry.body})
    });
    let mut seen = Map::from_iter(common(reader));
    let more = [
        ("record", Value::Object(record)),
        ("kind", json!({"name": kind.name, "label": kind.label})),
        ("event", json!({"name": what.event, "at": what.at, "by": by, "changed": changed(what.payload)})),
        ("people", json!({"requester": requester, "opener": opener, "assignee": assignee})),
        ("team", team_name(connection, header)?.into()),
        ("comment", said(COMMENT).into()),
        ("work_note", said(WORK_NOTE).into()),
        ("comments", comments.collect()),
        ("approval", approval(connection, header, what)?),
        ("service_level", service_level(what.payload)),
        ("link", link(settings, header).into()),
        ("most", settings.hourly_per_record.into()),
    ];
    seen.extend(more.map(|(name, value)| (name.to_owned(), value)));
    Ok(Value::Object(seen))
}

/// What every template sees.
pub fn common(reader: &Recipient) -> impl Iterator<Item = (String, Value)> + use<> {
    let recipient = json!({
        "name": reader.caller.display_name, "address": reader.address, "language": reader.language,
        "zone": reader.zone.name(),
    });
    std::iter::once(("recipient".to_owned(), recipient))
}

/// Where a portal shows a record.
pub fn link(settings: &Mail, header: &Header) -> Option<String> {
    let url = settings.record_url.as_ref()?;
    Some(url.replace("{kind}", &header.kind).replace("{id}", header.id.as_str()).replace("{number}", &header.number))
}

/// A record as somebody reads it.
fn record(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    reader: &Caller,
    kind: &Kind,
    header: &Header,
) -> Result<Map<String, Value>> {
    let mut shown = render::present(kernel, connection, kind, &[(header.id, header.version)])?;
    mention::hide_references(kernel, connection, reader, &mut shown)?;
    let shown = shown.first().ok_or_else(|| Error::internal("a record changed within a moment"))?;
    let mut fields = shown.object(None)?;
    // A template for several kinds may ask for what some of them lack.
    for field in HEADER {
        fields.entry(field.name).or_insert(Value::Null);
    }
    Ok(fields)
}

/// The newest entries of the journal that somebody may read.
fn entries(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    reader: &Arc<Caller>,
    kind: &Kind,
    header: &Header,
    at: Moment,
) -> Result<Vec<JournalEntry>> {
    let cause = Cause {
        caller: reader.clone(),
        via: Via::Server,
        request_id: String::new(),
        reason: String::new(),
        at,
        policies: Policies::Decide,
        depth: 0,
    };
    let mut reading = Reading { kernel, connection, cause: &cause };
    journal::of_record(&mut reading, kind, header.id, None, LOOKED_THROUGH)
}

fn changed(payload: &Value) -> Value {
    payload.get("changed").cloned().unwrap_or_else(|| json!([]))
}

fn team_name(connection: &mut AnyConnection, header: &Header) -> Result<Option<String>> {
    let Some(of) = header.team_id else { return Ok(None) };
    Ok(team::table.find(of).select(team::name).first(connection).optional()?)
}

/// What is to be approved, for those who are asked.
fn approval(connection: &mut AnyConnection, header: &Header, what: &Happening<'_>) -> Result<Value> {
    if !what.parts.contains(&Part::Approvers) {
        return Ok(Value::Null);
    }
    let asked = approval_stage::table
        .inner_join(approval::table.on(approval::id.eq(approval_stage::approval_id)))
        .filter(approval::record_id.eq(header.id))
        .filter(approval_stage::opened_at.eq(what.at))
        .select((approval::id, approval::title, approval::description, approval_stage::name, approval_stage::due_at));
    let asked: Option<(String, String, String, String, Option<Moment>)> = asked.first(connection).optional()?;
    Ok(asked.map_or(Value::Null, |(id, title, description, stage, due_at)| {
        json!({"id": id, "title": title, "description": description, "stage": stage, "due_at": due_at})
    }))
}

fn service_level(payload: &Value) -> Value {
    if payload.get("agreement").is_none() {
        return Value::Null;
    }
    let told = ["agreement", "metric", "percent", "target", "deadline"];
    told.into_iter().map(|name| (name.to_owned(), payload.get(name).cloned().unwrap_or_default())).collect()
}

/// What a template for an event might see: all that there can be, or as little as there can be.
pub fn sample(kernel: &Kernel, event: &str, full: bool) -> Value {
    let text = |text: &str| if full { json!(text) } else { Value::Null };
    let at = "2026-03-03T11:00:00Z";
    let mut seen = json!({
        "recipient": {"name": "Ada Lovelace", "address": "ada@example.org", "language": text("en"), "zone": "UTC"},
        "link": text("https://portal.example/INC0000042"), "most": 10,
    });
    let entry = json!({"author": text("Ada Lovelace"), "at": at, "body": "It works again."});
    if event == DIGEST {
        let message =
            json!({"event": "incident.commented", "at": at, "subject": "It works again", "text": "It works again."});
        let record = json!({
            "number": "INC0000042", "title": "Mail does not arrive", "kind": "Incident", "state": "resolved",
            "link": text("https://portal.example/INC0000042"), "messages": [message],
        });
        (seen["records"], seen["count"]) = (json!([record]), json!(1));
        return seen;
    }
    if event == INVITED {
        let place = if full { "Room 4" } else { "" };
        seen["meeting"] =
            json!({"news": "changed", "name": "Board of the week", "starts_at": at, "ends_at": at, "place": place});
        return seen;
    }
    let level =
        json!({"agreement": "sla", "metric": "resolution", "percent": 80, "target": "PT4H", "deadline": text(at)});
    let asked = json!({"id": "x", "title": "x", "description": "", "stage": "x", "due_at": text(at)});
    let more = json!({
        "record": sample_record(kernel, event, full), "kind": {"name": "incident", "label": "Incident"},
        "event": {"name": event, "at": at, "by": text("Ada Lovelace"), "changed": if full { json!(["state"]) } else { json!([]) }},
        "people": {"requester": text("Ada"), "opener": "Ada", "assignee": text("Alan")}, "team": text("service-desk"),
        "comment": text("It works again."), "work_note": text("Told by phone."),
        "comments": if full { json!([entry]) } else { json!([]) },
        "approval": if full { asked } else { Value::Null }, "service_level": if full { level } else { Value::Null },
    });
    if let (Value::Object(seen), Value::Object(more)) = (&mut seen, more) {
        seen.extend(more);
    }
    seen
}

/// A record with every field that the records of an event have.
fn sample_record(kernel: &Kernel, event: &str, full: bool) -> Value {
    let kind =
        Some(event).filter(|event| *event != THROTTLED).and_then(|event| pattern::kind_of(kernel, &[event.to_owned()]));
    let mut fields: BTreeSet<&str> = HEADER.iter().map(|field| field.name).collect();
    if let Some(kind) = kind {
        fields.extend(kind.all_fields().map(|field| field.name));
    }
    let value = |name: &str| match name {
        "custom" => json!({}),
        "tags" => json!([]),
        "priority" | "impact" | "urgency" if full => json!(1),
        _ if name.ends_with("_at") || name.starts_with("planned_") => {
            if full {
                json!("2026-03-03T11:00:00Z")
            } else {
                Value::Null
            }
        }
        "version" => json!(3),
        "id" | "number" | "title" | "kind" | "state" | "phase" => json!("x"),
        "description" => json!(if full { "x" } else { "" }),
        _ if full => json!("x"),
        _ => Value::Null,
    };
    let mut record: Map<String, Value> = fields.into_iter().map(|name| (name.to_owned(), value(name))).collect();
    // Every record has been opened and changed.
    for always in ["opened_at", "updated_at"] {
        record.insert(always.to_owned(), json!("2026-03-03T11:00:00Z"));
    }
    Value::Object(record)
}
