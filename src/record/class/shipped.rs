//! The classes that ship, put in where they are not there. Administrators change them and add others.

use super::{
    Attribute, ClassRow,
    admin::{NewClass, insert},
};
use crate::{clock::Moment, db::AnyConnection, error::Result};

/// A class that ships.
pub struct Shipped {
    /// Its name.
    pub name: &'static str,
    /// For people.
    pub label: &'static str,
    /// The class above it.
    pub parent: Option<&'static str>,
    /// Whether it only groups others.
    pub is_abstract: bool,
    /// What its records have: name, label, type, and whether one without it is incomplete.
    pub attributes: &'static [(&'static str, &'static str, &'static str, bool)],
    /// By what an imported record is recognised.
    pub identification: &'static [&'static [&'static str]],
}

/// Puts in those of a kind that are not there, in their order: the class above comes first.
pub fn seed(connection: &mut AnyConnection, kind: &str, shipped: &[Shipped], now: Moment) -> Result<()> {
    let there = ClassRow::of_kind(connection, kind)?;
    let lacking = shipped.iter().filter(|class| !there.iter().any(|row| row.name == class.name));
    let rows = lacking.map(|class| class.as_new(kind).row(now)).collect::<Result<Vec<_>>>()?;
    insert(connection, &there, &rows)
}

impl Shipped {
    /// As somebody would make it.
    pub fn as_new(&self, kind: &str) -> NewClass {
        let attribute = |(name, label, field_type, recommended): &(&str, &str, &str, bool)| Attribute {
            name: (*name).to_owned(),
            label: (*label).to_owned(),
            field_type: (*field_type).to_owned(),
            recommended: *recommended,
            ..Attribute::default()
        };
        NewClass {
            kind: kind.to_owned(),
            name: self.name.to_owned(),
            label: self.label.to_owned(),
            description: String::new(),
            parent: self.parent.map(str::to_owned),
            is_abstract: self.is_abstract,
            attributes: self.attributes.iter().map(attribute).collect(),
            identification: self
                .identification
                .iter()
                .map(|rule| rule.iter().map(|n| (*n).to_owned()).collect())
                .collect(),
        }
    }
}
