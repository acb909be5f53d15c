//! The definitions of custom fields: made and changed by administrators, never deleted.
//!
//! **Invariant:** kind, name and type of a field stay as they were made, because records hold values of it.

use diesel::prelude::*;
use serde_json::{Map, Value, json};

use super::{
    audit::AuditEntry,
    catalogue::is_name,
    custom::{CONFIGURATION_ITEM, CustomField, TYPES, no_such_field, whole},
    render::changes,
    store::Desk,
};
use crate::{
    db::{AnyConnection, JsonText},
    error::{Code, Error, FieldError, Result, did_you_mean},
    id::RowId,
    schema::custom_field,
};

/// Custom fields of a kind at most.
pub const MOST: usize = 100;
/// The longest label and the longest choice, in characters.
pub const LABEL: usize = 100;
const HELP: usize = 1_000;
/// Choices of a field at most.
pub const CHOICES: usize = 200;
const PATTERN: usize = 500;

/// What makes a custom field.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct New {
    pub kind: String,
    pub name: String,
    pub label: String,
    pub help: String,
    pub field_type: String,
    pub choices: Vec<String>,
    pub required: bool,
    pub pattern: Option<String>,
    pub target_class: Option<String>,
}

/// What changes in a custom field.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct Change {
    pub label: Option<String>,
    pub help: Option<String>,
    pub choices: Option<Vec<String>>,
    pub required: Option<bool>,
    pub pattern: Option<Option<String>>,
    pub target_class: Option<Option<String>>,
    pub active: Option<bool>,
}

/// All custom fields, or those of a kind, by kind and name.
pub fn all(connection: &mut AnyConnection, kind: Option<&str>) -> Result<Vec<CustomField>> {
    let mut fields = custom_field::table.into_boxed::<crate::db::Backend>();
    if let Some(kind) = kind {
        fields = fields.filter(custom_field::kind.eq(kind.to_owned()));
    }
    Ok(fields.order((custom_field::kind, custom_field::name)).load(connection)?)
}

/// The custom field with that id.
pub fn find(connection: &mut AnyConnection, id: RowId) -> Result<CustomField> {
    custom_field::table.find(id).first(connection).optional()?.ok_or_else(no_such_field)
}

/// Makes a custom field.
pub fn create(desk: &mut Desk<'_, '_>, new: New) -> Result<CustomField> {
    let kinds: Vec<_> = desk.kernel.practices().iter().map(|p| p.kind()).collect();
    let Some(kind) = kinds.iter().find(|k| k.name == new.kind) else {
        let near = did_you_mean(&new.kind, kinds.iter().map(|k| k.name));
        let detail = format!("There is no kind of record `{}`{near}.", new.kind);
        return Err(Error::invalid("/kind", "not_a_choice", detail));
    };
    let taken = |name: &str| kind.all_fields().any(|f| f.name == name || f.short_name() == name);
    let mut errors = Vec::new();
    if !is_name(&new.name) || taken(&new.name) {
        let detail = "`name` is lower case letters, digits and `_`, begins with a letter, has at most 60 characters and is not the name of a field that the kind has.";
        errors.push(FieldError::new("/name", "bad_name", detail));
    }
    if !TYPES.contains(&new.field_type.as_str()) {
        let near = did_you_mean(&new.field_type, TYPES.iter().copied());
        let detail = format!("`field_type` is one of {}{near}.", TYPES.join(", "));
        errors.push(FieldError::new("/field_type", "not_a_choice", detail));
    }
    let at = desk.cause.at;
    let field = CustomField {
        id: RowId::new(),
        kind: new.kind,
        name: new.name,
        label: new.label,
        help: new.help,
        field_type: new.field_type,
        choices: JsonText::of(&new.choices)?,
        required: new.required,
        pattern: new.pattern,
        active: true,
        version: 1,
        created_at: at,
        updated_at: at,
        target_class: new.target_class,
    };
    errors.extend(check(&field, &new.choices));
    errors.extend(check_target(desk, &field)?);
    if !errors.is_empty() {
        return Err(Error::invalid_all(errors));
    }
    let connection = desk.unit.connection()?;
    let there = all(connection, Some(kind.name))?;
    if there.iter().any(|f| f.name == field.name) {
        return Err(Error::new(Code::Conflict, format!("{} has a custom field `{}` already.", kind.label, field.name)));
    }
    if there.len() >= MOST {
        return Err(Error::new(Code::Conflict, format!("A kind has at most {MOST} custom fields.")));
    }
    diesel::insert_into(custom_field::table).values(&field).execute(connection)?;
    tell(desk, "custom_field.created", None, &field)?;
    Ok(field)
}

/// Changes a custom field.
pub fn change(desk: &mut Desk<'_, '_>, id: RowId, expected: Option<i32>, change: Change) -> Result<CustomField> {
    let old = find(desk.unit.connection()?, id)?;
    if let Some(expected) = expected.filter(|v| *v != old.version) {
        let detail = format!("`{}` is at version {}, not {expected}.", old.name, old.version);
        return Err(Error::new(Code::Stale, detail));
    }
    let choices = match change.choices {
        Some(choices) => choices,
        None => old.choices.read()?,
    };
    let mut field = CustomField {
        label: change.label.unwrap_or_else(|| old.label.clone()),
        help: change.help.unwrap_or_else(|| old.help.clone()),
        choices: JsonText::of(&choices)?,
        required: change.required.unwrap_or(old.required),
        pattern: change.pattern.unwrap_or_else(|| old.pattern.clone()),
        active: change.active.unwrap_or(old.active),
        target_class: change.target_class.unwrap_or_else(|| old.target_class.clone()),
        ..old.clone()
    };
    let mut errors = check(&field, &choices);
    errors.extend(check_target(desk, &field)?);
    if !errors.is_empty() {
        return Err(Error::invalid_all(errors));
    }
    if shown(&old)? == shown(&field)? {
        return Ok(old);
    }
    (field.version, field.updated_at) = (old.version + 1, desk.cause.at);
    let unchanged = custom_field::table.find(id).filter(custom_field::version.eq(old.version));
    if diesel::update(unchanged).set(&field).execute(desk.unit.connection()?)? == 0 {
        return Err(Error::new(Code::Stale, "The field has changed meanwhile."));
    }
    tell(desk, "custom_field.updated", Some(&old), &field)?;
    Ok(field)
}

