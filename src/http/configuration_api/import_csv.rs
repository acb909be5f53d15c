//! Configuration items, or relations, as CSV: the first line names the fields.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::{
    error::{Code, Error, FieldError, Result, did_you_mean},
    practice::configuration_item::import::{Content, Item, RelationItem},
    record::class::Classes,
};

/// What a column may be beside an attribute.
const COLUMNS: &[&str] = &[
    "key",
    "number",
    "class",
    "title",
    "description",
    "environment",
    "criticality",
    "state",
    "owner",
    "support_team",
    "organisation",
];
/// What a column of relations may be, and whether each row says it.
const OF_RELATIONS: &[(&str, bool)] =
    &[("from", true), ("relation", true), ("to", true), ("group", false), ("min_up", false)];
/// So many wrong places are told.
const TOLD: usize = 20;

/// The items of a CSV text, or its relations where the first line names one of their ends. An empty cell is a null.
pub(super) fn from_csv(text: &str, classes: &Classes) -> Result<Content> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(malformed)?.clone();
    if header.iter().any(|name| ["from", "to"].contains(&name)) {
        return Ok(Content { items: Vec::new(), relations: relations(reader, &header)? });
    }
    let repeated = |n: usize, name: &str| header.iter().take(n).any(|before| before == name).then(|| again(n, name));
    let fault = |(n, name)| check(n, name, classes).or_else(|| repeated(n, name));
    let mut errors: Vec<FieldError> = header.iter().enumerate().filter_map(fault).collect();
    if !errors.is_empty() {
        return Err(Error::invalid_all(errors));
    }
    let mut items = Vec::new();
    for (at, record) in reader.records().enumerate() {
        let record = record.map_err(malformed)?;
        let line = record.position().map_or(0, csv::Position::line);
        let mut item = Map::new();
        let mut attributes = Map::new();
        for (name, cell) in header.iter().zip(record.iter()) {
            match name.strip_prefix("attributes.") {
                None => drop(item.insert(name.to_owned(), Some(cell).filter(|cell| !cell.is_empty()).into())),
                Some(attribute) => match value(classes, attribute, cell) {
                    Some(value) => drop(attributes.insert(attribute.to_owned(), value)),
                    None => {
                        let detail = format!("line {line}: `{name}` is of another type than `{cell}`.");
                        errors.push(FieldError::new(
                            format!("/items/{at}/{}", name.replace('.', "/")),
                            "wrong_type",
                            detail,
                        ));
                    }
                },
            }
        }
        item.insert("attributes".to_owned(), attributes.into());
        items.push(serde_json::from_value::<Item>(item.into()).map_err(Error::internal)?);
    }
    if !errors.is_empty() {
        errors.truncate(TOLD);
        return Err(Error::invalid_all(errors));
    }
    Ok(Content { items, relations: Vec::new() })
}

/// The relations of a CSV text.
fn relations(mut reader: csv::Reader<&[u8]>, header: &csv::StringRecord) -> Result<Vec<RelationItem>> {
    let names = || OF_RELATIONS.iter().map(|(name, _)| *name);
    let fault = |(n, name): (usize, &str)| {
        let is_there = header.iter().take(n).any(|before| before == name);
        if names().any(|known| known == name) {
            is_there.then(|| again(n, name))
        } else {
            Some(unknown(n, name, names()))
        }
    };
    let lacking = OF_RELATIONS.iter().filter(|(name, is_needed)| *is_needed && !header.iter().any(|n| n == *name));
    let lacking = lacking.map(|(name, _)| {
        FieldError::new(
            "/columns",
            "required",
            format!("Relations have the columns `from`, `relation` and `to`; `{name}` is missing."),
        )
    });
    let mut errors: Vec<FieldError> = header.iter().enumerate().filter_map(fault).chain(lacking).collect();
    if !errors.is_empty() {
        return Err(Error::invalid_all(errors));
    }
    let mut found = Vec::new();
    for (at, record) in reader.records().enumerate() {
        let record = record.map_err(malformed)?;
        let line = record.position().map_or(0, csv::Position::line);
        let mut refuse = |name: &str, code: &str, detail: &str| {
            errors.push(FieldError::new(format!("/relations/{at}/{name}"), code, format!("line {line}: {detail}")));
        };
        let cells = header.iter().zip(record.iter()).filter(|(_, cell)| !cell.is_empty());
        let cells: HashMap<&str, &str> = cells.collect();
        for (name, _) in OF_RELATIONS.iter().filter(|(name, is_needed)| *is_needed && !cells.contains_key(name)) {
            refuse(name, "required", &format!("`{name}` is required."));
        }
        let min_up = cells.get("min_up").and_then(|cell| {
            let number = cell.parse::<i32>().ok();
            if number.is_none() {
                refuse("min_up", "wrong_type", &format!("`{cell}` is no whole number."));
            }
            number
        });
        let cell = |name: &str| cells.get(name).map(|cell| (*cell).to_owned());
        let of = |name: &str| cell(name).unwrap_or_default();
        found.push(RelationItem {
            from: of("from"),
            relation: of("relation"),
            to: of("to"),
            group: cell("group"),
            min_up,
        });
    }
    if !errors.is_empty() {
        errors.truncate(TOLD);
        return Err(Error::invalid_all(errors));
    }
    Ok(found)
}

