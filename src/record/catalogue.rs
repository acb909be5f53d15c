//! Which fields a list can be filtered by, and where each stands in the database.
//!
//! **Invariant:** names of tables and columns come from the kinds' own tables, and names of custom fields are checked by
//! [`is_name`]; nothing that a caller writes becomes SQL other than as a bound value.

use std::collections::BTreeMap;

use super::{
    class::{self, Classes},
    custom::{self, CustomField},
    kind::{Field, HEADER, Holds, Kind, Lifecycle, Reference},
    query::filter::{FieldType, Fields},
    twin,
};

/// A place in the database where a value stands: an SQL expression between an opening and a closing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// What comes before: `record.id IN (SELECT record_id FROM incident WHERE `
    pub open: String,
    /// The column.
    pub column: String,
    /// What comes after.
    pub close: String,
    /// What it holds.
    pub holds: FieldType,
    /// Whether 0 stands for nothing.
    pub zero_is_none: bool,
    /// Whether it stands as text, whatever it holds.
    pub as_text: bool,
    /// Whether the case of A to Z and the spaces around a text say nothing.
    pub folds: bool,
}

/// Something beside a record by which lists find it: a column of a table whose rows name the record.
#[derive(Debug)]
pub struct Findable {
    /// What filters call it.
    pub name: &'static str,
    /// The table.
    pub table: &'static str,
    /// The column that names the record.
    pub record: &'static str,
    /// The column that is compared.
    pub column: &'static str,
    /// What it holds: a moment or text.
    pub holds: Holds,
}

/// The fields of one list.
pub struct Catalogue {
    places: BTreeMap<String, Place>,
}

/// Columns of a user that lists can be filtered by.
const OF_USER: &[(&str, FieldType)] = &[
    ("user_name", FieldType::Text),
    ("display_name", FieldType::Text),
    ("vip", FieldType::Boolean),
    ("active", FieldType::Boolean),
];
/// Columns of teams and organisations.
const OF_NAMED: &[(&str, FieldType)] = &[("name", FieldType::Text), ("active", FieldType::Boolean)];
/// Columns of the header of a record that is referred to.
const OF_RECORD: &[(&str, FieldType)] =
    &[("number", FieldType::Text), ("title", FieldType::Text), ("state", FieldType::Text), ("phase", FieldType::Text)];

