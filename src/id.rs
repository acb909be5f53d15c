//! Typed identifiers: an id of a team can't be passed where a user is meant.
//!
//! Every id is a UUIDv7 as 36 characters of text, so that ids sort by the time they were made and look the same in both
//! databases, in URLs and in logs.

use std::{fmt, hash::Hash, marker::PhantomData, str::FromStr};

use diesel::{
    backend::Backend,
    deserialize::FromSqlRow,
    expression::AsExpression,
    serialize::{self, Output, ToSql},
    sql_types::Text,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An identifier of a `K`. `K` is a marker and never made.
#[derive(AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
pub struct Id<K: 'static> {
    text: [u8; 36],
    kind: PhantomData<fn() -> K>,
}

/// What an id can be of.
pub mod of {
    macro_rules! markers { ($($(#[doc = $doc:literal])+ $name:ident),+ $(,)?) => { $($(#[doc = $doc])+ #[derive(Debug)] pub enum $name {})+ } }
    markers! {
        /// A record of any practice.
        Record,
        /// A person or service account.
        User,
        /// A team.
        Team,
        /// An organisation.
        Organisation,
        /// Anything that only its own table knows.
        Row,
    }
}

/// Id of a record of any practice.
pub type RecordId = Id<of::Record>;
/// Id of a person or service account.
pub type UserId = Id<of::User>;
/// Id of a team.
pub type TeamId = Id<of::Team>;
/// Id of an organisation.
pub type OrganisationId = Id<of::Organisation>;
/// Id of a row that only its own table knows.
pub type RowId = Id<of::Row>;

impl<K> Id<K> {
    /// A new id: later ones of this process sort after earlier ones.
    #[expect(clippy::new_without_default, reason = "a default id would be a surprise: each call makes another")]
    pub fn new() -> Self {
        let mut text = [0; 36];
        uuid::Uuid::now_v7().hyphenated().encode_lower(&mut text);
        Id { text, kind: PhantomData }
    }

    /// An id as a database holds it: in the form that [`Id::new`] and parsing give.
    ///
    /// # Errors
    /// It is not 36 characters of ASCII.
    pub fn stored(text: &str) -> Result<Self, NotAnId> {
        let text: [u8; 36] = text.as_bytes().try_into().map_err(|_| NotAnId)?;
        if text.is_ascii() { Ok(Id { text, kind: PhantomData }) } else { Err(NotAnId) }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        // Only `new`, `stored` and `from_str` fill the array, all with ASCII.
        std::str::from_utf8(&self.text).unwrap_or_default()
    }
}

/// The text is not a UUID.
#[derive(Debug, thiserror::Error)]
#[error("not a UUID")]
pub struct NotAnId;

impl<K> FromStr for Id<K> {
    type Err = NotAnId;
    fn from_str(s: &str) -> Result<Self, NotAnId> {
        let uuid = uuid::Uuid::try_parse(s).map_err(|_| NotAnId)?;
        let mut text = [0; 36];
        uuid.hyphenated().encode_lower(&mut text);
        Ok(Id { text, kind: PhantomData })
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}
impl<K> Hash for Id<K> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}
impl<K> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl<K> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl<K> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}
impl<'de, K> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
impl<K: 'static, DB: Backend> ToSql<Text, DB> for Id<K>
where
    str: ToSql<Text, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        self.as_str().to_sql(out)
    }
}
impl<K> utoipa::PartialSchema for Id<K> {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
        ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid))).into()
    }
}
impl<K> utoipa::ToSchema for Id<K> {
    fn name() -> std::borrow::Cow<'static, str> {
        "Id".into()
    }
}
