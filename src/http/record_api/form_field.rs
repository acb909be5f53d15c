//! Fields of forms: those of a kind, and those that administrators have made.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    error::Result,
    http::desk::Call,
    record::{
        custom::{self, CustomField},
        input::NOTES,
        kind::{Field, Holds, Kind, LONG, Reference, Write},
    },
};

/// A field of a form.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FormField {
    /// Its name in JSON.
    #[schema(examples("urgency"))]
    pub(super) name: String,
    /// For people.
    #[schema(examples("Urgency"))]
    pub(super) label: String,
    /// What it holds, for people.
    pub(super) help: String,
    /// What it holds: `line`, `text`, `integer`, `decimal`, `boolean`, `date`, `time`, `choice`, `user`, `team`,
    /// `organisation`, `record`, `tags`, `custom`, `class` or `attributes`.
    #[serde(rename = "type")]
    #[schema(examples("integer"))]
    pub(super) field_type: String,
    /// The words to choose from, for `choice` and `class`; those that administrators have made are as of now.
    pub(super) choices: Vec<String>,
    /// The longest text, in characters.
    pub(super) max_length: Option<usize>,
    /// The regular expression that the whole of a text must match.
    pub(super) pattern: Option<String>,
    /// The least number.
    pub(super) minimum: Option<i32>,
    /// The greatest number.
    pub(super) maximum: Option<i32>,
    /// The kind that it refers to, for `record`.
    pub(super) target: Option<String>,
    /// The class that what it refers to has to be of, or of one below that.
    pub(super) target_class: Option<String>,
    /// Whether it may be null.
    pub(super) nullable: bool,
    /// Whether it must be given when a record is made.
    pub(super) required: bool,
    /// Whether a record without it counts as incomplete.
    pub(super) recommended: bool,
    /// The steps after which it must hold something.
    pub(super) required_by: Vec<&'static str>,
    /// When it can be written: `always`, `steps` (those in `writable_by`) or `never`.
    #[schema(examples("always"))]
    pub(super) writable: &'static str,
    /// The steps that take it, when it can't be written otherwise.
    pub(super) writable_by: Vec<&'static str>,
    /// Whether lists can be sorted by it.
    pub(super) sortable: bool,
    /// Whether lists can be filtered by it; custom fields as `custom.name`.
    pub(super) filterable: bool,
}

/// What holds nothing that can be chosen or limited.
fn blank(name: String, label: String, help: String, field_type: String) -> FormField {
    FormField {
        name,
        label,
        help,
        field_type,
        choices: Vec::new(),
        max_length: None,
        pattern: None,
        minimum: None,
        maximum: None,
        target: None,
        target_class: None,
        nullable: true,
        required: false,
        recommended: false,
        required_by: Vec::new(),
        writable: "always",
        writable_by: Vec::new(),
        sortable: false,
        filterable: true,
    }
}

