//! The definitions of classes: checked, made and changed, never deleted.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Attribute, ClassRow, line};
use crate::{
    clock::Moment,
    db::{AnyConnection, JsonText},
    error::{Error, FieldError, Result, did_you_mean},
    id::RowId,
    insert_rows,
    record::{
        catalogue::is_name,
        custom::TYPES,
        custom_admin::{self, LABEL, no_such_class},
    },
    schema::{record_class, record_class_line},
};

/// Attributes of a class at most, those from above included.
pub const MOST: usize = 200;
/// How deep the tree may be.
pub const DEEPEST: usize = 10;
/// Ways of recognising a record at most, and attributes in one.
const RULES: usize = 10;
/// What a way of recognising a record may name beside attributes.
const OF_RECORD: &str = "title";
const DESCRIPTION: usize = 2_000;

/// What makes a class.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewClass)]
pub struct NewClass {
    /// Of which kind of records.
    #[serde(default = "configuration_item")]
    #[schema(required = false, max_length = 40, examples("configuration_item"))]
    pub kind: String,
    /// Lower case letters, digits and `_`; each is there once.
    #[schema(max_length = 60, pattern = "^[a-z][a-z0-9_]*$", examples("linux_server"))]
    pub name: String,
    /// For people.
    #[schema(max_length = 100, examples("Linux server"))]
    pub label: String,
    /// What is of this class.
    #[serde(default)]
    #[schema(required = false, max_length = 2000)]
    pub description: String,
    /// The class above it, whose attributes it has, too.
    #[serde(default)]
    #[schema(required = false, max_length = 60, examples("server"))]
    pub parent: Option<String>,
    /// Whether it only groups others: nothing is of this class itself.
    #[serde(default, rename = "abstract")]
    #[schema(required = false)]
    pub is_abstract: bool,
    /// What its records have beside what the class above says.
    #[serde(default)]
    #[schema(required = false, max_items = 100)]
    pub attributes: Vec<Attribute>,
    /// By what an imported record is recognised: lists of attributes (or `title`), the best first; of those that refer to nothing. Those of
    /// the class above where none are given.
    #[serde(default)]
    #[schema(required = false, schema_with = super::identification)]
    pub identification: Vec<Vec<String>>,
}

fn configuration_item() -> String {
    "configuration_item".to_owned()
}

impl NewClass {
    /// As a row.
    pub fn row(&self, at: Moment) -> Result<ClassRow> {
        Ok(ClassRow {
            id: RowId::new(),
            kind: self.kind.clone(),
            name: self.name.clone(),
            label: self.label.trim().to_owned(),
            description: self.description.clone(),
            parent: self.parent.clone(),
            is_abstract: self.is_abstract,
            attributes: JsonText::of(&self.attributes)?,
            identification: JsonText::of(&self.identification)?,
            active: true,
            version: 1,
            created_at: at,
            updated_at: at,
        })
    }
}

/// Refuses a class that does not go together with the others of its kind, with every place that is wrong. `before` is what it was.
pub fn check(others: &[ClassRow], row: &ClassRow, before: Option<&ClassRow>) -> Result<()> {
    let mut errors = Vec::new();
    let mut wrong = |pointer: &str, code: &str, detail: String| errors.push(FieldError::new(pointer, code, detail));
    if before.is_none() && !is_name(&row.name) {
        let detail =
            "`name` is lower case letters, digits and `_`, begins with a letter and has at most 60 characters.";
        wrong("/name", "bad_name", detail.to_owned());
    }
    let length = row.label.chars().count();
    if length == 0 || length > LABEL {
        wrong("/label", "wrong_length", format!("`label` has 1 to {LABEL} characters."));
    }
    if row.description.chars().count() > DESCRIPTION {
        wrong("/description", "too_long", format!("`description` has at most {DESCRIPTION} characters."));
    }
    if let Some(parent) = &row.parent
        && !others.iter().any(|other| other.name == *parent)
    {
        let near = did_you_mean(parent, others.iter().map(|other| other.name.as_str()));
        wrong("/parent", "no_such_reference", format!("There is no class `{parent}`{near}."));
    }
    let mut rows: BTreeMap<String, ClassRow> =
        others.iter().filter(|o| o.name != row.name).map(|o| (o.name.clone(), o.clone())).collect();
    rows.insert(row.name.clone(), row.clone());
    if line(&rows, row).len() > DEEPEST {
        wrong("/parent", "too_deep", format!("Classes are at most {DEEPEST} deep."));
    }
    errors.extend(check_attributes(&rows, row, before)?);
    errors.extend(check_identification(&rows, row)?);
    if errors.is_empty() { Ok(()) } else { Err(Error::invalid_all(errors)) }
}