impl Catalogue {
    /// The fields of a list of one kind; or, without a kind, those that all kinds share.
    pub fn new(
        kind: Option<&Kind>,
        kinds: &[&'static Kind],
        custom: &[CustomField],
        classes: Option<&Classes>,
        findable: &[&Findable],
    ) -> Self {
        let mut catalogue = Catalogue { places: BTreeMap::new() };
        for field in HEADER.iter().filter(|f| kind.is_none_or(|k| !k.without.contains(&f.name))) {
            catalogue.add(field, kind.map(|k| &k.lifecycle), "record", ("", ""), kinds);
        }
        if let Some(kind) = kind {
            let open = format!("record.id IN (SELECT {0}.record_id FROM {0} WHERE ", kind.name);
            for field in kind.fields {
                catalogue.add(field, None, kind.name, (&open, ")"), kinds);
            }
        }
        for field in custom {
            catalogue.add_given(custom::PLACE, field, kinds);
        }
        for field in classes.map(Classes::fields).unwrap_or_default() {
            catalogue.add_given(class::PLACE, field, kinds);
        }
        for Findable { name, table, record, column, holds } in findable {
            let open = format!("record.id IN (SELECT {table}.{record} FROM {table} WHERE ");
            let holds = if *holds == Holds::Time { FieldType::Time } else { FieldType::Text };
            catalogue.places.insert((*name).to_owned(), Place::new(&open, &format!("{table}.{column}"), ")", holds));
        }
        if let Some(kind) = kind.filter(|kind| kind.has_classes()) {
            catalogue.add_line(kind);
            catalogue.add_folded("title", ("", "record.title", ""));
        }
        if let Some((kind, classes)) = kind.filter(|kind| kind.public && kind.has_classes()).zip(classes) {
            let (open, column, close) = twin::place(kind, classes);
            catalogue.places.insert(twin::BY.to_owned(), Place::new(&open, column, close, FieldType::Text));
        }
        let tag = Place::new("record.id IN (SELECT record_id FROM record_tag WHERE ", "tag", ")", FieldType::Tags);
        catalogue.places.insert("tags".to_owned(), tag);
        catalogue
    }

    /// Where a field stands.
    pub fn place(&self, path: &str) -> Option<&Place> {
        self.places.get(path)
    }

    fn add(
        &mut self,
        field: &Field,
        lifecycle: Option<&Lifecycle>,
        table: &str,
        (open, close): (&str, &str),
        kinds: &[&'static Kind],
    ) {
        let Some(holds) = field_type(field, lifecycle) else { return };
        let column = format!("{table}.{}", field.name);
        let short = field.short_name();
        if let Some(of) = field.holds.reference() {
            self.add_referred(short, of, (open, &column, close), kinds);
        }
        let mut place = Place::new(open, &column, close, holds);
        place.zero_is_none = matches!(field.name, "priority" | "impact" | "urgency");
        self.places.insert(short.to_owned(), place.clone());
        self.places.insert(field.name.to_owned(), place);
    }

    /// What a column refers to, as `name.…`.
    fn add_referred(
        &mut self,
        name: &str,
        of: Reference,
        (open, column, close): (&str, &str, &str),
        kinds: &[&'static Kind],
    ) {
        let inside = |target: &str, key: &str| {
            (format!("{open}{column} IN (SELECT {key} FROM {target} WHERE "), format!("){close}"))
        };
        let mut add = |inner: &str, place: Place| self.places.insert(format!("{name}.{inner}"), place);
        let referred = [
            (Reference::User, "user_account", OF_USER),
            (Reference::Team, "team", OF_NAMED),
            (Reference::Organisation, "organisation", OF_NAMED),
        ];
        for (_, target, columns) in referred.into_iter().filter(|(referred, ..)| *referred == of) {
            let (open, close) = inside(target, &format!("{target}.id"));
            for (inner, holds) in columns {
                add(inner, Place::new(&open, &format!("{target}.{inner}"), &close, holds.clone()));
            }
        }
        // Only what everybody may see is looked through: a filter must not tell of hidden records.
        if let Reference::Record(of) = of {
            for target in kinds.iter().filter(|k| k.name == of && k.public) {
                let (open, close) = inside("record AS referred", "referred.id");
                for (inner, holds) in OF_RECORD {
                    add(inner, Place::new(&open, &format!("referred.{inner}"), &close, holds.clone()));
                }
                let (open, close) = inside(target.name, &format!("{}.record_id", target.name));
                for field in target.fields {
                    if let Some(holds) = field_type(field, None) {
                        let place = Place::new(&open, &format!("{}.{}", target.name, field.name), &close, holds);
                        add(field.short_name(), place.clone());
                        add(field.name, place);
                    }
                }
            }
        }
    }

    /// A text by which something is recognised, however it is written, as `name.folded`.
    fn add_folded(&mut self, name: &str, (open, column, close): (&str, &str, &str)) {
        let place = Place::new(open, &format!("lower(trim({column}))"), close, FieldType::Text);
        // The values of fields that administrators defined have an index of the shorter ones.
        let as_text = !open.is_empty();
        self.places.insert(format!("{name}.folded"), Place { folds: true, as_text, ..place });
    }

    /// What a record is: its class, and those above it.
    fn add_line(&mut self, kind: &Kind) {
        let open = format!(
            "record.id IN (SELECT {0}.record_id FROM {0} JOIN record_class_line AS line \
             ON line.kind = '{0}' AND line.class = {0}.class WHERE ",
            kind.name
        );
        let place = Place::new(&open, "line.above", ")", FieldType::Text);
        self.places.insert(class::IS_A.to_owned(), place);
    }

    /// A field that administrators defined, whose values stand as rows.
    fn add_given(&mut self, of: &str, field: &CustomField, kinds: &[&'static Kind]) {
        if !is_name(&field.name) {
            return;
        }
        let stored = if of == custom::PLACE { field.name.clone() } else { format!("{of}.{}", field.name) };
        let open = format!("record.id IN (SELECT record_id FROM custom_value WHERE name = '{stored}' AND ");
        let holds = match field.field_type.as_str() {
            "integer" => FieldType::Integer,
            "decimal" => FieldType::Decimal,
            "boolean" => FieldType::Boolean,
            "date" => FieldType::Date,
            "time" => FieldType::Time,
            "choice" => FieldType::Choice(field.choices.read().unwrap_or_default()),
            "user" => FieldType::User,
            "team" => FieldType::Team,
            "organisation" => FieldType::Organisation,
            custom::CONFIGURATION_ITEM => FieldType::Record,
            _ => FieldType::Text,
        };
        let as_text = !matches!(holds, FieldType::Integer | FieldType::Decimal);
        let column = if as_text { "text_value" } else { "number_value" };
        // Ids are among the shorter values, of which there is an index.
        let short = field.refers_to().map(|_| format!("length({column}) <= {} AND ", custom::INDEXED));
        let open = open + short.as_deref().unwrap_or_default();
        let name = format!("{of}.{}", field.name);
        if let Some(of) = field.refers_to() {
            self.add_referred(&name, of, (&open, column, ")"), kinds);
        }
        if field.field_type == "text" {
            self.add_folded(&name, (&open, column, ")"));
        }
        let place = Place { as_text, ..Place::new(&open, column, ")", holds) };
        self.places.insert(name, place);
    }
}

impl Place {
    fn new(open: &str, column: &str, close: &str, holds: FieldType) -> Self {
        let [open, column, close] = [open, column, close].map(str::to_owned);
        Place { open, column, close, holds, zero_is_none: false, as_text: false, folds: false }
    }
}

impl Fields for Catalogue {
    fn find(&self, path: &str) -> Option<FieldType> {
        self.places.get(path).map(|p| p.holds.clone())
    }
    fn names(&self) -> Vec<String> {
        self.places.keys().cloned().collect()
    }
}

/// Whether a custom field may be called that: lower snake, so that it stands in filters and SQL as it is.
pub fn is_name(name: &str) -> bool {
    name.len() <= 60
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn field_type(field: &Field, lifecycle: Option<&Lifecycle>) -> Option<FieldType> {
    Some(match field.holds {
        Holds::Line(_) if field.name == "state" && lifecycle.is_some() => {
            let states = lifecycle.map_or(&[][..], |l| l.states);
            FieldType::Choice(states.iter().map(|s| s.name.to_owned()).collect())
        }
        Holds::Line(_) | Holds::Text(_) | Holds::Class => FieldType::Text,
        Holds::Integer(..) => FieldType::Integer,
        Holds::Time => FieldType::Time,
        Holds::Choice(choices) => FieldType::Choice(choices.iter().map(|c| (*c).to_owned()).collect()),
        Holds::User => FieldType::User,
        Holds::Team => FieldType::Team,
        Holds::Organisation => FieldType::Organisation,
        Holds::Record(_) => FieldType::Record,
        Holds::Tags | Holds::Custom | Holds::Attributes => return None,
    })
}