/// A field that all records of a kind have.
pub(super) fn field(kind: &Kind, field: &Field) -> FormField {
    let steps = |wanted: fn(&crate::record::kind::Step) -> &'static [&'static str]| {
        let of_it = kind.lifecycle.steps.iter().filter(|s| wanted(s).contains(&field.name));
        of_it.map(|s| s.name).collect::<Vec<_>>()
    };
    let (field_type, max_length) = match field.holds {
        Holds::Line(most) => ("line", Some(most)),
        Holds::Text(most) => ("text", Some(most)),
        Holds::Integer(..) => ("integer", None),
        Holds::Time => ("time", None),
        Holds::Choice(_) => ("choice", None),
        Holds::User => ("user", None),
        Holds::Team => ("team", None),
        Holds::Organisation => ("organisation", None),
        Holds::Record(_) => ("record", None),
        Holds::Tags => ("tags", None),
        Holds::Custom => ("custom", None),
        Holds::Class => ("class", None),
        Holds::Attributes => ("attributes", None),
    };
    let mut shown = blank(field.name.into(), field.label.into(), field.doc.into(), field_type.into());
    shown.max_length = max_length;
    match field.holds {
        Holds::Choice(choices) => shown.choices = choices.iter().map(|c| (*c).to_owned()).collect(),
        Holds::Integer(from, to) => (shown.minimum, shown.maximum) = (Some(from), Some(to)),
        Holds::Record(of) => shown.target = Some(of.to_owned()),
        Holds::Line(_)
        | Holds::Text(_)
        | Holds::Time
        | Holds::User
        | Holds::Team
        | Holds::Organisation
        | Holds::Tags
        | Holds::Custom
        | Holds::Class
        | Holds::Attributes => (),
    }
    if field.name == "state" {
        shown.field_type = "choice".to_owned();
        shown.choices = kind.lifecycle.states.iter().map(|s| s.name.to_owned()).collect();
    }
    shown.nullable = field.nullable;
    shown.required = field.write == Write::Required;
    shown.required_by = steps(|step| step.requires);
    shown.writable_by = if field.write == Write::Step { steps(|step| step.accepts) } else { Vec::new() };
    shown.writable = match field.write {
        Write::Server => "never",
        Write::Step => "steps",
        Write::Caller | Write::Required => "always",
    };
    shown.sortable = field.sortable && !kind.fields.iter().any(|f| f.name == field.name);
    shown.filterable = !matches!(field.holds, Holds::Custom | Holds::Attributes);
    shown
}

/// Comment and work note, which are written along with fields, for those who may.
pub(super) fn notes(kind: &'static Kind, call: &Call) -> impl Iterator<Item = FormField> {
    let mine = NOTES.iter().filter(|(name, _)| call.cause.caller.can(&kind.permission(name)));
    let shown = mine.map(|(name, doc)| {
        let label = if *name == "comment" { "Comment" } else { "Work note" };
        let mut shown = blank((*name).into(), label.into(), (*doc).into(), "text".into());
        (shown.max_length, shown.filterable) = (Some(LONG), false);
        shown
    });
    shown.collect::<Vec<_>>().into_iter()
}

/// A field that administrators added, or an attribute.
pub(super) fn custom_field(field: &CustomField) -> Result<FormField> {
    let (name, label, help) = (field.name.clone(), field.label.clone(), field.help.clone());
    let mut shown = blank(name, label, help, field.field_type.clone());
    if let Some(Reference::Record(of)) = field.refers_to() {
        (shown.field_type, shown.target) = ("record".to_owned(), Some(of.to_owned()));
    }
    shown.target_class.clone_from(&field.target_class);
    shown.choices = field.choices.read()?;
    shown.max_length = (field.field_type == "text").then_some(custom::LONGEST);
    shown.pattern = field.pattern.clone();
    (shown.required, shown.nullable) = (field.required, !field.required);
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::practice;

    fn of(kind: &str, name: &str) -> FormField {
        let kind = practice::ALL.iter().map(|p| p.kind()).find(|k| k.name == kind).unwrap();
        field(kind, kind.field(name).unwrap())
    }

    #[test]
    fn fields_tell_when_they_are_written_and_needed() {
        let title = of("incident", "title");
        assert_eq!(
            (title.required, title.writable, title.max_length, title.sortable),
            (true, "always", Some(255), false)
        );
        let code = of("incident", "resolution_code");
        assert_eq!((code.writable, code.writable_by, code.required_by), ("steps", vec!["resolve"], vec!["resolve"]));
        let state = of("incident", "state");
        assert_eq!((state.writable, state.field_type.as_str(), state.choices.len()), ("never", "choice", 6));
        let urgency = of("incident", "urgency");
        assert_eq!((urgency.minimum, urgency.maximum, urgency.nullable), (Some(1), Some(3), false));
        assert_eq!(of("incident", "parent_id").target.as_deref(), Some("incident"));
    }
}
