//! What a message holds: the event, and the record as the webhook's owner may read it at that moment.

use serde_json::{Map, Value, json};

use super::{delivery::DeliveryRow, row::WebhookRow};
use crate::{
    auth::caller::Caller,
    db::AnyConnection,
    error::{Error, Result},
    id::RecordId,
    record::{
        header::Header,
        kernel::Kernel,
        mention::{self, Mention},
        outbox, render, visibility,
    },
};

/// What is to be done with a message.
pub enum Composed {
    /// It is sent.
    Send(String),
    /// It is not, and why.
    Dropped(&'static str),
}

/// Makes the body of a message.
pub fn compose(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    hook: &WebhookRow,
    delivery: &DeliveryRow,
) -> Result<Composed> {
    let payload: Value = delivery.payload.read()?;
    let Some(record) = delivery.record_id else { return Ok(Composed::Send(body(delivery, payload))) };
    let Some(owner) = hook.owner(connection)? else {
        return Ok(Composed::Dropped("The owner of the webhook is not active any more."));
    };
    let seen = told(kernel, connection, &owner, delivery)?;
    let Some(header) = seen else {
        return Ok(Composed::Dropped("The owner of the webhook may not be told of this any more."));
    };
    let data = data(kernel, connection, &owner, &header, record, payload, delivery)?;
    Ok(Composed::Send(body(delivery, data)))
}

/// The record that a message tells of, where somebody may be told of it.
pub fn told(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    caller: &Caller,
    delivery: &DeliveryRow,
) -> Result<Option<Header>> {
    let Some(record) = delivery.record_id else { return Ok(None) };
    let Some(header) = visibility::among(kernel, connection, caller, vec![record])?.remove(&record) else {
        return Ok(None);
    };
    let kind = kernel.practice(&header.kind)?.kind();
    Ok(outbox::is_for(caller, kind, &delivery.event).then_some(header))
}

fn data(
    kernel: &Kernel,
    connection: &mut AnyConnection,
    owner: &Caller,
    header: &Header,
    record: RecordId,
    mut payload: Value,
    delivery: &DeliveryRow,
) -> Result<Value> {
    let kind = kernel.practice(&header.kind)?.kind();
    mention::hide(kernel, connection, owner, Mention::via_of(&mut payload).into_iter().collect())?;
    let mut shown = render::present(kernel, connection, kind, &[(record, header.version)])?;
    mention::hide_references(kernel, connection, owner, &mut shown)?;
    let shown = shown.first().ok_or_else(|| Error::internal("a record changed within a moment"))?;
    let mut data = Map::new();
    data.insert("event_id".to_owned(), json!(delivery.event_id));
    data.insert("id".to_owned(), json!(record));
    data.insert("kind".to_owned(), json!(kind.name));
    if let Value::Object(payload) = payload {
        data.extend(payload);
    }
    data.insert("record".to_owned(), shown.object(None)?.into());
    Ok(data.into())
}

fn body(delivery: &DeliveryRow, data: Value) -> String {
    json!({"type": delivery.event, "timestamp": delivery.happened_at, "data": data}).to_string()
}