fn malformed(error: csv::Error) -> Error {
    Error::new(Code::Malformed, format!("The body is not CSV as it should be: {error}."))
}

fn check(n: usize, name: &str, classes: &Classes) -> Option<FieldError> {
    let known: Vec<String> = classes.fields().iter().map(|field| format!("attributes.{}", field.name)).collect();
    let names = || COLUMNS.iter().copied().chain(known.iter().map(String::as_str));
    if names().any(|known| known == name) {
        return None;
    }
    Some(unknown(n, name, names()))
}

fn unknown<'a>(n: usize, name: &str, names: impl Iterator<Item = &'a str>) -> FieldError {
    let detail = format!("There is no field `{name}`{}.", did_you_mean(name, names));
    FieldError::new(format!("/columns/{n}"), "unknown_field", detail)
}

/// A column that stands there twice says two things of one field.
fn again(n: usize, name: &str) -> FieldError {
    FieldError::new(format!("/columns/{n}"), "duplicate_field", format!("There is another column `{name}` before it."))
}

/// The cell as a value of the attribute's type.
fn value(classes: &Classes, attribute: &str, cell: &str) -> Option<Value> {
    if cell.is_empty() {
        return Some(Value::Null);
    }
    let field = classes.fields().iter().find(|field| field.name == attribute)?;
    match field.field_type.as_str() {
        "integer" => cell.parse::<i64>().ok().map(Value::from),
        "decimal" => serde_json::from_str::<serde_json::Number>(cell).ok().map(Value::Number),
        "boolean" => cell.to_ascii_lowercase().parse::<bool>().ok().map(Value::from),
        _ => Some(cell.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        practice::configuration_item::classes::SHIPPED,
        record::class::{ClassRow, shipped::Shipped},
    };

    const SENSOR: Shipped = Shipped {
        name: "sensor",
        label: "Sensor",
        parent: None,
        is_abstract: false,
        attributes: &[("is_wireless", "Is wireless", "boolean", false)],
        identification: &[],
    };

    fn classes() -> Classes {
        let at = "2026-03-03T11:00:00Z".parse().unwrap();
        let rows: Vec<ClassRow> =
            SHIPPED.iter().chain([&SENSOR]).map(|class| class.as_new("configuration_item").row(at).unwrap()).collect();
        Classes::of(rows).unwrap()
    }

    #[test]
    fn cells_are_read_as_what_their_attribute_is() {
        let text =
            "key,class,title,attributes.cpu_count,attributes.hostname\nd:1,server, esx ,8,\nd:2,server,web,,w1\n";
        let items = from_csv(text, &classes()).unwrap().items;
        assert_eq!(
            (items[0].title.as_deref(), items[0].attributes["cpu_count"].clone()),
            (Some("esx"), Value::from(8))
        );
        assert_eq!((&items[1].attributes["cpu_count"], &items[1].attributes["hostname"]), (&Value::Null, &"w1".into()));
    }

    #[test]
    fn yes_and_no_are_read_in_letters_of_any_size() {
        let text = "title,attributes.is_wireless\na,TRUE\nb,False\nc,true\n";
        let items = from_csv(text, &classes()).unwrap().items;
        let read: Vec<&Value> = items.iter().map(|item| &item.attributes["is_wireless"]).collect();
        assert_eq!(read, [true, false, true]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let cases = [
            ("titel\nx\n", "/columns/0"),
            ("title,attributes.cpu\nx,1\n", "/columns/1"),
            ("title,class,title\nx,server,y\n", "/columns/2"),
            ("title,attributes.cpu_count\nx,1\ny,many\n", "/items/1/attributes/cpu_count"),
            ("from,to\na,b\n", "/columns"),
            ("from,relation,to,grup\na,uses,b,c\n", "/columns/3"),
            ("from,relation,to,to\na,uses,b,c\n", "/columns/3"),
            ("from,relation,to\na,uses,b\na,,b\n", "/relations/1/relation"),
            ("from,relation,to,min_up\na,uses,b,two\n", "/relations/0/min_up"),
        ];
        for (text, place) in cases {
            assert_eq!(from_csv(text, &classes()).unwrap_err().errors[0].pointer, place);
        }
    }
}
