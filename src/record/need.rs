//! What a step of a lifecycle needs in some cases alone, as data: who draws a form knows it before the step is tried.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::input::is_empty;

/// A field that a step needs in some cases.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = StepNeed)]
pub struct Need {
    /// The field that must hold something afterwards.
    #[schema(examples("result_notes"))]
    pub field: &'static str,
    /// In which cases: each of them is enough.
    pub when: &'static [Case],
    /// Why, for people.
    #[schema(examples("`result_notes` say what went otherwise than planned."))]
    pub help: &'static str,
}

/// What a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = StepNeedCase)]
pub struct Case {
    /// The field.
    #[schema(examples("result"))]
    pub field: &'static str,
    /// One of these words; anything, where none is named.
    pub holds: &'static [&'static str],
}

impl Case {
    fn is_so(&self, record: &Map<String, Value>) -> bool {
        let held = record.get(self.field);
        let is_one = |held: &Value| held.as_str().is_some_and(|word| self.holds.contains(&word));
        !is_empty(held) && (self.holds.is_empty() || held.is_some_and(is_one))
    }
}

impl Need {
    /// Whether the field is needed, and a record as it would be afterwards holds nothing in it.
    pub fn is_unmet(&self, record: &Map<String, Value>) -> bool {
        is_empty(record.get(self.field)) && self.when.iter().any(|case| case.is_so(record))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_is_needed_in_its_cases_alone() {
        const NEED: Need = Need {
            field: "notes",
            when: &[Case { field: "result", holds: &["failed"] }, Case { field: "begun", holds: &[] }],
            help: "",
        };
        for (record, unmet) in [
            (json!({}), false),
            (json!({"result": "failed"}), true),
            (json!({"result": "failed", "notes": "Why."}), false),
            (json!({"result": "successful"}), false),
            (json!({"result": "successful", "begun": "2026-03-03T11:00:00Z"}), true),
            (json!({"result": "failed", "notes": ""}), true),
            (json!({"begun": null}), false),
        ] {
            assert_eq!(NEED.is_unmet(record.as_object().unwrap()), unmet, "{record}");
        }
    }
}