fn check_attributes(
    rows: &BTreeMap<String, ClassRow>,
    row: &ClassRow,
    before: Option<&ClassRow>,
) -> Result<Vec<FieldError>> {
    let attributes: Vec<Attribute> = row.attributes.read()?;
    let was: Vec<Attribute> = before.map(|row| row.attributes.read()).transpose()?.unwrap_or_default();
    let mut errors = Vec::new();
    let above: Vec<&ClassRow> = line(rows, row).into_iter().skip(1).collect();
    let is_below = |other: &ClassRow| line(rows, other).into_iter().skip(1).any(|above| above.name == row.name);
    for (n, attribute) in attributes.iter().enumerate() {
        let at = |field: &str| format!("/attributes/{n}/{field}");
        if !is_name(&attribute.name) || attributes[..n].iter().any(|other| other.name == attribute.name) {
            let detail = "Each name is lower case letters, digits and `_`, begins with a letter, has at most 60 characters and is there once.";
            errors.push(FieldError::new(at("name"), "bad_name", detail));
        }
        if !TYPES.contains(&attribute.field_type.as_str()) {
            let near = did_you_mean(&attribute.field_type, TYPES.iter().copied());
            let detail = format!("`field_type` is one of {}{near}.", TYPES.join(", "));
            errors.push(FieldError::new(at("field_type"), "not_a_choice", detail));
        }
        let field = attribute.as_field(&row.kind, row.created_at)?;
        for wrong in custom_admin::check(&field, &attribute.choices) {
            errors.push(FieldError { pointer: format!("/attributes/{n}{}", wrong.pointer), ..wrong });
        }
        if let Some(target) = attribute.target_class.as_ref().filter(|name| !rows.contains_key(*name)) {
            errors.push(no_such_class(&at("target_class"), target, rows.keys().map(String::as_str)));
        }
        for other in rows.values().filter(|other| other.name != row.name) {
            let theirs: Vec<Attribute> = other.attributes.read()?;
            let Some(theirs) = theirs.into_iter().find(|theirs| theirs.name == attribute.name) else { continue };
            if above.iter().any(|above| above.name == other.name) || is_below(other) {
                let detail = format!("`{}` is an attribute of `{}` already.", attribute.name, other.name);
                errors.push(FieldError::new(at("name"), "taken", detail));
            } else if theirs.field_type != attribute.field_type {
                let detail = format!(
                    "`{}` is of type {} in `{}`; a name means one type in all classes.",
                    attribute.name, theirs.field_type, other.name
                );
                errors.push(FieldError::new(at("field_type"), "other_type", detail));
            }
        }
    }
    for old in &was {
        match attributes.iter().find(|attribute| attribute.name == old.name) {
            Some(same) if same.field_type == old.field_type => (),
            Some(_) => {
                let detail =
                    format!("`{}` stays of type {}, because records hold values of it.", old.name, old.field_type);
                errors.push(FieldError::new("/attributes", "fixed", detail));
            }
            None => {
                let detail = format!("`{}` stays, because records hold values of it.", old.name);
                errors.push(FieldError::new("/attributes", "fixed", detail));
            }
        }
    }
    if attributes.len() > MOST {
        errors.push(FieldError::new("/attributes", "too_many", format!("A class has at most {MOST} attributes.")));
    }
    Ok(errors)
}

fn check_identification(rows: &BTreeMap<String, ClassRow>, row: &ClassRow) -> Result<Vec<FieldError>> {
    let rules: Vec<Vec<String>> = row.identification.read()?;
    let mut known = BTreeSet::from([OF_RECORD.to_owned()]);
    let mut references = BTreeSet::new();
    for class in line(rows, row) {
        for attribute in class.attributes.read::<Vec<Attribute>>()? {
            if attribute.as_field(&row.kind, row.created_at)?.refers_to().is_some() {
                references.insert(attribute.name.clone());
            }
            known.insert(attribute.name);
        }
    }
    let mut errors = Vec::new();
    if rules.len() > RULES || rules.iter().any(|rule| rule.is_empty() || rule.len() > RULES) {
        let detail =
            format!("There are at most {RULES} ways of recognising a record, each by 1 to {RULES} attributes.");
        errors.push(FieldError::new("/identification", "wrong_length", detail));
    }
    for (n, rule) in rules.iter().enumerate() {
        // Sources name what one refers to in as many ways as they know, so it tells no two records apart.
        for (m, name) in rule.iter().enumerate().filter(|(_, name)| references.contains(*name)) {
            let detail = format!("`{name}` refers to something else, and no record is recognised by that.");
            errors.push(FieldError::new(format!("/identification/{n}/{m}"), "wrong_type", detail));
        }
        for (m, name) in rule.iter().enumerate().filter(|(_, name)| !known.contains(*name)) {
            let near = did_you_mean(name, known.iter().map(String::as_str));
            let detail = format!("The class has no attribute `{name}`{near}.");
            errors.push(FieldError::new(format!("/identification/{n}/{m}"), "no_such_reference", detail));
        }
    }
    Ok(errors)
}

