//! What makes a clock go and stop: a condition in the language of filters, on a record as a write leaves it.
//!
//! **Invariant:** a condition says the same of a record as a list with that filter would, for the fields that both know.

use std::cmp::Ordering;

use rust_decimal::Decimal;
use serde_json::{Map, Value as Json};

use crate::{
    clock::Moment,
    error::FieldError,
    record::{
        catalogue::Catalogue,
        query::filter::{self, FieldType, Fields, Filter, Op, Value},
    },
};

/// Whether the write adds a public comment of somebody other than the requester.
pub const ANSWERED: &str = "answered";
/// Whether the write adds a public comment of the requester.
pub const ASKED: &str = "asked";
/// The step that the write takes.
pub const STEP: &str = "step";

/// A condition, ready to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition(Filter);

/// The fields of a kind, and those of the write itself.
struct Known<'a>(&'a Catalogue);

impl Fields for Known<'_> {
    fn find(&self, path: &str) -> Option<FieldType> {
        match path {
            ANSWERED | ASKED => Some(FieldType::Boolean),
            STEP => Some(FieldType::Text),
            _ if path.strip_prefix("custom.").unwrap_or(path).contains('.') => None,
            _ => self.0.find(path),
        }
    }
    fn names(&self) -> Vec<String> {
        let own = [ANSWERED, ASKED, STEP].map(str::to_owned);
        let theirs = self.0.names().into_iter().filter(|name| self.find(name).is_some());
        own.into_iter().chain(theirs).collect()
    }
}

impl Condition {
    /// Reads one; `pointer` is where it stands.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str, catalogue: &Catalogue, pointer: &str) -> Result<Self, FieldError> {
        let at = |moment: &str| {
            let moment = moment.parse().unwrap_or(Moment::from_utc(Default::default()));
            filter::parse(text, &Known(catalogue), moment).map_err(|error| {
                let (code, detail) = error.errors.into_iter().next().map(|e| (e.code, e.detail)).unwrap_or_default();
                FieldError::new(pointer, &code, detail)
            })
        };
        let (one, other) = (at("2001-01-01T00:00:00Z")?, at("2002-02-02T00:00:00Z")?);
        if one != other {
            let detail = "`now()` is another moment at each look: a clock could not be counted again.";
            return Err(FieldError::new(pointer, "not_allowed", detail));
        }
        check(&one, catalogue, pointer)?;
        Ok(Condition(one))
    }

    /// Whether it holds of a record as JSON.
    pub fn holds(&self, record: &Map<String, Json>) -> bool {
        holds(&self.0, record)
    }
}

/// Refuses what can't be known of a record by itself.
fn check(filter: &Filter, catalogue: &Catalogue, pointer: &str) -> Result<(), FieldError> {
    let refused = |detail: &str| Err(FieldError::new(pointer, "not_allowed", detail));
    match filter {
        Filter::And(parts) | Filter::Or(parts) => parts.iter().try_for_each(|part| check(part, catalogue, pointer)),
        Filter::Not(inner) => check(inner, catalogue, pointer),
        Filter::Compare { value: Value::Me | Value::MyTeams, .. } => {
            refused("`me` and `my_teams` mean nothing here: a clock goes for everybody.")
        }
        Filter::Compare { field, value: Value::Text(_), .. } if is_reference(&Known(catalogue), field) => {
            refused("What a field refers to is named by its id here.")
        }
        Filter::Compare { .. } => Ok(()),
    }
}

fn is_reference(known: &Known<'_>, field: &str) -> bool {
    let holds = known.find(field);
    matches!(holds, Some(FieldType::User | FieldType::Team | FieldType::Organisation | FieldType::Record))
}

/// As SQL has it in lists: what is null fits nothing, and `NOT` is true of what does not fit.
fn holds(filter: &Filter, record: &Map<String, Json>) -> bool {
    match filter {
        Filter::And(parts) => parts.iter().all(|part| holds(part, record)),
        Filter::Or(parts) => parts.iter().any(|part| holds(part, record)),
        Filter::Not(inner) => !holds(inner, record),
        Filter::Compare { field, op: Op::NotEqual, value } => !compares(held(record, field), Op::Equal, value),
        Filter::Compare { field, op, value } => compares(held(record, field), *op, value),
    }
}

/// What a record holds under the name of a field, or its short name.
fn held<'a>(record: &'a Map<String, Json>, field: &str) -> &'a Json {
    let found = match field.strip_prefix("custom.") {
        Some(name) => record.get("custom").and_then(|custom| custom.get(name)),
        None => record.get(field).or_else(|| record.get(&format!("{field}_id"))),
    };
    found.unwrap_or(&Json::Null)
}

