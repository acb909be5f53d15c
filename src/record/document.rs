//! A record as JSON text, of which it is known where each member stands.
//!
//! Most records are read to be passed on, so they never become a tree of values: the text is made once, may be kept (see
//! [`super::shelf`]), and what a caller sees differently lies over it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use bytestring::ByteString;
use foldhash::fast::FixedState;
use serde::{
    Serialize,
    ser::{Impossible, SerializeStruct, Serializer},
};
use serde_json::{Map, Value};

use super::query::fields::{self, Fields};
use crate::error::{Error, Result};

const NULL: &str = "null";

/// The text of a record, as everybody sees it who sees everything.
#[derive(Debug, Default)]
pub struct Text {
    json: ByteString,
    names: Arc<Names>,
    /// Where the value of each name begins and ends.
    values: Vec<(u32, u32)>,
}

/// A record as one caller sees it.
#[derive(Clone, Debug)]
pub struct Document {
    text: Arc<Text>,
    /// Members that are others than in the text, or more.
    over: Vec<(&'static str, Arc<str>)>,
}

/// Writes structs into one JSON object, field by field.
pub struct Writer<'a> {
    json: Vec<u8>,
    names: Vec<&'static str>,
    values: Vec<(u32, u32)>,
    without: &'a [&'a str],
    zero_is_none: &'a [&'a str],
}

impl<'a> Writer<'a> {
    /// An object without these members, and with `null` where one of those is 0.
    pub fn new(without: &'a [&'a str], zero_is_none: &'a [&'a str]) -> Self {
        // What an incident takes.
        let (json, names, values) = (Vec::with_capacity(2048), Vec::with_capacity(48), Vec::with_capacity(48));
        Writer { json, names, values, without, zero_is_none }
    }

    /// Appends the fields of a struct.
    ///
    /// # Errors
    /// `fields` is no struct.
    pub fn extend<T: Serialize>(&mut self, fields: &T) -> Result<()> {
        fields.serialize(Members(self)).map_err(Error::internal)
    }

    /// The object.
    ///
    /// # Errors
    /// Never: what was written is JSON.
    pub fn end(mut self) -> Result<Text> {
        if self.names.is_empty() {
            self.json.push(b'{');
        }
        self.json.push(b'}');
        self.json.shrink_to_fit();
        self.values.shrink_to_fit();
        let json = ByteString::try_from(self.json).map_err(Error::internal)?;
        Ok(Text { json, names: Names::shared(&self.names), values: self.values })
    }

    fn member<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> serde_json::Result<()> {
        if self.without.contains(&name) {
            return Ok(());
        }
        let json = &mut self.json;
        json.push(if self.names.is_empty() { b'{' } else { b',' });
        write_name(json, name);
        let from = json.len();
        serde_json::to_writer(&mut *json, value)?;
        if &json[from..] == b"0" && self.zero_is_none.contains(&name) {
            json.truncate(from);
            json.extend_from_slice(NULL.as_bytes());
        }
        let place = |at: usize| u32::try_from(at).map_err(serde::ser::Error::custom);
        self.values.push((place(from)?, place(json.len())?));
        self.names.push(name);
        Ok(())
    }
}

/// The names of an object in their order, and where each stands.
#[derive(Debug, Default)]
struct Names {
    all: Vec<&'static str>,
    places: HashMap<&'static str, usize, FixedState>,
}