/// Adds classes, with their places in the tree of those that are there and their own.
pub fn insert(connection: &mut AnyConnection, there: &[ClassRow], new: &[ClassRow]) -> Result<()> {
    let all: BTreeMap<String, ClassRow> = there.iter().chain(new).map(|row| (row.name.clone(), row.clone())).collect();
    let place = |row: &ClassRow, above: &ClassRow| {
        (
            record_class_line::kind.eq(row.kind.clone()),
            record_class_line::class.eq(row.name.clone()),
            record_class_line::above.eq(above.name.clone()),
        )
    };
    let lines: Vec<_> = new
        .iter()
        .flat_map(|row| line(&all, row).into_iter().map(move |above| (row, above)))
        .map(|(row, above)| place(row, above))
        .collect();
    insert_rows!(connection, record_class::table, new)?;
    insert_rows!(connection, record_class_line::table, lines)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(name: &str, field_type: &str) -> Attribute {
        Attribute { name: name.into(), label: name.into(), field_type: field_type.into(), ..Attribute::default() }
    }

    fn class(name: &str, parent: Option<&str>, attributes: &[Attribute], identification: &[&[&str]]) -> ClassRow {
        let new = NewClass {
            kind: configuration_item(),
            name: name.into(),
            label: name.into(),
            description: String::new(),
            parent: parent.map(str::to_owned),
            is_abstract: false,
            attributes: attributes.to_vec(),
            identification: identification.iter().map(|rule| rule.iter().map(|n| (*n).to_owned()).collect()).collect(),
        };
        new.row("2026-03-03T11:00:00Z".parse().unwrap()).unwrap()
    }

    #[test]
    fn classes_go_together_or_are_refused_with_the_place() {
        let others = [
            class("hardware", None, &[attribute("serial", "text")], &[]),
            class("other", None, &[attribute("size", "integer")], &[]),
        ];
        let cases: &[(ClassRow, Option<&str>)] = &[
            (class("server", Some("hardware"), &[attribute("cores", "integer")], &[&["serial"], &["title"]]), None),
            (class("server", Some("hardwear"), &[], &[]), Some("/parent")),
            (class("Server", None, &[], &[]), Some("/name")),
            (class("server", Some("hardware"), &[attribute("serial", "text")], &[]), Some("/attributes/0/name")),
            (class("server", None, &[attribute("size", "text")], &[]), Some("/attributes/0/field_type")),
            (class("server", None, &[attribute("size", "number")], &[]), Some("/attributes/0/field_type")),
            (class("server", None, &[attribute("size", "choice")], &[]), Some("/attributes/0/choices")),
            (class("server", None, &[], &[&["title", "core"]]), Some("/identification/0/1")),
            (class("server", None, &[], &[&[]]), Some("/identification")),
        ];
        for (row, wrong) in cases {
            let found = check(&others, row, None).err().map(|e| e.errors[0].pointer.clone());
            assert_eq!(found.as_deref(), *wrong, "{row:?}");
        }
    }

    #[test]
    fn what_records_hold_values_of_stays() {
        let before = class("server", None, &[attribute("cores", "integer")], &[]);
        for after in [class("server", None, &[], &[]), class("server", None, &[attribute("cores", "text")], &[])] {
            let refused = check(std::slice::from_ref(&before), &after, Some(&before)).unwrap_err();
            assert_eq!((refused.errors[0].pointer.as_str(), refused.errors[0].code.as_str()), ("/attributes", "fixed"));
        }
    }

    #[test]
    fn a_class_has_what_those_above_it_have() {
        let rows = vec![
            class("hardware", None, &[attribute("serial", "text")], &[&["serial"]]),
            class("server", Some("hardware"), &[attribute("cores", "integer")], &[]),
        ];
        let classes = super::super::Classes::of(rows).unwrap();
        let server = classes.get("server").unwrap();
        assert_eq!(server.line, ["server", "hardware"]);
        assert_eq!(server.attributes.iter().map(|a| a.name.as_str()).collect::<Vec<_>>(), ["serial", "cores"]);
        assert_eq!(server.identification, [["serial"]]);
    }
}
