//! The types of relations: how both ends name them, and which end is hit when the other fails.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    clock::Moment,
    db::AnyConnection,
    error::{Error, FieldError, Result, did_you_mean},
    id::RowId,
    insert_rows,
    record::catalogue::is_name,
    schema::relation_type,
};

/// Which end of a relation is hit when the other fails. `Source` is the one that has the relation, `Target` the one that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RelationImpact)]
pub enum Impacts {
    /// The target is hit when the source fails: `contains`.
    SourceToTarget,
    /// The source is hit when the target fails: `runs_on`.
    TargetToSource,
    /// Each is hit when the other fails.
    Both,
    /// Neither is.
    None,
}

impl Impacts {
    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Impacts::SourceToTarget => "source_to_target",
            Impacts::TargetToSource => "target_to_source",
            Impacts::Both => "both",
            Impacts::None => "none",
        }
    }

    /// Reads what is stored; what is unknown hits nobody.
    pub fn of(text: &str) -> Impacts {
        let all = [Impacts::SourceToTarget, Impacts::TargetToSource, Impacts::Both];
        all.into_iter().find(|impacts| impacts.as_str() == text).unwrap_or(Impacts::None)
    }
}

/// A type of relation.
#[derive(Clone, Debug, PartialEq, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = relation_type)]
#[expect(missing_docs, reason = "documented where the API shows it")]
pub struct RelationTypeRow {
    pub id: RowId,
    pub name: String,
    pub label: String,
    pub inverse: String,
    pub inverse_label: String,
    pub description: String,
    pub impact: String,
    pub active: bool,
    pub version: i32,
    pub created_at: Moment,
    pub updated_at: Moment,
}

/// Those that ship: name, label, what the other end calls it, its label, and which end is hit.
const SHIPPED: &[(&str, &str, &str, &str, Impacts, &str)] = &[
    (
        "depends_on",
        "Depends on",
        "needed_by",
        "Needed by",
        Impacts::TargetToSource,
        "It does not work without the other.",
    ),
    ("runs_on", "Runs on", "runs", "Runs", Impacts::TargetToSource, "The other executes it."),
    (
        "hosted_on",
        "Hosted on",
        "hosts",
        "Hosts",
        Impacts::TargetToSource,
        "The other is the machine or cluster that it lives on.",
    ),
    ("uses", "Uses", "used_by", "Used by", Impacts::TargetToSource, "It calls the other."),
    (
        "stores_on",
        "Stores on",
        "stores_data_of",
        "Stores data of",
        Impacts::TargetToSource,
        "Its data lie on the other.",
    ),
    (
        "uplinks_to",
        "Reaches the network through",
        "downlinks_to",
        "Connects",
        Impacts::TargetToSource,
        "Without the other it is cut off.",
    ),
    ("powered_by", "Powered by", "powers", "Powers", Impacts::TargetToSource, "The other gives it power."),
    ("located_in", "Located in", "houses", "Houses", Impacts::TargetToSource, "It stands there."),
    (
        "part_of",
        "Part of",
        "consists_of",
        "Consists of",
        Impacts::SourceToTarget,
        "The whole is hit when the part fails.",
    ),
    (
        "contains",
        "Contains",
        "contained_in",
        "Contained in",
        Impacts::SourceToTarget,
        "What is inside is hit when it fails.",
    ),
    (
        "provides",
        "Provides",
        "provided_by",
        "Provided by",
        Impacts::SourceToTarget,
        "The service is hit when it fails.",
    ),
    (
        "shares_fate_with",
        "Shares fate with",
        "shares_its_fate_with",
        "Shares fate with",
        Impacts::Both,
        "When one fails, the other does.",
    ),
    (
        "connects_to",
        "Connects to",
        "connected_to",
        "Connected to",
        Impacts::None,
        "They are wired together; neither needs the other.",
    ),
    ("backs_up", "Backs up", "backed_up_by", "Backed up by", Impacts::None, "It keeps copies of the other's data."),
    ("fails_over_to", "Fails over to", "stands_in_for", "Stands in for", Impacts::None, "The other takes over."),
    ("monitors", "Monitors", "monitored_by", "Monitored by", Impacts::None, "It watches the other."),
    ("manages", "Manages", "managed_by", "Managed by", Impacts::None, "It configures the other."),
];