impl Names {
    /// Once for all objects of a kind.
    fn shared(names: &[&'static str]) -> Arc<Names> {
        static KNOWN: Mutex<Vec<Arc<Names>>> = Mutex::new(Vec::new());
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(same) = known.iter().find(|one| one.all == names) {
            return same.clone();
        }
        let places = names.iter().enumerate().map(|(n, name)| (*name, n)).collect();
        let new = Arc::new(Names { all: names.to_vec(), places });
        known.push(new.clone());
        new
    }

    fn contains(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }
}

fn write_name(out: &mut Vec<u8>, name: &str) {
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

impl Text {
    /// How many bytes it takes, about.
    pub fn size(&self) -> usize {
        self.json.len() + std::mem::size_of_val(self.values.as_slice())
    }

    fn value(&self, n: usize) -> &str {
        let (from, to) = self.values[n];
        self.json.get(from as usize..to as usize).unwrap_or(NULL)
    }
}

impl From<Text> for Document {
    fn from(text: Text) -> Self {
        Arc::new(text).into()
    }
}

impl From<Arc<Text>> for Document {
    fn from(text: Arc<Text>) -> Self {
        Document { text, over: Vec::new() }
    }
}

impl Document {
    /// How many bytes its text takes, about.
    pub fn size(&self) -> usize {
        let over = self.over.iter().map(|(name, json)| name.len() + json.len() + r#","":"#.len());
        self.text.json.len() + over.sum::<usize>()
    }

    /// The JSON text of a member.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.lying_over(name).or_else(|| self.text.names.places.get(name).map(|n| self.text.value(*n)))
    }

    fn lying_over(&self, name: &str) -> Option<&str> {
        self.over.iter().find(|(member, _)| *member == name).map(|(_, json)| &**json)
    }

    /// The content of a member that is a text without escapes, as ids, names of kinds and numbers of records are.
    pub fn word(&self, name: &str) -> Option<&str> {
        word(self.get(name)?)
    }

    /// Puts JSON text into a member, at the end where there is none of this name.
    pub fn set(&mut self, name: &'static str, json: Arc<str>) {
        match self.over.iter_mut().find(|(member, _)| *member == name) {
            Some((_, old)) => *old = json,
            None => self.over.push((name, json)),
        }
    }

    /// Makes a member `null`.
    pub fn empty(&mut self, name: &'static str) {
        self.set(name, NULL.into());
    }

    /// All members with their JSON text, in order.
    fn members(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let value =
            |(n, name): (usize, &&'static str)| (*name, self.lying_over(name).unwrap_or_else(|| self.text.value(n)));
        let beneath = self.text.names.all.iter().enumerate().map(value);
        let added = self.over.iter().filter(|(name, _)| !self.text.names.contains(name));
        beneath.chain(added.map(|(name, json)| (*name, &**json)))
    }

    /// Appends the object to `out`, or what is picked of it.
    ///
    /// # Errors
    /// A member is no JSON.
    pub fn write(&self, picked: Option<&Fields>, out: &mut Vec<u8>) -> Result<()> {
        match picked {
            None if self.over.is_empty() => out.extend_from_slice(self.text.json.as_bytes()),
            None if self.over.iter().all(|(name, _)| !self.text.names.contains(name)) => {
                out.extend_from_slice(self.text.json.strip_suffix('}').unwrap_or_default().as_bytes());
                for (name, json) in &self.over {
                    out.push(b',');
                    write_name(out, name);
                    out.extend_from_slice(json.as_bytes());
                }
                out.push(b'}');
            }
            None => write_object(self.members().map(|(name, json)| Ok((name, json.into()))), out)?,
            Some(wanted) => {
                let members = self.members().filter_map(|(name, json)| pick(wanted, name, json).transpose());
                write_object(members, out)?;
            }
        }
        Ok(())
    }

    /// The object, or what is picked of it: without a copy where all of it is wanted and nothing lies over it.
    ///
    /// # Errors
    /// A member is no JSON.
    pub fn bytes(&self, picked: Option<&Fields>) -> Result<Bytes> {
        if picked.is_none() && self.over.is_empty() {
            return Ok(self.text.json.as_bytes().clone());
        }
        let mut json = Vec::with_capacity(self.size());
        self.write(picked, &mut json)?;
        Ok(json.into())
    }

    /// The whole object.
    ///
    /// # Errors
    /// A member is no JSON.
    pub fn text(&self) -> Result<String> {
        String::from_utf8(self.bytes(None)?.into()).map_err(Error::internal)
    }

    /// The object as a tree of values, for what works with single fields; or what is picked of it.
    ///
    /// # Errors
    /// A member is no JSON.
    pub fn object(&self, picked: Option<&Fields>) -> Result<Map<String, Value>> {
        serde_json::from_slice(&self.bytes(picked)?).map_err(Error::internal)
    }
}

/// One member that is looked for in many documents, most of which have the same names.
pub struct Member {
    /// What it is called.
    pub name: &'static str,
    names: Arc<Names>,
    place: Option<usize>,
}

impl Member {
    /// The member called `name`.
    pub fn new(name: &'static str) -> Self {
        Member { name, names: Arc::default(), place: None }
    }

    /// Its [`word`](Document::word) in a document.
    pub fn word<'a>(&mut self, document: &'a Document) -> Option<&'a str> {
        let names = &document.text.names;
        if !Arc::ptr_eq(&self.names, names) {
            (self.names, self.place) = (names.clone(), names.places.get(self.name).copied());
        }
        let beneath = || Some(document.text.value(self.place?));
        word(document.lying_over(self.name).or_else(beneath)?)
    }
}

fn word(json: &str) -> Option<&str> {
    json.strip_prefix('"')?.strip_suffix('"')
}

type Written<'a> = (&'static str, std::borrow::Cow<'a, str>);

fn write_object<'a>(members: impl Iterator<Item = Result<Written<'a>>>, out: &mut Vec<u8>) -> Result<()> {
    out.push(b'{');
    for (n, member) in members.enumerate() {
        let (name, json) = member?;
        if n > 0 {
            out.push(b',');
        }
        write_name(out, name);
        out.extend_from_slice(json.as_bytes());
    }
    out.push(b'}');
    Ok(())
}