/// Refuses a class of what it refers to that is not there.
fn check_target(desk: &mut Desk<'_, '_>, field: &CustomField) -> Result<Option<FieldError>> {
    let Some(target) = &field.target_class else { return Ok(None) };
    let kind = desk.kernel.practice(CONFIGURATION_ITEM)?.kind();
    let classes = desk.kernel.classes(desk.unit.connection()?, kind)?;
    Ok(classes.get(target).is_none().then(|| no_such_class("/target_class", target, classes.names())))
}

/// What is told of the class of what is referred to, where it is not there.
pub(super) fn no_such_class<'a>(pointer: &str, target: &str, names: impl Iterator<Item = &'a str>) -> FieldError {
    let detail = format!("There is no class `{target}`{}.", did_you_mean(target, names));
    FieldError::new(pointer, "no_such_reference", detail)
}

/// What is wrong with the parts that can change.
pub(super) fn check(field: &CustomField, choices: &[String]) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut refuse = |pointer: &str, code: &str, detail: String| errors.push(FieldError::new(pointer, code, detail));
    if field.label.trim().is_empty() || field.label.chars().count() > LABEL {
        refuse("/label", "wrong_length", format!("`label` has 1 to {LABEL} characters."));
    }
    if field.help.chars().count() > HELP {
        refuse("/help", "too_long", format!("`help` has at most {HELP} characters."));
    }
    let fit = |c: &String| !c.trim().is_empty() && c.chars().count() <= LABEL;
    let once: std::collections::BTreeSet<&String> = choices.iter().collect();
    if field.field_type != "choice" {
        if !choices.is_empty() {
            refuse("/choices", "not_writable_here", "`choices` go with the type `choice` alone.".to_owned());
        }
    } else if choices.is_empty() || choices.len() > CHOICES || once.len() != choices.len() || !choices.iter().all(fit) {
        let detail = format!("`choices` are 1 to {CHOICES} different words of at most {LABEL} characters.");
        refuse("/choices", "wrong_length", detail);
    }
    if field.target_class.is_some() && field.field_type != CONFIGURATION_ITEM {
        let detail = format!("`target_class` goes with the type `{CONFIGURATION_ITEM}` alone.");
        refuse("/target_class", "not_writable_here", detail);
    }
    if let Some(pattern) = &field.pattern {
        if field.field_type != "text" {
            refuse("/pattern", "not_writable_here", "`pattern` goes with the type `text` alone.".to_owned());
        } else if pattern.is_empty() || pattern.chars().count() > PATTERN {
            refuse("/pattern", "wrong_length", format!("`pattern` has 1 to {PATTERN} characters."));
        } else if let Err(e) = whole(pattern) {
            let e = e.to_string();
            let why = e.lines().last().unwrap_or_default().trim_start_matches("error: ").trim_end_matches('.');
            refuse("/pattern", "bad_pattern", format!("`pattern` can't be used: {why}."));
        }
    }
    errors
}

fn shown(field: &CustomField) -> Result<Map<String, Value>> {
    super::render::object(field)
}

fn tell(desk: &mut Desk<'_, '_>, action: &str, old: Option<&CustomField>, new: &CustomField) -> Result<()> {
    let before = old.map(shown).transpose()?;
    let mut told = changes(before.as_ref(), &shown(new)?);
    if old.is_none() {
        told.insert("kind".to_owned(), json!([null, new.kind]));
    }
    desk.unit.deferred.audit.push(AuditEntry {
        at: desk.cause.at,
        actor_id: Some(desk.cause.caller.user),
        action: action.to_owned(),
        subject_kind: "custom_field".to_owned(),
        subject_id: new.id.to_string(),
        subject_version: new.version,
        via: desk.cause.via.as_text(),
        request_id: desk.cause.request_id.clone(),
        reason: desk.cause.reason.clone(),
        changes: JsonText::of(&told)?,
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_go_with_choice_alone_and_are_different() {
        let at = crate::clock::Clock::System.now();
        let field = |field_type: &str, label: &str| CustomField {
            id: RowId::new(),
            kind: "incident".into(),
            name: "floor".into(),
            label: label.into(),
            help: String::new(),
            field_type: field_type.into(),
            choices: JsonText::empty_list(),
            required: false,
            pattern: None,
            active: true,
            version: 1,
            created_at: at,
            updated_at: at,
            target_class: None,
        };
        let cases: &[(&str, &str, &[&str], Option<&str>)] = &[
            ("choice", "Floor", &["a", "b"], None),
            ("choice", "Floor", &["a", "a"], Some("/choices")),
            ("choice", "Floor", &["a", " "], Some("/choices")),
            ("choice", "Floor", &[], Some("/choices")),
            ("text", "Floor", &[], None),
            ("text", "Floor", &["a"], Some("/choices")),
            ("text", " ", &[], Some("/label")),
        ];
        for (field_type, label, choices, wrong) in cases {
            let choices: Vec<String> = choices.iter().map(|&c| c.to_owned()).collect();
            let found = check(&field(field_type, label), &choices);
            assert_eq!(found.first().map(|e| e.pointer.as_str()), *wrong, "{field_type} {label} {choices:?}");
        }
    }
}
