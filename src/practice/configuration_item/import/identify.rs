//! Which record a row of an import is: by its number, by the key that its source has for it, then by what its class says, the best way
//! first; texts whatever the case of A to Z, and whatever spaces stand around them. What is retired is recognised by its number and its key
//! alone: a name or an address may have gone to another thing since. A source that has no keys, and retires what it no longer finds, knows
//! what it has retired itself as it knew it before.

use serde_json::{Map, Value};

use super::{
    Ground,
    known::Known,
    returned,
    row::{OriginRow, SeenRow},
};
use crate::{
    error::{FieldError, Result},
    id::RecordId,
    practice::configuration_item::{
        ConfigurationItem, ConfigurationItemPractice,
        health::{IN_USE, duplicate::is_same},
    },
    record::{
        class::{Class, PLACE},
        custom::folded,
        header::Header,
        input::is_empty,
        kind::Kind,
        list::{Asked, List},
        practice::{Details, Practice},
        query::filter::Quoted,
        store::Desk,
        twin::TITLE,
        visibility,
    },
};

const KIND: &Kind = &ConfigurationItemPractice::KIND;
/// So many that fit are looked at.
const CANDIDATES: i64 = 20;

/// Which record a row is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// This one.
    Known(RecordId),
    /// None that is there.
    New,
    /// One of these.
    Ambiguous(Vec<RecordId>),
}

/// What a row says of itself: `title` and attributes, by the names that ways of recognising use.
pub struct Said<'a> {
    /// Its number.
    pub number: Option<&'a str>,
    /// What the source calls it.
    pub key: Option<&'a str>,
    /// Its title.
    pub title: Option<&'a str>,
    /// Its attributes.
    pub attributes: &'a Map<String, Value>,
}

impl Said<'_> {
    /// What it says of one name.
    fn of(&self, name: &str) -> Option<Value> {
        let value = match name {
            TITLE => Value::from(self.title?),
            name => self.attributes.get(name)?.clone(),
        };
        (!is_empty(Some(&value))).then_some(value)
    }

    /// What it says of all the names of a way, if it does.
    fn all<'n>(&self, way: &'n [String]) -> Option<Vec<(&'n str, Value)>> {
        way.iter().map(|name| Some((name.as_str(), self.of(name)?))).collect()
    }

    /// The first way by which it can be recognised, as one text: two rows with the same one are the same thing.
    pub fn signature(&self, class: &Class) -> Option<String> {
        let words = class.identification.iter().find_map(|way| self.all(way))?;
        let top = class.line.last().map_or("", String::as_str);
        let words = words.into_iter().map(|(name, value)| format!("{name}={}", alike(value)));
        Some(std::iter::once(top.to_owned()).chain(words).collect::<Vec<_>>().join("\n"))
    }
}

/// Which record a row of this class is, or what is wrong with how it is named, with the records that it may mean.
pub fn identify(
    desk: &mut Desk<'_, '_>,
    ground: &Ground,
    known: &Known,
    class: &Class,
    said: &Said<'_>,
) -> Result<std::result::Result<Identity, (FieldError, Vec<RecordId>)>> {
    let connection = desk.unit.connection()?;
    let keyed = match said.key.map(|key| (key, known.keyed(key))) {
        Some((key, None)) => SeenRow::named(connection, &ground.asked.source, key)?,
        known => known.and_then(|(_, id)| id),
    };
    let Some(number) = said.number else {
        return Ok(Ok(match keyed {
            Some(known) => Identity::Known(known),
            None => recognised(desk, ground, class, said)?,
        }));
    };
    let id = Header::id_of(connection, number)?;
    let seen = visibility::among(desk.kernel, connection, &ground.caller, id.into_iter().collect())?;
    let Some(header) = seen.into_values().find(|header| header.kind == KIND.name) else {
        let detail = format!("There is no configuration item `{number}`.");
        return Ok(Err((FieldError::new("/number", "no_such_reference", detail), Vec::new())));
    };
    if let Some(keyed) = keyed.filter(|keyed| *keyed != header.id) {
        let detail = format!("`{number}` is not the configuration item that the source calls by this `key`.");
        return Ok(Err((FieldError::new("/number", "conflict", detail), vec![keyed, header.id])));
    }
    Ok(Ok(Identity::Known(header.id)))
}