/// What is wanted of a member; nothing when none of it is.
fn pick<'a>(wanted: &Fields, name: &'static str, json: &'a str) -> Result<Option<Written<'a>>> {
    Ok(match wanted.branch(name) {
        None => None,
        Some(branch) if branch.is_whole() => Some((name, json.into())),
        Some(branch) => {
            let inner: Value = serde_json::from_str(json).map_err(Error::internal)?;
            let has_members = inner.is_object() || inner.is_array() || inner.is_null();
            has_members.then(|| (name, fields::pick(&inner, branch).to_string().into()))
        }
    })
}

/// Writes the fields of a struct.
struct Members<'a, 'w>(&'a mut Writer<'w>);

impl SerializeStruct for Members<'_, '_> {
    type Ok = ();
    type Error = serde_json::Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> serde_json::Result<()> {
        self.0.member(name, value)
    }

    fn end(self) -> serde_json::Result<()> {
        Ok(())
    }
}

type Never = Impossible<(), serde_json::Error>;

fn no_struct<T>() -> serde_json::Result<T> {
    Err(serde::ser::Error::custom("not a struct"))
}

/// Everything but a struct is refused.
macro_rules! refuse {
    ($($method:ident($($argument:ty),*) -> $ok:ty;)+) => {
        $(fn $method(self, $(_: $argument),*) -> serde_json::Result<$ok> { no_struct() })+
    };
}

impl<'a, 'w> Serializer for Members<'a, 'w> {
    type Ok = ();
    type Error = serde_json::Error;
    type SerializeSeq = Never;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStruct = Members<'a, 'w>;
    type SerializeStructVariant = Never;

