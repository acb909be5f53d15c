//! One record that gives rise to another: an incident to a problem, a problem to a change.

use serde_json::{Map, Value};

use super::{
    kind::Kind,
    link,
    store::{Desk, Outcome},
};
use crate::{error::Result, id::RecordId};

/// Which kind gives rise to which.
#[derive(Debug)]
pub struct Raise {
    /// The kind that there is.
    pub from: &'static str,
    /// The kind that is made.
    pub to: &'static str,
    /// What the one that there is does to the other: the name of either side of a relation.
    pub relation: &'static str,
}

/// Fields that the other record takes over, as far as it has them.
const TAKEN_OVER: &[&str] = &[
    "title",
    "description",
    "organisation_id",
    "requester_id",
    "impact",
    "urgency",
    "category",
    "subcategory",
    "service_id",
    "configuration_item_id",
    "channel",
    "tags",
];

/// What a new record of a kind takes over from another record, with what is given beside it.
pub fn taken_over(kind: &Kind, from: &Map<String, Value>, given: Map<String, Value>) -> Map<String, Value> {
    let has = |name: &&&str| kind.field(name).is_some();
    let taken = TAKEN_OVER.iter().filter(has).filter_map(|name| Some(((*name).to_owned(), from.get(*name)?.clone())));
    let mut fields: Map<String, Value> = taken.filter(|(_, value)| !value.is_null()).collect();
    fields.extend(given);
    fields
}

/// What a new record of a kind takes over from several records: whatever all of them have alike.
pub fn in_common(kind: &Kind, records: &[Map<String, Value>]) -> Map<String, Value> {
    let Some((first, others)) = records.split_first() else { return Map::new() };
    let mut common = taken_over(kind, first, Map::new());
    common.retain(|name, value| others.iter().all(|record| record.get(name) == Some(&*value)));
    common
}

/// Makes the other record, with what it takes over and what is given, and links the two, in one transaction. Gives the record that there was
/// and the other.
///
/// # Errors
/// What keeps the caller from making it, or from changing the record that there is.
pub fn raise(
    desk: &mut Desk<'_, '_>,
    raise: &Raise,
    kind: &'static Kind,
    from: (RecordId, &Map<String, Value>),
    expected: Option<i32>,
    given: Map<String, Value>,
) -> Result<(Outcome, Outcome)> {
    let (of, record) = from;
    let practice = desk.kernel.practice(raise.to)?;
    let made = practice.create(desk, taken_over(practice.kind(), record, given))?;
    let (outcome, _) = link::create(desk, kind, of, expected, raise.relation, made.id.as_str())?;
    // The link is a change of the one that there is; the other stands as it was made.
    Ok((outcome, made))
}
