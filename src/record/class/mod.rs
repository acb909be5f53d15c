//! Classes: what kinds of things records of a kind are, and which attributes each has. Administrators make them.
//!
//! A class has the attributes of the class above it and its own. Values stand as JSON in the record's details, where they are read, and
//! as rows of `custom_value`, where filters find them; they are checked as custom fields are.
//!
//! **Invariant:** kind, name and place in the tree stay as a class was made, and a name means attributes of one type in all classes of a
//! kind, because records hold values of it and filters compare them.

pub mod admin;
pub mod shipped;

use std::collections::BTreeMap;

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    custom::{self, CustomField},
    draft::Draft,
    kind::{Holds, Kind},
    practice::Details,
    reference, render,
    store::{self, Desk},
};
use crate::{
    clock::Moment,
    db::{AnyConnection, JsonText},
    error::{Error, FieldError, Result, did_you_mean},
    id::RowId,
    schema::record_class,
};

/// What a record calls the values of its class's attributes.
pub const PLACE: &str = "attributes";
/// What filters call the class of a record and all above it.
pub const IS_A: &str = "is_a";

/// A class.
#[derive(Clone, Debug, PartialEq, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = record_class, treat_none_as_null = true, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct ClassRow {
    pub id: RowId,
    pub kind: String,
    pub name: String,
    pub label: String,
    pub description: String,
    pub parent: Option<String>,
    pub is_abstract: bool,
    pub attributes: JsonText,
    pub identification: JsonText,
    pub active: bool,
    pub version: i32,
    pub created_at: Moment,
    pub updated_at: Moment,
}

/// Something that records of a class have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Attribute {
    /// Its name in `attributes`, and in filters as `attributes.name`: lower case letters, digits and `_`. It means the same type in
    /// all classes.
    #[schema(max_length = 60, pattern = "^[a-z][a-z0-9_]*$", examples("serial_number"))]
    pub name: String,
    /// For people.
    #[schema(max_length = 100, examples("Serial number"))]
    pub label: String,
    /// What it holds, for people.
    #[serde(default)]
    #[schema(required = false, max_length = 1000)]
    pub help: String,
    /// `text`, `integer`, `decimal`, `boolean`, `date`, `time`, `choice`, or what it refers to by its id: `user`, `team`, `organisation` or
    /// `configuration_item`.
    #[schema(max_length = 20, examples("text"))]
    pub field_type: String,
    /// The words to choose from; needed for `choice`.
    #[serde(default)]
    #[schema(required = false, schema_with = choices)]
    pub choices: Vec<String>,
    /// Whether new records need it.
    #[serde(default)]
    #[schema(required = false)]
    pub required: bool,
    /// Whether a record without it counts as incomplete.
    #[serde(default)]
    #[schema(required = false)]
    pub recommended: bool,
    /// A regular expression that the whole of a `text` must match.
    #[serde(default)]
    #[schema(required = false, max_length = 500)]
    pub pattern: Option<String>,
    /// Of which class a `configuration_item` that it refers to has to be, or of one below that; of any where it is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required = false, max_length = 60, examples("server"))]
    pub target_class: Option<String>,
    /// Whether it is used. What is not stays where records hold it, and lists find it; it is neither asked for nor taken, imports leave it out,
    /// and nothing is recognised by it.
    #[serde(default = "used")]
    #[schema(required = false, default = true)]
    pub active: bool,
}

fn used() -> bool {
    true
}

impl Default for Attribute {
    fn default() -> Self {
        Attribute {
            name: String::new(),
            label: String::new(),
            help: String::new(),
            field_type: String::new(),
            choices: Vec::new(),
            required: false,
            recommended: false,
            pattern: None,
            target_class: None,
            active: used(),
        }
    }
}

impl Attribute {
    /// As a field, by which its values are checked.
    fn as_field(&self, kind: &str, at: Moment) -> Result<CustomField> {
        Ok(CustomField {
            id: RowId::new(),
            kind: kind.to_owned(),
            name: self.name.clone(),
            label: self.label.clone(),
            help: self.help.clone(),
            field_type: self.field_type.clone(),
            choices: JsonText::of(&self.choices)?,
            required: self.required,
            pattern: self.pattern.clone(),
            active: self.active,
            version: 1,
            created_at: at,
            updated_at: at,
            target_class: self.target_class.clone(),
        })
    }
}

