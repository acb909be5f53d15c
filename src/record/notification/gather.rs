//! From events to messages: one place in the outbox for all nodes, and for each event a message to everybody who wants one.

use std::collections::HashMap;

use chrono::TimeDelta;
use diesel::prelude::*;

use super::{
    message::{MessageRow, Subject},
    part::{self, Part},
    preference::{Delivery, next_hour},
    recipient::Recipient,
    template::{THROTTLED, Templates},
};
use crate::{
    auth::caller::Caller,
    clock::Moment,
    config::Mail,
    db::AnyConnection,
    error::Result,
    id::UserId,
    record::{
        escalation,
        feed::{Place, Told, Wanted},
        header::Header,
        kernel::Kernel,
        outbox::BY,
        store::Desk,
    },
    schema::setting,
};

/// Where the place in the outbox is kept.
const PLACE: &str = "mail_place";
/// Nobody is told of what is older: when mail is turned on after a while, it begins with what is new.
const OLDEST: TimeDelta = TimeDelta::days(1);

/// What comes of reading on.
pub struct Gathered {
    from: String,
    to: String,
    messages: Vec<MessageRow>,
    /// Whether there may be more to read at once.
    pub more: bool,
}

/// Reads on, in the name of the server. Nothing is stored by this; nothing comes of it where there is nothing to read.
pub fn gather(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    server: &Caller,
    settings: &Mail,
    now: Moment,
) -> Result<Option<Gathered>> {
    let newest = Place::newest(connection)?;
    let from: String = setting::table.find(PLACE).select(setting::value).first(connection)?;
    let Some(mut to) = read_place(&from) else {
        return Ok(Some(Gathered { from, to: written(newest), messages: Vec::new(), more: false }));
    };
    if to >= newest {
        return Ok(None);
    }
    let (told, more) = to.read(kernel, connection, server, &Wanted::default())?;
    let templates = Templates::active(connection)?;
    let mut known = HashMap::new();
    let mut messages = Vec::new();
    for told in told.iter().filter(|told| told.at > now.minus(OLDEST)) {
        messages.extend(of_event(kernel, connection, settings, &templates, &mut known, told, now)?);
    }
    Ok(Some(Gathered { from, to: written(to), messages, more }))
}

/// People who were looked up already; nothing for those who are not written to.
type Known = HashMap<UserId, Option<Recipient>>;

/// The messages of an event.
fn of_event(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    settings: &Mail,
    templates: &Templates,
    known: &mut Known,
    told: &Told,
    now: Moment,
) -> Result<Vec<MessageRow>> {
    let mut messages = Vec::new();
    let Some(header) = Header::find(connection, told.record_id)? else { return Ok(messages) };
    let parts = part::of(kernel, connection, told, &header)?;
    let names = part::names(told, &parts);
    if !templates.has_any(&names) {
        return Ok(messages);
    }
    for (user, parts) in &parts {
        let parts: Vec<Part> = parts.iter().copied().collect();
        let recipient = match known.get(user) {
            Some(known) => known.clone(),
            None => known.entry(*user).insert_entry(Recipient::load(connection, *user)?).get().clone(),
        };
        let Some(recipient) = recipient else { continue };
        if told.payload[BY] == user.as_str() && !recipient.preferences.own_changes {
            continue;
        }
        let languages = recipient.languages(&settings.default_language);
        let Some(chosen) = templates.choose(&names, &parts, &languages) else { continue };
        let delivery = recipient.preferences.delivery(chosen.event);
        if delivery == Delivery::Off
            || recipient.told_of(kernel, connection, told.record_id, &told.event, &parts)?.is_none()
        {
            continue;
        }
        let message = MessageRow::of_event(*user, told, chosen.event, &parts, now)?;
        messages.push(match recipient.preferences.digest_at(delivery, recipient.zone, now) {
            Some(at) => message.in_digest(at),
            None => message,
        });
    }
    Ok(messages)
}

/// Keeps what reading on has come to, unless another node was faster; gives how many messages were made.
pub fn keep(desk: &mut Desk<'_, '_>, gathered: &Gathered, settings: &Mail) -> Result<usize> {
    let (connection, now) = (desk.unit.connection()?, desk.cause.at);
    let mine = setting::table.find(PLACE).filter(setting::value.eq(&gathered.from));
    if diesel::update(mine).set(setting::value.eq(&gathered.to)).execute(connection)? == 0 {
        return Ok(0);
    }
    let mut made = 0;
    for message in &gathered.messages {
        let is_held = message.digest_at.is_none()
            && !escalation::pages(&message.event)
            && held_back(connection, message, settings, now)?;
        made += usize::from(match is_held {
            true => message.clone().in_digest(next_hour(now)).insert(connection)?,
            false => message.insert(connection)?,
        });
    }
    Ok(made)
}

/// Whether somebody has had so many messages about a record within the hour that this one waits. The first time, they are told so.
fn held_back(connection: &mut AnyConnection, message: &MessageRow, settings: &Mail, now: Moment) -> Result<bool> {
    let Some(record) = message.record_id else { return Ok(false) };
    let since = now.minus(TimeDelta::hours(1));
    let mut count = |kind| MessageRow::count_since(connection, kind, message.user_id, record, since);
    if count(Subject::Event)? < i64::from(settings.hourly_per_record) {
        return Ok(false);
    }
    if count(Subject::Notice)? == 0 {
        let notice = MessageRow {
            record_id: Some(record),
            parts: message.parts.clone(),
            ..MessageRow::blank(Subject::Notice, message.user_id, THROTTLED, now)
        };
        notice.insert(connection)?;
    }
    Ok(true)
}

fn written(place: Place) -> String {
    let (xid, seq) = place.to_keep();
    format!("{xid} {seq}")
}

fn read_place(text: &str) -> Option<Place> {
    let (xid, seq) = text.split_once(' ')?;
    Some(Place::kept(xid.parse().ok()?, seq.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_kept_as_text() {
        let place = Place::kept(i64::MIN, 7);
        assert_eq!(read_place(&written(place)), Some(place));
        assert_eq!(read_place(""), None);
    }
}
