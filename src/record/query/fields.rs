//! `fields=` and `expand=`: how much of each record is sent.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Fault, names};
use crate::error::Result;

/// Names in one list at most.
pub const MAX_NAMES: usize = 100;

/// Which parts of a document are sent: a tree of names. A name without branches stands for all that is under it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(BTreeMap<String, Fields>);

impl Fields {
    fn add(&mut self, path: &str) {
        let mut here = self;
        let mut segments = path.split('.').peekable();
        while let Some(segment) = segments.next() {
            // A branch that is there and empty already stands for the whole.
            if here.0.get(segment).is_some_and(Fields::is_whole) {
                return;
            }
            here = here.0.entry(segment.to_owned()).or_default();
            if segments.peek().is_none() {
                here.0.clear();
            }
        }
    }

    /// Whether all that is under it is sent.
    pub fn is_whole(&self) -> bool {
        self.0.is_empty()
    }

    /// What is sent of a member; nothing when it is not.
    pub fn branch(&self, name: &str) -> Option<&Fields> {
        self.0.get(name)
    }
}

/// Reads `fields=title,service.name`. A name is good when it is in `known` or when a longer dotted name there begins with it:
/// with `custom.cost` known, `custom` is too, and means all of it.
///
/// # Errors
/// `bad_query` for a name that is not known, a missing one, or more than [`MAX_NAMES`].
pub fn parse(text: &str, known: &[&str]) -> Result<Fields> {
    tree(text, known).map_err(|fault| fault.of_parameter("fields"))
}

/// Reads `expand=assignee,service`: the references to embed, each once. One level: what is embedded is not expanded again.
///
/// # Errors
/// `bad_query` for a name that is not in `expandable`, a missing one, or more than [`MAX_NAMES`].
pub fn parse_expand(text: &str, expandable: &[&str]) -> Result<Vec<String>> {
    references(text, expandable).map_err(|fault| fault.of_parameter("expand"))
}

fn tree(text: &str, known: &[&str]) -> Result<Fields, Fault> {
    let begins = |name: &str, path: &str| {
        path.strip_prefix(name).is_some_and(|rest| matches!(rest.bytes().next(), None | Some(b'.')))
    };
    let mut fields = Fields::default();
    for (at, name) in bounded(text)? {
        if !known.iter().any(|path| begins(name, path)) {
            return Err(Fault::unknown(at, "field", name, known.iter().copied()));
        }
        fields.add(name);
    }
    Ok(fields)
}

fn references(text: &str, expandable: &[&str]) -> Result<Vec<String>, Fault> {
    let mut found: Vec<String> = Vec::new();
    for (at, name) in bounded(text)? {
        if !expandable.contains(&name) {
            return Err(unexpandable(at, name, expandable));
        }
        if !found.iter().any(|f| f == name) {
            found.push(name.to_owned());
        }
    }
    Ok(found)
}

fn unexpandable(at: usize, name: &str, expandable: &[&str]) -> Fault {
    match name.split_once('.') {
        Some((first, _)) if expandable.contains(&first) => {
            Fault::new(at, "unknown_field", format!("`{first}` can be expanded, but only one level deep"))
        }
        Some(_) | None => Fault::unknown(at, "expandable reference", name, expandable.iter().copied()),
    }
}

fn bounded(text: &str) -> Result<Vec<(usize, &str)>, Fault> {
    let names = names(text)?;
    match names.get(MAX_NAMES) {
        Some((at, _)) => Err(Fault::new(*at, "too_many", format!("a list has {MAX_NAMES} names at most"))),
        None => Ok(names),
    }
}

