//! From events to messages: each active webhook reads the outbox from where it was.

use super::{
    delivery::DeliveryRow,
    row::{WebhookRow, filtered},
};
use crate::{
    auth::caller::Caller,
    clock::Moment,
    db::AnyConnection,
    error::{Code, Error, Result},
    id::{RecordId, RowId},
    record::{
        feed::{Place, Told, Wanted},
        kernel::Kernel,
        outbox::BY,
        pattern,
        store::Desk,
    },
    schema::webhook,
};
use diesel::prelude::*;

/// So many messages may wait for a webhook; further events are read when there are fewer.
const MOST_WAITING: i64 = 10_000;

/// What a webhook comes to when it reads on.
pub struct Gathered {
    webhook: RowId,
    from: Place,
    to: Place,
    messages: Vec<DeliveryRow>,
    /// Why it can't read any more.
    broken: Option<String>,
    /// Whether there may be more to read at once.
    pub more: bool,
}

/// Reads on for every active webhook. Nothing is stored by this.
pub fn gather(kernel: &Kernel, connection: &mut AnyConnection, now: Moment) -> Result<Vec<Gathered>> {
    let newest = Place::newest(connection)?;
    let mut all = Vec::new();
    for hook in WebhookRow::active(connection)?.into_iter().filter(|hook| hook.place() < newest) {
        if DeliveryRow::count_waiting(connection, hook.id)? < MOST_WAITING {
            all.push(read_on(kernel, connection, &hook, newest, now)?);
        }
    }
    Ok(all)
}

fn read_on(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    hook: &WebhookRow,
    newest: Place,
    now: Moment,
) -> Result<Gathered> {
    let from = hook.place();
    let nothing = |to| Gathered { webhook: hook.id, from, to, messages: Vec::new(), broken: None, more: false };
    // Who is not there sees nothing.
    let Some(owner) = hook.owner(connection)? else { return Ok(nothing(newest)) };
    let mut to = from;
    let (told, more) = to.read(kernel, connection, &owner, &Wanted::default())?;
    match wanted(kernel, connection, hook, &owner, told, now) {
        Ok(told) => {
            let messages = told.iter().map(|told| DeliveryRow::of_event(hook.id, told, now)).collect::<Result<_>>()?;
            Ok(Gathered { messages, more, ..nothing(to) })
        }
        Err(why) if why.code == Code::BadQuery => Ok(Gathered { broken: Some(not_understood(&why)), ..nothing(from) }),
        Err(why) => Err(why),
    }
}

/// What a filter says that was understood when it was written, such as by a custom field that is retired.
fn not_understood(why: &Error) -> String {
    format!("Its filter is not understood any more: {}", why.detail)
}

/// Those events that a webhook wants, of those that its owner is told of.
fn wanted(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    hook: &WebhookRow,
    owner: &Caller,
    told: Vec<Told>,
    now: Moment,
) -> Result<Vec<Told>> {
    let patterns = hook.patterns()?;
    let mut told = told;
    told.retain(|told| patterns.iter().any(|pattern| pattern::fits(pattern, &told.event)));
    if !hook.own_changes {
        told.retain(|told| told.payload[BY] != owner.user.as_str());
    }
    if told.is_empty() {
        return Ok(told);
    }
    let Some(list) = filtered(kernel, connection, owner, &patterns, hook.filter.as_deref(), now)? else {
        return Ok(told);
    };
    let ids: Vec<RecordId> = told.iter().map(|told| told.record_id).collect();
    let fit = list.among(connection, &ids)?;
    told.retain(|told| fit.contains(&told.record_id));
    Ok(told)
}

/// Keeps what a webhook has come to, unless another node was faster; gives how many messages were made.
pub fn keep(desk: &mut Desk<'_, '_>, gathered: &Gathered) -> Result<usize> {
    if let Some(why) = &gathered.broken {
        WebhookRow::turn_off(desk, gathered.webhook, why)?;
        return Ok(0);
    }
    let ((from_xid, from_seq), (xid, seq)) = (gathered.from.to_keep(), gathered.to.to_keep());
    let connection = desk.unit.connection()?;
    let mine = webhook::table
        .find(gathered.webhook)
        .filter(webhook::active.eq(true))
        .filter(webhook::cursor_xid.eq(from_xid))
        .filter(webhook::cursor_seq.eq(from_seq));
    let on = (webhook::cursor_xid.eq(xid), webhook::cursor_seq.eq(seq));
    if diesel::update(mine).set(on).execute(connection)? == 0 {
        return Ok(0);
    }
    DeliveryRow::insert_all(connection, &gathered.messages)?;
    Ok(gathered.messages.len())
}
