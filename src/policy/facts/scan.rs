//! Reading facts from JSON text as the server itself writes it: the fields of a record in the order of their schema, and nothing
//! between them. A back-test reads a million inputs, of which every name is known before it comes.
//!
//! **Invariant:** text that is written otherwise gives nothing, never something else; [`Facts::from_json`] reads all of it.

use std::{borrow::Cow, sync::Arc};

use super::{FactSchema, Facts, FieldType, Value, read};

/// What is left to read of a text.
pub struct Scan<'a>(&'a str);

impl<'a> Scan<'a> {
    /// Of a whole text.
    pub fn new(text: &'a str) -> Scan<'a> {
        Scan(text)
    }

    /// Whether all is read.
    pub fn is_done(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads this, where it comes next.
    pub fn pass(&mut self, expected: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(expected)?;
        Some(())
    }

    /// Reads the name of this member, where it comes next.
    pub fn member(&mut self, name: &str) -> Option<()> {
        self.0 = self.0.strip_prefix('"')?.strip_prefix(name)?.strip_prefix("\":")?;
        Some(())
    }

    /// Reads what stands behind a member or an item; true where another follows.
    pub fn goes_on(&mut self, end: &str) -> Option<bool> {
        self.pass(",").map(|()| true).or_else(|| self.pass(end).map(|()| false))
    }

    /// Reads a text.
    pub fn text(&mut self) -> Option<Cow<'a, str>> {
        let rest = self.0.strip_prefix('"')?;
        let end = rest.bytes().position(|byte| byte == b'"' || byte == b'\\')?;
        let (text, after) = rest.split_at(end);
        if let Some(after) = after.strip_prefix('"') {
            self.0 = after;
            return Some(text.into());
        }
        let mut values = serde_json::Deserializer::from_str(self.0).into_iter();
        let text: String = values.next()?.ok()?;
        self.0 = self.0.get(values.byte_offset()..)?;
        Some(text.into())
    }

    fn whole(&mut self) -> Option<i64> {
        let end = self.0.bytes().position(|byte| byte != b'-' && !byte.is_ascii_digit())?;
        let (number, rest) = self.0.split_at(end);
        self.0 = rest;
        number.parse().ok()
    }

    fn list(&mut self) -> Option<Value> {
        self.pass("[")?;
        let mut items = Vec::new();
        let mut more = self.pass("]").is_none();
        while more {
            items.push(super::value::text(&self.text()?));
            more = self.goes_on("]")?;
        }
        Some(Value::List(items.into()))
    }

    /// Reads a value of this type, or nothing.
    pub fn value(&mut self, wanted: &FieldType) -> Option<Value> {
        if self.pass("null").is_some() {
            return Some(Value::Null);
        }
        match wanted {
            FieldType::Bool => {
                let yes = self.pass("true").is_some();
                (yes || self.pass("false").is_some()).then_some(Value::Bool(yes))
            }
            FieldType::Int => self.whole().map(Value::Int),
            FieldType::Text | FieldType::Decimal | FieldType::Time => read::text(&self.text()?, wanted),
            FieldType::TextList => self.list(),
            FieldType::Nested(schema) => self.record(schema).map(Value::Facts),
        }
    }

    /// Reads a record of this schema. Fields may be missing: those that came into the schema later.
    pub fn record(&mut self, schema: &Arc<FactSchema>) -> Option<Facts> {
        self.pass("{")?;
        let members = schema.members();
        let mut values = Vec::with_capacity(members.len());
        let mut more = self.pass("}").is_none();
        for (key, field) in members {
            let is_there = more && self.pass(key).is_some();
            values.push(if is_there { self.value(&field.kind)? } else { field.absent() });
            more = if is_there { self.goes_on("}")? } else { more };
        }
        (!more).then(|| Facts::of(schema, values))
    }
}