fn compares(held: &Json, op: Op, value: &Value) -> bool {
    if let Json::Array(all) = held {
        let is_asked_for_none = matches!(value, Value::Null);
        return if is_asked_for_none { all.is_empty() } else { all.iter().any(|one| compares(one, Op::Equal, value)) };
    }
    if matches!(value, Value::Null) {
        return held.is_null();
    }
    match (op, ordering(held, value)) {
        (Op::Has, _) => contains(held, value),
        (_, None) => false,
        (Op::Equal, Some(order)) => order == Ordering::Equal,
        (Op::NotEqual, Some(order)) => order != Ordering::Equal,
        (Op::Less, Some(order)) => order == Ordering::Less,
        (Op::LessOrEqual, Some(order)) => order != Ordering::Greater,
        (Op::Greater, Some(order)) => order == Ordering::Greater,
        (Op::GreaterOrEqual, Some(order)) => order != Ordering::Less,
    }
}

fn contains(held: &Json, value: &Value) -> bool {
    let (Json::String(held), Value::Text(part)) = (held, value) else { return false };
    held.to_ascii_lowercase().contains(&part.to_ascii_lowercase())
}

/// How what is held stands to a value; nothing where they can't be compared.
fn ordering(held: &Json, value: &Value) -> Option<Ordering> {
    let number = || held.as_number()?.to_string().parse::<Decimal>().ok();
    match value {
        Value::Null | Value::Me | Value::MyTeams => None,
        Value::Text(text) | Value::Id(text) => Some(held.as_str()?.cmp(text)),
        Value::Integer(n) => Some(number()?.cmp(&Decimal::from(*n))),
        Value::Decimal(d) => Some(number()?.cmp(d)),
        Value::Boolean(b) => Some(held.as_bool()?.cmp(b)),
        Value::Time(at) => Some(held.as_str()?.parse::<Moment>().ok()?.cmp(at)),
        Value::Date(day) => Some(held.as_str()?.cmp(&day.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::record::kind::{Field, Holds, Kind, Lifecycle, Phase, State};

    const TICKET: Kind = Kind {
        name: "ticket",
        plural: "tickets",
        label: "Ticket",
        prefix: "TIC",
        doc: "",
        without: &[],
        fields: &[
            Field::optional("hold_reason", "", "", Holds::Choice(&["caller", "supplier"])),
            Field::optional("category", "", "", Holds::Line(100)),
        ],
        lifecycle: Lifecycle {
            initial: "new",
            states: &[
                State { name: "new", label: "", phase: Phase::Open },
                State { name: "on_hold", label: "", phase: Phase::Waiting },
            ],
            steps: &[],
        },
        decisions: &[],
        public: false,
    };

    fn catalogue() -> Catalogue {
        Catalogue::new(Some(&TICKET), &[], &[], None, &[])
    }

    #[test]
    fn conditions_say_of_a_record_what_a_list_would() {
        let Json::Object(record) = json!({
            "state": "on_hold", "phase": "waiting", "hold_reason": "caller", "priority": 2, "team_id": null, "tags": ["vip"],
            "title": "Mail is Down", "opened_at": "2026-03-02T08:00:00Z", "custom": {"site": "Berlin"}, "answered": true,
            "assignee_id": "01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70",
        }) else {
            panic!("an object")
        };
        for (text, expected) in [
            ("state = on_hold AND hold_reason = caller", true),
            ("state = on_hold AND NOT hold_reason = caller", false),
            ("state = new OR phase = waiting", true),
            ("priority <= 2", true),
            ("priority > 2", false),
            ("priority != 2", false),
            ("team = null", true),
            ("team != null", false),
            ("NOT team = 01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70", true),
            ("assignee = 01936b2e-7a40-7c1d-8e7f-3a5b9c2d4e70", true),
            ("tags : vip", true),
            ("tags : other", false),
            ("tags = null", false),
            ("title : \"is down\"", true),
            ("opened_at < \"2026-03-02T08:00:01Z\"", true),
            ("opened_at >= \"2026-03-02T08:00:01Z\"", false),
            ("answered = true", true),
            ("asked = true", false),
            ("step = null", true),
            ("category = null", true),
            ("category : x", false),
            ("NOT category : x", true),
        ] {
            let condition = Condition::read(text, &catalogue(), "/pause").unwrap();
            assert_eq!(condition.holds(&record), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_known_of_a_record_alone_is_refused() {
        for (text, code) in [
            ("assignee = me", "not_allowed"),
            ("team = my_teams", "not_allowed"),
            ("team = \"network\"", "not_allowed"),
            ("opened_at < now() - 2d", "not_allowed"),
            ("team.name = x", "unknown_field"),
            ("stat = new", "unknown_field"),
            ("state = newer", "not_a_choice"),
            ("state =", "syntax"),
        ] {
            let refused = Condition::read(text, &catalogue(), "/stop").unwrap_err();
            assert_eq!(
                (refused.pointer.as_str(), refused.code.as_str()),
                ("/stop", code),
                "{text}: {}",
                refused.detail
            );
        }
    }
}
