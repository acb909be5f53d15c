//! The end of a write: a finished draft becomes rows.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{
    approval::{self, case::Case},
    audit::AuditEntry,
    custom,
    draft::Draft,
    escalation,
    header::Header,
    journal::{self, Entry},
    mention::{self, Mention},
    outbox::{BY, Event, NOTED},
    pending::{Participant, Tag, Words},
    practice::{Details, Practice},
    render::changes,
    service_level::{self, follow::Passing},
    store::{Desk, Outcome},
};
use crate::{
    db::JsonText,
    error::Result,
    id::{RecordId, RowId, UserId},
};

/// Writes a draft: every row that tells of it, in the transaction of the desk, and then what follows from it.
pub fn write<P: Practice>(desk: &mut Desk<'_, '_>, mut draft: Draft<P::Details>) -> Result<Outcome> {
    if draft.before.is_none() {
        draft.header.number = desk.kernel.next_number(desk.unit.reference(), draft.kind.name, draft.kind.prefix)?;
    }
    P::count(&mut draft);
    escalation::ask::follow::<P>(desk, &mut draft)?;
    draft.header.version += 1;
    draft.header.updated_at = desk.cause.at;
    let mut outcome = outcome(&draft)?;
    let changed = changes(draft.was()?.as_ref(), &outcome.record);
    let (approvals, asked) = write_approvals(desk, &mut draft, &outcome.record, &changed)?;
    write_people(desk, &draft);
    write_tags(desk, &draft)?;
    custom::write(desk, &draft)?;
    write_words(desk, &draft);
    outcome.entries = write_journal(desk, &draft);
    let clocks = match draft.clocks.take() {
        Some(clocks) => clocks,
        None => service_level::follow::work_out(desk, &draft, &outcome.record, Passing::Write)?,
    };
    escalation::ask::later::<P>(desk, &draft, &clocks)?;
    service_level::follow::keep(desk, &mut draft, clocks)?;
    write_evidence(desk, &mut draft, &changed, approvals)?;
    write_record(desk, &draft);
    // It refers to the record, which has to be there.
    asked.map_or(Ok(()), |mut case| case.save(desk))?;
    P::follow(&draft, desk)?;
    as_seen(desk, outcome)
}

/// What a change means for the approvals of the record; gives what the history tells of that, and what is asked for by policies.
fn write_approvals<D: Details>(
    desk: &mut Desk<'_, '_>,
    draft: &mut Draft<D>,
    record: &Map<String, Value>,
    changed: &Map<String, Value>,
) -> Result<(Map<String, Value>, Option<Case>)> {
    let is_asked_again = draft.wish.is_some();
    let mut effects = match draft.before.as_ref().filter(|_| is_asked_again || !changed.is_empty()) {
        Some((before, _)) => approval::again::follow(desk, (before, &draft.header), record, changed, is_asked_again)?,
        None => approval::again::Effects::default(),
    };
    let asked = match draft.wish.take() {
        Some(wish) => {
            let of = (draft.kind, &draft.header);
            Some(approval::policy::drawn_up(desk, of, record, &wish, &mut effects)?)
        }
        None => None,
    };
    for (action, told) in effects.events {
        let Header { number, version, state, .. } = &draft.header;
        let payload = json!({
            "number": number, "version": version, "state": state, "changed": [approval::BESIDE], "approval": told,
            "via": desk.cause.via.as_text(),
        });
        draft.events.push((format!("{}.{action}", draft.kind.name), payload));
    }
    Ok((effects.changes, asked))
}

/// What came of a write, without what is hidden from its writer.
fn as_seen(desk: &mut Desk<'_, '_>, mut outcome: Outcome) -> Result<Outcome> {
    let fields = desk.kernel.references(outcome.record.get("kind").and_then(Value::as_str).unwrap_or_default())?;
    let said = outcome.record.iter_mut().filter(|(name, _)| fields.contains(&name.as_str()));
    let mentions = said.map(|(_, value)| Mention::Record(value)).collect();
    mention::hide(desk.kernel, desk.unit.reference(), &desk.cause.caller, mentions)?;
    Ok(outcome)
}

/// Ends a write that has changed nothing: what the policies were asked is remembered all the same.
pub fn unchanged<D: Details>(desk: &mut Desk<'_, '_>, mut draft: Draft<D>) -> Result<Outcome> {
    write_decisions(desk, &mut draft);
    let outcome = outcome(&draft)?;
    as_seen(desk, outcome)
}

/// A draft as it will be stored.
fn outcome<D: Details>(draft: &Draft<D>) -> Result<Outcome> {
    let Header { id, ref number, version, .. } = draft.header;
    Ok(Outcome { id, number: number.clone(), version, record: draft.after()?, entries: Vec::new() })
}

fn write_record<D: Details>(desk: &mut Desk<'_, '_>, draft: &Draft<D>) {
    let (header, details) = (draft.header.clone(), draft.details.clone());
    match &draft.before {
        None => desk.unit.deferred.add(draft.kind.name, header, details),
        Some((_, old)) => {
            let changed = (*old != details).then_some(details);
            desk.unit.deferred.replace(draft.kind.name, header, changed);
        }
    }
}

/// The parts that people play in a record make it visible to them.
fn write_people<D: Details>(desk: &mut Desk<'_, '_>, draft: &Draft<D>) {
    let id = draft.header.id;
    let parts =
        |h: &Header| [("requester", h.requester_id), ("opener", Some(h.opened_by_id)), ("assignee", h.assignee_id)];
    let old = draft.old().map(|(h, _)| parts(h));
    for (n, (role, who)) in parts(&draft.header).into_iter().enumerate() {
        let before: Option<UserId> = old.and_then(|parts| parts[n].1);
        if before == who {
            continue;
        }
        if before.is_some() {
            desk.unit.deferred.left.push((id, role));
        }
        desk.unit.deferred.participants.extend(who.map(|user_id| Participant { record_id: id, user_id, role }));
    }
}