/// A class with what it has from those above it.
#[derive(Clone, Debug)]
pub struct Class {
    /// Its name.
    pub name: String,
    /// For people.
    pub label: String,
    /// What is of this class.
    pub description: String,
    /// Whether nothing is of this class itself.
    pub is_abstract: bool,
    /// Whether new records may be of it.
    pub active: bool,
    /// Itself and all above it, the nearest first.
    pub line: Vec<String>,
    /// All attributes: those from above first.
    pub attributes: Vec<Attribute>,
    /// By which attributes an imported record is recognised, the best first: those that are used.
    pub identification: Vec<Vec<String>>,
    fields: Vec<CustomField>,
    /// Those of them that are used.
    used: Vec<CustomField>,
}

/// The classes of a kind.
#[derive(Clone, Debug, Default)]
pub struct Classes {
    by_name: BTreeMap<String, Class>,
    /// Every attribute once, for filters.
    fields: Vec<CustomField>,
}

impl ClassRow {
    /// The classes of a kind, by name.
    pub fn of_kind(connection: &mut AnyConnection, kind: &str) -> Result<Vec<Self>> {
        let all = record_class::table.filter(record_class::kind.eq(kind));
        Ok(all.order(record_class::name).load(connection)?)
    }
}

impl Classes {
    /// Reads those of a kind.
    pub fn read(connection: &mut AnyConnection, kind: &str) -> Result<Self> {
        Classes::of(ClassRow::of_kind(connection, kind)?)
    }

    /// Of these rows.
    pub fn of(rows: Vec<ClassRow>) -> Result<Self> {
        let rows: BTreeMap<String, ClassRow> = rows.into_iter().map(|row| (row.name.clone(), row)).collect();
        let mut classes = Classes::default();
        for row in rows.values() {
            let line = line(&rows, row);
            let mut attributes: Vec<Attribute> = Vec::new();
            for above in line.iter().rev() {
                attributes.extend(above.attributes.read::<Vec<Attribute>>()?);
            }
            let fields =
                attributes.iter().map(|a| a.as_field(&row.kind, row.created_at)).collect::<Result<Vec<_>>>()?;
            let known: Vec<&str> = classes.fields.iter().map(|f| f.name.as_str()).collect();
            let new: Vec<CustomField> = fields.iter().filter(|f| !known.contains(&f.name.as_str())).cloned().collect();
            classes.fields.extend(new);
            let mut identification = Vec::new();
            for above in &line {
                identification = above.identification.read()?;
                if !identification.is_empty() {
                    break;
                }
            }
            let given_up = |name: &String| attributes.iter().any(|a| a.name == *name && !a.active);
            identification.retain(|way: &Vec<String>| !way.iter().any(given_up));
            let class = Class {
                name: row.name.clone(),
                label: row.label.clone(),
                description: row.description.clone(),
                is_abstract: row.is_abstract,
                active: row.active,
                line: line.iter().map(|row| row.name.clone()).collect(),
                attributes,
                identification,
                used: fields.iter().filter(|field| field.active).cloned().collect(),
                fields,
            };
            classes.by_name.insert(row.name.clone(), class);
        }
        for field in &mut classes.fields {
            let all = || classes.by_name.values().flat_map(|class| &class.attributes).filter(|a| a.name == field.name);
            // A filter may ask for any word that any class allows.
            let mut words: Vec<&String> = all().flat_map(|attribute| &attribute.choices).collect();
            words.sort_unstable();
            words.dedup();
            let (choices, active) = (JsonText::of(&words)?, all().any(|attribute| attribute.active));
            (field.choices, field.active) = (choices, active);
        }
        Ok(classes)
    }

    /// All of them, by name.
    pub fn all(&self) -> impl Iterator<Item = &Class> {
        self.by_name.values()
    }

    /// The class of that name.
    pub fn get(&self, name: &str) -> Option<&Class> {
        self.by_name.get(name)
    }

    /// The names of those that new records may be of.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.values().filter(|class| class.active && !class.is_abstract).map(|class| class.name.as_str())
    }

    /// Every attribute once, those that no class uses any more as well: records hold values of them.
    pub fn fields(&self) -> &[CustomField] {
        &self.fields
    }

    /// The class that a record may be made of, or why it can't.
    pub fn usable(&self, name: &str) -> std::result::Result<&Class, FieldError> {
        let refuse = |code: &str, detail: String| Err(FieldError::new("/class", code, detail));
        match self.get(name) {
            None => refuse("not_a_choice", format!("There is no class `{name}`{}.", did_you_mean(name, self.names()))),
            Some(class) if class.is_abstract => {
                refuse("not_a_choice", format!("`{name}` only groups other classes; choose one below it."))
            }
            Some(class) if !class.active => refuse("not_a_choice", format!("The class `{name}` is not used any more.")),
            Some(class) => Ok(class),
        }
    }
}