/// Puts in those that ship and are not there.
pub fn seed(connection: &mut AnyConnection, now: Moment) -> Result<()> {
    let there: Vec<String> = relation_type::table.select(relation_type::name).load(connection)?;
    let lacking = SHIPPED.iter().filter(|(name, ..)| !there.iter().any(|known| known == name));
    let rows: Vec<RelationTypeRow> = lacking
        .map(|(name, label, inverse, inverse_label, impact, description)| RelationTypeRow {
            id: RowId::new(),
            name: (*name).to_owned(),
            label: (*label).to_owned(),
            inverse: (*inverse).to_owned(),
            inverse_label: (*inverse_label).to_owned(),
            description: (*description).to_owned(),
            impact: impact.as_str().to_owned(),
            active: true,
            version: 1,
            created_at: now,
            updated_at: now,
        })
        .collect();
    insert_rows!(connection, relation_type::table, rows)?;
    Ok(())
}

impl RelationTypeRow {
    /// All of them, by name.
    pub fn all(connection: &mut AnyConnection) -> Result<Vec<Self>> {
        Ok(relation_type::table.order(relation_type::name).load(connection)?)
    }

    /// The one that either end calls so, and whether it is the other end.
    pub fn named<'a>(all: &'a [Self], name: &str, pointer: &str) -> Result<(&'a Self, bool)> {
        let direct = all.iter().find(|row| row.name == name).map(|row| (row, false));
        let found = direct.or_else(|| all.iter().find(|row| row.inverse == name).map(|row| (row, true)));
        match found.filter(|(row, _)| row.active) {
            Some(found) => Ok(found),
            None => {
                let names =
                    all.iter().filter(|row| row.active).flat_map(|row| [row.name.as_str(), row.inverse.as_str()]);
                let detail = format!("There is no type of relation `{name}`{}.", did_you_mean(name, names));
                Err(Error::invalid(pointer, "not_a_choice", detail))
            }
        }
    }

    /// Refuses one that does not go together with the others, with every place that is wrong.
    pub fn check(&self, others: &[Self]) -> Result<()> {
        let mut errors = Vec::new();
        for (field, name) in [("name", &self.name), ("inverse", &self.inverse)] {
            let is_taken = |other: &&Self| other.id != self.id && (other.name == *name || other.inverse == *name);
            if !is_name(name) {
                let detail = format!(
                    "`{field}` is lower case letters, digits and `_`, begins with a letter and has at most 60 characters."
                );
                errors.push(FieldError::new(format!("/{field}"), "bad_name", detail));
            } else if others.iter().any(|other| is_taken(&other)) {
                errors.push(FieldError::new(
                    format!("/{field}"),
                    "taken",
                    format!("`{name}` means another relation already."),
                ));
            }
        }
        if self.name == self.inverse {
            errors.push(FieldError::new("/inverse", "taken", "Both ends need names of their own."));
        }
        for (field, label) in [("label", &self.label), ("inverse_label", &self.inverse_label)] {
            let length = label.trim().chars().count();
            if length == 0 || length > 100 {
                errors.push(FieldError::new(
                    format!("/{field}"),
                    "wrong_length",
                    format!("`{field}` has 1 to 100 characters."),
                ));
            }
        }
        if self.description.chars().count() > 2_000 {
            errors.push(FieldError::new("/description", "too_long", "`description` has at most 2000 characters."));
        }
        if errors.is_empty() { Ok(()) } else { Err(Error::invalid_all(errors)) }
    }

    /// Which end is hit.
    pub fn impacts(&self) -> Impacts {
        Impacts::of(&self.impact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_ship_have_names_of_their_own() {
        let names: Vec<&str> = SHIPPED.iter().flat_map(|(name, _, inverse, ..)| [*name, *inverse]).collect();
        let once: std::collections::BTreeSet<&&str> = names.iter().collect();
        assert_eq!(names.len(), once.len());
        assert!(names.iter().all(|name| is_name(name)));
    }

    #[test]
    fn what_is_stored_is_read_again() {
        for impact in [Impacts::SourceToTarget, Impacts::TargetToSource, Impacts::Both, Impacts::None] {
            assert_eq!(Impacts::of(impact.as_str()), impact);
        }
    }
}