/// The one that is recognised as its class says: one in use, or one that the source, if it has no keys, has retired and finds again.
fn recognised(desk: &mut Desk<'_, '_>, ground: &Ground, class: &Class, said: &Said<'_>) -> Result<Identity> {
    let found = by_class(desk, class, said, Among::InUse)?;
    let source = &ground.asked.source;
    if found == Identity::New && said.key.is_none() && ground.weights.retires(source) {
        return by_class(desk, class, said, Among::RetiredBy(source));
    }
    Ok(found)
}

/// Among what something is looked for.
#[derive(Clone, Copy)]
enum Among<'a> {
    /// What is in use.
    InUse,
    /// What a source has retired itself, and nobody else has since.
    RetiredBy(&'a str),
}

/// The one that is recognised as its class says, the best way first.
fn by_class(desk: &mut Desk<'_, '_>, class: &Class, said: &Said<'_>, among: Among<'_>) -> Result<Identity> {
    let mut better: Vec<&[String]> = Vec::new();
    for way in &class.identification {
        let Some(words) = said.all(way) else { continue };
        let mut found = Vec::new();
        for candidate in candidates(desk, class, &words, among)? {
            if !contradicts(&better, said, &candidate)? {
                found.push(candidate.record_id);
            }
        }
        match found.as_slice() {
            [] => better.push(way),
            [one] => return Ok(Identity::Known(*one)),
            // The newest comes first: what was made anew each time that it came back is the one that was made last.
            [last, ..] if matches!(among, Among::RetiredBy(_)) => return Ok(Identity::Known(*last)),
            _ => return Ok(Identity::Ambiguous(found)),
        }
    }
    Ok(Identity::New)
}

/// The records of which all these words are true, and whose class is this one, above it or below it.
fn candidates(
    desk: &mut Desk<'_, '_>,
    class: &Class,
    words: &[(&str, Value)],
    among: Among<'_>,
) -> Result<Vec<ConfigurationItem>> {
    let conditions = words.iter().map(|(name, value)| is_same(name, class.field(name), value));
    let above = class.line.iter().map(|name| format!("class = {name}"));
    let of_line = std::iter::once(format!("is_a = {}", class.name)).chain(above).collect::<Vec<_>>().join(" OR ");
    let (of_those, order) = match among {
        Among::InUse => (IN_USE.to_owned(), "opened_at"),
        Among::RetiredBy(source) => (format!("phase = closed AND source = {}", Quoted(source)), "-opened_at"),
    };
    let filter = conditions.chain([format!("({of_line})"), of_those]).collect::<Vec<_>>().join(" AND ");
    let (kernel, cause) = (desk.kernel, desk.cause);
    let connection = desk.unit.connection()?;
    let asked = Asked { filter: Some(filter), sort: Some(order.to_owned()), ..Asked::default() };
    // A value that a field never holds fits nothing.
    let Ok(list) = List::new(kernel, connection, &cause.caller, Some(KIND), &asked, cause.at) else {
        return Ok(Vec::new());
    };
    let mut ids = Vec::new();
    for header in list.following(connection, None, CANDIDATES)? {
        let is_one = match among {
            Among::InUse => true,
            Among::RetiredBy(source) => {
                let origins = OriginRow::of_record(connection, header.id)?;
                returned::against(connection, source, (header.id, &origins))?.is_none()
            }
        };
        ids.extend(is_one.then_some(header.id));
    }
    ConfigurationItem::load(connection, &ids)
}

/// Whether a record that fits by a weaker way is another one by a better: both say something there, and not the same.
fn contradicts(better: &[&[String]], said: &Said<'_>, candidate: &ConfigurationItem) -> Result<bool> {
    let attributes: Map<String, Value> = candidate.attributes.read()?;
    let theirs = Said { number: None, key: None, title: None, attributes: &attributes };
    let differs = |way: &&[String]| match (said.all(way), theirs.all(way)) {
        (Some(mine), Some(theirs)) => {
            mine.into_iter().zip(theirs).any(|((_, mine), (_, theirs))| alike(mine) != alike(theirs))
        }
        _ => false,
    };
    Ok(better.iter().any(differs))
}

/// A value by which something is recognised, however it is written.
pub(super) fn alike(value: Value) -> Value {
    if let Value::String(text) = &value { folded(text).into() } else { value }
}

/// Whether things of a class are recognised by a field, `title` or `attributes.name`, among others.
pub(super) fn is_identifying(class: &Class, field: &str) -> bool {
    let name = field.strip_prefix(PLACE).and_then(|rest| rest.strip_prefix('.')).unwrap_or(field);
    class.identification.iter().flatten().any(|named| named == name)
}