impl Class {
    /// The values of its attributes after a patch, and every wrong place.
    pub fn merge(
        &self,
        values: Map<String, Value>,
        patch: Option<Value>,
        is_whole: bool,
    ) -> Result<(Map<String, Value>, Vec<FieldError>)> {
        custom::merge(PLACE, &self.used, values, patch, is_whole)
    }

    /// The attributes that are used, as fields.
    pub fn used(&self) -> &[CustomField] {
        &self.used
    }

    /// The attribute of that name, as a field.
    pub fn field(&self, name: &str) -> Option<&CustomField> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// A class and those above it. One that is not there ends the line, and so does one that is in it already.
fn line<'a>(rows: &'a BTreeMap<String, ClassRow>, of: &'a ClassRow) -> Vec<&'a ClassRow> {
    let mut line = vec![of];
    while let Some(above) = line.last().and_then(|row| rows.get(row.parent.as_ref()?)) {
        if line.iter().any(|row| row.name == above.name) {
            break;
        }
        line.push(above);
    }
    line
}

/// Checks the draft's class and merges a patch into the values of its attributes; gives every wrong place.
pub fn take_in<D: Details>(
    desk: &mut Desk<'_, '_>,
    draft: &mut Draft<D>,
    patch: Option<Value>,
) -> Result<Vec<FieldError>> {
    let Some(name) = class_field(draft.kind) else { return Ok(Vec::new()) };
    let class_of = |details: &D| -> Result<(String, Map<String, Value>)> {
        let details = render::object(details)?;
        let class = details.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let values = details.get(PLACE).and_then(Value::as_object).cloned().unwrap_or_default();
        Ok((class, values))
    };
    let was = draft.old().map(|(_, details)| class_of(details)).transpose()?;
    let (class, mut values) = class_of(&draft.details)?;
    let is_other = was.as_ref().is_none_or(|(before, _)| *before != class);
    if !is_other && patch.is_none() {
        return Ok(Vec::new());
    }
    let classes = desk.kernel.classes(desk.unit.reference(), draft.kind)?;
    let class = match classes.usable(&class) {
        Ok(class) => class,
        Err(wrong) if is_other => return Ok(vec![wrong]),
        Err(_) => classes.get(&class).ok_or_else(|| Error::internal("a record is of no class"))?,
    };
    let before = was.map(|(_, values)| values).unwrap_or_default();
    if is_other {
        // What the new class does not have goes with the old one.
        values.retain(|name, _| class.field(name).is_some());
    }
    let is_whole = is_other || !matches!(patch, Some(Value::Object(_)));
    let (values, mut errors) = class.merge(values, patch, is_whole)?;
    errors.extend(reference::check_given(desk, PLACE, &class.fields, &before, &values)?);
    store::set(draft, Map::from_iter([(PLACE.to_owned(), Value::Object(values))]))?;
    Ok(errors)
}

/// What filters find a record by: the values of its attributes, under the names that they have there.
pub fn findable<D: Details>(draft: &Draft<D>) -> Result<Map<String, Value>> {
    if !draft.kind.has_classes() {
        return Ok(Map::new());
    }
    let values = render::object(&draft.details)?.remove(PLACE);
    let values = values.as_ref().and_then(Value::as_object).into_iter().flatten();
    Ok(values.map(|(name, value)| (format!("{PLACE}.{name}"), value.clone())).collect())
}

fn class_field(kind: &Kind) -> Option<&'static str> {
    kind.fields.iter().find(|field| field.holds == Holds::Class).map(|field| field.name)
}

fn choices() -> utoipa::openapi::Schema {
    words("The words to choose from; needed for `choice`.", 200)
}

/// The schema of so many words at most.
fn words(doc: &str, most: usize) -> utoipa::openapi::Schema {
    use utoipa::openapi::{ArrayBuilder, ObjectBuilder, schema::Type};
    let word = ObjectBuilder::new().schema_type(Type::String).max_length(Some(100));
    ArrayBuilder::new().items(word).max_items(Some(most)).description(Some(doc)).into()
}

/// The schema of what imported records are recognised by.
pub fn identification() -> utoipa::openapi::Schema {
    let doc = "By what an imported record is recognised: lists of attributes (or `title`), the best first; of those that \
               refer to nothing. Those of the class above where none are given. The case of A to Z and the spaces around a text say nothing.";
    utoipa::openapi::ArrayBuilder::new()
        .items(utoipa::openapi::RefOr::T(words("What has to be the same.", 10)))
        .max_items(Some(10))
        .description(Some(doc))
        .into()
}
