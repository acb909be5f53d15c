//! What may be there twice: configuration items that are the same in a way by which those of their class are recognised (`record::twin`).

use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{IN_USE, KIND, list};
use crate::{
    error::{Code, Result},
    id::RecordId,
    practice::configuration_item::ConfigurationItem,
    record::{
        class::{Classes, PLACE},
        custom::CustomField,
        header::Header,
        practice::Details,
        query::filter::Quoted,
        store::Reading,
        twin::{TITLE, Way},
    },
};

/// Groups of duplicates that are told of one way, and records of one group.
const GROUPS: i64 = 100;
const ALIKE: i64 = 20;

/// Records that may be the same thing.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct DuplicateGroup {
    /// What is the same: an attribute, or `title`; with commas between them, where things are recognised by several together.
    #[schema(examples("serial_number", "namespace,title"))]
    pub attribute: String,
    /// What all of them hold, with commas between what they hold of several.
    pub value: String,
    /// The filter that finds all of them: `GET /api/v1/configuration_items?filter=`.
    pub filter: String,
    /// The records, the first twenty of them.
    pub records: Vec<DuplicateRecord>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct DuplicateRecord {
    /// Its id.
    pub id: RecordId,
    /// Its number.
    pub number: String,
    /// Its title.
    pub title: String,
}

/// The groups, way by way, the largest first.
pub(super) fn groups(reading: &mut Reading<'_>, classes: &Classes) -> Result<Vec<DuplicateGroup>> {
    let mut groups = Vec::new();
    for way in Way::all(classes) {
        let ids = way.groups(reading.connection, KIND, GROUPS)?;
        let titles = Header::find_all(reading.connection, &ids)?.into_iter().map(|header| (header.id, header.title));
        let titles: HashMap<RecordId, String> = titles.collect();
        let items = ConfigurationItem::load(reading.connection, &ids)?;
        let items: HashMap<RecordId, ConfigurationItem> =
            items.into_iter().map(|item| (item.record_id, item)).collect();
        for id in ids {
            let (Some(item), Some(title)) = (items.get(&id), titles.get(&id)) else { continue };
            groups.extend(group(reading, classes, &way, (item, title))?);
        }
    }
    Ok(groups)
}

/// Those that are the same as this one.
fn group(
    reading: &mut Reading<'_>,
    classes: &Classes,
    way: &Way,
    (item, title): (&ConfigurationItem, &str),
) -> Result<Option<DuplicateGroup>> {
    let attributes: Map<String, Value> = item.attributes.read()?;
    let hold =
        |name: &String| if name == TITLE { title.into() } else { attributes.get(name).cloned().unwrap_or_default() };
    let values: Vec<Value> = way.names.iter().map(hold).collect();
    let field = |name: &str| classes.fields().iter().find(|field| field.name == name);
    let same = way.names.iter().zip(&values).map(|(name, value)| is_same(name, field(name), value));
    let of_class = |class: &String| format!("class = {class}");
    let of_classes = match way.names.as_slice() {
        [title] if title == TITLE => of_class(&item.class),
        _ => format!("({})", way.classes().iter().map(of_class).collect::<Vec<_>>().join(" OR ")),
    };
    let filter = [IN_USE.to_owned(), of_classes].into_iter().chain(same).collect::<Vec<_>>().join(" AND ");
    let list = match list(reading, &filter) {
        Ok(list) => list,
        // A value that can't be asked for any more, or words too long for a filter: the share counts them, and no filter finds them.
        Err(e) if e.code == Code::BadQuery => return Ok(None),
        Err(e) => return Err(e),
    };
    let alike = list.following(reading.connection, None, ALIKE)?;
    let record = |header: Header| DuplicateRecord { id: header.id, number: header.number, title: header.title };
    let records: Vec<DuplicateRecord> = alike.into_iter().map(record).collect();
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let value = values.iter().map(shown).collect::<Vec<_>>().join(", ");
    Ok((records.len() > 1).then(|| DuplicateGroup { attribute: way.name(), value, filter, records }))
}

/// The filter of what holds a value by which things are recognised, however a text is written.
pub fn is_same(name: &str, field: Option<&CustomField>, value: &Value) -> String {
    let is_text = name == TITLE || field.is_some_and(|field| field.field_type == "text");
    let path = if name == TITLE { name.to_owned() } else { format!("{PLACE}.{name}") };
    match value {
        Value::String(text) if is_text => format!("{path}.folded = {}", Quoted(text)),
        Value::String(text) => format!("{path} = {}", Quoted(text)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            format!("{path} = {value}")
        }
    }
}