/// The picked parts of `document`, in its own order. In a list each element is picked from. A reference that is `null` stays `null`;
/// a path that leads into anything else without members is left out.
pub fn pick(document: &Value, fields: &Fields) -> Value {
    match document {
        Value::Object(members) => Value::Object(pick_members(members, fields)),
        Value::Array(elements) => Value::Array(elements.iter().map(|element| pick(element, fields)).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => document.clone(),
    }
}

fn pick_members(members: &Map<String, Value>, fields: &Fields) -> Map<String, Value> {
    let mut picked = Map::new();
    for (name, value) in members {
        let Some(inner) = fields.0.get(name) else { continue };
        if inner.is_whole() {
            picked.insert(name.clone(), value.clone());
        } else if value.is_object() || value.is_array() || value.is_null() {
            picked.insert(name.clone(), pick(value, inner));
        }
    }
    picked
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{error::Code, record::query::seen};

    const KNOWN: &[&str] = &["id", "title", "service", "service.name", "custom.cost", "custom.room", "watchers.name"];

    #[test]
    fn picks_in_the_order_of_the_document() {
        let document = json!({
            "id": 1, "title": "Mail", "service": {"id": 7, "name": "E-mail"},
            "custom": {"cost": 3, "room": "B2"}, "watchers": [{"id": 1, "name": "Ann"}, {"id": 2, "name": "Bob"}],
        });
        let cases = [
            ("title", json!({"title": "Mail"})),
            ("title, id", json!({"id": 1, "title": "Mail"})),
            ("service.name", json!({"service": {"name": "E-mail"}})),
            ("service.name,service", json!({"service": {"id": 7, "name": "E-mail"}})),
            ("service,service.name", json!({"service": {"id": 7, "name": "E-mail"}})),
            ("custom", json!({"custom": {"cost": 3, "room": "B2"}})),
            ("custom.room,custom.room", json!({"custom": {"room": "B2"}})),
            ("custom.room,custom.cost", json!({"custom": {"cost": 3, "room": "B2"}})),
            ("watchers.name", json!({"watchers": [{"name": "Ann"}, {"name": "Bob"}]})),
        ];
        for (text, expected) in cases {
            let picked = pick(&document, &parse(text, KNOWN).unwrap());
            assert_eq!(picked.to_string(), expected.to_string(), "{text}");
        }
    }

    #[test]
    fn keeps_null_and_drops_what_has_no_members() {
        let fields = parse("service.name,title", KNOWN).unwrap();
        assert_eq!(pick(&json!({"service": null}), &fields), json!({"service": null}));
        assert_eq!(pick(&json!({"service": "7", "title": "x"}), &fields), json!({"title": "x"}));
        assert_eq!(pick(&json!([{"title": "x", "id": 1}]), &fields), json!([{"title": "x"}]));
    }

    #[test]
    fn says_where_a_field_list_is_wrong() {
        let many = vec!["title"; 101].join(",");
        let cases = [
            ("titel", "unknown_field", "Position 1: there is no field `titel`; did you mean `title`?"),
            (
                "title,service.nam",
                "unknown_field",
                "Position 7: there is no field `service.nam`; did you mean `service.name`?",
            ),
            ("title,cust", "unknown_field", "Position 7: there is no field `cust`."),
            ("title.", "unknown_field", "Position 1: there is no field `title.`; did you mean `title`?"),
            ("title,,id", "syntax", "Position 7: a name is missing here."),
            (&many, "too_many", "Position 601: a list has 100 names at most."),
        ];
        for (text, code, detail) in cases {
            assert_eq!(seen(&parse(text, KNOWN).unwrap_err()), (Code::BadQuery, "fields", code, detail), "{text}");
        }
    }

    #[test]
    fn expands_one_level_each_once() {
        let expandable = ["assignee", "service"];
        assert_eq!(parse_expand("service, assignee,service", &expandable).unwrap(), ["service", "assignee"]);
        let cases = [
            ("asignee", "Position 1: there is no expandable reference `asignee`; did you mean `assignee`?"),
            ("service,service.owner", "Position 9: `service` can be expanded, but only one level deep."),
            ("other.owner", "Position 1: there is no expandable reference `other.owner`."),
        ];
        for (text, detail) in cases {
            let error = parse_expand(text, &expandable).unwrap_err();
            assert_eq!(seen(&error), (Code::BadQuery, "expand", "unknown_field", detail), "{text}");
        }
    }
}