    fn serialize_struct(self, _: &'static str, _: usize) -> serde_json::Result<Self> {
        Ok(self)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> serde_json::Result<()> {
        no_struct()
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, _: &T) -> serde_json::Result<()> {
        no_struct()
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> serde_json::Result<()> {
        no_struct()
    }
    refuse! {
        serialize_bool(bool) -> ();
        serialize_i8(i8) -> ();
        serialize_i16(i16) -> ();
        serialize_i32(i32) -> ();
        serialize_i64(i64) -> ();
        serialize_u8(u8) -> ();
        serialize_u16(u16) -> ();
        serialize_u32(u32) -> ();
        serialize_u64(u64) -> ();
        serialize_f32(f32) -> ();
        serialize_f64(f64) -> ();
        serialize_char(char) -> ();
        serialize_str(&str) -> ();
        serialize_bytes(&[u8]) -> ();
        serialize_none() -> ();
        serialize_unit() -> ();
        serialize_unit_struct(&'static str) -> ();
        serialize_unit_variant(&'static str, u32, &'static str) -> ();
        serialize_seq(Option<usize>) -> Never;
        serialize_tuple(usize) -> Never;
        serialize_tuple_struct(&'static str, usize) -> Never;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Never;
        serialize_map(Option<usize>) -> Never;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Never;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Serialize)]
    struct Fruit {
        id: &'static str,
        words: &'static str,
        parts: Vec<u8>,
        none: Option<i32>,
        weight: i32,
    }

    const APPLE: Fruit = Fruit { id: "a-1", words: "say \"x\"\n", parts: Vec::new(), none: None, weight: 0 };

    fn apple() -> Document {
        let mut writer = Writer::new(&["weight"], &[]);
        writer.extend(&APPLE).unwrap();
        writer.end().unwrap().into()
    }

    fn json(document: &Document, picked: Option<&Fields>) -> String {
        let mut out = Vec::new();
        document.write(picked, &mut out).unwrap();
        let read: Map<String, Value> = serde_json::from_slice(&out).unwrap();
        assert_eq!(read, document.object(picked).unwrap());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_struct_becomes_its_members_in_their_order() {
        let expected = "{\"id\":\"a-1\",\"words\":\"say \\\"x\\\"\\n\",\"parts\":[],\"none\":null}";
        assert_eq!(json(&apple(), None), expected);
        let mut writer = Writer::new(&["id", "words", "parts"], &["weight"]);
        writer.extend(&APPLE).unwrap();
        writer.extend(&Fruit { weight: 0, ..APPLE }).unwrap();
        assert_eq!(
            json(&writer.end().unwrap().into(), None),
            "{\"none\":null,\"weight\":null,\"none\":null,\"weight\":null}"
        );
        assert_eq!(json(&Writer::new(&[], &[]).end().unwrap().into(), None), "{}");
        assert!(Writer::new(&[], &[]).extend(&3).is_err());
        assert!(Writer::new(&[], &[]).extend(&json!({"a": 1})).is_err(), "a map is no struct");
    }

    #[test]
    fn members_are_read_covered_and_added() {
        let mut document = apple();
        assert_eq!((document.word("id"), document.word("parts"), document.word("nothing")), (Some("a-1"), None, None));
        let mut id = Member::new("id");
        assert_eq!(
            (id.word(&document), id.word(&document), Member::new("parts").word(&document)),
            (Some("a-1"), Some("a-1"), None)
        );
        let other = Document::from(Writer::new(&[], &[]).end().unwrap());
        assert_eq!(
            (id.word(&other), id.word(&document), Member::new("nothing").word(&document)),
            (None, Some("a-1"), None)
        );
        document.set("more", "true".into());
        document.set("parts", "{\"a\":1}".into());
        document.set("parts", "{\"a\":2}".into());
        document.empty("id");
        assert_eq!((document.word("id"), id.word(&document), document.get("parts")), (None, None, Some("{\"a\":2}")));
        let expected = "{\"id\":null,\"words\":\"say \\\"x\\\"\\n\",\"parts\":{\"a\":2},\"none\":null,\"more\":true}";
        assert_eq!(json(&document, None), expected);
    }

    #[test]
    fn picking_is_the_same_as_picking_from_values() {
        let known = ["id", "words", "parts.a", "parts.b", "none"];
        let mut document = apple();
        document.set("parts", "{\"a\":1,\"b\":[{\"c\":3}]}".into());
        for text in ["id", "none,words", "parts", "parts.b,id", "id,words,parts.a,none"] {
            let wanted = fields::parse(text, &known).unwrap();
            let expected = fields::pick(&Value::Object(document.object(None).unwrap()), &wanted);
            assert_eq!(json(&document, Some(&wanted)), expected.to_string(), "{text}");
        }
    }
}