fn write_tags<D: Details>(desk: &mut Desk<'_, '_>, draft: &Draft<D>) -> Result<()> {
    let old = draft.old().map(|(h, _)| &h.tags);
    if old == Some(&draft.header.tags) {
        return Ok(());
    }
    let record_id = draft.header.id;
    if old.is_some() {
        desk.unit.deferred.retagged.push(record_id);
    }
    let tags: BTreeSet<String> = draft.header.tags.read()?;
    desk.unit.deferred.tags.extend(tags.into_iter().map(|tag| Tag { record_id, tag }));
    Ok(())
}

fn write_words<D: Details>(desk: &mut Desk<'_, '_>, draft: &Draft<D>) {
    let header = &draft.header;
    let changed = |old: &Header| (&old.title, &old.description) != (&header.title, &header.description);
    if draft.old().is_some_and(|(old, _)| changed(old)) {
        desk.unit.deferred.words.push(Words {
            record_id: header.id,
            number: header.number.clone(),
            title: header.title.clone(),
            description: header.description.clone(),
        });
    }
    // Work notes are left out: whoever may not read them must not find a record by them either.
    let public: Vec<&str> =
        draft.notes.iter().filter(|n| n.kind == journal::COMMENT).map(|n| n.body.as_str()).collect();
    if !public.is_empty() {
        desk.unit.deferred.more_words.push((header.id, format!("\n{}", public.join("\n"))));
    }
}

fn write_journal<D: Details>(desk: &mut Desk<'_, '_>, draft: &Draft<D>) -> Vec<Entry> {
    let (cause, record_id) = (desk.cause, draft.header.id);
    let entries: Vec<Entry> = draft
        .notes
        .iter()
        .map(|note| Entry {
            id: RowId::new(),
            record_id,
            at: cause.at,
            author_id: cause.caller.user,
            kind: note.kind.to_owned(),
            body: note.body.clone(),
            minutes: note.minutes,
            via: cause.via.as_text(),
        })
        .collect();
    desk.unit.deferred.journal.extend(entries.iter().cloned());
    entries
}

/// Audit, events and decisions.
fn write_evidence<D: Details>(
    desk: &mut Desk<'_, '_>,
    draft: &mut Draft<D>,
    changed: &Map<String, Value>,
    approvals: Map<String, Value>,
) -> Result<()> {
    let action = action(draft);
    let mut told = changed.clone();
    for note in &draft.notes {
        told.insert(note.kind.to_owned(), json!([null, note.body]));
    }
    let beside = draft.aside.iter().flat_map(|aside| &aside.changes).chain(&approvals);
    told.extend(beside.clone().map(|(name, change)| (name.clone(), change.clone())));
    let names: Vec<&String> = changed.keys().chain(beside.map(|(name, _)| name)).collect();
    let header = &draft.header;
    desk.unit.deferred.audit.push(AuditEntry {
        at: desk.cause.at,
        actor_id: Some(desk.cause.caller.user),
        action: action.clone(),
        subject_kind: draft.kind.name.to_owned(),
        subject_id: header.id.to_string(),
        subject_version: header.version,
        via: desk.cause.via.as_text(),
        request_id: desk.cause.request_id.clone(),
        reason: desk.cause.reason.clone(),
        changes: JsonText::of(&told)?,
    });
    let payload = json!({
        "number": header.number, "version": header.version, "state": header.state,
        "changed": names, "via": desk.cause.via.as_text(),
    });
    let event = |event: String, mut payload: Value| -> Result<Event> {
        if let Value::Object(members) = &mut payload {
            members.insert(BY.to_owned(), json!(desk.cause.caller.user));
        }
        let payload = JsonText::of(&payload)?;
        Ok(Event { id: RowId::new(), at: desk.cause.at, event, record_id: header.id, payload })
    };
    let mut events = vec![event(action, payload)?];
    for (name, payload) in &draft.events {
        events.push(event(name.clone(), payload.clone())?);
    }
    desk.unit.deferred.events.extend(events);
    write_decisions(desk, draft);
    Ok(())
}

fn write_decisions<D>(desk: &mut Desk<'_, '_>, draft: &mut Draft<D>) {
    let Header { id, version, .. } = draft.header;
    desk.unit.deferred.decisions.extend(draft.decisions.drain(..).map(|row| row.of(id, version)));
}

/// What was done, in the past tense.
fn action<D: Details>(draft: &Draft<D>) -> String {
    let what = match (&draft.before, draft.step) {
        _ if draft.aside.is_some() => draft.aside.as_ref().map_or("", |aside| aside.action),
        (None, _) => "created",
        (Some(_), Some(step)) => step.done,
        (Some((header, details)), None)
            if *details == draft.details
                && header.title == draft.header.title
                && is_only_noted(header, &draft.header) =>
        {
            if draft.has_comment() {
                "commented"
            } else {
                NOTED
            }
        }
        (Some(_), None) => "updated",
    };
    format!("{}.{what}", draft.kind.name)
}

fn is_only_noted(before: &Header, after: &Header) -> bool {
    Header { version: before.version, updated_at: before.updated_at, ..after.clone() } == *before
}

/// Adds somebody who wants to follow a record.
pub fn watcher(record_id: RecordId, user_id: UserId) -> Participant {
    Participant { record_id, user_id, role: "watcher" }
}
